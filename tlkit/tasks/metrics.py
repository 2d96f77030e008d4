"""Numbers about predictions, and what each says of itself: its direction, and what does not matter."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlkit.errors import UserError

ByItem = Callable[[Any, Any], np.ndarray]


@dataclass(frozen=True)
class Metric:
    """A number about predictions, with everything a verdict about it needs.

    of(kept, targets): the number, from what was kept of every item (`Objective.decode` or `Objective.keep`).
    better: "higher" or "lower". delta: the difference that does not matter, in the metric's unit. unit: such
    as "euro"; "" for a share. by_item(kept, targets): N numbers whose mean is the metric, where there are
    such: then intervals cover new items too. chance(targets): what one constant answer gets. Raises UserError
    without a direction, or for a delta below 0.
    """

    name: str
    of: Callable[[Any, Any], float]
    better: str
    delta: float
    unit: str = ""
    by_item: ByItem | None = None
    chance: Callable[[Any], float] | None = None

    def __post_init__(self) -> None:
        if self.better not in ("higher", "lower"):
            raise UserError(f"metric {self.name!r} has better={self.better!r}: say 'higher' or 'lower'.")
        if not self.delta >= 0:
            raise UserError(f"metric {self.name!r} has delta={self.delta}: give a difference, 0 or more.")

    def __call__(self, kept: Any, targets: Any) -> float:
        return self.of(kept, targets)

    def declared(self, targets: Any = None, by_class: bool = False) -> dict[str, Any]:
        """What a record says of its metric, and of how labels are counted; nothing for accuracy by class."""
        if self == accuracy and by_class:
            return {}
        said = {"better": self.better, "delta": self.delta, "unit": self.unit, "by_class": by_class}
        return said | ({"chance": self.chance(targets)} if self.chance and targets is not None else {})

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is."""
        return 1 if self.better == "higher" else -1


def mean_of(name: str, by_item: ByItem, better: str, delta: float, **more: Any) -> Metric:
    """A metric that is the mean of a number an item."""

    def of(kept: Any, targets: Any) -> float:
        return float(by_item(kept, targets).mean())

    return Metric(name, of, better, delta, by_item=by_item, **more)


def _like(kept: np.ndarray, targets: Any) -> tuple[np.ndarray, np.ndarray]:
    targets = np.asarray(targets)
    return np.asarray(kept).reshape(targets.shape), targets


def _right(kept: np.ndarray, targets: Any) -> np.ndarray:
    return np.asarray(kept) == np.asarray(targets)


def _right_by_class(kept: np.ndarray, targets: Any) -> np.ndarray:
    classes, of, counts = np.unique(np.asarray(targets), return_inverse=True, return_counts=True)
    return _right(kept, targets) * (len(of) / len(classes) / counts)[of]


def _off(kept: np.ndarray, targets: Any) -> np.ndarray:
    kept, targets = _like(kept, targets)
    return np.abs(kept - targets).reshape(len(targets), -1).mean(1)


def _off_the_median(targets: Any) -> float:
    return float(np.abs(np.asarray(targets) - np.median(targets, 0)).mean())


def _root_mean_square(kept: np.ndarray, targets: Any) -> float:
    kept, targets = _like(kept, targets)
    return float(np.sqrt(((kept - targets) ** 2).mean()))


def _commonest(targets: Any) -> float:
    return float(np.unique(targets, return_counts=True)[1].max() / len(targets))


accuracy = mean_of("accuracy", _right, "higher", 0.02, chance=_commonest)
# the mean of the recalls of the classes that are there (Brodersen et al. 2010, doi:10.1109/ICPR.2010.764)
balanced = mean_of(
    "balanced accuracy", _right_by_class, "higher", 0.02, chance=lambda t: 1 / len(np.unique(t))
)


def mae(delta: float, unit: str = "") -> Metric:
    """Mean absolute error, in the target's unit; chance is the median for everybody."""
    return mean_of("mae", _off, "lower", delta, unit=unit, chance=_off_the_median)


def rmse(delta: float, unit: str = "") -> Metric:
    """Root mean squared error, in the target's unit; chance is the mean for everybody."""
    return Metric(
        "rmse", _root_mean_square, "lower", delta, unit, chance=lambda t: float(np.asarray(t).std(0).mean())
    )
