"""The vocabulary of plans, and the proof that frozen means frozen."""

from tlkit.plans.auditing import Audit, NotFrozen, audit, refuse_frozen, state
from tlkit.plans.freezing import freeze, groups, learners, movable, prepare, refuse_unfit, set_modes
from tlkit.plans.plan import FROZEN, Plan
from tlkit.plans.table import TABLE, Row, register

BASELINES = ("scratch", *(name for name, row in TABLE.items() if row.where == "nothing"))

__all__ = [
    "BASELINES", "FROZEN", "TABLE", "Audit", "NotFrozen", "Plan", "Row", "audit", "freeze", "groups",
    "learners", "movable", "prepare", "refuse_frozen", "refuse_unfit", "register", "set_modes", "state",
]  # fmt: skip
