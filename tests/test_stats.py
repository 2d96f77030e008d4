"""Intervals, verdicts, Holm: by hand, by property, and by simulation."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nct, t, ttest_1samp, ttest_rel

from tlkit import stats
from tlkit.errors import UserError
from tlkit.stats import intervals

# Multiples of 1/1000, as accuracies are; at least two values differ, so that the spread is not zero.
DIFFS = st.lists(st.integers(-900, 900), min_size=3, max_size=20).filter(lambda d: len(set(d)) > 1)
as_accuracy = DIFFS.map(lambda d: np.array(d) / 1000)


# Intervals: known answers


def test_student_by_hand():
    found = stats.interval([1, 2, 3, 4, 5], method="student")
    half = 2.7764451 * np.sqrt(2.5) / np.sqrt(5)  # t(0.975, 4) from a table, sd^2 = 10 / 4
    assert (found.mean, found.n) == (3, 5)
    assert found.low == pytest.approx(3 - half, abs=1e-6)
    assert found.high == pytest.approx(3 + half, abs=1e-6)
    assert found.p == pytest.approx(ttest_1samp([1, 2, 3, 4, 5], 0).pvalue)


def test_symmetric_differences_get_students_t():
    """No skewness, no correction: the guarded interval is then exactly the paired t."""
    d = [1, 2, 3, 4, 5]
    assert stats.interval(d) == stats.interval(d, method="student")


def test_hall_end_by_hand():
    """One far value above: the upper end moves out to the root of Hall's cubic, the lower one stays."""
    d = np.array([0.0, 0.0, 0.1, 0.1, 1.0])
    n, mean, sd = 5, d.mean(), d.std(ddof=1)
    gamma = n / (4 * 3) * ((d - mean) ** 3).sum() / sd**3
    found, student = stats.interval(d), stats.interval(d, method="student")
    root = (found.high - mean) / (sd / np.sqrt(n))  # then T at mu = high is -root
    k = gamma / np.sqrt(n)
    cubic = -root + k * root**2 / 3 - k**2 * root**3 / 27 + k / 6
    assert cubic == pytest.approx(-t.ppf(0.975, 4), abs=1e-9)
    assert found.high > student.high
    assert found.low == student.low


def test_crossed_interval_by_hand(monkeypatch):
    """Seeds average 1/2, 3/4, 1/4, items 2/3, 1/3, 0, 1: by hand, without and with the resolution."""
    monkeypatch.setattr(intervals, "ITEM_RESOLUTION", 0.0)
    x = np.array([[1, 0, 0, 1], [1, 1, 0, 1], [0, 0, 0, 1.0]])
    mean, error, df, _ = intervals.crossed_error(x)
    # sums of squares 1/2, 5/3, 5/6 on 2, 3, 6 df
    ms_seed, ms_item, ms_rest = 1 / 4, 5 / 9, 5 / 36
    assert mean == 0.5
    assert error == pytest.approx(np.sqrt((1 / 4 + 5 / 9 - 5 / 36) / 12))
    assert df == pytest.approx((2 / 3) ** 2 / (ms_seed**2 / 2 + ms_item**2 / 3 + ms_rest**2 / 6))
    monkeypatch.undo()
    assert intervals.crossed_error(x)[1] == pytest.approx(3 / 1.96 / 4)


def test_items_widen_the_interval_when_the_test_set_is_small():
    rng = np.random.default_rng(1)
    items = np.repeat(rng.integers(-1, 2, (1, 40)), 10, axis=0).astype(float)
    items[np.arange(10), np.arange(10)] = 0  # a little seed noise
    d = items.mean(axis=1)
    seeds, both = stats.interval(d), stats.interval(d, items)
    assert both.high - both.low > 3 * (seeds.high - seeds.low)
    assert both.mean == seeds.mean


# Intervals: properties


@given(as_accuracy)
def test_swapping_sides_mirrors_the_interval(d):
    there, back = stats.interval(d), stats.interval(-d)
    assert back.low == pytest.approx(-there.high, abs=1e-12)
    assert back.high == pytest.approx(-there.low, abs=1e-12)
    assert back.p == pytest.approx(there.p, abs=1e-12)


@given(as_accuracy, st.randoms())
def test_order_of_seeds_does_not_matter(d, random):
    shuffled = d.tolist()
    random.shuffle(shuffled)
    one, two = stats.interval(d), stats.interval(shuffled)
    assert two.low == pytest.approx(one.low, abs=1e-9)
    assert two.high == pytest.approx(one.high, abs=1e-9)


@given(as_accuracy)
def test_p_agrees_with_the_interval_which_is_never_shorter_than_students(d):
    usual, student = stats.interval(d), stats.interval(d, method="student")
    assert usual.low <= student.low
    assert usual.high >= student.high
    if abs(usual.p - 0.05) > 1e-9:
        assert (usual.p < 0.05) == (usual.low > 0 or usual.high < 0)


