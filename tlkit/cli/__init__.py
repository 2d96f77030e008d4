"""The command line: run the workbook, compare plans on data of one's own, use the result."""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer import Context
from typer.core import TyperGroup

from tlkit.cli import comparing, datasets, predicting
from tlkit.errors import UserError


class Stoppable(TyperGroup):
    """Commands of which Ctrl-C is no error: one line, and the exit status of a shell."""

    def invoke(self, ctx: Context) -> Any:
        """Run the command that `ctx` names."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            Console(stderr=True, soft_wrap=True).print("stopped; the same command goes on where it was.")
            raise typer.Exit(128 + (stopped.args[0] if stopped.args else signal.SIGINT)) from stopped


cli = typer.Typer(
    cls=Stoppable,
    help="Transfer learning, measured: which source, which stages move, how far, and did it pay.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.add_typer(datasets.cli, name="data")
cli.command()(comparing.compare)
cli.command()(predicting.predict)
console = Console()


def app() -> None:
    """Entry point: a UserError is one sentence on stderr and exit 2, never a traceback; TERM is as Ctrl-C."""
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        cli()
    except UserError as error:
        Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {_plain(error)}", highlight=False)
        sys.exit(2)
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: what is being written down may end
    raise KeyboardInterrupt(number)


def _plain(error: UserError) -> str:
    return str(error).replace("[", r"\[")


@cli.command()
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
    from tlkit import env, workbook

    out = out or env.results_dir()

    def told(event: workbook.NotebookInfo | workbook.RunResult) -> None:
        if isinstance(event, workbook.NotebookInfo):
            console.print(f"{event.number}  {event.title} ...", highlight=False)
        else:
            console.print(f"    {'done' if event.ok else 'FAILED'} in {event.seconds:.0f} s", highlight=False)

    results = workbook.run(numbers, workbook.parse(parameter or []), full, out, told)
    from tlkit.report import workbook_html

    console.print(f"report: {workbook_html(results, report or out / 'report.html')}", soft_wrap=True)
    failed = [result for result in results if not result.ok]
    for result in failed:
        console.print(
            f"[bold red]failed:[/] {result.number}: {result.error}", soft_wrap=True, highlight=False
        )
    raise typer.Exit(1 if failed else 0)


@cli.command()
def claims(
    write: Annotated[bool, typer.Option(help="Write data/verdicts.json, which CI compares with.")] = False,
) -> None:
    """The verdict of every claim, computed from the committed records."""
    from tlkit import claims as ledger

    table = Table("", "claim", "effect", "verdict", "power", "in", title="Claims and their verdicts")
    for row in ledger.table():
        table.add_row(str(row.number), row.text, row.effect, row.verdict, row.power, row.where)
    console.print(table)
    console.print(
        "In brackets: 95 % intervals. On the left: the number of a claim in the workbook's list; "
        "claims that are not in this table have not been tested yet. Power: so large a true difference would "
        "have been told from none by 8 in 10 measurements like these, each judged by itself.",
        highlight=False,
    )
    if write:
        console.print(f"wrote {ledger.write_verdicts()}")


@cli.command()
def doctor() -> None:
    """What is installed and ready here, and the remedy for what is not."""
    from tlkit import env

    checks = env.doctor()
    table = Table("", "what", "found", "remedy")
    for check in checks:
        table.add_row("[green]ok[/]" if check.ok else "[yellow]--[/]", check.name, check.found, check.remedy)
    console.print(table)


@cli.command()
def selftest(reps: Annotated[int, typer.Option(min=100, help="Simulated experiments a row.")] = 2000) -> None:
    """Do the intervals cover what they promise? Simulated coverage, false verdicts and power."""
    from tlkit import stats

    print(stats.selftest_table(stats.selftest(reps)))
