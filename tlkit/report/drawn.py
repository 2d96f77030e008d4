"""The figures of a comparison; each title is the message, computed from the records."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tlkit import compare, plots, stats
from tlkit.plots.style import GREY, canvas, look
from tlkit.records import Record, Scale, scale
from tlkit.report.page import Figure, figure

Ends = tuple[float, float, float]  # mean, low, high


def figures(rows: list[Record], pairs: list[compare.Pair]) -> list[Figure]:
    """Scores, gains over scratch and costs of finished test rows of one comparison."""
    plans = list(dict.fromkeys(r.plan for r in rows))
    gains, how = [p for p in pairs if p.against == "scratch"], scale(rows)
    count = len({r.seed for r in rows})
    seeds = f"{count} seed{'s' * (count != 1)}"
    if len({r.labels for r in rows}) == 1:
        values = {plan: [r.value for r in rows if r.plan == plan] for plan in plans}
        means = by_plan(
            {plan: _mean(seeds, how) for plan, seeds in values.items()}, f"test {how.axis}", values
        )
        caption = (
            f"Each small dot is one seed; the large ones are the mean of {seeds} with its 95 % interval."
        )
        ends = {p.plan: (p.verdict.mean, p.verdict.low, p.verdict.high) for p in gains}
        gained = by_plan(ends, how.gain("scratch")) if gains else None
    else:
        means = plots.accuracy_by_labels(rows, plans, pairs=pairs)
        caption = f"The mean over {seeds} by the number of labels{' per class' * how.by_class}."
        tuned = [plan for plan in plans if plan not in compare.BASELINES]
        gained = plots.gain_by_labels(pairs, tuned, how) if gains else None
    drawn = [figure(means, best(rows, how), caption, _told(rows))]
    if gained:
        said = "; ".join(
            f"{p.plan} at {p.labels}: {stats.signed(p.verdict)}, {p.verdict.word}" for p in gains
        )
        caption = "Difference from scratch (the same network, randomly initialised) with its 95 % interval."
        drawn.append(figure(gained, helped(pairs, how), caption, said))
    if all(r.operations is not None for r in rows):
        caption = (
            "What a fit costs, all settings it tried included; the solver of a linear classifier is not."
        )
        drawn.append(figure(plots.accuracy_against_cost(rows), _cheapest(rows, how), caption, _told(rows)))
    return drawn


def best(rows: list[Record], how: Scale) -> str:
    """Which plan scores best at which budgets."""
    won: dict[int, compare.Standing] = {}
    for s in sorted(compare.standings(rows), key=lambda s: (s.labels, -how.sign * s.mean)):
        won.setdefault(s.labels, s)
    end, told = "highest" if how.sign > 0 else "lowest", []
    for plan in dict.fromkeys(s.plan for s in won.values()):
        of = [s for s in won.values() if s.plan == plan]
        budgets, means = listed(s.labels for s in of), listed(f"{s.mean:.2f}" for s in of)
        text = f" with {budgets}" if told else f" scores {end} with {how.counted(budgets)}"
        told.append(plan + text + f" ({means})" * (len(won) < 3))
    return ", ".join(told)


def helped(pairs: Sequence[compare.Pair], how: Scale) -> str:
    """Where transfer is shown to be better than scratch; "" where there was no scratch."""
    gains = [p for p in pairs if p.against == "scratch"]
    better = sorted({p.labels for p in gains if p.verdict.word == "better"})
    other = sorted({p.labels for p in gains} - set(better))
    if not better:
        return "No plan that transfers is shown to be better than scratch" * bool(gains)
    text = f"Transfer beats scratch with {how.counted(listed(better))}"
    return f"{text}; this is not shown with {listed(other)}" if other else text


def harmed(pairs: Sequence[compare.Pair], how: Scale) -> str:
    """Where which plan is worse than scratch (negative transfer, or freezing); "" where none is."""
    found: dict[str, list[int]] = {}
    for p in pairs:
        if p.against == "scratch" and p.verdict.word == "worse":
            found.setdefault(p.plan, []).append(p.labels)
    return "; ".join(
        f"{plan} is worse than scratch with {how.counted(listed(n))}" for plan, n in found.items()
    )


def _cheapest(rows: list[Record], how: Scale) -> str:
    """Which plan comes near the best one at the largest budget, and for how much less."""
    labels = max(r.labels for r in rows)
    means = {s.plan: s.mean for s in compare.standings(rows) if s.labels == labels}
    cost = {p: np.mean([r.operations for r in rows if (r.plan, r.labels) == (p, labels)]) for p in means}
    top = max(means, key=lambda plan: how.sign * means[plan])
    near = [p for p in means if cost[p] and how.sign * (means[top] - means[p]) <= how.delta]
    cheap = min(near, key=lambda plan: cost[plan], default=top)
    if cheap == top:
        return f"With {how.counted(labels)}, no cheaper network comes within {how.delta:g} of {top}"
    less = f"{cost[top] / cost[cheap]:,.1f} times fewer operations"
    return f"With {how.counted(labels)}, {cheap} comes within {how.delta:g} of {top} with {less}"


def listed(values: Iterable[Any]) -> str:
    """Such as "1, 5 and 10"."""
    *most, last = map(str, values)
    return f"{', '.join(most)} and {last}" if most else last


def _told(rows: list[Record]) -> str:
    """The figure in words, for those who cannot see it."""
    curves: dict[str, list[str]] = {}
    for s in compare.standings(rows):
        curves.setdefault(s.plan, []).append(f"{s.mean:.2f} at {s.labels}")
    return "; ".join(f"{plan}: {', '.join(told)}" for plan, told in curves.items())


def _mean(seeds: Sequence[float], how: Scale) -> Ends:
    found = stats.interval(seeds)
    low, high = (found.low, found.high) if len(set(seeds)) > 1 else (found.mean, found.mean)
    return (found.mean, *how.within((low, high)))


def by_plan(ends: Mapping[str, Ends], axis: str, seeds: Mapping[str, Sequence[float]] | None = None) -> Axes:
    """(mean, low, high) of each plan; each seed as a small dot above it, or a line at zero without seeds."""
    ax = canvas(None, 5.2, 1.3 + 0.55 * len(ends))
    ax.set_yticks(range(len(ends)), list(ends))
    ax.set(ylim=(len(ends) - 0.4, -0.6), xlabel=axis)
    for y, (plan, (mean, low, high)) in enumerate(ends.items()):
        kind = {key: look(plan)[key] for key in ("color", "marker", "markerfacecolor")}
        ax.errorbar(mean, y, xerr=[[mean - low], [high - mean]], **kind, markersize=8, elinewidth=2)
        text = f"{mean:.3f}" if seeds else f"{mean:+.3f}"
        ax.annotate(text, (mean, y), (0, -15), textcoords="offset points", ha="center", fontsize=9)
        if seeds:
            ax.plot(seeds[plan], np.full(len(seeds[plan]), y - 0.25), ".", color=kind["color"], alpha=0.6)
    if not seeds:
        ax.axvline(0, color=GREY, linewidth=1, zorder=1)
    return ax
