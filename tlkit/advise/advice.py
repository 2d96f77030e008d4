"""What is known so far, as advice: a plan, its rivals, what to expect, and what would buy more."""

from dataclasses import dataclass

import numpy as np

from tlkit.advise.curve import Curve, Ends, corrected
from tlkit.advise.race import Race
from tlkit.stats import FEWEST_SEEDS
from tlkit.stats.verdicts import words

NEAR = 0.005  # behind the best mean: of such plans the cheapest is advised
DELTA = 0.02  # a difference in accuracy that does not matter, as in every verdict
MORE = (1, 2, 5)  # times the labels


@dataclass(frozen=True)
class Advice:
    """A plan, and what it is based on.

    labels: a class, that the training part has. expected: accuracy of the plan with all of them. more: labels
    -> accuracy of a linear head; curve: of that, through points (labels -> accuracy on each fold). rivals:
    plan and backbone -> how far above the advised one on the same folds. untried: plan -> seconds.
    """

    backbone: str
    plan: str
    labels: int
    expected: Ends
    more: dict[int, Ends]
    rivals: dict[str, Ends]
    untried: dict[str, float]
    points: dict[int, list[float]]
    curve: Curve

    @property
    def sentences(self) -> list[str]:
        """The advice in words, the most useful first."""
        word = {n: words(low, high, 0, FEWEST_SEEDS, DELTA) for n, (_, low, high) in self.rivals.items()}
        unsure, worse = ([n for n in word if word[n] == kind] for kind in ("cannot tell", "worse"))
        said = [
            f"Expected accuracy on new items with all {self.labels} labels per class: {told(self.expected)}."
        ]
        best = f"It is better on held-out folds than {' and '.join(worse)}."
        said += [
            best if worse else f"Nothing that was tried is {NEAR:g} better on held-out folds, or cheaper."
        ]
        said += [f"Cannot tell whether it is better than {' or '.join(unsure)}."] if unsure else []
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
    return Advice(first, plan, has, expected, more, rivals, dict(race.untried), points, curve)


def told(ends: Ends, digits: str = ".2f") -> str:
    """Such as 0.91 [0.88, 0.93]."""
    mean, *interval = (format(end, digits) for end in ends)
    return f"{mean} [{', '.join(interval)}]"
