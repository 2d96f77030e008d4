"""The proxy A-distance between two sets of rows, against Newton's method by hand and known answers."""

import numpy as np
import pytest

from tlkit.errors import UserError
from tlkit_lessons.nb22_similarity import proxy_a_distance


def normal(n: int, shift: float = 0, width: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (n, width))


def naive_proxy_a(source, target, folds):
    """Newton's method on the penalised, class-balanced logistic loss, fold by fold."""
    rows, sides = np.concatenate([source, target]), np.repeat([0.0, 1.0], [len(source), len(target)])
    wrong = np.zeros(len(rows))
    for fit, held in folds:
        middle, spread = rows[fit].mean(0), rows[fit].std(0)
        x = np.column_stack([(rows - middle) / spread, np.ones(len(rows))])
        weight = len(fit) / 2 / np.where(sides[fit], sides[fit].sum(), (1 - sides[fit]).sum())
        penalty = np.diag([1.0] * rows.shape[1] + [0.0])
        w = np.zeros(x.shape[1])
        for _ in range(30):
            p = 1 / (1 + np.exp(-x[fit] @ w))
            slope = x[fit].T @ (weight * (p - sides[fit])) + penalty @ w
            w -= np.linalg.solve((x[fit].T * (weight * p * (1 - p))) @ x[fit] + penalty, slope)
        wrong[held] = (x[held] @ w > 0) != sides[held]
    error = (wrong[sides == 0].mean() + wrong[sides == 1].mean()) / 2
    return max(0, 2 * (1 - 2 * error))


@pytest.mark.parametrize("shift", [0, 0.4, 3])
def test_proxy_a_distance_is_that_of_a_classifier_by_hand(shift):
    from sklearn.model_selection import StratifiedKFold

    source, target = normal(40), normal(60, shift, seed=1)
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(np.zeros(100), np.repeat([0, 1], [40, 60]))
    by_hand = naive_proxy_a(source, target, list(folds))
    assert proxy_a_distance(source, target) == pytest.approx(by_hand, abs=1e-6)


def test_it_grows_with_the_distance():
    shifts = (0, 0.5, 1, 4)
    source = normal(100)
    far = [proxy_a_distance(source, normal(100, shift, seed=1)) for shift in shifts]
    assert far == sorted(far) and far[-1] == 2
    assert far[0] < 0.4


def test_identical_domains_give_about_nothing():
    rows = normal(50)
    assert proxy_a_distance(rows, rows) == 0  # each row's twin misleads the classifier: worse than a coin


def test_equal_arguments_give_equal_numbers():
    source, target = normal(30), normal(40, 0.5, seed=1)
    assert proxy_a_distance(source, target, 1) == proxy_a_distance(source, target, 1)


def test_a_column_that_never_varies_does_not_matter_beside_others():
    source, target = normal(30), normal(30, 1, seed=1)
    wider = [np.column_stack([rows, np.full(30, 7.0)]) for rows in (source, target)]
    assert proxy_a_distance(*wider) == pytest.approx(proxy_a_distance(source, target))


@pytest.mark.parametrize(
    ("source", "target", "says"),
    [
        (normal(9), normal(30), "9 source rows and 30 target rows"),
        (normal(30), normal(30)[:0], "0 target rows"),
        (normal(30), normal(30, width=5), "same D"),
        (normal(30)[:, 0], normal(30), "same D"),
        (np.ones((30, 3)), np.ones((30, 3)), "no column varies"),
        (normal(30), np.full((30, 4), np.nan), "not finite"),
    ],
)
def test_what_cannot_be_measured_is_named(source, target, says):
    with pytest.raises(UserError, match=says):
        proxy_a_distance(source, target)
