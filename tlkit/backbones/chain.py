"""A network as a chain of named stages and a head."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


class Chain(nn.Module):
    """Named stages in order, each pytree -> pytree, then a head; `chain(x)` is the whole model.

    Tensors are called `stages.NAME...` and `head...`, so a name tells where a tensor lives.
    """

    def __init__(self, stages: Mapping[str, nn.Module], head: nn.Module | None = None):
        super().__init__()
        self.stages = nn.ModuleDict(stages)
        self.head = head if head is not None else nn.Identity()

    @property
    def names(self) -> list[str]:
        return list(self.stages)

    def run(self, x: Any, start: int = 0, stop: int | None = None) -> Any:
        """Stages `start` to `stop` (not included) on `x`, without the head."""
        for name in self.names[start:stop]:
            x = self.stages[name](x)
        return x

    def forward(self, x: Any) -> Any:
        return self.head(self.run(x))


class Suffix(nn.Module):
    """The part of a chain behind a cut, head included; it shares the chain's tensors."""

    def __init__(self, chain: Chain, cut: int):
        super().__init__()
        self.chain, self.cut = chain, cut

    def forward(self, x: Any) -> Any:
        return self.chain.head(self.chain.run(x, self.cut))


class TokenPool(nn.Module):
    """Batch x tokens x width -> batch x width: the class token, or the mean of the others."""

    def __init__(self, kind: str, prefix: int):
        super().__init__()
        self.kind, self.prefix = kind, prefix

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 0] if self.kind == "token" else x[:, self.prefix :].mean(1)
