"""The table of a race: who took how long, how often ours fits into that, and how accurate it was."""

from benchmarks.apart import DEFAULT, ONE
from benchmarks.results import Results
from benchmarks.spread import Key, Spread, number, phase, ratio, shown, table, total, training, values

HEADER = (
    "", "runs", "seconds", "× ours", "× ours, without validation",
    "import, s", "peak, MB", "accuracy", "less ours",
)  # fmt: skip


def names(results: Results) -> list[str]:
    """The contestants in the order of the first round."""
    return list(dict.fromkeys(run["who"] for run in results.runs))


def rival(name: str, ours: str) -> str:
    """Our run at as many threads as `name` had; ours: the contestant without its threads."""
    return f"{ours}, {ONE if name.endswith(ONE) else DEFAULT}"


def standings(results: Results, ours: str, chosen: list[str] | None = None) -> str:
    """A row a contestant; what is ours is compared at the same threads."""
    rows = []
    for name in chosen or names(results):
        own = rival(name, ours)
        least = values(results, name, lambda run: run["peak_mb"])
        rows.append(
            [
                name,
                str(len(results.of(name))),
                shown(values(results, name)),
                shown(ratio(results, name, own)),
                shown(ratio(results, name, own, training)),
                number(median(results, name, lambda run: run["seconds"]["import"]), 2),
                number(least.median, 4) if least else "–",
                accuracy(results, name),
                difference(results, name, own),
            ]
        )
    return table(HEADER, rows)


def median(results: Results, name: str, key: Key = total) -> float:
    """The median of a contestant that ran."""
    found = values(results, name, key)
    assert found is not None, f"{name} has no run"
    return found.median


def scored(results: Results, name: str) -> float | None:
    """The accuracy of a contestant, the median of its runs; None where it learns nothing."""
    spread = Spread.of([run["accuracy"] for run in results.of(name) if "accuracy" in run])
    return spread.median if spread else None


def accuracy(results: Results, name: str) -> str:
    value = scored(results, name)
    return "–" if value is None else f"{value:.3f}"


def difference(results: Results, name: str, ours: str) -> str:
    mine, theirs = scored(results, ours), scored(results, name)
    return "–" if mine is None or theirs is None or name == ours else f"{theirs - mine:+.3f}"


def split(results: Results, ours: list[str], phases: dict[str, Key]) -> str:
    """Where the seconds of our contestants go: a row each, a column a phase, and what is left."""
    rows = []
    for name in ours:
        parts = [median(results, name, key) for key in phases.values()]
        rest = median(results, name) - sum(parts)
        rows.append([name, *(number(part) for part in parts), number(max(rest, 0.0))])
    return table(["seconds in", *phases, "everything else"], rows)


def path(name: str) -> Key:
    """Seconds in a phase entered by exactly this path."""
    return lambda run: run["seconds"].get(name, 0.0)


PHASES: dict[str, Key] = {
    "looking at the files": path("open"),
    "building the network": path("build"),
    "prefix, training pictures": path("fit/prefix"),
    "validation, with its prefix": phase("validate"),
}
