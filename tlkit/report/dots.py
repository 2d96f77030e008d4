"""Figures of a comparison at one budget: a row a plan, where curves over budgets would be single points."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from tlkit.plots.style import GREY, canvas, look
from tlkit.stats import interval


def dots_by_plan(values: Mapping[str, Sequence[float]], xlabel: str) -> Axes:
    """Each plan's seeds as small dots, and below them their mean with its 95 % interval over seeds."""
    ax = _rows(list(values), xlabel)
    for y, (plan, seeds) in enumerate(values.items()):
        style = look(plan)
        ax.plot(seeds, np.full(len(seeds), y - 0.16), ".", color=style["color"], alpha=0.6, markersize=6)
        found = interval(seeds)
        low, high = (found.low, found.high) if len(set(seeds)) > 1 else (found.mean, found.mean)
        _interval(ax, y + 0.14, (found.mean, max(low, 0), min(high, 1)), plan)
        ax.annotate(f"{found.mean:.3f}", (found.mean, y + 0.14), (0, -13), **_SMALL)
    return ax


def intervals_by_plan(ends: Mapping[str, tuple[float, float, float]]) -> Axes:
    """(mean, low, high) of each plan's gain over scratch, and a line at zero."""
    ax = _rows(list(ends), "gain in accuracy over scratch")
    ax.axvline(0, color=GREY, linewidth=1, zorder=1)
    for y, (plan, found) in enumerate(ends.items()):
        _interval(ax, y, found, plan)
        ax.annotate(f"{found[0]:+.3f}", (found[0], y), (0, -14), **_SMALL)
    return ax


_SMALL = {"textcoords": "offset points", "ha": "center", "fontsize": 8}


def _rows(plans: list[str], xlabel: str) -> Axes:
    ax = canvas(None, 7.0, 1.0 + 0.55 * len(plans))
    ax.set_yticks(range(len(plans)), plans)
    ax.set(ylim=(len(plans) - 0.4, -0.6), xlabel=xlabel)
    return ax


def _interval(ax: Axes, y: float, found: tuple[float, float, float], plan: str) -> None:
    mean, low, high = found
    style = look(plan)
    ax.plot([low, high], [y, y], color=style["color"], linewidth=2, solid_capstyle="butt", zorder=2)
    kind = {key: style[key] for key in ("color", "marker", "markerfacecolor")}
    ax.plot(mean, y, **kind, markersize=8, zorder=3)
