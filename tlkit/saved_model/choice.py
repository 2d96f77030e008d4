"""Which fit of a comparison is kept, by its selection splits."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from tlkit.plans import BASELINES
from tlkit.records import PLAIN, Record, Scale, scale
from tlkit.tasks import SELECT_FROM


@dataclass(frozen=True)
class Choice:
    """The fit worth keeping: its test record, the mean test value of its plan over `seeds`, and the rule."""

    record: Record
    mean: float
    seeds: int
    rule: str


def choose(records: Iterable[Record]) -> Choice | None:
    """The fit to keep among those of one task and metric; None where none is a network.

    At the largest budget: the plan with the best mean over seeds on the selection splits, on a tie the
    cheaper one, then the first; of its seeds the one with the best selection score. Score is the loss where
    the metric is accuracy, which ties on few items, and every fit tells a finite one; else the metric. The
    test split is not used. Below 5 labels there is no selection split: `frozen`, or else the first plan, at
    its first seed.
    """
    rows = [r for r in records if r.plan not in set(BASELINES) - {"scratch"} and r.status == "ok"]
    tests = [r for r in rows if r.split == "test"]
    if not tests:
        return None
    largest = max(r.labels for r in tests)
    tests = [r for r in tests if r.labels == largest]
    selected = [r for r in rows if r.split == "select" and r.labels == largest]
    how = scale(tests)
    selected, sign, name = _finer(how, tests, selected)
    plan, rule = _plan(how, tests, selected, sign, name)
    scores = {r.seed: sign * r.value for r in selected if r.plan == plan}
    mine = [r for r in tests if r.plan == plan]
    record = min(mine, key=lambda r: (-scores.get(r.seed, -math.inf), r.seed))
    if selected and len(mine) > 1:
        rule += "; the seed with the best score there"
    return Choice(record, _mean(mine), len(mine), rule)


def _finer(how: Scale, tests: list[Record], selected: list[Record]) -> tuple[list[Record], int, str]:
    """The rows that choose, the sign of their values, and their name: losses in place of accuracies."""
    if how.metric != PLAIN:  # a finer number already, or one that the loss does not stand for
        return selected, how.sign, how.metric
    losses = {(r.plan, r.seed): _loss(r) for r in tests}
    found = [losses.get((r.plan, r.seed)) for r in selected]
    if lacking := found.count(None):
        return selected, how.sign, f"{how.metric} ({lacking} of {len(found)} fits tell no finite loss)"
    return [replace(r, value=loss) for r, loss in zip(selected, found, strict=True)], -1, "loss"


def _loss(row: Record) -> float | None:
    """The loss of the chosen setting on the selection split; None where the record tells no finite one."""
    told = row.detail.get("losses")
    found = told.get(str(row.detail.get("setting"))) if isinstance(told, dict) else None
    return float(found) if isinstance(found, int | float) and math.isfinite(found) else None


def _plan(how: Scale, tests: list[Record], selected: list[Record], sign: int, name: str) -> tuple[str, str]:
    plans = list(dict.fromkeys(r.plan for r in tests))
    if not selected:
        why = f"below {how.counted(SELECT_FROM)} there is no validation split to choose by"
        if "frozen" in plans:
            return "frozen", f"{why}, so frozen, at its first seed"
        return plans[0], f"{why}, and frozen was not run, so the first plan, at its first seed"
    plans = [plan for plan in plans if any(r.plan == plan for r in selected)]
    score = {plan: round(_mean([r for r in selected if r.plan == plan]), 9) for plan in plans}
    cost = {plan: np.mean([r.operations or 0 for r in tests if r.plan == plan]) for plan in plans}
    best = min(plans, key=lambda plan: (-sign * score[plan], cost[plan]))  # min keeps the first of equals
    tied = [plan for plan in plans if plan != best and score[plan] == score[best]]
    end = "highest" if sign > 0 else "lowest"
    why = f"the {end} mean {name} on the validation splits, {score[best]:.3f}; the test set was not used"
    return best, why + (f" (a tie with {', '.join(tied)}, of more operations)" if tied else "")


def _mean(rows: list[Record]) -> float:
    return float(np.mean([r.value for r in rows]))
