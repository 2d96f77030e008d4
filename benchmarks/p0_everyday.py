"""Part 0, what one waits for every day."""

from pathlib import Path

from benchmarks.apart import Contestant
from benchmarks.part import Design, Part
from benchmarks.results import Results
from benchmarks.spread import Key, shown, table, values

EVERYDAY = Contestant("tlkit", "benchmarks.everyday:costs")
SAID = """
On the handwritten digits, five labels a class, three tries a fit, from the small letters network.
"""


def design(work: Path, quick: bool) -> Design:
    return Design({"task": "digits", "labels": 5}, [EVERYDAY], 1 if quick else 2, 1)


def each(phase: str, count: str = "", less: str = "") -> Key:
    """Seconds of one of the calls of a phase, less those of another."""

    def key(run: dict) -> float:
        seconds = run["seconds"][phase] - (run["seconds"][less] if less else 0)
        return seconds / (run[count] if count else 1)

    return key


ROWS: dict[str, Key] = {
    "`import tlkit`, beyond Python itself": each("import tlkit", "starts", "python"),
    "importing what fits, fastai and torch": each("import"),
    "a first `frozen` fit, which runs the prefix": each("first"),
    "another `frozen` fit": each("again", "fits"),
    "a fit from `scratch`": each("scratch"),
}


def body(results: Results) -> str:
    rows = [[what, shown(values(results, EVERYDAY.name, key))] for what, key in ROWS.items()]
    return "\n".join([SAID, table(["", "seconds"], rows)])


PART = Part("p0_everyday", "0 · The everyday calls", design, body)
