"""How far two sets of rows lie apart: two distances that need no label of the target."""

from typing import NamedTuple

import numpy as np

from tlkit.errors import UserError

FEWEST = 10  # rows a side, below which neither distance says anything
FOLDS = 5


class Mmd(NamedTuple):
    """value: the unbiased estimate of MMD²; p: share of random mixings at least as far apart, or None."""

    value: float
    p: float | None


def proxy_a_distance(source: np.ndarray, target: np.ndarray, seed: int = 0) -> float:
    """2 (1 - 2 error) of a classifier that tells source from target: 0 alike, 2 told apart without error.

    source: N x D, target: M x D, pictures flattened or features. The error is the mean of both sides' error
    rates, on held-out fifths, of a logistic regression on standardised columns. A classifier worse than a
    coin counts as a coin, so identical domains give 0 (Ben-David et al. 2007, Analysis of representations
    for domain adaptation, section 4). Raises UserError for fewer than ten rows a side, different widths,
    numbers that are not finite, or columns that never vary.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, count = _both(source, target)
    sides = np.arange(len(rows)) >= count
    telling = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    error = 1 - balanced_accuracy_score(sides, cross_val_predict(telling, rows, sides, cv=folds))
    return max(0.0, 2 * (1 - 2 * float(error)))


def mmd(source: np.ndarray, target: np.ndarray, permutations: int = 0, seed: int = 0) -> Mmd:
    """The squared maximum mean discrepancy between N x D and M x D rows, unbiased, with a Gaussian kernel.

    The kernel's width is the median distance between all rows (Gretton et al. 2012, A kernel two-sample test,
    equation 3 and section 8). Identical domains give about 0, and, being unbiased, as often a little less.
    permutations: how many random mixings of the rows the p-value is taken from. Memory grows with
    (N + M)². Raises UserError for what `proxy_a_distance` refuses, and for a negative number of mixings.
    """
    if permutations < 0:
        raise UserError(f"permutations={permutations}: give 0 for no p-value, or 100 and more.")
    rows, count = _both(source, target)
    squared = np.maximum((rows**2).sum(1)[:, None] + (rows**2).sum(1) - 2 * rows @ rows.T, 0)
    width = np.median(squared[np.triu_indices(len(rows), 1)])
    if not width:
        raise UserError(
            "more than half of the pairs of rows are equal: their median distance is 0, give others."
        )
    kernel = np.exp(-squared / (2 * width))
    np.fill_diagonal(kernel, 0)
    sides = np.zeros((len(rows), permutations + 1))
    sides[:count, 0] = 1
    rng = np.random.default_rng(seed)
    for mixing in range(permutations):
        sides[rng.permutation(len(rows))[:count], mixing + 1] = 1
    values = _discrepancies(kernel, sides)
    p = (values >= values[0]).mean() if permutations else None  # the rows as they are count as one mixing
    return Mmd(float(values[0]), None if p is None else float(p))


def _discrepancies(kernel: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """MMD² for every column of `sides` (1: source, 0: target); the kernel's diagonal is 0."""
    n, m = sides[:, 0].sum(), (1 - sides[:, 0]).sum()
    towards = kernel @ sides
    within, total = (sides * towards).sum(0), kernel.sum()
    across = towards.sum(0) - within
    other = total - within - 2 * across
    return within / (n * (n - 1)) + other / (m * (m - 1)) - 2 * across / (n * m)


def _both(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, int]:
    """Both sets in one (N + M) x D, float64, and N."""
    source, target = (np.asarray(rows, dtype=np.float64) for rows in (source, target))
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1]:
        raise UserError(
            f"source rows have the shape {source.shape}, target rows {target.shape}: "
            "give N x D and M x D with the same D, pictures flattened."
        )
    if min(len(source), len(target)) < FEWEST:
        raise UserError(
            f"{len(source)} source rows and {len(target)} target rows: a distance needs {FEWEST} of each."
        )
    rows = np.concatenate([source, target])
    if not np.isfinite(rows).all():
        raise UserError("some numbers in the rows are not finite: remove those rows, or mend what made them.")
    if not np.ptp(rows, axis=0).any():
        raise UserError(
            "no column varies, in neither set: there is nothing to tell apart, give other features."
        )
    return rows, len(source)
