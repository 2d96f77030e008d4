"""The adviser judged: forecasts against what came, and regret against hindsight that was not flattered."""

import dataclasses

import made_up_records as made
import numpy as np
import pytest
import tiny

from tlkit import study
from tlkit.advise.advice import WIDER
from tlkit.errors import UserError
from tlkit.records import FitKey, Store
from tlkit.tasks import Evaluation
from tlkit_lessons import backtests, judging, ledger
from tlkit_lessons.ledger import claims, contrasts

SEEDS = judging.JUDGED["digits"][3]


def foretold(store: Store, task: str, seed: int, inside: float, off: float = 0.0) -> None:
    key = FitKey(task, "d", "b", "w", "x2", 10, seed, "r")
    found = Evaluation({"inside": inside}, None, None, scale=backtests.INSIDE.declared(), detail={"off": off})
    study.measure(store, key, lambda: found, backtests.INSIDE)


def test_the_width_of_intervals_is_the_conformal_quantile(tmp_path):
    store = Store(tmp_path / "a.jsonl")
    for seed in range(99):
        foretold(store, "t", seed, 1.0, (-1) ** seed * (seed + 1.0))
    assert backtests.quantile(store) == 95 and backtests.quantile(store, 0.9) == 90


def claim(**changes):
    return dataclasses.replace(claims.one("advise-forecast"), **changes)


@pytest.mark.parametrize(("second", "word"), [(0.9, "better"), (0.7, "worse")])
def test_a_level_is_a_mean_over_tasks_that_weigh_the_same(tmp_path, second, word):
    store = Store(tmp_path / "a.jsonl")
    for seed in range(20):
        foretold(store, "first", seed, 1.0)
    for seed in range(10):
        foretold(store, "second", seed, float(seed < 10 * second))
    found = contrasts.level(claim(), store, store)[0]
    assert found.word == word and found.mean == pytest.approx((1 + second) / 2 - 0.9) and found.n == 2
    assert contrasts.level(claim(plan="y"), store, store) is None


def test_the_best_in_hindsight_is_scored_on_the_other_half():
    lucky = {s: 0.9 if s % 2 == 0 else 0.5 for s in SEEDS}  # best on one half alone
    steady = dict.fromkeys(SEEDS, 0.8)
    found = judging._regrets({"frozen": steady, "full": lucky, judging.ADVISER: steady}, SEEDS)
    assert found["full"] == pytest.approx(-0.05) and found["frozen"] == pytest.approx(-0.15)
    assert found[judging.ADVISER] == found["frozen"]


def fits(tmp_path, monkeypatch):
    """Ten seeds of digits: frozen .8, full .9; the adviser says full, but frozen at seed 0."""
    store, advised = Store(tmp_path / "16_digits.jsonl"), Store(tmp_path / "34_adviser.jsonl")
    for seed in SEEDS:
        for plan, value in (("frozen", 0.8), ("full", 0.9)):
            rows = [made.row(plan, 20, seed, value), made.row(plan, 20, seed, 1 - value, split="select")]
            store.append(rows)
        choice = {"plan": "full" if seed else "frozen"}
        advised.append([made.row(judging.ADVISER, 20, seed, 0.7, detail=choice)])
    shelf = ledger.shelf(tmp_path)
    monkeypatch.setattr(ledger, "shelf", lambda: shelf)


def test_policies_get_the_accuracy_of_what_they_choose(tmp_path, monkeypatch):
    fits(tmp_path, monkeypatch)
    found = judging.measured("digits")
    assert [*found[judging.ADVISER].values()] == [0.8, *[0.9] * 9]
    assert set(found[judging.EQUALLY].values()) == {0.8}, "frozen is the best on the validation set"
    table = judging.table(["digits"])
    assert table.loc["full", "digits"] == pytest.approx(0) and table.index[0] == judging.ADVISER
    assert table.loc[judging.ADVISER, "all tasks"] == pytest.approx(0.01)
    assert table.loc["frozen", "tasks"] == 1


def test_a_fixed_plan_chosen_elsewhere_is_of_other_families(monkeypatch):
    level = {"digits": (0.9, 0.8), "textures": (0.6, 0.9)}  # frozen, full
    made_up = lambda name: {  # noqa: E731
        plan: dict.fromkeys(judging.JUDGED[name][3], value)
        for plan, value in zip(("frozen", "full"), level[name], strict=True)
    }
    monkeypatch.setattr(judging, "measured", made_up)
    found = judging.regrets(("digits", "textures"))[judging.ELSEWHERE]
    assert found == {"digits": pytest.approx(0.1), "textures": pytest.approx(0.3)}


def test_regrets_are_records_of_every_policy(tmp_path, monkeypatch):
    found = {
        judging.ADVISER: dict.fromkeys(judging.JUDGED, 0.004),
        "full": dict.fromkeys(judging.JUDGED, 0.05),
    }
    monkeypatch.setattr(judging, "regrets", lambda: found)
    store = Store(tmp_path / "34_regret.jsonl")
    judging.record_regrets(store)
    assert len(store.read()) == 2 * (len(judging.JUDGED) + len(judging.REAL))
    real, every = claims.one("advise-regret"), claims.one("advise-rules")
    assert contrasts.level(real, store, store)[0].word == "better"
    a, b = contrasts.sides(every, store, store, 0, "full")
    assert (a.values(sorted(a.seeds)) > b.values(sorted(b.seeds))).all(), "less regret is better"


def test_fine_tuning_in_two_phases_trains_every_stage(computed):
    task, backbone = tiny.classifier()
    found = judging._tuned(task, backbone, 5, 0)
    assert 0 <= found.metrics["accuracy"] <= 1 and len(task.reads) == 1
    again = judging._tuned(task, backbone, 5, 0)
    assert np.array_equal(found.predicted, again.predicted)


def test_a_forecast_is_compared_with_what_came(tmp_path, monkeypatch, computed):
    task, backbone = tiny.classifier(train=90)
    monkeypatch.setenv("TLKIT_RESULTS", str(tmp_path))
    monkeypatch.setattr(backtests, "task_of", lambda name: task)
    monkeypatch.setattr(backtests.backbones, "load", lambda name: backbone)
    store = Store(tmp_path / "f.jsonl")
    backtests.record_forecasts(store, "tiny", "tiny", 10, 0)
    (row,) = store.read()  # five times as many are not there
    told = row.detail
    assert row.plan == "x2" and row.value == float(told["low"] <= told["found"] <= told["high"])


def test_words_that_are_not_here_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="put the set trec into the folder"):
        backtests.words("trec")


def test_the_committed_width_is_no_narrower_than_the_calibration_asks_for(root):
    store = Store(root / "data" / "records" / "34_calibration.jsonl")
    assert backtests.quantile(store) <= WIDER
