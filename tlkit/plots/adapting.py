"""Adapting without labels: answers under pictures, methods by shift, choices made blind, batches."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from tlkit.errors import UserError
from tlkit.plots.pictures import picture
from tlkit.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    canvas,
    legend,
)  # fmt: skip
from tlkit.records import Record, values
from tlkit.stats import interval

CHOSEN = "chosen@"  # before the criterion, in the plan of a record
ORACLE = "oracle"
_MARKS = {
    "importance-weighted": (ORANGE, "s"), "entropy": (VERMILION, "X"), "neighbourhood density": (PURPLE, "v"),
    "nuclear norm": (BLUE, "D"),
}  # fmt: skip
_LINES = ((GREEN, "o", "-"), (BLUE, "D", (0, (5, 2))), (ORANGE, "^", "-."), (SKY, "v", ":"))


def answers(images: Sequence[Any], truth: Sequence[str], said: Mapping[str, Sequence[str]]) -> Figure:
    """Pictures, and below them a row of answers for each name; a wrong one is struck out, on a tinted tile.

    Raises UserError where a row has another number of answers than there are pictures.
    """
    for name, row in {"the truth": truth, **said}.items():
        if len(row) != len(images):
            raise UserError(f"{name}: {len(row)} answers for {len(images)} pictures: give one for each.")
    size = (0.62 * len(images) + 1.9, 0.75 + 0.5 * len(said))
    heights = (1.4, *(1 for _ in said))
    figure, axes = plt.subplots(
        1 + len(said), len(images), figsize=size, squeeze=False, height_ratios=heights, layout="constrained"
    )
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    for ax, image in zip(axes[0], images, strict=True):
        ax.imshow(picture(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set_axis_off()
    for below, (name, row) in zip(axes[1:], said.items(), strict=True):
        right = [answer == true for answer, true in zip(row, truth, strict=True)]
        for ax, answer, good in zip(below, row, right, strict=True):
            _tile(ax, answer, good)
        label = f"{name}\n{sum(right)} of {len(right)} right"
        below[0].text(-0.15, 0.5, label, ha="right", va="center", fontsize=9, transform=below[0].transAxes)
    return figure


def _tile(ax: Axes, answer: str, good: bool) -> None:
    ax.set_facecolor("white" if good else "#F6D5C3")
    ax.spines[:].set(color=GREEN if good else VERMILION, linewidth=2 if good else 1)
    weight = "bold" if good else "normal"
    ax.text(0.5, 0.47, answer, ha="center", va="center", fontsize=13, weight=weight, transform=ax.transAxes)
    if not good:
        ax.plot([0.2, 0.8], [0.2, 0.8], color=VERMILION, linewidth=1.5, transform=ax.transAxes)


def clouds(source: np.ndarray, moved: np.ndarray, target: np.ndarray) -> Figure:
    """Features, N x D each, in the two directions in which source and target vary most: before, and moved."""
    middle = np.concatenate([source, target]).mean(0)
    plane = np.linalg.svd(np.concatenate([source, target]) - middle, full_matrices=False)[2][:2].T
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharex=True, sharey=True, layout="constrained")
    for ax, cloud, title in zip(axes, (source, moved), ("as they are", "source moved"), strict=True):
        for rows, style in ((target, _TARGET), (cloud, _SOURCE)):
            ax.plot(*((rows - middle) @ plane).T, linestyle="none", markersize=4, **style)
        ax.set_title(title, loc="left")
        ax.set_xlabel("first direction of the features")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("second direction")
    legend(axes[0], loc="best")
    return figure


_SOURCE = {"color": BLUE, "marker": "o", "markerfacecolor": "none", "label": "source, labelled"}
_TARGET = {"color": ORANGE, "marker": "x", "label": "target, sealed"}


def sure_and_right(sure: Sequence[float], right: Sequence[float], ax: Axes | None = None) -> Axes:
    """How sure a learner is of its answers and how often they are right, round by round from 0."""
    ax = canvas(ax, 6.0, 3.0)
    ax.plot(sure, color=ORANGE, marker="s", linestyle="--", label="how sure it is, on average")
    ax.plot(right, color=BLUE, marker="o", label="how often it is right")
    ax.set(xlabel="rounds of learning from its own answers", ylabel="share", ylim=(0, 1.02))
    ax.set_xticks(range(len(sure)))
    legend(ax, loc="center right")
    return ax


def methods_by_shift(
    records: Iterable[Record],
    methods: Sequence[str],
    shifts: Sequence[str],
    against: str = "source only",
    ax: Axes | None = None,
) -> Axes:
    """A table: mean accuracy of each method on each shift, on a colour that says how far from `against`.

    Blue and ▲: the 95 % interval over seeds of the difference lies above 0; orange and ▼: below. Raises
    UserError for a cell without records.
    """
    rows = list(records)
    found = {(m, s): _seeds(rows, m, s) for m in (against, *methods) for s in shifts}
    ax = canvas(ax, 1.6 + 1.05 * len(shifts), 0.8 + 0.36 * (len(methods) + 1))
    gains = np.zeros((len(methods) + 1, len(shifts)))
    for i, method in enumerate((against, *methods)):
        for j, shift in enumerate(shifts):
            mine, base = found[method, shift], found[against, shift]
            both = sorted(mine.keys() & base.keys())
            diffs = np.array([mine[seed] - base[seed] for seed in both])
            gains[i, j] = diffs.mean()
            ax.text(
                j, i, f"{np.mean([*mine.values()]):.2f}{_arrow(diffs) if i else ''}", ha="center", va="center"
            )
    shades = LinearSegmentedColormap.from_list("harm to help", [ORANGE, "#FFFFFF", SKY])
    ax.imshow(np.clip(gains, -0.4, 0.4), cmap=shades, vmin=-0.4, vmax=0.4, aspect="auto")
    ax.axhline(0.5, color=INK, linewidth=1)
    ax.set_xticks(range(len(shifts)), shifts)
    ax.set_yticks(range(len(methods) + 1), [against, *methods])
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_ylabel("method")
    ax.set_xlabel(f"mean test accuracy; ▲ above {against}, ▼ below it, by the 95 % interval")
    return ax


def _arrow(diffs: np.ndarray) -> str:
    if np.ptp(diffs) < 1e-9:  # the same in every seed: there is no interval
        return " ▲" if diffs[0] > 1e-9 else " ▼" if diffs[0] < -1e-9 else ""
    found = interval(diffs)
    return " ▲" if found.low > 0 else " ▼" if found.high < 0 else ""


def _seeds(rows: list[Record], plan: str, task: str) -> dict[int, float]:
    found = values(rows, plan=plan, labels=0, task=task)
    if not found:
        raise UserError(f"no records of {plan!r} on {task!r}: run that grid, or ask for another.")
    return found


def selection_gap(
    records: Iterable[Record], shifts: Sequence[str], against: str = "source only", ax: Axes | None = None
) -> Axes:
    """For each shift: no adapting, what each criterion chose, and the oracle; means over seeds."""
    rows = list(records)
    ax = canvas(ax, 7.0, 0.9 + 0.55 * len(shifts))
    for y, shift in enumerate(shifts):
        base, best = (np.mean([*_seeds(rows, p, shift).values()]) for p in (against, CHOSEN + ORACLE))
        ax.plot([base, best], [y, y], color=GREY, linewidth=1, zorder=1)
        ax.plot(base, y, "|", color=BLACK, markersize=20, markeredgewidth=2, label=against * (y == 0))
        ax.plot(
            best, y, "*", color=GREEN, markersize=15, markeredgecolor=BLACK, label="oracle: peeks" * (y == 0)
        )
        for k, (name, (colour, marker)) in enumerate(_MARKS.items()):
            mean = np.mean([*_seeds(rows, CHOSEN + name, shift).values()])
            style = {"color": colour, "marker": marker, "markeredgecolor": "white", "linestyle": "none"}
            ax.plot(mean, y + 0.13 * (k - 1.5), **style, markersize=8, label=name * (y == 0))
    ax.set_yticks(range(len(shifts)), shifts)
    ax.set(ylim=(len(shifts) - 0.5, -0.5), xlim=(-0.02, 1.04), xlabel="mean test accuracy of what is chosen")
    ax.set_ylabel("shift")
    handles = [(h, t) for h, t in zip(*ax.get_legend_handles_labels(), strict=True) if t]
    ax.legend(*zip(*handles, strict=True), frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def accuracy_by_batch(
    records: Iterable[Record],
    shifts: Sequence[str],
    method: str = "adabn",
    whole: int = 200,
    against: str = "source only",
    ax: Axes | None = None,
) -> Axes:
    """Accuracy against how many items come at a time, a line a shift with its 95 % interval over seeds.

    whole: the batch of the records without a batch in their plan. The dotted line in the same colour is
    `against`. Raises UserError where a shift has no records.
    """
    rows = list(records)
    ax = canvas(ax, 6.2, 3.6)
    prefix = f"{method}@batch="
    sizes = sorted({int(r.plan.removeprefix(prefix)) for r in rows if r.plan.startswith(prefix)})
    for (colour, marker, line), shift in zip(_LINES, shifts, strict=False):
        here = {r.plan for r in rows if r.task == shift}
        x = [*(n for n in sizes if f"{prefix}{n}" in here), whole]
        plans = [*(f"{prefix}{n}" for n in x[:-1]), method]
        bands = [interval([*_seeds(rows, plan, shift).values()]) for plan in plans]
        ax.fill_between(x, [b.low for b in bands], [b.high for b in bands], color=colour, alpha=0.15)
        style = {"color": colour, "marker": marker, "linestyle": line, "label": f"{method}: {shift}"}
        ax.plot(x, [b.mean for b in bands], **style)
        base = np.mean([*_seeds(rows, against, shift).values()])
        ax.axhline(base, color=colour, linewidth=1.5, linestyle=":", label=f"{against}: {shift}")
    ax.set_xscale("log")
    ax.set_xticks([*sizes, whole], [str(n) for n in (*sizes, whole)])
    ax.minorticks_off()
    ax.set(xlabel="test pictures that come at a time", ylabel="test accuracy", ylim=(0, 1.03))
    legend(ax, loc="lower right")
    return ax
