"""What a fit costs: floating-point operations, counted, not guessed, and the memory of the process."""

import sys
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from tlkit import features
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain, Suffix
from tlkit.plans import Plan
from tlkit.tasks import Task

_COUNTED: dict[tuple, tuple[int, int]] = {}


def flops(task: Task, backbone: Backbone, model: Chain, plan: Plan) -> tuple[int, int]:
    """(prefix, suffix) operations for one item: what runs once without gradient, and forward and backward.

    The prefix is the frozen stages; for LP-FT all stages, which its probe reads once.
    """
    cut = plan.cut(model.names)
    places = features.Cut.of(backbone, plan), features.Cut(backbone, 0)
    at_cut, raw = (features.example(at, task.train) for at in places)
    once = model.names if plan.from_probe else model.names[:cut]
    head = tuple(tuple(p.shape) for p in model.head.parameters())
    key = (backbone.name, str(plan), head, *(tuple(leaf.shape) for leaf in tree_leaves(at_cut)))
    if key not in _COUNTED:
        prefix = count(Chain({n: model.stages[n] for n in once}), raw, train=False) if once else 0
        _COUNTED[key] = prefix, count(Suffix(model, cut), at_cut, train=True)
    return _COUNTED[key]


def count(model: nn.Module, example: Any, train: bool) -> int:
    """Operations of a forward pass on `example`, with `train` of the backward too (torch's FlopCounterMode).

    Raises AssertionError when a model with convolutions or linear layers counts nothing, since the counter
    takes operations that it does not know for free.
    """
    with FlopCounterMode(display=False, custom_mapping={_BACKWARD: _in_groups}) as counter:
        run(model.eval(), example, train)
    model.zero_grad(set_to_none=True)
    weighty = any(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules())
    assert counter.get_total_flops() > 0 or not weighty, "the FLOP counter saw none of this model's layers"
    return counter.get_total_flops()


_BACKWARD = torch.ops.aten.convolution_backward


def _in_groups(*shapes: Any, out_shape: Any) -> int:
    """torch's count, whose gradient of the weights takes a convolution in groups for a dense one."""
    *same, groups, (of_input, of_weight, _) = shapes
    torchs = [flop_registry[_BACKWARD](*same, groups, mask, out_val=out_shape)
              for mask in ((of_input, False, False), (False, of_weight, False))]  # fmt: skip
    return torchs[0] + torchs[1] // groups


def run(model: nn.Module, batch: Any, train: bool) -> Any:
    """The output of a forward pass on a batch, with `train` after a backward pass of its sum."""
    with torch.set_grad_enabled(train):
        output = model(batch)
        if train:
            sum(leaf.sum() for leaf in tree_leaves(output)).backward()
    return output


def peak_mb() -> float:
    """The most memory this process has held so far, in MiB."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**20
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where ru_maxrss begins at what the parent held when it started this process
        line = next(line for line in status.read_text("ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
