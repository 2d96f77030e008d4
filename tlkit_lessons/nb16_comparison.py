"""What notebook 16 alone needs: bars beside pairs, the label-saving factor, and accuracy against cost."""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tlkit.errors import UserError
from tlkit.plots import by_labels
from tlkit.plots.style import GREY, INK, budgets_axis, canvas, look
from tlkit.records import Record
from tlkit_lessons.ledger import effort
from tlkit_lessons.paired import paired_dots
from tlkit_lessons.savings import Saving
from tlkit_lessons.savings import label_saving as saving_of

_WORDS = {"fontsize": 9, "color": INK, "textcoords": "offset points"}


def bars_and_pairs(a: ArrayLike, b: ArrayLike, names: tuple[str, str]) -> Figure:
    """Left, the mean and standard deviation of each plan; right, the same scores joined seed by seed.

    a, b: (n_seeds,) scores of the two plans `names`, same seeds in the same order.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.6), layout="constrained", sharey=True)
    canvas(left)
    ends = []
    for x, (name, scores) in enumerate(((names[1], np.asarray(b)), (names[0], np.asarray(a)))):
        mean, spread = scores.mean(), scores.std(ddof=1)
        ends.append((mean - spread, mean + spread))
        left.errorbar(x, mean, spread, **look(name), capsize=8, markersize=8)
    overlap = max(low for low, _ in ends) < min(high for _, high in ends)
    left.set_title(f"The bars {'overlap' if overlap else 'do not overlap'}", loc="left")
    left.set_xticks([0, 1], names[::-1])
    left.set(xlim=(-0.4, 1.4), xlabel="mean and standard deviation over seeds")
    left.set_ylabel("test accuracy (axis does not start at 0)")
    paired_dots(a, b, names, right, ylabel="")
    return figure


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
    arrow is dashed and leaves the axes where scratch never gets there. Raises UserError as
    `savings.label_saving` does.
    """
    x, s, t = (np.asarray(v, float) for v in (labels, scratch, transfer))
    found: Saving = saving_of(x, s, t, n)
    ax = canvas(ax, 6.0, 3.6)
    means = {name: y.mean(axis=1) for name, y in zip(names, (t, s), strict=True)}
    for name, mean in means.items():
        ax.plot(x, mean, **look(name), linewidth=1.8)
        above = mean[-1] >= max(other[-1] for other in means.values())
        ax.annotate(name, (x[-1], mean[-1]), (0, 8 if above else -16), ha="center", **_WORDS)
    budgets_axis(ax, [int(v) for v in x])
    reached, there = float(t[x == n].mean()), n * found.factor
    arrow = {"arrowstyle": "->", "color": INK, "linewidth": 1.6}
    said = f"{names[1]} needs {found.factor:.1f} times the labels of {names[0]}"
    if found.censored == "right":
        said = f"{names[1]} with {x[-1]:.0f} labels is still below {names[0]} with {n}"
        there *= 1.6
        ax.set_xlim(right=there)
        arrow["linestyle"] = "--"
    else:
        ax.plot([there, there], [ax.get_ylim()[0], reached], color=GREY, linestyle=":", linewidth=1.2)
    ax.annotate("", (there, reached), (n, reached), arrowprops=arrow)
    _write_factor(ax, found, n if found.censored else there, reached)
    ax.set_title(said, loc="left", fontsize=10)
    ax.set_ylabel("test accuracy (axis does not start at 0)")
    return ax


def _write_factor(ax: Axes, found: Saving, x: float, y: float) -> None:
    """The factor and its interval beside the arrow; above its start where only a bound is known."""
    if found.censored != "right":
        ax.annotate(f"{found}", (x, y), (8, -5), va="top", **_WORDS)
        return
    low = f"\n(95 %: from {found.low:.1f}x up)" * bool(found.low < found.most)
    ax.annotate(f"more than {found.most:g}x{low}", (x, y), (-6, 3), ha="right", va="bottom", **_WORDS)


def accuracy_by_cost(records: Iterable[Record], plans: Sequence[str], ax: Axes | None = None) -> Axes:
    """Mean test accuracy of each plan over the operations of its fit, all tries included; log axis.

    A line per plan, named at its first point; the labels per class at the ends, and between where there is
    room. Raises UserError for a plan without a network, whose fits cost no such operations.
    """
    records = [r for r in records if r.split == "test" and r.status == "ok"]
    points = {plan: _points(records, plan) for plan in plans}
    ax = canvas(ax, 7.5, 3.8)
    for plan, curve in points.items():
        ax.plot(*zip(*curve.values(), strict=True), **look(plan), linewidth=1.2, markersize=7)
        ax.annotate(plan, curve[min(curve)], (-9, 0), ha="right", va="center", **_WORDS)
        for n in _apart({n: cost for n, (cost, _) in curve.items()}):
            cost, mean = curve[n]
            near = [other[n] for other in points.values() if n in other and 0.5 < other[n][0] / cost < 2]
            lift = 6 if mean >= max(height for _, height in near) else -15
            ax.annotate(str(n), (cost, mean), (0, lift), ha="center", **_WORDS)
    ax.set_xscale("log")
    ax.minorticks_off()
    ax.margins(x=0.13, y=0.1)
    ax.set(xlabel="floating-point operations of a fit, all settings tried (numbers: labels per class)")
    ax.set_ylabel("test accuracy (axis does not start at 0)")
    ax.set_title(_cheapest({plan: curve[min(curve)][0] for plan, curve in points.items()}), loc="left")
    return ax


def _points(records: Sequence[Record], plan: str) -> dict[int, tuple[float, float]]:
    """labels -> (operations, test accuracy), means over seeds."""
    found = {}
    for n, seeds in by_labels(records, plan).items():
        rows = [r for r in records if r.plan == plan and r.labels == n]
        cost = float(np.mean([effort.operations(row) for row in rows]))
        if not cost:
            raise UserError(f"plan {plan!r} runs no network, so its fits cost no operations: leave it out.")
        found[n] = cost, float(np.mean(list(seeds.values())))
    return found


def _apart(cost: Mapping[int, float], room: float = 1.5) -> list[int]:
    """The labels whose numbers do not collide: both ends, and each whose cost is `room` times apart."""
    first, *between, last = sorted(cost)
    chosen = [first]
    for n in between:
        if cost[n] >= room * cost[chosen[-1]] and cost[last] >= room * cost[n]:
            chosen.append(n)
    return [*chosen, last]


def _cheapest(cost: Mapping[str, float]) -> str:
    low, high = min(cost, key=cost.get), max(cost, key=cost.get)
    times = f"{cost[high] / cost[low]:.0f} times the operations"
    return f"With the fewest labels, {high} takes {times} of {low}"
