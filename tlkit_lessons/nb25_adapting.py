"""Adapting without labels: two clouds of features, methods by shift, certainty, choices without labels."""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from tlkit.errors import UserError
from tlkit.plots.style import GREY, INK, canvas
from tlkit.records import Record, values
from tlkit.stats import Verdict
from tlkit_lessons.look import series

_MARKED = {"better": " ▲", "worse": " ▼", "equal": " =", "cannot tell": " ?"}
_KEY = "mean test accuracy; ▲ better than the first row, ▼ worse, = equal within 0.02, ? undecided"
_SHADES = LinearSegmentedColormap.from_list("worse to better", ["#CF8FAE", "#FFFFFF", "#A9A3DB"])
_DEEPEST = 0.4  # a difference in accuracy from which on the shade is the deepest


def methods_by_shift(
    records: Iterable[Record],
    verdicts: Mapping[str, Sequence[Verdict]],
    shifts: Mapping[str, str],
    names: Mapping[str, str],
    against: str = "source only",
    ax: Axes | None = None,
) -> Axes:
    """A table: mean accuracy of each method on each shift, on a shade that says how far from the baseline.

    verdicts: method -> its verdict on each shift, as `ledger.along` has it; shifts: task of the records ->
    column head; names: what a row is called if not as in the records. Blue and ▲: better than the baseline,
    which is the first row; red and ▼: worse; white: equal or undecided. Raises UserError for a cell without
    records.
    """
    rows = list(records)
    table = {against: [None] * len(shifts), **verdicts}
    gains, texts = np.zeros((len(table), len(shifts))), []
    for i, (plan, found) in enumerate(table.items()):
        for j, (shift, verdict) in enumerate(zip(shifts, found, strict=True)):
            gains[i, j] = verdict.mean if verdict and verdict.word in ("better", "worse") else 0
            mark = "" if verdict is None else _MARKED[verdict.word]
            texts.append(f"{_mean(rows, plan, shift):.2f}{mark}")
    ax = _heat_map(gains, texts, [names.get(plan, plan) for plan in table], [*shifts.values()], ax)
    ax.axhline(0.5, color=INK, linewidth=1)
    ax.set_xlabel(_KEY, fontsize=9)
    ax.set_ylabel("method")
    return ax


def lost_to_oracle(
    verdicts: Mapping[str, Sequence[Verdict]], shifts: Sequence[str], ax: Axes | None = None
) -> Axes:
    """A table: accuracy that each choice loses to the oracle's on each shift, the more the redder.

    verdicts: criterion -> its verdict against the oracle on each shift, as `ledger.along` has it.
    """
    gains = np.array([[v.mean for v in found] for found in verdicts.values()])
    ax = _heat_map(gains, [f"{abs(gain):.2f}" for gain in gains.flat], [*verdicts], shifts, ax)
    ax.set_xlabel("accuracy lost to the best method, which only the oracle can choose", fontsize=9)
    ax.set_ylabel("chosen by")
    return ax


def _heat_map(
    gains: np.ndarray, texts: Sequence[str], rows: Sequence[str], columns: Sequence[str], ax: Axes | None
) -> Axes:
    ax = canvas(ax, 2.2 + 1.05 * len(columns), 1.1 + 0.36 * len(rows))
    ax.imshow(gains, cmap=_SHADES, vmin=-_DEEPEST, vmax=_DEEPEST, aspect="auto")
    for (i, j), text in zip(np.ndindex(gains.shape), texts, strict=True):
        ax.text(j, i, text, ha="center", va="center", color=INK)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def _mean(rows: list[Record], plan: str, task: str) -> float:
    found = values(rows, plan=plan, labels=0, task=task)
    if not found:
        raise UserError(f"no records of {plan!r} on {task!r}: run that grid, or ask for another.")
    return float(np.mean([*found.values()]))


def sure_and_right(
    sure: Sequence[float], right: Sequence[float], chance: float, ax: Axes | None = None
) -> Axes:
    """How certain a classifier is and how often it is right, round by round from 0, as shares.

    The one is measured on the training items of the target, the other on its test items. chance: the level
    of guessing.
    """
    ax = canvas(ax, 6.4, 3.2)
    named = {"its confidence, on training images": sure, "its accuracy, on test images": right}
    for k, (name, found) in enumerate(named.items()):
        ax.plot(found, **series(k))
        above, style = (0, 9 + 13 * k), {"textcoords": "offset points", "ha": "right"}
        ax.annotate(name, (len(found) - 1, found[-1]), above, color=series(k)["color"], **style)
    ax.axhline(chance, color=GREY, linestyle=":")
    ax.annotate("chance level", (0, chance), (0, -4), textcoords="offset points", va="top", fontsize=9)
    ax.set(xlabel="rounds of training on its own predictions", ylabel="share", ylim=(0, 1.12))
    ax.set_xticks(range(len(sure)))
    return ax


def clouds(source: np.ndarray, moved: np.ndarray, target: np.ndarray) -> Figure:
    """Features, N x D each, on the first two principal components of source and target together.

    Left as they are, right with the source moved.
    """
    together = np.concatenate([source, target])
    plane = np.linalg.svd(together - together.mean(0), full_matrices=False)[2][:2].T
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.3), sharex=True, sharey=True, layout="constrained")
    titles = ("before: the two domains differ", "after CORAL: one cloud on the other")
    for ax, cloud, title in zip(axes, (source, moved), titles, strict=True):
        for k, (name, rows) in enumerate({"target": target, "source": cloud}.items()):
            style = series(1 - k) | {"linestyle": "none", "markerfacecolor": "none" if k else None}
            ax.plot(*(rows @ plane).T, **style, markersize=4, alpha=0.8, label=name)
        ax.set_title(title, loc="left", fontsize=11)
        ax.set_xlabel("first principal component")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("second principal component")
    axes[0].legend(frameon=False, fontsize=9)
    return figure
