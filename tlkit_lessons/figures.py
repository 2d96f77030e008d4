"""Figures that several pages share: gains by source, bars by stage, predictions below images, break-even."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit.errors import UserError
from tlkit.plots.style import INK, canvas, legend, look
from tlkit.stats import Verdict
from tlkit_lessons import look as looks
from tlkit_lessons.drawing import picture

ASIDE = 0.012  # similarity: plans side by side, so that intervals do not overlap


def gain_along(
    similarities: Sequence[float],
    gains: Mapping[str, Sequence[Verdict]],
    against: str = "scratch",
    guess: float | None = None,
    shown: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Gain of each plan over `against` at each similarity with its 95 % interval, from near to far.

    Filled: the interval lies off zero. guess: where the reader expects the gain to be gone. shown: only so
    many, from the nearest on, on axes that stay the same. Raises UserError where a plan has no verdict for
    each similarity.
    """
    ax = canvas(ax, 5.6, 3.6)
    order = np.argsort(similarities)[::-1]
    for k, (plan, found) in enumerate(gains.items()):
        if len(found) != len(similarities):
            raise UserError(
                f"{plan} has {len(found)} gains at {len(similarities)} similarities: give each one."
            )
        style, part = looks.plan(plan), [found[i] for i in order][:shown]
        x = np.array([similarities[i] for i in order][:shown]) + ASIDE * (k - (len(gains) - 1) / 2)
        ax.plot(x, [v.mean for v in part], **style | {"marker": "", "label": None}, linewidth=1.3)
        ax.vlines(x, [v.low for v in part], [v.high for v in part], color=style["color"], linewidth=1.6)
        for at, v in zip(x, part, strict=True):
            face = style["color"] if v.low > 0 or v.high < 0 else "white"
            ax.plot(at, v.mean, **style | {"markerfacecolor": face, "label": None}, markersize=7)
        ax.plot([], [], **style)
    ax.axhline(0, color=INK, linewidth=1)
    if guess is not None:
        looks.guess_line(ax, guess, "x", f"your guess: {guess:g}")
    every = [end for found in gains.values() for v in found for end in (v.low, v.high, 0.0)]
    pad = 0.06 * (max(every) - min(every))
    ax.set(xlim=(1.05, -0.05), ylim=(min(every) - 2 * pad, max(every) + pad))
    ax.set_xlabel("similarity to the source (1: the same)")
    ax.set_ylabel(f"gain in accuracy over {against}")
    legend(ax, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, columnspacing=1)
    return ax


def gain_by_source(
    gains: Mapping[str, Mapping[str, Verdict]], against: str = "scratch", ax: Axes | None = None
) -> Axes:
    """Gain of each plan over `against` from each source, best first; gains: plan -> source -> verdict.

    Sources are ordered by the first plan; filled: the interval lies off zero. Raises UserError for none.
    """
    if not gains or not all(gains.values()):
        raise UserError("there are no gains to draw: give a verdict for at least one source.")
    first = next(iter(gains.values()))
    order = sorted(first, key=lambda source: first[source].mean)
    ax = canvas(ax, 6.4, 0.9 + 0.3 * len(order))
    gain_rows(ax, gains, order)
    ax.set_ylabel("source")
    ax.set_xlabel(f"gain in accuracy over {against} (95 % interval; filled: excludes zero)")
    legend(ax, loc="upper left")
    return ax


