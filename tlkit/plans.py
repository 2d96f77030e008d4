"""The vocabulary of plans, and the proof that frozen means frozen.

A plan says where a network may move, from which start, on which schedule; one string names it everywhere.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import torch
from torch import nn

from tlkit.backbones.chain import Chain
from tlkit.errors import UserError, unknown

NAMES = ("pixels", "scratch", "frozen", "last-K", "full", "lp-ft", "block:NAME")
_STAGES = r"last-[1-9][0-9]*|block:\w+"
_FIXED = {  # name -> (where, start)
    "pixels": ("nothing", "none"),
    "scratch": ("all", "random"),
    "frozen": ("head", "pretrained"),
    "full": ("all", "pretrained"),
    "lp-ft": ("all", "probe"),
}


@dataclass(frozen=True)
class Plan:
    """Where x start x schedule: `Plan.parse(str(plan)) == plan`.

    where: "nothing", "head", "all", "last-K" (the head and the last K stages) or "block:NAME" (the head and
    one stage; surgical fine-tuning, Lee et al. 2023).
    start: "none", "random", "pretrained", or "probe" (a solved probe as the head, then everything moves;
    LP-FT, Kumar et al. 2022).
    decay: each stage's rate over that of the stage behind it, the head's rate being the largest
    (discriminative rates; Howard & Ruder 2018). Raises UserError for a combination that has no name, and for
    a decay outside (0, 1] or where nothing but a head learns.
    """

    where: str
    start: str = "pretrained"
    decay: float = 1.0

    def __post_init__(self) -> None:
        staged = self.start == "pretrained" and re.fullmatch(_STAGES, self.where)
        if not staged and (self.where, self.start) not in _FIXED.values():
            raise unknown("plan", f"{self.where} from {self.start}", NAMES)
        if not 0 < self.decay <= 1:
            raise UserError(f"decay={self.decay}: give a number above 0 and at most 1, as in full@decay=0.5.")
        if self.decay != 1 and self.where in ("nothing", "head"):
            raise UserError(f"plan {self}: there is one rate at most, none to decay; leave @decay out.")

    @classmethod
    def parse(cls, text: str) -> "Plan":
        """Read `text`, such as "last-2@decay=0.5". Raises UserError with the list and the nearest match."""
        name, at, modifier = text.strip().partition("@")
        if name in _FIXED:
            parts = _FIXED[name]
        elif re.fullmatch(_STAGES, name):
            parts = (name,)
        else:
            raise unknown("plan", name, NAMES)
        return cls(*parts, decay=_decay(modifier, text)) if at else cls(*parts)

    def __str__(self) -> str:
        name = next((n for n, parts in _FIXED.items() if parts == (self.where, self.start)), self.where)
        return name if self.decay == 1 else f"{name}@decay={Decimal(repr(self.decay)):f}"

    @property
    def uses_weights(self) -> bool:
        """Whether the pretrained weights matter: false for the two baselines."""
        return self.start in ("pretrained", "probe")

    def tuned(self, stages: list[str]) -> list[str]:
        """The stages of a chain that may move, in order. Raises UserError where there is no such stage."""
        if self.where in ("nothing", "head"):
            return []
        if self.where == "all":
            return list(stages)
        kind, _, rest = self.where.replace(":", "-", 1).partition("-")
        if kind == "block":
            if rest not in stages:
                raise unknown("stage", rest, stages)
            return [rest]
        if int(rest) > len(stages):
            have = f"{len(stages)} stages ({', '.join(stages)})"
            raise UserError(
                f"plan {self} asks for more stages than there are: this backbone has {have}; ask for fewer."
            )
        return list(stages[-int(rest) :])

    def cut(self, stages: list[str]) -> int:
        """How many leading stages are frozen: the prefix that can be run once and kept."""
        tuned = self.tuned(stages)
        return stages.index(tuned[0]) if tuned else len(stages)


def _decay(modifier: str, text: str) -> float:
    match = re.fullmatch(r"decay=([0-9]*\.?[0-9]+)", modifier)
    if not match:
        raise UserError(f"plan {text!r}: a modifier reads '@decay=0.5', with a number above 0 and at most 1.")
    return float(match[1])


def freeze(model: Chain, plan: Plan) -> Chain:
    """Let only the plan's stages and the head require gradients; returns the same `model`."""
    tuned = set(plan.tuned(model.names))
    for name, stage in model.stages.items():
        stage.requires_grad_(name in tuned)
    model.head.requires_grad_(plan.where != "nothing")
    return model


