"""Choosing a plan: what a search had found after each try, a map of plans by cost, and its Pareto front."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit import plots
from tlkit.errors import UserError
from tlkit.plans import BASELINES
from tlkit.plots.style import GREY, INK, PALE, canvas
from tlkit.records import Record
from tlkit.stats import interval
from tlkit_lessons.look import guess_line, series
from tlkit_lessons.nb34_search import TRIES, Try, best, ledger_of


class Course(NamedTuple):
    """The best try so far, after each try, (n_seeds, n_tries): its accuracies, and the seconds spent."""

    validation: np.ndarray
    test: np.ndarray
    seconds: np.ndarray


class Place(NamedTuple):
    """A plan on the map: mean test accuracy, seconds of a fit, bytes to store (0: not known)."""

    accuracy: float
    seconds: float
    bytes: int = 0


def ledgers(records: Sequence[Record], plan: str, labels: int) -> dict[int, list[Try]]:
    """Seed -> the ledger of a plan. Raises UserError where none was recorded."""
    found = {row.seed: ledger_of(row) for row in _last(records, plan, labels)}
    if not found:
        raise UserError(f"no search of {plan} at {labels} labels is recorded: run it first.")
    return found


def _last(records: Sequence[Record], plan: str, labels: int) -> list[Record]:
    """The rows that hold the ledgers, by seed."""
    asked = (f"{plan}@tries={TRIES}", labels, "test", "ok")
    found = [r for r in records if (r.plan, r.labels, r.split, r.status) == asked]
    return sorted(found, key=lambda row: row.seed)


def course(records: Sequence[Record], plan: str, labels: int) -> Course:
    """How the search of a plan went on, seed by seed. Raises UserError as `ledgers` does."""
    found = ledgers(records, plan, labels)
    finals = {row.seed: row.detail["finals"] for row in _last(records, plan, labels)}
    at = {seed: [best(one[: k + 1]) for k in range(len(one))] for seed, one in found.items()}
    validation = [[found[seed][i].accuracy for i in heads] for seed, heads in at.items()]
    test = [[finals[seed][str(i)] for i in heads] for seed, heads in at.items()]
    seconds = [np.cumsum([t.seconds for t in one]) for one in found.values()]
    return Course(np.array(validation), np.array(test), np.array(seconds))


def tied(ledger: Sequence[Try]) -> int:
    """How many tries share the best validation accuracy."""
    return sum(t.accuracy == max(one.accuracy for one in ledger) for t in ledger)


def committed(records: Sequence[Record], plan: str, labels: int) -> float:
    """The mean test accuracy of a plan with its committed setting. UserError where it has no fit."""
    found = [r.value for r in _fits(records, f"{plan}@tries=0", labels)]
    if not found:
        raise UserError(f"{plan} has no fit with its committed setting at {labels} labels: run it first.")
    return float(np.mean(found))


_BEFORE = -0.4  # where the committed setting stands on the axis of tries


def by_tries_and_seconds(
    courses: Mapping[str, Course], usual: Mapping[str, float], guess: float | None = None
) -> Figure:
    """Mean test accuracy of the best so far, against tries and against CPU seconds (medians, a log axis).

    usual: plan -> mean with its committed setting, drawn as an open marker before the first try. guess: from
    how many tries on the reader expects one plan to beat another.
    """
    figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.9), layout="constrained", sharey=True)
    means = {plan: c.test.mean(0) for plan, c in courses.items()}
    spent = {plan: np.median(c.seconds, axis=0) for plan, c in courses.items()}
    for plan, mean in means.items():
        style = plots.look(plan) | {"markersize": 5}
        canvas(axes[0]).plot(range(1, len(mean) + 1), mean, **style)
        axes[0].plot(_BEFORE, usual[plan], **style | {"markerfacecolor": "white", "label": None})
        canvas(axes[1]).plot(spent[plan], mean, **style)
    count, (low, high) = len(mean), axes[0].get_ylim()
    axes[0].set_xticks([_BEFORE, *range(1, count + 1)], ["committed\nsetting", *range(1, count + 1)])
    axes[0].set(xlabel="tries of each plan", ylabel="test accuracy of the best so far")
    axes[0].set_ylim(low, high + 0.1 * (high - low))  # room for the guess
    axes[1].set(xlabel="seconds spent on the tries (log scale)", xscale="log")
    plots.style.legend(axes[1], loc="lower left")
    first, last = (max(means, key=lambda plan, at=k: means[plan][at]) for k in (0, -1))
    if guess is not None:
        guess_line(axes[0], guess, "x")
    leads = f"{first} leads after 1 try" + (
        f" and after {count}" if first == last else f", {last} after {count}"
    )
    cheapest = min(spent, key=lambda plan: spent[plan][-1])
    figure.suptitle(f"{leads}; tries of {cheapest} cost least", x=0.01, ha="left", fontsize=12)
    return figure


def optimism(courses: Mapping[str, Course], ax: Axes | None = None) -> Axes:
    """Validation and test accuracy of the best so far, means over plans and seeds, the gap tinted."""
    ax = canvas(ax, 6.0, 3.6)
    validation, test = (
        np.mean([getattr(c, name).mean(0) for c in courses.values()], axis=0)
        for name in ("validation", "test")
    )
    x = np.arange(1, len(test) + 1)
    ax.fill_between(x, test, validation, color=PALE, linewidth=0)
    for k, (values, name) in enumerate(((validation, "validation, by which it is chosen"), (test, "test"))):
        ax.plot(x, values, **series(k), label=name)
    gained = [100 * (values[-1] - values[0]) for values in (validation, test)]
    ax.set(xlabel=f"tries, mean of {len(courses)} plans", ylabel="accuracy of the best so far")
    said = f"From 1 to {x[-1]} tries: {gained[0]:+.1f} points in validation, {gained[1]:+.1f} in test"
    ax.set_title(said, loc="left", fontsize=11)
    plots.style.legend(ax, loc="lower right")
    return ax


def front(places: Mapping[str, Place]) -> list[str]:
    """The plans that no other one dominates: as good in accuracy, seconds and bytes, and better in one."""
    signed = {plan: (p.accuracy, -p.seconds, -p.bytes) for plan, p in places.items()}
    return [
        plan
        for plan, own in signed.items()
        if not any(o != own and all(b >= a for a, b in zip(own, o, strict=True)) for o in signed.values())
    ]


def places(
    records: Sequence[Record], plans: Sequence[str], labels: int, search: bool = False
) -> dict[str, Place]:
    """Each plan's place, over its seeds: mean accuracy, median seconds. Plans without a fit are left out.

    search: of the best of TRIES, with the seconds of all tries, and the bytes.
    """
    found = {}
    for plan in plans:
        rows = _last(records, plan, labels) if search else _fits(records, plan, labels)
        if rows:
            spent = [sum(r.measured["tries"]) if search else r.measured["seconds"] for r in rows]
            kept = max(r.detail["bytes"] for r in rows) if search else 0
            found[plan] = Place(float(np.mean([r.value for r in rows])), float(np.median(spent)), kept)
    return found


def _fits(records: Sequence[Record], plan: str, labels: int) -> list[Record]:
    asked = (plan, labels, "test", "ok")
    return [r for r in records if (r.plan, r.labels, r.split, r.status) == asked]


def plan_map(found: Mapping[str, Place], limit: float | None = None, ax: Axes | None = None) -> Axes:
    """Accuracy against seconds, with the Pareto front; what takes longer than `limit` seconds is pale.

    The area of a marker grows with the bytes to store, where they are known. Baselines are drawn, but on no
    front.
    """
    ax = canvas(ax, 5.6, 3.6)
    within = {plan: p for plan, p in found.items() if limit is None or p.seconds <= limit}
    rivals = {plan: p for plan, p in within.items() if plan not in BASELINES}
    line = sorted((found[plan].seconds, found[plan].accuracy) for plan in front(rivals))
    ax.plot(*zip(*line, strict=True) if line else ([], []), color=GREY, linewidth=1.2, zorder=1)
    span = np.ptp([p.accuracy for p in found.values()])
    for plan, p in found.items():
        style = plots.look(plan) | {
            "linestyle": "none",
            "markersize": 8 + 3 * (p.bytes > 1e5) + 3 * (p.bytes > 1e6),
        }
        ax.plot(p.seconds, p.accuracy, **style, alpha=1 if plan in within else 0.25)
        place, side = _label(p, [one for other, one in found.items() if other != plan], span)
        ax.annotate(plan, (p.seconds, p.accuracy), place, textcoords="offset points", fontsize=9, ha=side,
                    color=INK if plan in within else GREY)  # fmt: skip
    if limit is not None:
        ax.axvline(limit, color=INK, linestyle=":", linewidth=1.2)
    ax.set(xscale="log", xlabel="seconds (log scale)", ylabel="test accuracy")
    ax.margins(x=0.2, y=0.12)
    return ax


def _label(own: Place, others: Sequence[Place], span: float) -> tuple[tuple[int, int], str]:
    """Where the name of a plan stands, so that it covers no other: (offset in points, side)."""
    alike = [p for p in others if abs(p.accuracy - own.accuracy) < 0.08 * span]
    right = [np.log10(p.seconds / own.seconds) for p in alike]
    if beside := [p for p, apart in zip(alike, right, strict=True) if abs(apart) < 0.15]:
        return ((0, 11) if own.accuracy >= max(p.accuracy for p in beside) else (0, -21)), "center"
    return ((-11, -3), "right") if any(0 < apart < 0.6 for apart in right) else ((12, -3), "left")


def advised(found: Mapping[str, Place], limit: float) -> str | None:
    """The plan with the best mean among those that take at most so many seconds; None where none does."""
    within = {plan: p.accuracy for plan, p in found.items() if p.seconds <= limit}
    return max(within, key=within.__getitem__) if within else None


def unequal(courses: Mapping[str, Course], one: str, other: str) -> dict[tuple[int, int], str]:
    """(tries of one, tries of other) -> mean difference in test accuracy and its interval, as text."""
    last = courses[one].test.shape[1]
    found = {}
    for a, b in ((last, 1), (last, last), (1, 1), (1, last)):
        ends = interval(courses[one].test[:, a - 1] - courses[other].test[:, b - 1])
        found[a, b] = f"{ends.mean:+.3f} [{ends.low:+.3f}, {ends.high:+.3f}]"
    return found
