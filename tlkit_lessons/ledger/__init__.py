"""The claims and what the records say of them: verdicts, the table of them, and text for notebooks."""

from tlkit_lessons.ledger.claims import Claim, Shelf, criteria, on_shelf, shelf
from tlkit_lessons.ledger.headlines import OUTCOMES, Saying, counted, sayings
from tlkit_lessons.ledger.measures import ABSENT, Row, card, row, saving, table
from tlkit_lessons.ledger.placeholders import FILLERS, fill
from tlkit_lessons.ledger.sources import along, by_source, levels, side
from tlkit_lessons.ledger.verdicts import changed, write_verdicts

__all__ = [
    "ABSENT",
    "FILLERS",
    "OUTCOMES",
    "Claim",
    "Row",
    "Saying",
    "Shelf",
    "along",
    "by_source",
    "card",
    "changed",
    "counted",
    "criteria",
    "fill",
    "levels",
    "on_shelf",
    "row",
    "saving",
    "sayings",
    "shelf",
    "side",
    "table",
    "write_verdicts",
]
