"""Build the wheel, make the environments, run every notebook alone in each, print a table; 1 if any fails."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tlkit.errors import UserError
from tlkit_lessons import notebooks as workbook
from tools.elsewhere import alone, overlay, places, results
from tools.notebooks.cells import tags

IMPORTS = """\
import importlib, pkgutil, tlkit, tlkit_lessons
failed = {}
for floor in (tlkit, tlkit_lessons):
    for module in pkgutil.walk_packages(floor.__path__, f"{floor.__name__}."):
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            failed[module.name] = str(error)
assert not failed, failed
"""


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.elsewhere", description=__doc__)
    named = ", ".join(f"{place.name} ({place.says}, Python {place.python})" for place in places.PLACES)
    parser.add_argument("notebooks", nargs="*", help="numbers, as 11 12 or 11-16 or core; default all")
    parser.add_argument(
        "--in",
        dest="places",
        action="append",
        metavar="NAME",
        help=f"an environment; again for more: {named}",
    )
    parser.add_argument(
        "--folder", type=Path, default=places.ROOT / "build" / "elsewhere",
        help="where environments, logs and results are kept (default build/elsewhere)",
    )  # fmt: skip
    parser.add_argument("--again", action="store_true", help="run what has run with this wheel already, too")
    parser.add_argument("--jobs", type=int, default=2, choices=(1, 2), help="notebooks at once (default 2)")
    parser.add_argument("--cell-seconds", type=int, default=300, help="what one cell may take (default 300)")
    parser.add_argument("--keep", action="store_true", help="keep the folder that each notebook ran in")
    return parser


def wheel(folder: Path) -> Path:
    """The wheel of this checkout, freshly built into `folder`."""
    for old in folder.glob("*.whl"):
        old.unlink()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(command, cwd=places.ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def notebooks(numbers: Sequence[str], folder: Path) -> list[Path]:
    """The committed notebooks that are named, and before them one that imports every module."""
    here = workbook.select(",".join(numbers) or "all", places.ROOT / "notebooks")
    imports = folder / "imports.ipynb"
    title, code = new_markdown_cell("# Every module", id="title"), new_code_cell(IMPORTS, id="imports")
    set_up = [cell for cell in nbformat.read(here[0].path, as_version=4).cells if "colab" in tags(cell)]
    nbformat.write(new_notebook(cells=[title, *set_up, code]), imports)
    return [imports, *(info.path for info in here)]


def chosen(names: Sequence[str] | None) -> list[places.Place]:
    """The places of these names; all without names. UserError for one there is not."""
    there = {place.name: place for place in places.PLACES}
    if unknown := set(names or ()) - there.keys():
        raise UserError(f"no environment {unknown.pop()!r}: there are {', '.join(there)}.")
    return [there[name] for name in names or there]


def trials(here: Sequence[places.Built], paths: Sequence[Path], built: Path, args: argparse.Namespace):
    """Pairs of a result's key and place with the trial that gives it."""
    stamp = places.digest(built.read_bytes())
    for place in here:
        beneath = [overlay.packages(place.python)]
        for path in paths:
            key = f"{stamp}-{place.key}-{places.digest(path.read_bytes())}"
            log = args.folder / "logs" / place.place.name / path.stem
            trial = alone.Trial(
                path, built, place.python, beneath, place.place.colab, log, args.cell_seconds, args.keep
            )
            yield key, place.place.name, trial


def try_all(wanted: list, file: Path, jobs: int, again: bool) -> list[results.Result]:
    """Run what is not known to run, two at a time; every result is kept as it comes."""
    known = {} if again else {key: each for key, each in results.read(file).items() if each.ok}
    found = [known[key] for key, _, _ in wanted if key in known]
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(alone.run, trial): (key, name, trial) for key, name, trial in wanted
                   if key not in known}  # fmt: skip
        for done in as_completed(running):
            key, name, trial = running[done]
            ended = done.result()
            result = results.Result(name, trial.notebook.stem, key, round(ended.seconds, 1), ended.error,
                                    ended.changed, ended.added)  # fmt: skip
            results.keep(file, result)
            found.append(result)
            print(f"{name:12} {result.notebook:32} {result.says}", flush=True)
    return found


def main(words: Sequence[str] | None = None) -> int:
    args = options().parse_args(words)
    args.folder = args.folder.resolve()
    args.folder.mkdir(parents=True, exist_ok=True)
    asked = chosen(args.places)
    paths, built = notebooks(args.notebooks, args.folder), wheel(args.folder / "wheel")
    missing = {place.name: places.absent(place) for place in asked}
    here = []
    for place in asked:
        if not missing[place.name]:
            print(f"{place.name}: {place.says}, Python {place.python}", flush=True)
            here.append(places.build(place, args.folder))
            if place.name == "lowest":
                for bound, version in places.missed_bounds(here[-1].lock).items():
                    print(f"  {bound} was tried with {version}: nothing older can be had")
    found = try_all(
        list(trials(here, paths, built, args)), args.folder / "results.jsonl", args.jobs, args.again
    )
    text = results.table([path.stem for path in paths], missing, found)
    (args.folder / "table.md").write_text(text, "utf-8", newline="\n")
    print(f"\n{text}\nLogs and executed copies: {args.folder / 'logs'}")
    return 0 if all(each.ok for each in found) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(str(error))