@given(as_accuracy, st.floats(0.01, 100))
def test_unit_of_the_metric_does_not_matter(d, unit):
    one, other = stats.interval(d), stats.interval(d * unit)
    assert other.low == pytest.approx(one.low * unit, rel=1e-6, abs=1e-9)
    assert other.p == pytest.approx(one.p, rel=1e-6)


@given(st.integers(3, 8), st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_crossed_interval_mirrors_and_ignores_order(n, m, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, (n, m)).astype(float)
    one = stats.interval(x.mean(axis=1), x)
    mirrored = stats.interval(-x.mean(axis=1), -x)
    y = x[rng.permutation(n)][:, rng.permutation(m)]
    shuffled = stats.interval(y.mean(axis=1), y)
    assert mirrored.low == pytest.approx(-one.high, abs=1e-9)
    assert (shuffled.low, shuffled.high) == pytest.approx((one.low, one.high), abs=1e-9)


# Intervals: degenerate and bad input


@pytest.mark.parametrize("value", [0.0, 0.3, -0.05])
def test_no_spread_without_items_tells_nothing(value):
    found = stats.interval([value] * 10)
    assert (found.low, found.high) == pytest.approx((value - 1 - abs(value), value + 1 + abs(value)))
    assert found.p == 1
    assert stats.verdict(np.full(10, 0.5 + value), np.full(10, 0.5)).word == "cannot tell"


def test_rounding_noise_is_no_spread():
    d = np.array([0.9 - 0.6, 0.8 - 0.5, 0.7 - 0.4, 0.5 - 0.2, 0.4 - 0.1])
    assert len(set(d)) > 1
    assert stats.interval(d).p == 1


def test_no_disagreement_on_many_items_is_equal_and_on_few_is_not():
    """Ten seeds, never a different answer: 1000 items show equality within 0.02, 100 items cannot."""
    for m, word in ((1000, "equal"), (100, "cannot tell")):
        correct = np.repeat(np.arange(m)[None] % 3 > 0, 10, axis=0)
        a = correct.mean(axis=1)
        assert stats.verdict(a, a, items_a=correct, items_b=correct).word == word


def test_same_predictions_in_every_seed_leave_the_items_to_speak():
    """A plan without randomness: no seed variance, but a better one is still found by its items."""
    a = np.repeat(np.arange(200)[None] % 10 > 0, 6, axis=0)
    b = np.repeat(np.arange(200)[None] % 2 > 0, 6, axis=0)
    found = stats.verdict(a.mean(axis=1), b.mean(axis=1), items_a=a, items_b=b)
    assert found.word == "better"
    assert found.low < found.mean < found.high


def test_one_seed_has_the_widest_interval():
    assert stats.interval([0.2]).low == pytest.approx(-1.0)
    assert stats.interval([0.2], [[0.0, 0.4]]).p == 1


def _items(n=5, m=10):
    return np.tile([1.0, 0.0], (n, m // 2))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"diffs": []}, "non-empty"),
        ({"diffs": [0.1, np.nan]}, "NaN"),
        ({"diffs": [0.1, np.inf]}, "infinite"),
        ({"diffs": [[0.1, 0.2]]}, "1 axes"),
        ({"diffs": ["much", "more"]}, "numbers"),
        ({"diffs": [0.1, 0.2], "method": "studnet"}, "did you mean 'student'"),
        ({"diffs": [0.5] * 4, "items": _items()}, "4 seeds"),
        ({"diffs": [0.5] * 5, "items": _items()[:, :1]}, "2 items"),
        ({"diffs": [0.5] * 5, "items": _items() * 2}, "[-1, 1]"),
        ({"diffs": [0.7] * 5, "items": _items()}, "average"),
        ({"diffs": [0.5] * 5, "items": [[1, 0]] * 4 + [[1]]}, "same length"),
    ],
)
def test_bad_input_is_named(arguments, named):
    with pytest.raises(UserError) as caught:
        stats.interval(**arguments)
    assert named in str(caught.value)


# Verdicts

NOISE = np.array([0.01, -0.02, 0.0, 0.02, -0.01, 0.01, -0.01, 0.02, -0.02, 0.0])


def test_words_and_sentences():
    b = np.full(10, 0.5)
    better, worse = stats.verdict(b + 0.31 + 2 * NOISE, b), stats.verdict(b, b + 0.31 + 2 * NOISE)
    assert better.sentence("frozen", "scratch") == (
        "frozen is better than scratch by 0.31 [0.29, 0.33] (10 of 10 seeds)"
    )
    assert worse.sentence("scratch", "frozen") == (
        "scratch is worse than frozen by 0.31 [0.29, 0.33] (10 of 10 seeds)"
    )
    equal = stats.verdict(b + 0.3 * NOISE, b, delta=0.02)
    assert equal.word == "equal"
    assert equal.sentence("full", "lp-ft") == (
        "full equals lp-ft within 0.02: 0.000 [-0.003, 0.003] (higher in 4 of 10 seeds)"
    )
    unsure = stats.verdict(b + 0.03 + 5 * NOISE, b)
    assert unsure.word == "cannot tell"
    assert unsure.sentence("a", "b") == "cannot tell a from b: 0.03 [-0.02, 0.08] (higher in 6 of 10 seeds)"
    assert (unsure.wins, unsure.losses) == (6, 4)


def test_p_is_the_paired_t_where_there_is_no_skewness():
    a, b = 0.5 + 5 * NOISE, np.full(10, 0.45)
    assert stats.verdict(a, b).p == pytest.approx(ttest_rel(a, b).pvalue)


def test_equal_comes_before_better_when_the_difference_is_sure_but_small():
    found = stats.verdict(0.51 + 0.1 * NOISE, np.full(10, 0.5), delta=0.02)
    assert found.low > 0
    assert found.word == "equal"
    assert stats.verdict(0.51 + 0.1 * NOISE, np.full(10, 0.5), delta=0.005).word == "better"


def test_a_bound_that_excludes_zero_is_not_printed_as_zero():
    found = stats.verdict(0.5 + 0.0149 + NOISE, np.full(10, 0.5), delta=0.001)
    assert found.word == "better"
    assert 0 < found.low < 0.005
    assert "[0.00," not in found.sentence("a", "b")


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_fewer_than_five_seeds_cannot_tell(n):
    b = 0.1 + NOISE[:n] / 10
    for a in (b + 0.5 + NOISE[:n] / 100, b):
        found = stats.verdict(a, b)
        assert found.word == "cannot tell"
        assert f"{n} seed" in found.sentence("a", "b")


@given(as_accuracy.filter(lambda d: d.size >= 5))
def test_swapping_plans_swaps_the_word(d):
    there, back = stats.verdict(d, 0 * d), stats.verdict(0 * d, d)
    assert {"better": "worse", "worse": "better"}.get(there.word, there.word) == back.word
    assert (there.wins, there.losses) == (back.losses, back.wins)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"a": [0.1] * 5, "b": [0.1] * 6}, "5 seeds and b has 6"),
        ({"a": [0.1] * 5, "b": [np.nan] * 5}, "values of b"),
        ({"a": [0.1] * 5, "b": [0.1] * 5, "delta": 0}, "delta"),
        ({"a": [0.1] * 5, "b": [0.1] * 5, "items_a": _items()}, "one side"),
        (
            {"a": [0.5] * 5, "b": [0.5] * 5, "items_a": _items(), "items_b": _items(5, 12)},
            "same seeds and test items",
        ),
    ],
)
def test_bad_comparisons_are_named(arguments, named):
    with pytest.raises(UserError, match=named):
        stats.verdict(**arguments)


