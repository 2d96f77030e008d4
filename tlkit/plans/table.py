"""The table of plans: one row a name, with what it trains, where it begins, and hooks for the rest."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from tlkit.errors import UserError, unknown
from tlkit.plans import adapters, steering

if TYPE_CHECKING:
    from tlkit.backbones.chain import Chain
    from tlkit.plans.plan import Plan

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)  # the first: batch and instance norms


def no_stage(name: str, stages: list[str]) -> list[str]:
    """Nothing of the network is trained but its head."""
    return []


def last_stages(name: str, stages: list[str]) -> list[str]:
    """`last-K`: the last K. Raises UserError where there are fewer."""
    count = int(name.partition("-")[2])
    if count > len(stages):
        have = f"{len(stages)} stages ({', '.join(stages)})"
        raise UserError(
            f"plan {name} names more stages than there are: this backbone has {have}; name fewer."
        )
    return list(stages[-count:])


def one_stage(name: str, stages: list[str]) -> list[str]:
    """`block:NAME`: that one. Raises UserError where there is no such stage."""
    wanted = name.partition(":")[2]
    if wanted not in stages:
        raise unknown("stage", wanted, stages)
    return [wanted]


@dataclass(frozen=True)
class Row:
    """What a plan's name stands for.

    pattern: of the name, where it takes an argument, as in `last-[1-9][0-9]*`. where, start, schedule: the
    plan in words (`Plan`); where is the name itself for a pattern. stages(name, stages): those that may be
    trained. Hooks for the rest, each given the chain and the plan: prepare: changes the chain before
    training, as by adapters; merge: takes them into the weights, after the audit. penalty: called when
    training begins, gives a function whose value is added to every loss, in place of weight decay. movable:
    the names of the tensors besides the head's that are trained, where these are not all of the stages'.
    learners: the modules in train mode, where these are not the whole stages. rates: see `steering`.
    """

    where: str
    start: str = "pretrained"
    schedule: str = "at once"
    stages: Callable[[str, list[str]], list[str]] = lambda name, stages: list(stages)
    pattern: str = ""
    prepare: "Callable[[Chain, Plan], None] | None" = None
    merge: "Callable[[Chain, Plan], None] | None" = None
    penalty: "Callable[[Chain, Plan], Callable[[], torch.Tensor]] | None" = None
    movable: "Callable[[Chain, Plan], set[str]] | None" = None
    learners: "Callable[[Chain, Plan], list[nn.Module]] | None" = None
    rates: Callable[[steering.Stages], list[float]] | None = None


def _norm_layers(chain: "Chain", plan: "Plan") -> list[nn.Module]:
    modules = (m for name in plan.tuned(chain.names) for m in chain.stages[name].modules())
    # libraries have RMS norms of their own, of no common class
    return [m for m in modules if isinstance(m, NORMS) or type(m).__name__.endswith("RMSNorm")]


def _biases(chain: "Chain", plan: "Plan") -> set[str]:
    return {name for name, _ in chain.named_parameters() if name.endswith(("bias", "_bias"))}


ALPHA, BETA = 0.01, 0.01  # of the loss, whose mean is over items; TLLib's defaults for L2-SP


def _near_the_start(chain: "Chain", plan: "Plan") -> Callable[[], torch.Tensor]:
    """L2-SP (Li et al. 2018, arXiv:1802.01483): alpha/2 |w - w0|^2 of the stages + beta/2 |head|^2."""
    pairs = [(weight, weight.detach().clone()) for weight in chain.stages.parameters()]
    away = lambda: sum((weight - start).square().sum() for weight, start in pairs)  # noqa: E731
    return lambda: ALPHA / 2 * away() + BETA / 2 * sum(w.square().sum() for w in chain.head.parameters())


TABLE: dict[str, Row] = {
    "pixels": Row("nothing", "none", stages=no_stage),
    "tfidf": Row("nothing", "words", stages=no_stage),
    "last-value": Row("nothing", "last value", stages=no_stage),
    "scratch": Row("all", "random"),
    "frozen": Row("head", stages=no_stage),
    "select": Row("head", "selected", stages=no_stage),  # Head2Toe, Evci et al. 2022
    "last-K": Row("last-K", stages=last_stages, pattern=r"last-[1-9][0-9]*"),
    "full": Row("all"),
    "lp-ft": Row("all", "probe"),  # Kumar et al. 2022
    "gradual": Row("all", schedule="gradual"),  # ULMFiT, Howard & Ruder 2018
    "block:NAME": Row("block:NAME", stages=one_stage, pattern=r"block:\w+"),  # surgical, Lee et al. 2023
    # the norms of a stage: what is in train mode is all that moves (Frankle et al. 2021)
    "norm": Row("norm", learners=_norm_layers),
    # a bias may move while its layer stays in eval mode (BitFit, Ben Zaken et al. 2022)
    "bias": Row("bias", movable=_biases, learners=lambda chain, plan: []),
    "lora-R": Row("lora-R", pattern=r"lora-[1-9][0-9]*", **adapters.HOOKS),  # Hu et al. 2021
    "l2sp": Row("l2sp", penalty=_near_the_start),  # Li et al. 2018
    "auto-rgn": Row("auto-rgn", rates=steering.relative_norms),  # Lee et al. 2023
    "auto-snr": Row("auto-snr", rates=steering.signal_to_noise),  # Lee et al. 2023
}


def register(name: str, row: Row) -> None:
    """Add a plan. Raises UserError for a name that is taken, or a row that another name has already."""
    if name in TABLE:
        raise UserError(f"plan {name!r} exists already: choose another name.")
    if not row.pattern and any(_place(row) == _place(other) for other in TABLE.values()):
        raise UserError(
            f"plan {name!r}: another plan trains {row.where} from {row.start}; give its own `where`."
        )
    TABLE[name] = row


def _place(row: Row) -> tuple[str, str, str]:
    return row.where, row.start, row.schedule


def of_name(name: str) -> Row:
    """The row of a name such as `last-2`. Raises UserError with the list and the nearest match."""
    for shown, row in TABLE.items():
        if re.fullmatch(row.pattern or re.escape(shown), name):
            return row
    raise unknown("plan", name, TABLE)


def of_place(where: str, start: str, schedule: str) -> tuple[str, Row]:
    """(name, row) of a plan in words. Raises UserError for a combination that has no name."""
    for shown, row in TABLE.items():
        if row.pattern:
            if re.fullmatch(row.pattern, where) and (row.start, row.schedule) == (start, schedule):
                return where, row
        elif _place(row) == (where, start, schedule):
            return shown, row
    raise unknown("plan", f"{where} from {start}, {schedule}", TABLE)
