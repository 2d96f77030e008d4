"""The vocabulary of plans: which part of a network is trained, from which start, on which schedule."""

import re
from dataclasses import dataclass, replace
from decimal import Decimal

from tlkit.errors import UserError
from tlkit.plans import table
from tlkit.plans.table import Row


@dataclass(frozen=True)
class Plan:
    """Where x start x schedule: `Plan.parse(str(plan)) == plan`; what each means stands in `plans.table`.

    where: "nothing", "head", "all", "last-K" (the head and the last K stages), "block:NAME" (the head and one
    stage), "norm" (the head and every norm layer), "bias" (the head and every bias), or a registered row's.
    start: "none", "random", "pretrained", "selected" (a probe on the features it needs most) or "probe" (a
    fitted probe as the head, then everything is trained). schedule: "at once", or "gradual" (the head first,
    then one more stage at a time). decay: each stage's rate over that of the stage behind it, the head's rate
    being the largest (discriminative rates; Howard & Ruder 2018). Raises UserError for a combination that has
    no name, and for a decay outside (0, 1] or where nothing but a head learns.
    """

    where: str
    start: str = "pretrained"
    schedule: str = "at once"
    decay: float = 1.0

    def __post_init__(self) -> None:
        table.of_place(self.where, self.start, self.schedule)
        if not 0 < self.decay <= 1:
            raise UserError(f"decay={self.decay}: give a number above 0 and at most 1, as in full@decay=0.5.")
        if self.decay != 1 and (self.raw or self.head_only):
            raise UserError(f"plan {self} has no learning rates to decay: leave @decay out.")

    @classmethod
    def parse(cls, text: str) -> "Plan":
        """Read `text`, such as "last-2@decay=0.5". Raises UserError with the list and the nearest match."""
        name, at, modifier = text.strip().partition("@")
        row = table.of_name(name)
        parts = name if row.pattern else row.where, row.start, row.schedule
        return cls(*parts, decay=_decay(modifier, text)) if at else cls(*parts)

    def __str__(self) -> str:
        name, _ = table.of_place(self.where, self.start, self.schedule)
        return name if self.decay == 1 else f"{name}@decay={Decimal(repr(self.decay)):f}"

    @property
    def row(self) -> Row:
        """The row of the table."""
        return table.of_place(self.where, self.start, self.schedule)[1]

    @property
    def raw(self) -> bool:
        """Whether there is no network: a baseline on raw inputs."""
        return self.where == "nothing"

    @property
    def head_only(self) -> bool:
        """Whether a head on frozen features is all that learns."""
        return self.where == "head"

    @property
    def weights(self) -> str:
        """What the stages start from: "random" or "pretrained" weights, "none" where there is no network."""
        return "none" if self.raw else "random" if self.start == "random" else "pretrained"

    @property
    def from_probe(self) -> bool:
        """Whether the head starts as a fitted linear probe."""
        return self.start == "probe"

    @property
    def selects(self) -> bool:
        """Whether a probe chooses among the features of all stages."""
        return self.start == "selected"

    @property
    def in_phases(self) -> bool:
        """Whether there are several descents, one after the other."""
        return self.schedule == "gradual"

    @property
    def parts_of_stages(self) -> bool:
        """Whether only some tensors of a trained stage are trained, which its name does not tell."""
        return bool(self.row.movable or self.row.learners or self.row.prepare)

    def tuned(self, stages: list[str]) -> list[str]:
        """The stages of a chain in which something is trained, in order. UserError if one is missing."""
        return self.row.stages(self.where, stages)

    def cut(self, stages: list[str]) -> int:
        """How many leading stages are frozen: the prefix that can be run once and kept."""
        tuned = self.tuned(stages)
        return stages.index(tuned[0]) if tuned else len(stages)

    def phases(self, stages: list[str]) -> list["Plan"]:
        """The descents this plan is made of, one after the other; only a gradual one has more than one."""
        if not self.in_phases:
            return [self]
        wheres = ["head", *(f"last-{k}" for k in range(1, len(stages))), "all"]
        at_once = [replace(self, where="head", schedule="at once", decay=1.0)]
        return at_once + [replace(self, where=where, schedule="at once") for where in wheres[1:]]


FROZEN = Plan("head")  # what a probe is, wherever one is needed


def _decay(modifier: str, text: str) -> float:
    match = re.fullmatch(r"decay=([0-9]*\.?[0-9]+)", modifier)
    if not match:
        raise UserError(f"plan {text!r}: write '@decay=0.5', with a number above 0 and at most 1.")
    return float(match[1])
