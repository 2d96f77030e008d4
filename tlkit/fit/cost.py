"""What a fit costs in floating-point operations, counted, not guessed."""

from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain, Suffix
from tlkit.plans import Plan

_COUNTED: dict[tuple, int] = {}


def flops(backbone: Backbone, model: Chain, plan: Plan, at_cut: Any, raw: Any) -> tuple[int, int]:
    """(prefix, suffix) operations for one item: the frozen prefix forward, the suffix forward and backward.

    at_cut, raw: batches of one item at the plan's cut and before the first stage.
    """
    cut = plan.cut(model.names)
    prefix = Chain({n: model.stages[n] for n in model.names[:cut]})
    key = (backbone.name, str(plan), *(tuple(leaf.shape) for leaf in tree_leaves(at_cut)))
    if key not in _COUNTED:
        _COUNTED[key] = count(Suffix(model, cut), at_cut, train=True)
        _COUNTED[(*key, "prefix")] = count(prefix, raw, train=False) if cut else 0
    return _COUNTED[(*key, "prefix")], _COUNTED[key]


def count(model: nn.Module, example: Any, train: bool) -> int:
    """Operations of one forward pass on `example`, with `train` of the backward pass too (torch's FlopCounterMode).

    Raises AssertionError when a model with convolutions or linear layers counts nothing, since the counter gives
    operations that it does not know zero.
    """
    model.eval()
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(train):
        output = model(example)
        if train:
            sum(leaf.sum() for leaf in tree_leaves(output)).backward()
    model.zero_grad(set_to_none=True)
    weighty = any(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules())
    assert counter.get_total_flops() > 0 or not weighty, "the FLOP counter saw none of this model's layers"
    return counter.get_total_flops()
