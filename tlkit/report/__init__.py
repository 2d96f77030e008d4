"""The report of a comparison: one HTML file that needs nothing else."""

from tlkit.report.compared import compare_html
from tlkit.report.page import mark

__all__ = ["compare_html", "mark"]
