"""Fractals: images made by a few random affine maps, without any photograph or drawing.

An iterated function system is a handful of maps, each of which shrinks the plane. A point to which they are
applied in random order visits a set that looks like fern, dust or lace. A class is a system; its images come
from slightly perturbed copies of it (FractalDB; Kataoka et al. 2020, arXiv:2101.08515).
"""

from functools import lru_cache

import numpy as np

from tlkit.errors import UserError
from tlkit_lessons.material.glyphs import BITMAP, CHUNK, SIDE

SYSTEMS, MAPS = 100, 3
FRACTALS = tuple(f"system {number}" for number in range(SYSTEMS))
WANDERERS, STEPS, BURN_IN = 96, 16, 10  # points at once, steps drawn, and steps before them
PERTURBED = 0.2  # standard deviation of every number of a system, relative, from image to image
FILLED = (0.1, 0.5)  # mean brightness of a usable system: neither specks nor a block
CANDIDATES_SEED = 2020


def fractals(n_per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(float32 N x 1 x 8 x 8 in [0, 1], int64 N: indices into FRACTALS), balanced, in random order.

    The systems are the same for every seed. Equal arguments give equal bits. Raises UserError for a count
    below one.
    """
    if n_per_class < 1:
        raise UserError(f"n_per_class={n_per_class}: give at least 1.")
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(SYSTEMS), n_per_class))
    systems = _systems()
    parts = []
    for i in range(0, len(labels), CHUNK):
        chosen = systems[labels[i : i + CHUNK]]
        parts.append(chaos_game(chosen * (1 + PERTURBED * rng.standard_normal(chosen.shape)), rng))
    return np.concatenate(parts)[:, None], labels


@lru_cache(maxsize=1)
def _systems() -> np.ndarray:
    """SYSTEMS x MAPS x 2 x 3: the first random ones that are neither too empty nor too full."""
    rng = np.random.default_rng(CANDIDATES_SEED)
    count = 8 * SYSTEMS
    turn, back = np.linalg.qr(rng.standard_normal((2, count, MAPS, 2, 2)))[0]
    shrink = rng.uniform(0.2, 0.8, (count, MAPS, 1, 2))  # singular values below 1: the maps contract
    systems = np.concatenate([turn * shrink @ back, rng.uniform(-1, 1, (count, MAPS, 2, 1))], -1)
    brightness = chaos_game(systems, rng).mean((1, 2))
    return systems[(brightness > FILLED[0]) & (brightness < FILLED[1])][:SYSTEMS]


def chaos_game(systems: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Play the chaos game in N systems at once: float32 N x 8 x 8 in [0, 1], bright where points fell.

    systems: N x maps x 2 x 3, each map a 2 x 2 matrix and a shift. Every step applies one at random, more
    often one that shrinks less (Barnsley 1988, Fractals Everywhere).
    """
    n = len(systems)
    systems = systems.astype(np.float32)
    shrinks = np.abs(np.linalg.det(systems[..., :2])) + 0.02  # a larger part of the set gets more points
    reach = np.cumsum(shrinks, 1) / shrinks.sum(1, keepdims=True)
    at = np.zeros((n, WANDERERS, 2), dtype=np.float32)
    visited = []
    every = np.arange(n)[:, None]
    for step in range(BURN_IN + STEPS):
        chosen = (rng.random((n, WANDERERS, 1), dtype=np.float32) > reach[:, None, :-1]).sum(-1)
        maps = systems[every, chosen]
        at = (maps[..., :2] @ at[..., None])[..., 0] + maps[..., 2]
        if step >= BURN_IN:
            visited.append(at)
    points = np.concatenate(visited, 1)
    low, high = points.min(1, keepdims=True), points.max(1, keepdims=True)
    cell = ((points - low) / (high - low + 1e-6) * (BITMAP - 1e-3)).astype(np.int64)
    bitmap = np.zeros((n, BITMAP, BITMAP), dtype=np.float32)
    bitmap[every, cell[..., 0], cell[..., 1]] = 1
    block = BITMAP // SIDE
    return bitmap.reshape(n, SIDE, block, SIDE, block).mean((2, 4))
