"""Differences of differences: does what a plan gains depend on labels, on the task, on the rate?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tlkit.claims.compared import Sample, sample
from tlkit.claims.criteria import Claim
from tlkit.errors import UserError
from tlkit.records import Record, Store, values
from tlkit.stats import Verdict, verdicts


@dataclass(frozen=True)
class Mean:
    """One plan at one budget from several backbones (pretraining seeds): their mean, draw by draw."""

    samples: tuple[Sample, ...]

    @property
    def seeds(self) -> set[int]:
        return set.intersection(*(set(s.rows) for s in self.samples))

    def values(self, seeds: Sequence[int]) -> np.ndarray:
        return np.mean([[s.rows[seed].value for seed in seeds] for s in self.samples], axis=0)

    def correct(self, seeds: Sequence[int]) -> np.ndarray:
        return np.mean([s.correct(seeds) for s in self.samples], axis=0)

    @property
    def has_items(self) -> bool:
        return all(s.has_items for s in self.samples)


def mean(store: Store, plan: str, labels: int, backbones: Sequence[str] = ()) -> Mean:
    """The plan's finished fits from each of `backbones` (default: the only one there)."""
    records = store.read()
    if not backbones:
        return Mean((sample(store, plan, labels, records),))
    by_name = [[r for r in records if r.backbone == name] for name in backbones]
    return Mean(tuple(sample(store, plan, labels, rows) for rows in by_name))


def _sides(claim: Claim, store: Store, base: Store, labels: int) -> tuple[Mean, Mean]:
    one = mean(store, claim.plan, labels, claim.backbone)
    other = mean(base, claim.against[0], labels, claim.against_backbone or claim.backbone)
    rows = [next(iter(s.rows.values())) for side in (one, other) for s in side.samples if s.rows]
    for name in ("task", "data", "metric", "recipe"):
        found = sorted({getattr(row, name) for row in rows})
        if len(found) > 1:
            raise UserError(f"claim {claim.id}: records of {name} {', '.join(found)}; run both on the same.")
    return one, other


def difference(claim: Claim, store: Store, base: Store) -> dict[int, Verdict] | None:
    """Plan from its backbones against the baseline from others, at each budget; one Holm family."""
    pairs = {n: _sides(claim, store, base, n) for n in claim.labels}
    return _judged(pairs, claim, lambda side, seeds: side.values(seeds), items=True)


def by_labels(claim: Claim, store: Store, base: Store) -> dict[int, Verdict] | None:
    """Is the difference at the largest budget larger than at the smallest? Keyed by the largest."""
    few, many = (_sides(claim, store, base, n) for n in (claim.labels[0], claim.labels[-1]))
    seeds = sorted(set.intersection(*(side.seeds for side in (*few, *many))))
    if not seeds:
        return None
    gains = [a.values(seeds) - b.values(seeds) for a, b in (many, few)]
    if all(side.has_items for side in (*few, *many)):
        gains += [a.correct(seeds) - b.correct(seeds) for a, b in (many, few)]
    # differences of differences reach from -2 to 2, those that an interval takes from -1 to 1
    half = verdicts([[gain / 2 for gain in gains]], claim.delta / 2)[0]
    whole = {"mean": 2 * half.mean, "low": 2 * half.low, "high": 2 * half.high, "delta": claim.delta}
    return {claim.labels[-1]: replace(half, **whole)}


def by_task(claim: Claim, store: Store, base: Store) -> dict[int, Verdict] | None:
    """Is the difference between two backbones larger on the first task than on the second, at each budget?

    Two tasks have no test items in common, so these intervals cover new draws of labels, not new items.
    """
    pairs = {}
    for n in claim.labels:
        near, far = (_sides(claim, one, one, n) for one in (store, base))
        seeds = sorted(set.intersection(*(side.seeds for side in (*near, *far))))
        if not seeds:
            return None
        pairs[n] = [a.values(seeds) - b.values(seeds) for a, b in (near, far)]
    return dict(zip(pairs, verdicts([*pairs.values()], claim.delta), strict=True))


def gap(claim: Claim, store: Store, base: Store) -> dict[int, Verdict] | None:
    """Is the plan's train-test gap wider than the baseline's, at each budget?"""
    pairs = {n: _sides(claim, store, base, n) for n in claim.labels}

    def gaps(side: Mean, seeds: Sequence[int]) -> np.ndarray:
        return np.mean([_trained(one, seeds) for one in side.samples], axis=0) - side.values(seeds)

    return _judged(pairs, claim, gaps)


def _trained(one: Sample, seeds: Sequence[int]) -> list[float]:
    any_row = next(iter(one.rows.values()))
    rows = [r for r in one.store.read() if r.backbone == any_row.backbone]
    found = values(rows, plan=any_row.plan, labels=any_row.labels, split="train")
    return [found[seed] for seed in seeds]


def spread(claim: Claim, store: Store, base: Store) -> dict[int, Verdict] | None:
    """Does the plan's accuracy vary more over one grid of rates than the baseline's, at each budget?

    A fit that diverged counts with chance. Raises UserError where the two have no recipe in common.
    """
    pairs = {}
    for n in claim.labels:
        a, b = (_over_recipes(one, plan, n) for one, plan in ((store, claim.plan), (base, claim.against[0])))
        if not a or not b:
            return None
        both = sorted(a.keys() & b.keys())
        if len(both) < 2:
            raise UserError(
                f"claim {claim.id}: {claim.plan} and {claim.against[0]} share no grid of recipes."
            )
        seeds = sorted(set.intersection(*(set(side[recipe]) for side in (a, b) for recipe in both)))
        if not seeds:
            return None
        pairs[n] = [np.std([[side[r][s] for s in seeds] for r in both], axis=0) for side in (a, b)]
    return dict(zip(pairs, verdicts([*pairs.values()], claim.delta), strict=True))


def _over_recipes(store: Store, plan: str, labels: int) -> dict[str, dict[int, float]]:
    """Recipe -> seed -> test accuracy."""
    rows = [r for r in store.read() if (r.plan, r.labels, r.split) == (plan, labels, "test")]
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        found.setdefault(row.recipe, {})[row.seed] = _chance(store, row) if row.value is None else row.value
    return found


def _chance(store: Store, row: Record) -> float:
    return 1 / len(np.unique(store.targets(row.task, row.data)))


def _judged(
    pairs: dict[int, tuple[Mean, Mean]],
    claim: Claim,
    score: Callable[[Mean, Sequence[int]], np.ndarray],
    items: bool = False,
) -> dict[int, Verdict] | None:
    jobs = []
    for a, b in pairs.values():
        seeds = sorted(a.seeds & b.seeds)
        if not seeds:
            return None
        arrays = [score(side, seeds) for side in (a, b)]
        if items and a.has_items and b.has_items:
            arrays += [side.correct(seeds) for side in (a, b)]
        jobs.append(arrays)
    return dict(zip(pairs, verdicts(jobs, claim.delta), strict=True))
