"""One side of a comparison: the finished fits of a plan at one budget, from one backbone or several."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.errors import UserError
from tlkit.records import BALANCED, PLAIN, Record, Scale, Store, scale, values

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

    @property
    def scale(self) -> Scale:
        """Which way is better, and which difference does not matter."""
        return scale(self.rows.values())

    def values(self, seeds: Sequence[int]) -> np.ndarray:
        """The metric, seed by seed; the sign is reversed where lower is better."""
        return float(self.scale.sign) * np.array([self.rows[seed].value for seed in seeds])

    def by_item(self, seeds: Sequence[int]) -> np.ndarray:
        """(seeds, items): a number an item whose mean is the metric; the sign as in `values`."""
        found = [self._by_item(self.rows[seed]) for seed in seeds]
        return self.scale.sign * np.array(found, dtype=float)

    def _by_item(self, row: Record) -> np.ndarray:
        if row.metric == PLAIN:
            return self.store.items(row.fit_key) == self.store.targets(row.task, row.data)
        return self.store.scores(row.fit_key)

    @property
    def has_items(self) -> bool:
        """Whether such numbers were kept of all fits.

        Of other metrics than accuracy they count where they lie in [0, 1]: intervals are tested for that. Of
        balanced accuracy they never do: one item of a rare class weighs as much as many others.
        """
        return all(map(self._shares, self.rows.values()))

    def _shares(self, row: Record) -> bool:
        if row.metric == PLAIN:
            return self.store.predicted(row.fit_key)
        found = self.store.scores(row.fit_key)
        return row.metric != BALANCED and found is not None and found.min() >= 0 and found.max() <= 1

    @property
    def settings(self) -> set[tuple[str, ...]]:
        return {tuple(getattr(row, name) for name in _SAME) for row in self.rows.values()}


def sample(store: Store, plan: str, labels: int, records: Iterable[Record] | None = None) -> Sample:
    """The finished fits of `plan` at `labels` among `records` (default: all of the store).

    Raises UserError where two tasks, backbones, recipes ... are mixed.
    """
    records = store.read() if records is None else list(records)
    kept = values(records, plan=plan, labels=labels)  # refuses what is ambiguous
    rows = [r for r in records if (r.plan, r.labels, r.split, r.status) == (plan, labels, "test", "ok")]
    return Sample(store, {r.seed: r for r in rows if r.seed in kept})


def refuse_unlike(*sides: Sample, but: Sequence[str] = ()) -> None:
    """Raise UserError for sides measured on different data, in different metrics or by different recipes.

    but: in what they differ on purpose: "task", "data", "metric", "recipe".
    """
    for i, name in enumerate(_SAME):
        if name in but:
            continue
        found = sorted({setting[i] for one in sides for setting in one.settings})
        if len(found) > 1:
            told = " and ".join(found)
            raise UserError(f"records of {name} {told} cannot be compared: run both on the same.")
