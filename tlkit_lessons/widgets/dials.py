"""Turn the similarity down: what the pictures look like, and what the source is still worth."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from tlkit.errors import UserError
from tlkit.stats import Verdict
from tlkit_lessons import figures, nb22_similarity
from tlkit_lessons.drawing import picture
from tlkit_lessons.widgets.frames import Frames, drag

ACROSS = 4  # pictures side by side


def dial(
    pictures: Mapping[float, Sequence[Any]],
    gains: Mapping[str, Sequence[Verdict]],
    against: str = "scratch",
    guess: float | None = None,
    answers: Mapping[float, Sequence[str]] | None = None,
    accuracies: Mapping[str, Sequence[float]] | None = None,
) -> Frames:
    """Drag from near to far: ten pictures at that similarity, and the gains of every plan so far.

    pictures: similarity -> pictures, one a class; gains: plan -> a verdict for each similarity, in the order
    of `pictures`; answers: similarity -> what is wanted of each picture, written above it; accuracies: plan
    -> mean accuracy at each similarity, drawn below the gains, chance being one class of so many pictures.
    Each frame is headed by its verdicts. Raises UserError for fewer than two similarities or where a verdict
    is missing.
    """
    near_first = sorted(pictures, reverse=True)
    short = [plan for plan, found in gains.items() if len(found) != len(pictures)]
    if short:
        raise UserError(f"{short[0]} has no gain at some similarity: give a verdict for each.")
    given = {"against": against, "guess": guess, "answers": answers or {}, "accuracies": accuracies}
    return drag(partial(_frame, pictures=pictures, gains=gains, **given), near_first, "similarity")


def _frame(
    similarity: float,
    pictures: Mapping[float, Sequence[Any]],
    gains: Mapping[str, Sequence[Verdict]],
    against: str,
    guess: float | None,
    answers: Mapping[float, Sequence[str]],
    accuracies: Mapping[str, Sequence[float]] | None,
) -> Figure:
    figure = plt.figure(figsize=(8.6, 5.4 if accuracies else 3.7), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.5))
    shown = list(pictures[similarity])
    axes = left.subplots(-(-len(shown) // ACROSS), ACROSS, squeeze=False).flat
    for ax, image, wanted in zip_longest(axes, shown, answers.get(similarity, ())):
        ax.set_axis_off()
        if image is not None:
            ax.imshow(picture(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            ax.set_title(wanted, fontsize=8)
    known = list(pictures)
    count = sum(other >= similarity for other in known)
    upper, *lower = right.subplots(2 if accuracies else 1, 1, squeeze=False, sharex=True)[:, 0]
    nb22_similarity.harm(figures.gain_along(known, gains, against, guess, count, upper))
    for ax in lower:
        nb22_similarity.accuracy_along(known, accuracies, 1 / len(shown), count, ax)
        upper.set_xlabel("")
    heading = [found[known.index(similarity)].sentence(plan, against) for plan, found in gains.items()]
    figure.suptitle("\n".join([f"shown: similarity {similarity:g}", *heading]), fontsize=10)
    return figure
