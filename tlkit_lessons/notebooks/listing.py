"""What notebooks there are, what they ask, and which parameters they take."""

import ast
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlkit.errors import UserError

NAME = re.compile(r"(\d\d)_\w+")


@dataclass(frozen=True)
class NotebookInfo:
    """What one notebook says of itself; `seconds` is the measured time, None before the first build."""

    number: str
    name: str
    path: Path
    title: str
    question: str
    seconds: int | None
    part: int


def home() -> Path:
    """The notebooks folder: of the clone this package runs from, else of the working directory."""
    for root in (Path(__file__).resolve().parents[2], Path.cwd()):
        if (root / "notebooks" / "source").is_dir():
            return root / "notebooks"
    raise UserError(
        "no notebooks here: run this in a clone of the repository, they are not part of the package."
    )


def notebooks(folder: Path | None = None) -> list[NotebookInfo]:
    """Every notebook in `folder` (default: `home()`), by number."""
    folder = folder or home()
    timings = folder / "timings.json"
    seconds = json.loads(timings.read_text("utf-8")) if timings.exists() else {}
    paths = sorted(p for p in folder.glob("*.ipynb") if NAME.fullmatch(p.stem))
    return [_info(path, seconds.get(path.stem)) for path in paths]


def _info(path: Path, seconds: int | None) -> NotebookInfo:
    cells = read(path)["cells"]
    opening = "".join(cells[0]["source"]) if cells else ""
    title = re.search(r"^# \d\d · (.+)$", opening, re.M)
    question = re.search(r"\*\*Question\.?\*\*\s*(.+?)(?=\n\s*\n|\n\*\*|\n- |\Z)", opening, re.S)
    return NotebookInfo(
        number=path.stem[:2],
        name=path.stem,
        path=path,
        title=title[1].strip() if title else path.stem[3:].replace("_", " "),
        question=" ".join(question[1].split()) if question else "",
        seconds=seconds,
        part=int(path.stem[0]),
    )


def read(path: Path) -> dict:
    try:
        return json.loads(path.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path.name} is not a notebook ({error}): restore it from git.") from error


def select(spec: str | Iterable[str] = "core", folder: Path | None = None) -> list[NotebookInfo]:
    """The notebooks that `spec` names: '11-12,16', 'core' (00 and part 1) or 'all'."""
    infos = {info.number: info for info in notebooks(folder)}
    return [infos[number] for number in pick(spec, infos)]


def pick(spec: str | Iterable[str], known: Iterable[str]) -> list[str]:
    """The numbers among `known` that `spec` names, sorted, each once; UserError lists what exists."""
    known = sorted(known)
    words = [w.strip() for w in (spec if isinstance(spec, str) else ",".join(spec)).split(",")]
    chosen: set[str] = set()
    for word in words:
        found = _numbers(word, known)
        if not found:
            there = f"there are {', '.join(known)}; or say core, or all" if known else "none is built yet"
            raise UserError(f"no notebook {word!r}: {there}.")
        chosen.update(found)
    return sorted(chosen)


def _numbers(part: str, known: list[str]) -> list[str]:
    if part == "all":
        return known
    if part == "core":
        return [n for n in known if n == "00" or n[0] == "1"]
    if bounds := re.fullmatch(r"(\d{1,2})-(\d{1,2})", part):
        first, last = (b.zfill(2) for b in bounds.groups())
        return [n for n in known if first <= n <= last]
    return [n for n in known if part and n == part.zfill(2)]


def parameters(nb: NotebookInfo | Path | Mapping) -> dict[str, Any]:
    """The names and default values of the cell tagged `parameters`, in order; {} if there is none."""
    cells = (nb if isinstance(nb, Mapping) else read(nb.path if isinstance(nb, NotebookInfo) else nb))[
        "cells"
    ]
    tagged = [c for c in cells if "parameters" in c["metadata"].get("tags", ())]
    lines = ast.parse("".join("".join(c["source"]) for c in tagged[:1])).body
    return {
        line.targets[0].id: ast.literal_eval(line.value) for line in lines if isinstance(line, ast.Assign)
    }


def parse(pairs: Iterable[str]) -> dict[str, Any]:
    """`name=value` words to values: Python literals where they are some, else the text itself."""
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip().isidentifier():
            raise UserError(f"parameter {pair!r}: write it as name=value.")
        try:
            values[name.strip()] = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError):
            values[name.strip()] = text.strip()
    return values
