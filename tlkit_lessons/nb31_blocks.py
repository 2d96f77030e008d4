"""One block at a time: what each gains where the images, the shapes or the labels change."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit.compare import compare
from tlkit.errors import UserError
from tlkit.plots.style import INK, canvas, look
from tlkit.stats import Verdict
from tlkit_lessons import ledger
from tlkit_lessons.look import NEUTRAL_TILE, guess_line

BLOCK = "block:"
HEAD = "head alone"
Gains = Mapping[str, Sequence[Verdict]]  # plan -> a verdict against one baseline on each shift


def over_head(tasks: Sequence[str], plans: Sequence[str], labels: int) -> Gains:
    """What each plan gains over the new head alone, trained by the same descent; one Holm family.

    Raises UserError where a fit is missing, and as `compare` does.
    """
    shelf = ledger.shelf()
    blocks, head = shelf.store("31_blocks"), shelf.store("31_head")
    both = [(ledger.side(blocks, plan, labels, (), task), ledger.side(head, "frozen", labels, (), task))
            for plan in plans for task in tasks]  # fmt: skip
    found = iter(compare(both, None, ("recipe",)))
    return {plan: [next(found) for _ in tasks] for plan in plans}


def best(gains: Gains, shift: int, against: str = HEAD) -> str:
    """The plan with the largest mean on the shift at that position, a block by its name: "stem", "full".

    The baseline `against` is best where no plan gains; "" leaves it out, and then only blocks count. Raises
    UserError where there is nothing to choose from.
    """
    means = {_short(plan): found[shift].mean for plan, found in gains.items() if against or BLOCK in plan}
    if not means:
        raise UserError(f"no plan among {', '.join(gains)} trains one block: give some, as in block:stem.")
    if against:
        means[against] = 0.0
    return max(means, key=means.__getitem__)


def gain_by_block(
    gains: Mapping[int, Gains],
    nearest: Mapping[str, Sequence[str]],
    guesses: Mapping[str, float] | None = None,
    against: str = HEAD,
) -> Figure:
    """Gain of every plan over `against`, in points, with its 95 % interval: a column a shift, a row a budget.

    gains: labels a class -> plan -> a verdict for each shift, blocks from early to late. nearest: shift ->
    the blocks, in the order of the plans, that the rule expects to be best; they stand on a tint. guesses:
    shift -> position of the block the reader expects. Filled: the interval excludes zero; a ring marks the
    best mean. Raises UserError where a plan has no verdict for each shift.
    """
    short = {plan for each in gains.values() for plan, found in each.items() if len(found) != len(nearest)}
    if short:
        raise UserError(f"{', '.join(short)}: give a verdict for each of {len(nearest)} shifts.")
    size = (0.6 + 2.6 * len(nearest), 1.2 + 2.5 * len(gains))
    figure, axes = plt.subplots(
        len(gains), len(nearest), figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    right = sum(
        _row(row, each, nearest, guesses or {}, against)
        for row, each in zip(axes, gains.values(), strict=True)
    )
    for ax, n in zip(axes[:, 0], gains, strict=True):
        ax.set_ylabel(f"{n} labels per class:\ngain over {against}, points")
    low, high = axes[0, 0].get_ylim()
    axes[0, 0].set_ylim(low, high + 0.18 * (high - low))  # room for the guess
    panels = len(gains) * len(nearest)
    said = f"The block nearest to the change (tinted) is the best plan in {right or 'none'} of {panels} cases"
    figure.suptitle(said, x=0.01, ha="left", fontsize=12)
    figure.supxlabel(
        "what is trained besides the head; frozen: nothing, the head is fitted by a solver\n"
        "(filled: the interval excludes zero)",
        fontsize=10,
    )
    return figure


def _short(plan: str) -> str:
    return plan.removeprefix(BLOCK)


def _row(
    axes: Sequence[Axes],
    gains: Gains,
    nearest: Mapping[str, Sequence[str]],
    guesses: Mapping[str, float],
    against: str,
) -> int:
    """A panel for each shift; returns in how many of them the best plan is a block that the rule expects."""
    right = 0
    for k, (ax, shift) in enumerate(zip(axes, nearest, strict=True)):
        winner = best(gains, k, against)
        _panel(canvas(ax), {plan: found[k] for plan, found in gains.items()}, winner, nearest[shift])
        if shift in guesses:
            guess_line(ax, guesses[shift], "x")
        if winner == against:
            ax.annotate(
                against, (0, 0), (2, 2), xycoords=("axes fraction", "data"), textcoords="offset points"
            )
        ax.set_title(f"{shift}:\nbest is {winner}", loc="left", fontsize=11)
        right += winner in nearest[shift]
    return right


def _panel(ax: Axes, found: Mapping[str, Verdict], winner: str, nearest: Sequence[str]) -> None:
    ax.axhline(0, color=INK, linewidth=1)
    for x, (plan, v) in enumerate(found.items()):
        style = look(plan) | {"linestyle": "none"}
        if _short(plan) in nearest:
            ax.axvspan(x - 0.5, x + 0.5, color=NEUTRAL_TILE, linewidth=0, zorder=0)
        ax.vlines(x, 100 * v.low, 100 * v.high, color=style["color"], linewidth=2)
        face = style["color"] if v.low > 0 or v.high < 0 else "white"
        ax.plot(x, 100 * v.mean, **style | {"markerfacecolor": face}, markersize=8)
        if _short(plan) == winner:
            ax.plot(x, 100 * v.mean, "o", markersize=16, markerfacecolor="none", markeredgecolor=INK, mew=1.4)
    ax.set_xticks(range(len(found)), [_short(plan) for plan in found], fontsize=9, rotation=35)
    ax.set_xlim(-0.6, len(found) - 0.4)
