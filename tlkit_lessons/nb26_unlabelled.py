"""Sources with and without labels, on a near and a far target."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from tlkit.stats import Verdict
from tlkit_lessons import figures, look

SAID = {"better": "labels help", "equal": "no labels needed", "worse": "no labels needed"}


def near_and_far(
    gains: Mapping[str, Mapping[str, Mapping[str, Verdict]]],
    labelled: Mapping[str, Verdict],
    guess: float,
    at: str = "letters-ssl",
) -> Figure:
    """Gain over scratch from each source, the near target on the left; its title says what labels are worth.

    gains: target -> plan -> source -> verdict. labelled: target -> the verdict on pretraining with labels
    against pretraining without, fine-tuned. guess: the reader's, for `full` from the source `at`, near.
    """
    figure = figures.gain_near_and_far(gains)
    for ax, task, place in zip(figure.axes, gains, ("near", "far"), strict=True):
        said = SAID.get(labelled[task].word, "undecided")
        ax.set_title(f"{place} ({task}), full: {said}", loc="left", fontsize=11)
    rows = list(next(iter(gains.values()))["frozen"])[::-1]
    look.guess_mark(figure.axes[0], guess, rows.index(at) - 0.27)
    return figure
