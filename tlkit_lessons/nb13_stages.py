"""What each stage of a chain knows: what it finds alike, and how well it can be read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from tlkit.errors import UserError
from tlkit.plots.style import BLACK, BLUE, GREEN, INK, ORANGE, PURPLE, VERMILION, canvas, look
from tlkit.records import Record, values
from tlkit_lessons.drawing import grid_of, name_rows, picture

Strip = tuple[
    Any, Sequence[Any], Sequence[bool]
]  # a picture, what was found for it, and which are of its kind
_READINGS = (
    (BLUE, "o", "-"),
    (VERMILION, "s", "--"),
    (GREEN, "^", "-."),
    (ORANGE, "D", ":"),
    (BLACK, "v", (0, (6, 1, 1, 1, 1, 1))),
)
_GAP, _FRAME = 0.35, 0.12  # between pictures of a strip, and around one, in pictures


def neighbours(rows: Mapping[str, Sequence[Strip]], cell: float = 0.62) -> Figure:
    """Rows of strips: a picture, and after an arrow its neighbours, nearest first.

    A neighbour of the picture's own kind has a solid blue frame, another a dashed red one and a cross. `rows`
    gives the strips of each row, side by side, under the row's name; `cell` is a picture's side in inches.
    Raises UserError for no rows, rows that differ in shape, or as many marks as there are no neighbours.
    """
    shapes = {tuple(len(found) for _, found, _ in strips) for strips in rows.values()}
    marks = {len(found) == len(same) for strips in rows.values() for _, found, same in strips}
    if len(shapes) != 1 or marks != {True}:
        raise UserError("every row needs strips of the same lengths, and a mark for each neighbour.")
    figure = plt.figure()
    ax, left, top = figure.add_axes((0, 0, 1, 1)), -2.0, 1 + _GAP / 2
    for down, (name, strips) in enumerate(rows.items()):
        y, x = -down * (1 + _GAP), 0.0
        ax.text(-0.4, y + 0.5, name, ha="right", va="center", fontsize=10, color=INK)
        for strip in strips:
            x = _strip(ax, x, y, *strip) + 0.6
    right, bottom = x - 0.6, top - (1 + _GAP) * len(rows)
    ax.set(xlim=(left, right), ylim=(bottom, top))
    ax.set_axis_off()
    figure.set_size_inches(cell * (right - left), cell * (top - bottom))
    return figure


def _strip(ax: Axes, x: float, y: float, wanted: Any, found: Sequence[Any], same: Sequence[bool]) -> float:
    _framed(ax, x, y, wanted, BLACK, "-", 2.4)
    ax.annotate("", (x + 1.72, y + 0.5), (x + 1.18, y + 0.5), arrowprops={"arrowstyle": "-|>", "color": INK})
    x += 1.9
    for image, kin in zip(found, same, strict=True):
        _framed(ax, x, y, image, *((BLUE, "-", 2.4) if kin else (VERMILION, (0, (2, 1.2)), 1.4)))
        if not kin:
            ax.plot(x + 1, y + 1, "X", color=VERMILION, markersize=8, markeredgecolor="white", zorder=5)
        x += 1 + _GAP
    return x


def _framed(ax: Axes, x: float, y: float, image: Any, colour: str, line: Any, width: float) -> None:
    place = (x, x + 1, y, y + 1)
    ax.imshow(picture(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest", extent=place)
    side = 1 + _FRAME
    box = Rectangle((x - _FRAME / 2, y - _FRAME / 2), side, side, fill=False, linestyle=line)
    box.set(edgecolor=colour, linewidth=width)
    ax.add_patch(box)


def accuracy_by_stage(
    stages: Sequence[str],
    curves: Mapping[str, ArrayLike],
    pixels: float | None = None,
    guess: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """How well a task is read behind each stage: thin lines are single networks, thick ones their mean.

    curves: (networks, stages) accuracies under the name of each way to read; pixels: the accuracy without a
    network, a dotted line; guess: behind how many stages somebody would cut, a dashed line. The first
    of several axes in a figure has the legend. Raises UserError
    for other shapes, more than five names, or a guess outside of the chain.
    """
    beside = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if ax is None else {}
    ax = canvas(ax, 6.6, 3.4)
    if len(curves) > len(_READINGS):
        raise UserError(f"{len(curves)} curves cannot be told apart: draw at most {len(_READINGS)}.")
    for (name, given), (colour, marker, line) in zip(curves.items(), _READINGS, strict=False):
        each = np.atleast_2d(np.asarray(given, float))
        if each.shape[1] != len(stages):
            raise UserError(
                f"{name}: {each.shape[1]} accuracies for the {len(stages)} stages: give one each."
            )
        ax.plot(each.T, color=colour, linewidth=0.9, marker=marker, markersize=3, alpha=0.55)
        style = {"color": colour, "linestyle": line, "marker": marker, "markersize": 7}
        ax.plot(each.mean(0), **style, linewidth=2.2, label=name)
    if pixels is not None:
        ax.axhline(pixels, **look("pixels") | {"marker": "", "label": "pixels, no network"}, linewidth=1.6)
    if guess is not None:
        if not 1 <= guess <= len(stages):
            raise UserError(f"a cut behind {guess} stages: this chain has {len(stages)}, give 1 to so many.")
        ax.axvline(guess - 1, color=PURPLE, linestyle="--", linewidth=2, zorder=0, label="your guess")
    ax.set_xticks(range(len(stages)), list(stages))
    ax.set(xlim=(-0.3, len(stages) - 0.7), xlabel="read behind this stage", ylabel="test accuracy")
    if not any(other.get_legend() for other in ax.figure.axes):  # one key will do for panels side by side
        ax.legend(handlelength=3, edgecolor="white", framealpha=0.8, **beside)
    return ax


def by_stage(records: Iterable[Record], backbone: str, stages: Sequence[str], labels: int) -> list[float]:
    """Mean test accuracy over the draws of a frozen `backbone` read until each of `stages`.

    Raises UserError where a stage was not read at so many labels.
    """
    records, found = list(records), []
    for stage in stages:
        name = f"{backbone},until={stage}"
        draws = values(records, plan="frozen", labels=labels, backbone=name)
        if not draws:
            raise UserError(f"there are no records of {name} at {labels} labels: run it, or leave it out.")
        found.append(float(np.mean(list(draws.values()))))
    return found


def filters(weight: Any, ncols: int = 12, responses: Any = None, rows: Sequence[str] = ()) -> Figure:
    """The filters of a first convolution, weight (out, 1 or 3, height, width); mid-grey is zero.

    responses: (pictures, out, H, W), what comes out of them, never negative: then all filters stand in one
    row, and below each is its response to every picture, bright where it is strong. rows: one name to the
    left of each row. Raises UserError for a layer that does not read pictures, responses of another number of
    filters, or names for another number of rows.
    """
    array = np.asarray(weight.detach() if hasattr(weight, "detach") else weight, float)
    if array.ndim != 4 or array.shape[1] not in (1, 3):
        raise UserError(
            f"filters of shape {array.shape} cannot be shown: give those of the first convolution."
        )
    grey = (array / max(float(np.abs(array).max()), 1e-12) + 1) / 2
    shown = [picture(one) for one in np.moveaxis(grey, 1, -1)]
    if responses is not None:
        below = np.asarray(responses, float)
        if below.ndim != 4 or below.shape[1] != len(array):
            raise UserError(f"responses of shape {below.shape} do not belong to {len(array)} filters.")
        ncols = len(array)
        shown += [one / max(float(one.max()), 1e-12) for rows in below for one in rows]
    figure, axes = grid_of(len(shown), ncols, 0.55 if responses is None else 0.7, False)
    name_rows(axes, ncols, rows)
    for ax, one in zip(axes, shown, strict=True):
        ax.imshow(one, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    return figure
