"""What a part of the benchmark is, and where the parts are found."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import benchmarks
from benchmarks.apart import Contestant
from benchmarks.results import Results


@dataclass(frozen=True)
class Target:
    """A figure that was asked for before it was measured. `measured`: None where a run is missing.

    profiled: the contestant whose profile says what limits it, where it is not reached.
    """

    text: str
    measured: float | None
    limit: float
    at_least: bool = True
    profiled: str = ""

    @property
    def reached(self) -> bool:
        if self.measured is None:
            return False
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


@dataclass(frozen=True)
class Design:
    """What is run: every contestant once a round (A B A B), `rounds` times as far as `minutes` allow.

    setting: what all contestants share; runs of another setting are not mixed with these. facts: questions
    that need no clock, asked once: their answers are `Results.facts`. Everybody runs at least once.
    """

    setting: dict[str, Any]
    contestants: list[Contestant]
    rounds: int
    minutes: float
    facts: list[Contestant] = field(default_factory=list)


@dataclass(frozen=True)
class Part:
    """design(work, quick): work is a folder for what the contestants read. body: its section, in Markdown."""

    name: str
    title: str
    design: Callable[[Path, bool], Design]
    body: Callable[[Results], str]
    targets: Callable[[Results], list[Target]] = lambda results: []


def parts() -> dict[str, Part]:
    """Every module `benchmarks/p*_*.py` is a part, by its name."""
    names = sorted(
        m.name
        for m in pkgutil.iter_modules(benchmarks.__path__)
        if m.name[:2].rstrip("0123456789") == "p" and "_" in m.name
    )
    return {name: importlib.import_module(f"benchmarks.{name}").PART for name in names}
