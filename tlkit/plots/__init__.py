"""One function per figure; each takes arrays or records and returns what it drew on."""

from tlkit.plots.curves import (
    accuracy_against_cost,
    accuracy_by_labels,
    by_labels,
    gain_by_labels,
    stops_paying,
)
from tlkit.plots.style import look

__all__ = [
    "accuracy_against_cost", "accuracy_by_labels", "by_labels", "gain_by_labels", "look", "stops_paying",
]  # fmt: skip
