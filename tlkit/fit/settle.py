"""Batch-norm averages that belong to the weights at hand."""

from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_leaves, tree_map

from tlkit import plans
from tlkit.backbones.chain import Chain, Suffix
from tlkit.plans import Plan


@torch.no_grad()
def settle(chain: Chain, plan: Plan, inputs: Any, size: int, seed: int) -> None:
    """Take the running averages of the batch norms that moved afresh from the items learnt on.

    Running averages trail the weights by some ten steps. After a short descent from random weights they are
    those of another network, and eval mode answers by chance; every plan whose stages move gets the same
    remedy (precise batch norm; Wu & Johnson 2021, arXiv:2105.07576, section 3). Frozen stages keep theirs.
    inputs: activations at the plan's cut, a pytree of N x ...; size: items in a batch, as in training. The
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
    count = len(tree_leaves(inputs)[0])
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))  # items come sorted by class
    suffix = Suffix(chain, plan.cut(chain.names))
    for rows in order.split(size):
        suffix(tree_map(lambda leaf, rows=rows: leaf[rows], inputs))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    chain.eval()
