"""`tlkit export`: a saved model as files for a phone or a browser."""

from pathlib import Path
from typing import Annotated

import typer

from tlkit import files
from tlkit.cli.saying import quoted, say
from tlkit.errors import unknown


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a saved model, or the .jsonl of its comparison.")],
    to: Annotated[str, typer.Option(help="The format: onnx.")] = "onnx",
    out: Annotated[Path | None, typer.Option(help="A new folder; by default beside RUN.")] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Photos, labels not needed, to calibrate 8 bits on.")
    ] = None,
) -> None:
    """Export a saved image classifier to ONNX, in float32 and int8, with a page and a script that ask it."""
    from tlkit import env, saved_model
    from tlkit_lessons import export as exporting

    if to != "onnx":
        raise unknown("format", to, ["onnx"])
    env.set_threads(1)
    stem = run.with_suffix("") if run.suffix in (".jsonl", ".model") else run
    out = out or stem.with_name(f"{stem.name}.onnx")
    folder = files.beside(run, ".model") if run.suffix == ".jsonl" else run
    seen = exporting.photos_of(photos, saved_model.card(folder).get("task", ""))
    for one in exporting.export(folder, out, seen):
        say(f"{out / one.file}: {one.bytes / 1e6:.1f} MB, {1e3 * one.seconds:.1f} ms a photo on one thread")
    if not seen:
        say(
            "no int8 file: give --photos FOLDER, some photos like those it will meet, to calibrate it on.",
            "note:",
        )
    say("The exported file is another model: measure it again before it is used.")
    say(f"use it: python {quoted(out / 'ask.py')} PHOTO...")
