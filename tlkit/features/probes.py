"""Convex probes: the best linear head by a solver, not by steps."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tlkit.errors import UserError


@dataclass(frozen=True)
class Probe:
    """A linear head fitted by a solver: outputs = features @ weight.T + bias."""

    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return features @ self.weight.T + self.bias

    def into(self, head: nn.Module) -> nn.Module:
        """Copy the solution into the last linear layer of `head`; returns `head`."""
        linear = last_linear(head)
        with torch.no_grad():
            linear.weight.copy_(torch.as_tensor(self.weight))
            linear.bias.copy_(torch.as_tensor(self.bias))
        return head


def last_linear(head: nn.Module) -> nn.Linear:
    """The last linear layer of a head: the one a probe's solution goes into."""
    return [m for m in head.modules() if isinstance(m, nn.Linear)][-1]


def probe(
    features: np.ndarray,
    targets: np.ndarray,
    strength: float,
    outputs: int,
    solver: str = "logistic",
    keep: int | None = None,
) -> Probe:
    """The best linear head on N x D features, found by a convex solver, not by steps.

    Features are centred and divided by one common scale (their root mean square), so `strength`
    (scikit-learn's C, the inverse of the L2 penalty) means the same for every backbone. "logistic":
    multinomial, `outputs` classes, a class without an example gets the lowest score; "ridge": squared error.
    Solved in float64. keep: solve on all, then again on so many features, those that change the outputs most
    by weight and spread (as Head2Toe selects; Evci et al. 2022); the others weigh nothing. Raises UserError
    when a logistic probe sees fewer than two classes.
    """
    features = np.asarray(features, dtype=np.float64)
    if keep is not None and keep < features.shape[1]:
        everything = probe(features, targets, strength, outputs, solver)
        moves = np.linalg.norm(everything.weight, axis=0) * features.std(0)
        kept = np.sort(np.argsort(-moves, kind="stable")[:keep])
        solved = probe(features[:, kept], targets, strength, outputs, solver)
        weight = np.zeros((len(solved.weight), features.shape[1]), dtype=np.float32)
        weight[:, kept] = solved.weight
        return Probe(weight, solved.bias)
    centre = features.mean(0)
    scale = float(np.sqrt(((features - centre) ** 2).mean())) or 1.0
    x = (features - centre) / scale
    if solver == "ridge":
        from sklearn.linear_model import Ridge

        model = Ridge(alpha=1 / strength).fit(x, targets.reshape(len(x), -1))
        weight, bias = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    else:
        weight, bias = _logistic(x, targets, strength, outputs)
    weight = weight / scale
    return Probe(weight.astype(np.float32), (bias - weight @ centre).astype(np.float32))


def _logistic(
    x: np.ndarray, targets: np.ndarray, strength: float, outputs: int
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(targets)) < 2:
        raise UserError("a probe needs examples of two classes, these are all of one: add items of another.")
    model = LogisticRegression(C=strength, max_iter=2000).fit(x, targets)
    coef, intercept = model.coef_, model.intercept_
    # scikit-learn keeps one row for two classes; softmax of (-z/2, z/2) is the same
    if len(model.classes_) == 2:
        coef, intercept = np.concatenate([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
    weight, bias = np.zeros((outputs, x.shape[1])), np.full(outputs, intercept.min() - 1e3)
    weight[model.classes_], bias[model.classes_] = coef, intercept
    return weight, bias
