"""One baseline beside several tasks or sources, and a source that several backbones stand for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.compare import compare, sample
from tlkit.compare.samples import Sample
from tlkit.errors import UserError
from tlkit.records import Scale, Store, scale, values
from tlkit.stats import Verdict


@dataclass(frozen=True)
class Mean:
    """One plan at one budget from several backbones (pretraining seeds): their mean, draw by draw."""

    samples: tuple[Sample, ...]

    @property
    def seeds(self) -> set[int]:
        return set.intersection(*(s.seeds for s in self.samples))

    def values(self, seeds: Sequence[int]) -> np.ndarray:
        return np.mean([s.values(seeds) for s in self.samples], axis=0)

    @property
    def scale(self) -> Scale:
        """That of all of them."""
        return scale(row for s in self.samples for row in s.rows.values())

    def by_item(self, seeds: Sequence[int]) -> np.ndarray:
        return np.mean([s.by_item(seeds) for s in self.samples], axis=0)

    @property
    def has_items(self) -> bool:
        return all(s.has_items for s in self.samples)

    @property
    def settings(self) -> set[tuple[str, ...]]:
        return set.union(*(s.settings for s in self.samples))


Side = Sample | Mean


def elsewhere(side: Side, seeds: Sequence[int], split: str) -> np.ndarray:
    """As `values`, on another split: the labelled items that the fits of a side learnt from, or chose by."""
    if isinstance(side, Mean):
        return np.mean([elsewhere(s, seeds, split) for s in side.samples], axis=0)
    one, alone = side.rows[seeds[0]], ("task", "backbone", "recipe")
    rows = [r for r in side.store.read() if all(getattr(r, name) == getattr(one, name) for name in alone)]
    found = values(rows, plan=one.plan, labels=one.labels, split=split)
    return float(side.scale.sign) * np.array([found[seed] for seed in seeds])


def side(store: Store, plan: str, labels: int, backbones: Sequence[str] = (), task: str = "") -> Side:
    """The plan's finished fits from the mean of `backbones`, on `task` (default: the only one there)."""
    rows = [r for r in store.read() if task in ("", r.task)]
    if not backbones:
        return sample(store, plan, labels, rows)
    by_name = [[r for r in rows if r.backbone == name] for name in backbones]
    return Mean(tuple(sample(store, plan, labels, rows) for rows in by_name))


def along(
    store: Store,
    tasks: Sequence[str],
    plans: Sequence[str],
    against: str,
    labels: int,
    delta: float | None = None,
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


def levels(store: Store, tasks: Sequence[str], plans: Sequence[str], labels: int) -> dict[str, list[float]]:
    """Plan -> its mean metric on each of `tasks`, which lie in one file.

    Raises UserError where a plan has no finished fit on a task.
    """
    found = {plan: [side(store, plan, labels, (), task) for task in tasks] for plan in plans}
    for plan, several in found.items():
        for task, one in zip(tasks, several, strict=True):
            if not one.seeds:
                raise UserError(f"{store.path.name} has no finished fit of {plan} on {task}: run it first.")
    return {plan: [one.mean for one in several] for plan, several in found.items()}
