"""What the intervals and verdicts of `tlkit.stats` are worth, on simulated data whose truth is known."""

from tlkit_lessons.selftest.coverage import selftest, selftest_table, write_selftest

__all__ = ["selftest", "selftest_table", "write_selftest"]
