"""The kinds of transfer as a map of pictures, and sources: their own pictures beside what they are worth."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from tlkit import features, study
from tlkit.backbones import Backbone
from tlkit.errors import UserError, unknown
from tlkit.plots.style import BLUE, GREEN, GREY, INK, PALE, PURPLE, TEXT, VERMILION, canvas
from tlkit.records import FitKey, Record, Store
from tlkit.stats import Verdict
from tlkit.tasks import Evaluation, Items, Task
from tlkit.tasks.objective import pixels
from tlkit_lessons import material
from tlkit_lessons.adapt.domains import sealed
from tlkit_lessons.drawing import picture
from tlkit_lessons.figures import gain_rows

HIDDEN = "?"  # stands below a picture whose label the learner does not see
PICTURE, STEP = 0.37, 0.43  # inches: the side of a picture, and from one to the next
ROW, PANEL = 0.72, 2.4  # inches: a row of sources, and the width of a panel of gains
NAME, LINE = 1.15, 0.13  # inches: the column of names left of a strip, and a line of small text
PLACES = ((True, True), (True, False), (False, True), (False, False))  # same task, same domain
KEY = "Below a picture: the label that the learner sees.\n?  It sees the picture, and no label."
_COLOURS = {"transductive": GREEN, "inductive": BLUE, "unsupervised": VERMILION}


class Strip(NamedTuple):
    """A row of pictures with its name, and below each the label that the learner sees, or HIDDEN."""

    name: str
    images: Sequence[Any]
    labels: Sequence[str]


class Kind(NamedTuple):
    """A kind of transfer: its place on the map, a strip of its source, one of its target, a note below."""

    name: str
    same_task: bool
    same_domain: bool
    source: Strip
    target: Strip
    note: str = ""


def map_of_kinds(kinds: Sequence[Kind]) -> Figure:
    """Sameness of the task downwards, of the domain across: every kind in its place, source above target.

    Raises UserError where a place has no kind, or a strip has not one label for each picture.
    """
    cells = {place: [k for k in kinds if (k.same_task, k.same_domain) == place] for place in PLACES}
    if not all(cells.values()):
        raise UserError("the map has four places, by task and by domain: give at least one kind for each.")
    wide = NAME + STEP * max(len(s.images) for k in kinds for s in (k.source, k.target)) + 0.3
    tall = [max(sum(map(_height, cells[place])) for place in row) + 0.2 for row in (PLACES[:2], PLACES[2:])]
    ax = _sheet(2 * wide + 0.65, sum(tall) + 0.5)
    for column, word in enumerate(("the same domain", "another domain")):
        ax.text(0.45 + (column + 0.5) * wide, 0.17, word, ha="center", va="center", fontsize=11)
    for row, word in enumerate(("the same task", "another task")):
        top = 0.35 + row * (tall[0] + 0.1)
        style = {"ha": "center", "va": "center", "rotation": 90, "fontsize": 11}
        ax.text(0.2, top + tall[row] / 2, word, **style)
        for column in range(2):
            left = 0.4 + column * (wide + 0.1)
            box = FancyBboxPatch((left, top), wide, tall[row], boxstyle="round,pad=0,rounding_size=0.08")
            box.set(facecolor="none", edgecolor=GREY, linewidth=1)
            ax.add_patch(box)
            bottom = _cell(ax, left + 0.12, top + 0.1, cells[PLACES[2 * row + column]])
            if top + tall[row] - bottom > 0.5:
                style = {"ha": "left", "va": "bottom", "fontsize": 9, "color": INK}
                ax.text(left + 0.12, top + tall[row] - 0.12, KEY, **style)
    return ax.figure


def _sheet(width: float, height: float) -> Axes:
    """Axes over a whole figure, in inches from its upper left corner."""
    figure = plt.figure(figsize=(width, height))
    with plt.rc_context(dict(TEXT)):
        ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    return ax


def _height(kind: Kind) -> float:
    return 0.3 + _tall(kind.source) + _tall(kind.target) + (0.22 if kind.note else 0)


def _tall(strip: Strip) -> float:
    return PICTURE + 0.1 + LINE * (1 + max(label.count("\n") for label in strip.labels))


def _cell(ax: Axes, x: float, y: float, kinds: Sequence[Kind]) -> float:
    """Draw the kinds of a place from (x, y) downwards; where the last one ends."""
    for kind in kinds:
        colour = next((c for word, c in _COLOURS.items() if word in kind.name), INK)
        ax.text(x, y + 0.1, kind.name, ha="left", va="center", fontsize=11, weight="bold", color=colour)
        below = y + 0.3
        for strip in (kind.source, kind.target):
            ax.text(x + NAME - 0.1, below + PICTURE / 2, strip.name, ha="right", va="center", fontsize=8.5)
            draw_strip(ax, x + NAME, below, strip)
            below += _tall(strip)
        if kind.note:
            ax.text(x, below + 0.06, kind.note, ha="left", va="center", fontsize=9)
        y += _height(kind)
    return y


def draw_strip(ax: Axes, x: float, y: float, strip: Strip) -> None:
    """Pictures from (x, y) to the right on axes in inches with y downwards; the limits stay as they are."""
    if len(strip.images) != len(strip.labels):
        raise UserError(f"{strip.name}: {len(strip.labels)} labels for {len(strip.images)} pictures.")
    limits = ax.get_xlim(), ax.get_ylim()
    for image, label in zip(strip.images, strip.labels, strict=True):
        place = {"extent": (x, x + PICTURE, y + PICTURE, y), "aspect": "auto", "interpolation": "nearest"}
        ax.imshow(picture(image), cmap="gray", vmin=0, vmax=1, **place)
        style = {"color": VERMILION, "weight": "bold", "fontsize": 9} if label == HIDDEN else {"fontsize": 8}
        ax.text(x + PICTURE / 2, y + PICTURE + 0.03, label, ha="center", va="top", **style)
        x += STEP
    ax.set(xlim=limits[0], ylim=limits[1])


def sources_and_gains(
    strips: Mapping[str, Strip],
    gains: Mapping[str, Mapping[str, Verdict]],
    against: str = "scratch",
    guess: int | None = None,
) -> Figure:
    """A row a source: what it was brought up on, and its gain with each plan, on an axis of the plan's own.

    gains: plan -> source -> verdict; the best of the first plan stands on top. Filled: the interval lies off
    zero. guess: how many of them, counted from below, somebody expects to harm with the first plan. Raises
    UserError for a source without a strip.
    """
    first = next(iter(gains.values()))
    order = sorted(first, key=lambda source: first[source].mean)
    if missing := [source for source in order if source not in strips]:
        raise UserError(f"no pictures for source {missing[0]!r}: give a strip for each.")
    wide = NAME + STEP * max(len(strip.images) for strip in strips.values()) + 0.15
    width, tall = wide + (PANEL + 0.3) * len(gains), ROW * len(order)
    height = tall + 0.85
    figure = plt.figure(figsize=(width, height))
    left = canvas(figure.add_axes((0.2 / width, 0.5 / height, (wide - 0.2) / width, tall / height)))
    _brought_up(left, [strips[source] for source in reversed(order)], wide - 0.2)
    for k, (plan, found) in enumerate(gains.items()):
        place = ((wide + 0.1 + (PANEL + 0.3) * k) / width, 0.5 / height, PANEL / width, tall / height)
        ax = canvas(figure.add_axes(place))
        gain_rows(ax, {plan: found}, order)
        _harm_and_gain(ax, list(found.values()))
        ax.set(ylim=(-0.5, len(order) - 0.5), xlabel=f"gain in accuracy over {against}")
        ax.set_title(plan)
        if guess is not None and k == 0:
            ax.axhline(guess - 0.5, color=PURPLE, linestyle="--", linewidth=1.4)
            style = {"ha": "left", "va": "bottom", "fontsize": 8, "color": PURPLE}
            ax.text(
                0.02,
                guess - 0.48,
                f"your guess: these {guess} harm",
                transform=ax.get_yaxis_transform(),
                **style,
            )
    return figure


def _harm_and_gain(ax: Axes, found: Sequence[Verdict]) -> None:
    """A line for each row, a tint below zero, and how many intervals lie on either side of it."""
    low, high = ax.get_xlim()
    low, high = min(low, -0.25 * high), max(high, -0.25 * low)
    ax.axvspan(low, 0, color=PALE, alpha=0.6, linewidth=0, zorder=0)
    ax.hlines(range(len(found)), low, high, color=GREY, linewidth=0.4, linestyle=":", zorder=0)
    ax.set(xlim=(low, high), yticks=[])
    ax.locator_params(axis="x", nbins=4)
    harm, gain = sum(v.high < 0 for v in found), sum(v.low > 0 for v in found)
    for x, side, word in ((0, "left", f"{harm} harm"), (1, "right", f"{gain} gain")):
        ax.text(x, 1.01, word, ha=side, va="bottom", transform=ax.transAxes, fontsize=9, color=INK)


def _brought_up(ax: Axes, strips: Sequence[Strip], wide: float) -> None:
    """The strips from above, on axes in inches."""
    ax.set(xlim=(0, wide), ylim=(ROW * len(strips), 0), xticks=[], yticks=[])
    ax.set_xlabel("what it was brought up on, and the names told")
    ax.spines[:].set_visible(False)
    for k, strip in enumerate(strips):
        style = {"ha": "right", "va": "center", "fontsize": 9}
        ax.text(NAME - 0.1, ROW * k + 0.06 + PICTURE / 2, strip.name, **style)
        draw_strip(ax, NAME, ROW * k + 0.06, strip)


def pretraining_samples(backbone: Backbone, count: int = 8, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Pictures (count x 1 x 8 x 8) of as many classes, drawn anew, and the name that was told with each.

    The names are empty where none were told; where names were learnt by lot, they are by lot here as well. Of
    fewer classes than `count` there is one picture each. Raises UserError for a network without such a card.
    """
    how = backbone.card.get("pretraining", {})
    classes = backbone.card.get("classes", ())
    if family := how.get("family"):
        if family not in material.FAMILIES:
            raise UserError(f"{backbone.name} was brought up on {family}, of which this module draws none.")
        images, which = material.FAMILIES[family][0](1, seed)
    elif how.get("alphabet"):
        images, which, *_ = material.glyphs(how["alphabet"], 1, seed, strength=how["strength"])
    else:
        raise UserError(f"{backbone.name} has no recipe of ours: what it was brought up on is not known.")
    which = which[:count]
    if how.get("contrast"):  # two views of a picture, and no names
        return images[:count], [""] * len(which)
    if how.get("memorise"):
        which = np.random.default_rng(seed).permutation(len(classes))[:count]
    return images[:count], [classes[i] for i in which]


CLUSTERINGS = ("clusters", "clusters@pixels")  # k-means on the features of the source, or on no network
STARTS = 10  # of k-means, of which the tightest is kept


def named_clusters(found: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The class after which each item's heap is called: no two heaps after one, as many right as can be.

    A heap that is left without a class is called -1 (Kuhn 1955, the assignment problem).
    """
    from scipy.optimize import linear_sum_assignment

    both = np.zeros((found.max() + 1, targets.max() + 1), dtype=int)  # heap x class: how many items
    np.add.at(both, (found, targets), 1)
    names = np.full(len(both), -1)
    heap, after = linear_sum_assignment(both, maximize=True)
    names[heap] = after
    return names[found]


def _bare(items: Items, chosen: np.ndarray) -> np.ndarray:
    return pixels([items.inputs[int(i)] for i in chosen])


def clustered(task: Task, backbone: Backbone, plan: str = "clusters", seed: int = 0) -> Evaluation:
    """As many heaps as classes; k-means is shown half of the training pictures, which half says the seed.

    predicted: answers, once the heaps are named from the one reading of the test. metrics: accuracy of these,
    and the adjusted Rand index, which needs no names. Raises UserError for a plan that is not in CLUSTERINGS.
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
