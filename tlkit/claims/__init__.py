"""The claims and what the records say of them: verdicts, the table of them, and text for notebooks."""

from tlkit.claims.committed import changed, write_verdicts
from tlkit.claims.compared import BASELINES, Pair, along, by_source, compare, pairs
from tlkit.claims.criteria import Claim, Shelf, criteria, shelf
from tlkit.claims.filling import FILLERS, fill
from tlkit.claims.provenance import on_shelf, origins, outdated, whence
from tlkit.claims.rows import ABSENT, Row, card, row, saving, signed, table
from tlkit.claims.samples import levels, sample

__all__ = [
    "ABSENT",
    "BASELINES",
    "FILLERS",
    "Claim",
    "Pair",
    "Row",
    "Shelf",
    "along",
    "by_source",
    "card",
    "changed",
    "compare",
    "criteria",
    "fill",
    "levels",
    "on_shelf",
    "origins",
    "outdated",
    "pairs",
    "row",
    "sample",
    "saving",
    "shelf",
    "signed",
    "table",
    "whence",
    "write_verdicts",
]
