"""How a fit went: step by step, training beside test accuracy, and over the learning rate."""

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes

from tlkit.errors import UserError
from tlkit.plots.curves import by_labels
from tlkit.plots.style import GREY, INK, ORANGE, PURPLE, budgets_axis, canvas, legend, look
from tlkit.records import Record, values

# colours that no plan has
_LINES = ((INK, "D", "-"), (ORANGE, "X", (0, (5, 2))), (GREY, "o", "-."), (ORANGE, "s", ":"))


def over_steps(
    curves: Mapping[str, Mapping[int, float]],
    ylabel: str = "accuracy",
    guess: float | None = None,
    chance: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Named curves over the steps of one training, each step -> value; at most four.

    guess: a line across them, in the legend; chance: a dotted one. Raises UserError for more curves.
    """
    if not 0 < len(curves) <= len(_LINES):
        raise UserError(f"{len(curves)} curves over steps: draw 1 to {len(_LINES)}, or they look alike.")
    ax = canvas(ax, 6.0, 3.4)
    for (name, curve), (colour, marker, line) in zip(curves.items(), _LINES, strict=False):
        ax.plot(list(curve), list(curve.values()), color=colour, marker=marker, linestyle=line, label=name)
    if guess is not None:
        ax.axhline(
            guess, color=PURPLE, linestyle="--", linewidth=2, label=f"your guess: {guess:.2f}", zorder=1
        )
    if chance is not None:
        ax.axhline(chance, color=GREY, linestyle=":", linewidth=1.5, label="blind guessing", zorder=1)
    ax.set(xlabel="steps of training", ylabel=ylabel)
    ax.set_ylim(bottom=0)
    legend(ax)
    return ax


def train_and_test(records: Iterable[Record], plan: str, ax: Axes | None = None) -> Axes:
    """Mean accuracy of `plan` on its labelled items (dotted) and on the test, by budget; between: the gap.

    Thin lines are seeds, on the test. Raises UserError where a finished fit has no row of the split "train".
    """
    records = list(records)
    test = by_labels(records, plan)
    train = {n: values(records, plan=plan, labels=n, split="train") for n in test}
    for n, seeds in test.items():
        if seeds.keys() != train[n].keys():
            raise UserError(
                f"plan {plan!r} at {n} labels was not marked on its labelled items: run it again."
            )
    ax, style, budgets = canvas(ax, 4.2, 3.6), look(plan), list(test)
    means = [[float(np.mean(list(side[n].values()))) for n in budgets] for side in (train, test)]
    for seed in sorted(set.intersection(*map(set, test.values()))):
        line = [test[n][seed] for n in budgets]
        ax.plot(budgets, line, color=style["color"], linewidth=0.7, alpha=0.35)
    ax.fill_between(budgets, *means, facecolor=style["color"], alpha=0.12, linewidth=0)
    ax.plot(budgets, means[0], color=INK, marker=".", linestyle=":", label="on what was learnt from")
    ax.plot(
        budgets, means[1], **style | {"label": "on the test (thin: one seed)"}, linewidth=1.8, markersize=6
    )
    budgets_axis(ax, budgets)
    gaps = [a - b for a, b in zip(*means, strict=True)]
    ax.set_title(f"{plan}: gap {gaps[0]:.2f} to {gaps[-1]:.2f}", loc="left")
    ax.set_ylabel("accuracy (axis cut)" if ax.get_ylim()[0] > 0 else "accuracy")
    legend(ax, loc="lower right")
    return ax


def accuracy_by_rate(
    records: Iterable[Record], plan: str, chance: float = 0.1, ax: Axes | None = None
) -> Axes:
    """Test accuracy of `plan` over the learning rate: a thin line a seed, their mean thick; log axis.

    One budget, one recipe a rate. A fit that diverged stands at `chance`, with a cross. The title tells how
    far a seed's accuracies lie from their mean (standard deviation over the rates, mean over seeds). Raises
    UserError for several budgets, fewer than two rates, or a diverged fit whose rate nothing tells.
    """
    found, lost = _by_rate(list(records), plan, chance)
    rates = sorted(found)
    if len(rates) < 2:
        raise UserError(f"plan {plan!r} has records at {len(rates)} learning rates: run it at two or more.")
    seeds = sorted(set.intersection(*(set(found[rate]) for rate in rates)))
    lines = np.array([[found[rate][seed] for rate in rates] for seed in seeds])
    ax, style = canvas(ax, 3.4, 3.2), look(plan)
    ax.axhline(chance, color=GREY, linestyle=":", linewidth=1)
    ax.plot(rates, lines.T, color=style["color"], linewidth=0.7, alpha=0.4)
    ax.plot(rates, lines.mean(0), **style, linewidth=2, markersize=6)
    if lost:
        ax.plot(lost, [chance] * len(lost), "x", color=INK, markersize=8, markeredgewidth=2)
    ax.set_xscale("log")
    ax.minorticks_off()
    ax.set(xlabel="learning rate", ylabel="test accuracy", ylim=(0, 1.02))
    ax.set_title(f"{plan}: spread {lines.std(1).mean():.2f}", loc="left")
    return ax


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
