"""Batch-norm averages that belong to the weights at hand."""

import torch

from tlkit import plans
from tlkit.backbones.chain import Chain, Suffix
from tlkit.backbones.norms import batch_norms, measuring
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
    norms = [norm for part in plans.learners(chain, plan) for norm in batch_norms(part)]
    chain.eval()
    if not norms:
        return
    shuffled = torch.Generator().manual_seed(seed)  # items come sorted by class
    order = torch.randperm(len(inputs), generator=shuffled)
    suffix, device = Suffix(chain, plan.cut(chain.names)), next(chain.parameters()).device
    with measuring(norms):
        for rows in order.split(size):
            suffix(moved(inputs.take(rows), device))
