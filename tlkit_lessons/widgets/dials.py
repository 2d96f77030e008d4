"""Turn the similarity down: what the images look like, and what transfer still gains."""

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


def dial(
    images: Mapping[float, Sequence[Any]],
    gains: Mapping[str, Sequence[Verdict]],
    against: str = "scratch",
    guess: float | None = None,
    answers: Mapping[float, Sequence[str]] | None = None,
    accuracies: Mapping[str, Sequence[float]] | None = None,
) -> Frames:
    """Drag from near to far: ten images at that similarity, and the gains of every plan so far.

    images: similarity -> images, one a class; gains: plan -> a verdict for each similarity, in the order
    of `images`; answers: similarity -> what is wanted of each image, written above it; accuracies: plan
    -> mean accuracy at each similarity, drawn beside the gains, chance being one class of so many images.
    Each frame is headed by its verdicts. Raises UserError for fewer than two similarities or where a verdict
    is missing.
    """
    near_first = sorted(images, reverse=True)
    short = [plan for plan, found in gains.items() if len(found) != len(images)]
    if short:
        raise UserError(f"{short[0]} has no gain at some similarity: give a verdict for each.")
    given = {"against": against, "guess": guess, "answers": answers or {}, "accuracies": accuracies}
    return drag(partial(_frame, images=images, gains=gains, **given), near_first, "similarity")


def _frame(
    similarity: float,
    images: Mapping[float, Sequence[Any]],
    gains: Mapping[str, Sequence[Verdict]],
    against: str,
    guess: float | None,
    answers: Mapping[float, Sequence[str]],
    accuracies: Mapping[str, Sequence[float]] | None,
) -> Figure:
    figure = plt.figure(figsize=(8.6, 5.0), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 3))
    shown = list(images[similarity])
    axes = above.subplots(1, len(shown), squeeze=False).flat
    for ax, image, wanted in zip_longest(axes, shown, answers.get(similarity, ()), fillvalue=""):
        ax.set_axis_off()
        ax.imshow(picture(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(wanted, fontsize=8)
    known = list(images)
    count = sum(other >= similarity for other in known)
    left, *right = below.subplots(1, 2 if accuracies else 1, squeeze=False)[0]
    nb22_similarity.harm(figures.gain_along(known, gains, against, guess, count, left))
    for ax in right:
        nb22_similarity.accuracy_along(known, accuracies, 1 / len(shown), count, ax)
    figure.suptitle(_message(similarity, {p: v[known.index(similarity)] for p, v in gains.items()}, against))
    return figure


def _message(similarity: float, found: Mapping[str, Verdict], against: str) -> str:
    """One line: which plans are better, and which are not."""
    words = (f"{plan}: {'undecided' if v.word == 'cannot tell' else v.word}" for plan, v in found.items())
    return f"Similarity {similarity:g}, against {against} – {' · '.join(words)}"
