"""Transferability scores: estimates, before any training, of how well a source suits a target.

Higher is better for every score. How well they predict is measured in notebook 23.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from tlkit import features as kept
from tlkit.backbones import Backbone
from tlkit.errors import UserError, unknown
from tlkit.tasks import Task
from tlkit_lessons.scores.class_separation import gbc, nearest_neighbour, transrate
from tlkit_lessons.scores.heads import has_classes, leep, nce, nleep, source_accuracy
from tlkit_lessons.scores.linear import h_score, linear_probe, logme, shrinkage_h_score

__all__ = [
    "NAMES", "gbc", "h_score", "leep", "linear_probe", "logme", "nce", "nearest_neighbour", "nleep",
    "score", "score_source", "shrinkage_h_score", "source_accuracy", "transrate",
]  # fmt: skip

BY_FEATURES = {
    "LogME": logme,
    "H-score": h_score,
    "shrinkage H-score": shrinkage_h_score,
    "NLEEP": nleep,
    "TransRate": transrate,
    "GBC": gbc,
    "kNN": nearest_neighbour,
    "linear probe": linear_probe,
}
BY_HEAD = {"LEEP": leep, "NCE": nce}
BY_CARD = "source accuracy"
NAMES = (*BY_FEATURES, *BY_HEAD, BY_CARD)


def score(name: str, features: ArrayLike, labels: ArrayLike, probabilities: ArrayLike | None = None) -> float:
    """The score `name` of a source for a target; higher is better.

    features: N x D, the source's on the target's items. labels: N class numbers 0 ... C - 1. probabilities:
    N x S, the source's head on the same items, which LEEP and NCE use instead of features. Raises UserError
    for an unknown name, for "source accuracy" (it is on the card), and for degenerate input: see `checked`.
    """
    if name in BY_HEAD:
        return BY_HEAD[name](probabilities, labels)
    if name == BY_CARD:
        raise UserError(f"{name!r} is no score of features: ask `source_accuracy(backbone.card)` for it.")
    if name not in BY_FEATURES:
        raise unknown("score", name, NAMES)
    return BY_FEATURES[name](features, labels)


def score_source(
    task: Task, backbone: Backbone, labels: int, seed: int, names: Iterable[str] = NAMES
) -> dict[str, float]:
    """Scores of a source for a task, from `labels` labelled items per class, chosen by the seed.

    All of them are used, the validation items too; the test set is not. NaN where a backbone has no source
    head or one whose outputs are no classes (LEEP, NCE, and then source accuracy), and where its card has no
    source accuracy. Raises UserError for a task without classes or with hidden labels, for fewer than 2
    labels, and as `score` does.
    """
    names = tuple(names)
    for name in names:
        if name not in NAMES:
            raise unknown("score", name, NAMES)
    if not task.objective.by_class:
        raise UserError(f"task {task.name!r} has no classes: transferability scores need them; give another.")
    if labels < 2:
        raise UserError(f"--labels {labels}: scores need at least 2 labelled items per class; give more.")
    drawn = task.draw(labels, seed).all
    y = np.asarray(task.targets)[drawn]
    pooled = kept.activations(kept.Cut.end(backbone, pooled=True), task.train, drawn)
    odds = _source_classes(task, backbone, drawn, pooled) if set(names) & BY_HEAD.keys() else None
    found = {}
    for name in names:
        if name == BY_CARD:
            named = "source_accuracy" in backbone.card and has_classes(backbone.card)
            found[name] = source_accuracy(backbone.card) if named else math.nan
        else:
            found[name] = math.nan if name in BY_HEAD and odds is None else score(name, pooled, y, odds)
    return found


@torch.inference_mode()
def _source_classes(task: Task, backbone: Backbone, items: np.ndarray, pooled: Any) -> np.ndarray | None:
    """Probabilities N x S of the source's own classes; None for a backbone that has none."""
    head = backbone.source_head()
    if isinstance(head, torch.nn.Identity) or not has_classes(backbone.card):
        return None
    if "own" in backbone.blueprint and not backbone.blueprint.get("reach"):
        return (
            kept.last_linear(head)(pooled).double().softmax(-1).numpy()
        )  # its head is pooling and this layer
    ends: Any = kept.activations(kept.Cut.end(backbone), task.train, items)
    return head(ends).double().softmax(-1).numpy()
