"""Dials: families of ten-class tasks, less and less like what the letters networks were pretrained on.

At similarity 1 a dial shows ten of those letters; at 0 it is as far away as its kind goes. Either the images
change and the labels stay (another domain), or the images stay and the labels change. Along a dial, the fonts
and letters of a seed stay the same.
"""

from collections.abc import Callable
from string import ascii_letters
from typing import NamedTuple

import numpy as np

from tlkit.errors import UserError, unknown
from tlkit_lessons.material.glyphs import SIDE, Glyphs, of_characters
from tlkit_lessons.material.textures import TEXTURES, textures

GROUPS = tuple(ascii_letters[start : start + 5] for start in range(0, 50, 5))
LETTERS = "".join(group[0] for group in GROUPS)  # every fifth letter of a ... z A ... Z, ten of them
LOUDEST = 0.6  # standard deviation of the grey noise at similarity 0; strokes have brightness 1
COARSEST = 8 / 3  # pixels in one cell at similarity 0: three cells a side
WILDEST = 2.5  # strength of the distortions at similarity 0; the source was trained at 1


class Dial(NamedTuple):
    """draw(similarity, n_per_class, seed) -> Glyphs; changes: "domain" or "labels"; how: a sentence."""

    draw: Callable[[float, int, int], Glyphs]
    changes: str
    how: str


def dial(kind: str, similarity: float, n_per_class: int, seed: int) -> Glyphs:
    """Ten balanced classes at that similarity: images float32 N x 1 x 8 x 8 in [0, 1], labels int64 N.

    kind: a name in DIALS. Equal arguments give equal bits, and at similarity 1 every kind gives those of
    `of_characters(LETTERS, n_per_class, seed)`. Raises UserError for an unknown kind, a similarity outside
    0 ... 1 (or not a number), or a count below one.
    """
    if kind not in DIALS:
        raise unknown("dial", kind, DIALS)
    if not 0 <= similarity <= 1:
        raise UserError(f"similarity {similarity} of dial {kind!r}: give a number from 0 to 1.")
    return DIALS[kind].draw(similarity, n_per_class, seed)


def _letters(n_per_class: int, seed: int, strength: float = 1.0) -> Glyphs:
    return of_characters(LETTERS, n_per_class, seed, strength=strength)


def _chance(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 1])  # not the stream of the letters, which stay the same along a dial


def _noise(similarity: float, n_per_class: int, seed: int) -> Glyphs:
    drawn = _letters(n_per_class, seed)
    grey = _chance(seed).standard_normal(drawn.images.shape, dtype=np.float32)
    return drawn._replace(images=np.clip(drawn.images + LOUDEST * (1 - similarity) * grey, 0, 1, dtype="f4"))


