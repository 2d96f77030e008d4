"""Terms added to a loss that make the features of two domains match, and entropy."""

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the mean squared distance: the kernels that DAN adds up


def coral_loss(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Squared distance of the covariances of N x D and M x D, over 4 D^2 (Sun & Saenko 2016, eq. 1)."""
    gap = torch.cov(source.T) - torch.cov(target.T)
    return gap.square().sum() / (4 * source.shape[1] ** 2)


def mmd_loss(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Squared maximum mean discrepancy, unbiased (Gretton et al. 2012, lemma 6), by a mean of RBF kernels.

    N x D and M x D, two rows at least a side. k(a, b) = mean over s in SCALES of exp(-|a - b|^2 / (s m)), m
    the mean squared distance of all pairs of different rows, taken as a constant (DAN's multi-kernel; Long et
    al. 2015, with equal weights). Can be below 0. 0 where all rows are equal.
    """
    n, m = len(source), len(target)
    rows = torch.cat([source, target])
    squared = (rows[:, None] - rows[None]).square().sum(-1)
    mean = squared.detach().sum() / (len(rows) * (len(rows) - 1))
    mean = mean.clamp_min(torch.finfo(mean.dtype).tiny)
    kernel = sum(torch.exp(-squared / (scale * mean)) for scale in SCALES) / len(SCALES)
    ours, theirs, across = kernel[:n, :n], kernel[n:, n:], kernel[:n, n:]
    within = (ours.sum() - n) / (n * (n - 1)) + (theirs.sum() - m) / (m * (m - 1))
    return within - 2 * across.mean()


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, scale: float) -> torch.Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -ctx.scale * gradient, None


def reverse(x: torch.Tensor, scale: float) -> torch.Tensor:
    """Gradient reversal: x forwards, the gradient times -scale backwards (Ganin et al. 2016, section 4.2)."""
    return _Reverse.apply(x, scale)


def ramp(done: float) -> float:
    """The factor of the reversal after a share `done` of the steps: 0 to 1 (section 5.2.2)."""
    return 2 / (1 + math.exp(-10 * done)) - 1


class Discriminator(nn.Module):
    """Predicts the domain of a feature, after gradient reversal: N x D -> N log-odds of the source.

    weight: the largest factor of the reversal; steps: how many training batches there are, for its ramp.
    """

    def __init__(self, features: int, weight: float, steps: int):
        super().__init__()
        hidden = min(features, 256)
        self.layers = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.weight, self.steps, self.seen = weight, steps, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = self.weight * ramp(self.seen / self.steps)
        self.seen += self.training
        return self.layers(reverse(x, scale))[:, 0]


def domains(odds: torch.Tensor, sources: int) -> torch.Tensor:
    """Cross-entropy of the domain's log-odds: the first `sources` rows are the source's."""
    truth = torch.zeros_like(odds)
    truth[:sources] = 1
    return F.binary_cross_entropy_with_logits(odds, truth)


def entropy(outputs: torch.Tensor) -> torch.Tensor:
    """Entropy of the predicted distribution of each row, in nats: N x C scores -> N (Wang et al. 2021)."""
    logs = outputs.log_softmax(-1)
    return -(logs.exp() * logs).sum(-1)
