"""The command line: compare plans on data of one's own, use the result, and what other packages add."""

import signal
import sys
from importlib.metadata import entry_points
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer import Context
from typer.core import TyperGroup

from tlkit.cli import compare
from tlkit.cli.output import console
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
data = typer.Typer(
    help="Data sets and weights of the registry: list, get, check, clear.", no_args_is_help=True
)
cli.add_typer(data, name="data")
cli.command()(compare.compare)


def app() -> None:
    """Entry point: a UserError is one sentence on stderr and exit 2, never a traceback; TERM is as Ctrl-C."""
    if isinstance(sys.stdout, TextIOWrapper):  # a console of cp1252 shows "?" for ≤, and not a traceback
        sys.stdout.reconfigure(errors="replace")
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        cli()
    except UserError as error:
        Console(stderr=True, soft_wrap=True).print(
            f"[bold red]error:[/] {escape(str(error))}", highlight=False
        )
        sys.exit(2)
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: what is being written down may end
    raise KeyboardInterrupt(number)


@cli.command()
def predict(
    model: Annotated[Path, typer.Argument(help="The folder that compare named, such as build/photos.model.")],
    asked: Annotated[
        list[str], typer.Argument(help="Files or words of the kind that the model learnt from.")
    ],
) -> None:
    """Ask a saved model about pictures, texts, recordings or rows of a table."""
    from tlkit import env, saved_model

    env.set_threads(1)
    kept = saved_model.load(model)
    table = Table(kept.reader.shown, "answer", "probability", caption_justify="left")
    table.caption = f"{kept.about.get('task', model.name)}: {saved_model.told(kept.about)}"
    reasons = []
    for guess in kept.predict(asked):
        if guess.error:
            reasons.append(guess.error)
        odds = "" if guess.probability is None else f"{guess.probability:.2f}"
        table.add_row(escape(guess.file), escape(guess.label or "not read"), odds)
    console.print(table)
    if doubts := saved_model.doubts(kept.about):
        console.print(f"[yellow]warning:[/] this model is {doubts}", soft_wrap=True, highlight=False)
    for reason in reasons:
        console.print(reason, highlight=False, markup=False, soft_wrap=True)
    if reasons:
        raise UserError(f"{len(reasons)} of {len(asked)} were not read: mend them, see the reasons above.")


@cli.command()
def doctor() -> None:
    """What is installed and ready here, and the remedy for what is not."""
    from tlkit import env

    checks = env.doctor()
    table = Table("", "what", "found", "remedy")
    for check in checks:
        told = map(escape, (check.name, check.found, check.remedy))
        table.add_row("[green]ok[/]" if check.ok else "[yellow]--[/]", *told)
    console.print(table)


@data.command("list")
def listing() -> None:
    """Every set: its size, its licence, and whether it is here."""
    from tlkit import downloads, env

    sets = downloads.listing()
    places = ", then ".join(map(str, env.cache_dirs()))
    table = Table(box=box.SIMPLE_HEAD, title=f"in {places}", pad_edge=False)
    table.add_column("name", no_wrap=True, min_width=max((len(s.name) for s in sets), default=4))
    table.add_column("title", overflow="fold", min_width=12)
    for name in ("files", "MB"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("licence", overflow="fold", min_width=12)
    table.add_column("here", no_wrap=True)
    for s in sets:
        table.add_row(s.name, s.title, f"{s.files}", f"{s.bytes / 1e6:.1f}", s.licence, s.state)
    console.print(table)


@data.command()
def get(names: Annotated[list[str], typer.Argument(help="Names of `tlkit data list`.")]) -> None:
    """Fetch sets once; every file is checked against its sha256, what is here is not fetched again."""
    from tlkit import downloads

    for name in names:
        console.print(f"{name}: {downloads.get(name)}", soft_wrap=True)


@data.command()
def check(name: Annotated[str, typer.Argument(help="A name of `tlkit data list`.")]) -> None:
    """Compare every file with its registered size and sha256."""
    from tlkit import downloads

    report = downloads.check(name)
    bad = (*report.missing, *report.changed)
    counts = f"{len(report.missing)} missing, {len(report.changed)} changed"
    console.print(f"{name}: {report.files - len(bad)} good, {counts}")
    for file in bad:
        console.print(f"  {file}", highlight=False)
    raise typer.Exit(1 if bad else 0)


@data.command()
def clear(
    name: Annotated[str | None, typer.Argument(help="A set; without it, every set.")] = None,
    computed: Annotated[
        bool, typer.Option("--computed", help="What was computed here, instead of sets.")
    ] = False,
) -> None:
    """Delete fetched files, or with --computed the activations kept here; they are made again when needed."""
    from tlkit import downloads

    console.print(f"freed {downloads.clear(name, computed=computed) / 1e6:.1f} MB")


def _commands() -> None:
    """Add those that other packages bring, each as an entry point of the group `tlkit.commands`."""
    for point in entry_points(group="tlkit.commands"):
        cli.command(point.name)(point.load())


_commands()
