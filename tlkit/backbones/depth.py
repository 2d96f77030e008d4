"""How far into a network features are read: up to a stage, or at every stage."""

import math
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from tlkit.backbones.chain import Backbone, Chain
from tlkit.errors import UserError, unknown

KEYS = ("until", "features")
WIDTH = 512  # at most so many features a stage, as in Head2Toe (Evci et al. 2022, section 3.2)


class GridPool(nn.Module):
    """A map of C patterns to C x g x g means, with the finest grid that gives at most WIDTH features.

    A batch of channels-first maps (N x C x H x W), token rows (N x T x C: their mean) or vectors; of a
    dictionary what the backbone's `own` pooling makes of it.
    """

    def __init__(self, own: nn.Module | None = None):
        super().__init__()
        self.own = own

    def forward(self, x: Any) -> torch.Tensor:
        if isinstance(x, dict):
            return self.own(x)
        if x.ndim == 4:
            side = min(max(1, math.isqrt(WIDTH // x.shape[1])), *x.shape[2:])
            return nn.functional.adaptive_avg_pool2d(x, side).flatten(1)
        return x.mean(1) if x.ndim == 3 else x.flatten(1)


class Collecting(nn.Module):
    """A stage that hands on, beside its output, what it and the stages in front of it give when pooled."""

    def __init__(self, stage: nn.Module, pool: nn.Module):
        super().__init__()
        self.stage, self.pool = stage, pool

    def forward(self, carried: Any) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        x, found = carried if isinstance(carried, tuple) else (carried, ())
        out = self.stage(x)
        return out, (*found, self.pool(out))


class Collected(nn.Module):
    """The pooled features of all stages, side by side, stem first."""

    def forward(self, carried: tuple[torch.Tensor, tuple[torch.Tensor, ...]]) -> torch.Tensor:
        return torch.cat(carried[1], 1)


def reaching(backbone: Backbone, reach: dict[str, Any]) -> Backbone:
    """`backbone` read until a stage (its grid of means), or at all stages; itself when `reach` is empty.

    Raises UserError for anything but features=all, and, when it is built, for an unknown stage.
    """
    if not reach:
        return backbone
    if reach.get("features", "all") != "all":
        text = f"features={reach['features']} of {backbone.name}"
        raise UserError(f"{text}: the only choice is features=all; leave it out to use the last stage.")

    def build(pretrained: bool) -> tuple[Chain, nn.Module]:
        chain, pool = backbone.build(pretrained)
        names, until = chain.names, reach.get("until", chain.names[-1])
        if until not in names:
            raise unknown(f"stage of {backbone.name}", str(until), names)
        names = names[: names.index(until) + 1]
        stages = {name: chain.stages[name] for name in names}
        last = GridPool(pool) if "until" in reach else pool
        if "features" not in reach:
            return Chain(stages), last
        pools = [*(GridPool(pool) for _ in names[1:]), last]
        parts = zip(stages.items(), pools, strict=True)
        return Chain({name: Collecting(stage, at) for (name, stage), at in parts}), Collected()

    name = "".join([backbone.name, *(f",{key}={reach[key]}" for key in KEYS if key in reach)])
    return replace(backbone, name=name, build=build, blueprint={**backbone.blueprint, "reach": dict(reach)})
