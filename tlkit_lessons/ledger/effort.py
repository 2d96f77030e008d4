"""What equal accuracy costs: steps and operations, plan against baseline, seed by seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.compare.samples import Sample, sample
from tlkit.errors import UserError
from tlkit.records import Record, Store
from tlkit.stats import FEWEST_SEEDS, interval
from tlkit_lessons.savings import isotonic


@dataclass(frozen=True)
class Ratio:
    """A baseline's cost over a plan's: geometric mean over seeds and its 95 % interval.

    `bound`: some seed's ratio is only the least it can be, and so the factor and its interval are a cautious
    count. `wins`: seeds above 1.
    """

    factor: float
    low: float
    high: float
    n: int
    wins: int
    bound: bool

    @property
    def word(self) -> str:
        """better (the plan costs less), worse, or cannot tell; fewer than 5 seeds never tell."""
        if self.n < FEWEST_SEEDS or not math.isfinite(self.factor):
            return "cannot tell"
        return "better" if self.low > 1 else "worse" if self.high < 1 else "cannot tell"

    def __str__(self) -> str:
        if not self.factor > 0:
            return f"no factor, as it is never reached in {'every' if self.factor == 0 else 'some'} seed"
        alone = times(self.factor)
        return alone if self.low == self.high else f"{alone} [{times(self.low)}, {times(self.high)}]"


def times(x: float) -> str:
    """A factor with two digits: 0.53x, 1.2x, 32x, 2300x."""
    return f"{x:.2f}x" if x < 1 else f"{x:.1f}x" if x < 10 else f"{float(f'{x:.2g}'):.0f}x"


def ratio(baseline: Sequence[float], plan: Sequence[float], bound: bool) -> Ratio:
    """Costs (n_seeds,) of both, paired; never to arrive costs infinity: in all seeds ratio 0, in some NaN."""
    a, b = np.asarray(baseline, float), np.asarray(plan, float)
    wins = int((a > b).sum())
    if not np.isfinite(b).all():
        lost = 0.0 if np.isinf(b).all() else math.nan
        return Ratio(lost, lost, lost, a.size, wins, bound)
    logs = np.log(a / b)
    found = interval(logs)
    # Operations are counted, not sampled: when all seeds give one ratio, that is the ratio.
    low, high = (found.mean, found.mean) if np.ptp(logs) < 1e-9 else (found.low, found.high)
    return Ratio(*np.exp([found.mean, low, high]).tolist(), a.size, wins, bound)


def operations(row: Record) -> int:
    """Floating-point operations of a fit: the frozen prefix once, the rest for every step of every try."""
    missing = {"flops_prefix", "flops_suffix"} - row.detail.keys()
    if missing:
        raise UserError(
            f"the record of plan {row.plan!r}, seed {row.seed}, has no {', '.join(sorted(missing))}."
        )
    return row.detail["flops_prefix"] + row.detail["flops_suffix"]


def to_equal_accuracy(base: Store, against: str, budgets: Sequence[int], plan: Sample) -> Ratio:
    """Operations of `against` at its smallest budget as accurate as `plan`, over those of `plan`; by seed.

    A seed in which no budget is gets the largest: the ratio is then a lower bound.
    """
    curves = [sample(base, against, labels) for labels in budgets]
    seeds = sorted(set(plan.rows).intersection(*(c.rows for c in curves)))
    if not seeds:
        raise UserError(
            f"{against} and the plan share no seed at all of {len(budgets)} budgets: run the grid on."
        )
    costs, bound = [], False
    for seed in seeds:
        there = [c.rows[seed] for c in curves if c.rows[seed].value >= plan.rows[seed].value]
        bound |= not there
        costs.append(operations(there[0] if there else curves[-1].rows[seed]))
    return ratio(costs, [operations(plan.rows[seed]) for seed in seeds], bound)


@dataclass(frozen=True)
class Course:
    """One plan trained for several numbers of steps: accuracy and operations (k steps, n seeds)."""

    steps: np.ndarray
    seeds: tuple[int, ...]
    accuracy: np.ndarray
    flops: np.ndarray

    def reach(self, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(Steps, operations, whether) each seed's rising curve meets `threshold`; each (n seeds,).

        Read off linearly over log steps; at once counts with the fewest steps measured, never with the most.
        """
        logs, curves = np.log(self.steps), isotonic(self.accuracy.T)
        found = [
            math.exp(_crossing(logs, curve, threshold)) if curve[-1] >= threshold else float(self.steps[-1])
            for curve in curves
        ]
        flops = [np.interp(s, self.steps, column) for s, column in zip(found, self.flops.T, strict=True)]
        return np.array(found), np.array(flops), curves[:, -1] >= threshold


