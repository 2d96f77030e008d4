"""Batch-norm averages that belong to the weights at hand."""

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from tlkit import plans
from tlkit.backbones.chain import Chain, Suffix
from tlkit.features import Rows, moved
from tlkit.plans import Plan


@torch.no_grad()
def settle(chain: Chain, plan: Plan, inputs: Rows, size: int, seed: int) -> None:
    """Take the running averages of the batch norms that moved afresh from the items learnt on.

    Running averages trail the weights by some ten steps. After a short descent from random weights they are
    those of another network, and eval mode answers by chance; every plan whose stages move gets the same
    remedy (precise batch norm; Wu & Johnson 2021, arXiv:2105.07576, section 3). Frozen stages keep theirs.
    inputs: activations at the plan's cut; size: items in a batch, as in training. The
    chain is in eval mode afterwards.
    """
    inside = (m for part in plans.learners(chain, plan) for m in part.modules())
    norms = [m for m in inside if isinstance(m, _BatchNorm) and m.track_running_stats]
    chain.eval()
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
        norm.train()
    shuffled = torch.Generator().manual_seed(seed)  # items come sorted by class
    order = torch.randperm(len(inputs), generator=shuffled)
    suffix, device = Suffix(chain, plan.cut(chain.names)), next(chain.parameters()).device
    for rows in order.split(size):
        suffix(moved(inputs.take(rows), device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    chain.eval()
