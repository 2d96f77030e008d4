"""Procedural families: characters that look written, and textures that look like no character."""

from tlkit.simulate.glyphs import ALPHABETS, FONTS, LOOKALIKES, SIBLINGS, Glyphs, glyphs
from tlkit.simulate.textures import TEXTURES, textures

__all__ = ["ALPHABETS", "FONTS", "LOOKALIKES", "SIBLINGS", "TEXTURES", "Glyphs", "glyphs", "textures"]
