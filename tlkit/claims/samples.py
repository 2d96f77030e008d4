"""One side of a comparison: the finished fits of a plan at one budget, from one backbone or several."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.errors import UserError
from tlkit.records import Record, Store, values

LOWER_IS_BETTER = ("rmse",)
_PACKED = ".items.jsonl"  # where a store keeps what was predicted for each test item
_ALONE = ("task", "backbone", "recipe")  # what the fits of one sample share
_SAME = ("task", "data", "metric", "recipe")  # what two sides must share


@dataclass(frozen=True)
class Sample:
    """The finished test rows of one plan at one budget, by seed, and the store they lie in."""

    store: Store
    rows: dict[int, Record]

    @property
    def seeds(self) -> set[int]:
        return set(self.rows)

    @property
    def mean(self) -> float:
        return float(np.mean([row.value for row in self.rows.values()]))

    def values(self, seeds: Sequence[int], split: str = "test") -> np.ndarray:
        """The metric on a split, seed by seed; the sign is turned where lower is better."""
        any_row = self.rows[seeds[0]]
        sign = -1.0 if any_row.metric in LOWER_IS_BETTER else 1.0
        if split == "test":
            return sign * np.array([self.rows[seed].value for seed in seeds])
        rows = [r for r in self.store.read() if all(getattr(r, n) == getattr(any_row, n) for n in _ALONE)]
        found = values(rows, plan=any_row.plan, labels=any_row.labels, split=split)
        return sign * np.array([found[seed] for seed in seeds])

    def correct(self, seeds: Sequence[int]) -> np.ndarray:
        """(seeds, items): 1 where the prediction is the target, else 0."""
        rows = [self.rows[seed] for seed in seeds]
        found = [self.store.items(r.fit_key) == self.store.targets(r.task, r.data) for r in rows]
        return np.array(found, dtype=float)

    @property
    def has_items(self) -> bool:
        """Whether predictions were kept: all or none of a file's fits have them."""
        kept = self.store.path.with_name(self.store.path.stem + _PACKED).exists()
        return kept and all(row.metric == "accuracy" for row in self.rows.values())

    @property
    def settings(self) -> set[tuple[str, ...]]:
        return {tuple(getattr(row, name) for name in _SAME) for row in self.rows.values()}


@dataclass(frozen=True)
class Mean:
    """One plan at one budget from several backbones (pretraining seeds): their mean, draw by draw."""

    samples: tuple[Sample, ...]

    @property
    def seeds(self) -> set[int]:
        return set.intersection(*(s.seeds for s in self.samples))

    def values(self, seeds: Sequence[int], split: str = "test") -> np.ndarray:
        return np.mean([s.values(seeds, split) for s in self.samples], axis=0)

    def correct(self, seeds: Sequence[int]) -> np.ndarray:
        return np.mean([s.correct(seeds) for s in self.samples], axis=0)

    @property
    def has_items(self) -> bool:
        return all(s.has_items for s in self.samples)

    @property
    def settings(self) -> set[tuple[str, ...]]:
        return set.union(*(s.settings for s in self.samples))


Side = Sample | Mean


def sample(store: Store, plan: str, labels: int, records: Iterable[Record] | None = None) -> Sample:
    """The finished fits of `plan` at `labels` among `records` (default: all of the store).

    Raises UserError where two tasks, backbones, recipes ... are mixed.
    """
    records = store.read() if records is None else list(records)
    kept = values(records, plan=plan, labels=labels)  # refuses what is ambiguous
    rows = [r for r in records if (r.plan, r.labels, r.split) == (plan, labels, "test")]
    return Sample(store, {r.seed: r for r in rows if r.status == "ok" and r.seed in kept})


def side(store: Store, plan: str, labels: int, backbones: Sequence[str] = (), task: str = "") -> Side:
    """The plan's finished fits from the mean of `backbones`, on `task` (default: the only one there)."""
    rows = [r for r in store.read() if task in ("", r.task)]
    if not backbones:
        return sample(store, plan, labels, rows)
    by_name = [[r for r in rows if r.backbone == name] for name in backbones]
    return Mean(tuple(sample(store, plan, labels, rows) for rows in by_name))


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


def refuse_unlike(*sides: Side, but: Sequence[str] = ()) -> None:
    """Raise UserError for sides measured on different data, in different metrics or by different recipes.

    but: in what they differ on purpose: "task", "data", "metric", "recipe".
    """
    for i, name in enumerate(_SAME):
        if name in but:
            continue
        found = sorted({setting[i] for one in sides for setting in one.settings})
        if len(found) > 1:
            raise UserError(
                f"records of {name} {' and '.join(found)} cannot be compared: run both on the same."
            )
