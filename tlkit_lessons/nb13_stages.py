"""What each stage of a chain knows: what it finds alike, and how well a probe on it classifies."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from tlkit.backbones.chain import Chain
from tlkit.errors import UserError
from tlkit.plots.style import INK, canvas, look
from tlkit.records import Record, values
from tlkit_lessons.drawing import grid_of, name_rows, picture
from tlkit_lessons.look import INDIGO, WRONG, guess_line, series

_SERIES = 4  # that `look.series` tells apart
_GAP, _FRAME = 0.3, 0.12  # between the images of a strip, and around one, in sides of an image
_LEFT, _RIGHT = 3.3, 2.3  # room for the query and a row's name, and for its note, likewise
_LINE = 0.045  # height of a line of a label, as a share of the axis


class Strip(NamedTuple):
    """What was found for one image: the neighbours, nearest first, which are of its class, and a note."""

    found: Sequence[Any]
    same: Sequence[bool]
    note: str = ""


Block = tuple[Any, Mapping[str, Strip]]  # an image, and what is found for it under the name of each row


def neighbours(blocks: Mapping[str, Block], cell: float = 0.46) -> Figure:
    """An image on the left of each block, and a row of its neighbours, nearest first, for each strip.

    A neighbour of the image's own class has a solid frame, another a dashed one and a cross; a strip's note
    stands at its right. `cell` is an image's side in inches. Raises UserError for no blocks, strips of
    different lengths, or as many answers as there are no neighbours.
    """
    strips = [strip for _, rows in blocks.values() for strip in rows.values()]
    if len({len(s.found) for s in strips}) != 1 or any(len(s.found) != len(s.same) for s in strips):
        raise UserError("every strip needs the same number of neighbours, and whether each is of the class.")
    figure = plt.figure()
    ax, y = figure.add_axes((0, 0, 1, 1)), 0.0
    for name, (image, rows) in blocks.items():
        y = _block(ax, y, name, image, rows) - _GAP
    width = _LEFT + len(strips[0].found) * (1 + _GAP) + _RIGHT
    ax.set(xlim=(0, width), ylim=(y, 0))
    ax.set_axis_off()
    figure.set_size_inches(cell * width, -cell * y)
    return figure


def _block(ax: Axes, top: float, name: str, image: Any, rows: Mapping[str, Strip]) -> float:
    """Draw one block below `top`, and say where it ends."""
    words, y = {"fontsize": 10, "color": INK, "va": "center"}, top
    _framed(ax, 0.3, top - 1 - _GAP, image, INK, "-", 2.4)
    ax.text(0.8, top - 1.4 - _GAP, name, ha="center", **words | {"weight": "bold"})
    for row, strip in rows.items():
        y -= 1 + _GAP
        ax.text(_LEFT - 0.25, y + 0.5, row, ha="right", **words)
        for k, (neighbour, same) in enumerate(zip(strip.found, strip.same, strict=True)):
            x = _LEFT + k * (1 + _GAP)
            _framed(ax, x, y, neighbour, *((INDIGO, "-", 2.4) if same else (WRONG, (0, (2, 1.2)), 1.4)))
            if not same:
                ax.plot(x + 1, y + 1, "X", color=WRONG, markersize=8, markeredgecolor="white", zorder=5)
        ax.text(_LEFT + len(strip.found) * (1 + _GAP), y + 0.5, strip.note, **words)
    return min(y, top - 1.6 - _GAP)  # below the name, too


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
    levels: Mapping[str, float] | None = None,
    guess: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Accuracy behind each stage: thin lines are single networks, the thick one is their mean.

    curves: (networks, stages) accuracies under a name, which stands at the end of its line; levels: what no
    stage decides, such as chance, as dotted lines under their names; guess: after how many stages somebody
    would cut. Set the limits of a given `ax` first: they keep the names apart. Raises UserError for other
    shapes, more than four curves, or a guess outside of the chain.
    """
    ax, names = canvas(ax, 5.6, 3.8), {}
    if len(curves) > _SERIES:
        raise UserError(f"{len(curves)} curves are too many to tell apart: draw at most {_SERIES}.")
    for k, (name, given) in enumerate(curves.items()):
        each = np.atleast_2d(np.asarray(given, float))
        if each.shape[1] != len(stages):
            raise UserError(
                f"{name}: {each.shape[1]} accuracies for the {len(stages)} stages: give one each."
            )
        ax.plot(each.T, **series(k) | {"linestyle": "-"}, linewidth=0.8, markersize=2.5, alpha=0.5)
        ax.plot(each.mean(0), **series(k), linewidth=2.2, markersize=7)
        names[name] = float(each.mean(0)[-1])
    for name, level in (levels or {}).items():
        colour = look("pixels")["color"] if "pixels" in name else INK
        ax.axhline(level, color=colour, linestyle=":", linewidth=1.4, zorder=1)
    if guess is not None:
        if not 1 <= guess <= len(stages):
            raise UserError(f"a cut after {guess} stages: this chain has {len(stages)}, give 1 to so many.")
        guess_line(ax, guess - 1, "x")
    ax.set_xticks(range(len(stages)), list(stages))
    ax.set(xlim=(-0.2, len(stages) - 0.8), xlabel="features after this stage", ylabel="test accuracy")
    ax.label_outer()
    _at_the_end(ax, names | dict(levels or {}), list(map(series, range(len(curves)))))
    return ax


