"""Glyphs: printed characters bent, thickened and blurred until they look handwritten.

data/glyphs.npz holds a mask of each character in each font, drawn by tools/draw_glyphs.py. No font and no
drawing library is used here, so every machine has the same characters to the last bit. In memory each is a
signed distance field (how far inside the stroke a point lies), so one lookup per output point gives
rotation, shear, scale, elastic bending and any stroke width at once. The bitmap of 32x32 is averaged over 4x4
blocks to 8x8, the format of scikit-learn's digits. No alphabet here holds a digit.
"""

import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from string import ascii_letters
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
from scipy.ndimage import distance_transform_edt, map_coordinates

from tlkit.env import data_dir
from tlkit.errors import UserError, unknown

BITMAP, SIDE = 32, 8  # side of the drawn bitmap and of the averaged image, in points
FIELD = 80  # side of a stored mask and of its distance field, in points
DIRECTIONS = 24  # directions in which a character's extreme points are kept, for its bounding box
BEND_KNOTS = 4  # the elastic bending is a cubic through this many random displacements a side
CHUNK = 2048  # glyphs drawn at once, which bounds the memory at about 200 MB

LOOKALIKES = "OoDQIilZzEASsbGTBgq"  # letters that can be taken for a digit
ALPHABETS: dict[str, str] = {
    "letters": ascii_letters,
    "letters-nolookalikes": "".join(c for c in ascii_letters if c not in LOOKALIKES),
    "greek": "ΓΔΘΛΞΠΣΦΨΩαβγδεζηθλμξπρστφχψω",  # without the capitals that are Latin letters
    "cyrillic": "БГДЖИЙЛПФЦЧШЩЪЫЭЮЯЄЂ",
    "symbols": "&@#?$£€§¶+=<*{∞∂∫√≠†",
}
# ten classes each, every other character, so that similar ones (И Й, Ш Щ) fall into different tasks
SIBLINGS: dict[str, str] = {
    f"{name}-{part}": ALPHABETS[name][start:20:2]
    for name in ("greek", "cyrillic", "symbols")
    for part, start in (("a", 0), ("b", 1))
}
ALPHABETS |= SIBLINGS

FONTS: tuple[str, ...] = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
    *("cmb10", "cmmi10", "cmr10", "cmss10", "cmsy10", "cmti10", "cmtt10"),
)


class Glyphs(NamedTuple):
    """N drawn characters in random order; `fonts` is the group for a split without leakage."""

    images: np.ndarray  # float32 Nx1x8x8 in [0, 1], in steps of 1/16, strokes bright
    labels: np.ndarray  # int64 N, an index into classes
    fonts: np.ndarray  # int64 N, an index into FONTS
    classes: list[str]


class Outlines(NamedTuple):
    """The arrays of data/glyphs.npz: T drawn characters, a row each."""

    font: np.ndarray  # str T, a name in FONTS
    character: np.ndarray  # str T
    ink: np.ndarray  # uint8 T x FIELD x FIELD/8, the mask, eight points a byte
    extreme: np.ndarray  # uint8 T x DIRECTIONS x 2, the stroke point (y, x) furthest in each direction
    drawn_by: np.ndarray  # str T, the libraries and the font file


class _Faces(NamedTuple):
    fields: np.ndarray  # float32 T x FIELD x FIELD, distance to the edge in field points, positive inside
    outline: np.ndarray  # float64 T x DIRECTIONS x 2, extreme stroke points (y, x) about the centre
    stroke: np.ndarray  # float64 T, mean stroke width in field points
    owner: np.ndarray  # int64 T x 2: index of the character, index of the font


def glyphs(
    alphabet: str, n_per_class: int, seed: int, fonts: Sequence[str] | None = None, strength: float = 1.0
) -> Glyphs:
    """Draw `n_per_class` images of every character of an alphabet, balanced, in random order.

    `fonts` limits the faces (names from FONTS; by default all that hold the character). `strength` scales
    every distortion: 0 is clean print, 1 about as varied as handwriting. Equal arguments give equal bits.
    Raises UserError for an unknown alphabet or font, a count below one, a negative strength, or a character
    that no chosen font holds.
    """
    if alphabet not in ALPHABETS:
        raise unknown("alphabet", alphabet, ALPHABETS)
    return of_characters(ALPHABETS[alphabet], n_per_class, seed, fonts, strength)


