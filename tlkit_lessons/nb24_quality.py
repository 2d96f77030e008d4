"""How good a source, how much data: gains over a count, of pretraining steps or of labels."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from tlkit.errors import UserError
from tlkit.plots.style import INK, PALE, canvas, look
from tlkit.stats import Verdict
from tlkit_lessons.look import SLATE, guess_line, series

_PLANS = ("pixels", "scratch", "frozen", "last-1", "full", "lp-ft")
_APART = 0.05  # series stand side by side, so that intervals do not overlap: as a share of the count
_BETWEEN = 0.085  # of the height: the least distance of two names beside the axes
MOST = 4  # series that are no plan


def gain_by_count(
    gains: Mapping[str, Mapping[int, Verdict]],
    title: str,
    xlabel: str = "labels per class",
    ylabel: str = "gain in accuracy over scratch",
    guess: float | None = None,
    control: Verdict | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Named gains with their 95 % intervals over labels, steps, or another count; log axis.

    gains: name -> count -> verdict; at most four names that are no plans. The band holds what is too small to
    matter; a marker is filled where the interval excludes zero. guess: where the reader expects the gain to
    be gone. control: the gain of frozen random weights, a dashed line. Raises UserError for no gains, or more
    names.
    """
    others = [name for name in gains if name not in _PLANS]
    if not gains or not all(gains.values()) or len(others) > MOST:
        raise UserError(f"give the gains of one to {MOST} series, a verdict at one count at least.")
    ax = canvas(ax, 6.6, 3.8)
    delta = min(v.delta for found in gains.values() for v in found.values())
    ax.axhspan(-delta, delta, color=PALE, zorder=0, linewidth=0)
    ax.axhline(0, color=INK, linewidth=1)
    for k, (name, found) in enumerate(gains.items()):
        style = look(name) if name in _PLANS else series(others.index(name))
        _series(ax, style, found, 1 + _APART * (k - (len(gains) - 1) / 2))
    if guess is not None:
        guess_line(ax, guess, "x", f"your guess: {guess:g}")
    if control is not None:
        ax.axhline(control.mean, color=SLATE, linestyle="--", linewidth=1.3, zorder=0)
    _counts(ax, sorted({count for found in gains.values() for count in found}))
    key = "95 % intervals; filled: excludes zero; grey band: too small to matter"
    ax.set(xlabel=f"{xlabel}\n({key})", ylabel=ylabel)
    ax.set_title(title, loc="left", fontsize=12)
    ends = {name: found[max(found)].mean for name, found in gains.items()}
    colours = {name: series(k)["color"] for k, name in enumerate(others)}
    _names(ax, ends | ({"frozen random weights": control.mean} if control else {}), colours)
    return ax


def _series(ax: Axes, style: Mapping, found: Mapping[int, Verdict], aside: float) -> None:
    line = {"color": style["color"], "linestyle": style["linestyle"], "linewidth": 1.3}
    x = [count * aside for count in found]
    ax.plot(x, [v.mean for v in found.values()], **line)
    for at, v in zip(x, found.values(), strict=True):
        ax.vlines(at, v.low, v.high, color=style["color"], linewidth=1.6)
        face = style["color"] if v.low > 0 or v.high < 0 else "white"
        mark = {"color": style["color"], "marker": style["marker"], "markerfacecolor": face}
        ax.plot(at, v.mean, **mark, linestyle="", markersize=7)


def _counts(ax: Axes, counts: Sequence[int]) -> None:
    ax.set_xscale("log")
    ax.set_xticks(counts, [str(n) for n in counts])
    ax.minorticks_off()


def _names(ax: Axes, ends: Mapping[str, float], colours: Mapping[str, str]) -> None:
    """The name of each line beside its end, the highest first, with room between two."""
    low, high = ax.get_ylim()
    at = 2.0
    for name, y in sorted(ends.items(), key=lambda end: -end[1]):
        at = min(at - _BETWEEN, (y - low) / (high - low))
        style = {"va": "center", "fontsize": 9.5, "color": colours.get(name, INK)}
        ax.annotate(name, (1.02, at), xycoords="axes fraction", **style)
