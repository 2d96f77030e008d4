"""Intervals, verdicts, Holm, label saving: by hand, by property, and by simulated coverage."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression
from scipy.special import ndtri
from scipy.stats import nct, t, ttest_1samp, ttest_rel

from tlkit import stats
from tlkit.errors import UserError
from tlkit.stats import intervals, samples, saving

COMMITTED = Path(__file__).parents[1] / "data" / "selftest.json"

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
def test_higher_level_is_wider_and_p_agrees_with_the_interval(d):
    narrow, usual, wide = (stats.interval(d, level=level) for level in (0.8, 0.95, 0.99))
    assert wide.low < usual.low < narrow.low <= d.mean() <= narrow.high < usual.high < wide.high
    student = stats.interval(d, method="student")
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
        ({"diffs": [0.1, 0.2], "level": 95}, "level"),
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


@pytest.mark.parametrize("n", [5, 10, 20])
def test_what_is_detectable_is_found_in_eight_of_ten_repeats(n):
    rng = np.random.default_rng(n)
    found = stats.verdict(rng.normal(1, 1, n), np.zeros(n))
    effect, error = stats.detectable(found), (found.high - found.low) / 2 / t.ppf(0.975, n - 1)
    draws = rng.normal(effect, error * np.sqrt(n), (20_000, n))
    assert (ttest_1samp(draws, 0, axis=1, alternative="greater").pvalue < 0.025).mean() == pytest.approx(
        0.8, abs=0.02
    )
    assert stats.detectable(found, 0.5) < effect < stats.detectable(found, 0.95)


def test_four_seeds_detect_nothing_and_a_power_is_a_share():
    assert stats.detectable(stats.verdict([0.5, 0.6, 0.7, 0.8], [0.1, 0.2, 0.2, 0.1])) == np.inf
    for power in (0.05, 1.0, 8):
        with pytest.raises(UserError, match="power must lie between"):
            stats.detectable(stats.verdict([0.5, 0.6], [0.1, 0.2]), power)


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


# Label saving

LABELS = np.array([1, 2, 5, 10, 20, 50])


def _curves(factor, n_seeds=10, noise=0.01, seed=0):
    """Scratch rises by 0.1 per doubling; transfer equals scratch with `factor` times the labels."""
    rng = np.random.default_rng(seed)
    scratch = 0.2 + 0.1 * np.log2(LABELS)[:, None] + noise * rng.standard_normal((6, n_seeds))
    transfer = 0.2 + 0.1 * np.log2(factor * LABELS)[:, None] + noise * rng.standard_normal((6, n_seeds))
    return scratch, transfer


def test_known_factor_of_four():
    exact = stats.label_saving(LABELS, *_curves(4, noise=0), n=5)
    assert (exact.factor, exact.low, exact.high) == pytest.approx((4, 4, 4))
    assert str(exact) == "4.0x [4.0x, 4.0x]"
    noisy = stats.label_saving(LABELS, *_curves(4), n=5)
    assert noisy.low < 4 < noisy.high < 5
    assert noisy.censored == ""
    assert noisy == stats.label_saving(LABELS, *_curves(4), n=5)


def test_censored_on_the_right():
    found = stats.label_saving(LABELS, *_curves(8), n=10)
    assert (found.factor, found.censored, str(found)) == (5, "right", "> 5x")


def test_censored_on_the_left():
    found = stats.label_saving(LABELS, *_curves(0.1), n=5)
    assert (found.factor, found.censored, str(found)) == (0.2, "left", "< 0.2x")


def test_an_end_of_the_interval_can_be_censored_alone():
    found = stats.label_saving(LABELS, *_curves(4.8, noise=0.05), n=10)
    assert found.high == found.most == 5
    assert str(found).endswith("x, > 5x]")


def test_a_dip_in_the_curve_is_levelled():
    """0.6 is first reached on the pooled plateau (0.7 + 0.5) / 2, at its left end."""
    scratch = np.array([0.4, 0.7, 0.5, 0.8])[:, None]
    found = stats.label_saving([1, 2, 4, 8], scratch, np.full((4, 1), 0.6), n=1)
    assert found.factor == pytest.approx(2)
    assert np.isnan(found.low)
    assert str(found) == "2.0x"


@pytest.mark.parametrize("n", [5, 10, 20])
def test_expanded_percentiles_make_a_bootstrap_as_wide_as_the_t_interval(n):
    """A resampled mean has variance (n - 1) / n of the unbiased one; the quantiles make up for it."""
    low, high = saving._expanded(n)
    assert ndtri(low) * np.sqrt((n - 1) / n) == pytest.approx(t.ppf(0.025, n - 1))
    assert low + high == pytest.approx(1)


@settings(max_examples=50)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_isotonic_agrees_with_scipy(curve):
    assert saving.isotonic(np.array(curve)) == pytest.approx(isotonic_regression(curve).x, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"n": 7}, "not measured with 7"),
        ({"labels": LABELS[::-1]}, "rising"),
        ({"labels": LABELS[:5]}, "5 labels"),
        ({"scratch": np.full((6, 10), np.nan)}, "scratch hold"),
        ({"draws": 10}, "draws"),
    ],
)
def test_bad_curves_are_named(change, named):
    scratch, transfer = _curves(4)
    with pytest.raises(UserError, match=named):
        stats.label_saving(**({"labels": LABELS, "scratch": scratch, "transfer": transfer, "n": 5} | change))


# The self-test


@pytest.fixture(scope="module")
def short():
    ticks = []
    result = stats.selftest(2000, seed=7, progress=lambda done, total: ticks.append((done, total)))
    assert ticks[-1] == (len(result["rows"]), len(result["rows"]))
    return result


def _rows(result):
    return {(r["check"], r["data"], r["n"]): r for r in result["rows"]}


def test_short_form_passes_and_agrees_with_the_committed_long_form(short):
    long = json.loads(COMMITTED.read_text())
    assert short["passed"], stats.selftest_table(short)
    assert long["passed"]
    assert long["reps"] >= 10_000
    here, there = _rows(short), _rows(long)
    assert here.keys() == there.keys()
    for key, row in here.items():
        allowed = 4 * np.hypot(row["error"], there[key]["error"])
        assert abs(row["value"] - there[key]["value"]) <= allowed, key


def test_committed_form_judges_what_it_must():
    """Coverage at 5, 10, 20 seeds on normal, skewed and items x seeds data; families; all in band."""
    rows = _rows(json.loads(COMMITTED.read_text()))
    judged = {key for key, row in rows.items() if row["status"] == "PASS"}
    for n in (5, 10, 20):
        for data in ("normal", "skewness 1", "skewness 2"):
            assert ("coverage", data, n) in judged
        for data in ("seeds and items", "seeds prevail", "items prevail"):
            assert ("coverage, items", data, n) in judged
        assert ("family has a false one", "20 plans, normal", n) in judged
    for key in judged:
        assert rows[key]["low"] <= rows[key]["value"] <= rows[key]["high"]


def test_power_agrees_with_the_noncentral_t():
    """The simulation against a formula: Student's power is known exactly."""
    rng = np.random.default_rng(3)
    for effect, n in ((0.5, 10), (1.0, 5), (1.0, 10)):
        low, _, _ = intervals.limits(effect + rng.standard_normal((20_000, n)), method="student")
        exact = nct.sf(t.ppf(0.975, n - 1), n - 1, effect * np.sqrt(n))
        assert (low > 0).mean() == pytest.approx(exact, abs=0.015)


