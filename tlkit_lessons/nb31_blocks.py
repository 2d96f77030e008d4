"""One block at a time: what each gains where the images, the shapes or the labels change."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit.errors import UserError
from tlkit.plots.style import INK, canvas, look
from tlkit.stats import Verdict
from tlkit_lessons.look import guess_line

BLOCK = "block:"


def best(gains: Mapping[str, Sequence[Verdict]], shift: int) -> str:
    """The block with the largest mean gain on the shift at that position, such as "stem".

    Raises UserError where no plan trains one block.
    """
    means = {plan.removeprefix(BLOCK): found[shift].mean for plan, found in gains.items() if BLOCK in plan}
    if not means:
        raise UserError(f"no plan among {', '.join(gains)} trains one block: give some, as in block:stem.")
    return max(means, key=means.__getitem__)


def gain_by_block(
    gains: Mapping[str, Sequence[Verdict]],
    nearest: Mapping[str, Sequence[str]],
    guesses: Mapping[str, float] | None = None,
    against: str = "frozen",
) -> Figure:
    """A panel for each shift: what every plan gains over `against`, in points, with its 95 % interval.

    gains: plan -> a verdict for each shift, blocks from early to late. nearest: shift -> the blocks that the
    rule expects to be best. guesses: shift -> position of the block the reader expects. Filled: the interval
    excludes zero; a ring marks the block with the best mean. Raises UserError where a plan has no verdict for
    each shift.
    """
    short = {plan: len(found) for plan, found in gains.items() if len(found) != len(nearest)}
    if short:
        raise UserError(f"{', '.join(short)} lack verdicts: give one for each of {len(nearest)} shifts.")
    size = (0.6 + 2.6 * len(nearest), 3.9)
    figure, axes = plt.subplots(
        1, len(nearest), figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    found = [best(gains, k) for k in range(len(nearest))]
    for k, (ax, shift) in enumerate(zip(axes[0], nearest, strict=True)):
        _panel(canvas(ax), {plan: each[k] for plan, each in gains.items()}, found[k])
        if shift in (guesses or {}):
            guess_line(ax, guesses[shift], "x")
        ax.set_title(f"{shift}:\nbest is {found[k]}", loc="left", fontsize=11)
    low, high = axes[0, 0].get_ylim()
    axes[0, 0].set_ylim(low, high + 0.12 * (high - low))  # room for the guess
    axes[0, 0].set_ylabel(f"gain over {against}, points of test accuracy")
    right = sum(block in expected for block, expected in zip(found, nearest.values(), strict=True))
    figure.suptitle(f"The block nearest to the change is the best one in {right} of {len(found)} shifts",
                    x=0.01, ha="left", fontsize=12)  # fmt: skip
    figure.supxlabel("what is trained besides the head (filled: the interval excludes zero)", fontsize=10)
    return figure


def _panel(ax: Axes, found: Mapping[str, Verdict], winner: str) -> None:
    ax.axhline(0, color=INK, linewidth=1)
    for x, (plan, v) in enumerate(found.items()):
        style = look(plan) | {"linestyle": "none"}
        ax.vlines(x, 100 * v.low, 100 * v.high, color=style["color"], linewidth=2)
        face = style["color"] if v.low > 0 or v.high < 0 else "white"
        ax.plot(x, 100 * v.mean, **style | {"markerfacecolor": face}, markersize=8)
        if plan == BLOCK + winner:
            ax.plot(x, 100 * v.mean, "o", markersize=16, markerfacecolor="none", markeredgecolor=INK, mew=1.4)
    ax.set_xticks(range(len(found)), [plan.removeprefix(BLOCK) for plan in found], fontsize=9, rotation=35)
    ax.set_xlim(-0.6, len(found) - 0.4)
