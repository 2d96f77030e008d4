"""Scores of how well the classes are separated: TransRate, GBC, nearest neighbour."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from tlkit_lessons.scores.checked import checked

DISTORTION = 1e-4  # TransRate's epsilon
AXES = 64  # principal components that GBC keeps
NARROWEST = 1e-9  # the least variance of a class in GBC, as a share of that of all items


def transrate(features: ArrayLike, labels: ArrayLike) -> float:
    """TransRate (Huang et al. 2022, ICML): coding rate of the features, less that within classes.

    Natural logarithms; features centred and scaled to a total sum of squares of 1, since the rate grows with
    their scale and networks differ in it; classes are weighted by size. N < D works, but the rate grows with
    D as well: compare sources of one width, or with care.
    """
    x, y, classes = checked(features, labels)
    x = x - x.mean(0)
    x = x / np.sqrt((x**2).sum())
    within = sum((y == c).mean() * _coding_rate(x[y == c]) for c in range(classes))
    return float(_coding_rate(x) - within)


def _coding_rate(x: np.ndarray) -> float:
    """log det(1 + X'X / (n epsilon)) / 2, by singular values."""
    s = np.linalg.svd(x, compute_uv=False)
    return float(np.log1p(s**2 / (len(x) * DISTORTION)).sum() / 2)


def gbc(features: ArrayLike, labels: ArrayLike) -> float:
    """GBC (Pandy et al. 2022, CVPR): minus the overlap of the classes as spherical Gaussians.

    Sum of the Bhattacharyya coefficients exp(-distance) of ordered pairs of classes, on at most 64 principal
    components; from -C (C - 1), all alike, to 0. A class whose items are all equal gets a billionth of the
    variance of all. N < D works. Raises UserError for a class of one item.
    """
    x, y, classes = checked(features, labels, fewest=2)
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    x = (u * s)[:, : min(AXES, int((s > s[0] * max(x.shape) * np.finfo(float).eps).sum()))]
    means = np.stack([x[y == c].mean(0) for c in range(classes)])
    variances = np.array([x[y == c].var(0, ddof=1).mean() for c in range(classes)])
    variances = np.maximum(variances, NARROWEST * x.var(0).mean())
    both = (variances[:, None] + variances) / 2
    spread = x.shape[1] / 2 * np.log(both / np.sqrt(variances[:, None] * variances))
    overlap = np.exp(-cdist(means, means, "sqeuclidean") / (8 * both) - spread)
    return float(np.trace(overlap) - overlap.sum())


def nearest_neighbour(features: ArrayLike, labels: ArrayLike) -> float:
    """Leave-one-out 1-NN accuracy: share of items whose nearest other item (Euclidean) is of their class.

    Among ties the share of the same class counts, so a network that maps many items to one point gains
    nothing by their order. Raises UserError for a class of one item.
    """
    x, y, _ = checked(features, labels, fewest=2)
    apart = cdist(x, x)
    np.fill_diagonal(apart, np.inf)
    nearest = apart <= apart.min(1, keepdims=True)
    return float(((nearest & (y[:, None] == y)).sum(1) / nearest.sum(1)).mean())
