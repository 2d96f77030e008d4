"""A B A B: every contestant once, then all again, so that whatever else the machine does meets all alike."""

import sys
from collections.abc import Callable

from benchmarks import apart
from benchmarks.apart import Contestant
from benchmarks.part import Design, Part
from benchmarks.results import Results


def say(line: str) -> None:
    """A line of progress, to stderr."""
    print(line, file=sys.stderr, flush=True)


def measure(design: Design, results: Results, keep: Callable[[], None], run: Callable = apart.run) -> None:
    """Fill `results` with the runs and facts that `design` asks for and that are not there yet.

    keep() is called the moment each of them has ended. From the second round on a contestant runs again only
    if what it last took still fits into the minutes of the part, counted over all runs so far.
    """
    for asked in design.facts:
        if asked.who not in results.facts:
            say(f"{results.part}: {asked.who}")
            results.facts[asked.who] = facts(run(asked))
            keep()
    for number in range(design.rounds):
        for contestant in due(design, results, number):
            before = results.of(contestant.name)
            if number and spent(results) + before[-1]["wall"] > 60 * design.minutes:
                continue
            say(
                f"{results.part}, round {number + 1} of {design.rounds}: {contestant.name}"
                + left(design, results, number)
            )
            results.runs.append({"who": contestant.name, "round": number, **run(contestant)})
            keep()


def due(design: Design, results: Results, number: int) -> list[Contestant]:
    """The contestants without a run in this round, in their order."""
    return [c for c in design.contestants if all(r["round"] != number for r in results.of(c.name))]


def spent(results: Results) -> float:
    """Seconds of all runs, processes started and libraries imported."""
    return sum(run["wall"] for run in results.runs)


def left(design: Design, results: Results, number: int) -> str:
    """About how long this part still takes, once a first round has told."""
    if not number:
        return f" ({spent(results):.0f} s so far)"
    return f" ({spent(results):.0f} s so far, at most {60 * design.minutes:.0f})"


def profile(
    part: Part, design: Design, results: Results, keep: Callable[[], None], run: Callable = apart.run
) -> None:
    """Where a target was not reached, run the contestant it names once more under Python's profiler."""
    named = {target.profiled for target in part.targets(results) if not target.reached}
    for contestant in design.contestants:
        if contestant.name in named - results.profiles.keys():
            say(f"{results.part}: what limits {contestant.name}?")
            results.profiles[contestant.name] = run(contestant, profile=True)["profile"]
            keep()


def facts(answer: dict) -> dict:
    """An answer without what the clock said."""
    return {k: v for k, v in answer.items() if k not in ("wall", "load", "seconds", "peak_mb", "threads")}
