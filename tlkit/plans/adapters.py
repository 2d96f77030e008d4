"""LoRA: low-rank adapters beside the layers of a chain, trained in their place, then merged into them.

Hu et al. 2021 (arXiv:2106.09685): a frozen weight W gets B A beside it, of rank R, times alpha / R. A hook
calls the adapter, so that its layer keeps its name and tensors. peft renames them, needs transformers, which
images do not, and takes seconds to import in each process.
"""

import copy
import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from tlkit.errors import UserError

if TYPE_CHECKING:
    from tlkit.backbones.chain import Chain
    from tlkit.plans.plan import Plan

ALPHA = 8  # peft's default, for every rank: alpha / R spares choosing the rate anew (Hu et al., section 4.1)


class Adapter(nn.Sequential):
    """A: rank x inputs, as the paper's code draws it; then B: outputs x rank, zero at first. No biases."""

    def __init__(self, layer: nn.Linear | nn.Conv2d, rank: int):
        down = copy.deepcopy(layer)  # with its stride, and a library's own way of padding
        down.weight = nn.Parameter(layer.weight.new_empty(rank, *layer.weight.shape[1:]))
        down.bias, linear, outputs = None, isinstance(layer, nn.Linear), len(layer.weight)
        up = nn.Linear(rank, outputs, bias=False) if linear else nn.Conv2d(rank, outputs, 1, bias=False)
        nn.init.kaiming_uniform_(down.weight, a=math.sqrt(5))
        nn.init.zeros_(up.weight)
        super().__init__(down, up.to(layer.weight))
        self.scale, self.handle = ALPHA / rank, layer.register_forward_hook(_beside)


def _beside(layer: nn.Module, args: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
    return torch.add(output, layer.adapter(*args), alpha=layer.adapter.scale)  # in one pass over memory


def _adaptable(layer: nn.Module) -> bool:
    if not isinstance(layer, nn.Linear | nn.Conv2d) or isinstance(layer, NonDynamicallyQuantizableLinear):
        return False  # the last is torch's attention's, which reads the weight and does not call the layer
    # in groups, each has a matrix of its own: that of a depthwise convolution has rank 1 already
    return getattr(layer, "groups", 1) == 1 and {n for n, _ in layer.named_parameters()} <= {"weight", "bias"}


def insert(chain: "Chain", plan: "Plan") -> None:
    """`lora-R`: an adapter of rank R beside each layer. Raises UserError for no layer, or one too narrow."""
    rank = int(plan.where.partition("-")[2])
    layers = {name: m for name, m in chain.stages.named_modules(prefix="stages") if _adaptable(m)}
    if not layers:
        raise UserError(f"plan {plan}: this backbone has no Linear or Conv2d to adapt; choose another plan.")
    width, name = min((min(layer.weight.flatten(1).shape), name) for name, layer in layers.items())
    if rank > width:
        raise UserError(f"plan {plan}: {name} has a width of {width}; choose lora-{width} or less.")
    for layer in layers.values():
        layer.adapter = Adapter(layer, rank)


def tensors(chain: "Chain", plan: "Plan") -> set[str]:
    """The names of those of the adapters."""
    return {name for name, _ in chain.named_parameters() if ".adapter." in name}


@torch.no_grad()
def merge(chain: "Chain", plan: "Plan") -> None:
    """Add B A to each weight and take the adapters out: the architecture is again what it was."""
    for layer in [m for m in chain.modules() if isinstance(getattr(m, "adapter", None), Adapter)]:
        down, up = (part.weight.flatten(1) for part in layer.adapter)
        layer.weight += (layer.adapter.scale * up @ down).view_as(layer.weight)
        layer.adapter.handle.remove()
        del layer.adapter


HOOKS = {"prepare": insert, "merge": merge, "movable": tensors, "learners": lambda chain, plan: []}
