"""Choosing sources by a score: who is shortlisted, and what comes of a shortlist and a validation split."""

import numpy as np
from numpy.typing import ArrayLike

from tlkit.errors import UserError

LOTS = 200  # ways to break ties, over which an outcome is averaged


def chance_kept(scores: ArrayLike, keep: int) -> np.ndarray:
    """How likely each source is among the `keep` best of its row, ties broken at random: rows x sources.

    scores: rows (labelled subsets) x sources, higher is better; a source without a score (NaN) is the last.
    Each row sums to `keep`. Raises UserError for fewer than one to keep, or more than there are.
    """
    found = _complete(scores, keep)
    above = (found[..., None, :] > found[..., :, None]).sum(-1)
    equal = (found[..., None, :] == found[..., :, None]).sum(-1)
    return np.clip((keep - above) / equal, 0, 1)


def outcome(
    scores: ArrayLike, validation: ArrayLike, test: ArrayLike, keep: int, lots: int = LOTS, seed: int = 0
) -> np.ndarray:
    """Test accuracy of whoever shortlists `keep` sources and takes the best of them by validation: one a row.

    scores, validation, test: rows (labelled subsets) x sources. Of equals in validation the higher score is
    taken; of equals in the score one at random, averaged over `lots`. With `keep` 1 validation has no say.
    Raises UserError as `chance_kept` does, and for other shapes.
    """
    found, valid, came = _complete(scores, keep), np.asarray(validation, float), np.asarray(test, float)
    if not found.shape == valid.shape == came.shape or found.ndim != 2:
        shapes = ", ".join(str(each.shape) for each in (found, valid, came))
        raise UserError(f"scores, validation and test have shapes {shapes}: give one row a labelled subset.")
    rng, total = np.random.default_rng(seed), np.zeros(len(found))
    for _ in range(lots):
        order = np.lexsort((rng.random(found.shape), -found))[:, :keep]  # the shortlist, best score first
        best = np.take_along_axis(valid, order, 1).argmax(1)  # the first of equals
        total += np.take_along_axis(came, order, 1)[np.arange(len(found)), best]
    return total / lots


def _complete(scores: ArrayLike, keep: int) -> np.ndarray:
    found = np.asarray(scores, dtype=float)
    if not 1 <= keep <= found.shape[-1]:
        raise UserError(f"{keep} of {found.shape[-1]} sources cannot be kept: give a number from 1 to that.")
    return np.where(np.isnan(found), -np.inf, found)
