"""Pairs of domains: ten letters with labels on plain paper, and the same ten elsewhere, without."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from tlkit.errors import unknown
from tlkit.tasks import Task, array_items, classification
from tlkit_lessons import material
from tlkit_lessons.adapt.domains import sealed
from tlkit_lessons.material.glyphs import Glyphs

PER_CLASS = 160  # pictures of a letter, half of them in fonts that are kept for the test
PAPER, INK = 0.3, 0.4  # where all is faded, in place of 0 and 1: how bright, and how much brighter
RARE = 8  # where shares differ, the second five letters are so many times as rare as the first


class Shift(NamedTuple):
    """how: in words. kind, similarity: of the dial that draws the target.

    fades: whether every picture is then pale on grey. shares: whether half of the classes are rare.
    """

    how: str
    kind: str = "noise"
    similarity: float = 1.0
    fades: bool = False
    shares: bool = False


SHIFTS: dict[str, Shift] = {
    "same": Shift("the same paper"),
    "noise": Shift("grey noise on every picture", "noise", 2 / 3),
    "background": Shift("grained paper", "background", 0.4),
    "faded": Shift("pale ink on grey paper", fades=True),
    "polarity": Shift("bright and dark change places", "polarity", 0.0),
    "shares": Shift("the same paper, but half of the letters are rare", shares=True),
}


def shifted(shift: str, seed: int) -> tuple[Task, Task]:
    """(source, target): ten letters with labels on plain paper; the same ten shifted, and sealed.

    The seed deals the training pictures to the two: what one domain shows, the other does not, in any form.
    The target's test items are in fonts that neither shows, and the same for every seed. Raises UserError for
    an unknown shift.
    """
    if shift not in SHIFTS:
        raise unknown("shift", shift, SHIFTS)
    plain, moved, train = _pictures(shift)
    chance = np.random.default_rng([seed, 25]).permutation(np.flatnonzero(train))
    ours, theirs = np.sort(chance[: len(chance) // 2]), np.sort(chance[len(chance) // 2 :])
    test = np.flatnonzero(~train)
    source = _task("letters", plain, ours, test)
    kept = [_rarer(moved.labels, rows) if SHIFTS[shift].shares else rows for rows in (theirs, test)]
    return source, sealed(_task(f"letters: {shift}", moved, *kept))


@lru_cache(maxsize=8)
def digest(shift: str) -> str:
    """Content hash of all that `shifted` deals from, whatever the seed."""
    plain, moved, train = _pictures(shift)
    kept = _rarer(moved.labels, np.flatnonzero(~train)) if SHIFTS[shift].shares else np.flatnonzero(~train)
    everything = _task("", plain, np.flatnonzero(train), np.flatnonzero(~train))
    return f"{everything.digest}-{_task('', moved, np.flatnonzero(train), kept).digest}"


@lru_cache(maxsize=8)
def _pictures(shift: str) -> tuple[Glyphs, Glyphs, np.ndarray]:
    """Plain, shifted, and which of them are for training: no font is on both sides."""
    _, kind, similarity, fades, _ = SHIFTS[shift]
    plain, moved = (material.dial(kind, at, PER_CLASS, seed=0) for at in (1.0, similarity))
    if fades:
        moved = moved._replace(images=(PAPER + INK * moved.images).astype(np.float32))
    return plain, moved, np.isin(plain.fonts, np.unique(plain.fonts)[::2])


def _rarer(labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """All rows of the first five classes, and one of RARE of the others, by their place."""
    rare = labels[rows] >= 5
    return np.concatenate([rows[~rare], rows[rare][::RARE]])


def _task(name: str, drawn: Glyphs, train: np.ndarray, test: np.ndarray) -> Task:
    images, labels, fonts = torch.as_tensor(drawn.images), np.asarray(drawn.labels), np.asarray(drawn.fonts)
    sides = []
    for rows in (train, test):
        items = array_items(images[rows], name or "letters", [f"font {font}" for font in fonts[rows]])
        sides += [items, labels[rows].astype(np.int64)]
    return Task(name, classification(len(drawn.classes)), *sides, tuple(drawn.classes))
