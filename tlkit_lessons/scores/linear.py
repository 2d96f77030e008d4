"""Scores of how well a linear model separates the classes: LogME, H-score, shrinkage H-score, a probe."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tlkit_lessons.scores.checked import checked

REACH, POINTS = 27.0, 109  # penalties from 1e-12 to 1e12 times the largest sigma, two in a factor of e
EXACT = 1e-20  # squared error an item below which a fit counts as exact; the evidence would be infinite
FOLDS = 5


def logme(features: ArrayLike, labels: ArrayLike) -> float:
    """LogME (You et al. 2021, ICML, algorithm 1): log evidence per item, mean over one-hot classes.

    For each class, the largest density over alpha, beta of y ~ N(0, X X'/alpha + 1/beta). Features (N x D)
    are neither centred nor scaled; rotating or scaling all of them changes nothing. Works for N < D, where
    widely used code counts D instead of k = min(N, D) terms of log alpha; this is the evidence itself.
    """
    x, y, classes = checked(features, labels)
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    targets = np.eye(classes)[y]
    seen = u.T @ targets
    rest = ((targets - u @ seen) ** 2).sum(0)
    return float(np.mean([_evidence(s**2, seen[:, c] ** 2, rest[c], len(x)) for c in range(classes)]))


def _evidence(sigma: np.ndarray, seen: np.ndarray, rest: float, items: int) -> float:
    """Log evidence per item at its maximum over the penalty alpha / beta; beta has a closed form at each.

    sigma: squared singular values; seen: squared projections of y on their directions; rest: the remainder.
    """

    def evidence(log_penalty: ArrayLike) -> np.ndarray:
        penalty = np.exp(log_penalty)[..., None]
        energy = np.maximum(rest + (seen * penalty / (sigma + penalty)).sum(-1), EXACT * items)
        log_det = np.log1p(sigma / penalty).sum(-1)
        return (items * np.log(items / energy / (2 * np.pi)) - items - log_det) / 2 / items

    grid = np.log(sigma.max()) + np.linspace(-REACH, REACH, POINTS)  # there may be several maxima
    best = int(evidence(grid).argmax())
    ends = grid[max(best - 1, 0)], grid[min(best + 1, POINTS - 1)]
    found = minimize_scalar(lambda log: -evidence(log), bounds=ends, method="bounded")
    return float(max(-found.fun, evidence(grid[best])))


def h_score(features: ArrayLike, labels: ArrayLike) -> float:
    """H-score (Bao et al. 2019, ICIP): trace of cov(X)^-1 cov(E[X | y]), from 0 to C - 1.

    The inverse is the pseudo-inverse. With N <= D and features in general position, the score is C - 1 for
    any source: it is uninformative there, hence the shrinkage. That value is returned exactly, so that
    sources tie instead of being ranked by rounding errors.
    """
    x, y, classes = checked(features, labels)
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    white = u[:, s > s[0] * max(x.shape) * np.finfo(float).eps]
    if white.shape[1] >= len(x) - 1:
        return float(classes - 1)
    return float(sum((white[y == c].sum(0) ** 2).sum() / (y == c).sum() for c in range(classes)))


def shrinkage_h_score(features: ArrayLike, labels: ArrayLike) -> float:
    """Shrinkage H-score (Ibrahim et al. 2022, ECML PKDD): Ledoit and Wolf's covariance instead.

    trace of S^-1 (1 - a) cov(E[X | y]) with S = (1 - a) cov(X) + a t I, t the mean variance. Works for N < D.
    """
    x, y, classes = checked(features, labels)
    x = x - x.mean(0)
    shrunk, amount = ledoit_wolf(x, assume_centered=True)
    means = np.stack([x[y == c].mean(0) for c in range(classes)])
    between = (means.T * np.bincount(y)) @ means / len(x)
    return float((1 - amount) * np.trace(np.linalg.pinv(shrunk, hermitian=True) @ between))


def linear_probe(features: ArrayLike, labels: ArrayLike) -> float:
    """Cross-validated accuracy of a logistic regression (C = 1) on standardised features.

    Stratified folds, five or as many as the rarest class has items; shuffled by a fixed seed. Raises
    UserError for a class of one item.
    """
    x, y, _ = checked(features, labels, fewest=2)
    folds = StratifiedKFold(min(FOLDS, int(np.bincount(y).min())), shuffle=True, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return float((cross_val_predict(model, x, y, cv=folds) == y).mean())