def test_two_level_samples_have_the_mean_they_state():
    items, truth = samples.two_level(np.random.default_rng(0), 3000, 5, 0.2, 0.5)
    assert items.mean() == pytest.approx(truth, abs=0.004)
    for name in ("normal", "skewness 1", "skewness 2", "collapsing"):
        drawn = samples.ONE_LEVEL[name](np.random.default_rng(0), 50_000, 5)
        assert abs(drawn.mean()) < 5 * drawn.std() / np.sqrt(drawn.size)


def test_normal_quantiles_in_place_of_t_are_caught(monkeypatch):
    module = import_module("tlkit.stats.selftest")  # the package has a function of this name
    first = list(module._rows())[:9]
    monkeypatch.setattr(module, "_rows", lambda: iter(first))
    assert stats.selftest(10_000)["passed"]
    monkeypatch.setattr(intervals, "stdtrit", lambda df, q: ndtri(q))
    broken = stats.selftest(10_000)
    assert not broken["passed"]
    assert _rows(broken)["coverage", "normal", 5]["status"] == "FAIL"
    assert "self-test FAILED" in stats.selftest_table(broken)


def test_table_and_file(short, tmp_path):
    table = stats.selftest_table(short)
    assert "PASS" in table
    assert table.endswith("self-test passed: 2000 samples a row, seed 7")
    path = tmp_path / "selftest.json"
    stats.write_selftest(short, path)
    assert json.loads(path.read_text()) == short
    assert [p.name for p in tmp_path.iterdir()] == ["selftest.json"]
    with pytest.raises(UserError, match="samples a row"):
        stats.selftest(10)


def test_import_leaves_the_heavy_parts_out():
    heavy = ("torch", "scipy.stats", "sklearn")
    code = f"import sys, tlkit.stats; print(*(m for m in {heavy} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