# Families


def test_holm_by_hand():
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.5, 0.9]) == pytest.approx([1, 1])
    assert stats.holm([]).shape == (0,)
    with pytest.raises(UserError):
        stats.holm([0.1, np.nan])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_raw_and_bonferroni_and_keeps_order(p):
    p, adjusted = np.array(p), stats.holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(p * len(p), 1) + 1e-12).all()
    assert (np.diff(adjusted[p.argsort()]) >= 0).all()


def test_a_family_asks_more_than_one_comparison():
    b = np.full(10, 0.5)
    a = b + 0.04 + 3 * NOISE
    assert stats.verdict(a, b).word == "better"
    null = (b + 3 * NOISE, b)
    found = stats.verdicts([(a, b)] + [null] * 19)
    assert found[0].word == "cannot tell"
    assert found[0].p == pytest.approx(20 * stats.verdict(a, b).p)
    assert [v.word for v in stats.verdicts([(a, b)])] == ["better"]
    assert stats.verdicts([]) == []
    with pytest.raises(UserError, match="comparison 1 has 3 parts"):
        stats.verdicts([(a, b), (a, b, None)])


def test_power_agrees_with_the_noncentral_t():
    """The simulation against a formula: Student's power is known exactly."""
    rng = np.random.default_rng(3)
    for effect, n in ((0.5, 10), (1.0, 5), (1.0, 10)):
        low, _, _ = intervals.limits(effect + rng.standard_normal((20_000, n)), method="student")
        exact = nct.sf(t.ppf(0.975, n - 1), n - 1, effect * np.sqrt(n))
        assert (low > 0).mean() == pytest.approx(exact, abs=0.015)


def test_import_leaves_the_heavy_parts_out():
    heavy = ("torch", "scipy.stats", "sklearn")
    code = f"import sys, tlkit.stats; print(*(m for m in {heavy} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
