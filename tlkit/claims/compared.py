"""Pairs of plans: the same seeds, the same test items, one verdict each, Holm over the family."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.claims.samples import Side, refuse_unlike, sample, side
from tlkit.errors import UserError
from tlkit.records import Record, Store
from tlkit.stats import Verdict, verdicts

BASELINES = ("scratch", "pixels")


@dataclass(frozen=True)
class Pair:
    """A plan beside a baseline at one budget.

    `accuracy` is the plan's mean in `metric`; `items`: whether the interval covers new test items too.
    """

    task: str
    backbone: str
    recipe: str
    metric: str
    plan: str
    labels: int
    accuracy: float
    against: str
    items: bool
    verdict: Verdict


def compare(
    pairs: Sequence[tuple[Side, Side]], delta: float = 0.02, but: Sequence[str] = ()
) -> list[Verdict]:
    """A verdict for each (plan, baseline), over the seeds both have; one Holm family.

    Where both sides kept their predictions, the interval covers new test items as well as new seeds. Where
    lower is better (root mean squared error) the sign is turned, so that `better` means better. but: in what
    the two differ on purpose ("recipe": the baseline may train longer).
    Raises UserError for sides measured on different data, by different recipes, or with no seed in common.
    """
    return verdicts([_arrays(a, b, but) for a, b in pairs], delta)


def _arrays(a: Side, b: Side, but: Sequence[str]) -> list[np.ndarray]:
    seeds = sorted(a.seeds & b.seeds)
    if not seeds:
        raise UserError("two sides of a comparison have no seed in common: nothing to pair.")
    refuse_unlike(a, b, but=but)
    both = [one.values(seeds) for one in (a, b)]
    return both + ([one.correct(seeds) for one in (a, b)] if a.has_items and b.has_items else [])


def along(
    store: Store, tasks: Sequence[str], plans: Sequence[str], against: str, labels: int, delta: float = 0.02
) -> dict[str, list[Verdict]]:
    """Plan -> its verdict against a baseline on each of `tasks`, which lie in one file; one Holm family.

    Raises UserError where a fit is missing, and as `compare` does.
    """
    both = [(side(store, plan, labels, (), task), side(store, against, labels, (), task))
            for plan in plans for task in tasks]  # fmt: skip
    found = iter(compare(both, delta))
    return {plan: [next(found) for _ in tasks] for plan in plans}


def by_source(
    store: Store,
    sources: Sequence[str] | Mapping[str, Sequence[str]],
    plans: Sequence[str],
    against: str,
    labels: int,
    at: str = "letters",
    task: str = "",
) -> dict[str, dict[str, Verdict]]:
    """Plan -> source -> its verdict against a baseline, which needs no source and was run once, under `at`.

    On `task`, by default the only one there. sources: a mapping gives the backbones that stand for one, whose
    mean counts; where one was run with some of the plans, it is left out of the others. One Holm family.
    Raises UserError for a source that was run with none of them, and as `compare` does.
    """
    if not isinstance(sources, Mapping):
        sources = {source: (source,) for source in sources}
    base = side(store, against, labels, (at,), task)
    asked = {(plan, name): side(store, plan, labels, several, task)
             for plan in plans for name, several in sources.items()}  # fmt: skip
    there = [key for key, one in asked.items() if one.seeds]
    if absent := sources.keys() - {name for _, name in there}:
        names = ", ".join(sorted(absent))
        raise UserError(f"{store.path.name} has no fit of {', '.join(plans)} from {names}: run it first.")
    found = dict(zip(there, compare([(asked[key], base) for key in there]), strict=True))
    return {plan: {name: v for (with_, name), v in found.items() if with_ == plan} for plan in plans}


def pairs(
    store: Store,
    records: Iterable[Record] | None = None,
    baselines: Sequence[str] = BASELINES,
    delta: float = 0.02,
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
    for (task, data, metric, recipe, backbone, _), tried in groups.items():
        like = (task, data, metric, recipe, backbone)  # scratch is the same architecture, so the same name
        base = [r for r in rows if r.plan in baselines and _setting(r)[:-1] == like]
        found += _group(store, tried, base, baselines, delta)
    return found


def _setting(row: Record) -> tuple[str, ...]:
    return row.task, row.data, row.metric, row.recipe, row.backbone, row.weights


def _group(
    store: Store, tried: list[Record], base: list[Record], baselines: Sequence[str], delta: float
) -> list[Pair]:
    plans = list(dict.fromkeys(r.plan for r in tried))
    jobs = []
    for labels in sorted({r.labels for r in tried}):
        for plan in plans:
            one = sample(store, plan, labels, tried)
            for against in baselines:
                other = sample(store, against, labels, base)
                if one.rows.keys() & other.rows.keys():
                    jobs.append((plan, labels, against, one, other))
    if not jobs:
        return []
    words = compare([(one, other) for *_, one, other in jobs], delta)
    first = tried[0]
    return [
        Pair(first.task, first.backbone, first.recipe, first.metric, plan, labels, one.mean, against,
             one.has_items and other.has_items, word)
        for (plan, labels, against, one, other), word in zip(jobs, words, strict=True)
    ]  # fmt: skip
