"""A metric, and the gain in it, against labels: where transfer pays, and where it stops."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from tlkit.errors import UserError
from tlkit.plans import BASELINES
from tlkit.plots.style import GREY, INK, budgets_axis, canvas, legend, look
from tlkit.records import PLAIN, Record, Scale, scale, values
from tlkit.stats import Verdict, interval, verdicts


def accuracy_by_labels(
    records: Iterable[Record],
    plans: Sequence[str],
    highlight: int | None = None,
    pairs: Iterable[Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The test metric's mean of each plan at each budget, its 95 % interval over seeds as a band.

    highlight: a budget; a line stands there, every plan's mean in the legend. A mark says from where on no
    plan is better than scratch (`stops_paying`), and what the best is instead. pairs: those of
    `compare.pairs`, whose verdicts also weigh new test items; without them the verdicts come from the seeds
    alone. Raises UserError where a plan has no records.
    """
    records, ax = list(records), canvas(ax, 7.0, 4.0)
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
    _mark(ax, records, plans, pairs)
    if highlight is not None:
        _highlight(ax, curves, highlight)
    noun = None if highlight is None else f"{highlight} label{'s' * (highlight != 1)}"
    handles = ax.get_legend_handles_labels()[0]
    if banded:
        handles.append(Patch(color=GREY, alpha=0.25, linewidth=0, label="95 % interval\nover seeds"))
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0), title=noun, handles=handles)
    return ax


def by_labels(records: Iterable[Record], plan: str) -> dict[int, dict[int, float]]:
    """labels -> seed -> test value of one plan. Raises UserError where the plan has no finished fit."""
    records = [r for r in records if r.plan == plan and r.split == "test" and r.status == "ok"]
    if not records:
        raise UserError(f"there are no records of plan {plan!r} to draw: run it, or leave it out.")
    return {n: values(records, plan=plan, labels=n) for n in sorted({r.labels for r in records})}


def _highlight(ax: Axes, curves: dict[str, dict[int, dict[int, float]]], budget: int) -> None:
    """A line at the budget, and every plan's mean there in the legend, whose order stays as it is."""
    means = {plan: float(np.mean(list(c[budget].values()))) for plan, c in curves.items() if budget in c}
    if not means:
        known = sorted({n for curve in curves.values() for n in curve})
        raise UserError(f"nothing was measured at {budget} labels: choose from {', '.join(map(str, known))}.")
    ax.axvline(budget, color=INK, linewidth=1, zorder=1)
    for line in ax.lines:
        if line.get_label() in means:
            line.set_label(f"{line.get_label()}  {means[line.get_label()]:.2f}")


def stops_paying(
    records: Iterable[Record],
    plans: Sequence[str],
    pairs: Iterable[Any] | None = None,
    against: str = "scratch",
) -> int | None:
    """The first budget from which on no plan is better than `against`; None where one is at the last."""
    found = _verdicts(records, plans, pairs, against)
    last = max((n for (_, n), v in found.items() if v.word == "better"), default=0)
    return min((n for _, n in found if n > last), default=None)


def _verdicts(
    records: Iterable[Record], plans: Sequence[str], pairs: Iterable[Any] | None, against: str
) -> dict[tuple[str, int], Verdict]:
    if pairs is not None:
        return {(p.plan, p.labels): p.verdict for p in pairs if p.against == against and p.plan in plans}
    records = list(records)
    base = by_labels(records, against)
    jobs, how = {}, scale(r for r in records if r.plan == against)
    for plan in (plan for plan in plans if plan not in (against, *BASELINES)):
        for n, seeds in by_labels(records, plan).items():
            both = sorted(seeds.keys() & base.get(n, {}).keys())
            if both:
                jobs[plan, n] = tuple([how.sign * side[s] for s in both] for side in (seeds, base[n]))
    return dict(zip(jobs, verdicts(list(jobs.values()), how.delta), strict=True)) if jobs else {}


def _mark(ax: Axes, records: list[Record], plans: Sequence[str], pairs: Iterable[Any] | None) -> None:
    if "scratch" not in plans:
        return
    stop = stops_paying(records, plans, pairs)
    if stop is None:
        return
    ax.axvline(stop, color=GREY, linestyle=(0, (1, 2)), linewidth=1.5, zorder=1)
    place = {"xycoords": ax.get_xaxis_transform(), "rotation": 90, "ha": "right", "va": "bottom"}
    text = "from here on no plan\nis better than scratch"
    rest = _instead(_verdicts(records, plans, pairs, "scratch"), stop, scale(records))
    offset = {"xytext": (-4, 0), "textcoords": "offset points"}
    ax.annotate(f"{text}\n({rest})", (stop, 0.03), **place, **offset, fontsize=8.5, color=INK)


def _instead(found: dict[tuple[str, int], Verdict], stop: int, how: Scale) -> str:
    """What the plan that is best from `stop` on is there, such as "full: equal, within 2 points"."""
    later = {plan: [v for (p, n), v in found.items() if p == plan and n >= stop] for plan, _ in found}
    best = max((p for p in later if later[p]), key=lambda p: np.mean([v.mean for v in later[p]]))
    delta = later[best][0].delta
    within = f", within {100 * delta:g} points" if how.metric == PLAIN else f", within {delta:g} {how.unit}"
    words = dict.fromkeys(v.word + within * (v.word == "equal") for v in later[best])
    return f"{best}: {' or '.join(words)}"


def gain_by_labels(
    records: Iterable[Record],
    plans: Sequence[str],
    against: str = "scratch",
    pairs: Iterable[Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Gain of each plan over `against` with its 95 % interval; a filled marker where it is `better`."""
    records, ax = list(records), canvas(ax, 6.4, 3.8)
    found = _verdicts(records, plans, pairs, against)
    how = scale(r for r in records if r.plan in (*plans, against))
    budgets = sorted({n for _, n in found})
    shown = list(dict.fromkeys(plan for plan, _ in found))
    for k, plan in enumerate(shown):
        style, spread = look(plan), 1 + 0.06 * (k - (len(shown) - 1) / 2)
        points = [(n, found[plan, n]) for n in budgets if (plan, n) in found]
        x = np.array([n for n, _ in points]) * spread  # side by side, so that intervals can be told apart
        y = np.array([v.mean for _, v in points])
        ends = np.abs(np.array([(v.low, v.high) for _, v in points]).T - y)
        ax.errorbar(
            x, y, ends, color=style["color"], linestyle=style["linestyle"], linewidth=1.3, elinewidth=1.3
        )
        for one, (_, verdict) in zip(x, points, strict=True):
            face = style["color"] if verdict.word == "better" else "white"
            ax.plot(
                one,
                verdict.mean,
                marker=style["marker"],
                color=style["color"],
                markerfacecolor=face,
                markersize=7,
            )
        ax.plot([], [], **style)
    ax.axhline(0, color=INK, linewidth=1)
    budgets_axis(ax, budgets, how.by_class)
    ax.set_ylabel(how.gain(against))
    ax.set_title("filled: better; open: not shown to be better", loc="left", fontsize=9)
    legend(ax)
    return ax
