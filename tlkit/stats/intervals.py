"""Intervals for paired differences: new seeds, and new test items when the items are at hand.

Two methods. `student` is the paired t interval (Student 1908, Biometrika 6:1-25). `guarded`, the default,
takes the same interval and moves each end out to Hall's (1992, J. Roy. Statist. Soc. B 54:221-228)
skewness-corrected end where that lies further out. It is never shorter than Student's, and keeps its level on
skewed differences where Student's does not. The `reported` rows of the self-test show where this ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from ..errors import UserError, unknown

METHODS = ("guarded", "student")
FEWEST_SEEDS = 5
LEVEL = 0.95

# No disagreement at all in m items is compatible with a rate of 3/m at 95 % (Hanley & Lippman-Hand 1983,
# JAMA 249:1743-1745, "if nothing goes wrong"). As a standard error under a normal quantile that is 3/m/1.96.
ITEM_RESOLUTION = 3 / 1.96


@dataclass(frozen=True)
class Interval:
    """Mean of `n` paired differences, its interval, and the two-sided p-value of a zero mean."""

    mean: float
    low: float
    high: float
    n: int
    p: float


def interval(diffs: ArrayLike, items: ArrayLike | None = None, method: str = "guarded") -> Interval:
    """95 % interval for the mean of paired differences a - b.

    diffs: (n_seeds,) differences of any metric. The interval then speaks of new seeds on *this* test set.
    items: (n_seeds, n_items) differences per test item, correct_a - correct_b in [-1, 1], all seeds on the
    same items. The interval then covers new seeds *and* new items (see `crossed_error`).

    No spread is not no doubt. When all differences are equal and no items are given, the measure is too
    coarse to say how far the mean may be off: the interval is mean +- (1 + |mean|), wider than any accuracy
    difference, with p = 1. With items, the standard error is never below 1.53 items (see ITEM_RESOLUTION).
    One seed alone has the same wide interval.

    Raises UserError for empty, NaN or misshapen input, items outside [-1, 1], items whose seed means are not
    the differences, an unknown method.
    """
    d = as_finite("differences", diffs, 1)
    if method not in METHODS:
        raise unknown("interval method", method, METHODS)
    x = None if items is None else _as_items(items, d)
    mean = float(d.mean())
    if d.size < 2 or (x is None and np.ptp(d) <= 1e-9 * max(1.0, abs(mean))):
        half = 1 + abs(mean)
        return Interval(mean, mean - half, mean + half, d.size, 1.0)
    low, high, p = limits(d, x, method)
    return Interval(mean, float(low), float(high), d.size, float(p))


def limits(
    diffs: np.ndarray, items: np.ndarray | None = None, method: str = "guarded"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Low end, high end and p-value for stacks of samples: diffs (..., n) or items (..., n, m). No checks."""
    mean, error, df, skew = seed_error(diffs) if items is None else crossed_error(items)
    t = stdtrit(df, (1 + LEVEL) / 2)
    low, high = mean - error * t, mean + error * t
    p = 2 * stdtr(df, -np.abs(mean / error))
    if method == "guarded":
        low = np.minimum(low, mean - error * _hall_inverse(t, skew))
        high = np.maximum(high, mean - error * _hall_inverse(-t, skew))
        p = np.maximum(p, 2 * stdtr(df, -np.abs(_hall(mean / error, skew))))
    return low, high, p


def seed_error(diffs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard error, degrees of freedom and skewness of the mean, along the last axis."""
    n = diffs.shape[-1]
    error = diffs.std(axis=-1, ddof=1) / np.sqrt(n)
    return diffs.mean(axis=-1), error, np.full(error.shape, n - 1.0), _third_moment(diffs) / n**2 / error**3


def crossed_error(items: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """As `seed_error`, for items (..., n_seeds, n_items): both are random draws, each item met by every seed.

    Two-way crossed random effects: Var(mean) = (MS_seed + MS_item - MS_rest) / (n m) (Searle, Casella &
    McCulloch 1992, Variance Components, ch. 4; Brennan 2001, Generalizability Theory, ch. 6), at least
    MS_rest / (n m), with Satterthwaite's (1946, Biometrics Bull. 2:110-114) df, n - 1 or more.
    """
    n, m = items.shape[-2:]
    seeds, columns, mean = items.mean(axis=-1), items.mean(axis=-2), items.mean(axis=(-2, -1))
    ss_seed = m * ((seeds - mean[..., None]) ** 2).sum(axis=-1)
    ss_item = n * ((columns - mean[..., None]) ** 2).sum(axis=-1)
    ss_rest = ((items - mean[..., None, None]) ** 2).sum(axis=(-2, -1)) - ss_seed - ss_item
    ms_seed, ms_item = ss_seed / (n - 1), ss_item / (m - 1)
    ms_rest = np.maximum(ss_rest, 0) / ((n - 1) * (m - 1))
    total = np.maximum(ms_seed + ms_item - ms_rest, ms_rest)
    spread = ms_seed**2 / (n - 1) + ms_item**2 / (m - 1) + ms_rest**2 / ((n - 1) * (m - 1))
    df = np.maximum(total**2 / np.maximum(spread, np.finfo(float).tiny), n - 1)
    error = np.maximum(np.sqrt(total / (n * m)), ITEM_RESOLUTION / m)
    skew = (_third_moment(seeds) / n**2 + _third_moment(columns) / m**2) / error**3
    return mean, error, df, skew


def _third_moment(x: np.ndarray) -> np.ndarray:
    """Unbiased third central moment along the last axis; 0 where two values cannot show one."""
    k = x.shape[-1]
    if k < 3:
        return np.zeros(x.shape[:-1])
    return ((x - x.mean(axis=-1, keepdims=True)) ** 3).sum(axis=-1) * k / ((k - 1) * (k - 2))


def _hall(t: np.ndarray, skew: np.ndarray) -> np.ndarray:
    """Hall's (1992) cubic: takes the skewness of a mean out of its t statistic; monotone in t."""
    return t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / 6


def _hall_inverse(y: np.ndarray, skew: np.ndarray) -> np.ndarray:
    """The t with _hall(t, skew) == y."""
    straight = np.abs(skew) < 1e-6
    k = np.where(straight, 1.0, skew)
    return np.where(straight, y, 3 / k * (np.cbrt(1 + k * (y - k / 6)) - 1))


def as_finite(what: str, values: ArrayLike | Sequence, ndim: int) -> np.ndarray:
    """`values` as a float array with `ndim` axes, or the UserError that says what is wrong with it."""
    try:
        x = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise UserError(f"{what} are no plain array of numbers: give seeds of the same length.") from None
    if x.ndim != ndim or x.size == 0:
        raise UserError(f"{what} have shape {x.shape}: a non-empty array with {ndim} axes was expected.")
    if bad := (~np.isfinite(x)).sum():
        raise UserError(f"{what} hold {bad} NaN or infinite values: leave failed fits out.")
    return x


def _as_items(items: ArrayLike, diffs: np.ndarray) -> np.ndarray:
    x, expected = as_finite("item differences", items, 2), f"{diffs.size} seeds and at least 2 items"
    n, m = x.shape
    if n != diffs.size or m < 2:
        raise UserError(f"item differences have shape {x.shape}: {expected} were expected.")
    if np.abs(x).max() > 1:
        raise UserError("item differences lie outside [-1, 1]: give correct_a - correct_b, or none.")
    # Half an item leaves room for accuracies stored rounded, and none for another test set.
    if np.abs(x.mean(axis=1) - diffs).max() > 0.5 / m:
        raise UserError("item differences do not average to the differences per seed: were they mixed up?")
    return x
