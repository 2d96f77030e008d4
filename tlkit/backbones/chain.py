"""A network as a chain of named stages and a head, and a source network with all that comes with it."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tlkit import env

UNTRAINED = 1_000_003  # seed of a source without weights; no seed that a study counts up to


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


@dataclass(frozen=True)
class Backbone:
    """A source network: how to build its chain, how to feed it, and where its weights come from.

    `name` is how records call it, `digest` identifies the weights, `transform_key` the transform.
    `build(True)` gives the source's chain and pooling, `build(False)` one with new weights from torch's
    global generator. `transform` makes a batchable pytree of tensors from one raw item. `blueprint` is what
    `from_blueprint` needs to build the architecture again. `small`: it is quicker on the CPU than on a GPU.
    `here`: whether the weights are on this machine, where they may have to be fetched.
    """

    name: str
    digest: str
    build: Callable[[bool], tuple[Chain, nn.Module]]
    transform: Callable[[Any], torch.Tensor]
    transform_key: str
    card: dict = field(default_factory=dict)
    blueprint: dict = field(default_factory=dict)
    small: bool = False
    here: Callable[[], bool] | None = None

    @cached_property
    def _pristine(self) -> tuple[Chain, nn.Module]:
        # An untrained source is the same in every process, building one disturbs nobody's random numbers, and
        # what is built while features are read must be fit for training too.
        with torch.random.fork_rng(devices=[]), torch.inference_mode(False):
            torch.manual_seed(UNTRAINED)
            chain, pool = self.build(True)
        return chain.eval(), pool.eval()

    @cached_property
    def _copies(self) -> dict[torch.device, Chain]:
        return {torch.device("cpu"): self.pretrained()}

    @property
    def stages(self) -> list[str]:
        """The names of the stages, stem first."""
        return self._pristine[0].names

    @property
    def pool(self) -> nn.Module:
        """The parameter-free step from the last stage to one vector an item."""
        return self._pristine[1]

    @property
    def to_fetch(self) -> bool:
        """Whether the weights may have to be fetched: those of a hub, or where `here` says so."""
        return not self.here() if self.here else self.digest.startswith("hub-")

    def pretrained(self) -> Chain:
        """The source's weights, source head included; shared, in eval mode: read it, do not train it."""
        return self._pristine[0]

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return env.device(self.small)

    def placed(self) -> Chain:
        """`pretrained()` where it runs: on another device than the CPU a copy that stays there."""
        if self.device not in self._copies:
            self._copies[self.device] = copy.deepcopy(self.pretrained()).to(self.device)
        return self._copies[self.device]

    def fresh(self, start: str = "pretrained") -> Chain:
        """A chain of one's own to train, with an empty head.

        `start="random"` draws new weights from torch's global generator: seed it first.
        """
        chain = self.build(False)[0] if start == "random" else copy.deepcopy(self._pristine[0])
        chain.head = nn.Identity()
        return chain

    def source_head(self) -> nn.Module:
        """The head the network was trained with, for asking what it still knows of its source task."""
        return copy.deepcopy(self._pristine[0].head)


def alike(got: torch.Tensor, want: torch.Tensor) -> bool:
    """Whether an answer is the one that is wanted, to within 1e-5 of its scale."""
    return got.shape == want.shape and bool((got - want).abs().max() <= 1e-5 * want.abs().max().clamp(min=1))


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
