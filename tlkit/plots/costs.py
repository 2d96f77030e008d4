"""Accuracy against what it costs, and when a pretraining is repaid."""

import math
from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes

from tlkit.errors import UserError
from tlkit.plots.curves import by_labels
from tlkit.plots.style import BLUE, INK, VERMILION, canvas, legend, look
from tlkit.records import Record


def accuracy_against_cost(
    records: Iterable[Record], labels: int | None = None, ax: Axes | None = None
) -> Axes:
    """Mean test accuracy of each plan over the operations of its fit, all tries included; log axis.

    labels: one budget (one marker a plan), or None for all (a line through them). A plan without a
    network costs no such operations and stands on the axis. Raises UserError where nothing was counted.
    """
    records = [r for r in records if r.split == "test" and r.status == "ok" and labels in (None, r.labels)]
    if not records:
        raise UserError(f"there are no records{f' at {labels} labels' if labels else ''} to draw.")
    ax = canvas(ax, 7.0, 3.8)
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
    ax.set(xlabel="floating-point operations of a fit, all tries", ylabel="test accuracy")
    _title(ax, records)
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _title(ax: Axes, records: list[Record]) -> None:
    budgets = sorted({r.labels for r in records})
    text = ", ".join(map(str, budgets)) + (" labels" if budgets != [1] else " label") + " per class"
    ax.set_title(text, loc="left")


def _costs(records: list[Record], plan: str) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for row in sorted((r for r in records if r.plan == plan), key=lambda r: r.labels):
        if not {"flops_prefix", "flops_suffix"} <= row.detail.keys():
            raise UserError(
                f"a record of plan {plan!r} counts no operations: run it again with this version."
            )
        found.setdefault(row.labels, []).append(row.detail["flops_prefix"] + row.detail["flops_suffix"])
    return found


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
        color=VERMILION,
        linestyle=(0, (5, 2)),
        label="each from scratch",
    )
    ax.plot(
        tasks,
        pretrain_cost + cost_per_task_transfer * tasks,
        color=BLUE,
        label="pretrain once, then transfer",
    )
    if math.isfinite(crossing):
        whole = math.ceil(crossing)
        at = cost_per_task_scratch * crossing
        ax.plot(crossing, at, "o", color=INK, markersize=8)
        note = f"repaid with {whole} task{'s' * (whole != 1)}"
        ax.annotate(note, (crossing, at), (8, -16), textcoords="offset points", fontsize=10)
    else:
        ax.set_title("never repaid: transfer saves nothing on a task", loc="left")
    ax.set(xlabel="tasks that share the source", ylabel=f"total {unit}", xlim=(0, tasks[-1]), ylim=(0, None))
    legend(ax, loc="upper left")
    return ax
