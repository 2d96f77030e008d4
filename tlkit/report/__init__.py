"""The report of a comparison: one HTML file that needs nothing else."""

from tlkit.report.compared import compare_html
from tlkit.report.page import READING, mark

__all__ = ["READING", "compare_html", "mark"]
