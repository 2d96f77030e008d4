"""What changed, tensor by tensor: the proof that frozen means frozen."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from tlkit.backbones.chain import Chain
from tlkit.errors import UserError
from tlkit.plans.freezing import movable
from tlkit.plans.plan import Plan


class NotFrozen(AssertionError):
    """A frozen tensor changed: a bug in the training loop, never bad input."""


def refuse_frozen(model: Chain, plan: Plan, optimised: Iterable[nn.Parameter]) -> None:
    """Raise NotFrozen if an optimiser holds a parameter that the plan freezes: its decay would change it."""
    held, free = {id(p) for p in optimised}, movable(model, plan)
    guilty = [n for n, p in model.named_parameters() if n not in free and id(p) in held]
    if guilty:
        raise NotFrozen(f"{plan}: the optimiser holds {len(guilty)} frozen tensors: {', '.join(guilty[:6])}")


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of all tensors by name: weights and buffers, those too that a state dict leaves out."""
    tensors = {**dict(model.named_buffers(remove_duplicate=False)), **model.state_dict()}
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


@dataclass(frozen=True)
class Audit:
    """What changed, tensor by tensor: `moved[name]` is the largest change; `guilty` should be frozen."""

    moved: dict[str, float]
    still: tuple[str, ...]
    guilty: tuple[str, ...]
    plan: str
    merges: bool = False  # adapters, into the frozen weights, afterwards

    @property
    def ok(self) -> bool:
        return not self.guilty

    def __str__(self) -> str:
        if self.ok:
            moved, still = len(self.moved), len(self.still)
            end = " before the adapters were merged into them" if self.merges else ""
            return (
                f"{self.plan}: {moved} tensors changed, {still} stayed frozen; no frozen tensor changed{end}."
            )
        return f"{self.plan}: {len(self.guilty)} frozen tensors changed: {', '.join(self.guilty[:6])}"


def audit(
    before: dict[str, torch.Tensor],
    model: Chain,
    plan: Plan,
    strict: bool = True,
    free: Collection[str] | None = None,
) -> Audit:
    """Compare a chain with an earlier `state` of it, weights and buffers alike, bit by bit.

    free: what may change, by default what is `movable`. Raises NotFrozen (unless `strict` is false) if
    another tensor changed, UserError if `before` is no state of this model.
    """
    after = state(model)
    if before.keys() != after.keys():
        odd = ", ".join(sorted(before.keys() ^ after.keys())[:3])
        raise UserError(f"audit: states of two different models ({odd}); compare one model with itself.")
    free = movable(model, plan) if free is None else free
    moved = dict(_changes(before, after))
    guilty = tuple(key for key in moved if key not in free)
    still = tuple(key for key in before if key not in moved)
    result = Audit(moved, still, guilty, str(plan), bool(plan.row.merge))
    if strict and guilty:
        raise NotFrozen(str(result))
    return result


def _changes(before: dict, after: dict) -> Iterator[tuple[str, float]]:
    for key, old in before.items():
        new = after[key]
        if old.shape != new.shape:
            yield key, float("inf")
        elif not torch.equal(old, new) and not ((old == new) | (old.isnan() & new.isnan())).all():
            yield key, float((new.double() - old.double()).abs().max())
