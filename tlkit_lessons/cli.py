"""What the workbook adds to the command line: notebooks, claims, data sets, doctor, a test of intervals."""

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from tlkit.cli.saying import console, say


def run(
    numbers: Annotated[str, typer.Argument(help="Notebooks: 11, 11-12,16, core or all.")] = "core",
    full: Annotated[
        bool, typer.Option("--full", help="Full size, as in the committed results (notebooks/full.toml).")
    ] = False,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", help="Set a parameter: name=value; repeatable.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the executed copies and the report; default build, or TLKIT_RESULTS."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="File of the report; default report.html in that folder.")
    ] = None,
) -> None:
    """Run notebooks in fresh kernels and write a report."""
    from tlkit import env
    from tlkit_lessons import notebooks

    out = out or env.results_dir()

    def told(event: notebooks.NotebookInfo | notebooks.RunResult) -> None:
        if isinstance(event, notebooks.NotebookInfo):
            console.print(f"{event.number}  {event.title} ...")
        else:
            console.print(f"    {'done' if event.ok else 'FAILED'} in {event.seconds:.0f} s")

    results = notebooks.run(numbers, notebooks.parse(parameter or []), full, out, told)
    from tlkit_lessons.notebooks.report import workbook_html

    say(f"report: {workbook_html(results, report or out / 'report.html')}")
    failed = [result for result in results if not result.ok]
    for result in failed:
        say(f"{result.number}: {result.error}", "failed:", "bold red")
    raise typer.Exit(1 if failed else 0)


def claims(
    write: Annotated[bool, typer.Option(help="Write data/verdicts.json, which CI compares with.")] = False,
) -> None:
    """The verdict of every claim, computed from the committed records."""
    from tlkit import compare
    from tlkit_lessons import ledger

    table = Table("", "claim", "effect", "verdict", "power", "in", title="Claims and their verdicts")
    for row in ledger.table():
        table.add_row(str(row.number), row.text, row.effect, row.verdict, row.power, row.where)
    console.print(table)
    console.print(
        "In brackets: 95 % intervals. On the left: the number of a claim in the workbook's list; "
        "claims that are not in this table have not been tested yet. Power: so large a true difference would "
        "have been told from none by 8 in 10 measurements like these, each judged by itself.",
    )
    if note := compare.outdated(ledger.on_shelf()):
        say(note, "note:", "yellow")
    if write:
        say(f"wrote {ledger.write_verdicts()}")


def doctor() -> None:
    """Say what is installed and ready here, and how to get what is missing."""
    from tlkit_lessons.doctor import checks

    for check in checks():
        mark = ("ok", "green") if check.ok else ("--", "yellow")
        remedy = f" (else {check.remedy})" if check.ok else f"; remedy: {check.remedy}"
        line = Text.assemble(
            mark, f"  {check.name}: {check.found}", (remedy * bool(check.remedy), "dim" * check.ok)
        )
        console.print(line, soft_wrap=True)  # a command that is to be copied is not to be broken


def selftest(
    reps: Annotated[int, typer.Option(min=100, help="Simulated experiments per row.")] = 2000,
) -> None:
    """Check the intervals on simulated data: coverage, false verdicts and statistical power."""
    from tlkit_lessons import selftest as simulated

    print(simulated.selftest_table(simulated.selftest(reps)))


data = typer.Typer(
    help="Data sets and weights that can be fetched: list, get, check, clear.", no_args_is_help=True
)


@data.command("list")
def listing() -> None:
    """List every data set: its size, its licence, and whether it is on this machine."""
    from tlkit import downloads, env

    sets = downloads.listing()
    places = ", then ".join(map(str, env.cache_dirs()))
    table = Table(box=box.SIMPLE_HEAD, title=f"in {places}", pad_edge=False)
    table.add_column("name", no_wrap=True, min_width=max((len(s.name) for s in sets), default=4))
    table.add_column("title", min_width=12)
    for name in ("files", "MB"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("licence", min_width=12)
    table.add_column("here", no_wrap=True)
    for s in sets:
        table.add_row(s.name, s.title, f"{s.files}", f"{s.bytes / 1e6:.1f}", s.licence, s.state)
    console.print(table)


@data.command()
def get(names: Annotated[list[str], typer.Argument(help="Names of `tlkit data list`.")]) -> None:
    """Fetch data sets once. Every file is checked against its sha256; what is here is not fetched again."""
    from tlkit import downloads

    for name in names:
        say(f"{name}: {downloads.get(name)}")


@data.command()
def check(name: Annotated[str, typer.Argument(help="A name of `tlkit data list`.")]) -> None:
    """Compare every file of a set with its registered size and sha256."""
    from tlkit_lessons.data import check_set

    report = check_set(name)
    bad = (*report.missing, *report.changed)
    counts = f"{len(report.missing)} missing, {len(report.changed)} changed"
    console.print(f"{name}: {report.files - len(bad)} good, {counts}")
    for file in bad:
        say(f"  {file}")
    raise typer.Exit(1 if bad else 0)


@data.command()
def clear(
    name: Annotated[str | None, typer.Argument(help="Name of a set; without it, every set.")] = None,
    computed: Annotated[
        bool, typer.Option("--computed", help="Delete what was computed here (kept activations), not sets.")
    ] = False,
) -> None:
    """Delete fetched files, or with --computed the kept activations. They are made again when needed."""
    from tlkit_lessons.data import clear_sets

    console.print(f"freed {clear_sets(name, computed=computed) / 1e6:.1f} MB")
