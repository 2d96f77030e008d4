"""What figures look like where no plan is drawn: other series, right and wrong, and the reader's guess.

The colours of plans belong to plans (`tlkit.plots.look`); those here are Paul Tol's "muted" scheme (2021), of
which none is near a plan's, and every one has a contrast of at least 4.5 : 1 with white.
"""

from typing import Any

from matplotlib.axes import Axes

from tlkit import plots
from tlkit.plots.style import INK

INDIGO, WINE, OLIVE, SLATE = "#332288", "#882255", "#6B6B00", "#5A5A5A"
WRONG, WRONG_TILE, NEUTRAL_TILE = WINE, "#F3DCE6", "#E4E1F0"
TRAINED, TRAINED_TILE, FROZEN, FROZEN_TILE = "#B34700", "#FBE3B5", "#2B5F8A", "#D7EAF7"
_SERIES = ((INDIGO, "o", "-"), (WINE, "^", "--"), (OLIVE, "s", "-."), (SLATE, "v", ":"))
RANDOM = ", random weights"  # behind a plan's name: the same plan, from weights that nobody trained
GUESS = {"color": INK, "linestyle": (0, (2, 2)), "linewidth": 1.6, "zorder": 3}


def plan(name: str) -> dict[str, Any]:
    """As `tlkit.plots.look`; `frozen, random weights` has its colour, another marker, and dots."""
    if not name.endswith(RANDOM):
        return plots.look(name)
    return plots.look(name.removesuffix(RANDOM)) | {"marker": "p", "linestyle": ":", "label": name}


def series(k: int) -> dict[str, Any]:
    """Colour, marker and line of the k-th series that is no plan, for `Axes.plot`; four differ."""
    colour, marker, line = _SERIES[k % len(_SERIES)]
    return {"color": colour, "marker": marker, "linestyle": line}


def guess_line(ax: Axes, value: float, along: str = "y", text: str = "your guess") -> None:
    """The reader's guess: a dashed line in ink at `value` of the axis `along` ("x" or "y").

    Its label stands at its end, inside the axes, so that no legend is needed.
    """
    (ax.axhline if along == "y" else ax.axvline)(value, **GUESS)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85}
    words = {"fontsize": 9, "color": INK, "bbox": box, "zorder": 4}
    if along == "y":
        ax.annotate(text, (1, value), (-3, 3), xycoords=ax.get_yaxis_transform(), textcoords="offset points",
                    ha="right", va="bottom", **words)  # fmt: skip
    else:
        full = ax.transAxes.inverted().transform(ax.transData.transform((value, 1)))[0] > 0.6
        side = ("right", -3) if full else ("left", 3)  # where there is room
        ax.annotate(text, (value, 1), (side[1], -3), xycoords=ax.get_xaxis_transform(),
                    textcoords="offset points", ha=side[0], va="top", **words)  # fmt: skip


def chance_line(ax: Axes, value: float) -> None:
    """The accuracy of guessing: a dotted line at `value` of the y axis, with its label below."""
    ax.axhline(value, color=SLATE, linestyle=":", linewidth=1.4, zorder=3)
    ax.annotate(f"chance: {value:.2f}", (1, value), (-3, -3), xycoords=ax.get_yaxis_transform(),
                textcoords="offset points", ha="right", va="top", fontsize=9, color=INK)  # fmt: skip


def guess_mark(ax: Axes, x: float, y: float, text: str = "your guess") -> None:
    """The reader's guess as a point: a question mark in ink, with its label."""
    ax.plot(x, y, marker="$?$", color=INK, markersize=11, linestyle="none", zorder=5)
    ax.annotate(
        text, (x, y), (9, 0), textcoords="offset points", va="center", fontsize=9, color=INK, zorder=5
    )
