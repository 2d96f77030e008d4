"""How well a score ranks sources: agreement with the truth, its doubt, and published tables recomputed."""

import csv
import itertools
import math

import numpy as np
import pytest
from scipy.stats import pearsonr, weightedtau

from tlkit import env
from tlkit.errors import UserError
from tlkit_lessons import ranking
from tlkit_lessons.ranking import weighted_taus


def ranked(models: int, noise: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.5, 0.9, models)
    return truth + noise * rng.normal(size=models), truth


def test_the_interval_is_the_percentile_bootstraps():
    s, t = ranked(9, 0.1)
    found = ranking.agreement(s, t, seed=5, resamples=300)
    taus = []
    for drawn in np.random.default_rng(5).integers(9, size=(300, 9)):
        taus.append(weightedtau(s[drawn], t[drawn]).statistic)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(taus, [0.025, 0.975])))
    assert found.tau == weightedtau(s, t).statistic
    assert found.pearson == pytest.approx(pearsonr(s, t).statistic)
    assert found.models == 9
    assert found == ranking.agreement(s, t, seed=5, resamples=300)
    assert found != ranking.agreement(s, t, seed=6, resamples=300)


def test_verdicts_of_a_ranking():
    s, t = ranked(12, 0.01)
    assert ranking.agreement(s, t).verdict == "agrees"
    assert ranking.agreement(-s, t).verdict == "disagrees"
    assert ranking.agreement(*ranked(12, 10.0)).verdict == "cannot tell"
    perfect = ranking.agreement(t[:4], t[:4])
    assert (perfect.tau, perfect.verdict) == (pytest.approx(1), "cannot tell")
    assert ranking.agreement(t[:5], t[:5]).verdict == "agrees"


def test_a_score_that_ranks_nothing_cannot_tell():
    found = ranking.agreement(np.full(8, 0.3), np.arange(8))
    assert found == ranking.Agreement(0.0, -1.0, 1.0, 0.0, 8, "no order")


def test_draws_of_labels_are_resampled_beside_the_models():
    rng, (one, t) = np.random.default_rng(3), ranked(7, 0.1)
    s, came = one + 0.05 * rng.normal(size=(4, 7)), t + 0.05 * rng.normal(size=(3, 7))
    s[2] = 0.5  # a draw in which all models tie says nothing, and counts
    found = ranking.agreement(s, came, seed=5, resamples=300)
    again = np.random.default_rng(5)
    which, marked, used = (again.integers(n, size=(300, n)) for n in (7, 4, 3))
    taus = []
    for models, rows, draws in zip(which, marked, used, strict=True):
        rank = came[draws].mean(0)[models]
        taus.append(np.mean([np.nan_to_num(weightedtau(s[k][models], rank).statistic) for k in rows]))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(taus, [0.025, 0.975])))
    whole = [weightedtau(row, came.mean(0)).statistic for row in s[[0, 1, 3]]]
    assert found.tau == pytest.approx(sum(whole) / 4)
    assert ranking.agreement(one, t, 5) == ranking.agreement([one], [t], 5), "one draw is a row or none"
    assert ranking.agreement(np.ones((4, 7)), came).verdict == "no order"
    with pytest.raises(UserError, match="7 in scores, 6 in truth"):
        ranking.agreement(s, came[:, :6])


def test_of_two_scores_the_one_that_is_ahead():
    rng, (_, t) = np.random.default_rng(1), ranked(9, 0.1)
    t = t + 0.05 * rng.normal(size=(4, 9))
    a, b = t.mean(0) + 0.1 * rng.normal(size=(3, 9)), t.mean(0) + 0.3 * rng.normal(size=(3, 9))
    found = ranking.ahead(a, b, t, seed=5, resamples=300)
    again = np.random.default_rng(5)
    which, marked, used = (again.integers(n, size=(300, n)) for n in (9, 3, 4))
    gaps = []
    for models, rows, draws in zip(which, marked, used, strict=True):
        rank = t[draws].mean(0)[models]
        one, other = (np.mean([weightedtau(s[k][models], rank).statistic for k in rows]) for s in (a, b))
        gaps.append(one - other)
    assert found[1:] == pytest.approx(tuple(np.quantile(gaps, [0.025, 0.975])))
    assert found[0] == pytest.approx(ranking.agreement(a, t).tau - ranking.agreement(b, t).tau)
    assert ranking.ahead(b, a, t, seed=5, resamples=300) == pytest.approx([-found[k] for k in (0, 2, 1)])
    assert ranking.ahead(a, a, t, resamples=100) == (0, 0, 0), "what both share falls out"
    with pytest.raises(UserError, match="same subsets"):
        ranking.ahead(a, b[:2], t)
    with pytest.raises(UserError, match="9 in scores, 8 in truth"):
        ranking.ahead(a, b, t[:, :8])


def test_who_is_kept_and_equals_by_lot():
    draws = [0.9, 0.1, 0.5, 0.5, 0.5], [1, 1, 1, 1, 1], [0.2, np.nan, 0.1, 0.4, np.nan]
    kept = ranking.chance_kept(draws, 2)
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


def test_more_draws_leave_less_doubt_than_one():
    rng, (_, t) = np.random.default_rng(0), ranked(12, 0.1)
    s = t + 0.2 * rng.normal(size=(10, 12))
    many, one = (
        ranking.agreement(s, t, resamples=500),
        [ranking.agreement(row, t, resamples=500) for row in s],
    )
    assert many.high - many.low < np.mean([each.high - each.low for each in one])


