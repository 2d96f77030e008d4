"""Lines and files of the two floors; the exit status is 1 where a limit is passed.

python tools/size.py
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENGINE = 9_500  # lines of tlkit: what is more belongs into a library, or on the other floor
MODULE, PAGE = 250, 300  # lines of a module, and of one that holds what a page of the workbook needs


def lines(path: Path) -> int:
    """How many lines a file has."""
    return len(path.read_text(encoding="utf-8").splitlines())


def allowed(path: Path) -> int:
    """How many lines a module may have."""
    return PAGE if re.fullmatch(r"nb\d\d_\w+", path.stem) else MODULE


def main(root: Path = ROOT) -> int:
    """Print both floors; 0 where all are within their limits."""
    passed = []
    for floor in ("tlkit", "tlkit_lessons"):
        sizes = {path: lines(path) for path in sorted((root / floor).rglob("*.py"))}
        whole = sum(sizes.values())
        print(f"{floor}: {whole:,} lines in {len(sizes)} files")
        passed += [
            f"{p.relative_to(root).as_posix()}: {n} lines, {allowed(p)} at most"
            for p, n in sizes.items()
            if n > allowed(p)
        ]
        if floor == "tlkit" and whole > ENGINE:
            passed.append(f"{floor}: {whole:,} lines, {ENGINE:,} at most")
    print(*passed, sep="\n", end="\n" * bool(passed))
    return 1 if passed else 0


if __name__ == "__main__":
    sys.exit(main())
