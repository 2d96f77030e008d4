"""The vocabulary of plans, and the proof that frozen means frozen."""

from tlkit.plans.auditing import Audit, NotFrozen, audit
from tlkit.plans.freezing import (
    freeze,
    groups,
    learners,
    movable,
    refuse_frozen,
    refuse_unfit,
    set_modes,
    state,
)
from tlkit.plans.vocabulary import NAMES, Plan

__all__ = [
    "NAMES",
    "Audit",
    "NotFrozen",
    "Plan",
    "audit",
    "freeze",
    "groups",
    "learners",
    "movable",
    "refuse_frozen",
    "refuse_unfit",
    "set_modes",
    "state",
]