def of_characters(
    characters: str, n_per_class: int, seed: int, fonts: Sequence[str] | None = None, strength: float = 1.0
) -> Glyphs:
    """The same for any characters that data/glyphs.npz holds, each once.

    Raises UserError also where that file lacks a character, or cannot be read.
    """
    for font in fonts or ():
        if font not in FONTS:
            raise unknown("font", font, FONTS)
    if n_per_class < 1 or strength < 0:
        raise UserError(f"n_per_class={n_per_class}, strength={strength}: give at least 1 and at least 0.")
    faces = _faces(characters)
    allowed = np.isin(faces.owner[:, 1], [FONTS.index(font) for font in (FONTS if fonts is None else fonts)])
    rng = np.random.default_rng(seed)
    chosen = []
    for label, character in enumerate(characters):
        own = np.flatnonzero(allowed & (faces.owner[:, 0] == label))
        if not len(own):
            raise UserError(f"no chosen font holds {character!r}: add a DejaVu font.")
        chosen.append(rng.choice(own, n_per_class))
    order = rng.permutation(np.concatenate(chosen))
    parts = [_draw(faces, order[i : i + CHUNK], rng, strength) for i in range(0, len(order), CHUNK)]
    labels, groups = faces.owner[order].T
    return Glyphs(np.concatenate(parts)[:, None], labels.copy(), groups.copy(), list(characters))


@lru_cache(maxsize=1)
def outlines(path: Path) -> Outlines:
    """The drawn characters of a file like data/glyphs.npz. Raises UserError where it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = Outlines(*(file[name] for name in Outlines._fields))
        shapes = {"ink": (FIELD, FIELD // 8), "extreme": (DIRECTIONS, 2)}
        shaped = {k: getattr(found, k).reshape(len(found.font), *shape) for k, shape in shapes.items()}
        return found._replace(**shaped)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        raise UserError(
            f"the drawn characters in {path} cannot be read ({type(error).__name__}): install tlkit again, "
            "or in a checkout `git checkout data/glyphs.npz`."
        ) from None


@lru_cache(maxsize=8)
def _faces(characters: str) -> _Faces:
    stored = outlines(data_dir() / "glyphs.npz")
    for character in characters:
        if character not in stored.character:
            raise UserError(
                f"no outline of {character!r} is in data/glyphs.npz: take characters of simulate.ALPHABETS, "
                "or draw others in a checkout with tools/draw_glyphs.py."
            )
    place = {pair: row for row, pair in enumerate(zip(stored.font, stored.character, strict=True))}
    pairs = ((label, font) for font in range(len(FONTS)) for label in range(len(characters)))
    owner = [(label, font) for label, font in pairs if (FONTS[font], characters[label]) in place]
    rows = [place[FONTS[font], characters[label]] for label, font in owner]
    inks = np.unpackbits(stored.ink[rows], axis=2).astype(bool)
    fields = [_field(ink) for ink in inks]
    # in a bar of width w the mean distance to the edge is w/4
    strokes = [4 * field[ink].mean() for field, ink in zip(fields, inks, strict=True)]
    outline = stored.extreme[rows] - (FIELD - 1) / 2
    return _Faces(np.stack(fields, dtype="f4"), outline, np.array(strokes), np.array(owner, dtype=np.int64))


def _field(ink: np.ndarray) -> np.ndarray:
    """Signed distance of each point to the edge of the stroke, positive inside, in points."""
    field = distance_transform_edt(ink) - distance_transform_edt(~ink)
    return field - np.sign(field) / 2  # the edge runs between the points, not through them


def _draw(faces: _Faces, order: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Draw the faces `order` (N indices): float32 Nx8x8."""
    n = len(order)
    forward = _deformations(n, rng, strength)  # Nx2x2, field points to bitmap points before the fit
    corners = faces.outline[order] @ forward.transpose(0, 2, 1)
    low, high = corners.min(1), corners.max(1)
    # size normalisation after the deformation: full height, at most `widest`, a slim character stays slim
    height = BITMAP - 1 - 3 * strength * rng.random(n)
    widest = np.minimum(BITMAP - 1, 23 + 4 * rng.standard_normal(n) * strength).clip(14)
    extent = high - low + 1
    fit = height / extent[:, 0]
    fit_x = np.minimum(fit * np.exp(0.15 * strength * rng.standard_normal(n)), widest / extent[:, 1])
    flat = np.minimum(fit, 2.5 * fit_x)  # a flat sign such as = must not become a block
    scale = np.stack([flat, fit_x], 1)
    shift = (BITMAP - 1) / 2 + strength * rng.normal(0, 0.8, (n, 2))
    inverse = np.linalg.inv(scale[:, :, None] * forward)
    grid = np.stack(np.meshgrid(np.arange(BITMAP), np.arange(BITMAP), indexing="ij"))
    target = grid - shift[:, :, None, None] + _bending(n, rng, strength)
    middle = (low + high) / 2
    source = np.einsum("nij,njyx->niyx", inverse, target)
    source += np.einsum("nij,nj->ni", np.linalg.inv(forward), middle)[:, :, None, None] + (FIELD - 1) / 2
    layer = np.broadcast_to(order[:, None, None], source[:, 0].shape)
    where = np.stack([layer, source[:, 0], source[:, 1]])
    distance = map_coordinates(faces.fields, where, order=1, mode="nearest", output=np.float32)
    size = np.sqrt(np.abs(np.linalg.det(scale[:, :, None] * forward)))  # bitmap points per field point
    thicker = _thickening(faces.stroke[order] * size, rng, strength)
    bitmap = np.clip(distance * size[:, None, None] + thicker[:, None, None] + 0.5, 0, 1)
    return average(bitmap, strength * rng.uniform(0.2, 1.2, n))


