"""Adapting without labels: answers under pictures, methods by shift, choices made blind, batches."""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from tlkit.errors import UserError
from tlkit.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    canvas,
    legend,
)  # fmt: skip
from tlkit.records import Record, values
from tlkit.stats import Verdict

CHOSEN = "chosen@"  # before the criterion, in the plan of a record
ORACLE = "oracle"
WHOLE = 200  # at a time, where the plan of a record names no batch
_BATCH = "adabn@batch="
_ONCE = f"{_BATCH}none"
_MARKS = {
    "importance-weighted": (ORANGE, "s"), "entropy": (VERMILION, "X"), "neighbourhood density": (PURPLE, "v"),
    "nuclear norm": (BLUE, "D"),
}  # fmt: skip
_LINES = ((GREEN, "o", "-"), (BLUE, "D", (0, (5, 2))), (ORANGE, "^", "-."), (SKY, "v", ":"))


def sure_and_right(
    sure: Sequence[float], right: Sequence[float], chance: float | None = None, ax: Axes | None = None
) -> Axes:
    """How sure a learner is of its answers and how often they are right, round by round from 0.

    The one is read off the training items of the target, the other off its test. chance: that of a guess.
    """
    ax = canvas(ax, 6.0, 3.0)
    ax.plot(sure, color=ORANGE, marker="s", linestyle="--", label="how sure it is, in training")
    ax.plot(right, color=BLUE, marker="o", label="how often it is right, in the test")
    if chance is not None:
        ax.axhline(chance, color=GREY, linestyle=":", label="a guess")
    ax.set(xlabel="rounds of learning from its own answers", ylabel="share", ylim=(0, 1.02))
    ax.set_xticks(range(len(sure)))
    legend(ax, loc="center right")
    return ax


