"""Sources with and without labels, on a near and a far target."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit.plots.style import INK
from tlkit.stats import Verdict
from tlkit_lessons import figures, look

AHEAD = {"better": "{0} ahead", "equal": "{0} and {1} equal", "worse": "{1} ahead"}
FULL = -0.11  # where `full` lies in the row of a source
WORDS = {"fontsize": 8.5, "color": INK}


def near_and_far(
    gains: Mapping[str, Mapping[str, Mapping[str, Verdict]]],
    labelled: Mapping[str, Verdict],
    guess: float,
    pixels: Mapping[str, float],
    at: tuple[str, str] = ("letters", "letters-ssl"),
) -> Figure:
    """Gain over scratch from each source, the near target on the left; the titles say which source is ahead.

    gains: target -> plan -> source -> verdict. labelled: target -> the verdict on the first source of `at`
    against the second, fine-tuned. guess: the reader's, for `full` from the second, near. pixels: target ->
    gain of a classifier on raw pixels, a dotted line. A source without `full` is where scratch starts.
    """
    figure = figures.gain_near_and_far(gains)
    rows = list(dict.fromkeys(name for plan in next(iter(gains.values())).values() for name in plan))[::-1]
    for ax, (task, plans), place in zip(figure.axes, gains.items(), ("near", "far"), strict=True):
        said = AHEAD.get(labelled[task].word, "undecided").format(*at)
        below = all(v.high < 0 for v in plans["frozen"].values())
        title = f"{task} ({place})\nfull: {said}" + "; frozen: all below scratch" * below
        ax.set_title(title, loc="left", fontsize=10)
        _pixels(ax, pixels[task])
        _same_as_scratch(ax, [y for y, name in enumerate(rows) if name not in plans.get("full", {})])
    look.guess_mark(figure.axes[0], guess, rows.index(at[1]) + FULL)
    figure.set_figheight(figure.get_figheight() + 0.5)
    return figure


def _pixels(ax: Axes, gain: float) -> None:
    ax.axvline(gain, color=look.SLATE, linestyle=":", linewidth=1.4, zorder=1)
    low, high = ax.get_xlim()
    side = ("right", -3) if gain > (low + high) / 2 else ("left", 3)  # where there is room
    ax.annotate("raw pixels", (gain, 1), (side[1], -1), xycoords=ax.get_xaxis_transform(), va="top",
                textcoords="offset points", ha=side[0], **WORDS)  # fmt: skip


def _same_as_scratch(ax: Axes, rows: Sequence[int]) -> None:
    for y in rows:
        ax.annotate("full = scratch", (0, y + FULL), (5, 0), textcoords="offset points", va="center",
                    **WORDS)  # fmt: skip
