"""How many labels a transfer saves: labels from scratch for the same accuracy, over labels used."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, stdtrit

from tlkit.errors import UserError
from tlkit.stats.intervals import as_finite

LEVEL = 0.95


@dataclass(frozen=True)
class Saving:
    """Label-saving factor and 95 % interval; as text "4.0x [3.1x, 4.9x]", "4.0x [3.1x, > 5x]" or "> 5x".

    `censored`: "" | "right" (scratch never reaches it: the factor is the largest observable) | "left"
    (scratch exceeds it with its fewest labels: the smallest observable). `least` and `most` are these bounds;
    an end of the interval that lies on one is censored too. With one seed both ends are NaN.
    """

    factor: float
    low: float
    high: float
    censored: str
    least: float
    most: float

    def __str__(self) -> str:
        head = self._end(self.factor) if self.censored else _times(self.factor)
        low, high = self._end(self.low), self._end(self.high)
        if np.isnan(self.low) or (self.censored and low == high):
            return head
        return f"{head} [{low}, {high}]"

    def _end(self, x: float) -> str:
        if self.least < x < self.most:
            return _times(x)
        # Bounds are ratios of label counts: two digits are exact enough.
        return f"{'<' if x <= self.least else '>'} {float(f'{x:.2g}'):g}x"


def _times(x: float) -> str:
    return f"{x:.{0 if x >= 10 else 1 if x >= 1 else 2}f}x"


def label_saving(
    labels: ArrayLike,
    scratch: ArrayLike,
    transfer: ArrayLike,
    n: float,
    draws: int = 2000,
    seed: int = 0,
) -> Saving:
    """The factor s(n) = N / n, where scratch with N labels reaches what transfer reaches with n.

    labels: (k,) rising label counts, n among them; scratch, transfer: (k, n_seeds) accuracies, column i the
    same seed in both. The mean curve of scratch is made monotone (isotonic regression) and interpolated
    linearly over log labels. The interval resamples seeds, whole columns at a time, and takes expanded
    percentiles (Hesterberg 2015, Am. Stat. 69:371-386, section 4: t for z and n for n - 1), since plain ones
    are too narrow for few seeds.
    Raises UserError for misshapen or NaN input, labels that do not rise, or an n that is not among them.
    """
    x, s, t = _checked(labels, scratch, transfer, n)
    if draws < 100:
        raise UserError(f"{draws} draws are too few for an interval: use 100 or more, 2000 is usual.")
    reached = t[int(np.flatnonzero(x == n)[0])]
    factor, censored = _factor(x, s.mean(axis=1), reached.mean(), n)
    least, most = float(x[0] / n), float(x[-1] / n)
    if s.shape[1] < 2:
        return Saving(float(factor), np.nan, np.nan, str(censored), least, most)
    pick = np.random.default_rng(seed).integers(s.shape[1], size=(draws, s.shape[1]))
    found, _ = _factor(x, s[:, pick].mean(axis=-1).T, reached[pick].mean(axis=-1), n)
    low, high = np.quantile(found, _expanded(s.shape[1]))
    return Saving(float(factor), float(low), float(high), str(censored), least, most)


def _checked(
    labels: ArrayLike, scratch: ArrayLike, transfer: ArrayLike, n: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = as_finite("labels", labels, 1)
    s, t = as_finite("accuracies of scratch", scratch, 2), as_finite("accuracies of transfer", transfer, 2)
    if s.shape != t.shape or len(s) != x.size:
        raise UserError(
            f"scratch {s.shape} and transfer {t.shape} must both have shape ({x.size} labels, seeds)."
        )
    if x.size < 2 or x[0] <= 0 or (np.diff(x) <= 0).any():
        raise UserError("labels must be at least two positive counts in rising order: sort the rows by them.")
    if n not in x:
        raise UserError(
            f"transfer was not measured with {n:g} labels: choose from {', '.join(f'{v:g}' for v in x)}."
        )
    return x, s, t


def _expanded(n: int) -> tuple[float, float]:
    """The two quantiles of a bootstrap over n that stand in for a t interval at LEVEL."""
    tail = float(ndtr(stdtrit(n - 1, (1 - LEVEL) / 2) * np.sqrt(n / (n - 1))))
    return tail, 1 - tail


def _factor(
    labels: np.ndarray, curve: np.ndarray, reached: np.ndarray, n: float
) -> tuple[np.ndarray, np.ndarray]:
    """Factors and censoring for mean curves (..., k) and accuracies (...)."""
    y, reached = isotonic(curve), np.asarray(reached)
    k = np.minimum((y < reached[..., None]).sum(axis=-1), labels.size - 1)  # the first count that gets there
    below = np.maximum(k - 1, 0)
    y0, y1 = (np.take_along_axis(y, i[..., None], axis=-1)[..., 0] for i in (below, k))
    part = np.clip((reached - y0) / np.where(y1 > y0, y1 - y0, 1), 0, 1)
    logs = np.log(labels)
    factor = np.exp(logs[below] + part * (logs[k] - logs[below])) / n
    right, left = reached > y[..., -1], reached < y[..., 0]
    factor = np.where(right, labels[-1] / n, factor)
    return factor, np.select([right, left], ["right", "left"], "")


def isotonic(curve: np.ndarray) -> np.ndarray:
    """Least-squares rising fit along the last axis (equal weights), for stacks of short curves at once.

    Min-max formula (Barlow et al. 1972, Statistical Inference under Order Restrictions, ch. 1): the value at
    i is the largest over starts s <= i of the smallest over ends e >= i of the mean from s to e.
    """
    k = curve.shape[-1]
    sums = np.concatenate([np.zeros((*curve.shape[:-1], 1)), curve.cumsum(axis=-1)], axis=-1)
    best = np.full(curve.shape, -np.inf)
    for start in range(k):
        means = (sums[..., start + 1 :] - sums[..., start : start + 1]) / np.arange(1, k - start + 1)
        smallest = np.minimum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
        best[..., start:] = np.maximum(best[..., start:], smallest)
    return best
