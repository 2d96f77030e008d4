"""The vocabulary of plans: where a network may move, from which start, on which schedule, in one string."""

import re
from dataclasses import dataclass, replace
from decimal import Decimal

from tlkit.errors import UserError, unknown

NAMES = (
    "pixels", "scratch", "frozen", "select", "last-K", "full",
    "lp-ft", "gradual", "block:NAME", "norm", "bias",
)  # fmt: skip
_STAGES = r"last-[1-9][0-9]*|block:\w+"
_FIXED = {  # name -> (where, start, schedule)
    "pixels": ("nothing", "none", "at once"),
    "scratch": ("all", "random", "at once"),
    "frozen": ("head", "pretrained", "at once"),
    "select": ("head", "selected", "at once"),
    "full": ("all", "pretrained", "at once"),
    "lp-ft": ("all", "probe", "at once"),
    "gradual": ("all", "pretrained", "gradual"),
    "norm": ("norm", "pretrained", "at once"),
    "bias": ("bias", "pretrained", "at once"),
}


@dataclass(frozen=True)
class Plan:
    """Where x start x schedule: `Plan.parse(str(plan)) == plan`.

    where: "nothing", "head", "all", "last-K" (the head and the last K stages), "block:NAME" (the head and one
    stage; surgical fine-tuning, Lee et al. 2023), "norm" (the head and every norm layer; Frankle et al. 2021)
    or "bias" (the head and every bias; BitFit, Ben Zaken et al. 2022).
    start: "none", "random", "pretrained", "selected" (a probe on the features it needs most; Head2Toe, Evci
    et al. 2022) or "probe" (a solved probe as the head, then everything moves; LP-FT, Kumar et al. 2022).
    schedule: "at once", or "gradual" (the head first, then one more stage at a time; Howard & Ruder 2018).
    decay: each stage's rate over that of the stage behind it, the head's rate being the largest
    (discriminative rates; Howard & Ruder 2018). Raises UserError for a combination that has no name, and for
    a decay outside (0, 1] or where nothing but a head learns.
    """

    where: str
    start: str = "pretrained"
    schedule: str = "at once"
    decay: float = 1.0

    def __post_init__(self) -> None:
        parts = self.where, self.start, self.schedule
        staged = parts[1:] == ("pretrained", "at once") and re.fullmatch(_STAGES, self.where)
        if not staged and parts not in _FIXED.values():
            raise unknown("plan", f"{self.where} from {self.start}, {self.schedule}", NAMES)
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
        parts = self.where, self.start, self.schedule
        name = next((n for n, fixed in _FIXED.items() if fixed == parts), self.where)
        return name if self.decay == 1 else f"{name}@decay={Decimal(repr(self.decay)):f}"

    @property
    def uses_weights(self) -> bool:
        """Whether the pretrained weights matter: false for the two baselines."""
        return self.start not in ("none", "random")

    def tuned(self, stages: list[str]) -> list[str]:
        """The stages of a chain in which something may move, in order. UserError if one is not there."""
        if self.where in ("nothing", "head"):
            return []
        if self.where in ("all", "norm", "bias"):
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

    def phases(self, stages: list[str]) -> list["Plan"]:
        """The descents this plan is made of, one after the other; only a gradual one has more than one."""
        if self.schedule != "gradual":
            return [self]
        wheres = ["head", *(f"last-{k}" for k in range(1, len(stages))), "all"]
        at_once = [replace(self, where="head", schedule="at once", decay=1.0)]
        return at_once + [replace(self, where=where, schedule="at once") for where in wheres[1:]]


def _decay(modifier: str, text: str) -> float:
    match = re.fullmatch(r"decay=([0-9]*\.?[0-9]+)", modifier)
    if not match:
        raise UserError(f"plan {text!r}: a modifier reads '@decay=0.5', with a number above 0 and at most 1.")
    return float(match[1])
