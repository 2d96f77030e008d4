"""What a record's number means: which way is better, and which difference does not matter."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlkit.errors import UserError
from tlkit.records.record import Record

PLAIN = "accuracy"  # needs no telling: higher is better, 0.02 does not matter
BALANCED = "balanced accuracy"  # the mean of the recalls of all classes


@dataclass(frozen=True)
class Scale:
    """Of a metric: `sign` is 1 where higher is better and -1 where lower is; delta and chance in its unit.

    chance: what one constant answer gets on the test split; None if unknown. by_class: labels are counted per
    class.
    """

    metric: str
    sign: int = 1
    delta: float = 0.02
    unit: str = ""
    chance: float | None = None
    by_class: bool = True

    @property
    def named(self) -> str:
        """The metric with its unit."""
        return f"{self.metric}, {self.unit}" if self.unit else self.metric

    @property
    def axis(self) -> str:
        """The metric as an axis shows it, with which way is better unless that is up."""
        return self.named + " (lower is better)" * (self.sign < 0)

    def gain(self, against: str) -> str:
        """The difference as an axis shows it; where lower is better, baseline minus plan."""
        return f"gain in {self.named} over {against}" + " (up is better)" * (self.sign < 0)

    def within(self, ends: Any) -> np.ndarray:
        """Ends of intervals, those of an accuracy within its range."""
        return np.clip(ends, 0, 1) if self.metric in (PLAIN, BALANCED) else np.asarray(ends)

    def counted(self, labels: int | str) -> str:
        """So many labels in words, such as "5 labels per class"."""
        return f"{labels} label{'s' * (str(labels) != '1')}{' per class' * self.by_class}"

    def said(self, value: float) -> str:
        """A number with its unit."""
        return f"{value:.3f} {self.unit}".strip()


def scale(rows: Iterable[Record]) -> Scale:
    """The scale of what finished test rows of one metric say; other rows do not tell theirs.

    Raises UserError where rows differ, or do not tell it and are not of accuracy.
    """
    try:
        found = {_scale(row) for row in rows if row.split == "test" and row.status == "ok"}
    except (LookupError, TypeError) as error:
        raise UserError(f"the scale of a record is damaged ({error!r}): delete that line.") from error
    if len(found) != 1:
        names = " and ".join(sorted(one.metric for one in found)) or "none"
        raise UserError(f"records of one metric are needed, not of {names}: keep one metric and test set.")
    return found.pop()


def _scale(row: Record) -> Scale:
    told = row.detail.get("scale")
    if told:
        sign = 1 if told["better"] == "higher" else -1
        more = told.get("chance"), told.get("by_class", False)
        return Scale(row.metric, sign, told["delta"], told["unit"], *more)
    if row.metric != PLAIN:
        raise UserError(f"a record of {row.metric} does not say which way is better: run the fit again.")
    return Scale(row.metric)
