"""What can be known before a fit: a distance, or a vote of the labels, beside what transfer then brought."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit.errors import UserError
from tlkit.plots.style import (
    BLACK,
    GREY,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    TEXT,
    VERMILION,
    canvas,
    legend,
    look,
)
from tlkit.stats import Verdict

A_DISTANCE = "proxy A-distance of the pictures (0: alike, 2: told apart without error)"
HARM = "harm: worse than no transfer"
_FAMILIES = (  # no plan looks like these
    (ORANGE, "^", "-"),
    (PURPLE, "v", "--"),
    (SKY, "p", "-."),
    (GREY, "h", ":"),
    (BLACK, "*", (0, (3, 1, 1, 1))),
)


def harm(ax: Axes, along: str = "y") -> Axes:
    """Tint and name the side of the axes on which a gain is below zero; along: the axis of the gain.

    Axes without such a side stay as they are. Raises UserError for an axis other than "x" and "y".
    """
    if along not in ("x", "y"):
        raise UserError(f"the gain runs along 'x' or 'y', not {along!r}.")
    low, high = limits = ax.get_ylim() if along == "y" else ax.get_xlim()
    if min(limits) >= 0:
        return ax
    upright = along == "y"
    tint, keep = (ax.axhspan, ax.set_ylim) if upright else (ax.axvspan, ax.set_xlim)
    tint(min(limits), 0, color=VERMILION, alpha=0.09, linewidth=0, zorder=0)
    keep(low, high)
    where = {"transform": ax.transAxes, "va": "bottom" if upright else "center"}
    ax.text(0.02, 0.02 if upright else 0.5, HARM, **where, color=VERMILION, fontsize=9)
    return ax


def gain_by_distance(
    turned: Mapping[str, tuple[Sequence[float], Sequence[Verdict]]],
    plan: str = "frozen",
    against: str = "scratch",
    measure: str = A_DISTANCE,
    ax: Axes | None = None,
) -> Axes:
    """Gain of a plan over `against` by measured distance, a line for each family of tasks, 95 % intervals.

    turned: family -> (distances, verdicts), from near to far; they share the near end. Filled: the interval
    lies off zero. Raises UserError for no family, more than five, or a distance without a verdict.
    """
    if not 0 < len(turned) <= len(_FAMILIES):
        raise UserError(f"{len(turned)} families of tasks: give one to {len(_FAMILIES)}.")
    ax = canvas(ax, 6.4, 4.0)
    for (name, (distances, found)), (colour, marker, line) in zip(turned.items(), _FAMILIES, strict=False):
        if len(distances) != len(found):
            raise UserError(f"{name} has {len(distances)} distances and {len(found)} gains: give as many.")
        ax.plot(distances, [v.mean for v in found], color=colour, linestyle=line, linewidth=1.5)
        ax.vlines(distances, [v.low for v in found], [v.high for v in found], color=colour, linewidth=1.5)
        for at, v in zip(distances, found, strict=True):
            face = colour if v.low > 0 or v.high < 0 else "white"
            ax.plot(at, v.mean, color=colour, marker=marker, markerfacecolor=face, markersize=8)
        ax.plot([], [], color=colour, linestyle=line, marker=marker, label=name)
        end, place = (distances[-1], found[-1].mean), {"textcoords": "offset points", "fontsize": 9}
        ax.annotate("far end", end, (9, -3), **place, color=colour)
    ax.annotate("near end", (distances[0], found[0].mean), (10, 5), **place, color=INK)
    ax.axhline(0, color=INK, linewidth=1)
    ax.margins(x=0.14, y=0.08)
    ax.set_xlabel(measure)
    ax.set_ylabel(f"gain in accuracy, {plan} over {against}")
    legend(ax, title="open: the interval holds zero", title_fontsize=9)
    return harm(ax)


def accuracy_along(
    similarities: Sequence[float],
    accuracies: Mapping[str, Sequence[float]],
    chance: float | None = None,
    shown: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Mean accuracy of each plan at each similarity, from near to far; chance: a dotted line.

    shown: only so many, from the nearest on. Raises UserError where a plan has no accuracy for each
    similarity.
    """
    ax = canvas(ax, 5.6, 3.0)
    order = np.argsort(similarities)[::-1][:shown]
    for plan, found in accuracies.items():
        if len(found) != len(similarities):
            raise UserError(f"{plan} has {len(found)} accuracies at {len(similarities)} similarities.")
        where = [similarities[i] for i in order]
        ax.plot(where, [found[i] for i in order], **look(plan), linewidth=1.3, markersize=5)
    if chance is not None:
        ax.axhline(chance, color=GREY, linestyle=":", linewidth=1.2)
        ax.annotate("chance", (1.04, chance), (0, 2), textcoords="offset points", color=GREY, fontsize=9)
    ax.set(xlim=(1.05, -0.05), ylim=(0, 1.03))
    ax.set_xlabel("similarity (near on the left, far on the right)")
    ax.set_ylabel("test accuracy")
    legend(ax, ncols=2, loc="lower left", bbox_to_anchor=(0, 0.14), columnspacing=1)
    return ax


