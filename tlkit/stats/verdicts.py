"""One word per comparison: better, worse, equal or cannot tell."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from ..errors import UserError
from .intervals import FEWEST_SEEDS, LEVEL, as_finite, interval


@dataclass(frozen=True)
class Verdict:
    """What n paired seeds say about a - b.

    `mean`, `low`, `high`: the difference and its 95 % interval; `p`: two-sided, Holm-adjusted by `verdicts`;
    `wins`, `losses`: seeds in which a is above, below b; `delta`: what counts as equal.
    """

    word: str
    mean: float
    low: float
    high: float
    n: int
    p: float
    wins: int
    delta: float
    losses: int = 0

    def sentence(self, name_a: str, name_b: str) -> str:
        """Such as "frozen is better than scratch by 0.31 [0.27, 0.35] (10 of 10 seeds)"."""
        mean, low, high = self.mean, self.low, self.high
        told, higher = _rounded(mean, low, high, 0.5), f"higher in {self.wins} of {self.n} seeds"
        if self.word == "better":
            return f"{name_a} is better than {name_b} by {told} ({self.wins} of {self.n} seeds)"
        if self.word == "worse":
            told = _rounded(-mean, -high, -low, 0.5)
            return f"{name_a} is worse than {name_b} by {told} ({self.losses} of {self.n} seeds)"
        if self.word == "equal":
            return f"{name_a} equals {name_b} within {self.delta:g}: {told} ({higher})"
        if self.n < FEWEST_SEEDS:
            few = f"{self.n} seed{'s' * (self.n != 1)}"
            return f"cannot tell {name_a} from {name_b}: {few}, {FEWEST_SEEDS} are needed"
        return f"cannot tell {name_a} from {name_b}: {told} ({higher})"


def verdict(
    a: ArrayLike,
    b: ArrayLike,
    delta: float = 0.02,
    items_a: ArrayLike | None = None,
    items_b: ArrayLike | None = None,
) -> Verdict:
    """Compare two plans over the same seeds: a, b (n_seeds,) values of a metric where higher is better.

    items_a, items_b: (n_seeds, n_items) correctness per test item; with them the verdict holds for new items
    too. `equal` when the whole 95 % interval lies within +-delta (two one-sided tests at 2.5 % each, stricter
    than the 5 % of Schuirmann 1987, J. Pharmacokinet. Biopharm. 15:657-680), whether or not it holds zero;
    else `better` or `worse` when it excludes zero; else `cannot tell`. Fewer than 5 seeds always give `cannot
    tell`.
    Raises UserError for NaN, unequal lengths, items of one side only, a delta that is not positive.
    """
    a, b = as_finite("values of a", a, 1), as_finite("values of b", b, 1)
    if a.shape != b.shape:
        raise UserError(f"a has {a.size} seeds and b has {b.size}: pair them seed by seed.")
    if not (np.isfinite(delta) and delta > 0):
        raise UserError(f"delta must be positive, not {delta}: it is the difference that does not matter.")
    found = interval(a - b, _item_differences(items_a, items_b))
    word = str(words(found.low, found.high, found.p, found.n, delta))
    ahead = np.round(a - b, 12)  # the last digits of a mean or a difference are no lead
    wins, losses = int((ahead > 0).sum()), int((ahead < 0).sum())
    return Verdict(word, found.mean, found.low, found.high, found.n, found.p, wins, delta, losses)


def verdicts(pairs: Sequence[Sequence[ArrayLike]], delta: float = 0.02) -> list[Verdict]:
    """Verdicts for a family of comparisons, each (a, b) or (a, b, items_a, items_b).

    `better` and `worse` need a Holm-adjusted p below 0.05, so the chance of even one false one in the family
    stays below 5 %. Intervals, and with them `equal`, stay those of the single comparison.
    Raises UserError as `verdict` does, and for a pair of another length.
    """
    for k, pair in enumerate(pairs):
        if len(pair) not in (2, 4):
            raise UserError(f"comparison {k} has {len(pair)} parts: give (a, b) or (a, b, items_a, items_b).")
    single = [verdict(*pair[:2], delta, *pair[2:]) for pair in pairs]
    adjusted = holm([v.p for v in single])
    return [
        replace(v, p=float(p), word=str(words(v.low, v.high, p, v.n, delta)))
        for v, p in zip(single, adjusted, strict=True)
    ]


def holm(pvalues: ArrayLike) -> np.ndarray:
    """Adjusted p-values of Holm's step-down (1979, Scand. J. Statist. 6:65-70), along the last axis."""
    p = np.asarray(pvalues, dtype=float)
    if not ((p >= 0) & (p <= 1)).all():
        raise UserError("p-values must lie between 0 and 1: a comparison without one cannot join the family.")
    order = p.argsort(axis=-1)
    steps = np.take_along_axis(p, order, axis=-1) * np.arange(p.shape[-1], 0, -1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(steps, axis=-1), 1), axis=-1)
    return adjusted


def words(low: ArrayLike, high: ArrayLike, p: ArrayLike, n: int, delta: float) -> np.ndarray:
    """The word for each interval and p-value: the one rule of `verdict`, `verdicts` and the self-test."""
    low, high, sure = np.asarray(low), np.asarray(high), np.asarray(p) < 1 - LEVEL
    enough = n >= FEWEST_SEEDS
    cases = [
        (low >= -delta) & (high <= delta) & enough,
        (low > 0) & sure & enough,
        (high < 0) & sure & enough,
    ]
    return np.select(cases, ["equal", "better", "worse"], "cannot tell")


def _item_differences(items_a: ArrayLike | None, items_b: ArrayLike | None) -> np.ndarray | None:
    if items_a is None and items_b is None:
        return None
    if items_a is None or items_b is None:
        raise UserError("items were given for one side only: give both, or the seeds alone.")
    a, b = as_finite("items of a", items_a, 2), as_finite("items of b", items_b, 2)
    if a.shape != b.shape:
        raise UserError(f"items of a are {a.shape} and of b {b.shape}: use the same seeds and test items.")
    return a - b


def signed(v: Verdict) -> str:
    """A difference and its interval, as +0.31 [0.25, 0.36]; more digits where it is small."""
    return _rounded(v.mean, v.low, v.high, plus="+")


def _rounded(mean: float, low: float, high: float, share: float = 1.0, plus: str = "") -> str:
    """Two digits, or more: the last is a share of the interval at most, and zero no end that excludes it."""

    def tell(digits: int) -> bool:
        return 10**-digits <= share * (high - low) and all(not x or round(x, digits) for x in (low, high))

    digits = next(filter(tell, range(2, 6)), 6)
    mean, low, high = (round(x, digits) + 0.0 for x in (mean, low, high))
    return f"{mean:{plus}.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
