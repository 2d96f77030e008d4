"""Strokes: one to three strokes of a pen, each a line, an arc or a hook, anywhere and in any direction.

The parts of handwriting, without characters. The class is which strokes there are, and how many; position and
direction are random.
"""

from itertools import combinations_with_replacement

import numpy as np

from tlkit.errors import UserError
from tlkit_lessons.material.glyphs import BITMAP, CHUNK, average

MARKS = ("line", "arc", "hook")
MOST = 3  # strokes in an image
STROKES = tuple(
    " + ".join(marks) for count in range(1, MOST + 1) for marks in combinations_with_replacement(MARKS, count)
)
POINTS = 24  # along a stroke; closer together than the pen is wide


def strokes(n_per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(float32 N x 1 x 8 x 8 in [0, 1], int64 N: indices into STROKES), balanced, in random order.

    Strokes are bright, and thinner than those of the glyphs, or three would merge. Equal arguments give equal
    bits. Raises UserError for a count below one.
    """
    if n_per_class < 1:
        raise UserError(f"n_per_class={n_per_class}: give at least 1.")
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(STROKES)), n_per_class))
    parts = [_draw(labels[i : i + CHUNK], rng) for i in range(0, len(labels), CHUNK)]
    return np.concatenate(parts)[:, None], labels


def _draw(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n = len(labels)
    marks = [STROKES[label].split(" + ") for label in labels]
    kinds = np.array([[MARKS.index(mark) for mark in row] + [-1] * (MOST - len(row)) for row in marks])
    along = np.linspace(0, 1, POINTS)
    line, arc, hook = np.zeros(POINTS), along, np.clip((along - 0.6) / 0.1, 0, 0.5)  # share of the turn done
    turn = rng.choice([-1, 1], (n, MOST)) * np.deg2rad(rng.uniform(120, 240, (n, MOST)))
    heading = rng.uniform(0, 2 * np.pi, (n, MOST, 1)) + turn[..., None] * np.stack([line, arc, hook])[kinds]
    step = rng.uniform(20, 36, (n, MOST, 1, 1)) / POINTS
    path = np.cumsum(step * np.stack([np.sin(heading), np.cos(heading)], -1), 2)  # N x MOST x POINTS x (y, x)
    path += rng.uniform(10, BITMAP - 10, (n, MOST, 1, 2)) - path.mean(2, keepdims=True)
    # a round brush at every point; neighbouring brushes add up to 1 along the middle of the stroke
    width = rng.uniform(2.5, 4.5, (n, 1, 1)) / 2.5
    weight = (kinds >= 0)[..., None] * step[..., 0] / (width * np.sqrt(2 * np.pi)) * np.ones(POINTS)
    offset = path.reshape(n, -1, 1, 2) - np.arange(BITMAP)[:, None]
    rows, columns = np.moveaxis(np.exp(-((offset / width[..., None]) ** 2) / 2), -1, 0)
    ink = (rows * weight.reshape(n, -1, 1)).transpose(0, 2, 1) @ columns
    bitmap = np.clip(4 * (ink - 0.35) + 0.5, 0, 1)  # the edge is where the brushes fade
    return average(bitmap, rng.uniform(0.2, 1.2, n))
