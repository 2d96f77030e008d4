"""Records: one measured number a line, in a file that only grows and survives being killed.

A fit writes its rows as one block, the test row last, so a fit with a test row is finished. What each
network predicted for each test item lies in a second file beside the first (`NAME.items.jsonl`).
"""

from tlkit.records.record import STATUSES, FitKey, Record, values
from tlkit.records.scale import BALANCED, PLAIN, Scale, scale
from tlkit.records.store import Store

__all__ = ["BALANCED", "PLAIN", "STATUSES", "FitKey", "Record", "Scale", "Store", "scale", "values"]