def votes_and_gains(
    votes: np.ndarray,
    gains: Mapping[str, np.ndarray],
    groups: Sequence[str],
    delta: float = 0.02,
) -> Figure:
    """A panel for each plan: what a vote said of an offer before the fit, and what taking it then brought.

    votes: offers x draws, at least 0 where the gate lets the source in; gains: plan -> offers x draws, over
    no transfer; groups: a name for each offer, at most five. Small: every draw, large: an offer's mean. The
    corners count outcomes that helped or harmed by more than `delta`. Raises UserError for other shapes.
    """
    names = list(dict.fromkeys(groups))
    if len(names) > len(_FAMILIES) or any(g.shape != votes.shape for g in gains.values()):
        raise UserError(f"give at most {len(_FAMILIES)} groups, and a gain of each plan for every vote.")
    with plt.rc_context(dict(TEXT)):
        size = (4.4 * len(gains), 4.2)
        figure, axes = plt.subplots(
            1, len(gains), figsize=size, layout="constrained", sharex=True, sharey=True, squeeze=False
        )
    for ax, (plan, gain) in zip(axes[0], gains.items(), strict=True):
        canvas(ax)
        ax.axhspan(-delta, delta, color=PALE, zorder=0, label=f"within {delta:g}")
        ax.axvline(0, color=INK, linewidth=1)
        for name, (colour, marker, _) in zip(names, _FAMILIES, strict=False):
            mine = np.asarray(groups) == name
            _dots(ax, votes[mine], gain[mine], name, color=colour, marker=marker, linestyle="")
        ax.set_title(plan, loc="left")
        ax.set_xlabel("vote: at home with the source, less with pixels")
    ax.margins(x=0.05, y=0.16)
    for ax, gain in zip(axes[0], gains.values(), strict=True):
        _corners(ax, votes, gain, delta)
    axes[0, 0].set_ylabel("gain in accuracy over scratch")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(names) + 1, frameon=False)
    return figure


def _dots(ax: Axes, votes: np.ndarray, gain: np.ndarray, name: str, **style: str) -> None:
    """Small and pale for every draw, large for an offer's mean."""
    ax.plot(votes.ravel(), gain.ravel(), **style, markersize=4, alpha=0.25, markeredgewidth=0)
    ax.plot(votes.mean(1), gain.mean(1), **style, markersize=8, markeredgecolor="white", label=name)


def _corners(ax: Axes, votes: np.ndarray, gain: np.ndarray, delta: float) -> None:
    """How many outcomes each quadrant holds."""
    for let_in, x, side in ((False, 0.02, "left"), (True, 0.98, "right")):
        mine = (votes >= 0) == let_in
        helped, harmed = (int((mine & far).sum()) for far in (gain > delta, gain < -delta))
        good, bad = ("helped", "harmed") if let_in else ("would help", "would harm")
        way = "let in" if let_in else "refused"
        place = {"transform": ax.transAxes, "ha": side, "fontsize": 9, "color": INK}
        ax.text(x, 0.98, f"{way}, {good}: {helped}", va="top", **place)
        ax.text(x, 0.02, f"{way}, {bad}: {harmed}", va="bottom", **place)


FEWEST = 10  # rows a side, below which neither distance says anything
FOLDS = 5


def proxy_a_distance(source: np.ndarray, target: np.ndarray, seed: int = 0) -> float:
    """2 (1 - 2 error) of a classifier that tells source from target: 0 alike, 2 told apart without error.

    source: N x D, target: M x D, pictures flattened or features. The error is the mean of both sides' error
    rates, on held-out fifths, of a logistic regression on standardised columns. A classifier worse than a
    coin counts as a coin, so identical domains give 0 (Ben-David et al. 2007, Analysis of representations
    for domain adaptation, section 4). Raises UserError for fewer than ten rows a side, different widths,
    numbers that are not finite, or columns that never vary.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, count = _both(source, target)
    sides = np.arange(len(rows)) >= count
    telling = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    error = 1 - balanced_accuracy_score(sides, cross_val_predict(telling, rows, sides, cv=folds))
    return max(0.0, 2 * (1 - 2 * float(error)))


def _both(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, int]:
    """Both sets in one (N + M) x D, float64, and N."""
    source, target = (np.asarray(rows, dtype=np.float64) for rows in (source, target))
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1]:
        raise UserError(
            f"source rows have the shape {source.shape}, target rows {target.shape}: "
            "give N x D and M x D with the same D, pictures flattened."
        )
    if min(len(source), len(target)) < FEWEST:
        raise UserError(
            f"{len(source)} source rows and {len(target)} target rows: a distance needs {FEWEST} of each."
        )
    rows = np.concatenate([source, target])
    if not np.isfinite(rows).all():
        raise UserError("some numbers in the rows are not finite: remove those rows, or mend what made them.")
    if not np.ptp(rows, axis=0).any():
        raise UserError(
            "no column varies, in neither set: there is nothing to tell apart, give other features."
        )
    return rows, len(source)
