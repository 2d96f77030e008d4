"""`tlkit predict`: classify pictures with the model that a comparison kept."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tlkit.errors import UserError

console = Console()


def predict(
    model: Annotated[Path, typer.Argument(help="The folder that compare named, such as build/photos.model.")],
    files: Annotated[list[Path], typer.Argument(help="Pictures to classify.")],
) -> None:
    """Classify pictures with a saved model."""
    from tlkit import env, saved

    env.set_threads(1)
    kept = saved.load(model)
    table = Table("file", "class", "probability", caption=f"{kept.about['plan']} on {kept.about['task']}")
    failed = 0
    for guess in kept.predict(files):
        failed += guess.error is not None
        table.add_row(
            guess.file, guess.label or "not read", f"{guess.probability:.2f}" if guess.label else ""
        )
    console.print(table)
    if failed:
        raise UserError(
            f"{failed} of {len(files)} files do not open as pictures ('not read' above): check them."
        )
