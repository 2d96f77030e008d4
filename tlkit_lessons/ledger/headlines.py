"""The ledger in two tiers: common claims, each with one headline verdict, and the evidence beneath."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tlkit_lessons.ledger.claims import Shelf, common
from tlkit_lessons.ledger.in_words import headline
from tlkit_lessons.ledger.measures import ABSENT, Row, table

OUTCOMES = (
    "confirmed", "confirmed only under a condition", "refuted", "refuted only under a condition", "undecided",
)  # fmt: skip


@dataclass(frozen=True)
class Saying:
    """One common claim about transfer learning and what the records say of it.

    verdict: that of the headline row in words, with its condition; word: without it, one of OUTCOMES; effect:
    that of the headline row, short enough for a sentence. All three are "" where the claim has not been
    tested. evidence: every row of that number, the headline row first.
    """

    number: int
    text: str
    verdict: str = ""
    word: str = ""
    effect: str = ""
    evidence: tuple[Row, ...] = ()

    @property
    def where(self) -> str:
        """The notebooks of its evidence, such as "11, 16"."""
        return ", ".join(sorted({number for row in self.evidence for number in row.claim.where}))


def sayings(where: Shelf | None = None, rows: Iterable[Row] | None = None) -> list[Saying]:
    """All of them, tested or not, in the order of their numbers; `rows`: a table that has been computed."""
    rows = table(where) if rows is None else list(rows)
    found = []
    for one in common():
        mine = [row for row in rows if row.number == one.number and row.verdict != ABSENT]
        evidence = tuple(sorted(mine, key=lambda row: row.id != one.headline))
        if evidence and evidence[0].id == one.headline:
            head = evidence[0]
            said = (head.said, headline(head.verdict), head.short)
            found.append(Saying(one.number, one.text, *said, evidence))
        else:
            found.append(Saying(one.number, one.text, evidence=evidence))
    return found


def counted(found: list[Saying]) -> str:
    """How many common claims there are, how many have been tested, and with what outcome."""
    count = Counter(saying.word for saying in found if saying.word)
    outcomes = ", ".join(f"{count[word]} {word}" for word in OUTCOMES if count[word])
    lead = f"Of {len(found)} common claims about transfer learning, {count.total()} have been tested so far"
    rest = f"; {waiting} wait for an experiment" if (waiting := len(found) - count.total()) else ""
    return f"{lead}: {outcomes}{rest}" if outcomes else f"{lead}{rest}"
