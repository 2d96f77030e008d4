"""What the workbook adds to the command line: run its notebooks, print its claims, test its intervals."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tlkit.cli.saying import console, say


def run(
    numbers: Annotated[str, typer.Argument(help="Notebooks: 11, 11-12,16, core or all.")] = "core",
    full: Annotated[
        bool, typer.Option("--full", help="The sizes of notebooks/full.toml: the committed results.")
    ] = False,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", help="name=value; repeatable.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for executed copies and the report; default build, or TLKIT_RESULTS."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="The report; default report.html in that folder.")
    ] = None,
) -> None:
    """Execute notebooks in fresh kernels and write a report."""
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


def selftest(reps: Annotated[int, typer.Option(min=100, help="Simulated experiments a row.")] = 2000) -> None:
    """Do the intervals cover what they promise? Simulated coverage, false verdicts and power."""
    from tlkit_lessons import selftest as simulated

    print(simulated.selftest_table(simulated.selftest(reps)))
