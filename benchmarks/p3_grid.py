"""Part 3: the whole grid of notebook 16, against the same grid as loops over fastai."""

from pathlib import Path

from joblib import cpu_count

from benchmarks.apart import DEFAULT, ONE, Contestant
from benchmarks.part import Design, Part, Target
from benchmarks.results import Results
from benchmarks.spread import Key, number, shown, table, values
from benchmarks.standings import median, names

OURS, WRITTEN, TUNED = "tlkit", "fastai as written", "fastai tuned"
RACED = "tlkit, settings raced"
GRID = {
    "task": "digits",
    "plans": ["pixels", "scratch", "frozen", "last-1", "full", "lp-ft"],
    "labels": [1, 2, 5, 10, 20, 50],
    "seeds": 10,
}
# what is run -> what it stands for
LABELS = {"1": [1, 2], "5": [5, 10, 20, 50]}
PLANS = {p: [p] for p in GRID["plans"] if p != "scratch"} | {"full": ["full", "scratch"]}
COUNTS = "fits and passes, counted"
ROUNDS, MINUTES = 2, 4

SAID = """
{plans} plans, {budgets} budgets and {seeds} seeds on `{task}`: {grid[fits]} fits, {grid[trainings]}
trainings with their tries. Run here: {chosen} at {labels} labels a class, one seed; {run[fits]} fits,
{run[trainings]} trainings. `full` stands for `scratch` too, which moves the same stages, and each
budget for those on its side of the five labels from which settings are tried. A fit by descent is
multiplied by the items that pass in the fits it stands for, over those that pass in itself
({run[passes]:,} here, {grid[passes]:,} in the grid); a fit that is solved, by the number of fits it stands
for.

The loops have the same draws, tries, steps and batches, and score once at the end of a training.
*{written}*: a `DataBlock` of pictures, resized whenever they are shown, batch norms learning.
*{tuned}*: tensors made once, frozen batch norms frozen. At one thread *{ours}* is one process; at the
default it is as many processes as there are cores, of one thread each. Starting up, before the first
cell, counts once. *{raced}*: each of the three settings learns for a third of the passes, and the best then
anew from all labels; the loops try every setting in full. Claims `race` compare the accuracy of both.
"""

LIMIT = """
By the operations in the committed records the loops do {most} times as many as tlkit, scoring apart,
and {moving:.0f} % of tlkit's own belong to plans in which every stage moves: of those, nothing can be
kept.
"""


def design(work: Path, quick: bool) -> Design:
    """One seed at two budgets, five of six plans: every kind of fit there is."""
    labels, plans = ({"1": [1, 2]}, {"frozen": ["frozen"]}) if quick else (LABELS, PLANS)
    cells = {"task": GRID["task"], "plans": list(plans), "labels": [int(k) for k in labels], "seeds": [0]}
    racing = []
    for threads, jobs in ((1, 1), (None, cpu_count())):
        racing += [
            Contestant(OURS, "benchmarks.grid_ours:studied", {**cells, "jobs": jobs}, threads),
            Contestant(RACED, "benchmarks.grid_ours:studied", {**cells, "jobs": jobs, "race": True}, threads),
            Contestant(TUNED, "benchmarks.grid_loops:tight", cells, threads),
            Contestant(WRITTEN, "benchmarks.grid_loops:as_written", cells, threads),
        ]
    setting = {"grid": GRID, "stands": labels, "plans": plans}
    counts = Contestant(COUNTS, "benchmarks.grid_ours:counts", setting)
    return Design(setting, racing, 1 if quick else ROUNDS, MINUTES, [counts])


def whole(results: Results, name: str) -> Key:
    """Seconds of the full grid from the cells of one run of `name`; starting up counts once.

    Cells may run side by side, so it is the time of all of them together that is multiplied.
    """
    kind = "raced" if name.startswith(RACED) else "solved" if name.startswith(OURS) else "descended"
    weights = results.facts[COUNTS][kind]

    def key(run: dict) -> float:
        cells, took = run["cells"], run["seconds"]
        weighed = sum(weights[f"{c['plan']} {c['labels']}"] * c["seconds"] for c in cells)
        return took["total"] - took["cells"] + took["cells"] * weighed / sum(c["seconds"] for c in cells)

    return key


def times(results: Results, other: str, threads: str, ours: str = OURS) -> float | None:
    """How many times longer another takes for the full grid."""
    pair = [f"{who}, {threads}" for who in (other, ours)]
    if not all(results.of(name) for name in pair):
        return None
    above, below = (median(results, name, whole(results, name)) for name in pair)
    return above / below


def targets(results: Results) -> list[Target]:
    return [
        Target(
            f"grid: {WRITTEN} over {ours}, {t}",
            times(results, WRITTEN, t, ours),
            asked,
            True,
            f"{ours}, {ONE}",
        )
        for ours, asked in ((OURS, 8), (RACED, 6))
        for t in (ONE, DEFAULT)
    ]


def body(results: Results) -> str:
    counted, said = results.facts[COUNTS], results.setting
    grid, ops = said["grid"], counted["operations"]
    header = ["", "runs", "seconds, cells run here", "seconds, full grid", "× ours", "mean test accuracy"]
    words = SAID.format(
        plans=len(grid["plans"]), budgets=len(grid["labels"]), seeds=grid["seeds"], task=grid["task"],
        grid=counted["grid"], run=counted["run"], chosen=", ".join(f"`{p}`" for p in said["plans"]),
        labels=" and ".join(said["stands"]), written=WRITTEN, tuned=TUNED, ours=OURS,
        raced=RACED,
    )  # fmt: skip
    most, moving = ops["loops"] / ops["ours"], 100 * ops["everything moves"] / ops["ours"]
    rows = [row(results, name) for name in names(results)]
    return "\n".join([words, table(header, rows), LIMIT.format(most=number(most), moving=moving)])


def row(results: Results, name: str) -> list[str]:
    """One contestant, its cells and the grid they stand for."""
    who, threads = name.rsplit(", ", 1)
    against = None if who == OURS else times(results, who, threads)
    scores = [cell["accuracy"] for cell in results.of(name)[0]["cells"]]
    return [
        name,
        str(len(results.of(name))),
        shown(values(results, name)),
        shown(values(results, name, whole(results, name))),
        number(against) if against else "1",
        f"{sum(scores) / len(scores):.3f}",
    ]


PART = Part("p3_grid", "3 · The grid of notebook 16", design, body, targets)
