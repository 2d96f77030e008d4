"""`tlkit compare` on numbers that are no accuracies: which way is better, their unit, how labels count."""

import re

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from tlkit import backbones, compare, plots, saved_model, tasks
from tlkit.plots.curves import stops_paying
from tlkit.records import Record, Scale, Store, scale
from tlkit.tasks import LAST_VALUE, Task, classification, multilabel, regression
from tlkit.tasks.metrics import mae, mean_of


@pytest.fixture(autouse=True)
def registries(monkeypatch):
    for registry in (tasks.registry.TASKS, backbones.BACKBONES):
        registry.names()
        monkeypatch.setattr(registry, "added", {})
    yield
    backbones._load.cache_clear()
    tasks.registry._named.cache_clear()


def series(n: int) -> tuple[torch.Tensor, np.ndarray]:
    rng = np.random.default_rng(n)
    x = torch.from_numpy(rng.normal(size=(n, 8)).cumsum(1).astype(np.float32))
    return x, (x[:, -1] + 0.1 * x[:, 0]).numpy()


def walk(**more) -> Task:
    (x, y), (tx, ty) = series(40), series(16)
    objective = regression(metrics=(mae(0.05, "euro"),), baseline=LAST_VALUE)
    return Task("walk", objective, tiny.items(x, "a"), y, tiny.items(tx, "b"), ty, **more)


def chain(name: str = "lags"):
    stages = lambda: {"stem": nn.Linear(8, 8), "top": nn.Linear(8, 8)}  # noqa: E731
    made = tiny.backbone(stages, nn.Identity, lambda raw: raw, name)
    return backbones.Backbone(name, made.digest, made.build, made.transform, name, {}, {"own": name})


WORDS = (
    "compare",
    "--task",
    "walk",
    "--backbone",
    "lags",
    "--labels",
    "6",
    "--steps",
    "40",
    "--out",
    "w.jsonl",
)


def test_a_forecast_is_compared_told_kept_and_asked(tlkit, tmp_path):
    tasks.register("walk", lambda: walk(reader="row:a,b,c,d,e,f,g,h"))
    backbones.register("lags", chain)
    code, said = tlkit(*WORDS, "--seeds", "5")
    assert "mean test mae, euro (lower is better)" in said
    assert {"last-value", "scratch", "frozen", "last-1", "full"} == {r.plan for r in Store("w.jsonl").read()}
    assert re.search(r"With 6 labels, \S+ has the lowest mean, \d\.\d{3} euro", said), said
    assert "a class" not in said and "accuracy" not in said and "commonest" not in said
    assert "lower is better, so + means lower" in said and "(chance level: one constant answer)" in said
    lowest = min(compare.standings(Store("w.jsonl").read()), key=lambda s: s.mean)
    assert f"With 6 labels, {lowest.plan} has" in said
    assert re.search(r"saved: \S+, 6 labels, seed \d, test mae \d\.\d+ euro \(mean of this plan", said), said
    assert (
        "the lowest mean mae on the validation splits" in said
        and "tlkit predict w.model FILE.csv:ROW" in said
    )
    page = (tmp_path / "w.html").read_text()
    assert "Test mae, euro (lower is better): the mean over seeds." in page and "labels per class" not in page
    assert "Lower is better: a positive difference means that the plan's mae is lower" in page
    code, asked = tlkit("predict", "w.model", "0,0,0,0,0,0,0,1")
    assert code == 0 and re.search(r"0,0,0,0,0,0,0,1 │ -?\d\S* euro", asked), asked
    worse = [p for p in compare.pairs(Store("w.jsonl")) if p.against == "last-value"]
    assert worse and all(p.verdict.mean < 0 for p in worse), "nothing beats the last value of this walk"
    assert "not shown to be better than" in said and "last-value (mean" in said


def test_a_task_that_names_no_reader_keeps_no_model(tlkit, tmp_path):
    tasks.register("walk", walk)
    backbones.register("lags", chain)
    code, said = tlkit(*WORDS, "--plans", "scratch,frozen", "--seeds", "2")
    assert code == 0
    assert "note: no model is saved: task walk names no reader" in said and "saved: frozen" not in said
    assert not (tmp_path / "w.model").exists() and (tmp_path / "w.html").exists()


@pytest.mark.parametrize(
    ("objective", "plan"),
    [
        (classification(2), "pixels"),
        (classification(2, baseline=None), ""),
        (regression(baseline=LAST_VALUE), "last-value"),
        (multilabel(2, (mae(0.1),)), ""),
    ],
)
def test_the_plan_without_a_network_is_the_tasks_own(objective, plan):
    """Many labels at once have no solver, so that raw inputs cannot be learnt from."""
    assert objective.raw_plan == plan