def _deformations(n: int, rng: np.random.Generator, strength: float) -> np.ndarray:
    """N random rotations (deviation 7 degrees), shears (0.2) and stretches, as Nx2x2 matrices on (y, x)."""
    angle, shear, stretch = rng.standard_normal((3, n)) * np.array([[0.12], [0.2], [0.15]]) * strength
    cos, sin = np.cos(angle), np.sin(angle)
    rotate = np.stack([np.stack([cos, sin], 1), np.stack([-sin, cos], 1)], 1)
    slant = np.tile(np.eye(2), (n, 1, 1))
    slant[:, 1, 0] = shear
    slant[:, 1, 1] = np.exp(stretch)
    return rotate @ slant


def _bending(n: int, rng: np.random.Generator, strength: float) -> np.ndarray:
    """A smooth random displacement per point, Nx2x32x32, deviation about 1.5 bitmap points."""
    knots = rng.normal(0, 1.6 * strength, (n, 2, BEND_KNOTS, BEND_KNOTS))
    at_knots, at_points = (np.vander(np.linspace(-1, 1, side), BEND_KNOTS) for side in (BEND_KNOTS, BITMAP))
    cubic = at_points @ np.linalg.inv(at_knots)
    return np.einsum("yk,ndkl,xl->ndyx", cubic, knots, cubic, optimize=True)


def _thickening(stroke: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """How far to shift each edge outwards, in bitmap points, so that the stroke gets the width of a pen."""
    pen = rng.uniform(3.5, 7.0, len(stroke))
    # thinning stops early, or the hairlines of a bold face would vanish
    return np.minimum(strength, 1) * np.maximum((pen - stroke) / 2, -0.25 * stroke)


def average(bitmap: np.ndarray, blur: np.ndarray) -> np.ndarray:
    """Gaussian blur (deviation `blur`, N, in bitmap points) and the 4x4 block mean in one product: Nx8x8."""
    points, block = np.arange(BITMAP), BITMAP // SIDE
    kernel = np.exp(-(((points[:, None] - points) / np.maximum(blur, 1e-3)[:, None, None]) ** 2) / 2)
    kernel /= kernel.sum(1, keepdims=True)
    rows = kernel.reshape(len(blur), SIDE, block, BITMAP).mean(2)
    # a wide blur is reflected at the border, where brightness could exceed 1
    mean = np.minimum(rows @ bitmap @ rows.transpose(0, 2, 1), 1)
    return (np.rint(mean * block**2) / block**2).astype(np.float32)
