"""What is known so far, as advice: a plan, its rivals, what to expect, and what more labels would buy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from tlkit.advise.race import Race
from tlkit.stats.intervals import FEWEST_SEEDS, LEVEL
from tlkit.stats.verdicts import words

NEAR = 0.005  # behind the best mean: of such plans the cheapest is advised
DELTA = 0.02  # a difference in accuracy that does not matter, as in every verdict
MORE = (1, 2, 5)  # times the labels
# Prior of the exponent (Hestness et al. 2017, arXiv:1712.00409, find -0.07 to -0.35 with many labels; with
# few it is steeper), and how far the log error may stand off the law, for every doubling of the labels.
SLOPE, SPREAD, BEND = -0.5, 0.25, 0.1
WIDER = 1.96  # standard errors; back-tests on textures and dials (34_calibration) ask for less, 1.23
Ends = tuple[float, float, float]  # mean, low, high


def corrected(values: Sequence[float], share: float = 0.25) -> Ends:
    """Mean and interval of J cross-validated values, which share training items.

    The variance of their mean is s^2 (1/J + share), share = asked / fitted (Nadeau & Bengio 2003, Machine
    Learning 52:239-281). Infinitely wide for fewer than two.
    """
    mean, n = float(np.mean(values)) if len(values) else 0.0, len(values)
    if n < 2:
        return mean, -np.inf, np.inf
    half = float(np.std(values, ddof=1) * np.sqrt(1 / n + share) * stdtrit(n - 1, (1 + LEVEL) / 2))
    return mean, mean - half, mean + half


@dataclass(frozen=True)
class Curve:
    """log error = a + b log(labels / most), by Bayesian linear regression: mean and covariance of (a, b).

    points: labels a class -> accuracy on each fold, through which it was laid. items:
    how many are asked in all folds together, and how many the accuracies that it foretells are of.
    """

    points: Mapping[int, Sequence[float]]
    items: int
    mean: np.ndarray
    cov: np.ndarray

    @classmethod
    def of(cls, points: Mapping[int, Sequence[float]], items: int) -> "Curve":
        """The curve through labels a class -> accuracy on each fold."""
        x = np.stack([np.ones(len(points)), np.log([n / max(points) for n in points])], 1)
        error = 1 - np.array([np.mean(of) for of in points.values()]) + 0.5 / items  # of none, half a one
        noise = _counted(error, items) + (BEND * x[:, 1] / np.log(2)) ** 2
        prior = np.diag([1e-4, SPREAD**-2])
        cov = np.linalg.inv(x.T / noise @ x + prior)
        return cls(points, items, cov @ (x.T / noise @ np.log(error) + prior @ [0, SLOPE]), cov)

    def told(self, labels: float) -> tuple[float, float]:
        """Mean and standard deviation of the log error, half an item added."""
        x = np.array([1, np.log(labels / max(self.points))])
        middle = min(float(x @ self.mean), -1e-3)
        off = (BEND * x[1] / np.log(2)) ** 2 + _counted(np.exp(middle), self.items)
        return middle, float(np.sqrt(x @ self.cov @ x + off))

    def at(self, labels: float) -> Ends:
        """(accuracy, low, high) with so many labels a class."""
        middle, spread = self.told(labels)
        ends = np.exp(middle + spread * WIDER * np.array([0, 1, -1])) - 0.5 / self.items
        return tuple(float(a) for a in 1 - np.clip(ends, 0, 1))


def _counted(error: float | np.ndarray, items: int) -> float | np.ndarray:
    """Variance of the log of an error rate counted on so many items; finite where none is wrong."""
    return (1 - error + 1e-3) / (error * items + 1)


@dataclass(frozen=True)
class Advice:
    """A plan, and what it is based on.

    labels: a class, that the training part has. expected: accuracy of the plan with all of them. more: labels
    -> accuracy of a linear head, by its curve. rivals: plan and backbone -> how far above the advised one on
    the same folds. untried: plan -> seconds.
    """

    backbone: str
    plan: str
    labels: int
    expected: Ends
    more: dict[int, Ends]
    rivals: dict[str, Ends]
    untried: dict[str, float]
    curve: Curve

    @property
    def sentences(self) -> list[str]:
        """The advice in words, the most useful first."""
        word = {n: words(low, high, 0, FEWEST_SEEDS, DELTA) for n, (_, low, high) in self.rivals.items()}
        unsure, worse = ([n for n in word if word[n] == kind] for kind in ("cannot tell", "worse"))
        here = f"with all {self.labels} labels per class: {told(self.expected)}"
        best = f"Nothing that was tried is {NEAR:g} better on held-out folds, or cheaper."
        if worse:
            best = f"It is better on held-out folds than {' and '.join(worse)}."
        said = [f"Expected accuracy on new items {here}.", best]
        said += [f"Cannot tell whether it is better than {' or '.join(unsure)}."] * bool(unsure)
        for plan, seconds in self.untried.items():
            said += [f"{plan} was not tried, a training takes {seconds:.0f} s: give more --minutes."]
        (now, *_), (more, low, high), (_, *five) = self.more.values()
        buys = "cannot tell whether that is more than another plan adds"
        if low - now > max((high for _, _, high in self.rivals.values()), default=0.0):
            buys = "more than any other plan here can add"
        elif high - now < DELTA:
            buys = "hardly worth their price"
        gain = f"{told((more - now, low - now, high - now), '+.3f')} for a linear head, {buys}"
        said += [f"Twice the labels: {gain}; five times: accuracy {five[0]:.2f} to {five[1]:.2f}."]
        above = [f"{name} {told(ends, '+.3f')} ({word[name]})" for name, ends in self.rivals.items()]
        return said + [f"Above the advised plan on the same folds: {', '.join(above)}."] * bool(above)


def advice(race: Race) -> Advice | None:
    """What a race has found so far; None where not one backbone was measured."""
    if not race.pool:
        return None
    (first, *others), pool = race.standing(), race.pool
    found = {plan: gain for plan in ("frozen", *race.plans) if len(gain := race.gain(first, plan)) > 1}
    means = {plan: float(np.mean([*gain.values()])) for plan, gain in found.items()}
    plan = next(p for p in means if means[p] >= max(means.values()) - NEAR)
    over = lambda one, other: corrected([one[k] - other[k] for k in one.keys() & other.keys()])  # noqa: E731
    rivals = {f"{p} of {first}": over(gain, found[plan]) for p, gain in found.items() if p != plan}
    head = race.known(first, "frozen", pool)
    best = {k: v + found[plan][k] for k, v in head.items() if k in found[plan]}
    rivals |= {f"frozen of {name}": over(race.known(name, "frozen", pool), best) for name in others}
    points = {n: [*race.known(first, "frozen", pool, n).values()] for n in race.folds.sizes(pool)}
    curve, has = Curve.of(points, len(race.folds.rows(pool))), int(race.folds.counts.min())
    more = {times * has: curve.at(times * has) for times in MORE}
    of_head, gained = np.array(more[has]), np.array(corrected([*found[plan].values()]))
    off = np.hypot(of_head - of_head[0], gained - gained[0]) * [0, -1, 1]
    expected = tuple(float(x) for x in np.clip(of_head[0] + means[plan] + off, 0, 1))
    return Advice(first, plan, has, expected, more, rivals, dict(race.untried), curve)


def told(ends: Ends, digits: str = ".2f") -> str:
    """Such as 0.91 [0.88, 0.93]."""
    mean, *interval = (format(end, digits) for end in ends)
    return f"{mean} [{', '.join(interval)}]"
