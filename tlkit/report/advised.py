"""The report of an advice: the learning curve, and what was advised on it."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tlkit.plots.style import budgets_axis, canvas, legend, look
from tlkit.report.page import Group, figure, licence, machine, write
from tlkit.tasks import Task


def advice_html(known: Any, task: Task, out: str | Path, again: str) -> Path:
    """Write the report of an advice, with the command that tests it. UserError where it cannot be written."""
    (now, *_), (more, *_), _ = known.more.values()
    said = f"Twice the labels should take a linear head from {now:.2f} to {more:.2f}"
    caption = "Small dots: folds of the training set; large ones: their means. Band: the 95 % interval ahead."
    alt = (f"{n} labels per class: {low:.2f} to {high:.2f}" for n, (_, low, high) in known.more.items())
    drawn = [figure(_curve(known), said, caption, "; ".join(alt))]
    title = f"Plan {known.plan}, backbone {known.backbone}"
    group = Group(title, drawn, summary=known.sentences, text=f"Next: {again}")
    facts = {"training set": f"{len(task.train)} items; the test set was not read"}
    facts |= {f"backbone {known.backbone}": licence(known.backbone)} | machine()
    plans = dict.fromkeys(["frozen", known.plan, *(name.partition(" ")[0] for name in known.rivals)])
    title = f"What to try first: {task.name}"
    return write(out, title=title, groups=[group], failures=(), facts=facts, plans=[*plans])


def _curve(known: Any) -> Axes:
    ax, style = canvas(None, 5.2, 3.8), look("frozen")
    for n, folds in known.curve.points.items():
        ax.plot([n] * len(folds), folds, ".", color=style["color"], alpha=0.4)
        ax.plot(n, np.mean(folds), **style | {"label": "_"})
    x = np.geomspace(min(known.curve.points), max(known.more), 40)
    ends = np.array([known.curve.at(n) for n in x])
    ax.plot(x, ends[:, 0], color=style["color"], label="a linear head on frozen features, forecast")
    beyond = x >= max(known.curve.points)
    ax.fill_between(x[beyond], *ends[beyond, 1:].T, color=style["color"], alpha=0.15, linewidth=0)
    budgets_axis(ax, sorted({*known.curve.points, *known.more}))
    ax.set_ylabel("accuracy on items not trained on")
    legend(ax, below=True)
    return ax
