"""The command line: compare plans on data of one's own, use the result, and what other packages add."""

import signal
import sys
from importlib.metadata import entry_points
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
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


def _commands() -> None:
    """Add those that other packages bring, each as an entry point of the group `tlkit.commands`.

    One that is a Typer of its own is a group of commands.
    """
    for point in entry_points(group="tlkit.commands"):
        found = point.load()
        if isinstance(found, typer.Typer):
            cli.add_typer(found, name=point.name)
        else:
            cli.command(point.name)(found)


_commands()
