"""How good a source, how much data: gains over a count, and what a source's own accuracy foretells."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from tlkit.errors import UserError
from tlkit.plots.style import GREY, INK, ORANGE, PALE, PURPLE, SKY, canvas, legend, look
from tlkit.stats import Verdict

_SERIES = ((INK, "p", "-"), (ORANGE, "<", (0, (5, 2))), (SKY, "v", "-."))  # for what is no plan
_PLANS = ("pixels", "scratch", "frozen", "last-1", "full", "lp-ft")
_WORDS = "grey: too small to matter\nfilled: better or worse; open: equal; open, dotted: cannot tell"
_APART = 0.05  # series stand side by side, so that intervals can be told apart: as a share of the count
Points = Mapping[str, tuple[float, float]]  # name -> (its own accuracy, accuracy on the target)


def gain_by_count(
    gains: Mapping[str, Mapping[int, Verdict]],
    xlabel: str = "labels per class",
    ylabel: str = "gain in accuracy over scratch",
    guess: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Named gains with their 95 % intervals over labels, steps, or another count; log axis.

    gains: name -> count -> verdict; at most three names that are no plans. The band holds what counts as
    equal. A marker is filled for better or worse, open for equal, and open on a dotted interval for cannot
    tell. guess: where the reader expects the gain to be gone. Raises UserError for no gains, or more names.
    """
    others = [name for name in gains if name not in _PLANS]
    if not gains or not all(gains.values()) or len(others) > len(_SERIES):
        raise UserError(f"give the gains of one to {len(_SERIES)} series, a verdict at one count at least.")
    ax = canvas(ax, 5.6, 3.6)
    deltas = {v.delta for found in gains.values() for v in found.values()}
    ax.axhspan(-min(deltas), min(deltas), color=PALE, zorder=0, linewidth=0)
    for k, (name, found) in enumerate(gains.items()):
        style = look(name) if name in _PLANS else _style(others.index(name), name)
        x = [count * (1 + _APART * (k - (len(gains) - 1) / 2)) for count in found]
        ax.plot(x, [v.mean for v in found.values()], **style | {"marker": "", "label": None}, linewidth=1.3)
        for at, v in zip(x, found.values(), strict=True):
            face = style["color"] if v.word in ("better", "worse") else "white"
            line = ":" if v.word == "cannot tell" else "-"
            ax.vlines(at, v.low, v.high, color=style["color"], linewidth=1.6, linestyles=line)
            ax.plot(at, v.mean, **style | {"markerfacecolor": face, "label": None}, markersize=7)
        ax.plot([], [], **style)
    ax.axhline(0, color=INK, linewidth=1)
    if guess is not None:
        ax.axvline(guess, color=PURPLE, linestyle="--", linewidth=1.5, label=f"your guess: {guess:g}")
    _counts(ax, sorted({count for found in gains.values() for count in found}))
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_title(_WORDS, loc="left", fontsize=9)
    legend(ax)
    return ax


def _style(k: int, name: str) -> dict:
    colour, marker, line = _SERIES[k]
    return {"color": colour, "marker": marker, "linestyle": line, "label": name}


def _counts(ax: Axes, counts: Sequence[int]) -> None:
    ax.set_xscale("log")
    ax.set_xticks(counts, [str(n) for n in counts])
    ax.minorticks_off()


def target_by_source_accuracy(
    ladder: Points,
    others: Points,
    plan: str,
    scratch: float | None = None,
    named: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """One source at several moments, joined and named, among others: its own accuracy, and the target's.

    scratch: the accuracy without a source, a line; named: those of the others whose name is written below
    them; the rest have theirs on the right. Raises UserError for a ladder of fewer than two, or a name that
    is not among the others.
    """
    if len(ladder) < 2 or not set(named) <= others.keys():
        raise UserError("draw a ladder of at least two sources, and name only sources that are drawn.")
    ax, style = canvas(ax, 4.6, 3.6), look(plan)
    if scratch is not None:
        ax.axhline(scratch, **{k: look("scratch")[k] for k in ("color", "linestyle")}, label="scratch")
    apart = {"color": GREY, "markerfacecolor": "white", "label": "other schools"}
    ax.plot(*zip(*others.values(), strict=True), "o", **apart)
    ax.plot(*zip(*ladder.values(), strict=True), **style | {"label": "letters, by steps"}, zorder=3)
    beside = {"textcoords": "offset points", "fontsize": 8.5}
    *earlier, last = ladder
    for k, name in enumerate(earlier):  # by turns above and below, as neighbours may be close
        place = {"xytext": (2, -13), "ha": "left"} if k % 2 else {"xytext": (-2, 6), "ha": "right"}
        ax.annotate(name, ladder[name], **place, color=style["color"], **beside)
    ax.annotate(last, ladder[last], (2, 6), color=style["color"], **beside)
    for name in named:
        ax.annotate(name, others[name], (0, -12), ha="center", color=GREY, **beside)
    ax.margins(0.12)
    _names_on_the_right(ax, {name: others[name] for name in others if name not in named})
    ax.set(xlabel="accuracy at its own school", ylabel=f"accuracy on the target, {plan}")
    legend(ax, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, columnspacing=1.2)
    return ax


def _names_on_the_right(ax: Axes, points: Points) -> None:
    """Names in a column beside the axes, the highest first, each joined to its point by a thin line."""
    low, high = ax.get_ylim()
    at = 1.0
    for name, (x, y) in sorted(points.items(), key=lambda one: -one[1][1]):
        at = min(at - 0.075, (y - low) / (high - low) + 0.04)
        line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
        ax.annotate(name, (x, y), (1.03, at), textcoords="axes fraction", va="center", color=GREY,
                    fontsize=8.5, arrowprops=line)  # fmt: skip
