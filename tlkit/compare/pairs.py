"""Pairs of plans: the same seeds, the same test items, one verdict each, Holm over the family."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.compare.samples import Sample, refuse_unlike, sample
from tlkit.errors import UserError
from tlkit.plans import BASELINES
from tlkit.records import Record, Store
from tlkit.stats import Verdict, verdicts


@dataclass(frozen=True)
class Pair:
    """A plan beside a baseline at one budget.

    mean: the plan's, in `metric`. items: whether the interval covers new test items too.
    """

    task: str
    backbone: str
    recipe: str
    metric: str
    plan: str
    labels: int
    mean: float
    against: str
    items: bool
    verdict: Verdict


def compare(
    pairs: Sequence[tuple[Sample, Sample]], delta: float | None = None, but: Sequence[str] = ()
) -> list[Verdict]:
    """A verdict for each (plan, baseline), over the seeds both have; one Holm family.

    delta: the difference that does not matter; by default what the records say of their metric. Where both
    sides kept their predictions, the interval covers new test items as well as new seeds. Where lower is
    better the sign is reversed, so that `better` means better. but: in what the two differ on purpose
    ("recipe": the baseline may train longer). Raises UserError for sides measured on different data, by
    different recipes, or with no seed in common.
    """
    if not pairs:
        return []
    both = [tuple(pair) for pair in pairs]
    return verdicts(
        [_arrays(*pair, but) for pair in both], both[0][0].scale.delta if delta is None else delta
    )


def _arrays(a: Sample, b: Sample, but: Sequence[str]) -> list[np.ndarray]:
    seeds = sorted(a.seeds & b.seeds)
    if not seeds:
        raise UserError("two sides of a comparison share no seed: run both with the same seeds.")
    refuse_unlike(a, b, but=but)
    both = [one.values(seeds) for one in (a, b)]
    return both + ([one.by_item(seeds) for one in (a, b)] if a.has_items and b.has_items else [])


def pairs(
    store: Store, records: Iterable[Record] | None = None, baselines: Sequence[str] = BASELINES
) -> list[Pair]:
    """Every plan at every budget against each baseline, by budget and plan; a diverged fit is left out.

    records: those of the store to look at (default: all). Fits on different data, metrics or recipes are not
    compared; each such group is one Holm family. A budget at which a baseline has no finished fit gives no
    row against it. Raises UserError for a records file that cannot be read.
    """
    rows = [
        r for r in (store.read() if records is None else records) if r.split == "test" and r.status == "ok"
    ]
    groups: dict[tuple, list[Record]] = {}
    for row in rows:
        if row.plan not in baselines:
            groups.setdefault(_setting(row), []).append(row)
    found = []
    for like, tried in groups.items():  # scratch is the same architecture, so the same name
        base = [r for r in rows if r.plan in baselines and _setting(r)[:-1] == like[:-1]]
        found += _group(store, tried, base, baselines)
    return found


def _setting(row: Record) -> tuple[str, ...]:
    return row.task, row.data, row.metric, row.recipe, row.backbone, row.weights


def _group(store: Store, tried: list[Record], base: list[Record], baselines: Sequence[str]) -> list[Pair]:
    plans = list(dict.fromkeys(r.plan for r in tried))
    jobs = []
    for labels in sorted({r.labels for r in tried}):
        for plan in plans:
            one = sample(store, plan, labels, tried)
            for against in baselines:
                other = sample(store, against, labels, base)
                if one.rows.keys() & other.rows.keys():
                    jobs.append((plan, labels, against, one, other))
    words = compare([(one, other) for *_, one, other in jobs])
    first = tried[0]
    return [
        Pair(first.task, first.backbone, first.recipe, first.metric, plan, labels, one.mean, against,
             one.has_items and other.has_items, word)
        for (plan, labels, against, one, other), word in zip(jobs, words, strict=True)
    ]  # fmt: skip
