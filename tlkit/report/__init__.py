"""The report of a comparison or an advice: one HTML file that needs nothing else."""

from tlkit.report.advised import advice_html
from tlkit.report.compared import compare_html
from tlkit.report.page import mark

__all__ = ["advice_html", "compare_html", "mark"]