def set_modes(model: Chain, plan: Plan) -> None:
    """Train mode for what moves, eval mode for what is frozen: batch-norm statistics and dropout stand still.

    `requires_grad_(False)` alone does not do this: a frozen batch-norm in train mode still moves its running
    mean.
    """
    tuned = set(plan.tuned(model.names))
    for name, stage in model.stages.items():
        stage.train(name in tuned)
    model.head.train(plan.where != "nothing")


def groups(model: Chain, plan: Plan, rate: float) -> tuple[list[list[nn.Parameter]], list[float]]:
    """Optimiser groups from stem to head and the rate of each; frozen tensors are in none."""
    tuned = set(plan.tuned(model.names))
    depth = len(model.names)
    rows = [(model.stages[n], plan.decay ** (depth - i)) for i, n in enumerate(model.names) if n in tuned]
    rows.append((model.head, 1.0))
    found = [(list(module.parameters()), rate * factor) for module, factor in rows]
    found = [(parameters, lr) for parameters, lr in found if parameters]
    return [parameters for parameters, _ in found], [lr for _, lr in found]


def refuse_frozen(model: Chain, plan: Plan, optimised: Iterable[nn.Parameter]) -> None:
    """Raise NotFrozen if an optimiser holds a parameter that the plan freezes: its decay would move it."""
    held = {id(p) for p in optimised}
    tuned = set(plan.tuned(model.names))
    frozen = [(n, p) for n, p in model.named_parameters() if _stage(n) not in {"head", *tuned}]
    guilty = [n for n, p in frozen if id(p) in held]
    if guilty:
        raise NotFrozen(f"{plan}: the optimiser holds {len(guilty)} frozen tensors: {', '.join(guilty[:6])}")


@dataclass(frozen=True)
class Audit:
    """What moved, tensor by tensor: `moved[name]` is the largest absolute change; `guilty` moved unasked."""

    moved: dict[str, float]
    still: tuple[str, ...]
    guilty: tuple[str, ...]
    plan: str

    @property
    def ok(self) -> bool:
        return not self.guilty

    def __str__(self) -> str:
        if self.ok:
            moved, still = len(self.moved), len(self.still)
            return f"{self.plan}: {moved} tensors moved, {still} stood still, none that should not."
        return f"{self.plan}: {len(self.guilty)} tensors moved that are frozen: {', '.join(self.guilty[:6])}"


class NotFrozen(AssertionError):
    """A frozen tensor moved: a bug in the training loop, never bad input."""


def audit(
    before: dict[str, torch.Tensor],
    after: dict[str, torch.Tensor],
    plan: Plan,
    strict: bool = True,
    stages: Sequence[str] | None = None,
) -> Audit:
    """Compare two state dicts of one chain, weights and buffers alike, bit by bit; the head may always move.

    stages: all the chain's stages; without it, those that have tensors. Raises NotFrozen (unless `strict` is
    false) if a tensor moved outside the plan's stages, UserError if the two are not states of one model.
    """
    if before.keys() != after.keys():
        odd = ", ".join(sorted(before.keys() ^ after.keys())[:3])
        raise UserError(f"audit: states of two different models ({odd}); compare one model with itself.")
    known = stages or list(dict.fromkeys(_stage(key) for key in before if _stage(key) != "head"))
    free = {"head", *plan.tuned(list(known))}
    moved = dict(_changes(before, after))
    guilty = tuple(key for key in moved if _stage(key) not in free)
    result = Audit(moved, tuple(key for key in before if key not in moved), guilty, str(plan))
    if strict and guilty:
        raise NotFrozen(str(result))
    return result


def _stage(key: str) -> str:
    first, _, rest = key.partition(".")
    return rest.partition(".")[0] if first == "stages" else first


def _changes(before: dict, after: dict) -> Iterator[tuple[str, float]]:
    for key, old in before.items():
        new = after[key]
        if old.shape != new.shape:
            yield key, float("inf")
        elif not torch.equal(old, new) and not ((old == new) | (old.isnan() & new.isnan())).all():
            yield key, float((new.double() - old.double()).abs().max())
