"""How a fit went: step by step, training beside test accuracy, and over the learning rate."""

from collections.abc import Iterable, Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit.errors import UserError
from tlkit.plots.curves import by_labels
from tlkit.plots.style import GREY, INK, budgets_axis, canvas, look
from tlkit.records import Record, values
from tlkit_lessons.look import SLATE, guess_line, series

_CURVES = 4  # more would look alike
_LOSS = 0.05  # accuracy below the best by which a rate counts as too low or too high


def over_steps(
    curves: Mapping[str, Mapping[int, float]],
    ylabel: str = "accuracy",
    guess: float | None = None,
    chance: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Named curves over the steps of one training, each step -> value; at most four, labelled at their ends.

    A curve of one value is a single marker. guess: a dashed line across them; chance: a dotted one. Raises
    UserError for more curves.
    """
    if not 0 < len(curves) <= _CURVES:
        raise UserError(f"{len(curves)} curves over steps: draw 1 to {_CURVES}, or they look alike.")
    ax = canvas(ax, 6.4, 3.4)
    for k, curve in enumerate(curves.values()):
        style = series(k) | ({"linestyle": ""} if len(curve) == 1 else {})
        ax.plot(list(curve), list(curve.values()), **style, linewidth=1.8, markersize=7)
    last = max(max(curve) for curve in curves.values())
    ax.set(xlabel="training steps", ylabel=ylabel, xlim=(-0.03 * last, 1.03 * last))
    ax.set_ylim(bottom=0)
    if guess is not None:
        guess_line(ax, guess, text=f"your guess: {guess:.2f}")
    if chance is not None:
        ax.axhline(chance, color=GREY, linestyle=":", linewidth=1.5, zorder=1)
        _beside(ax, 1.03 * last, chance, "chance (letters)")
    _at_the_ends(ax, curves)
    return ax


def paths(found: Mapping[str, Mapping[str, Mapping[int, float]]]) -> Figure:
    """How far the stages get from their start: a panel for each optimiser, a curve for each of two heads.

    found: optimiser -> head -> step -> relative change, the head that should get further first. The titles
    compare the two heads at the last step, and the height of each axis with that of the first.
    """
    figure, axes = plt.subplots(1, len(found), figsize=(8.5, 3.6), layout="constrained", squeeze=False)
    for ax, (optimiser, curves) in zip(axes[0], found.items(), strict=True):
        (first, far), (_, near) = curves.items()
        over_steps(curves, "relative change of the stages", ax=ax)
        higher = ax.get_ylim()[1] / axes[0, 0].get_ylim()[1]
        title = f"{optimiser}: {far[max(far)] / near[max(near)]:.1f} times as far with a {first}"
        ax.set_title(
            title + f"\n(axis {higher:.0f} times as high)" * bool(higher > 2), loc="left", fontsize=10
        )
    return figure


def _at_the_ends(ax: Axes, curves: Mapping[str, Mapping[int, float]]) -> None:
    """The name of each curve right of its last value, pushed up where two would overlap."""
    ends = {name: (max(curve), curve[max(curve)]) for name, curve in curves.items()}
    room, below = 0.075 * (ax.get_ylim()[1] - ax.get_ylim()[0]), -np.inf
    for name, (x, y) in sorted(ends.items(), key=lambda item: item[1][1]):
        below = max(y, below + room)
        _beside(ax, x, below, name)


def _beside(ax: Axes, x: float, y: float, text: str) -> None:
    place = {"xytext": (9, 0), "textcoords": "offset points", "va": "center"}
    ax.annotate(text, (x, y), **place, fontsize=9, color=INK, annotation_clip=False)


def train_and_test(records: Iterable[Record], plan: str, ax: Axes | None = None) -> Axes:
    """Mean accuracy of `plan` on its training items (dotted) and on the test, by budget; between: the gap.

    Thin lines are seeds, on the test. Raises UserError where a finished fit has no row of the split "train".
    """
    records = list(records)
    test = by_labels(records, plan)
    train = {n: values(records, plan=plan, labels=n, split="train") for n in test}
    for n, seeds in test.items():
        if seeds.keys() != train[n].keys():
            raise UserError(
                f"plan {plan!r} at {n} labels was not scored on its training items: run it again."
            )
    ax, style, budgets = canvas(ax, 4.2, 3.6), look(plan), list(test)
    means = [[float(np.mean(list(side[n].values()))) for n in budgets] for side in (train, test)]
    for seed in sorted(set.intersection(*map(set, test.values()))):
        line = [test[n][seed] for n in budgets]
        ax.plot(budgets, line, color=style["color"], linewidth=0.7, alpha=0.35)
    ax.fill_between(budgets, *means, facecolor=style["color"], alpha=0.12, linewidth=0)
    ax.plot(budgets, means[0], color=INK, marker=".", linestyle=":")
    ax.plot(budgets, means[1], **style, linewidth=1.8, markersize=6)
    budgets_axis(ax, budgets)
    _sides(ax, budgets, means)
    gaps = [a - b for a, b in zip(*means, strict=True)]
    ax.set_title(f"{plan}: the gap goes from {gaps[0]:.2f} to {gaps[-1]:.2f}", loc="left")
    ax.set_ylabel("accuracy (axis does not start at 0)" if ax.get_ylim()[0] > 0 else "accuracy")
    return ax


def _sides(ax: Axes, budgets: list[int], means: list[list[float]]) -> None:
    """What the two curves and the space between them are."""
    words = {"fontsize": 9, "color": INK, "textcoords": "offset points"}
    ax.annotate("training digits", (budgets[-1], means[0][-1]), (0, 7), ha="right", va="bottom", **words)
    middle = (means[0][0] + means[1][0]) / 2
    ax.annotate("gap", (budgets[0], middle), (9, 0), va="center", **words)
    ax.annotate("test digits (thin: one seed)", (budgets[-1], means[1][-1]), (0, -36), ha="right", **words)
    ax.set_ylim(top=max(ax.get_ylim()[1], 1.06))
    ax.set_yticks([y for y in ax.get_yticks() if ax.get_ylim()[0] <= y <= 1])


def accuracy_by_rate(
    records: Iterable[Record], plan: str, chance: float = 0.1, ax: Axes | None = None
) -> Axes:
    """Test accuracy of `plan` over the learning rate: a thin line a seed, their mean thick; log axis.

    One budget, one recipe a rate. A fit that diverged stands at `chance`, with a cross. The title says at
    which end accuracy is lost, a note how far a seed's accuracies lie from their mean (standard deviation
    over the rates, and over their upper half, mean over seeds). Raises UserError for several budgets, fewer
    than two rates, or a diverged fit whose rate nothing tells.
    """
    found, lost = _by_rate(list(records), plan, chance)
    rates = sorted(found)
    if len(rates) < 2:
        raise UserError(f"plan {plan!r} has records at {len(rates)} learning rates: run it at two or more.")
    seeds = sorted(set.intersection(*(set(found[rate]) for rate in rates)))
    lines = np.array([[found[rate][seed] for rate in rates] for seed in seeds])
    ax, style = canvas(ax, 3.8, 2.8), look(plan)
    ax.axhline(chance, color=GREY, linestyle=":", linewidth=1)
    ax.plot(rates, lines.T, color=style["color"], linewidth=0.7, alpha=0.4)
    ax.plot(rates, lines.mean(0), **style, linewidth=2, markersize=6)
    if lost:
        ax.plot(lost, [chance] * len(lost), "x", color=INK, markersize=8, markeredgewidth=2)
    ax.set_xscale("log")
    ax.minorticks_off()
    ax.set(xlabel="learning rate", ylabel="test accuracy", ylim=(0, 1.04))
    words = {"xycoords": "axes fraction", "ha": "right", "fontsize": 9, "color": SLATE}
    ax.annotate("chance", (1, chance / 1.04 + 0.02), va="bottom", **words)
    upper = lines[:, len(rates) // 2 :]
    note = f"standard deviation over rates: {lines.std(1).mean():.2f}"
    note += f"\nover the upper {upper.shape[1]}: {upper.std(1).mean():.2f}"
    ax.annotate(note, (1, 0.26), **words)
    ax.set_title(f"{plan}: {_ends(lines.mean(0))}", loc="left", fontsize=10)
    return ax


def _ends(means: np.ndarray) -> str:
    """At which end of the rates, in rising order, accuracy is lost."""
    low, high = (bool(means.max() - end > _LOSS) for end in (means[0], means[-1]))
    sides = ["low"] * low + ["high"] * high
    return f"loses accuracy at {' and '.join(sides)} rates" if sides else "good over nearly all rates"


def _by_rate(
    records: list[Record], plan: str, chance: float
) -> tuple[dict[float, dict[int, float]], list[float]]:
    """(rate -> seed -> accuracy, rates where a fit diverged); such a fit names no rate, its recipe does."""
    rows = [r for r in records if r.split == "test" and r.status != "failed"]  # killed: no fault of the plan
    told = {r.recipe: float(r.detail["setting"]) for r in rows if r.status == "ok" and r.plan != "pixels"}
    mine = [r for r in rows if r.plan == plan]
    budgets = sorted({r.labels for r in mine})
    if len(budgets) != 1:
        raise UserError(f"plan {plan!r} has records at {len(budgets)} budgets of labels: keep one.")
    found: dict[float, dict[int, float]] = {}
    lost = set()
    for row in mine:
        if row.recipe not in told:
            raise UserError(f"no fit of recipe {row.recipe} tells its learning rate: run that grid again.")
        rate = told[row.recipe]
        found.setdefault(rate, {})[row.seed] = chance if row.value is None else row.value
        lost |= {rate} if row.value is None else set()
    return found, sorted(lost)