def _crossing(logs: np.ndarray, curve: np.ndarray, threshold: float) -> float:
    k = int(np.argmax(curve >= threshold))
    if k == 0:
        return float(logs[0])
    part = (threshold - curve[k - 1]) / (curve[k] - curve[k - 1])
    return float(logs[k - 1] + part * (logs[k] - logs[k - 1]))


def course(store: Store, plan: str, labels: int) -> Course | None:
    """The fits of `plan` by `detail["steps"]`; None where they are no course yet."""
    rows = [
        r for r in store.read() if (r.plan, r.labels, r.split) == (plan, labels, "test") and r.status == "ok"
    ]
    if any("steps" not in r.detail for r in rows):
        raise UserError(
            f"{store.path.name}: records of {plan} without steps in their detail; run that grid again."
        )
    steps = sorted({r.detail["steps"] for r in rows})
    by = [sample(store, plan, labels, [r for r in rows if r.detail["steps"] == s]).rows for s in steps]
    seeds = sorted(set.intersection(*map(set, by))) if by else []
    if len(steps) < 2 or not seeds:
        return None
    accuracy = np.array([[rows[seed].value for seed in seeds] for rows in by])
    flops = np.array([[operations(rows[seed]) for seed in seeds] for rows in by], dtype=float)
    return Course(np.array(steps, float), tuple(seeds), accuracy, flops)


@dataclass(frozen=True)
class Reached:
    """Two courses at one threshold; `saved`: operations, by seed; the steps are geometric means.

    Seeds in which the plan is there at all, is there with the fewest steps, and the base is not there: `met`,
    `at_once`, `late`. The last two are counted cautiously.
    """

    threshold: float
    steps: Ratio
    flops: Ratio
    saved: np.ndarray
    base_steps: float
    plan_steps: float
    met: int
    at_once: int
    late: int

    def said(self, plan: str, base: str, unit: str, delta: float) -> tuple[str, str]:
        """The outcome in words, in full and for a sentence; `unit`: steps, or flops."""
        ratio = self.steps if unit == "steps" else self.flops
        at, of = f"accuracy {self.threshold:.2f}", f" (final accuracy of {base} minus {delta:g})"
        if missed := ratio.n - self.met:
            lead = f"in {missed} of {ratio.n} seeds {plan} never reaches {at}{of}"
            return (f"{lead}, so no overall factor can be given",) * 2
        both = [f"{n:.1f}" if n < 10 else f"{n:.0f}" for n in (self.plan_steps, self.base_steps)]
        start = f"{both[0]} steps instead of {both[1]} to " if unit == "steps" else "to "
        why = [f"{plan} is there at the first look in {self.at_once}"] * bool(self.at_once)
        why += [f"{base} never gets there in {self.late}"] * bool(self.late)
        cautious = f"; counted cautiously, because {' and '.join(why)} of {ratio.n} seeds" if why else ""
        factor = ", " + "operations in the " * (unit != "steps") + f"ratio {ratio}"
        return f"{start}{at}{of}{factor}{cautious}", f"{start}{at}{factor}"


def to_threshold(base: Course, plan: Course, delta: float) -> Reached:
    """Both courses at the mean accuracy `base` has with its most steps, less delta; means are geometric."""
    if base.seeds != plan.seeds:
        raise UserError("the two courses were run with different seeds: finish both grids.")
    threshold = float(base.accuracy[-1].mean()) - delta
    (s0, f0, met0), (s1, f1, met1) = base.reach(threshold), plan.reach(threshold)
    s1, f1 = np.where(met1, s1, np.inf), np.where(met1, f1, np.inf)
    at_once, late = int((s1 <= plan.steps[0]).sum()), int((~met0).sum())
    bound = bool(at_once or late)
    means = [float(np.exp(np.log(s).mean())) for s in (s0, s1)]
    seeds = (int(met1.sum()), at_once, late)
    return Reached(threshold, ratio(s0, s1, bound), ratio(f0, f1, bound), f0 - f1, *means, *seeds)
