"""One function per figure; each takes arrays or records and returns what it drew on."""

from tlkit.plots.adapting import (
    accuracy_by_batch,
    answers,
    methods_by_shift,
    selection_gap,
    sure_and_right,
)
from tlkit.plots.clouds import clouds
from tlkit.plots.costs import accuracy_against_cost, break_even
from tlkit.plots.curves import accuracy_by_labels, by_labels, gain_by_labels, label_saving, stops_paying
from tlkit.plots.depth import accuracy_by_depth, bars_by_stage, price_by_depth
from tlkit.plots.dials import gain_along, gain_by_source, gain_near_and_far
from tlkit.plots.distance import accuracy_along, gain_by_distance, harm, votes_and_gains
from tlkit.plots.fits import accuracy_by_rate, over_steps, train_and_test
from tlkit.plots.kinds import map_of_kinds, sources_and_gains
from tlkit.plots.pictures import filters, gallery
from tlkit.plots.quality import gain_by_count, target_by_source_accuracy
from tlkit.plots.ranking import (
    agreements,
    printed_and_recomputed,
    scores_against_truth,
    scores_with_shuffled_labels,
)
from tlkit.plots.seeds import bars_with_guess, interval_from_dots, paired_dots
from tlkit.plots.stages import accuracy_by_stage, by_stage, neighbours
from tlkit.plots.strips import chain, moved
from tlkit.plots.style import look

__all__ = [
    "accuracy_against_cost",
    "accuracy_along",
    "accuracy_by_batch",
    "accuracy_by_depth",
    "accuracy_by_labels",
    "accuracy_by_rate",
    "accuracy_by_stage",
    "agreements",
    "answers",
    "bars_by_stage",
    "bars_with_guess",
    "break_even",
    "by_labels",
    "by_stage",
    "chain",
    "clouds",
    "filters",
    "gain_along",
    "gain_by_count",
    "gain_by_distance",
    "gain_by_labels",
    "gain_by_source",
    "gain_near_and_far",
    "gallery",
    "harm",
    "interval_from_dots",
    "label_saving",
    "look",
    "map_of_kinds",
    "methods_by_shift",
    "moved",
    "neighbours",
    "over_steps",
    "paired_dots",
    "price_by_depth",
    "printed_and_recomputed",
    "scores_against_truth",
    "scores_with_shuffled_labels",
    "selection_gap",
    "sources_and_gains",
    "stops_paying",
    "sure_and_right",
    "target_by_source_accuracy",
    "train_and_test",
    "votes_and_gains",
]
