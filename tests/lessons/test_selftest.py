"""The label-saving factor, and the self-test of the intervals: by hand, and by simulated coverage."""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression
from scipy.special import ndtri
from scipy.stats import t

from tlkit.errors import UserError
from tlkit.stats import intervals
from tlkit_lessons import savings, selftest
from tlkit_lessons.selftest import samples

COMMITTED = Path(__file__).parents[2] / "data" / "selftest.json"


LABELS = np.array([1, 2, 5, 10, 20, 50])


def _curves(factor, n_seeds=10, noise=0.01, seed=0):
    """Scratch rises by 0.1 per doubling; transfer equals scratch with `factor` times the labels."""
    rng = np.random.default_rng(seed)
    scratch = 0.2 + 0.1 * np.log2(LABELS)[:, None] + noise * rng.standard_normal((6, n_seeds))
    transfer = 0.2 + 0.1 * np.log2(factor * LABELS)[:, None] + noise * rng.standard_normal((6, n_seeds))
    return scratch, transfer


def test_known_factor_of_four():
    exact = savings.label_saving(LABELS, *_curves(4, noise=0), n=5)
    assert (exact.factor, exact.low, exact.high) == pytest.approx((4, 4, 4))
    assert str(exact) == "4.0x [4.0x, 4.0x]"
    noisy = savings.label_saving(LABELS, *_curves(4), n=5)
    assert noisy.low < 4 < noisy.high < 5
    assert noisy.censored == ""
    assert noisy == savings.label_saving(LABELS, *_curves(4), n=5)


def test_censored_on_the_right():
    found = savings.label_saving(LABELS, *_curves(8), n=10)
    assert (found.factor, found.censored, str(found)) == (5, "right", "> 5x")


def test_censored_on_the_left():
    found = savings.label_saving(LABELS, *_curves(0.1), n=5)
    assert (found.factor, found.censored, str(found)) == (0.2, "left", "< 0.2x")


def test_an_end_of_the_interval_can_be_censored_alone():
    found = savings.label_saving(LABELS, *_curves(4.8, noise=0.05), n=10)
    assert found.high == found.most == 5
    assert str(found).endswith("x, > 5x]")


def test_a_dip_in_the_curve_is_levelled():
    """0.6 is first reached on the pooled plateau (0.7 + 0.5) / 2, at its left end."""
    scratch = np.array([0.4, 0.7, 0.5, 0.8])[:, None]
    found = savings.label_saving([1, 2, 4, 8], scratch, np.full((4, 1), 0.6), n=1)
    assert found.factor == pytest.approx(2)
    assert np.isnan(found.low)
    assert str(found) == "2.0x"


@pytest.mark.parametrize("n", [5, 10, 20])
def test_expanded_percentiles_make_a_bootstrap_as_wide_as_the_t_interval(n):
    """A resampled mean has variance (n - 1) / n of the unbiased one; the quantiles make up for it."""
    low, high = savings._expanded(n)
    assert ndtri(low) * np.sqrt((n - 1) / n) == pytest.approx(t.ppf(0.025, n - 1))
    assert low + high == pytest.approx(1)


@settings(max_examples=50)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_isotonic_agrees_with_scipy(curve):
    assert savings.isotonic(np.array(curve)) == pytest.approx(isotonic_regression(curve).x, abs=1e-9)


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
        savings.label_saving(
            **({"labels": LABELS, "scratch": scratch, "transfer": transfer, "n": 5} | change)
        )


@pytest.fixture(scope="module")
def short():
    ticks = []
    result = selftest.selftest(2000, seed=7, progress=lambda done, total: ticks.append((done, total)))
    assert ticks[-1] == (len(result["rows"]), len(result["rows"]))
    return result


def _rows(result):
    return {(r["check"], r["data"], r["n"]): r for r in result["rows"]}


def test_short_form_passes_and_agrees_with_the_committed_long_form(short):
    long = json.loads(COMMITTED.read_text())
    assert short["passed"], selftest.selftest_table(short)
    assert long["passed"]
    assert long["reps"] >= 10_000
    here, there = _rows(short), _rows(long)
    assert here.keys() == there.keys()
    for key, row in here.items():
        allowed = 4 * np.hypot(row["error"], there[key]["error"])
        assert abs(row["value"] - there[key]["value"]) <= allowed, key


def test_two_level_samples_have_the_mean_they_state():
    items, truth = samples.two_level(np.random.default_rng(0), 3000, 5, 0.2, 0.5)
    assert items.mean() == pytest.approx(truth, abs=0.004)
    for name in ("normal", "skewness 1", "skewness 2", "collapsing"):
        drawn = samples.ONE_LEVEL[name](np.random.default_rng(0), 50_000, 5)
        assert abs(drawn.mean()) < 5 * drawn.std() / np.sqrt(drawn.size)


def test_normal_quantiles_in_place_of_t_are_caught(monkeypatch):
    module = import_module("tlkit_lessons.selftest.coverage")  # the package has a function of this name
    first = list(module._rows())[:9]
    monkeypatch.setattr(module, "_rows", lambda: iter(first))
    assert selftest.selftest(10_000)["passed"]
    monkeypatch.setattr(intervals, "stdtrit", lambda df, q: ndtri(q))
    broken = selftest.selftest(10_000)
    assert not broken["passed"]
    assert _rows(broken)["coverage", "normal", 5]["status"] == "FAIL"
    assert "self-test FAILED" in selftest.selftest_table(broken)


def test_table_and_file(short, tmp_path):
    table = selftest.selftest_table(short)
    assert "PASS" in table
    assert table.endswith("self-test passed: 2000 samples a row, seed 7")
    path = tmp_path / "selftest.json"
    selftest.write_selftest(short, path)
    assert json.loads(path.read_text()) == short
    assert [p.name for p in tmp_path.iterdir()] == ["selftest.json"]
    with pytest.raises(UserError, match="samples per row"):
        selftest.selftest(10)


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