Panel = tuple[Mapping[str, ArrayLike], Mapping[str, float], int | None]  # curves, levels, guess


def side_by_side(
    stages: Sequence[str], panels: Mapping[str, Panel], low: float, ring: bool = False
) -> Figure:
    """A panel of `accuracy_by_stage` under each title, on one accuracy axis that starts at `low`.

    ring: around the best of each panel (`best`).
    """
    figure, axes = plt.subplots(
        1, len(panels), figsize=(4.2 * len(panels), 4), layout="constrained", sharey=True, squeeze=False
    )
    axes[0, 0].set_ylim(low, 1.06)
    for ax, (title, (curves, levels, guess)) in zip(axes.flat, panels.items(), strict=True):
        accuracy_by_stage(stages, curves, levels, guess, ax).set_title(title, loc="left", fontsize=11)
        if ring:
            name, stage = best(curves, stages)
            x = list(stages).index(stage)
            y = np.atleast_2d(curves[name]).mean(0)[x]
            ax.plot(x, y, "o", markersize=15, markerfacecolor="none", markeredgecolor=INK, mew=1.6)
            ax.annotate("best", (x, y), (0, 11), textcoords="offset points", ha="center", fontsize=9)
    axes[0, 0].set_ylabel(f"test accuracy (axis starts at {low:g})")
    return figure


def best(curves: Mapping[str, ArrayLike], stages: Sequence[str]) -> tuple[str, str]:
    """The curve with the highest mean over its networks, and the stage where that is."""
    means = {name: np.atleast_2d(np.asarray(each, float)).mean(0) for name, each in curves.items()}
    name = max(means, key=lambda name: means[name].max())
    return name, stages[int(means[name].argmax())]


def _at_the_end(ax: Axes, heights: Mapping[str, float], looks: Sequence[Mapping[str, Any]]) -> None:
    """Each name at the right end of its line; names that would touch are pushed apart, from below."""
    low, high = ax.get_ylim()
    top, half = -np.inf, _LINE * (high - low) / 2
    colours = {name: style["color"] for name, style in zip(heights, looks, strict=False)}
    for name, height in sorted(heights.items(), key=lambda pair: pair[1]):
        tall = half * (1 + name.count("\n"))
        y, top = max(height, top + tall), max(height, top + tall) + tall
        ax.annotate(
            name, (1, y), (5, 0), xycoords=ax.get_yaxis_transform(), textcoords="offset points", va="center",
            fontsize=9, color=colours.get(name, INK), annotation_clip=False,
        )  # fmt: skip


def by_stage(records: Iterable[Record], backbone: str, stages: Sequence[str], labels: int) -> list[float]:
    """Mean test accuracy over the seeds of a frozen `backbone` cut after each of `stages`.

    Raises UserError where a stage has no records at so many labels.
    """
    records, found = list(records), []
    for stage in stages:
        name = f"{backbone},until={stage}"
        seeds = values(records, plan="frozen", labels=labels, backbone=name)
        if not seeds:
            raise UserError(f"there are no records of {name} at {labels} labels: run it, or leave it out.")
        found.append(float(np.mean(list(seeds.values()))))
    return found


def reestimated(chain: Chain, images: torch.Tensor) -> Chain:
    """The chain, its batch-norm statistics re-estimated on `images` (N x channels x H x W); in eval mode."""
    stages = torch.nn.Sequential(*chain.stages.values()).train()
    torch.optim.swa_utils.update_bn([images], stages)
    return chain.eval()


def filters(weight: Any, ncols: int = 12, responses: Any = None, rows: Sequence[str] = ()) -> Figure:
    """The filters of a first convolution, weight (out, 1 or 3, height, width); mid-grey is zero.

    responses: (images, out, H, W), what comes out of them, never negative: then all filters stand in one
    row, and below each is its response to every image, bright where it is strong. rows: one name to the
    left of each row. Raises UserError for a layer that does not take images, responses of another number of
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
