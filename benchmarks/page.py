"""RESULTS.md, made from the JSON beside it and from nothing else."""

import statistics
from pathlib import Path

from benchmarks.part import Part, Target
from benchmarks.results import COMMITTED, Results
from benchmarks.spread import number, table

HEAD = """# Speed and scale, measured

Made by `make bench` from the files in [results](results); change nothing here by hand.
`python -m benchmarks --render` writes it again.

Every contestant runs in a process of its own, with empty caches, one after the other and then all again
(A B A B). A number is the median of its runs, in brackets the smallest and the largest of them; a contestant
without brackets ran once, because a second run did not fit into the minutes of its part. A ratio is that of
the medians, in brackets the smallest and the largest of the rounds that both ran. Seconds go from the files
on disk to the validated model; imports stand apart. Pictures had been read once before, so that the disk
counts for nobody. Where a target is not reached, the section of its part ends with a profile that says what
limits it.
"""


def page(parts: dict[str, Part], folder: Path = COMMITTED) -> str:
    """The whole page; a part without a file is named as not measured."""
    found = {name: folder / f"{name}.json" for name in parts}
    read = {name: Results.read(path) for name, path in found.items() if path.exists()}
    text = [HEAD, summary(parts, read)]
    for name, part in parts.items():
        text.append(section(part, read.get(name)))
    return "\n".join(text)


def summary(parts: dict[str, Part], read: dict[str, Results]) -> str:
    """All targets in one table."""
    rows = [row(t) for name, results in read.items() for t in parts[name].targets(results)]
    return (
        table(["target", "asked", "measured", ""], rows) + "\n"
        if rows
        else "Nothing has been measured yet.\n"
    )


def row(target: Target) -> list[str]:
    sign = "at least" if target.at_least else "at most"
    said = "–" if target.measured is None else number(target.measured)
    outcome = (
        "reached" if target.reached else "not measured" if target.measured is None else "**not reached**"
    )
    return [target.text, f"{sign} {number(target.limit)}", said, outcome]


def section(part: Part, results: Results | None) -> str:
    """One part: what was run, the numbers, the profiles of what fell short, and where it was."""
    title = f"## {part.title}\n"
    if results is None:
        return f"{title}\nNot measured yet: `python -m benchmarks {part.name}`.\n"
    pieces = [title, part.body(results).strip() + "\n"]
    pieces += [profiled(name, lines) for name, lines in results.profiles.items()]
    pieces.append(origin(results))
    return "\n".join(pieces)


def profiled(name: str, lines: list[dict]) -> str:
    whole = sum(line["seconds"] for line in lines)
    rows = [[f"`{line['where']}`", str(line["calls"]), number(line["seconds"])] for line in lines]
    said = (
        f"What limits *{name}*: the functions with the most time of their own, {number(whole)} s together.\n"
    )
    return f"{said}\n{table(['function', 'calls', 'seconds'], rows)}\n"


def origin(results: Results) -> str:
    """Where and with what a part was measured."""
    machine = results.machine
    loads = [run["load"] for run in results.runs if run["load"] is not None]
    load = f"; load average at the start of a run {number(statistics.median(loads), 2)}" if loads else ""
    having = ", ".join(f"{k} {v}" for k, v in machine["versions"].items() if v != "absent")
    return (
        f"<sub>{results.finished or 'Not finished'}; {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}{load}; Python {machine['python']}, {having}; "
        f"code {results.code}.</sub>\n"
    )
