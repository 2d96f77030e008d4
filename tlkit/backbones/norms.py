"""Batch norms: which a network has, and taking their running averages afresh."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_norms(net: nn.Module) -> list[_BatchNorm]:
    """Those that keep running averages, first to last."""
    return [m for m in net.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]


@contextmanager
def measuring(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Inside, each takes its averages afresh: a plain mean over the batches that pass, whose own it uses.

    Afterwards they are in eval mode, with the momentum they had, also where a batch is refused.
    """
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train().momentum = None
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.eval().momentum = momentum
