"""Differences of differences: does what a plan gains depend on labels, on the task, on the rate?"""

from dataclasses import replace

import numpy as np

from tlkit.compare.samples import refuse_unlike
from tlkit.errors import UserError
from tlkit.records import Record, Store, scale
from tlkit.stats import Verdict, interval, verdicts
from tlkit_lessons.ledger.claims import Claim
from tlkit_lessons.ledger.sources import Side, elsewhere, side


def sides(
    claim: Claim, store: Store, base: Store, labels: int, against: str, task: str | None = None
) -> tuple[Side, Side]:
    """The claim's plan and one of its baselines at a budget, each from its backbones.

    task: by default the claim's own.
    """
    on = claim.task if task is None else task
    one = side(store, claim.plan, labels, claim.backbone, on)
    return one, side(base, against, labels, claim.against_backbone or claim.backbone, on)


def _shared(*found: Side) -> list[int]:
    return sorted(set.intersection(*(one.seeds for one in found)))


def by_labels(claim: Claim, store: Store, base: Store) -> dict[int, Verdict] | None:
    """Is the difference at the largest budget larger than at the smallest? Keyed by the largest."""
    few, many = (sides(claim, store, base, n, claim.against[0]) for n in (claim.labels[0], claim.labels[-1]))
    seeds = _shared(*few, *many)
    if not seeds:
        return None
    refuse_unlike(*few, *many, but=claim.differ)
    gains = [a.values(seeds) - b.values(seeds) for a, b in (many, few)]
    if all(one.has_items for one in (*few, *many)):
        gains += [a.by_item(seeds) - b.by_item(seeds) for a, b in (many, few)]
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
        places = (store, claim.task), (base, claim.against_task)
        near, far = (sides(claim, one, one, n, claim.against[0], task) for one, task in places)
        seeds = _shared(*near, *far)
        if not seeds:
            return None
        for both in (near, far):
            refuse_unlike(*both, but=claim.differ)
        pairs[n] = [a.values(seeds) - b.values(seeds) for a, b in (near, far)]
    return dict(zip(pairs, verdicts([*pairs.values()], claim.delta), strict=True))


def between(claim: Claim, store: Store, base: Store) -> dict[int, Verdict] | None:
    """Is the plan better on the first task than the baseline on the second, at each budget?

    Two tasks have no test items in common, so these intervals cover new draws, not new items. Raises
    UserError for sides measured in different metrics or by different recipes.
    """
    pairs = {}
    for n in claim.labels:
        near = side(store, claim.plan, n, claim.backbone, claim.task)
        far = side(base, claim.against[0], n, claim.against_backbone or claim.backbone, claim.against_task)
        seeds = _shared(near, far)
        if not seeds:
            return None
        refuse_unlike(near, far, but=("task", "data", *claim.differ))
        pairs[n] = [near.values(seeds), far.values(seeds)]
    return dict(zip(pairs, verdicts([*pairs.values()], claim.delta), strict=True))


def gap(claim: Claim, store: Store, base: Store) -> dict[int, Verdict] | None:
    """Is the plan's gap, from the claim's split to the test, wider than the baseline's, at each budget?"""
    pairs = {}
    for n in claim.labels:
        both = sides(claim, store, base, n, claim.against[0])
        seeds = _shared(*both)
        if not seeds:
            return None
        refuse_unlike(*both, but=claim.differ)
        pairs[n] = [elsewhere(one, seeds, claim.split) - one.values(seeds) for one in both]
    return dict(zip(pairs, verdicts([*pairs.values()], claim.delta), strict=True))


def spread_over_rates(claim: Claim, store: Store, base: Store) -> dict[int, Verdict] | None:
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


def level(claim: Claim, store: Store, base: Store) -> dict[int, Verdict] | None:
    """Does the mean of the plan's records reach the bound: at least where higher is better, else at most?

    The mean over tasks decides, which weigh the same (the seeds of one task, where the claim names it); the
    interval over them says how far it may be off.
    """
    rows = [r for r in store.read() if r.plan.startswith(claim.plan) and claim.task in ("", r.task)]
    if not rows:
        return None
    groups: dict[object, list[float]] = {}
    for row in rows:
        groups.setdefault(row.seed if claim.task else row.task, []).append(row.value)
    beyond = scale(rows).sign * (np.array([np.mean(of) for of in groups.values()]) - claim.bound)
    found, n = interval(beyond), len(groups)
    # equal in every task: an interval has nothing to go by, and the mean is all there is to say
    low, high = (found.low, found.high) if np.ptp(beyond) > 0 else (found.mean, found.mean)
    word = "better" if found.mean >= 0 else "worse"
    wins = int((beyond >= 0).sum())
    return {0: Verdict(word, found.mean, low, high, n, found.p, wins, claim.delta, n - wins)}


def _over_recipes(store: Store, plan: str, labels: int) -> dict[str, dict[int, float]]:
    """Recipe -> seed -> test accuracy; a fit whose process was killed says nothing of the plan."""
    rows = [r for r in store.read() if (r.plan, r.labels, r.split) == (plan, labels, "test")]
    rows = [r for r in rows if r.status != "failed"]
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        found.setdefault(row.recipe, {})[row.seed] = _chance(store, row) if row.value is None else row.value
    return found


def _chance(store: Store, row: Record) -> float:
    return 1 / len(np.unique(store.targets(row.task, row.data)))
