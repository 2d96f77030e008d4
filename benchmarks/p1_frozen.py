"""Part 1, feature extraction: ten epochs' worth of a frozen body."""

from pathlib import Path

from benchmarks import pictures
from benchmarks.apart import DEFAULT, ONE, Contestant
from benchmarks.networks import random_weights
from benchmarks.part import Design, Part, Target
from benchmarks.results import Results
from benchmarks.spread import number, phase, ratio
from benchmarks.standings import PHASES, median, names, split, standings
from tlkit_lessons import downloads

WEIGHTS = "weights_vision/mobilenetv1_100_224.pt"
SOLVED, WALKED, FLOOR = "tlkit, probe solved", "tlkit, fastai's head", "one forward pass"
WRITTEN, TUNED = "fastai as written", "fastai tuned"
HUGGING, TUTORIAL = "Hugging Face Trainer", "PyTorch tutorial"
ROUNDS, MINUTES = 3, 7

SAID = """
{train} training and {valid} validation pictures ({pictures}), `{network}`, weights: {weights}; {epochs}
epochs in batches of {batch}. *{solved}*: logistic regression on kept features; *{walked}*: as many
epochs as the others, by fastai's Learner on kept features. *{floor}*: every picture decoded and run
once, those for training and those for validation, in the batches that are quickest, and nothing learnt.
*{written}*: `vision_learner` with its own head, batch norms learning, pictures cropped at random along
their longer side and decoded in every epoch (at the default by worker processes). *{tuned}*: pictures
decoded once into tensors, batch norms frozen, the head that tlkit has. *{hugging}* and *{tutorial}*
decode in every epoch and let batch-norm averages follow the data, as they do by default; the tutorial
keeps its own optimiser. What is ours stands at the same number of threads.
"""

DEFAULTS = """
All validate once, at the end. By default fastai and the tutorial validate in every epoch: {more} times
more, at one thread {each}.
"""


def design(work: Path, quick: bool) -> Design:
    """MobileNetV1 at 224 pixels on a hundred pictures; with its ImageNet weights where they are there."""
    count, size, epochs, batch = (
        ((4, 2), 64, 2, 4) if quick else ((pictures.TRAIN, pictures.VALID), 224, 10, 20)
    )
    folder, what = pictures.folder(work, *count)
    weights = downloads.cache_dir() / WEIGHTS
    if weights.exists():
        network, origin = (
            {"network": f"timm:mobilenetv1_100,size={size}", "weights": str(weights)},
            "ImageNet",
        )
    else:
        network, origin = (
            random_weights(work, "mobilenetv1_100", size),
            "random, so that accuracies mean nothing",
        )
    setting = {
        "pictures": what, "train": 2 * count[0], "valid": 2 * count[1], "network": network["network"],
        "weights": origin, "epochs": epochs, "batch": batch, "rate": 1e-3,
    }  # fmt: skip
    seen = {"folder": str(folder), **network, "batch": batch}
    learnt = {**seen, "epochs": epochs, "rate": setting["rate"]}
    return Design(setting, contestants(seen, learnt), 1 if quick else ROUNDS, MINUTES)


def contestants(seen: dict, learnt: dict) -> list[Contestant]:
    """In the order of a round; the quick ones first, so that these have the most rounds."""
    frozen, plain = {**learnt, "plan": "frozen"}, {k: v for k, v in learnt.items() if k != "rate"}
    floor = {**seen, "batch": min(8, seen["batch"])}
    return [
        Contestant(SOLVED, "benchmarks.ours:fitted", frozen),
        Contestant(FLOOR, "benchmarks.plain_loops:one_pass", floor),
        Contestant(WALKED, "benchmarks.ours:fitted", {**frozen, "solve": False}),
        Contestant(SOLVED, "benchmarks.ours:fitted", frozen, None),
        Contestant(FLOOR, "benchmarks.plain_loops:one_pass", floor, None),
        Contestant(TUNED, "benchmarks.fastai_loops:tight", frozen),
        Contestant(TUNED, "benchmarks.fastai_loops:tight", frozen, None),
        Contestant(WRITTEN, "benchmarks.fastai_loops:as_written", {**frozen, "workers": 0}),
        Contestant(WRITTEN, "benchmarks.fastai_loops:as_written", frozen, None),
        Contestant(HUGGING, "benchmarks.hugging_face:trainer", learnt),
        Contestant(TUTORIAL, "benchmarks.plain_loops:tutorial", plain),
    ]


def targets(results: Results) -> list[Target]:
    found = []
    for threads in (ONE, DEFAULT):
        ours = f"{SOLVED}, {threads}"
        for other, limit in ((WRITTEN, 12), (TUNED, 7)):
            times = ratio(results, f"{other}, {threads}", ours)
            text = f"frozen: {other} over tlkit with the solver, {threads}"
            found.append(Target(text, times.median if times else None, limit, True, ours))
        over = ratio(results, ours, f"{FLOOR}, {threads}")
        text = f"frozen: tlkit with the solver over one forward pass, {threads}"
        found.append(Target(text, over.median if over else None, 1.15, False, ours))
    over = ratio(results, f"{WALKED}, {ONE}", f"{FLOOR}, {ONE}")
    text = f"frozen: tlkit with fastai's head over one forward pass, {ONE}"
    return [*found, Target(text, over.median if over else None, 1.5, False, f"{WALKED}, {ONE}")]


def body(results: Results) -> str:
    called = {
        "solved": SOLVED, "walked": WALKED, "floor": FLOOR, "written": WRITTEN, "tuned": TUNED,
        "hugging": HUGGING, "tutorial": TUTORIAL,
    }  # fmt: skip
    ours = [name for name in names(results) if name.startswith("tlkit")]
    words = SAID.format(**results.setting, **called)
    return "\n".join([words, standings(results, SOLVED), "", split(results, ours, PHASES), defaults(results)])


def defaults(results: Results) -> str:
    """What is left out so that all validate once."""
    more, each = results.setting["epochs"] - 1, []
    for other in (WRITTEN, TUNED, TUTORIAL):
        once = median(results, f"{other}, {ONE}", phase("validate"))
        each.append(f"{other} {number(more * once)} s")
    return DEFAULTS.format(more=more, each=", ".join(each))


PART = Part("p1_frozen", "1 · A frozen body, ten epochs' worth", design, body, targets)
