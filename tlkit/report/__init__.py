"""Reports: one HTML file that needs nothing else, for a comparison or a run of the workbook."""

from tlkit.report.compared import compare_html
from tlkit.report.conclusion import Standing, chance, conclude, standings
from tlkit.report.notebooks import FIGURES, workbook_html
from tlkit.report.page import READING, mark

__all__ = [
    "FIGURES",
    "READING",
    "Standing",
    "chance",
    "compare_html",
    "conclude",
    "mark",
    "standings",
    "workbook_html",
]
