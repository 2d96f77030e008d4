"""Samples for the self-test: paired differences whose true mean is known exactly."""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.special import ndtr

Draw = Callable[[np.random.Generator, int, int], np.ndarray]

N_ITEMS = 100
# Latent strengths of the two plans; item difficulty has sd 1, noise per seed and item sd 0.5.
STRENGTHS = (0.9, 0.5)


def normal(rng: np.random.Generator, reps: int, n: int) -> np.ndarray:
    """(reps, n) standard normal differences, mean 0."""
    return rng.standard_normal((reps, n))


def skewed(rng: np.random.Generator, reps: int, n: int, skewness: float) -> np.ndarray:
    """(reps, n) gamma differences of this skewness, mean 0 and sd 1; skewness 2 is the exponential."""
    shape = 4 / skewness**2
    return (rng.standard_gamma(shape, (reps, n)) - shape) / np.sqrt(shape)


def lognormal(rng: np.random.Generator, reps: int, n: int) -> np.ndarray:
    """(reps, n) standard lognormal differences (skewness 6.2) around their mean."""
    return np.exp(rng.standard_normal((reps, n))) - np.exp(0.5)


def collapsing(rng: np.random.Generator, reps: int, n: int) -> np.ndarray:
    """(reps, n) normal differences of which one in twenty falls by 10 sd: a fit that diverged. Mean 0."""
    return rng.standard_normal((reps, n)) - 10 * (rng.random((reps, n)) < 0.05) + 0.5


def two_level(
    rng: np.random.Generator, reps: int, n: int, seed_sd: float, item_sd: float
) -> tuple[np.ndarray, float]:
    """(reps, n, N_ITEMS) differences of correctness in {-1, 0, 1}, and their true mean.

    A plan answers an item correctly when strength + difficulty + seed effect + item effect + noise > 0.
    Difficulty is shared by both plans, the other three are normal and their own; so P(correct) is one normal
    probability.
    """
    difficulty = rng.standard_normal((reps, 1, N_ITEMS), dtype=np.float32)
    spread = np.sqrt(1 + seed_sd**2 + item_sd**2 + 0.25)
    correct = []
    for strength in STRENGTHS:
        latent = rng.standard_normal((reps, n, N_ITEMS), dtype=np.float32) * np.float32(0.5)
        latent += difficulty + np.float32(item_sd) * rng.standard_normal((reps, 1, N_ITEMS), dtype=np.float32)
        latent += strength + np.float32(seed_sd) * rng.standard_normal((reps, n, 1), dtype=np.float32)
        correct.append(latent > 0)
    items = correct[0].astype(float) - correct[1]
    return items, float(ndtr(STRENGTHS[0] / spread) - ndtr(STRENGTHS[1] / spread))


def rare(rng: np.random.Generator, reps: int, n: int) -> tuple[np.ndarray, float]:
    """(reps, n, N_ITEMS): plans that differ on 2 % of the items, in one direction, in four of five seeds."""
    differs = (rng.random((reps, 1, N_ITEMS)) < 0.02) & (rng.random((reps, n, N_ITEMS)) < 0.8)
    return differs.astype(float), 0.016


def family(rng: np.random.Generator, reps: int, n: int, draw: Draw, members: int = 20) -> np.ndarray:
    """(reps, members, n) differences of `members` plans from one shared baseline; all true means are 0."""
    plans = draw(rng, reps * (members + 1), n).reshape(reps, members + 1, n)
    return plans[:, 1:] - plans[:, :1]


ONE_LEVEL: dict[str, Draw] = {
    "normal": normal,
    "skewness 1": partial(skewed, skewness=1.0),
    "skewness 2": partial(skewed, skewness=2.0),
    "lognormal": lognormal,
    "collapsing": collapsing,
}
TWO_LEVEL = {
    "seeds and items": (0.2, 0.5),
    "seeds prevail": (0.5, 0.2),
    "items prevail": (0.05, 0.5),
    "neither": (0.0, 0.0),
}
