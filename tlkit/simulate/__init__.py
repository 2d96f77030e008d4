"""Procedural families: characters that look written, pictures without any character, and dials between."""

from tlkit.simulate.dials import DIALS, LETTERS, Dial, dial
from tlkit.simulate.distance import mmd, proxy_a_distance
from tlkit.simulate.fractals import FRACTALS, chaos_game, fractals
from tlkit.simulate.glyphs import ALPHABETS, FONTS, LOOKALIKES, SIBLINGS, Glyphs, glyphs, of_characters
from tlkit.simulate.strokes import STROKES, strokes
from tlkit.simulate.textures import TEXTURES, textures

FAMILIES = {"textures": (textures, TEXTURES), "strokes": (strokes, STROKES), "fractals": (fractals, FRACTALS)}

__all__ = [
    "ALPHABETS", "DIALS", "FAMILIES", "FONTS", "FRACTALS", "LETTERS", "LOOKALIKES", "SIBLINGS", "STROKES",
    "TEXTURES", "Dial", "Glyphs", "chaos_game", "dial", "fractals", "glyphs", "mmd", "of_characters",
    "proxy_a_distance", "strokes", "textures",
]  # fmt: skip