def methods_by_shift(
    records: Iterable[Record],
    verdicts: Mapping[str, Mapping[str, Sequence[Verdict]]],
    shifts: Mapping[str, Sequence[str]],
    names: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A table: mean accuracy of each method on each shift, on a colour that says how far from its baseline.

    verdicts: baseline -> method -> its verdict on each of that baseline's shifts, as `ledger.along` has it.
    shifts: baseline -> those; other cells of its rows are blank, and those of the first are the columns. Blue
    and ▲: better than the baseline; orange and ▼: worse; white: neither is told. names: what a row is called
    if not as in the records. Raises UserError for a cell without records.
    """
    rows, names, lines = list(records), names or {}, []
    for against, block in verdicts.items():
        told = {against: [None] * len(shifts[against]), **block}
        lines += [(plan, dict(zip(shifts[against], found, strict=True))) for plan, found in told.items()]
    columns = [*lines[0][1]]
    ax = canvas(ax, 2.4 + 1.05 * len(columns), 0.8 + 0.36 * len(lines))
    gains = np.zeros((len(lines), len(columns)))
    for i, (plan, cells) in enumerate(lines):
        for shift, verdict in cells.items():
            j, mean = columns.index(shift), np.mean([*_seeds(rows, plan, shift).values()])
            gains[i, j] = verdict.mean if verdict and verdict.word in ("better", "worse") else 0
            mark = "" if verdict is None else _MARKED[verdict.word]
            ax.text(j, i, f"{mean:.2f}{mark}", ha="center", va="center")
        for edge, width in ((i + 0.5, 1), (i - 0.5, 2 * (i > 0))) if plan in verdicts else ():
            ax.axhline(edge, color=INK, linewidth=width)
    shades = LinearSegmentedColormap.from_list("harm to help", [ORANGE, "#FFFFFF", SKY])
    ax.imshow(np.clip(gains, -0.4, 0.4), cmap=shades, vmin=-0.4, vmax=0.4, aspect="auto")
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(lines)), [names.get(plan, plan) for plan, _ in lines])
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_ylabel("method")
    ax.set_xlabel(_KEY)
    return ax


_KEY = """mean test accuracy; against the first row of the block: ▲ better, ▼ worse, = equal, ? cannot tell
blue: higher than there, orange: lower, the deeper the more; white: equal, or cannot tell"""
_MARKED = {"better": " ▲", "worse": " ▼", "equal": " =", "cannot tell": " ?"}


def _seeds(rows: list[Record], plan: str, task: str) -> dict[int, float]:
    found = values(rows, plan=plan, labels=0, task=task)
    if not found:
        raise UserError(f"no records of {plan!r} on {task!r}: run that grid, or ask for another.")
    return found


def selection_gap(
    records: Iterable[Record], shifts: Sequence[str], against: str = "source only", ax: Axes | None = None
) -> Axes:
    """For each shift, less no adapting in the same seed: what each criterion chose, and the oracle.

    Large and hollow: means; small: every seed. Raises UserError where one of them has no records.
    """
    rows = list(records)
    ax = canvas(ax, 7.0, 0.9 + 0.65 * len(shifts))
    for y, shift in enumerate(shifts):
        base = _seeds(rows, against, shift)

        def gains(plan: str, base: dict[int, float] = base, shift: str = shift) -> list[float]:
            return [value - base[seed] for seed, value in _seeds(rows, plan, shift).items()]

        best = np.mean(gains(CHOSEN + ORACLE))
        ax.plot([0, best], [y, y], color=GREY, linewidth=1, zorder=1)
        ax.plot(0, y, "|", color=BLACK, markersize=20, markeredgewidth=2, label=against * (y == 0))
        ax.plot(
            best, y, "*", color=GREEN, markersize=15, markeredgecolor=BLACK, label="oracle: peeks" * (y == 0)
        )
        for k, (name, (colour, marker)) in enumerate(_MARKS.items()):
            found, place = gains(CHOSEN + name), y + 0.19 * (k - 1.5)
            style = {"color": colour, "marker": marker, "linestyle": "none"}
            ax.plot(found, [place] * len(found), **style, markersize=2.5, zorder=4)
            style |= {"markerfacecolor": "white", "label": name * (y == 0)}
            ax.plot(np.mean(found), place, **style, markersize=8, zorder=3)
    ax.set_yticks(range(len(shifts)), shifts)
    ax.set(ylim=(len(shifts) - 0.5, -0.5), xlabel=f"test accuracy of what is chosen, less that of {against}")
    ax.set_ylabel("shift")
    handles = [(h, t) for h, t in zip(*ax.get_legend_handles_labels(), strict=True) if t]
    ax.legend(*zip(*handles, strict=True), frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def accuracy_by_batch(records: Iterable[Record], shifts: Sequence[str], ax: Axes | None = None) -> Axes:
    """AdaBN's accuracy against how many items come at a time: for each shift its means, and every seed.

    In the same colour: a thin whole line for the mean of AdaBN measured once, whatever comes at a time; a
    dotted one for that of no adapting. Raises UserError where a shift has no records.
    """
    rows = list(records)
    ax = canvas(ax, 7.0, 3.8)
    sizes = {r.plan.removeprefix(_BATCH): r.plan for r in rows if r.plan.startswith(_BATCH)}
    plans = dict(sorted((int(n), plan) for n, plan in sizes.items() if n.isdecimal())) | {WHOLE: "adabn"}
    for (colour, marker, line), shift in zip(_LINES, shifts, strict=False):
        found = {n: [*_seeds(rows, plan, shift).values()] for n, plan in plans.items()}
        style = {"color": colour, "marker": marker}
        means = [np.mean(each) for each in found.values()]
        ax.plot([*found], means, **style, linestyle=line, label=f"by batches: {shift}")
        once, level = (np.mean([*_seeds(rows, p, shift).values()]) for p in (_ONCE, "source only"))
        ax.axhline(level, color=colour, linewidth=1.5, linestyle=":", label=f"source only: {shift}")
        for n, each in found.items():
            ax.plot([n] * len(each), each, **style, linestyle="none", markersize=2.5, alpha=0.5)
        ax.axhline(once, color=colour, linewidth=1, label=f"measured once: {shift}")
    ax.set_xscale("log")
    ax.set_xticks([*plans], [str(n) for n in plans])
    ax.minorticks_off()
    ax.set(xlabel="test pictures that come at a time", ylabel="test accuracy", ylim=(0, 1.03))
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


_SOURCE = {"color": BLUE, "marker": "o", "markerfacecolor": "none", "label": "source, labelled"}
_TARGET = {"color": ORANGE, "marker": "x", "label": "target, sealed"}


def clouds(
    source: np.ndarray,
    moved: np.ndarray,
    target: np.ndarray,
    letters: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
) -> Figure:
    """Features, N x D each, in the two directions in which source and target together vary most.

    Before, and with the source moved. letters: one character -> rows of the moved source and of the target
    that are called so. They are shown alone, in the two directions in which they vary most themselves.
    """
    plane = _plane(source, target)
    size, wide = ((9.4, 2.9), 3) if letters else ((8, 3.2), 2)
    figure, axes = plt.subplots(1, wide, figsize=size, layout="constrained")
    axes[1].sharex(axes[0])
    axes[1].sharey(axes[0])
    for ax, cloud, title in zip(axes, (source, moved), ("as they are", "source moved"), strict=False):
        for rows, style in ((target, _TARGET), (cloud, _SOURCE)):
            ax.plot(*(rows @ plane).T, linestyle="none", markersize=4, **style)
        ax.set_title(title, loc="left")
    if letters:
        _nearer(axes[2], letters)
    for ax in axes:
        ax.set_xlabel("direction of most variance")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("that of second most")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def _plane(*rows: np.ndarray) -> np.ndarray:
    together = np.concatenate(rows)
    return np.linalg.svd(together - together.mean(0), full_matrices=False)[2][:2].T


def _nearer(ax: Axes, letters: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    plane = _plane(*(rows for pair in letters.values() for rows in pair))
    for name, pair in letters.items():
        for rows, style, size in zip(pair, (_SOURCE, _TARGET), (7, 5), strict=True):
            ax.plot(
                *(rows @ plane).T, linestyle="none", marker=f"${name}$", color=style["color"], markersize=size
            )
    ax.set_title(f"{' and '.join(letters)} alone, on other axes", loc="left")
