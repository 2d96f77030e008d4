"""The settings of transfer learning as a map of images, and clusters of images without any label."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from tlkit import features, stats, study, tasks
from tlkit.backbones import Backbone
from tlkit.errors import UserError, unknown
from tlkit.plots.style import GREY, INK, TEXT
from tlkit.records import FitKey, Record, Store
from tlkit.tasks import Evaluation, Items, Task
from tlkit.tasks.objective import pixels
from tlkit_lessons import look
from tlkit_lessons.adapt.domains import sealed
from tlkit_lessons.drawing import gallery, mark_wrong, picture

HIDDEN = "?"  # stands below an image whose label the learner does not see
TILE, STEP = 0.37, 0.43  # inches: the side of an image, and from one to the next
NAME, LINE = 1.1, 0.13  # inches: the column of names left of a strip, and a line of small text
PLACES = ((True, True), (True, False), (False, True), (False, False))  # same task, same domain
LEFT, TOP, GAP = 0.4, 1.0, 0.3  # inches: the corner of the first box, and from one box to the next
KEY = "Below each image: the label that the learner sees;  ? : an image without its label."
WORDS = {
    "better": "better than",
    "worse": "worse than",
    "equal": "equal to",
    "cannot tell": "undecided against",
}


class Strip(NamedTuple):
    """A row of images with its name, and below each the label that the learner sees, or HIDDEN."""

    name: str
    images: Sequence[Any]
    labels: Sequence[str]


class Setting(NamedTuple):
    """A setting: its box on the map, a strip of its source and of its target, and its result."""

    name: str
    same_task: bool
    same_domain: bool
    source: Strip
    target: Strip
    note: str = ""
    verdict: str = ""


def examples(manner: Task, shifted: Task, digits: Task, net: Backbone, seed: int) -> dict[str, Setting]:
    """A setting for each box, and two for the last: from letters to letters, their manner, a shift, digits.

    manner: the letters, labelled by stroke width and slant. Images are shown as `net` sees them.
    """
    letters = tasks.load("dial:manner:1")  # the same images, labelled as letters
    six = [np.flatnonzero(manner.targets == c)[0] for c in (0, 2, 4, 5, 7, 9)]
    told = [letters.classes[letters.targets[i]] for i in six]
    drawn = [
        manner.classes[manner.targets[i]].replace(", lean ", "\nslant ").partition(" of ")[0] for i in six
    ]
    some = np.stack([*digits.train.inputs[digits.draw(1, seed).all[:4]], *digits.test.inputs[:2]])
    inputs = (letters.train.inputs[six], letters.test.inputs[:6], shifted.train.inputs[:6], some)
    shown, fresh, moved, written = map(net.transform, inputs)
    source, hidden = Strip("source:\nletters", shown, told), HIDDEN * 6
    few, none = (Strip("target:\ndigits", written, seen) for seen in ("0123??", hidden))
    new, elsewhere = Strip("target:\nletters", fresh, hidden), Strip("target:\nletters", moved, hidden)
    how = Strip("target: width\nand slant", shown, drawn)
    return {
        "none": Setting("standard supervised learning", True, True, source, new),
        "transductive": Setting("transductive", True, False, source, elsewhere),
        "manner": Setting("inductive", False, True, source, how),
        "inductive": Setting("inductive", False, False, source, few),
        "unsupervised": Setting("unsupervised", False, False, source._replace(labels=hidden), none),
    }


def compared(setting: Setting, sides: Mapping[str, Sequence[float]]) -> Setting:
    """The setting with two means, and with how the first of two sides (n_seeds,) compares to the second."""
    (first, a), (second, b) = sides.items()
    word = WORDS[stats.verdict(a, b).word]
    return setting._replace(note=f"{first} {np.mean(a):.2f}:", verdict=f"{word} {second} ({np.mean(b):.2f})")


def map_of_settings(settings: Sequence[Setting], title: str = "") -> Figure:
    """Rows: the same task or another; columns: the same domain or another; in a box, source above target.

    Raises UserError where a box has no setting, or a strip has not one label for each image.
    """
    cells = {place: [k for k in settings if (k.same_task, k.same_domain) == place] for place in PLACES}
    if not all(cells.values()):
        raise UserError("the map has four boxes, by task and by domain: give at least one setting for each.")
    wide = NAME + STEP * max(len(s.images) for k in settings for s in (k.source, k.target)) + 0.15
    tall = {place: sum(map(_height, cells[place])) + 0.15 for place in PLACES}
    below = TOP + max(tall[place] for place in PLACES[:2]) + GAP
    ax = _sheet(LEFT + 2 * wide + GAP + 0.1, below + max(tall[place] for place in PLACES[2:]) + 0.1)
    ax.text(LEFT, 0.2, title, ha="left", va="center", fontsize=12, weight="bold")
    for place, found in cells.items():
        left, top = LEFT + (wide + GAP) * (not place[1]), TOP if place[0] else below
        box = FancyBboxPatch((left, top), wide, tall[place], boxstyle="round,pad=0,rounding_size=0.08")
        box.set(facecolor="none", edgecolor=GREY, linewidth=1)
        ax.add_patch(box)
        _cell(ax, left + 0.12, top + 0.08, found)
    _directions(ax, wide, below)
    ax.text(LEFT, 0.46, KEY, ha="left", va="center", fontsize=9)
    return ax.figure


def _directions(ax: Axes, wide: float, below: float) -> None:
    """What stays the same in the columns and rows of the map, and between them an arrow."""
    words = {"ha": "left", "va": "center", "fontsize": 11}
    ax.text(LEFT + 0.12, TOP - 0.2, "the same domain", **words)
    ax.text(LEFT + 0.12 + wide + GAP, TOP - 0.2, "another domain", **words)
    words |= {"ha": "center", "va": "top", "rotation": 90}
    ax.text(0.2, TOP + 0.1, "the same task", **words)
    ax.text(0.2, below + 0.1, "another task", **words)
    arrow = {"arrowstyle": "-|>", "color": INK}
    ax.annotate("", (LEFT + wide + GAP, TOP - 0.2), (LEFT + 1.7, TOP - 0.2), arrowprops=arrow)
    ax.annotate("", (0.2, below), (0.2, TOP + 1.4), arrowprops=arrow)


def _sheet(width: float, height: float) -> Axes:
    """Axes over a whole figure, in inches from its upper left corner."""
    figure = plt.figure(figsize=(width, height))
    with plt.rc_context(dict(TEXT)):
        ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    return ax


def _height(setting: Setting) -> float:
    return 0.3 + _tall(setting.source) + _tall(setting.target) + (0.24 if setting.note else 0)


def _tall(strip: Strip) -> float:
    return TILE + 0.1 + LINE * (1 + max(label.count("\n") for label in strip.labels))


def _cell(ax: Axes, x: float, y: float, settings: Sequence[Setting]) -> None:
    """Draw the settings of a box from (x, y) downwards."""
    for setting in settings:
        ax.text(x, y + 0.1, setting.name, ha="left", va="center", fontsize=11, weight="bold")
        below = y + 0.28
        for strip in (setting.source, setting.target):
            ax.text(x + NAME - 0.15, below + TILE / 2, strip.name, ha="right", va="center", fontsize=8.5)
            draw_strip(ax, x + NAME - 0.05, below, strip)
            below += _tall(strip)
        if setting.note:
            said = ax.text(x, below + 0.08, setting.note + "  ", ha="left", va="center", fontsize=9.5)
            colour = look.WRONG if setting.verdict.startswith("worse") else INK
            style = {"va": "center", "fontsize": 9.5, "weight": "bold", "color": colour}
            ax.annotate(setting.verdict, (1, 0.5), xycoords=said, **style)
        y += _height(setting)


def draw_strip(ax: Axes, x: float, y: float, strip: Strip) -> None:
    """Images from (x, y) to the right on axes in inches with y downwards; the limits stay as they are."""
    if len(strip.images) != len(strip.labels):
        raise UserError(f"{strip.name}: {len(strip.labels)} labels for {len(strip.images)} images.")
    limits = ax.get_xlim(), ax.get_ylim()
    for image, label in zip(strip.images, strip.labels, strict=True):
        place = {"extent": (x, x + TILE, y + TILE, y), "aspect": "auto", "interpolation": "nearest"}
        ax.imshow(picture(image), cmap="gray", vmin=0, vmax=1, **place)
        style = {"color": look.SLATE, "weight": "bold", "fontsize": 9} if label == HIDDEN else {"fontsize": 8}
        ax.text(x + TILE / 2, y + TILE + 0.03, label, ha="center", va="top", **style)
        x += STEP
    ax.set(xlim=limits[0], ylim=limits[1])


CLUSTERINGS = ("clusters", "clusters@pixels")  # k-means on the features of the source, or on no network
STARTS = 10  # of k-means, of which the tightest is kept


def named_clusters(found: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The class that each item's cluster is given: no class twice, as many items right as can be.

    A cluster that is left without a class gets -1 (Kuhn 1955, the assignment problem).
    """
    from scipy.optimize import linear_sum_assignment

    both = np.zeros((found.max() + 1, targets.max() + 1), dtype=int)  # cluster x class: how many items
    np.add.at(both, (found, targets), 1)
    given = np.full(len(both), -1)
    cluster, to = linear_sum_assignment(both, maximize=True)
    given[cluster] = to
    return given[found]


