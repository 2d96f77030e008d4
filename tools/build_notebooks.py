"""Build notebooks/NN_name.ipynb, executed, and its copy for students from notebooks/source/NN_name.py.

python tools/build_notebooks.py [NUMBERS...] [--check] [--student] [--no-execute] [--repository ADDRESS]
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import tlkit
from tlkit.errors import UserError
from tlkit_lessons.notebooks import pick
from tools.notebooks import cells, style, sync
from tools.notebooks.execute import execute, refuse
from tools.notebooks.layout import Layout, read_built, read_source, write_built
from tools.notebooks.listing import notebook_map


def page(layout: Layout, name: str) -> cells.Page:
    """What the notebook `name` is built with."""
    needs = read_source(layout.source(name)).metadata.get("tlkit", {})
    extras, sets = (tuple(needs.get(kind, ())) for kind in ("extras", "sets"))
    facts = {"version": tlkit.__version__, "extras": layout.requirements(extras), "sets": sets}
    return cells.Page(
        name, layout.repository(), layout.seconds(name), listing=partial(notebook_map, layout.folder), **facts
    )


def build(layout: Layout, name: str, run: bool = True, say: Callable[[str], None] = print) -> None:
    """Build one notebook and its student copy. After a UserError both are as they were."""
    refuse_worked_in(layout, name)
    facts = page(layout, name)
    provisional = replace(facts, seconds=facts.seconds or 0) if run else facts
    if edits := sync.take_back(layout, name, provisional):
        say(f"  {edits}")
    raw = read_source(layout.source(name))
    for problem in style.problems(raw):
        say(f"  style: {problem}")
    nb = cells.assemble(raw, provisional)
    if run:
        seconds = execute(nb, name, layout.folder)
        refuse(nb, name, layout.root)
        layout.measured(name, seconds)
        done, nb = nb, cells.assemble(raw, page(layout, name))
        sync.carry_outputs(done, nb)
        say(f"  executed in {seconds:.1f} s")
    elif layout.built(name).exists() and sync.carry_outputs(read_built(layout.built(name)), nb):
        say("  not executed: no code changed, outputs kept")
    else:
        say("  not executed: it has no outputs now, build it again before you commit it")
    write_built(layout.built(name), cells.described(nb))
    build_student(layout, name)


def refuse_worked_in(layout: Layout, name: str) -> None:
    """Raise UserError if somebody has written answers into the student copy."""
    path = layout.student(name)
    if path.exists():
        old = read_built(path)
        if cells.fingerprint(old.cells) != old.metadata.get("tlkit", {}).get("cells"):
            raise UserError(f"exercises/{path.name} has somebody's work in it: rename it, then build again.")


def build_student(layout: Layout, name: str) -> None:
    """Write the copy for students, unless somebody has worked in it."""
    refuse_worked_in(layout, name)
    raw = read_source(layout.source(name))
    write_built(layout.student(name), cells.student(raw, page(layout, name)))


def check(layout: Layout, name: str) -> list[str]:
    """How the committed notebook and student copy differ from what the source gives; [] if they do not."""
    raw, facts = read_source(layout.source(name)), page(layout, name)
    found = []
    for path, make in ((layout.built(name), cells.assemble), (layout.student(name), cells.student)):
        where = path.relative_to(layout.folder)
        if not path.exists():
            found.append(f"{where} is not built")
            continue
        found += [f"{where}: {d}" for d in sync.differences(make(raw, facts), read_built(path))]
    return found


def main(argv: list[str] | None = None, layout: Layout | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "numbers", nargs="*", default=["all"], help="like 11 12, 11-16, core or all (default)"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a rebuild would differ")
    parser.add_argument("--student", action="store_true", help="write only the copies for students")
    parser.add_argument(
        "--no-execute", action="store_true", help="keep the outputs if no code changed, else none"
    )
    parser.add_argument(
        "--repository",
        help="https://github.com/OWNER/NAME: set it, and build badges, links and set-up cells; runs none",
    )
    options = parser.parse_args(argv)
    failed = False
    try:
        layout = layout or _own_layout()
        if options.repository is not None:
            layout.set_repository(options.repository)
            options.no_execute = True
        names = {name[:2]: name for name in layout.names()}
        chosen = [names[number] for number in pick(options.numbers, names)]
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    for name in chosen:
        try:
            failed |= _one(layout, name, options)
        except UserError as error:
            failed = True
            print(error, file=sys.stderr)
    return int(failed)


def _own_layout() -> Layout:
    """This checkout. Raises UserError where the environment would run the package of another one."""
    mine, layout = Path(__file__).resolve().parents[1], Layout()
    theirs = {layout.root, Path(tlkit.__file__).resolve().parents[1]} - {mine}
    if theirs:
        raise UserError(
            f"this environment runs the tlkit of {theirs.pop()}: call `make notebooks` in {mine}."
        )
    return layout


def _one(layout: Layout, name: str, options: argparse.Namespace) -> bool:
    if options.check:
        found = check(layout, name)
        print(*(found or [f"{name}: no difference"]), sep="\n", file=sys.stderr if found else sys.stdout)
        return bool(found)
    if options.student:
        build_student(layout, name)
        print(f"{name}: student copy written")
        return False
    print(name, flush=True)
    build(layout, name, not options.no_execute)
    return False


if __name__ == "__main__":
    sys.exit(main())
