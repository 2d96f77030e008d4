"""Choosing sources by a score: who is shortlisted, and what comes of it."""

import numpy as np
import pytest

from tlkit.errors import UserError
from tlkit_lessons import ranking


def test_who_is_kept_and_equals_by_lot():
    rows = [0.9, 0.1, 0.5, 0.5, 0.5], [1, 1, 1, 1, 1], [0.2, np.nan, 0.1, 0.4, np.nan]
    kept = ranking.chance_kept(rows, 2)
    thirds = [1, 0, 1 / 3, 1 / 3, 1 / 3]
    np.testing.assert_allclose(kept, [thirds, [0.4] * 5, [1, 0, 0, 1, 0]])
    rng = np.random.default_rng(0)
    some, lots = rng.integers(4, size=(1, 9)), np.zeros(9)
    for _ in range(4000):  # sorted after a shuffle: the lot decides among equals
        order = rng.permutation(9)
        lots[sorted(order, key=lambda k: -some[0, k])[:3]] += 1 / 4000
    np.testing.assert_allclose(ranking.chance_kept(some, 3)[0], lots, atol=0.04)
    with pytest.raises(UserError, match="0 of 9"):
        ranking.chance_kept(some, 0)


SCORES = np.array([[3, 2, 1, 0], [3, 2, 1, 0.0]])
VALID = np.array([[0.1, 0.5, 0.5, 0.9], [0.4, 0.1, 0.2, 0.9]])
TEST = np.array([[0.60, 0.70, 0.80, 0.90], [0.61, 0.71, 0.81, 0.91]])


def test_one_that_is_kept_is_taken_whatever_validation_says():
    np.testing.assert_allclose(ranking.outcome(SCORES, VALID, TEST, 1), [0.60, 0.61])


def test_validation_decides_within_the_shortlist_and_the_score_between_its_equals():
    np.testing.assert_allclose(ranking.outcome(SCORES, VALID, TEST, 3), [0.70, 0.61])
    np.testing.assert_allclose(ranking.outcome(SCORES, VALID, TEST, 4), [0.90, 0.91])


def test_equals_in_the_score_are_taken_by_lot():
    tied = np.zeros_like(SCORES)
    np.testing.assert_allclose(ranking.outcome(tied, VALID, TEST, 1, 4000), TEST.mean(1), atol=0.01)
    flat = ranking.outcome(tied, np.zeros_like(VALID), TEST, 4, 4000)
    np.testing.assert_allclose(flat, TEST.mean(1), atol=0.01)
    assert (ranking.outcome(tied, VALID, TEST, 2) == ranking.outcome(tied, VALID, TEST, 2)).all()


def test_a_source_without_a_score_is_the_last():
    lone = np.array([[np.nan, np.nan, 1, np.nan]])
    assert ranking.outcome(lone, VALID[:1], TEST[:1], 1).tolist() == pytest.approx([0.80])


def test_rows_must_match():
    with pytest.raises(UserError, match=r"shapes \(2, 4\), \(1, 4\), \(2, 4\)"):
        ranking.outcome(SCORES, VALID[:1], TEST, 2)
    with pytest.raises(UserError, match="5 of 4"):
        ranking.outcome(SCORES, VALID, TEST, 5)
