"""What moved, tensor by tensor: the proof that frozen means frozen."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch

from tlkit.errors import UserError
from tlkit.plans.plan import Plan


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
    free: Collection[str] | None = None,
) -> Audit:
    """Compare two state dicts of one chain, weights and buffers alike, bit by bit; the head may always move.

    free: what may move, from `plans.movable(model, plan)`; without it, every tensor of the plan's stages, of
    the stages that have tensors. Raises NotFrozen (unless `strict` is false) if another tensor moved,
    UserError if the two are not states of one model, or for `norm`, which names do not give away.
    """
    if before.keys() != after.keys():
        odd = ", ".join(sorted(before.keys() ^ after.keys())[:3])
        raise UserError(f"audit: states of two different models ({odd}); compare one model with itself.")
    free = _of_stages(before, plan) if free is None else free
    moved = dict(_changes(before, after))
    guilty = tuple(key for key in moved if key not in free)
    result = Audit(moved, tuple(key for key in before if key not in moved), guilty, str(plan))
    if strict and guilty:
        raise NotFrozen(str(result))
    return result


def _of_stages(state: dict, plan: Plan) -> set[str]:
    if plan.parts_of_stages:
        raise UserError(f"audit of plan {plan}: give free=plans.movable(model, plan); names do not tell.")
    known = dict.fromkeys(_stage(key) for key in state if _stage(key) != "head")
    free = {"head", *plan.tuned(list(known))}
    return {key for key in state if _stage(key) in free}


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
