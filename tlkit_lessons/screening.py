"""Screening: is it there or not? An objective of two classes whose predictions are probabilities.

AUROC and sensitivity ask how cases are ranked, so they do not depend on how common the disease is;
calibration asks whether a probability means what it says.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.metrics import brier_score_loss, roc_auc_score, roc_curve
from torch.nn import functional as F

from tlkit.tasks import Metric, Objective, classification

BINS = 10  # of the calibration error, equally wide (Guo et al. 2017, arXiv:1706.04599)
SPECIFICITY = 0.9
GAMMA = 2.0  # of the focal loss (Lin et al. 2017, arXiv:1708.02002, section 3.2)
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def screening(loss: Loss = F.cross_entropy, by_class: bool = True) -> Objective:
    """Class 1 against class 0: AUROC first; kept of each item is the probability of class 1.

    loss: of logits N x 2 and class numbers N. by_class: whether a label budget is counted per class; if not,
    the labelled items are as rare as all are. The targets of training and test must hold both classes.
    """
    return replace(
        classification(2),
        name="screening",
        loss=loss,
        decode=lambda output: output.softmax(-1)[:, 1].numpy(),
        metrics={metric.name: metric for metric in METRICS},
        by_class=by_class,
    )


def sensitivity_at(specificity: float) -> Callable[[Any, Any], float]:
    """The largest share of the ill that is found while at least that share of the healthy is left alone."""

    def of(odds: np.ndarray, targets: np.ndarray) -> float:
        false_alarms, found, _ = roc_curve(targets, odds)
        return float(found[false_alarms <= 1 - specificity + 1e-9].max())

    return of


def calibration_error(odds: np.ndarray, targets: np.ndarray) -> float:
    """Expected calibration error of the probability of class 1, over BINS equal bins."""
    odds, targets = np.asarray(odds, float), np.asarray(targets, float)
    at = np.minimum((odds * BINS).astype(int), BINS - 1)
    return float(sum(abs((odds - targets)[at == k].sum()) for k in range(BINS)) / len(odds))


def weighted(share: float) -> Loss:
    """Cross-entropy in which both classes weigh alike; share: of class 1 among the labelled items."""
    weights = torch.tensor([0.5 / (1 - share), 0.5 / share])
    return lambda output, target: F.cross_entropy(output, target, weights)


def focal(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy in which an item counts less the surer the network is of it."""
    each = F.cross_entropy(output, target, reduction="none")
    return ((1 - torch.exp(-each)) ** GAMMA * each).mean()


def _accuracy(odds: np.ndarray, targets: np.ndarray) -> float:
    return float(((np.asarray(odds) >= 0.5) == np.asarray(targets)).mean())


METRICS = (
    Metric(
        "AUROC",
        lambda odds, targets: float(roc_auc_score(targets, odds)),
        "higher",
        0.02,
        chance=lambda _: 0.5,
    ),
    Metric("sensitivity", sensitivity_at(SPECIFICITY), "higher", 0.05, chance=lambda _: 1 - SPECIFICITY),
    Metric("accuracy", _accuracy, "higher", 0.02),
    Metric("ECE", calibration_error, "lower", 0.02),
    Metric(
        "Brier", lambda odds, targets: float(brier_score_loss(targets, np.clip(odds, 0, 1))), "lower", 0.01
    ),
)
