"""A learning curve: a power law of the error, fitted to a few sizes, and how far it may be off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from tlkit.stats.intervals import LEVEL

# Prior of the exponent (Hestness et al. 2017, arXiv:1712.00409, find -0.07 to -0.35 with many labels; with
# few it is steeper), and how far the log error may stand off the law, for every doubling of the labels.
SLOPE, SPREAD, BEND = -0.5, 0.25, 0.1
WIDER = 1.96  # standard errors; back-tests on textures and dials (34_calibration) ask for less, 1.23
Ends = tuple[float, float, float]  # mean, low, high


def corrected(values: Sequence[float], share: float = 0.25) -> Ends:
    """Mean and interval of J cross-validated values, which share training items.

    The variance of their mean is s^2 (1/J + share), share = asked / fitted (Nadeau & Bengio 2003, Machine
    Learning 52:239-281). Infinitely wide for fewer than two.
    """
    mean, n = float(np.mean(values)) if len(values) else 0.0, len(values)
    if n < 2:
        return mean, -np.inf, np.inf
    half = float(np.std(values, ddof=1) * np.sqrt(1 / n + share) * stdtrit(n - 1, (1 + LEVEL) / 2))
    return mean, mean - half, mean + half


@dataclass(frozen=True)
class Curve:
    """log error = a + b log(labels / most), by Bayesian linear regression: mean and covariance of (a, b).

    items: how many are asked in all folds together, and how many the accuracies that it foretells are of.
    """

    most: int
    items: int
    mean: np.ndarray
    cov: np.ndarray

    @classmethod
    def of(cls, accuracies: Mapping[int, Sequence[float]], items: int) -> "Curve":
        """The curve through labels a class -> accuracy on each fold."""
        most = max(accuracies)
        x = np.stack([np.ones(len(accuracies)), np.log([n / most for n in accuracies])], 1)
        error = 1 - np.array([np.mean(of) for of in accuracies.values()]) + 0.5 / items  # of none, half a one
        noise = _counted(error, items) + (BEND * x[:, 1] / np.log(2)) ** 2
        prior = np.diag([1e-4, SPREAD**-2])
        cov = np.linalg.inv(x.T / noise @ x + prior)
        return cls(most, items, cov @ (x.T / noise @ np.log(error) + prior @ [0, SLOPE]), cov)

    def told(self, labels: float) -> tuple[float, float]:
        """Mean and standard deviation of the log error, half an item added."""
        x = np.array([1, np.log(labels / self.most)])
        middle = min(float(x @ self.mean), -1e-3)
        off = (BEND * x[1] / np.log(2)) ** 2 + _counted(np.exp(middle), self.items)
        return middle, float(np.sqrt(x @ self.cov @ x + off))

    def at(self, labels: float) -> Ends:
        """(accuracy, low, high) with so many labels a class."""
        middle, spread = self.told(labels)
        ends = np.exp(middle + spread * WIDER * np.array([0, 1, -1])) - 0.5 / self.items
        return tuple(float(a) for a in 1 - np.clip(ends, 0, 1))


def _counted(error: float | np.ndarray, items: int) -> float | np.ndarray:
    """Variance of the log of an error rate counted on so many items; finite where none is wrong."""
    return (1 - error + 1e-3) / (error * items + 1)
