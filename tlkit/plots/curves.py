"""A metric, and the gain in it, against labels and cost: where transfer pays, and where it stops."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from tlkit.errors import UserError
from tlkit.plots.style import GREY, INK, budgets_axis, canvas, legend, look
from tlkit.records import PLAIN, Record, Scale, scale, values
from tlkit.stats import Verdict, interval


def accuracy_by_labels(
    records: Iterable[Record], plans: Sequence[str], pairs: Sequence[Any] = (), ax: Axes | None = None
) -> Axes:
    """The test metric's mean of each plan at each budget, its 95 % interval over seeds as a band.

    pairs: those of `compare.pairs`; with them a mark says from where on no plan is better than scratch
    (`stops_paying`), and what the best is instead. Raises UserError where a plan has no records.
    """
    records, ax = list(records), canvas(ax, 5.2, 4.3)
    curves = {plan: by_labels(records, plan) for plan in plans}
    how = scale(r for r in records if r.plan in plans)
    budgets, banded = sorted({n for curve in curves.values() for n in curve}), False
    for plan, curve in curves.items():
        found = [interval(list(seeds.values())) for seeds in curve.values()]
        x, style = list(curve), look(plan)
        ax.plot(x, [f.mean for f in found], **style, linewidth=1.8, markersize=6, zorder=3)
        ends = how.within([(f.low, f.high) for f in found])
        if min(f.n for f in found) > 1:
            banded = True
            ax.fill_between(x, *ends.T, color=style["color"], alpha=0.13, linewidth=0)
    budgets_axis(ax, budgets, how.by_class)
    ax.set_ylabel(f"test {how.axis}")
    if "scratch" in plans and (stop := stops_paying(pairs, plans)):
        _mark(ax, stop, _instead(_verdicts(pairs, plans, "scratch"), stop, how))
    handles = ax.get_legend_handles_labels()[0]
    if banded:
        handles.append(Patch(color=GREY, alpha=0.25, linewidth=0, label="95 % interval\nover seeds"))
    legend(ax, below=True, handles=handles)
    return ax


def by_labels(records: Iterable[Record], plan: str) -> dict[int, dict[int, float]]:
    """labels -> seed -> test value of one plan. Raises UserError where the plan has no finished fit."""
    records = [r for r in records if r.plan == plan and r.split == "test" and r.status == "ok"]
    if not records:
        raise UserError(f"there are no records of plan {plan!r} to draw: run it, or leave it out.")
    return {n: values(records, plan=plan, labels=n) for n in sorted({r.labels for r in records})}


def stops_paying(pairs: Iterable[Any], plans: Sequence[str], against: str = "scratch") -> int | None:
    """The first budget from which on no plan is better than `against`; None where one is at the last."""
    found = _verdicts(pairs, plans, against)
    last = max((n for (_, n), v in found.items() if v.word == "better"), default=0)
    return min((n for _, n in found if n > last), default=None)


def _verdicts(pairs: Iterable[Any], plans: Sequence[str], against: str) -> dict[tuple[str, int], Verdict]:
    return {(p.plan, p.labels): p.verdict for p in pairs if p.against == against and p.plan in plans}


def _mark(ax: Axes, stop: int, instead: str) -> None:
    ax.axvline(stop, color=GREY, linestyle=(0, (1, 2)), linewidth=1.5, zorder=1)
    side = -1 if stop**2 > np.prod(ax.get_xlim()) else 1  # the wider side of the line, on a log axis
    place = {"xycoords": ax.get_xaxis_transform(), "ha": "right" if side < 0 else "left", "va": "bottom"}
    text = f"from here on no plan\nis better than scratch\n({instead})"
    offset = {"xytext": (5 * side, 0), "textcoords": "offset points"}
    ax.annotate(text, (stop, 0.03), **place, **offset, fontsize=9, color=INK)


def _instead(found: dict[tuple[str, int], Verdict], stop: int, how: Scale) -> str:
    """What the plan that is best from `stop` on is there, such as "full: equal, within 2 points"."""
    later = {plan: [v for (p, n), v in found.items() if p == plan and n >= stop] for plan, _ in found}
    best = max((p for p in later if later[p]), key=lambda p: np.mean([v.mean for v in later[p]]))
    delta = later[best][0].delta
    within = f", within {100 * delta:g} points" if how.metric == PLAIN else f", within {delta:g} {how.unit}"
    words = dict.fromkeys(v.word + within * (v.word == "equal") for v in later[best])
    return f"{best}: {' or '.join(words)}"


def gain_by_labels(pairs: Sequence[Any], plans: Sequence[str], how: Scale, ax: Axes | None = None) -> Axes:
    """Gain of each plan over scratch with its 95 % interval; a filled marker where it is `better`.

    pairs: those of `compare.pairs`; how: the scale of their metric.
    """
    ax, found = canvas(ax, 5.2, 3.8), _verdicts(pairs, plans, "scratch")
    budgets = sorted({n for _, n in found})
    shown = list(dict.fromkeys(plan for plan, _ in found))
    for k, plan in enumerate(shown):
        style, spread = look(plan), 1 + 0.06 * (k - (len(shown) - 1) / 2)
        points = {n * spread: found[plan, n] for n in budgets if (plan, n) in found}  # spread side by side
        y = np.array([v.mean for v in points.values()])
        ends = np.abs(np.array([(v.low, v.high) for v in points.values()]).T - y)
        line = {"color": style["color"], "linestyle": style["linestyle"], "linewidth": 1.3}
        ax.errorbar(list(points), y, ends, **line, elinewidth=1.3)
        for x, verdict in points.items():
            face = style["color"] if verdict.word == "better" else "white"
            dot = style | {"markerfacecolor": face, "label": "_"}
            ax.plot(x, verdict.mean, **dot, markersize=7)
        ax.plot([], [], **style)
    ax.axhline(0, color=INK, linewidth=1)
    budgets_axis(ax, budgets, how.by_class)
    ax.set_ylabel(how.gain("scratch"))
    legend(ax, title="filled: better than scratch\nopen: not shown to be better", title_fontsize=9)
    return ax


def accuracy_against_cost(records: Iterable[Record], ax: Axes | None = None) -> Axes:
    """The test metric's mean of each plan over the operations of its fit, all tries included; log axis.

    A line through the budgets of each plan. One without a network costs no such operations and stands on the
    axis. Raises UserError where nothing was counted.
    """
    records = [r for r in records if r.split == "test" and r.status == "ok"]
    if lost := [r.plan for r in records if r.operations is None]:
        raise UserError(f"a record of plan {lost[0]!r} counts no operations: run it again.")
    ax, how = canvas(ax, 5.2, 4.2), scale(records)
    for plan in dict.fromkeys(r.plan for r in records):
        curve = by_labels(records, plan)
        mean = [float(np.mean(list(seeds.values()))) for seeds in curve.values()]
        mine = [r for r in records if r.plan == plan]
        cost = [np.mean([r.operations for r in mine if r.labels == n]) for n in curve]
        style = look(plan)
        if all(cost):
            ax.plot(cost, mean, **style, linewidth=1, markersize=8)
            continue
        style |= {"linestyle": "", "label": f"{style['label']} (no network)"}
        edge = ax.get_yaxis_transform()  # no operations: on the axis itself, however far it reaches
        ax.plot(np.zeros(len(mean)), mean, **style, transform=edge, clip_on=False)
    ax.set_xscale("log")
    ax.minorticks_off()
    ax.set(xlabel="floating-point operations of one fit, all tries", ylabel=f"test {how.axis}")
    budgets = ", ".join(str(n) for n in sorted({r.labels for r in records}))
    ax.set_title(how.counted(budgets) + ", fewest at the left" * ("," in budgets), loc="left")
    legend(ax, below=True)
    return ax