def show_clusters(images: Sequence[Any], wrong: Sequence[bool], classes: Sequence[str]) -> Figure:
    """Rows of images, a column for each class: its cluster; those of another class are framed."""
    nrows = len(images) // len(classes)
    titles = [*classes, *[""] * (len(images) - len(classes))]
    figure = gallery(images, titles, ncols=len(classes), rows=[""] * nrows)
    mark_wrong(figure, wrong)
    figure.set_figheight(figure.get_figheight() + 0.35)
    title = "Each column: images of one cluster, below the digit matched to it; framed: another digit"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def _bare(items: Items, chosen: np.ndarray) -> np.ndarray:
    return pixels([items.inputs[int(i)] for i in chosen])


def clustered(task: Task, backbone: Backbone, plan: str = "clusters", seed: int = 0) -> Evaluation:
    """As many clusters as classes; k-means sees half of the training images, which half says the seed.

    predicted: classes, matched to the clusters by the test labels. metrics: their accuracy, and the adjusted
    Rand index, which needs no matching. Raises UserError for a plan that is not in CLUSTERINGS.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    if plan not in CLUSTERINGS:
        raise unknown("plan for clusters", plan, CLUSTERINGS)
    task, end = sealed(task), features.Cut.end(backbone, pooled=True)
    see = _bare if plan == CLUSTERINGS[1] else partial(features.activations, end)
    half = np.random.default_rng(seed).permutation(len(task.train))[: len(task.train) // 2]
    model = KMeans(len(task.classes), n_init=STARTS, random_state=seed)
    model.fit(np.asarray(see(task.train, half), dtype=np.float64))
    seen = np.asarray(see(task.test, np.arange(len(task.test))), dtype=np.float64)
    marked = task.evaluate(lambda _: model.predict(seen), f"{plan}, {backbone.name}, seed {seed}")
    answers = named_clusters(marked.predicted, marked.targets)
    right = task.objective.metrics["accuracy"](answers, marked.targets)
    rand = adjusted_rand_score(marked.targets, marked.predicted)
    found = {"accuracy": right, "adjusted rand": rand}
    return replace(marked, metrics=found, predicted=answers, scores=None, detail={"adjusted rand": rand})


def record_clusters(store: Store, task: Task, backbone: Backbone, plan: str, seed: int) -> Record:
    """What one plan of one seed gave; run now unless the store has it."""
    key = FitKey(task.name, task.digest, backbone.name, backbone.digest, plan, 0, seed, f"k-means-{STARTS}")
    return study.measure(store, key, lambda: clustered(task, backbone, plan, seed))
