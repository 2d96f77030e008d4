"""Distances between two sets of rows, against plain loops and known answers."""

import numpy as np
import pytest

from tlkit.errors import UserError
from tlkit.simulate import mmd, proxy_a_distance


def normal(n: int, shift: float = 0, width: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (n, width))


def naive_mmd(source, target):
    """Gretton et al. 2012, equation 3, term by term."""
    rows = [*source, *target]
    apart = [np.linalg.norm(a - b) for i, a in enumerate(rows) for b in rows[i + 1 :]]
    width = np.median(apart)

    def k(a, b):
        return np.exp(-sum((a - b) ** 2) / (2 * width**2))

    n, m = len(source), len(target)
    first = sum(k(source[i], source[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    second = sum(k(target[i], target[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    across = sum(k(a, b) for a in source for b in target) / (n * m)
    return first + second - 2 * across


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
def test_mmd_is_the_sum_term_by_term(shift):
    source, target = normal(13), normal(17, shift, seed=1)
    assert mmd(source, target).value == pytest.approx(naive_mmd(source, target), abs=1e-10)


@pytest.mark.parametrize("shift", [0, 0.4, 3])
def test_proxy_a_distance_is_that_of_a_classifier_by_hand(shift):
    from sklearn.model_selection import StratifiedKFold

    source, target = normal(40), normal(60, shift, seed=1)
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(np.zeros(100), np.repeat([0, 1], [40, 60]))
    by_hand = naive_proxy_a(source, target, list(folds))
    assert proxy_a_distance(source, target) == pytest.approx(by_hand, abs=1e-6)


def test_both_grow_with_the_distance():
    shifts = (0, 0.5, 1, 4)
    source = normal(100)
    far = [proxy_a_distance(source, normal(100, shift, seed=1)) for shift in shifts]
    apart = [mmd(source, normal(100, shift, seed=1)).value for shift in shifts]
    assert far == sorted(far) and far[-1] == 2 and apart == sorted(apart)
    assert far[0] < 0.4 and abs(apart[0]) < 0.02


def test_identical_domains_give_about_nothing():
    rows = normal(50)
    assert proxy_a_distance(rows, rows) == 0  # each row's twin misleads the classifier: worse than a coin
    value, p = mmd(rows, rows, permutations=50)
    assert -0.05 < value <= 0 and p > 0.5


def test_the_p_value_is_uniform_without_a_difference_and_small_with_one():
    same = [mmd(normal(20, seed=2 * i), normal(25, seed=2 * i + 1), 39, i).p for i in range(200)]
    assert 0.4 < np.mean(same) < 0.62 and 0.01 < np.mean(np.array(same) <= 0.05) < 0.11
    value, p = mmd(normal(40), normal(40, 1, seed=1), permutations=99)
    assert value > 0.05 and p == 0.01
    assert mmd(normal(40), normal(40, 1, seed=1)).p is None


def test_equal_arguments_give_equal_numbers_and_order_does_not_matter():
    source, target = normal(30), normal(40, 0.5, seed=1)
    assert mmd(source, target, 50, 3) == mmd(source, target, 50, 3)
    assert mmd(source, target).value == pytest.approx(mmd(target, source).value, abs=1e-12)
    assert proxy_a_distance(source, target, 1) == proxy_a_distance(source, target, 1)


def test_a_column_that_never_varies_does_not_matter_beside_others():
    source, target = normal(30), normal(30, 1, seed=1)
    wider = [np.column_stack([rows, np.full(30, 7.0)]) for rows in (source, target)]
    assert proxy_a_distance(*wider) == pytest.approx(proxy_a_distance(source, target))
    assert mmd(*wider).value == pytest.approx(mmd(source, target).value)


@pytest.mark.parametrize("distance", [proxy_a_distance, mmd])
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
def test_what_cannot_be_measured_is_named(distance, source, target, says):
    with pytest.raises(UserError, match=says):
        distance(source, target)


def test_a_kernel_without_a_width_is_named():
    rows = np.zeros((30, 2))
    rows[0] = 1
    with pytest.raises(UserError, match="median distance is 0"):
        mmd(rows, rows)
    with pytest.raises(UserError, match="permutations=-1"):
        mmd(normal(30), normal(30), permutations=-1)
