"""What a task asks of a network: its head, its loss, its metrics, and how outputs become predictions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import default_collate


@dataclass(frozen=True)
class Objective:
    """Everything about a task that is not data; the first metric is the one verdicts are about.

    head(features, pool): a new head for an example of the last stage's output and the backbone's pooling;
    with a solver, `pool` first and one linear layer behind it, as `pooled_linear` makes it. loss(output,
    target): a scalar tensor. decode(output): one prediction an item, as a numpy array.
    collate: a list of (input, target) to a batch.
    metrics: name -> f(predictions, targets) -> float. solver: how `frozen` finds its head ("logistic",
    "ridge"), or None to descend. by_class: whether a label budget is counted per class.
    """

    name: str
    head: Callable[[Any, nn.Module], nn.Module]
    loss: Callable[[Any, Any], torch.Tensor]
    decode: Callable[[Any], np.ndarray]
    metrics: dict[str, Callable[[np.ndarray, Any], float]]
    collate: Callable[[list], Any] = default_collate
    solver: str | None = None
    by_class: bool = False
    higher_is_better: bool = True

    @property
    def metric(self) -> str:
        return next(iter(self.metrics))


def pooled_linear(features: Any, pool: nn.Module, outputs: int) -> nn.Sequential:
    """Pool, then one linear layer from the pooled width to `outputs`."""
    with torch.no_grad():
        width = pool(features).shape[-1]
    return nn.Sequential(pool, nn.Linear(width, outputs))


def accuracy(predicted: np.ndarray, targets: Any) -> float:
    """Share of items whose prediction is the target."""
    return float((predicted == np.asarray(targets)).mean())


def rmse(predicted: np.ndarray, targets: Any) -> float:
    """Root mean squared error, in the target's unit."""
    targets = np.asarray(targets)
    return float(np.sqrt(((predicted.reshape(targets.shape) - targets) ** 2).mean()))


def squared_error(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean squared error; targets N or N x D, outputs N x D."""
    return F.mse_loss(output, target.reshape(output.shape).to(output.dtype))


def classification(n_classes: int) -> Objective:
    """One of `n_classes`: pooled linear head, cross-entropy, accuracy; targets are int64 class numbers."""
    return Objective(
        name="classification",
        head=lambda features, pool: pooled_linear(features, pool, n_classes),
        loss=F.cross_entropy,
        decode=lambda output: output.argmax(-1).numpy(),
        metrics={"accuracy": accuracy},
        solver="logistic",
        by_class=True,
    )


def regression(outputs: int = 1) -> Objective:
    """`outputs` numbers an item: pooled linear head, squared error, its root as metric (lower is better).

    Targets are N (for one output) or N x `outputs`.
    """
    return Objective(
        name="regression",
        head=lambda features, pool: pooled_linear(features, pool, outputs),
        loss=squared_error,
        decode=lambda output: output.numpy(),
        metrics={"rmse": rmse},
        solver="ridge",
        higher_is_better=False,
    )
