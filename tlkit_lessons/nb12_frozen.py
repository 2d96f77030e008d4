"""What changes in a network that learns nothing, and what excites one feature of it."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tlkit.plots.style import GREY, INK, canvas, legend
from tlkit_lessons import drawing
from tlkit_lessons.look import WRONG, guess_line


def predictions_changed(
    changed: Sequence[int], items: int, guess: float | None = None, ax: Axes | None = None
) -> Axes:
    """How many of `items` predictions differ from the first ones, after each batch; the guess is a line."""
    ax = canvas(ax, 7.0, 3.4)
    ax.plot(range(1, len(changed) + 1), changed, "o-", color=WRONG)
    if guess is not None:
        guess_line(ax, guess)
    top = max(*changed, guess or 0, 1)
    ax.set(ylim=(-0.08 * top, 1.15 * top), xlabel="batches that have passed through the model")
    ax.set_ylabel(f"predictions changed, of {items}")
    ax.set_title(f"{changed[-1]} of {items} predictions changed, nothing was trained", loc="left")
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
    right.bar(classes - 0.2, before, 0.4, color=GREY, label="before")
    right.bar(classes + 0.2, after, 0.4, facecolor="white", edgecolor=WRONG, hatch="//", label="after")
    right.set(xticks=classes, ylim=(0, 1), xlabel="class", ylabel="predicted probability")
    right.set_title(f"predicted {before.argmax()} before, {after.argmax()} after", loc="left")
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
    for column, head in ((0, "letters"), (each + 1, "digits")):
        ax = figure.axes[column]
        ax.text(0, 1.42, head, transform=ax.transAxes, fontsize=11, fontweight="bold", color=INK)
    return figure
