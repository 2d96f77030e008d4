"""Procedural families: characters that look handwritten, images without any character, and dials."""

from tlkit_lessons.material.fractals import FRACTALS, chaos_game, fractals
from tlkit_lessons.material.glyphs import (
    ALPHABETS,
    FONTS,
    LOOKALIKES,
    SIBLINGS,
    Glyphs,
    glyphs,
    of_characters,
)
from tlkit_lessons.material.similarity import DIALS, LETTERS, Dial, dial
from tlkit_lessons.material.strokes import STROKES, strokes
from tlkit_lessons.material.textures import TEXTURES, textures

FAMILIES = {"textures": (textures, TEXTURES), "strokes": (strokes, STROKES), "fractals": (fractals, FRACTALS)}

__all__ = [
    "ALPHABETS", "DIALS", "FAMILIES", "FONTS", "FRACTALS", "LETTERS", "LOOKALIKES", "SIBLINGS", "STROKES",
    "TEXTURES", "Dial", "Glyphs", "chaos_game", "dial", "fractals", "glyphs", "of_characters",
    "strokes", "textures",
]  # fmt: skip
