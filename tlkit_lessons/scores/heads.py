"""Scores of how well one labelling predicts another: LEEP, NCE, NLEEP; and the source's own accuracy."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from tlkit.errors import UserError
from tlkit_lessons.scores.checked import checked, checked_labels, checked_probabilities

ENERGY = 0.8  # share of the variance that NLEEP keeps
CLUSTERS, CROWD = 5, 5  # clusters per class, and the fewest items per cluster on average


def leep(probabilities: ArrayLike | None, labels: ArrayLike) -> float:
    """LEEP (Nguyen et al. 2020, ICML): mean log likelihood of the labels, given the source.

    probabilities: N x S, the source's head on the items. At most 0; minus the entropy of the labels when the
    source's classes are independent of them.
    """
    y, classes = checked_labels(labels)
    p = checked_probabilities(probabilities, len(y))
    joint = np.eye(classes)[y].T @ p
    given = joint / np.maximum(joint.sum(0), np.finfo(float).tiny)
    return float(np.log((given[y] * p).sum(1)).mean())


def nce(probabilities: ArrayLike | None, labels: ArrayLike) -> float:
    """NCE (Tran et al. 2019, ICCV): minus the entropy of the labels given the source's class.

    probabilities: N x S; the likeliest class counts, the first among ties. At most 0.
    """
    y, classes = checked_labels(labels)
    p = checked_probabilities(probabilities, len(y))
    joint = np.zeros((classes, p.shape[1]))
    np.add.at(joint, (y, p.argmax(1)), 1 / len(y))
    there = joint > 0
    return float((joint * np.log(np.where(there, joint, 1) / np.where(there, joint.sum(0), 1))).sum())


def nleep(features: ArrayLike, labels: ArrayLike) -> float:
    """NLEEP (Li et al. 2021, CVPR): LEEP with clusters of the features as source classes.

    Principal components with 80 % of the variance, scaled together; a mixture of Gaussians along those axes
    (diagonal: few labels support no more) with five clusters per class, but at least five items each on
    average; the seed is fixed. Fewer than 10 items make one cluster: the score is then uninformative.
    """
    x, y, classes = checked(features, labels)
    parts = PCA(ENERGY, svd_solver="full").fit_transform(x)
    clusters = max(1, min(CLUSTERS * classes, len(x) // CROWD, len(np.unique(x, axis=0))))
    mixture = GaussianMixture(clusters, covariance_type="diag", random_state=0)
    shares = mixture.fit(parts / parts.std()).predict_proba(parts / parts.std())
    return leep(np.column_stack([shares, np.zeros(len(x))]), y)


def has_classes(card: Mapping[str, Any]) -> bool:
    """Whether the outputs of the source's head are classes: not after contrastive pretraining."""
    return not card.get("pretraining", {}).get("contrast")


def source_accuracy(card: Mapping[str, Any]) -> float:
    """Accuracy of the source on its own task, from its card: a number, or the first of several.

    The simplest baseline (Kornblith et al. 2019, CVPR). Raises UserError where the card has none, or the
    source has no classes: how often it finds a positive pair cannot be compared with an accuracy.
    """
    if not has_classes(card):
        raise UserError(
            f"{card['name']} was pretrained without classes: it has no accuracy; leave this score out."
        )
    value = card.get("source_accuracy")
    if isinstance(value, Mapping):
        value = next(iter(value.values()), None)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        name = card.get("name", "of this backbone")
        raise UserError(
            f"the card {name} gives no number as source_accuracy: add it or leave this score out."
        )
    return float(value)
