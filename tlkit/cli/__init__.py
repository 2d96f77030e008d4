"""The command line: compare plans on data of one's own, use the result, and what other packages add."""

import csv
import json
import re
import signal
import sys
from errno import ENAMETOOLONG
from functools import cache
from importlib.metadata import entry_points
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.table import Table
from typer import Context
from typer.core import TyperGroup

import tlkit
from tlkit.cli import advise, compare
from tlkit.cli.saying import console, errors, say, wide
from tlkit.errors import UserError, unknown

TOLD = ("file", "answer", "probability", "error")  # to programs, of one thing asked


class Stoppable(TyperGroup):
    """Commands of which Ctrl-C is no error: one line, and the exit status of a shell."""

    def invoke(self, ctx: Context) -> Any:
        """Run the command that `ctx` names."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            say("stopped; give the same command again to continue.", to=errors)
            raise typer.Exit(128 + (stopped.args[0] if stopped.args else signal.SIGINT)) from stopped


cli = typer.Typer(
    cls=Stoppable,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.command()(compare.compare)
cli.command()(advise.advise)


@cli.callback(
    invoke_without_command=True,
    help="Measure transfer learning: which source, which stages to train, and whether it helped.",
)
def _itself(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(f"tlkit {tlkit.__version__}")
        raise typer.Exit


def app() -> None:
    """Entry point: a UserError is one sentence on stderr and exit 2, never a traceback; TERM is as Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):  # also what others print: an escape, and not a traceback
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    _commands()
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        cli()
    except (UserError, OSError) as error:
        if isinstance(error, OSError) and error.errno != ENAMETOOLONG:
            raise
        say(str(error), "error:", "bold red", to=errors)
        sys.exit(2)
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: what is being written down may end
    raise KeyboardInterrupt(number)


@cli.command(context_settings={"ignore_unknown_options": True})  # -0.1,2 is a row of numbers
def predict(
    model: Annotated[Path, typer.Argument(help="Folder of a saved model, such as build/photos.model.")],
    asked: Annotated[
        list[str], typer.Argument(help="Files or texts of the kind that the model was trained on.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help=f"A line of JSON each: {', '.join(TOLD)}.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help=f"CSV: {','.join(TOLD)}.")] = False,
) -> None:
    """Predict images, texts, recordings or rows of a table with a saved model."""
    from tlkit import env, saved_model

    if odd := [word for word in asked if re.fullmatch("--[a-z-]+", word)]:
        raise unknown("option", odd[0], ("--json", "--csv"))
    env.set_threads(1)
    kept = saved_model.load(model)
    rows = [(guess.file, guess.label, guess.probability, guess.error) for guess in kept.predict(asked)]
    if as_json:
        print(*(json.dumps(dict(zip(TOLD, row, strict=True))) for row in rows), sep="\n")
    elif as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([TOLD, *rows])
    else:
        caption = f"{kept.about.get('task', model.name)}: {saved_model.told(kept.about)}"
        table = Table(kept.reader.shown, "answer", "probability", caption=caption, caption_justify="left")
        for name, answer, odds, _ in rows:
            table.add_row(name, answer or "not read", "" if odds is None else f"{odds:.2f}")
        (console if console.is_terminal else wide).print(table)
        for reason in filter(None, (row[-1] for row in rows)):
            say(reason)
    if doubts := saved_model.doubts(kept.about):
        say(f"this model is {doubts}", "warning:", "yellow", errors if as_json or as_csv else console)
    if lost := sum(row[-1] is not None for row in rows):
        raise UserError(f"{lost} of {len(asked)} could not be read: see the reasons above.")


@cache
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
