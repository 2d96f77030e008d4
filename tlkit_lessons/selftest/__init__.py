"""Coverage and error rates of the intervals and verdicts of `tlkit.stats`, on simulated data."""

from tlkit_lessons.selftest.coverage import selftest, selftest_table, write_selftest

__all__ = ["selftest", "selftest_table", "write_selftest"]
