"""A metric against what it costs."""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes

from tlkit.errors import UserError
from tlkit.plots.curves import by_labels
from tlkit.plots.style import canvas, legend, look
from tlkit.records import Record, scale


def accuracy_against_cost(
    records: Iterable[Record], labels: int | None = None, ax: Axes | None = None
) -> Axes:
    """The test metric's mean of each plan over the operations of its fit, all tries included; log axis.

    labels: one budget (one marker a plan), or None for all (a line through them). A plan without a
    network costs no such operations and stands on the axis. Raises UserError where nothing was counted.
    """
    records = [r for r in records if r.split == "test" and r.status == "ok" and labels in (None, r.labels)]
    if not records:
        raise UserError(f"there are no records{f' at {labels} labels' if labels else ''} to draw.")
    ax, how = canvas(ax, 7.0, 3.8), scale(records)
    for plan in dict.fromkeys(r.plan for r in records):
        accuracy = [float(np.mean(list(seeds.values()))) for seeds in by_labels(records, plan).values()]
        cost = [np.mean(c) for c in _costs(records, plan).values()]
        style = look(plan)
        if not all(cost):
            style["label"] += " (no network)"
            edge = ax.get_yaxis_transform()  # no operations: on the axis itself, however far it reaches
            ax.plot(
                np.zeros(len(accuracy)), accuracy, **style | {"linestyle": ""}, transform=edge, clip_on=False
            )
            continue
        ax.plot(cost, accuracy, **style, linewidth=1, markersize=8)
    ax.set_xscale("log")
    ax.minorticks_off()
    ax.set(xlabel="floating-point operations of a fit, all tries", ylabel=f"test {how.axis}")
    budgets = sorted({r.labels for r in records})
    text = ", ".join(map(str, budgets)) + (" labels" if budgets != [1] else " label")
    ax.set_title(text + " per class" * how.by_class, loc="left")
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _costs(records: list[Record], plan: str) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for row in sorted((r for r in records if r.plan == plan), key=lambda r: r.labels):
        if not {"flops_prefix", "flops_suffix"} <= row.detail.keys():
            raise UserError(
                f"a record of plan {plan!r} counts no operations: run it again with this version."
            )
        found.setdefault(row.labels, []).append(row.detail["flops_prefix"] + row.detail["flops_suffix"])
    return found
