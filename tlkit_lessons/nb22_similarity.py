"""How far a target is from its source, and what transfer gains at that distance."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from tlkit.compare import compare
from tlkit.errors import UserError
from tlkit.plots.style import GREY, INK, canvas, legend
from tlkit.stats import Verdict
from tlkit_lessons import ledger
from tlkit_lessons.look import WRONG_TILE, series
from tlkit_lessons.look import plan as look_of

A_DISTANCE = "proxy A-distance between the images (0: alike, 2: always told apart)"
HARM = "worse than from scratch"
RANDOM = ("random", "random,seed=1", "random,seed=2")


def control(tasks: Sequence[str], against: str, labels: int) -> list[Verdict]:
    """`frozen` from random weights, a mean over three networks, over `scratch` on each task; one Holm family.

    against: the file of records that holds `scratch`.
    """
    shelf = ledger.shelf()
    random, base = shelf.store("22_random"), shelf.store(against)
    return compare(
        [(ledger.side(random, "frozen", labels, RANDOM, task), ledger.side(base, "scratch", labels, (), task))
         for task in tasks]
    )  # fmt: skip


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
    tint(min(limits), 0, color=WRONG_TILE, alpha=0.6, linewidth=0, zorder=0)
    keep(low, high)
    where = {"transform": ax.transAxes, "va": "bottom" if upright else "center"}
    ax.text(0.02, 0.02 if upright else 0.5, HARM, **where, color=INK, fontsize=9)
    return ax


def gain_by_distance(
    turned: Mapping[str, tuple[Sequence[float], Sequence[Verdict]]],
    plan: str = "frozen",
    against: str = "scratch",
    measure: str = A_DISTANCE,
    ax: Axes | None = None,
) -> Axes:
    """Gain of a plan over `against` by measured distance, a line for each family of tasks, 95 % intervals.

    turned: family -> (distances, verdicts), from near to far. Filled: the interval excludes zero. Raises
    UserError for no family, more than four, or a distance without a verdict.
    """
    if not 0 < len(turned) <= 4:
        raise UserError(f"{len(turned)} families of tasks: give one to four.")
    ax = canvas(ax, 6.4, 4.0)
    for k, (name, (distances, found)) in enumerate(turned.items()):
        colour, marker, line = series(k).values()
        if len(distances) != len(found):
            raise UserError(f"{name} has {len(distances)} distances and {len(found)} gains: give as many.")
        ax.plot(distances, [v.mean for v in found], color=colour, linestyle=line, linewidth=1.5)
        ax.vlines(distances, [v.low for v in found], [v.high for v in found], color=colour, linewidth=1.5)
        for at, v in zip(distances, found, strict=True):
            face = colour if v.low > 0 or v.high < 0 else "white"
            ax.plot(at, v.mean, color=colour, marker=marker, markerfacecolor=face, markersize=8)
        ax.plot([], [], color=colour, linestyle=line, marker=marker, label=name)
        for label, i in ((("most similar", 0),) if k == 0 else ()) + (("least similar", -1),):
            place = {"textcoords": "offset points", "fontsize": 9, "color": INK, "va": "center"}
            ax.annotate(label, (distances[i], found[i].mean), (9, 0), **place)
    ax.axhline(0, color=INK, linewidth=1)
    ax.margins(x=0.2, y=0.08)
    ax.set_xlabel(measure)
    ax.set_ylabel(f"gain in accuracy, {plan} over {against}")
    legend(
        ax,
        title="open: the interval includes zero",
        title_fontsize=9,
        loc="lower center",
        bbox_to_anchor=(0.65, 0),
    )
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
        ax.plot(where, [found[i] for i in order], **look_of(plan), linewidth=1.3, markersize=5)
    if chance is not None:
        ax.axhline(chance, color=GREY, linestyle=":", linewidth=1.2)
        ax.annotate("chance level", (1.04, chance), (0, 2), textcoords="offset points", color=INK, fontsize=9)
    ax.set(xlim=(1.05, -0.05), ylim=(0, 1.03))
    ax.set_xlabel("similarity to the source (1: the same)")
    ax.set_ylabel("test accuracy")
    legend(ax, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, columnspacing=1)
    return ax


FEWEST = 10  # rows a side, below which neither distance says anything
FOLDS = 5


def proxy_a_distance(source: np.ndarray, target: np.ndarray, seed: int = 0) -> float:
    """2 (1 - 2 error) of a classifier that tells source from target: 0 alike, 2 told apart without error.

    source: N x D, target: M x D, images flattened, or features. The error is the mean of both sides' error
    rates, on held-out fifths, of a logistic regression on standardised columns. A classifier below
    chance counts as chance, so identical domains give 0 (Ben-David et al. 2007, Analysis of representations
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
            "give N x D and M x D with the same D, images flattened."
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
