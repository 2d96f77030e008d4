"""Rules that choose a plan by its scores on the selection splits, and what their choices are worth."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.errors import UserError, unknown
from tlkit.stats import Interval, interval

TEMPERATURES = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)  # outputs are divided by these
HINDSIGHT = "hindsight"  # the plan of the highest test accuracy on the seeds that choose: nobody can
TODAY = "accuracy"
FOLDED = "loss, cross-validated"  # needs more trainings


@dataclass(frozen=True)
class Scores:
    """What one grid says at one budget. P plans, S seeds, T temperatures.

    test, accuracy: P x S, on the test and the selection split; losses: P x S x T, log-loss on the selection
    split; folded: P x S, cross-validated log-loss, or None; cost: P, operations.
    """

    file: str
    task: str
    backbone: str
    labels: int
    plans: tuple[str, ...]
    test: np.ndarray
    accuracy: np.ndarray
    losses: np.ndarray
    folded: np.ndarray | None
    cost: np.ndarray

    @property
    def loss(self) -> np.ndarray:
        """P x S: the log-loss as the network gives it."""
        return self.losses[..., TEMPERATURES.index(1.0)]

    def of(self, seeds: Sequence[int]) -> "Scores":
        """Those of the seeds at these positions."""
        at, folded = list(seeds), self.folded
        parts = self.test[:, at], self.accuracy[:, at], self.losses[:, at]
        return Scores(*self._names, *parts, None if folded is None else folded[:, at], self.cost)

    @property
    def _names(self) -> tuple:
        return self.file, self.task, self.backbone, self.labels, self.plans


def _ranks(loss: np.ndarray) -> np.ndarray:
    return loss.argsort(0).argsort(0)


def _standard(loss: np.ndarray) -> np.ndarray:
    spread = loss.std(0)
    return (loss - loss.mean(0)) / np.where(spread > 0, spread, 1)


def _folded(scores: Scores) -> np.ndarray:
    if scores.folded is None:
        raise UserError(
            f"{scores.file}, {scores.task} at {scores.labels} was not cross-validated: choose another rule."
        )
    return scores.folded


# the lowest is chosen; of equals the one of fewer operations, then the first
RULES: Mapping[str, Callable[[Scores], Sequence[np.ndarray]]] = {
    HINDSIGHT: lambda s: [-s.test.mean(1)],
    "frozen": lambda s: [np.array([plan != "frozen" for plan in s.plans], dtype=float)],
    TODAY: lambda s: [-s.accuracy.mean(1)],
    "accuracy, then loss": lambda s: [-s.accuracy.mean(1), s.loss.mean(1)],
    "loss": lambda s: [s.loss.mean(1)],
    "loss, tempered": lambda s: [s.losses.mean(1).min(1)],
    "loss, ranked": lambda s: [_ranks(s.loss).mean(1)],
    "loss, standardised": lambda s: [_standard(s.loss).mean(1)],
    FOLDED: lambda s: [_folded(s).mean(1)],
}
FREE = tuple(rule for rule in RULES if rule != FOLDED)  # what the fits of a comparison tell anyway


def chosen(rule: str, scores: Scores) -> int:
    """The position of the plan that a rule chooses. Raises UserError for an unknown rule."""
    if rule not in RULES:
        raise unknown("rule", rule, RULES)
    keys = [np.round(key, 9) for key in RULES[rule](scores)]
    return int(np.lexsort([scores.cost, *reversed(keys)])[0])


def worth(rule: str, scores: Scores) -> float:
    """Mean test accuracy of the plans a rule chooses on half of the seeds, on the other half; all halves."""
    count = scores.test.shape[1]
    found = []
    for half in itertools.combinations(range(count), count // 2):
        plan = chosen(rule, scores.of(half))
        found.append(scores.test[plan, [k for k in range(count) if k not in half]].mean())
    return float(np.mean(found))


@dataclass(frozen=True)
class Regret:
    """What a rule loses against hindsight, in test accuracy: `over` target tasks, one number each."""

    rule: str
    labels: int
    over: np.ndarray
    mean: Interval


def regrets(scores: Iterable[Scores], rules: Iterable[str] = FREE) -> list[Regret]:
    """The regret of each rule on grids of one budget: by target, where several sources are averaged.

    scores: such as `scored(HELD_OUT, 5)`; rules: names of `RULES`, by default those that need no training.
    Targets are the units of the interval: sources of one target share its images and seeds. Raises UserError
    where there is no grid.
    """
    found = list(scores)
    if not found:
        raise UserError(
            "no grid has been scored at this budget: run `python -m tools.make_records 34_choosing`."
        )
    best = by_target(HINDSIGHT, found)
    lost = [(rule, best - by_target(rule, found)) for rule in rules if rule != HINDSIGHT]
    return [Regret(rule, found[0].labels, over, interval(over)) for rule, over in lost]


def by_target(rule: str, scores: Iterable[Scores]) -> np.ndarray:
    """`worth` of a rule on every target, the mean over its sources; in the order of the targets."""
    values: dict[tuple[str, str], list[float]] = {}
    for one in scores:
        values.setdefault((one.file, one.task), []).append(worth(rule, one))
    return np.array([np.mean(several) for several in values.values()])
