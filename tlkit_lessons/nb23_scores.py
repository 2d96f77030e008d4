"""How well a score ranks sources: beside the truth, with doubt, with labels shuffled, and as published."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit.errors import UserError
from tlkit.plots.style import BLUE, GREEN, GREY, INK, ORANGE, PALE, PURPLE, TEXT, VERMILION, canvas, legend
from tlkit.stats import Interval
from tlkit_lessons.ranking import NO_ORDER, Agreement, Recomputed

Columns = Mapping[str, Mapping[str, float]]  # score -> source -> value
_KINDS = ((BLUE, "o"), (VERMILION, "X"), (PURPLE, "*"), (GREEN, "s"), (ORANGE, "^"))
_OFF = ((VERMILION, "X"), (ORANGE, "s"), (PURPLE, "^"), (GREEN, "v"))  # sets that do not recompute
_VERDICTS = {"agrees": (BLUE, "o", BLUE), "disagrees": (VERMILION, "X", VERMILION)}
_CANNOT_TELL = (GREY, "o", "white")


def _panels(n: int, ncols: int, size: tuple[float, float], **options: Any) -> tuple[Figure, np.ndarray]:
    """`n` axes or a few more, of `size` inches each, in rows of at most `ncols`."""
    ncols = min(n, ncols)
    nrows = math.ceil(n / ncols)
    with plt.rc_context(dict(TEXT)):
        figure, axes = plt.subplots(
            nrows,
            ncols,
            figsize=(size[0] * ncols, size[1] * nrows),
            layout="constrained",
            squeeze=False,
            **options,
        )
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def scores_with_shuffled_labels(real: Columns, shuffled: Columns) -> Figure:
    """A panel a score, a row a source: the score as it is (filled), and with its labels shuffled (open).

    The highest is ringed, unless all are the same. Raises UserError where the two hold different sources.
    """
    sources = list(next(iter(real.values())))
    if any(list(columns[s]) != sources for columns in (real, shuffled) for s in real):
        raise UserError("give the same sources, in the same order, with and without shuffled labels.")
    figure, axes = _panels(len(real), 4, (2.3, 0.9 + 0.22 * len(sources)), sharey=True)
    for ax, (name, column) in zip(axes.flat, real.items(), strict=False):
        values, rest = np.array(list(column.values())), np.array(list(shuffled[name].values()))
        rows = np.arange(len(sources))
        ax.hlines(rows, rest, values, color=GREY, linewidth=1, zorder=1)
        ax.plot(rest, rows, "o", ms=9, color=INK, mfc="white", label="labels shuffled", zorder=2)
        ax.plot(values, rows, "D", ms=5, color=BLUE, label="as it is", zorder=3)
        if np.ptp(values):
            at = values.argmax()
            ax.plot(values[at], at, "o", ms=16, color=VERMILION, mfc="none", mew=2, label="highest", zorder=4)
        ax.set_title(name, loc="left")
        ax.set(ylim=(len(sources) - 0.5, -0.5), xlabel="score")
        ax.margins(x=0.15)
    axes[0, 0].set_yticks(range(len(sources)), sources)
    axes[0, 0].set_ylabel("source")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return figure


def scores_against_truth(
    scored: Mapping[str, Columns],
    truth: Mapping[str, Mapping[str, Interval]],
    kinds: Mapping[str, str],
    scratch: Mapping[str, float],
    ylabel: str = "accuracy",
) -> Figure:
    """A row a target, a panel a score: its value for each source, and how good that source came out.

    truth: for each target and source the mean accuracy with its interval, drawn as a bar. kinds: the kind of
    each source, at most five different ones, each with a marker of its own. scratch: for each target the
    accuracy without a source, a dotted line. A source that a score says nothing of has no marker there.
    Raises UserError for more kinds, a source without one, or targets with different scores.
    """
    sources = list(dict.fromkeys(s for rows in truth.values() for s in rows))
    names = list(dict.fromkeys(kinds[s] for s in sources if s in kinds))
    if len(names) > len(_KINDS) or not set(sources) <= kinds.keys():
        raise UserError(f"every source needs one of at most {len(_KINDS)} kinds.")
    judges = _same_scores(scored)
    figure, axes = _panels(len(scored) * len(judges), len(judges), (2.1, 1.9), sharey="row")
    for row, (target, columns) in zip(axes, scored.items(), strict=True):
        for ax, column in zip(row, columns.values(), strict=True):
            ax.axhline(scratch[target], color=GREY, linestyle=":", linewidth=1.5, label="scratch, no source")
            for kind, look in zip(names, _KINDS, strict=False):
                of_kind = [s for s in truth[target] if kinds[s] == kind and s in column]
                _markers(ax, kind, look, [(column[s], truth[target][s]) for s in of_kind])
            ax.margins(0.12)
            ax.locator_params(axis="x", nbins=4)
        row[0].set_ylabel(f"{target}\n{ylabel}")
    for judge, top, bottom in zip(judges, axes[0], axes[-1], strict=True):
        top.set_title(judge, loc="left")
        bottom.set_xlabel("score")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _markers(ax: Axes, kind: str, look: tuple[str, str], points: Sequence[tuple[float, Interval]]) -> None:
    """Scores across, accuracies with their intervals upwards, all of one kind."""
    colour, marker = look
    for x, y in points:
        ax.vlines(x, y.low, y.high, color=colour, linewidth=1, zorder=1)
    style = {"color": colour, "linestyle": "", "markeredgecolor": "white", "markeredgewidth": 0.5}
    places = [x for x, _ in points], [y.mean for _, y in points]
    ax.plot(*places, **style, marker=marker, markersize=11 if marker == "*" else 7, label=kind)


def _same_scores(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The scores that every target has. Raises UserError where they differ."""
    judges = list(next(iter(found.values())))
    if any(list(rows) != judges for rows in found.values()):
        raise UserError("give the same scores, in the same order, for every target.")
    return judges


