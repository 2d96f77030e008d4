"""Part 4, accuracy at equal wall-clock: one fixed rule against fastai's `fine_tune` as it comes."""

import statistics
from pathlib import Path

import joblib

from benchmarks.apart import Contestant
from benchmarks.part import Design, Part
from benchmarks.results import Results
from benchmarks.rule_race import FROZEN_BELOW
from benchmarks.spread import number, table
from tlkit import stats
from tlkit_lessons import downloads

NETWORK, WEIGHTS = "timm:mobilenetv1_100,size=96", "weights_vision/mobilenetv1_025_128.pt"
SETS = {
    "hymenoptera": [5, 10, 20], "caltech_wildlife": [5, 10, 20], "neu_steel": [5, 10, 20],
    "pacs:photo": [5, 10], "pacs:art_painting": [5, 10], "pacs:sketch": [5, 10],
}  # fmt: skip
SEEDS, DELTA = 10, 0.02
HEADER = (
    "task", "labels", "rule", "seconds", "fastai's epochs", "fastai's seconds", "accuracy of the rule",
    "of fastai", "difference, 95 % interval", "rule against fastai",
)  # fmt: skip

SAID = """
The rule, written down before the run: `frozen` below {below} labels a class, else `lp-ft`, with the
committed recipe and its tries. Against it `vision_learner(...).fine_tune(epochs)`, all else as fastai has
it: its head, its rates, batch norms that learn, no augmentation, batches of 64 (of all pictures where there
are fewer). Both start from the MobileNetV1 of a quarter width, trained on ImageNet, at 96 pixels, learn from
the same pictures, on one thread each, and read the test split once. fastai has the fewest epochs
that take as long as the rule on the same draw, one at the least, by the pace of its epochs on a draw that
is not counted; it validates on nothing, so that it loses
neither time nor pictures. A verdict is a paired t interval over {seeds} draws; within ± {delta} is equal.
Each setting is judged alone, without Holm's rule. So few seconds are nobody's plan for fine-tuning: what is
compared is what each side makes of the same wait.
"""

BARE = """
Not measured: the pictures and the weights are not on this machine (`tlkit data get` fetches what has an
address).
"""

COUNT = """
Of {n} settings the rule is better in {better}, equal in {equal}, worse in {worse}; in {open} it cannot be
told.
"""


def design(work: Path, quick: bool) -> Design:
    """A contestant a task: both race inside, so that they meet the same machine."""
    root = downloads.cache_dir()
    weights = root / WEIGHTS
    there = [name for name in SETS if weights.exists() and (root / name.partition(":")[0]).is_dir()]
    sets = {name: SETS[name] for name in there}
    if quick:
        sets = {name: labels[:1] for name, labels in list(sets.items())[:1]}
    seeds = list(range(2 if quick else SEEDS))
    shared = {"network": NETWORK, "weights": str(weights), "jobs": joblib.cpu_count()}
    racing = [
        Contestant(name, "benchmarks.rule_race:raced", {"task": name, "labels": n, "seeds": seeds, **shared})
        for name, n in sets.items()
    ]
    setting = {"sets": sets, "seeds": len(seeds), "network": NETWORK, "weights": Path(WEIGHTS).name}
    return Design(setting, racing, 1, 15)


def body(results: Results) -> str:
    """The whole table of verdicts, as they fell."""
    if not results.runs:
        return BARE
    found = [row(run["who"], cells) for run in results.runs for cells in by_labels(run["cells"])]
    words = [cells[-1] for cells in found]
    counted = COUNT.format(
        n=len(words), better=words.count("better"), equal=words.count("equal"), worse=words.count("worse"),
        open=words.count("cannot tell"),
    )  # fmt: skip
    said = SAID.format(below=FROZEN_BELOW, seeds=results.setting["seeds"], delta=DELTA)
    return "\n".join([said, table(HEADER, found), "", counted])


def by_labels(cells: list[dict]) -> list[list[dict]]:
    """The cells of each budget, by seed."""
    budgets = sorted({cell["labels"] for cell in cells})
    return [sorted((c for c in cells if c["labels"] == n), key=lambda c: c["seed"]) for n in budgets]


def row(who: str, cells: list[dict]) -> list[str]:
    """One setting: medians of seconds and epochs, means of accuracies, the verdict last."""
    ours, theirs = ([cell[side] for cell in cells] for side in ("ours", "fastai"))
    scores = [[one["accuracy"] for one in side] for side in (ours, theirs)]
    told = stats.verdict(*scores, delta=DELTA)
    middle = lambda side, key: statistics.median(one[key] for one in side)  # noqa: E731
    means = (f"{statistics.fmean(side):.3f}" for side in scores)
    return [
        who.partition(",")[0], str(cells[0]["labels"]), f"`{ours[0]['plan']}`",
        number(middle(ours, "seconds")),
        number(middle(theirs, "epochs")), number(middle(theirs, "seconds")), *means,
        f"{told.mean:+.3f} [{told.low:+.3f}, {told.high:+.3f}]", told.word,
    ]  # fmt: skip


PART = Part("p4_rule", "4 · Accuracy in equal time", design, body)
