"""One function per figure; each takes arrays or records and returns what it drew on."""

from tlkit.plots.costs import accuracy_against_cost, break_even
from tlkit.plots.curves import accuracy_by_labels, by_labels, gain_by_labels, label_saving, stops_paying
from tlkit.plots.pictures import filters, gallery
from tlkit.plots.seeds import bars_with_guess, interval_from_dots, paired_dots
from tlkit.plots.strips import chain, moved
from tlkit.plots.style import look

__all__ = [
    "accuracy_against_cost",
    "accuracy_by_labels",
    "bars_with_guess",
    "break_even",
    "by_labels",
    "chain",
    "filters",
    "gain_by_labels",
    "gallery",
    "interval_from_dots",
    "label_saving",
    "look",
    "moved",
    "paired_dots",
    "stops_paying",
]
