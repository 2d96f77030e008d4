"""What notebook 16 alone needs: the label-saving factor, and what each plan knows of its own pictures."""

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from tlkit.plots.style import GREY, INK, budgets_axis, canvas, legend, look
from tlkit.records import Record, values
from tlkit_lessons.savings import Saving
from tlkit_lessons.savings import label_saving as saving_of


def label_saving(
    labels: ArrayLike,
    scratch: ArrayLike,
    transfer: ArrayLike,
    n: int,
    names: tuple[str, str] = ("frozen", "scratch"),
    ax: Axes | None = None,
) -> Axes:
    """Both mean curves, and an arrow from n labels to as many as scratch needs for the same accuracy.

    labels (k,); scratch, transfer (k, n_seeds); names: those of transfer and of what stands for scratch. The
    arrow is dashed and leaves the picture where scratch never gets there. Raises UserError as
    `savings.label_saving` does.
    """
    x, s, t = (np.asarray(v, float) for v in (labels, scratch, transfer))
    found: Saving = saving_of(x, s, t, n)
    ax = canvas(ax, 6.0, 3.6)
    for name, y in zip(names, (t, s), strict=True):
        ax.plot(x, y.mean(axis=1), **look(name), linewidth=1.8)
    budgets_axis(ax, [int(v) for v in x])
    reached, there = float(t[x == n].mean()), n * found.factor
    arrow = {"arrowstyle": "->", "color": INK, "linewidth": 1.6}
    if found.censored == "right":
        there *= 1.6
        ax.set_xlim(right=there)
        arrow["linestyle"] = "--"
    else:
        ax.plot([there, there], [ax.get_ylim()[0], reached], color=GREY, linestyle=":", linewidth=1.2)
    ax.annotate("", (there, reached), (n, reached), arrowprops=arrow)
    beside = (n if found.censored else there, reached)
    ax.annotate(f"{found}", beside, (8, -5), textcoords="offset points", va="top", fontsize=9)
    ax.set_ylabel("test accuracy")
    legend(ax, loc="lower right")
    return ax


def own_and_new(records: Iterable[Record], plans: Sequence[str], budgets: Sequence[int]) -> list[str]:
    """For each plan and number of labels its accuracy on the pictures it has learnt from, and on new ones."""
    records, told = list(records), []
    for plan in plans:
        for n in budgets:
            own, new = (
                np.mean([*values(records, plan=plan, labels=n, split=split).values()])
                for split in ("train", "test")
            )
            told.append(f"{plan}, {n} labels: {own:.2f} of its own pictures, {new:.2f} of new ones")
    return told
