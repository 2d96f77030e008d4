"""Intervals, verdicts, Holm, the label-saving factor, and the self-test that says what they are worth."""

from .intervals import FEWEST_SEEDS, Interval, interval
from .saving import Saving, label_saving
from .selftest import selftest, selftest_table, write_selftest
from .verdicts import Verdict, detectable, holm, verdict, verdicts

__all__ = [
    "FEWEST_SEEDS",
    "Interval",
    "Saving",
    "Verdict",
    "detectable",
    "holm",
    "interval",
    "label_saving",
    "selftest",
    "selftest_table",
    "verdict",
    "verdicts",
    "write_selftest",
]
