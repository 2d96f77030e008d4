"""Draw characters into data/glyphs.npz, once, from the fonts that come with matplotlib 3.11.

Characters in the file stay unchanged: another FreeType draws a few points differently, and all records were
measured on these points. Characters of `material.ALPHABETS`, and those asked for, are added where missing.
`--check` draws everything again and exits 1 where a point differs.
"""

import hashlib
import sys
from collections.abc import Container
from functools import cache
from pathlib import Path
from string import ascii_letters, ascii_uppercase
from typing import Annotated

import matplotlib
import numpy as np
import PIL
import typer
from PIL import Image, ImageDraw, ImageFont, features

from tlkit.env import data_dir
from tlkit.errors import UserError
from tlkit_lessons.material import ALPHABETS, FONTS
from tlkit_lessons.material.glyphs import DIRECTIONS, FIELD, Outlines, outlines

INK = 56  # the longer side of a drawn character, in points of its mask


def missing(held: Container[str], also: str = "") -> str:
    """Characters of the alphabets, and `also`, that are not among those held, each once."""
    every = "".join(ALPHABETS.values()) + also
    return "".join(c for c in dict.fromkeys(every) if c not in held)


def drawn(characters: str) -> Outlines:
    """These from every font that has them. Raises UserError where a font is missing, or none has one."""
    rows = []
    for name in FONTS:
        font = ImageFont.truetype(str(font_file(name)), INK)
        inks = ((character, ink(font, name, character)) for character in characters)
        rows += [
            (name, character, np.packbits(mask, axis=1), extreme(mask), drawn_by(name))
            for character, mask in inks
            if mask is not None
        ]
    if nowhere := set(characters) - {row[1] for row in rows}:
        raise UserError(f"no font holds {', '.join(map(repr, sorted(nowhere)))}: ask for other characters.")
    return Outlines(*map(np.array, zip(*rows, strict=True)))


def font_file(name: str) -> Path:
    """The file of a font in the installed matplotlib. Raises UserError if it has none of that name."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"
    if not path.is_file():
        raise UserError(
            f"matplotlib {matplotlib.__version__} has no font {path.name}: install 3.11 or newer."
        )
    return path


@cache
def drawn_by(name: str) -> str:
    """The versions of the drawing libraries, and the font file: they decide every point."""
    digest = hashlib.sha256(font_file(name).read_bytes()).hexdigest()[:12]
    return f"Pillow {PIL.__version__}, FreeType {features.version('freetype2')}, {name}.ttf {digest}"


def ink(font: ImageFont.FreeTypeFont, name: str, character: str) -> np.ndarray | None:
    """The character as a bool FIELD x FIELD mask, its longer side INK points; None if the font lacks it."""
    # the cm fonts keep other signs at the codes beyond letters, and cmsy10 has script capitals only
    if name.startswith("cm") and character not in (ascii_uppercase if name == "cmsy10" else ascii_letters):
        return None
    first, box = printed(font, character), printed(font, "\uffff")  # \uffff is never a character
    if first is None or first == box:
        return None
    image = printed(font.font_variant(size=INK * 4 * INK // max(first.size)), character)
    factor = INK / max(image.size)
    image = image.resize([max(1, round(side * factor)) for side in image.size], Image.Resampling.BOX)
    canvas = Image.new("L", (FIELD, FIELD))
    canvas.paste(image, [(FIELD - side) // 2 for side in image.size])
    return np.asarray(canvas) > 127


def printed(font: ImageFont.FreeTypeFont, character: str) -> Image.Image | None:
    """The character bright on dark, cropped to its strokes; None where nothing is drawn."""
    left, top, right, bottom = font.getbbox(character)
    canvas = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(canvas).text((-left, -top), character, fill=255, font=font)
    box = canvas.getbbox()
    return canvas.crop(box) if box else None


def extreme(mask: np.ndarray) -> np.ndarray:
    """The stroke point (y, x) furthest in each direction, uint8 DIRECTIONS x 2.

    Stored with the mask: which of two equally distant points is chosen depends on a processor's rounding.
    """
    points = np.argwhere(mask)
    angles = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
    centred = points - (FIELD - 1) / 2
    return points[(centred @ np.stack([np.sin(angles), np.cos(angles)])).argmax(0)].astype(np.uint8)


def differing(kept: Outlines) -> list[str]:
    """Font and character of every mask that is drawn differently here from the stored one."""
    fresh = drawn("".join(dict.fromkeys(kept.character)))
    then, now = (
        {(font, c): mask.tobytes() for font, c, mask, *_ in zip(*o, strict=True)} for o in (kept, fresh)
    )
    return sorted(" ".join(pair) for pair in then.keys() | now if then.get(pair) != now.get(pair))


def add(path: Path, characters: str) -> None:
    """Draw characters that are missing in the file; the others stay unchanged."""
    fresh = drawn(characters)
    if path.exists():
        fresh = Outlines(*map(np.concatenate, zip(outlines(path), fresh, strict=True)))
    np.savez_compressed(path, **fresh._asdict())


def main(
    characters: Annotated[str, typer.Argument(help="Draw these too.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Write nothing; draw again and compare.")] = False,
) -> None:
    """Add to data/glyphs.npz what it lacks, or check it."""
    path = data_dir() / "glyphs.npz"
    try:
        other = _check(path) if check else _add(path, characters)
    except UserError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    raise typer.Exit(int(other))


def _add(path: Path, characters: str) -> bool:
    new = missing(outlines(path).character if path.exists() else (), characters)
    if new:
        add(path, new)
    print(f"{len(new)} drawn: {new}" if new else f"nothing to draw: {path.name} has them all")
    return False


def _check(path: Path) -> bool:
    kept = outlines(path)
    other = differing(kept)
    print(f"{len(other)} of {len(kept.font)} outlines are drawn differently here", *other, sep="\n")
    if changed := sorted(set(map(drawn_by, FONTS)) - set(kept.drawn_by)):
        print("libraries or fonts differ from those that drew them:", *changed, sep="\n")
    return bool(other)


if __name__ == "__main__":
    typer.run(main)
