"""What a run of notebooks says at its end: five sentences, each computed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit_lessons.notebooks.runner import RunResult

if TYPE_CHECKING:
    from tlkit_lessons import ledger

FINDING = "{{gain 16_digits frozen scratch 1}}"
NEXT = (
    "Next: open notebooks/00_start_here.ipynb (`make lab`) and guess before you run, "
    "or try your own images with `tlkit compare --folder photos`."
)


def ending(
    results: Sequence[RunResult], report: str | Path, where: "ledger.Shelf | None" = None
) -> list[str]:
    """What ran and how long, the main finding, the counts of verdicts, the report, and what to do next."""
    from tlkit_lessons import ledger  # numpy and torch, which a list of notebooks does without

    failed = [result.number for result in results if not result.ok]
    ran = f"{len(results)} notebook{'s' * (len(results) != 1)} in {_time(sum(r.seconds for r in results))}"
    outcome = f"; {', '.join(failed)} failed" if failed else ", without an error"
    return [
        f"Ran {ran}{outcome}.",
        "Main finding: with one labelled digit per class, frozen features of a network pretrained on letters "
        f"beat training from scratch, accuracy {ledger.fill(FINDING, where)}.",
        f"{ledger.counted(ledger.sayings(where))}.",
        f"The report, with figures and verdicts: {report}",
        NEXT,
    ]


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
