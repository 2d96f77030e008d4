"""The command line: measure, keep, and write the page."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import rounds
from benchmarks.apart import ROOT
from benchmarks.page import page
from benchmarks.part import Part, parts
from benchmarks.results import COMMITTED, STATE, Results
from tlkit.errors import unknown
from tlkit.files import write_whole

PAGE = ROOT / "benchmarks" / "RESULTS.md"


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Parts to run; all of them by default.")] = None,
    quick: Annotated[
        bool, typer.Option(help="Tiny sizes, to see that it runs; kept in build/bench.")
    ] = False,
    render: Annotated[bool, typer.Option(help="Only write the page again.")] = False,
    fresh: Annotated[bool, typer.Option(help="Forget what a stopped run had measured.")] = False,
) -> None:
    """Measure, keep the numbers in benchmarks/results, and write benchmarks/RESULTS.md from them.

    A run that was stopped goes on where it was, as long as code, machine and setting are the same.
    """
    known = parts()
    for name in names or ():
        if name not in known:
            raise unknown("part", name, known)
    state = STATE / "quick" if quick else STATE
    shelf, target = (state / "results", state / "RESULTS.md") if quick else (COMMITTED, PAGE)
    if fresh:
        shutil.rmtree(state, ignore_errors=True)
    if not render:
        chosen = [known[name] for name in names or known]
        for part in chosen:
            measured(part, quick, state).write(shelf)
            write_whole(target, page(known, shelf))
        for part in chosen:  # all are done: the next call measures anew
            (state / f"{part.name}.json").unlink()
    write_whole(target, page(known, shelf))
    print(target.relative_to(ROOT))


def measured(part: Part, quick: bool, state: Path) -> Results:
    """The finished results of a part, from where a stopped run left it."""
    work = state / "work" / part.name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    design = part.design(work, quick)
    results = Results.resumed(part.name, design.setting, state, strict=not quick)
    keep = lambda: results.write(state)  # noqa: E731
    rounds.measure(design, results, keep)
    rounds.profile(part, design, results, keep)
    results.finish()
    keep()
    shutil.rmtree(work)
    return results


if __name__ == "__main__":
    typer.run(main)