def test_a_default_plan_that_a_task_lacks_is_left_out(tlkit):
    x, _ = tiny.pictures(40, 0)
    y = np.stack([np.arange(40) % 2, np.arange(40) % 3 == 0], 1).astype(np.int64)
    exact = mean_of("exact match", lambda kept, t: ((kept > 0.5) == t).all(1), "higher", 0.02)
    sides = tiny.items(x[:28], "x"), y[:28], tiny.items(x[28:], "y"), y[28:]
    tasks.register("several", lambda: Task("several", multilabel(2, (exact,)), *sides))
    backbones.register("tiny", tiny.backbone)
    words = "compare", "--task", "several", "--backbone", "tiny", "--labels", "4", "--seeds", "1", "--dry-run"
    assert "4 fits to run" in tlkit(*words)[1]


# --- what is drawn


def rows(store: Store, values: dict[str, float], how: dict | None, metric: str) -> list[Record]:
    for plan, value in values.items():
        for labels in (5, 20):
            for seed in range(5):
                detail = {"flops_prefix": 10, "flops_suffix": labels} | ({"scale": how} if how else {})
                key = "t", "d", "b", "w", plan, labels, seed, "r1"
                noise = seed / 100 * (1 + (plan == "scratch")) - labels / 1e4
                store.append([Record(*key, "test", metric, value + noise, detail=detail)])
                store.append([Record(*key, "select", metric, value)])
    return store.read()


EUROS = {"better": "lower", "delta": 0.05, "unit": "euro", "by_class": False, "chance": 9.0}


def test_axes_say_the_metric_its_unit_and_which_way_is_better(tmp_path):
    store = Store(tmp_path / "a.jsonl")
    found = rows(store, {"scratch": 5.0, "full": 3.0, "tfidf": 4.0}, EUROS, "mae")
    drawn = plots.accuracy_by_labels(found, ["scratch", "full"])
    assert drawn.get_ylabel() == "test mae, euro (lower is better)" and drawn.get_xlabel() == "labels"
    assert drawn.get_ylim()[1] > 4, "bands are not cut off at 1"
    pairs = compare.pairs(store, baselines=("scratch",))
    gains = plots.gain_by_labels(pairs, ["full", "tfidf"], scale(found))
    assert gains.get_ylabel() == "gain in mae, euro over scratch (up is better)"
    assert all(line.get_ydata()[0] > 0.9 for line in gains.lines if len(line.get_xdata()) == 2
               and line.get_linestyle() != "None" and set(line.get_ydata()) != {0})  # fmt: skip
    costs = plots.accuracy_against_cost(r for r in found if r.labels == 5)
    assert costs.get_ylabel() == "test mae, euro (lower is better)" and costs.get_title("left") == "5 labels"
    assert stops_paying(pairs, ["full"]) is None, "it pays at the last budget too"
    rows(store := Store(tmp_path / "b.jsonl"), {"scratch": 3.0, "full": 5.0}, EUROS, "mae")
    assert stops_paying(compare.pairs(store), ["full"]) == 5


def test_an_accuracy_is_told_as_before(tmp_path):
    store = Store(tmp_path / "a.jsonl")
    found = rows(store, {"scratch": 0.5, "full": 0.7}, None, "accuracy")
    drawn = plots.accuracy_by_labels(found, ["scratch", "full"])
    assert (drawn.get_ylabel(), drawn.get_xlabel()) == ("test accuracy", "labels per class")
    gains = plots.gain_by_labels(compare.pairs(store), ["full"], scale(found))
    assert gains.get_ylabel() == "gain in accuracy over scratch"
    assert (
        plots.accuracy_against_cost(r for r in found if r.labels == 5).get_title("left")
        == "5 labels per class"
    )


def test_a_scale_in_words():
    how = Scale("mae", -1, 0.05, "euro", None, False)
    assert how.counted(1) == "1 label" and how.said(2.0) == "2.000 euro"
    assert Scale("accuracy").counted(5) == "5 labels per class" and Scale("accuracy").said(0.5) == "0.500"
    assert scale([Record("t", "d", "b", "w", "p", 1, 0, "r", "select", "mae", 1.0),
                  Record("t", "d", "b", "w", "p", 1, 0, "r", "test", "mae", 1.0, detail={"scale": EUROS})]
                 ).chance == 9.0  # fmt: skip


def test_the_model_to_keep_is_the_best_whichever_way_that_is(tmp_path):
    found = rows(Store(tmp_path / "a.jsonl"), {"full": 5.0, "frozen": 3.0, "last-value": 1.0}, EUROS, "mae")
    choice = saved_model.choose(found)
    assert choice.record.plan == "frozen" and "lowest mean mae on the validation splits, 3.000" in choice.rule
    about = {"plan": "frozen", "labels": 20, "seed": 0, "value": 3.0, "mean": 3.1, "seeds": 5, "against": {},
             "scale": vars(scale([choice.record])), "chance": 3.05, "test_items": 12,
             "luck": 0.2}  # fmt: skip
    assert (
        saved_model.told(about)
        == "frozen, 20 labels, seed 0, test mae 3.000 euro (mean of this plan over 5 seeds 3.100)"
    )
    assert "the chance level, one constant answer (3.05 on 12 test items)" in saved_model.doubts(about)
    assert saved_model.doubts(about | {"chance": 9.0}) is None
