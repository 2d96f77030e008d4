"""Ten seeds as ten dots: pairs, their differences, and bars beside a guess."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from tlkit.errors import UserError
from tlkit.plots.style import GREY, INK, canvas, legend, look
from tlkit.stats import Interval
from tlkit_lessons.look import chance_line, guess_line, series

_HATCHES = ("..", "//", "")


def paired_dots(
    a: ArrayLike,
    b: ArrayLike,
    names: tuple[str, str] = ("a", "b"),
    ax: Axes | None = None,
    ylabel: str = "test accuracy",
    plans: tuple[str, str] | None = None,
) -> Axes:
    """Two columns of dots, (n_seeds,) each, a line for every seed; the title counts those where a is higher.

    plans: whose look the columns take, where their names are no plans; "frozen@x" is hollow. A line that does
    not rise is dotted; below the columns it says so, and at the axis where it does not begin at 0.
    Raises UserError where the two have different lengths.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape or a.ndim != 1:
        raise UserError(f"paired dots need the same seeds on both sides, not {a.shape} and {b.shape}.")
    ax = canvas(ax, 4.2, 3.6)
    for left, right in zip(b, a, strict=True):
        up = right > left
        style = {"color": INK if up else GREY, "linestyle": "-" if up else ":"}
        ax.plot([0, 1], [left, right], **style, linewidth=1, zorder=1)
    plans = plans or names
    shapes = [(look(plan)["marker"], look(plan)["markerfacecolor"]) for plan in plans]
    alike = shapes[0] == shapes[1]  # two names that are no plans
    for x, (values, plan) in enumerate(((b, plans[1]), (a, plans[0]))):
        style = {key: look(plan)[key] for key in ("color", "marker", "markerfacecolor")}
        if alike and x == 0:
            style = {"color": GREY, "marker": "p"}
        ax.plot(np.full(values.size, x), values, **style, linestyle="none", markersize=7, zorder=2)
    ax.set_xticks([0, 1], [names[1], names[0]])
    cut = " (axis does not start at 0)" if ylabel and ax.get_ylim()[0] > 0 else ""
    ax.set(xlim=(-0.4, 1.4), ylabel=ylabel + cut)
    ax.set_xlabel("one line per seed" + "; dotted: no gain" * bool((a <= b).any()), fontsize=9)
    said = f"{names[0]} is higher in {int((a > b).sum())} of {a.size} seeds"
    ax.set_title(said, loc="left", fontsize=12 if len(said) < 44 else 10)  # two panels stand side by side
    return ax


def bars_with_guess(
    values: Mapping[str, float] | Sequence[float],
    guess: float | None = None,
    names: tuple[str, ...] = ("pixels", "random network", "transferred network"),
    ax: Axes | None = None,
    chance: float | None = None,
) -> Axes:
    """A bar of accuracy for each name, its number on top; `guess` and the `chance` level are lines across."""
    # a mapping as it is, a sequence under the names
    heights = dict(values) if isinstance(values, Mapping) else dict(zip(names, values, strict=True))
    ax = canvas(ax, 5.8, 3.4)
    for i, (name, height) in enumerate(heights.items()):
        hatch = _HATCHES[i % len(_HATCHES)]
        colour = _bar_colour(name, i)
        ax.bar(
            i,
            height,
            0.62,
            facecolor="white" if hatch else colour,
            edgecolor=colour,
            hatch=hatch,
            linewidth=1.6,
        )
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85}
        ax.text(i, height + 0.015, f"{height:.2f}", ha="center", va="bottom", fontsize=11, bbox=box, zorder=4)
    ax.set_xticks(range(len(heights)), list(heights))
    room = 0 if guess is None and chance is None else 0.3 * len(heights)  # for the labels of the lines
    ax.set(ylim=(0, 1.08), ylabel="test accuracy", xlim=(-0.55, len(heights) - 0.45 + room))
    if guess is not None:
        guess_line(ax, guess, text=f"your guess: {guess:.2f}")
    if chance is not None:
        chance_line(ax, chance)
    return ax


def _bar_colour(name: str, i: int) -> str:
    words = {"pixels": "pixels", "random": "scratch", "transferred": "frozen", "letters network": "frozen"}
    plan = next((plan for word, plan in words.items() if word in name), name)
    return look(plan)["color"] if plan in (*words.values(), "full", "last-1", "lp-ft") else series(i)["color"]


def interval_from_dots(
    diffs: ArrayLike, interval: Interval, ax: Axes | None = None, xlabel: str = "difference in test accuracy"
) -> Axes:
    """(n_seeds,) differences as dots, and below them their mean and its interval; a line at zero."""
    diffs = np.sort(np.asarray(diffs, float))
    ax = canvas(ax, 6.0, 2.4)
    ax.axvline(0, color=GREY, linewidth=1, linestyle=":")
    ax.plot(
        diffs,
        0.35 + 0.22 * _heights(diffs),
        "o",
        color=series(0)["color"],
        markersize=7,
        alpha=0.85,
        label="one seed each",
    )
    ax.plot(
        [interval.low, interval.high],
        [0, 0],
        color=INK,
        linewidth=2.5,
        solid_capstyle="butt",
        label="95 % interval",
    )
    ax.plot([interval.low, interval.high], [0, 0], "|", color=INK, markersize=14, markeredgewidth=2)
    ax.plot(interval.mean, 0, "D", color=INK, markersize=8, label="mean")
    ax.text(
        interval.mean,
        -0.22,
        f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]",
        ha="center",
        va="top",
    )
    ax.set(ylim=(-0.62, max(1.1, 0.6 + 0.22 * _heights(diffs).max())), xlabel=xlabel)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    legend(ax, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return ax


def _heights(ordered: np.ndarray) -> np.ndarray:
    """How high each dot sits so that near ones pile up instead of hiding each other."""
    gap = max(np.ptp(ordered), 1e-9) / 24
    tops: list[float] = []
    levels = np.zeros(ordered.size)
    for i, x in enumerate(ordered):
        level = next((k for k, last in enumerate(tops) if x - last > gap), len(tops))
        tops[level : level + 1] = [x]
        levels[i] = level
    return levels
