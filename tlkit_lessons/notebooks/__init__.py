"""The notebooks of the workbook: list them, choose some, run them with other parameters."""

from tlkit_lessons.notebooks.ending import ending
from tlkit_lessons.notebooks.listing import NotebookInfo, home, notebooks, parameters, parse, pick, select
from tlkit_lessons.notebooks.live import live_store, where_results_go
from tlkit_lessons.notebooks.runner import RunResult, run

__all__ = [
    "NotebookInfo", "RunResult", "ending", "home", "live_store", "notebooks", "parameters", "parse", "pick",
    "run", "select", "where_results_go",
]  # fmt: skip