def test_the_interval_holds_what_it_says():
    """Twelve models, correlated normals: the tau expected there lies within in about 19 cases of 20."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(4000, 12))
    b = 0.7 * a + math.sqrt(0.51) * rng.normal(size=a.shape)
    expected = weighted_taus(a, b).mean()
    found = [ranking.agreement(x, y, resamples=300) for x, y in zip(a[:200], b[:200], strict=True)]
    assert 0.9 <= np.mean([f.low <= expected <= f.high for f in found]) <= 0.99


@pytest.mark.parametrize(
    ("s", "t", "words"),
    [
        ([1, 2, math.nan], [1, 2, 3], "NaN"),
        ([1, 2], [1, 2, 3], "do not match"),
        ([1], [1], "two or more"),
        ([], [], "non-empty"),
    ],
)
def test_models_that_cannot_be_ranked(s, t, words):
    with pytest.raises(UserError, match=words):
        ranking.agreement(s, t)


def test_a_level_is_a_share():
    with pytest.raises(UserError, match="between 0 and 1"):
        ranking.agreement([1, 2], [1, 2], level=95)


@pytest.fixture
def table(tmp_path):
    """Six models on two sets; of the second the printed tau of `a` is wrong, and `b` is a copy of it."""
    path = tmp_path / "table.csv"
    truth, a, b = [3, 1, 4, 6, 9, 2], [2, 1, 5, 4, 9, 3], [9, 8, 1, 2, 3, 4]
    rows = []
    for name, columns, tau in (("one", (a, b), None), ("two", (a, a), 0.1)):
        rows += [[name, f"m{i}", truth[i], columns[0][i], columns[1][i]] for i in range(6)]
        taus = [weightedtau(column, truth).statistic for column in columns]
        rows.append([name, "Weighted Tau", "-", round(taus[0], 3) if tau is None else tau, round(taus[1], 3)])
        rows.append([name, "Pearson Corr", "-", 0.5, 0.5])
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["dataset", "model", "finetuned_acc", "a", "b"], *rows])
    return path


def test_a_table_recomputed(table):
    found = {(line.dataset, line.score): line for line in ranking.recompute(table)}
    assert list(found) == [("one", "a"), ("one", "b"), ("two", "a"), ("two", "b")]
    assert [line.reproduces for line in found.values()] == [True, True, False, True]
    assert [line.copies for line in found.values()] == [None, None, "b", "a"]
    wrong = found["two", "a"]
    assert wrong.printed_tau == 0.1 and wrong.printed_pearson == 0.5
    assert wrong.deviation == pytest.approx(
        weightedtau([2, 1, 5, 4, 9, 3], [3, 1, 4, 6, 9, 2]).statistic - 0.1
    )
    assert wrong.found.models == 6 and wrong.found.low <= wrong.found.tau <= wrong.found.high
    assert wrong.scores == (2, 1, 5, 4, 9, 3) and wrong.truth == (3, 1, 4, 6, 9, 2)


def test_a_table_that_is_none(table, tmp_path):
    with pytest.raises(UserError, match="no table"):
        ranking.recompute(tmp_path / "absent.csv")
    text = table.read_text()
    for changed, words in (
        (text.replace("finetuned_acc", "other"), "no table of scores"),
        ("", "no table of scores"),
        (text.replace("Weighted Tau", "Kendall"), "entry that is missing or no number"),
        (text.replace("one,m2,4", "one,m2,four"), "entry that is missing or no number"),
    ):
        table.write_text(changed)
        with pytest.raises(UserError, match=words):
            ranking.recompute(table)


@pytest.mark.real("published")
def test_of_the_published_tables_five_recompute():
    """And of the three others Aircraft and Pets nowhere, DTD but for a column printed twice."""
    lines = ranking.recompute(env.cache_dir() / "published" / "tllib_model_selection.csv")
    assert len(lines) == 32 and {line.found.models for line in lines} == {10}
    off = {name: [line.score for line in lines if line.dataset == name and not line.reproduces] for name in
           dict.fromkeys(line.dataset for line in lines)}  # fmt: skip
    everything = ["hscore", "leep", "logme", "nce"]
    assert {name for name, which in off.items() if not which} == {
        "CIFAR10",
        "CIFAR100",
        "SUN397",
        "StanfordCars",
        "Caltech101",
    }
    assert off["Aircraft"] == off["OxfordIIITPets"] == everything and off["DTD"] == ["nce"]
    assert {(line.dataset, line.score): line.copies for line in lines if line.copies} == {
        ("DTD", "logme"): "nce",
        ("DTD", "nce"): "logme",
    }
    pairs = [(a, b) for a, b in itertools.combinations(lines, 2) if a.dataset == b.dataset]
    gaps = [ranking.ahead(a.scores, b.scores, a.truth, resamples=1000) for a, b in pairs]
    assert len(gaps) == 48 and all(low <= 0 <= high for _, low, high in gaps), "no judge is told from another"
    by = {(line.dataset, line.score): line for line in lines}
    assert by["OxfordIIITPets", "leep"].found.tau == pytest.approx(0.701, abs=1e-3)
    assert by["Aircraft", "hscore"].found.tau == pytest.approx(0.343, abs=1e-3)
    # ten models carry little: an interval is half as long as the whole range of tau
    assert np.median([line.found.high - line.found.low for line in lines]) > 0.5


def test_weighted_taus_are_scipys():
    rng = np.random.default_rng(0)
    for models in (2, 5, 10, 17):
        x, y = rng.normal(size=(2, 60, models))
        x[::2], y[::3] = x[::2].round(), y[::3].round()  # ties
        drawn = rng.integers(models, size=(60, models))
        x, y = np.take_along_axis(x, drawn, 1), np.take_along_axis(y, drawn, 1)
        expected = [weightedtau(a, b).statistic for a, b in zip(x, y, strict=True)]
        np.testing.assert_allclose(weighted_taus(x, y), np.nan_to_num(expected), atol=1e-12)
