"""Pairs of domains: ten letters with labels as the source, and the same ten, shifted and without labels."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from tlkit.errors import unknown
from tlkit.tasks import Task, array_items, classification
from tlkit_lessons import material
from tlkit_lessons.adapt.domains import sealed
from tlkit_lessons.material.glyphs import Glyphs

PER_CLASS = 160  # images of a letter, half of them in fonts that are kept for the test
DARK, CONTRAST = 0.3, 0.4  # where contrast is low: brightness of the background, and what strokes add to it
RARE = 8  # under label shift, the second five letters are so many times as rare as the first


class Shift(NamedTuple):
    """how: in words. kind, similarity: of the dial that renders the target.

    fades: whether every image then loses contrast. shares: whether half of the classes are rare.
    """

    how: str
    kind: str = "noise"
    similarity: float = 1.0
    fades: bool = False
    shares: bool = False


SHIFTS: dict[str, Shift] = {
    "same": Shift("unchanged"),
    "noise": Shift("noise", "noise", 2 / 3),
    "background": Shift("background", "background", 0.4),
    "faded": Shift("low contrast", fades=True),
    "polarity": Shift("inverted", "polarity", 0.0),
    "shares": Shift("label shift", shares=True),
}


def shifted(shift: str, seed: int) -> tuple[Task, Task]:
    """(source, target): ten letters on a plain background, with labels; the same ten shifted, labels hidden.

    The seed splits the training images between the two: no image is in both, in any form. The target's test
    items are in fonts that neither trains on, and the same for every seed. Raises UserError for an unknown
    shift.
    """
    if shift not in SHIFTS:
        raise unknown("shift", shift, SHIFTS)
    plain, moved, train = _images(shift)
    chance = np.random.default_rng([seed, 25]).permutation(np.flatnonzero(train))
    ours, theirs = np.sort(chance[: len(chance) // 2]), np.sort(chance[len(chance) // 2 :])
    test = np.flatnonzero(~train)
    source = _task("letters", plain, ours, test)
    kept = [_rarer(moved.labels, rows) if SHIFTS[shift].shares else rows for rows in (theirs, test)]
    return source, sealed(_task(f"letters: {shift}", moved, *kept))


@lru_cache(maxsize=8)
def digest(shift: str) -> str:
    """Content hash of all that `shifted` draws from, whatever the seed."""
    plain, moved, train = _images(shift)
    kept = _rarer(moved.labels, np.flatnonzero(~train)) if SHIFTS[shift].shares else np.flatnonzero(~train)
    everything = _task("", plain, np.flatnonzero(train), np.flatnonzero(~train))
    return f"{everything.digest}-{_task('', moved, np.flatnonzero(train), kept).digest}"


@lru_cache(maxsize=8)
def _images(shift: str) -> tuple[Glyphs, Glyphs, np.ndarray]:
    """Plain, shifted, and which of them are for training: no font is on both sides."""
    _, kind, similarity, fades, _ = SHIFTS[shift]
    plain, moved = (material.dial(kind, at, PER_CLASS, seed=0) for at in (1.0, similarity))
    if fades:
        moved = moved._replace(images=(DARK + CONTRAST * moved.images).astype(np.float32))
    return plain, moved, np.isin(plain.fonts, np.unique(plain.fonts)[::2])


def _rarer(labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """All rows of the first five classes, and one in RARE of the others, by position."""
    rare = labels[rows] >= 5
    return np.concatenate([rows[~rare], rows[rare][::RARE]])


def _task(name: str, drawn: Glyphs, train: np.ndarray, test: np.ndarray) -> Task:
    images, labels, fonts = torch.as_tensor(drawn.images), np.asarray(drawn.labels), np.asarray(drawn.fonts)
    sides = []
    for rows in (train, test):
        items = array_items(images[rows], name or "letters", [f"font {font}" for font in fonts[rows]])
        sides += [items, labels[rows].astype(np.int64)]
    return Task(name, classification(len(drawn.classes)), *sides, tuple(drawn.classes))
