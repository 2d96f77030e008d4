"""What a source is worth: along a dial of similarity, and source by source."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit.errors import UserError
from tlkit.plots.style import GREY, INK, canvas, legend, look
from tlkit.stats import Verdict

ASIDE = 0.012  # similarity: plans stand side by side, so that intervals can be told apart


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
        style, part = look(plan), [found[i] for i in order][:shown]
        x = np.array([similarities[i] for i in order][:shown]) + ASIDE * (k - (len(gains) - 1) / 2)
        ax.plot(x, [v.mean for v in part], **style | {"marker": "", "label": None}, linewidth=1.3)
        ax.vlines(x, [v.low for v in part], [v.high for v in part], color=style["color"], linewidth=1.6)
        for at, v in zip(x, part, strict=True):
            face = style["color"] if v.low > 0 or v.high < 0 else "white"
            ax.plot(at, v.mean, **style | {"markerfacecolor": face, "label": None}, markersize=7)
        ax.plot([], [], **style)
    ax.axhline(0, color=INK, linewidth=1)
    if guess is not None:
        ax.axvline(guess, color=GREY, linestyle="--", linewidth=1.2, label=f"your guess: {guess:g}")
    every = [end for found in gains.values() for v in found for end in (v.low, v.high, 0.0)]
    pad = 0.06 * (max(every) - min(every))
    ax.set(xlim=(1.05, -0.05), ylim=(min(every) - pad, max(every) + pad))
    ax.set_xlabel("similarity (near on the left, far on the right)")
    ax.set_ylabel(f"gain in accuracy over {against}")
    legend(ax)
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
    ax.set_xlabel(f"gain in accuracy over {against} (95 % interval; filled: off zero)")
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
            ax.axvline(
                guess[1], color=GREY, linestyle="--", linewidth=1.4, label=f"your guess: {guess[1]:+g}"
            )
    for ax in axes[0, 1:]:
        ax.set_yticklabels([])
    axes[0, 0].set_ylabel("source")
    figure.supxlabel(f"gain in accuracy over {against} (95 % interval; filled: off zero)", fontsize=10)
    keys = {label: key for ax in axes[0] for key, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(keys.values(), keys.keys(), frameon=False, loc="outside upper center", ncols=len(keys))
    return figure


def gain_rows(ax: Axes, gains: Mapping[str, Mapping[str, Verdict]], order: Sequence[str]) -> None:
    """An interval and a marker for each plan and source, the last source of `order` on top."""
    for k, (plan, found) in enumerate(gains.items()):
        style = look(plan)
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