def agreements(
    found: Mapping[str, Mapping[str, Agreement]],
    lost: Columns | None = None,
    guess: tuple[str, float] | None = None,
) -> Figure:
    """A panel a target, a row a score: weighted tau with its interval; grey and open where it cannot tell.

    lost: for each target the accuracy that each score's pick falls short of the best source, as numbers in a
    grey column of its panel. guess: a score and somebody's tau for it, a diamond in the first panel. Raises
    UserError where targets have different scores.
    """
    scored = _same_scores(found)
    figure, axes = _panels(len(found), 4, (3.1, 1.1 + 0.3 * len(scored)), sharey=True)
    for ax, (target, rows) in zip(axes.flat, found.items(), strict=False):
        ax.axvline(0, color=GREY, linewidth=1, linestyle=":")
        for y, one in enumerate(rows.values()):
            _with_interval(ax, y, one)
        ax.set_title(target, loc="left")
        ax.set(xlim=(-1.05, 1.05), ylim=(len(scored) - 0.4, -0.7), xlabel="weighted tau")
        if lost is not None:
            _column(ax, [lost[target][name] for name in rows])
    axes[0, 0].set_yticks(range(len(scored)), scored)
    axes[0, 0].set_ylabel("score")
    _key(figure, axes[0, 0], scored, guess)
    return figure


def _column(ax: Axes, lost: Sequence[float]) -> None:
    """What is lost, on grey paper within the panel, so that it is not read for the next one's."""
    ax.axvspan(1.1, 1.8, color=PALE, zorder=0, linewidth=0)
    for y, value in enumerate(lost):
        ax.text(1.45, y, f"{value:.3f}", ha="center", va="center", fontsize=9)
    ax.text(1.45, -1, "lost", ha="center", va="center", fontsize=9)
    ax.set(xlim=(-1.05, 1.8), xticks=(-1, 0, 1))
    ax.spines["bottom"].set_bounds(-1.05, 1.05)
    ax.set_xlabel("weighted tau", x=0.37)


def _with_interval(ax: Axes, y: int, one: Agreement) -> None:
    if one.verdict == NO_ORDER:
        ax.text(0, y, NO_ORDER, ha="center", va="center", fontsize=9, color=GREY, backgroundcolor="white")
        return
    colour, marker, face = _VERDICTS.get(one.verdict, _CANNOT_TELL)
    line = "-" if one.verdict in _VERDICTS else (0, (3, 1.5))
    ax.plot([one.low, one.high], [y, y], color=colour, linestyle=line, linewidth=2, zorder=2)
    ax.plot(one.tau, y, marker, color=colour, markerfacecolor=face, markersize=8, zorder=3)


def _key(figure: Figure, ax: Axes, scored: list[str], guess: tuple[str, float] | None) -> None:
    for (colour, marker, face), name in ((_VERDICTS["agrees"], "agrees"), (_CANNOT_TELL, "cannot tell")):
        line = "-" if name == "agrees" else (0, (3, 1.5))
        ax.plot([], [], color=colour, marker=marker, markerfacecolor=face, linestyle=line, label=name)
    colour, marker, _ = _VERDICTS["disagrees"]
    ax.plot([], [], color=colour, marker=marker, label="disagrees")
    if guess is not None:
        name, tau = guess
        mark = {"color": PURPLE, "markersize": 9, "markeredgecolor": INK, "linestyle": ""}
        ax.plot(tau, scored.index(name), "d", **mark, label=f"your guess: {tau:+.2f}", zorder=4)
    figure.legend(
        *ax.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, handlelength=3
    )


def printed_and_recomputed(lines: Sequence[Recomputed], ax: Axes | None = None) -> Axes:
    """Each score on each set: tau as printed (x), and that of the printed scores (y).

    On the dotted line both agree; where they do not, a set has a marker of its own. A ring: the column is
    that of another score. Raises UserError where more than four sets do not agree.
    """
    ax = canvas(ax, 6.6, 4.2)
    off = list(dict.fromkeys(one.dataset for one in lines if not one.reproduces))
    if len(off) > len(_OFF):
        raise UserError(f"{len(off)} sets do not recompute: draw at most {len(_OFF)} such.")
    ends = [t for one in lines for t in (one.printed_tau, one.found.tau)]
    ax.plot([min(ends), max(ends)], [min(ends), max(ends)], color=GREY, linewidth=1, linestyle=":")
    for one in lines:
        colour, marker = (BLUE, "o") if one.reproduces else _OFF[off.index(one.dataset)]
        place, size = (one.printed_tau, one.found.tau), 6 if one.reproduces else 9
        ax.plot(*place, marker, color=colour, markersize=size, markeredgecolor="white", zorder=2)
        if one.copies:
            ax.plot(*place, "o", ms=16, color=INK, mfc="none", mew=1.5, zorder=3)
    ax.plot([], [], "o", color=BLUE, label="recomputes")
    for name, (colour, marker) in zip(off, _OFF, strict=False):
        ax.plot([], [], marker, color=colour, markersize=9, label=f"{name}: does not")
    ax.plot([], [], "o", ms=14, color=INK, mfc="none", mew=1.5, label="same column as another")
    ax.set(xlabel="weighted tau as printed", ylabel="weighted tau of the printed scores")
    legend(ax, loc="upper left", bbox_to_anchor=(1, 1))
    return ax
