"""Drag the labels: where transfer pays, and where it stops."""

from collections.abc import Mapping, Sequence
from functools import partial

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit import compare, plots
from tlkit.errors import UserError
from tlkit.records import Record, Store
from tlkit.stats import Verdict
from tlkit_lessons.widgets.frames import Frames, drag


def label_slider(store: Store, plans: Sequence[str], against: str = "scratch") -> Frames:
    """Drag the labels: the seeds of `plans` as dots, and what transferred plans gain over `against` so far.

    The verdicts that head the frames, in words, are one family: the comparisons shown, no others. A mark
    stands where the gain of a plan ends for good. Raises UserError where the store holds fewer than two
    budgets of them.
    """
    transferred = [plan for plan in plans if plan not in (*compare.BASELINES, against)]
    records = store.read()
    shown = [r for r in records if r.plan in (*transferred, against)]
    pairs = compare.pairs(store, shown, baselines=(against,))
    judged = {(p.plan, p.labels): p.verdict for p in pairs}
    budgets = sorted({n for _, n in judged})
    if len(budgets) < 2:
        raise UserError(
            f"{', '.join(transferred)} and {against} share {len(budgets)} budgets: run them at two or more."
        )
    stops = {plan: plots.stops_paying(pairs, [plan], against) for plan in transferred}
    draw = partial(_frame, records=records, plans=plans, against=against, judged=judged, stops=stops)
    return drag(draw, budgets, "labels per class")


Judged = Mapping[tuple[str, int], Verdict]  # by plan and labels


def _frame(
    labels: int,
    records: list[Record],
    plans: Sequence[str],
    against: str,
    judged: Judged,
    stops: Mapping[str, int | None],
) -> Figure:
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.7), layout="constrained")
    for x, plan in enumerate(plans):
        _dots(left, x, plan, plots.by_labels(records, plan).get(labels, {}))
    left.set_xticks(range(len(plans)), plans)
    lowest = min(r.value for r in records if r.plan in plans and r.split == "test" and r.status == "ok")
    left.set(xlim=(-0.6, len(plans) - 0.4), ylim=(lowest - 0.03, 1.01), xlabel="one dot per seed, bar: mean")
    left.set_ylabel("test accuracy" + " (axis does not start at 0)" * (lowest > 0.03))
    _gains(right, labels, judged)
    right.set_ylabel(f"gain over {against}, 95 % interval")
    ended = {plan: stop for plan, stop in stops.items() if stop is not None and stop <= labels}
    _marks(right, ended, {plan: _ending(judged, plan, stop) for plan, stop in ended.items()})
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    said = {plan: v.word for (plan, n), v in judged.items() if n == labels}
    figure.suptitle(f"{labels} label{'s' * (labels != 1)} per class: {_heading(said, against)}", fontsize=11)
    return figure


_SAID = {
    "better": "better than {}",
    "worse": "worse than {}",
    "equal": "equal to {}",
    "cannot tell": "undecided against {}",
}


def _heading(words: Mapping[str, str], against: str) -> str:
    """What the verdicts of one budget, plan -> word, say together."""
    parts = []
    for word in dict.fromkeys(words.values()):
        alike = [plan for plan in words if words[plan] == word]
        parts.append(f"{' and '.join(alike)} {'are' if alike[1:] else 'is'} {_SAID[word].format(against)}")
    return ", ".join(parts)


def _ending(judged: Judged, plan: str, stop: int) -> str:
    """What the verdicts of a plan from its last gain on have in common."""
    words = {v.word for (name, n), v in judged.items() if name == plan and n >= stop}
    return "equal" if words == {"equal"} else "no longer\nbetter"


def _marks(ax: Axes, stops: Mapping[str, int], endings: Mapping[str, str]) -> None:
    """Where a gain ends for good: a line, and a note on its left, or on its right where that has no room."""
    first = ax.get_xlim()[0]
    for plan, stop in stops.items():
        ax.axvline(stop, color=plots.look(plan)["color"], linestyle=":", zorder=0)
        place, text = ax.get_xaxis_transform(), f"{plan}:\n{endings[plan]}\nfrom here"
        x, side = (stop / 1.06, "right") if stop > 4 * first else (stop * 1.06, "left")
        note = ax.text(x, 0.99, text, transform=place, ha=side, va="top", fontsize=9)
        note.set_in_layout(False)


def _dots(ax: Axes, x: float, plan: str, seeds: Mapping[int, float]) -> None:
    """One column, the seeds side by side in their order, so that a seed stands at the same place in each."""
    offsets = [0.5 * (i / max(len(seeds) - 1, 1) - 0.5) for i in range(len(seeds))]
    values = [seeds[seed] for seed in sorted(seeds)]
    ax.plot([x + offset for offset in offsets], values, **plots.look(plan) | {"linestyle": "none"})
    if values:
        ax.hlines(sum(values) / len(values), x - 0.36, x + 0.36, color="black", linewidth=1.2)


def _gains(ax: Axes, labels: int, judged: Judged) -> None:
    """The gains up to `labels`, on axes that stay the same in every frame; an open marker: not better."""
    budgets = sorted({n for _, n in judged})
    ax.axhline(0, color="black", linewidth=1)
    for k, plan in enumerate(dict.fromkeys(plan for plan, _ in judged)):
        style, shown = plots.look(plan), [n for n in budgets if n <= labels and (plan, n) in judged]
        places = [n * 1.05**k for n in shown]  # side by side, so that intervals do not overlap
        means = [judged[plan, n].mean for n in shown]
        ax.plot(places, means, **style | {"marker": "", "label": None})
        ax.plot([], [], **style)
        for n, x in zip(shown, places, strict=True):
            v, size = judged[plan, n], 10 if n == labels else 6
            face = style["color"] if v.word == "better" else "white"
            ax.vlines(x, v.low, v.high, color=style["color"], linewidth=1.6)
            ax.plot(x, v.mean, **style | {"markerfacecolor": face, "label": None}, markersize=size)
    low, high = min(0, *(v.low for v in judged.values())), max(v.high for v in judged.values())
    ax.set_xscale("log")
    ax.set_xticks(budgets, [str(n) for n in budgets])
    ax.minorticks_off()
    ax.set(xlim=(budgets[0] / 1.3, budgets[-1] * 1.4), ylim=(low - 0.03, high + 0.35 * (high - low)))
    ax.set_xlabel("labels per class (open: not better)")
    ax.legend(handlelength=3, fontsize=9, loc="lower left", frameon=False)
