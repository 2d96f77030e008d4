"""One look for every figure: a colour, a marker and a line for each plan, the same everywhere.

Colours are those of Okabe and Ito (2008, Color Universal Design); markers and lines tell plans apart in grey.
"""

from types import MappingProxyType
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.transforms import offset_copy

GREY, PALE, INK = "#767676", "#E8E8E8", "#222222"

_PLANS = {
    "pixels": ("#000000", "s", ":"),
    "scratch": ("#D55E00", "X", (0, (5, 2))),
    "frozen": ("#0072B2", "o", "-"),
    "last-1": ("#56B4E9", "^", "-."),
    "full": ("#009E73", "D", "-"),
    "lp-ft": ("#CC79A7", "P", (0, (3, 1, 1, 1, 1, 1))),
    "l2sp": ("#009E73", "p", ":"),
    "auto-rgn": ("#CC79A7", "<", "--"),
    "auto-snr": ("#CC79A7", ">", ":"),
    "bias": ("#E69F00", "d", ":"),
}
_KINDS = {
    "last": ("#56B4E9", "v", (0, (1, 1))),
    "block": ("#E69F00", "h", "-."),
    "lora": ("#D55E00", "H", "-."),
}
_OTHER = ("#E69F00", "*", "--")
TEXT = MappingProxyType({"font.size": 10, "axes.titlesize": 11, "axes.labelsize": 10, "legend.fontsize": 9})


def look(plan: str) -> dict[str, Any]:
    """Colour, marker and line of a plan, as keywords for `Axes.plot`; a modifier opens the marker."""
    name, _, modifier = plan.partition("@")
    kind = name.replace(":", "-").partition("-")[0]
    colour, marker, line = _PLANS.get(name) or _KINDS.get(kind, _OTHER)
    face = "white" if modifier else colour
    return {"color": colour, "marker": marker, "linestyle": line, "markerfacecolor": face, "label": plan}


def canvas(ax: Axes | None, width: float = 6.0, height: float = 3.6) -> Axes:
    """The given axes, or those of a new figure (inches), without the two spines that carry nothing."""
    if ax is None:
        # the figure first: with it a notebook's backend starts and turns interactive mode on; the end of
        # rc_context would undo that, and no later figure would be shown
        figure = plt.figure(figsize=(width, height), layout="constrained")
        with plt.rc_context(dict(TEXT)):
            ax = figure.add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def budgets_axis(ax: Axes, labels: list[int], by_class: bool = True) -> None:
    """A log axis of label budgets, with a tick at each and none between."""
    ax.set_xscale("log")
    ax.set_xticks(labels, [str(n) for n in labels])
    ax.minorticks_off()
    ax.set_xlabel("labels" + " per class" * by_class)


def legend(ax: Axes, below: bool = False, **options: Any) -> None:
    """A legend whose handles are long enough to show the line style, on white that dims what lies behind it.

    below: under the axis, in three columns, where it takes no width from the plot.
    """
    if below:
        under = offset_copy(ax.transAxes, ax.figure, y=-38, units="points")  # clear of ticks and label
        options |= {"loc": "upper left", "bbox_to_anchor": (0, 0), "bbox_transform": under, "ncols": 3}
    ax.legend(facecolor="white", edgecolor="none", framealpha=0.85, handlelength=3, **options)
