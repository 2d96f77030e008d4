"""Checks of the input that every score shares; each error is one sentence."""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.errors import UserError

ROUNDED = 1e-4  # how far from 1 a row of probabilities may sum; a softmax is much closer


def checked_labels(labels: ArrayLike, fewest: int = 1) -> tuple[np.ndarray, int]:
    """Labels as N integers 0 ... C - 1, and C.

    Raises UserError for another shape, no labels, a gap in their numbers, one class, and a class of fewer
    than `fewest` items.
    """
    given = np.asarray(labels)
    if given.ndim != 1 or given.size == 0:
        raise UserError(f"labels have shape {given.shape}: give one class number per item, in one row.")
    if given.dtype.kind not in "iubf" or not np.isfinite(given).all() or (given != given.astype(int)).any():
        raise UserError("labels are not whole numbers: number the classes 0, 1, 2, ... and give those.")
    numbers, counts = np.unique(given.astype(int), return_counts=True)
    if numbers.tolist() != list(range(len(numbers))):
        raise UserError(
            f"labels run from {numbers[0]} to {numbers[-1]} with {len(numbers)} different ones: "
            "number the classes that are there 0, 1, 2, ... without a gap."
        )
    if len(numbers) < 2:
        raise UserError("all items are of one class: a score needs at least two; add a second.")
    if counts.min() < fewest:
        raise UserError(
            f"class {counts.argmin()} has {counts.min()} item; this score needs {fewest}: give more labels."
        )
    return given.astype(int), len(numbers)


def checked(features: ArrayLike, labels: ArrayLike, fewest: int = 1) -> tuple[np.ndarray, np.ndarray, int]:
    """Features as N x D float64, labels as N integers 0 ... C - 1, and C.

    Raises UserError as `checked_labels` does, and for features of another shape, NaN or infinite, and where
    every item has the same features.
    """
    x = np.asarray(features, dtype=np.float64)
    y, classes = checked_labels(labels, fewest)
    if x.ndim != 2 or len(x) != len(y) or x.shape[1] == 0:
        raise UserError(
            f"features have shape {x.shape} for {len(y)} labels: give one row of numbers per item."
        )
    if not np.isfinite(x).all():
        raise UserError(f"features hold {(~np.isfinite(x)).sum()} NaN or infinite values: check the network.")
    if np.ptp(x, axis=0).max() == 0:
        raise UserError(
            "features are the same for every item: this source separates no classes; leave it out."
        )
    return x, y, classes


def checked_probabilities(probabilities: ArrayLike | None, items: int) -> np.ndarray:
    """Probabilities of the source's S classes as N x S float64. Raises UserError where they are none."""
    if probabilities is None:
        raise UserError("this score needs the source's own classes: give `probabilities`, N x S.")
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or len(p) != items or p.shape[1] < 2:
        raise UserError(f"probabilities have shape {p.shape}: {items} rows of 2 or more are needed.")
    if not np.isfinite(p).all() or p.min() < 0 or np.abs(p.sum(1) - 1).max() > ROUNDED:
        raise UserError("probabilities are not rows that sum to 1: give the softmax of the source's head.")
    return p
