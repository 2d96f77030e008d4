"""Intervals, and verdicts corrected for how many there are."""

from .intervals import FEWEST_SEEDS, Interval, interval
from .verdicts import Verdict, holm, signed, verdict, verdicts

__all__ = [
    "FEWEST_SEEDS", "Interval", "Verdict", "holm", "interval", "signed", "verdict",
    "verdicts",
]  # fmt: skip