def _background(similarity: float, n_per_class: int, seed: int) -> Glyphs:
    drawn = _letters(n_per_class, seed)
    grains, _ = textures(-(-len(drawn.images) // len(TEXTURES)), seed + 1)
    behind = (1 - drawn.images) * grains[: len(drawn.images)]
    return drawn._replace(images=(drawn.images + (1 - similarity) * behind).astype(np.float32))


def _polarity(similarity: float, n_per_class: int, seed: int) -> Glyphs:
    drawn = _letters(n_per_class, seed)
    dark = _chance(seed).random(len(drawn.images)) >= similarity
    return drawn._replace(images=np.where(dark[:, None, None, None], 1 - drawn.images, drawn.images))


def _resolution(similarity: float, n_per_class: int, seed: int) -> Glyphs:
    drawn = _letters(n_per_class, seed)
    edges, span = np.arange(SIDE + 1.0), COARSEST ** (1 - similarity)
    cells = np.minimum(np.arange(np.ceil(SIDE / span - 1e-9) + 1) * span, SIDE)
    # how much of each pixel (rows) lies in each cell (columns)
    share = np.minimum(edges[1:, None], cells[1:]) - np.maximum(edges[:-1, None], cells[:-1])
    share = np.clip(share, 0, None)
    coarse = share @ (share / share.sum(0)).T
    return drawn._replace(images=np.clip(coarse @ drawn.images @ coarse.T, 0, 1).astype(np.float32))


def _strokes(similarity: float, n_per_class: int, seed: int) -> Glyphs:
    return _letters(n_per_class, seed, strength=WILDEST - (WILDEST - 1) * similarity)


def _regrouped(similarity: float, n_per_class: int, seed: int) -> Glyphs:
    """The thicker images of each letter, up to half of them, get the label of the next letter."""
    drawn = _letters(n_per_class, seed)
    moved = _within(drawn.labels, thickness(drawn.images)) >= n_per_class * (1 + similarity) / 2
    labels = (drawn.labels + moved) % len(LETTERS)
    if not moved.any():
        return drawn
    names = [f"{LETTERS[i]}, or a thick {LETTERS[i - 1]}" for i in range(len(LETTERS))]
    return drawn._replace(labels=labels, classes=names)


def _coarse(similarity: float, n_per_class: int, seed: int) -> Glyphs:
    """A share `similarity` of each class shows its first letter, the rest all its five letters equally."""
    first = of_characters(LETTERS, n_per_class, seed)
    others = "".join(group[1:] for group in GROUPS)
    per_letter = int(n_per_class * (1 - similarity) / len(GROUPS[0]))
    if not per_letter:
        return first
    rest = of_characters(others, per_letter, seed + 1)
    kept = _within(first.labels, _chance(seed).random(len(first.labels))) < n_per_class - 4 * per_letter
    pairs = zip((part[kept] for part in first[:3]), rest[:3], strict=True)
    images, labels, fonts = (np.concatenate(pair) for pair in pairs)
    labels[kept.sum() :] //= len(GROUPS[0]) - 1
    order = _chance(seed).permutation(len(labels))
    return Glyphs(images[order], labels[order], fonts[order], [" ".join(group) for group in GROUPS])


def _permuted(similarity: float, n_per_class: int, seed: int) -> Glyphs:
    """The last letters exchange their labels in a ring. The similarity counts in tenths."""
    drawn = _letters(n_per_class, seed)
    moved = round((1 - similarity) * len(LETTERS))
    number = np.arange(len(LETTERS))
    number[len(LETTERS) - moved :] = np.roll(number[len(LETTERS) - moved :], 1)
    return drawn._replace(labels=number[drawn.labels])


def _manner(similarity: float, n_per_class: int, seed: int) -> Glyphs:
    """The first letters keep their labels; the others are labelled by how they are drawn, in as many classes.

    The similarity counts in tenths. Thin and thick halves first, then bins of slant of equal size in each.
    """
    drawn = _letters(n_per_class, seed)
    named = round(similarity * len(LETTERS))
    manners = len(LETTERS) - named
    if manners < 2:  # one letter in one manner is that letter
        return drawn
    thick, lean = (_within(drawn.labels, of(drawn.images)) for of in (thickness, slant))
    others = np.flatnonzero(drawn.labels >= named)
    others = others[np.argsort(thick[others], kind="stable")]
    thin = (manners - manners // 2) * n_per_class
    labels, names = drawn.labels.copy(), list(LETTERS[:named])
    for width, part in (("thin", others[:thin]), ("thick", others[thin:])):
        part = part[np.argsort(lean[part], kind="stable")]
        labels[part] = len(names) + np.arange(len(part)) // n_per_class
        bins = len(part) // n_per_class
        names += [f"{width}, lean {number + 1} of {bins}" for number in range(bins)]
    return drawn._replace(labels=labels, classes=names)


def thickness(images: np.ndarray) -> np.ndarray:
    """Mean brightness of each image, N x 1 x 8 x 8 to N: strokes are bright."""
    return images.mean((1, 2, 3))


def slant(images: np.ndarray) -> np.ndarray:
    """How far strokes lean to the right, in columns per row, from second moments: N x 1 x 8 x 8 to N."""
    ink = images[:, 0] / images.sum((1, 2, 3))[:, None, None]
    along = np.arange(SIDE) - (SIDE - 1) / 2
    rows, columns = ink.sum(2), ink.sum(1)
    middle_y, middle_x = rows @ along, columns @ along
    both = np.einsum("nyx,y,x->n", ink, along, along) - middle_y * middle_x
    return -both / (rows @ along**2 - middle_y**2)


def _within(labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The rank of each value within its own label, from 0; ties by position."""
    ranks = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        ranks[own[np.argsort(values[own], kind="stable")]] = np.arange(len(own))
    return ranks


DIALS: dict[str, Dial] = {
    "noise": Dial(
        _noise,
        "domain",
        "Grey noise is added, at 0 with a deviation of more than half the brightness of the strokes.",
    ),
    "background": Dial(_background, "domain", "A texture fills the background, at 0 from black to white."),
    "polarity": Dial(_polarity, "domain", "A share of the images is dark on bright, at 0 all of them."),
    "resolution": Dial(_resolution, "domain", "The resolution falls, at 0 to three cells a side."),
    "strokes": Dial(
        _strokes, "domain", "Strokes are more distorted, at 0 two and a half times as much as in the source."
    ),
    "regrouped": Dial(
        _regrouped,
        "labels",
        "The thicker images of a letter get the label of the next one, at 0 half of them.",
    ),
    "coarse": Dial(
        _coarse, "labels", "From one letter per class to five that share only their place in the alphabet."
    ),
    "permuted": Dial(
        _permuted, "labels", "Letters exchange their labels, at 0 all of them; a new head can learn that."
    ),
    "manner": Dial(
        _manner,
        "labels",
        "The label changes from which letter it is to how it is drawn: slant and thickness.",
    ),
}