def gain_near_and_far(
    gains: Mapping[str, Mapping[str, Mapping[str, Verdict]]],
    against: str = "scratch",
    guess: tuple[str, float] | None = None,
) -> Figure:
    """Gain of each plan over `against` from each source, a panel for each target, nearest first.

    gains: target -> plan -> source -> verdict; a source without a verdict for a plan has no marker there. The
    sources stand in the order in which they are given, the first on top. Filled: the interval lies off zero.
    guess: a target, and the gain that somebody expects there. Raises UserError for no target, or a guess for
    one that is not there.
    """
    if not gains or (guess and guess[0] not in gains):
        raise UserError("there is no target to draw the gains on: give one, and guess on one that is there.")
    order = list(dict.fromkeys(s for plans in gains.values() for each in plans.values() for s in each))[::-1]
    size = (1.6 + 3.1 * len(gains), 1.3 + 0.42 * len(order))
    figure, axes = plt.subplots(1, len(gains), figsize=size, sharex=True, squeeze=False, layout="constrained")
    for ax, (target, plans) in zip(axes[0], gains.items(), strict=True):
        canvas(ax)
        gain_rows(ax, plans, order)
        ax.set_title(target, loc="left", fontsize=11)
        if guess and guess[0] == target:
            looks.guess_line(ax, guess[1], "x", f"your guess: {guess[1]:+g}")
    for ax in axes[0, 1:]:
        ax.set_yticklabels([])
    axes[0, 0].set_ylabel("source")
    figure.supxlabel(f"gain in accuracy over {against} (95 % interval; filled: excludes zero)", fontsize=10)
    keys = {label: key for ax in axes[0] for key, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(keys.values(), keys.keys(), frameon=False, loc="outside upper center", ncols=len(keys))
    return figure


def gain_rows(ax: Axes, gains: Mapping[str, Mapping[str, Verdict]], order: Sequence[str]) -> None:
    """An interval and a marker for each plan and source, the last source of `order` on top."""
    for k, (plan, found) in enumerate(gains.items()):
        style = looks.plan(plan)
        for row, source in enumerate(order):
            if source not in found:
                continue
            v, y = found[source], row - 0.22 * (k - (len(gains) - 1) / 2)
            face = style["color"] if v.low > 0 or v.high < 0 else "white"
            ax.hlines(y, v.low, v.high, color=style["color"], linewidth=1.6)
            ax.plot(v.mean, y, **style | {"markerfacecolor": face, "label": None}, markersize=6.5)
        ax.plot([], [], **style | {"linestyle": ""})
    ax.axvline(0, color=INK, linewidth=1)
    ax.set_yticks(range(len(order)), order)
    ax.set_ylim(-0.6, len(order) - 0.4)


def break_even(
    pretrain_cost: float,
    cost_per_task_transfer: float,
    cost_per_task_scratch: float,
    unit: str = "floating-point operations",
    ax: Axes | None = None,
) -> Axes:
    """Total cost over the number of tasks, with and without pretraining; a mark where the lines cross."""
    ax = canvas(ax, 6.0, 3.6)
    saved = cost_per_task_scratch - cost_per_task_transfer
    crossing = pretrain_cost / saved if saved > 0 else math.inf
    tasks = np.linspace(0, 2.2 * crossing if math.isfinite(crossing) else 50, 50)
    ax.plot(
        tasks,
        cost_per_task_scratch * tasks,
        color=look("scratch")["color"],
        linestyle=(0, (5, 2)),
        label="each from scratch",
    )
    ax.plot(
        tasks,
        pretrain_cost + cost_per_task_transfer * tasks,
        color=look("frozen")["color"],
        label="pretrain once, then transfer",
    )
    if math.isfinite(crossing):
        whole = math.ceil(crossing)
        at = cost_per_task_scratch * crossing
        ax.plot(crossing, at, "o", color=INK, markersize=8)
        note = f"repaid with {whole} task{'s' * (whole != 1)}"
        ax.annotate(note, (crossing, at), (8, -16), textcoords="offset points", fontsize=10)
    else:
        ax.set_title("pretraining is never repaid: transfer saves nothing", loc="left")
    ax.set(xlabel="tasks that share the source", ylabel=f"total {unit}", xlim=(0, tasks[-1]), ylim=(0, None))
    legend(ax, loc="upper left")
    return ax


_BARS = ((looks.INDIGO, ""), (looks.WINE, "//"), (looks.SLATE, ".."))


def bars_by_stage(
    values: Mapping[str, Mapping[str, float]], ylabel: str = "learning rate", ax: Axes | None = None
) -> Axes:
    """For each stage a bar per plan, side by side, in its colour; values: name -> stage -> number.

    Raises UserError where the plans do not have the same stages in the same order.
    """
    stages = list(next(iter(values.values())))
    if any(list(row) != stages for row in values.values()):
        raise UserError("bars by stage need the same stages, in the same order, for every plan.")
    ax, width = canvas(ax, 5.0, 3.2), 0.8 / len(values)
    for i, (plan, row) in enumerate(values.items()):
        colour, hatch = _BARS[i % len(_BARS)]
        if look(plan)["color"] != look("")["color"]:
            colour = look(plan)["color"]  # a plan looks as it does everywhere
        x = np.arange(len(stages)) + (i - (len(values) - 1) / 2) * width
        face = "white" if hatch else colour
        ax.bar(x, list(row.values()), width, facecolor=face, edgecolor=colour, hatch=hatch, label=plan)
    ax.set_xticks(range(len(stages)), stages)
    ax.set_ylabel(ylabel)
    legend(ax, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(values))
    return ax


def answers(images: Sequence[Any], truth: Sequence[str], said: Mapping[str, Sequence[str]]) -> Figure:
    """Images below their true labels, and a row of predictions for each name; a wrong one is struck out.

    Raises UserError where a row has another number of predictions than there are images.
    """
    for name, row in {"the truth": truth, **said}.items():
        if len(row) != len(images):
            raise UserError(f"{name}: {len(row)} answers for {len(images)} images: give one for each.")
    size = (0.62 * len(images) + 1.9, 1.05 + 0.5 * len(said))
    heights = (1.4, *(1 for _ in said))
    figure, axes = plt.subplots(
        1 + len(said), len(images), figsize=size, squeeze=False, height_ratios=heights, layout="constrained"
    )
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    for ax, image, true in zip(axes[0], images, truth, strict=True):
        ax.imshow(picture(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(true, fontsize=13)
        ax.set_axis_off()
    for below, (name, row) in zip(axes[1:], said.items(), strict=True):
        right = [answer == true for answer, true in zip(row, truth, strict=True)]
        for ax, answer, good in zip(below, row, right, strict=True):
            _tile(ax, answer, good)
        label = f"{name}\n{sum(right)} of {len(right)} right"
        below[0].text(-0.15, 0.5, label, ha="right", va="center", fontsize=9, transform=below[0].transAxes)
    return figure


def _tile(ax: Axes, answer: str, good: bool) -> None:
    ax.set_facecolor("white" if good else looks.WRONG_TILE)
    ax.spines[:].set(color=INK if good else looks.WRONG, linewidth=2 if good else 1)
    weight = "bold" if good else "normal"
    ax.text(0.5, 0.47, answer, ha="center", va="center", fontsize=13, weight=weight, transform=ax.transAxes)
    if not good:
        ax.plot([0.2, 0.8], [0.2, 0.8], color=looks.WRONG, linewidth=1.5, transform=ax.transAxes)
