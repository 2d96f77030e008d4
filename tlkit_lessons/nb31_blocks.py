"""One block at a time: what each gains where the images, the shapes or the labels change."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit.compare import compare
from tlkit.errors import UserError
from tlkit.plots.style import INK, canvas, look
from tlkit.records import values
from tlkit.stats import Verdict
from tlkit_lessons import ledger
from tlkit_lessons.ledger import claims, contrasts
from tlkit_lessons.look import NEUTRAL_TILE, guess_line, series

BLOCK = "block:"
HEAD = "head alone"
Gains = Mapping[str, Sequence[Verdict]]  # plan -> a verdict against one baseline on each shift


class Network(NamedTuple):
    """A network whose blocks were trained one at a time, in full runs whose records are committed.

    records, head: files of them, of the blocks and of the new head alone. blocks: those tried, from the
    network's first to its last. images, labels: the task where this changes. claim: the id of the test of
    their interaction.
    """

    title: str
    records: str
    head: str
    blocks: tuple[str, ...]
    images: str
    labels: str
    claim: str


LETTERS = Network(
    "letters network, 4 blocks", "31_blocks", "31_head", ("stem", "block1", "block2", "block3"),
    "dial:background:0.25", "dial:coarse:0", "7",
)  # fmt: skip
PHOTOS = Network(
    "EfficientNet-Lite0, 2 of 9 blocks", "31_photos", "31_photos_head", ("stem", "conv_head"),
    "photos:noise", "photos:regrouped", "7-photos",
)  # fmt: skip


class Tally(NamedTuple):
    """In how many of `seeds` the first block is best where the images change, the last where the labels do.

    both: both in one seed. Best is more accurate than every other block that was tried. interaction: of first
    against last with images against labels.
    """

    first: int
    last: int
    both: int
    seeds: int
    interaction: Verdict

    def __str__(self) -> str:
        v = self.interaction
        return (
            f"images change, first block best: {self.first} of {self.seeds} seeds; "
            f"labels change, last block best: {self.last} of {self.seeds}; "
            f"both: {self.both} of {self.seeds}\n"
            f"interaction {100 * v.mean:+.1f} points [{100 * v.low:+.1f}, {100 * v.high:+.1f}], p = {v.p:.2g}"
        )


def tally(network: Network, labels: int) -> Tally:
    """How often the rule picks the best single block at a budget, and the interaction that claims it.

    p is Holm-adjusted over the budgets of the claim. Raises UserError where a fit is missing.
    """
    store, claim = ledger.shelf().store(network.records), claims.one(network.claim)
    ahead = []
    for task, nearest in ((network.images, network.blocks[0]), (network.labels, network.blocks[-1])):
        found = {b: values(store.read(), plan=BLOCK + b, labels=labels, task=task) for b in network.blocks}
        best_other = {
            seed: max(found[b][seed] for b in network.blocks if b != nearest) for seed in found[nearest]
        }
        ahead.append({seed: found[nearest][seed] > other for seed, other in best_other.items()})
    first, last = ahead
    both = sum(first[seed] and last[seed] for seed in first.keys() & last.keys())
    tested = contrasts.by_task(claim, store, store)
    if not tested or labels not in tested:
        raise UserError(f"claim {claim.id} is not tested at {labels} labels: its budgets are {claim.labels}.")
    return Tally(sum(first.values()), sum(last.values()), both, len(first), tested[labels])


def over_head(tasks: Sequence[str], plans: Sequence[str], labels: int, network: Network = LETTERS) -> Gains:
    """What each plan gains over the new head alone, trained by the same descent; one Holm family.

    Raises UserError where a fit is missing, and as `compare` does.
    """
    shelf = ledger.shelf()
    blocks, head = shelf.store(network.records), shelf.store(network.head)
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


def in_networks(gains: Mapping[Network, Gains]) -> Figure:
    """Gain of every block over the head alone, in points, with its 95 % interval: a panel a network.

    gains: network -> plan -> verdicts where the images and where the labels change, from early to late block.
    A line a change; a ring marks the block nearest to it. The title says how often that one is best by mean.
    """
    figure, axes = plt.subplots(
        1, len(gains), figsize=(1 + 3.6 * len(gains), 3.9), sharey=True, squeeze=False, layout="constrained",
        width_ratios=[1 + len(found) for found in gains.values()],
    )  # fmt: skip
    right = 0
    for ax, (network, found) in zip(axes[0], gains.items(), strict=True):
        canvas(ax).axhline(0, color=INK, linewidth=1)
        for k, (shift, nearest) in enumerate((("images change", 0), ("labels change", len(found) - 1))):
            of = [verdicts[k] for verdicts in found.values()]
            _line(ax, of, k, nearest, shift)
            right += max(range(len(of)), key=lambda i: of[i].mean) == nearest
        ax.set_xticks(range(len(found)), [_short(plan) for plan in found], fontsize=9, rotation=35)
        ax.set_xlim(-0.5, len(found) - 0.5)
        ax.set_title(network.title, loc="left", fontsize=11)
    axes[0, 0].set_ylabel(f"gain over {HEAD}, points")
    axes[0, 0].legend(frameon=False, fontsize=9)
    cases = 2 * len(gains)
    said = f"Among single blocks, the nearest (ring) has the best mean in {right or 'none'} of {cases} cases"
    figure.suptitle(said, x=0.01, ha="left", fontsize=12)
    figure.supxlabel("the block that is trained besides the head, from early to late", fontsize=10)
    return figure


def _line(ax: Axes, found: Sequence[Verdict], k: int, nearest: int, label: str) -> None:
    style, at = series(k), [x + 0.16 * k - 0.08 for x in range(len(found))]
    ax.plot(at, [100 * v.mean for v in found], **style, label=label, markersize=6)
    ax.vlines(
        at, [100 * v.low for v in found], [100 * v.high for v in found], color=style["color"], alpha=0.6
    )
    mean = 100 * found[nearest].mean
    ax.plot(at[nearest], mean, "o", markersize=14, markerfacecolor="none", markeredgecolor=INK, mew=1.4)


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
