"""The methods of adapting: what each uses, what it updates, and who proposed it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tlkit.errors import UserError, unknown

SOURCE = ("source inputs", "source labels")
TRAINING = (*SOURCE, "target training inputs")
TEST = (*SOURCE, "target test inputs")


@dataclass(frozen=True)
class Method:
    """One way to use a target without labels.

    family: "none" (the baseline), "features" (closed form on kept features), "loss" (a term of a descent) or
    "test time" (a finished model adapts to its test items). reads: all that it learns from, never a target
    label. updates: in words. plan: its default plan. settings: its own, with defaults.
    """

    name: str
    family: str
    reads: tuple[str, ...]
    updates: str
    paper: str
    plan: str = "frozen"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def settled(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The defaults with what was given in their place. Raises UserError for an unknown setting."""
        for name in given:
            if name not in self.settings:
                raise (
                    unknown(f"setting of {self.name}", name, self.settings)
                    if self.settings
                    else UserError(f"{self.name} has no settings, and {name!r} was given: leave it out.")
                )
        return {**self.settings, **given}


def _features(name: str, updates: str, paper: str, **settings: Any) -> Method:
    return Method(name, "features", TRAINING, updates, paper, settings=settings)


def _loss(name: str, paper: str, weight: float) -> Method:
    updates = "all weights that the plan trains, and the head"
    return Method(name, "loss", TRAINING, updates, paper, "full", {"weight": weight, "rate": None})


_SHARED, _WEIGHED = "the source features; a probe on them", "the weight of each source item; a probe on them"
_ALL = (
    Method("source only", "none", SOURCE, "what the plan trains, and the head", "", settings={"rate": None}),
    _features("coral", _SHARED, "Sun et al. 2016, arXiv:1511.05547", reg=1.0),
    _features("linear ot", _SHARED, "Flamary et al. 2020, arXiv:1905.10155", reg=1e-3),
    _features("ot", _SHARED, "Courty et al. 2017, arXiv:1507.00504"),
    _features("subspace", "both sides' features; a probe", "Fernando et al. 2013, ICCV", components=40),
    _features("tca", "both sides' features; a probe", "Pan et al. 2011, IEEE TNN 22", components=40),
    _features(
        "tsl", "both sides' features; a probe", "Si et al. 2010, IEEE TKDE 22", components=10, iterations=20
    ),
    _features("kliep", _WEIGHED, "Sugiyama et al. 2008, NeurIPS 20", gamma=None),
    _features("kmm", _WEIGHED, "Huang et al. 2007, NeurIPS 19", gamma=None),
    _features("mmd-tars", _WEIGHED, "Zhang et al. 2013, ICML", gamma=None),
    _features(
        "pseudo-labels", "the head, in several rounds", "Lee 2013, ICML workshop", threshold=0.9, rounds=3
    ),
    _loss("deep coral", "Sun & Saenko 2016, arXiv:1607.01719", 1.0),
    _loss("mmd", "DAN: Long et al. 2015, arXiv:1502.02791", 1.0),
    _loss("dann", "Ganin et al. 2016, arXiv:1505.07818", 1.0),
    Method(
        "adabn", "test time", TEST, "batch-norm statistics", "Li et al. 2017, arXiv:1603.04779; by batches: "
        "Nado et al. 2020, arXiv:2006.10963", settings={"batch": 200},
    ),
    Method(
        "tent", "test time", TEST, "statistics, scale and shift of the norm layers",
        "Wang et al. 2021, arXiv:2006.10726", settings={"batch": 200, "rate": 1e-3, "passes": 1},
    ),
)  # fmt: skip
METHODS: dict[str, Method] = {method.name: method for method in _ALL}


def known(name: str) -> Method:
    """The method of that name. Raises UserError with the list and the nearest match."""
    if name not in METHODS:
        raise unknown("method of adapting", name, METHODS)
    return METHODS[name]
