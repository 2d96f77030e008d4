"""What a score says of sources: with its labels shuffled, beside the truth, and as a shortlist."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit.backbones import Backbone
from tlkit.errors import UserError
from tlkit.plots.style import GREY, INK, PALE, TEXT, canvas, look
from tlkit.records import Record, values
from tlkit.stats import Verdict
from tlkit.tasks import Task
from tlkit_lessons import ranking, scores
from tlkit_lessons.look import SLATE, WRONG, guess_line, series

Columns = Mapping[str, Mapping[str, float]]  # score -> source -> value
CONTROL = "random weights (control)"  # its row


def card_line(name: str, card: Mapping[str, Any]) -> str:
    """A source and how it was pretrained, as a line of text; `card` is its model card."""
    if not scores.has_classes(card):
        return f"{name:21}{card['steps']:5} steps, no labels"
    found, chance = scores.source_accuracy(card), card["source_chance"]
    classes = f"{len(card['classes'])} classes"
    return (
        f"{name:21}{card['steps']:5} steps, {classes:10}  source accuracy {found:.2f} (chance {chance:.2f})"
    )


def score_all(
    task: Task, nets: Mapping[str, Backbone], names: Sequence[str], seeds: Iterable[int], labels: int = 5
) -> dict[str, np.ndarray]:
    """Score -> labelled subset (one a seed) x source; NaN where a source has no classes and it needs them."""
    rows = [[scores.score_source(task, net, labels, seed, names) for net in nets.values()] for seed in seeds]
    return {name: np.array([[source[name] for source in row] for row in rows]) for name in names}


def accuracies(
    records: Mapping[str, Sequence[Record]], sources: Iterable[str], plan: str, split: str, labels: int = 5
) -> dict[str, np.ndarray]:
    """Target -> labelled subset (by its seed) x source: recorded accuracy on a split ("test", "select")."""
    sources = list(sources)
    found = {t: [values(rows, plan=plan, labels=labels, backbone=s, split=split) for s in sources]
             for t, rows in records.items()}  # fmt: skip
    return {t: np.array([[one[seed] for one in columns] for seed in sorted(columns[0])])
            for t, columns in found.items()}  # fmt: skip


def rules_table(
    rules: Mapping[str, Sequence[np.ndarray]],
    validation: Mapping[str, np.ndarray],
    test: Mapping[str, np.ndarray],
    ends: Mapping[str, Sequence[float]],
    keep: int = 3,
) -> str:
    """Markdown: for each score the mean test accuracy of its first source, and of the best of `keep` of it.

    rules: score -> for each target its values, labelled subset x source. ends: name -> one number a target.
    validation, test: target -> labelled subset x source.
    """
    heads = "".join(f" {target}: first | best of {keep} |" for target in test)
    lines = ["| score |" + heads, "|---|" + "--:|" * (2 * len(test))]
    for name, found in rules.items():
        both = [(scored, target, k) for scored, target in zip(found, test, strict=True) for k in (1, keep)]
        means = [ranking.outcome(one, validation[t], test[t], k).mean() for one, t, k in both]
        lines.append(f"| {name} | " + " | ".join(f"{value:.2f}" for value in means) + " |")
    lines += [
        f"| *{name}* | " + " | ".join(f"{value:.2f} |" for value in row) + " |" for name, row in ends.items()
    ]
    return "\n".join(lines)


def scores_with_shuffled_labels(real: Columns, shuffled: Columns) -> Figure:
    """A panel a score, a row a source: the score as it is (filled), and with its labels shuffled (open).

    The highest is ringed. Raises UserError where the two hold different sources.
    """
    sources = list(next(iter(real.values())))
    if any(list(columns[s]) != sources for columns in (real, shuffled) for s in real):
        raise UserError("give the same sources, in the same order, with and without shuffled labels.")
    with plt.rc_context(dict(TEXT)):
        size = (1.6 + 1.75 * len(real), 1.5 + 0.23 * len(sources))
        figure, axes = plt.subplots(1, len(real), figsize=size, layout="constrained", sharey=True)
    rows = np.arange(len(sources))
    for ax, (name, column) in zip(np.atleast_1d(axes), real.items(), strict=True):
        values, rest = np.array(list(column.values())), np.array(list(shuffled[name].values()))
        canvas(ax).hlines(rows, rest, values, color=GREY, linewidth=1, zorder=1)
        ax.plot(rest, rows, "o", ms=8, color=INK, mfc="white", label="labels shuffled", zorder=2)
        ax.plot(values, rows, **series(0) | {"linestyle": "", "label": "true labels"}, ms=6, zorder=3)
        ring = {"ms": 15, "color": WRONG, "mfc": "none", "mew": 2, "zorder": 4}
        ax.plot(values.max(), values.argmax(), "o", **ring, label="highest")
        ax.set_title(name, loc="left")
        ax.set(ylim=(len(sources) - 0.5, -0.5), xlabel="score", yticks=rows, yticklabels=sources)
        ax.margins(x=0.15)
    first = np.atleast_1d(axes)[0]
    first.set_ylabel("source")
    figure.suptitle("Shuffle the labels: a good score must fall", fontsize=12, x=0.01, ha="left")
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def scores_against_truth(
    scored: Columns,
    accuracy: Mapping[str, float],
    harmful: Collection[str],
    levels: Mapping[str, float],
    guess: float | None = None,
    ylabel: str = "test accuracy",
) -> Figure:
    """A panel a score, two in a row: its value for each source (x), and that source's accuracy (y).

    harmful: sources with a marker of their own. levels: name -> accuracy of a baseline or control, a labelled
    line each.
    guess: the reader's, for the source with the highest value of the first score. A source that a score says
    nothing of (NaN) has no marker there. Raises UserError for a source without an accuracy.
    """
    if missing := {s for column in scored.values() for s in column} - accuracy.keys():
        raise UserError(f"no accuracy of {', '.join(sorted(missing))}: give one for each source.")
    nrows = -(-len(scored) // 2)
    with plt.rc_context(dict(TEXT)):
        figure, axes = plt.subplots(
            nrows, 2, figsize=(6.6, 1 + 2.2 * nrows), layout="constrained", sharey=True, squeeze=False
        )
    for ax in axes.flat[len(scored) :]:
        ax.set_axis_off()
    for ax, (name, column) in zip(axes.flat, scored.items(), strict=False):
        _points(canvas(ax), column, accuracy, harmful)
        ax.set_title(name, loc="left")
        ax.set_xlabel("score")
        ax.margins(0.12)
        _levels(ax, levels, ax in axes[:, 1])
    for ax in axes[:, 0]:
        ax.set_ylabel(ylabel)
    if guess is not None:
        guess_line(axes[0, 0], guess)
    figure.suptitle("A good score puts the accurate sources on the right", fontsize=12, x=0.01, ha="left")
    keys = {
        label: key for ax in axes.flat for key, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    figure.legend(keys.values(), keys.keys(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def _points(ax: Axes, column: Mapping[str, float], accuracy: Mapping, harmful: Collection[str]) -> None:
    told = [s for s, value in column.items() if not np.isnan(value)]
    bad = {"color": WRONG, "marker": "X", "linestyle": "", "label": "harmful source"}
    for style, part in (
        (series(0) | {"linestyle": "", "label": "other source"}, [s for s in told if s not in harmful]),
        (bad, [s for s in told if s in harmful]),
    ):
        if part:
            ax.plot([column[s] for s in part], [accuracy[s] for s in part], **style, ms=8, mec="white")


def _levels(ax: Axes, levels: Mapping[str, float], named: bool) -> None:
    for name, level in levels.items():
        ax.axhline(level, color=SLATE, linestyle=":", linewidth=1.3, zorder=0)
        if named:
            place = {"xycoords": ax.get_yaxis_transform(), "va": "center"}
            ax.annotate(name, (1.03, level), **place, fontsize=9, color=INK)


def gains_and_shortlist(
    gains: Mapping[str, Verdict],
    shortlisted: Mapping[str, float],
    plan: str,
    harmful: Collection[str] = (),
    control: Verdict | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A row a source, best first: its gain over scratch, and how often it is shortlisted.

    A marker is filled where the interval excludes zero. shortlisted: source -> share of the labelled subsets.
    harmful: sources worse than the control, for the title. control: the gain of the same plan from random
    weights: a row, and a line through all others. Raises UserError for a source without a share.
    """
    if gains.keys() - shortlisted.keys():
        raise UserError("give for every source how often it is shortlisted.")
    rows = dict(gains) | ({CONTROL: control} if control else {})
    order = sorted(rows, key=lambda source: rows[source].mean)
    ax, style = canvas(ax, 6.6, 1.4 + 0.28 * len(rows)), look(plan)
    for y, source in enumerate(order):
        v, often = rows[source], shortlisted.get(source, 0.0)
        colour = SLATE if source == CONTROL else style["color"]
        ax.hlines(y, v.low, v.high, color=colour, linewidth=1.6)
        mark = {"marker": "|" if source == CONTROL else style["marker"], "markersize": 8}
        face = colour if v.low > 0 or v.high < 0 else "white"
        ax.plot(v.mean, y, **mark, color=colour, markerfacecolor=face)
        _aside(ax, "" if source == CONTROL else f"{often:.0%}" if often else "never", y)
    _aside(ax, "shortlisted", len(rows) - 0.1)
    _lines(ax, control)
    ax.set_yticks(range(len(order)), order)
    ax.set_ylim(-0.6, len(order) - 0.4)
    ax.set(
        ylabel="source",
        xlabel=f"gain in accuracy over scratch, {plan}\n(95 % interval; filled: excludes zero)",
    )
    none = harmful and not any(shortlisted[source] for source in harmful)
    said = "No harmful source is shortlisted" if none else "Shortlisted sources stand near the top"
    ax.set_title(said, loc="left", fontsize=12, pad=20)
    return ax


def _aside(ax: Axes, text: str, y: float) -> None:
    ax.annotate(text, (1.03, y), xycoords=ax.get_yaxis_transform(), va="center", fontsize=9, color=INK)


def _lines(ax: Axes, control: Verdict | None) -> None:
    """Zero, which is scratch, and the control from random weights, both named on top."""
    ax.axvline(0, color=INK, linewidth=1)
    names = {"scratch": 0.0}
    if control is not None:
        ax.axvspan(control.low, control.high, color=PALE, zorder=0, linewidth=0)
        ax.axvline(control.mean, color=SLATE, linestyle="--", linewidth=1.3, zorder=0)
        names["frozen random weights"] = control.mean
    for name, x in names.items():
        ax.annotate(name, (x, 1), (0, 4), xycoords=ax.get_xaxis_transform(), ha="center",
                    textcoords="offset points", fontsize=9, color=INK)  # fmt: skip
