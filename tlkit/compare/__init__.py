"""What records say of plans: pairs with a baseline and their verdicts, and in words which plan to use."""

from tlkit.compare.conclusion import Standing, chance, conclude, count_items, means, so_far, standings
from tlkit.compare.pairs import BASELINES, Pair, compare, pairs
from tlkit.compare.provenance import origins, outdated, whence
from tlkit.compare.recalls import mistakes, recalls, skewed
from tlkit.compare.samples import sample

__all__ = [
    "BASELINES", "Pair", "Standing", "chance", "compare", "conclude", "count_items", "means", "mistakes",
    "origins", "outdated", "pairs", "recalls", "sample", "skewed", "so_far", "standings", "whence",
]  # fmt: skip
