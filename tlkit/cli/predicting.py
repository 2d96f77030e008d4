"""`tlkit predict`: classify pictures with the model that a comparison kept."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
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
    table = Table("file", "class", "probability", caption_justify="left")
    table.caption = f"{kept.about['task']}: {saved.told(kept.about)}"
    reasons = []
    for guess in kept.predict(files):
        if guess.error:
            reasons.append(guess.error)
        odds = f"{guess.probability:.2f}" if guess.label else ""
        table.add_row(escape(guess.file), escape(guess.label or "not read"), odds)
    console.print(table)
    if doubts := saved.doubts(kept.about):
        console.print(f"[yellow]warning:[/] this model is {doubts}", soft_wrap=True, highlight=False)
    for reason in reasons:
        console.print(reason, highlight=False, markup=False, soft_wrap=True)
    if reasons:
        raise UserError(
            f"{len(reasons)} of {len(files)} files do not open as pictures: mend them, see the reasons above."
        )
