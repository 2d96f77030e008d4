"""How deep to tune: what each depth costs, what it gains at each budget, and how far every stage goes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit.errors import UserError
from tlkit.plots.curves import by_labels
from tlkit.plots.style import BLACK, BLUE, GREY, INK, ORANGE, PURPLE, VERMILION, canvas, legend, look
from tlkit.records import Record

_PRICED = {  # field of a price -> name, colour, marker, line
    "trained": ("parameters that move", BLUE, "o", "-"),
    "step": ("operations per step", VERMILION, "s", "--"),
    "memory": ("memory for training", BLACK, "^", ":"),
}
_BARS = ((BLUE, ""), (ORANGE, "//"), (GREY, ".."))


def price_by_depth(prices: Sequence[Any], ax: Axes | None = None) -> Axes:
    """Parameters, operations and memory of each price (of `forecast.price`), in percent of the last one's.

    Raises UserError for fewer than two.
    """
    if len(prices) < 2:
        raise UserError(f"{len(prices)} prices make no curve: give those of two or more plans, by depth.")
    ax = canvas(ax, 6.4, 3.4)
    for field, (name, colour, marker, line) in _PRICED.items():
        shares = [100 * getattr(one, field) / getattr(prices[-1], field) for one in prices]
        style = {"color": colour, "marker": marker, "linestyle": line, "label": name}
        ax.plot(range(len(prices)), shares, **style, linewidth=1.8, markersize=7, clip_on=False)
    ax.set_xticks(range(len(prices)), [one.plan for one in prices])
    ax.set(ylim=(0, 104), ylabel=f"% of {prices[-1].plan}")
    legend(ax, loc="lower right")
    return ax


def accuracy_by_depth(
    records: Iterable[Record],
    plans: Sequence[str],
    labels: Sequence[int],
    guesses: Mapping[int, int] | None = None,
) -> Figure:
    """A panel for each budget: what the plans, shallow to deep, gain on the first, draw by draw.

    Thin lines are seeds, thick ones their mean; a ring marks the highest mean, a dashed line the guess
    (labels -> position in `plans`). Raises UserError where a plan has no finished fit at a budget, or no seed
    was run with all plans.
    """
    records, guesses = list(records), guesses or {}
    figure, axes = plt.subplots(
        1, len(labels), figsize=(3.1 * len(labels), 3.6), layout="constrained", sharey=True, squeeze=False
    )
    for ax, n in zip(axes.flat, labels, strict=True):
        scores = _scores(records, plans, n)  # plans x seeds
        _panel(canvas(ax), scores - scores[0], plans, guesses.get(n))
        ax.set_title(f"{n} label{'s' * (n != 1)} a class\n({plans[0]}: {scores[0].mean():.2f})", loc="left")
    axes[0, 0].set_ylabel(f"gain in test accuracy over {plans[0]}")
    return figure


def _scores(records: list[Record], plans: Sequence[str], n: int) -> np.ndarray:
    """Test accuracies, plans x seeds: the seeds that were run with all of them."""
    found = [by_labels(records, plan).get(n, {}) for plan in plans]
    seeds = sorted(set.intersection(*map(set, found)))
    if not seeds:
        named = ", ".join(plans)
        raise UserError(f"at {n} labels no seed was run with all of {named}: run them on the same.")
    return np.array([[values[seed] for seed in seeds] for values in found])


def _panel(ax: Axes, gains: np.ndarray, plans: Sequence[str], guess: int | None) -> None:
    x, mean = range(len(plans)), gains.mean(1)
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.plot(x, gains, color=GREY, linewidth=0.7, alpha=0.7)
    ax.plot(x, mean, "o-", color=BLUE, linewidth=2.4, markersize=6)
    best = int(mean.argmax())
    ax.plot(best, mean[best], "o", markersize=14, markerfacecolor="none", markeredgecolor=BLACK, mew=1.6)
    if guess is not None:
        ax.axvline(guess, color=PURPLE, linestyle="--", linewidth=2, zorder=0)
        side = "right" if guess else "left"
        place = {"transform": ax.get_xaxis_transform(), "ha": side, "va": "bottom"}
        ax.text(guess, 0.01, " your guess ", color=INK, fontsize=9, **place)
    ax.set_xticks(x, plans, rotation=30, ha="right")


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
