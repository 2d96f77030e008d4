"""Medians, spreads and ratios of runs, and how they are written."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.results import Results

Key = Callable[[dict], float]


@dataclass(frozen=True)
class Spread:
    """A median with the smallest and the largest of n."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """None of no values."""
        return cls(statistics.median(values), min(values), max(values), len(values)) if values else None


def total(run: dict) -> float:
    """Seconds of a run from the files to the validated model; imports apart."""
    return run["seconds"]["total"]


def phase(name: str) -> Key:
    """Seconds in a phase, wherever it was entered."""
    return lambda run: sum(s for key, s in run["seconds"].items() if key.rpartition("/")[2] == name)


def training(run: dict) -> float:
    """Seconds of a run without its validation."""
    return total(run) - phase("validate")(run)


def values(results: Results, name: str, key: Key = total) -> Spread | None:
    return Spread.of([key(run) for run in results.of(name)])


def ratio(results: Results, other: str, ours: str, key: Key = total) -> Spread | None:
    """`other` over `ours`: of the medians, with the smallest and largest of the rounds that both ran."""
    above, below = ({run["round"]: key(run) for run in results.of(name)} for name in (other, ours))
    if not above or not below:
        return None
    paired = [above[r] / below[r] for r in sorted(above.keys() & below.keys())]
    middle = statistics.median(above.values()) / statistics.median(below.values())
    return Spread(middle, min([*paired, middle]), max([*paired, middle]), len(paired))


def shown(spread: Spread | None, digits: int = 3) -> str:
    """`12.3 (11.9 to 12.8)`; a single one without its spread."""
    if spread is None:
        return "–"
    middle = number(spread.median, digits)
    return (
        middle
        if spread.n < 2
        else f"{middle} ({number(spread.low, digits)} to {number(spread.high, digits)})"
    )


def number(value: float, digits: int = 3) -> str:
    """Significant digits, never an exponent: 0.0123, 1.23, 123, 12345."""
    if value == 0:
        return "0"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    if whole:
        return f"{value:.{max(0, digits - whole)}f}"
    small = f"{value:.{digits}g}"
    return small if "e" not in small else f"{value:.6f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table; the first `left` columns are text, the others numbers."""
    rule = ["--"] * left + ["--:"] * (len(header) - left)
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))
