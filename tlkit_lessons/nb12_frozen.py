"""What changes in a network that learns nothing, what excites one feature of it, and what freezing gives."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tlkit import records
from tlkit.plots.style import GREY, INK, canvas, legend
from tlkit.records import Record
from tlkit_lessons import drawing
from tlkit_lessons.look import WRONG, guess_line
from tlkit_lessons.paired import paired_dots


def predictions_changed(
    changed: Sequence[int], items: int, guess: float | None = None, ax: Axes | None = None
) -> Axes:
    """How many of `items` predictions differ from the first ones, after each batch; the guess is a line."""
    ax = canvas(ax, 7.0, 3.4)
    ax.plot(range(1, len(changed) + 1), changed, "o-", color=WRONG)
    if guess is not None:
        guess_line(ax, guess)
    top = max(*changed, guess or 0, 1)
    ax.set(ylim=(-0.08 * top, 1.15 * top), xlabel="batches passed through the model in training mode")
    ax.set_ylabel(f"predictions changed, of {items}")
    ax.set_title(f"Training mode alone changed {changed[-1]} of {items} predictions", loc="left")
    return ax


def before_and_after(image: Any, label: int, before: ArrayLike, after: ArrayLike) -> Figure:
    """An image with its true label, and the probability of each class (n_classes,) before and after."""
    before, after = np.asarray(before), np.asarray(after)
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.0), width_ratios=(1, 3), layout="constrained")
    left.imshow(drawing.picture(image), cmap="gray", vmin=0, vmax=1)
    left.set_axis_off()
    left.set_title(f"true label: {label}", fontsize=10)
    canvas(right)
    classes = np.arange(before.size)
    right.bar(classes - 0.2, before, 0.4, color=GREY, label="before the batches")
    right.bar(
        classes + 0.2, after, 0.4, facecolor="white", edgecolor=WRONG, hatch="//", label="after the batches"
    )
    right.set(xticks=classes, ylim=(0, 1), xlabel="class", ylabel="predicted probability")
    right.set_title(f"Predicted class: {before.argmax()} before, {after.argmax()} after", loc="left")
    legend(right)
    return figure


def most_active(
    images: tuple[Sequence[Any], Sequence[Any]],
    titles: tuple[Sequence[str], Sequence[str]],
    rows: Sequence[str],
) -> Figure:
    """Letters on the left, digits on the right, a row for each feature; as many of each in every row."""
    letters, digits = images
    each = len(letters) // len(rows)
    gap = np.ones(np.shape(drawing.picture(letters[0])))
    shown, words = [], []
    for start in range(0, len(letters), each):
        row = slice(start, start + each)
        shown += [*letters[row], gap, *digits[row]]
        words += [*titles[0][row], "", *titles[1][row]]
    figure = drawing.gallery(shown, words, ncols=2 * each + 1, rows=rows)
    figure.set_figheight(figure.get_figheight() + 0.4)
    figure.suptitle(
        f"Each row: the {each} letters and the {each} digits with the highest value of one feature",
        x=0.02,
        ha="left",
    )
    for column, head in ((0, "letters"), (each + 1, "digits")):
        ax = figure.axes[column]
        ax.text(0, 1.42, head, transform=ax.transAxes, fontsize=11, fontweight="bold", color=INK)
    return figure


def frozen_and_full(rows: Sequence[Record], budgets: Sequence[int] = (1, 5), seeds: int = 10) -> Figure:
    """A panel for each number of labels: `frozen` and `full` of the same seeds, and their mean accuracies."""
    figure, axes = plt.subplots(1, len(budgets), figsize=(8, 3.8), layout="constrained", sharey=True)
    for ax, n in zip(np.atleast_1d(axes), budgets, strict=True):
        sides = (records.values(rows, plan=plan, labels=n) for plan in ("frozen", "full"))
        frozen, full = ([side[seed] for seed in range(seeds)] for side in sides)
        paired_dots(frozen, full, ("frozen", "full"), ax)
        for x, values, side in ((0, full, "right"), (1, frozen, "left")):
            mean, away = float(np.mean(values)), 0.12 * (2 * x - 1)
            ax.plot(x, mean, "_", color=INK, markersize=26, markeredgewidth=2.5, zorder=3)
            ax.text(x + away, mean, f"mean\n{mean:.2f}", ha=side, va="center", fontsize=9, color=INK)
        ax.set_title(f"{n} label{'s' * (n > 1)} per class:\n{ax.get_title(loc='left')}", loc="left")
    for ax in figure.axes[1:]:
        ax.set_ylabel("")
    return figure
