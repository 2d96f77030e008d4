"""Numbers that are no fits: the same identity, resumption, scores an item, and verdicts."""

import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from tlkit import compare, env, report, study
from tlkit.errors import UserError
from tlkit.fit import Diverged
from tlkit.records import FitKey, Record, Store, scale
from tlkit.tasks import Evaluation, Metric, classification
from tlkit.tasks.metrics import mae
from tlkit.tasks.objective import pixels

PIPELINES = {
    "majority": lambda: DummyClassifier(strategy="most_frequent"),
    "svm": lambda: make_pipeline(StandardScaler(), SVC()),
}


def key(task, plan: str, seed: int, labels: int = 6) -> FitKey:
    return FitKey(task.name, task.digest, "scikit-learn", "none", plan, labels, seed, "sk-1")


def pipeline(task, plan: str, seed: int, labels: int = 6) -> Evaluation:
    """Of scikit-learn alone, on the same draw as every plan."""
    chosen = task.draw(labels, seed).all
    model = PIPELINES[plan]().fit(pixels([task.train.inputs[i] for i in chosen]), task.targets[chosen])
    found = task.evaluate(lambda items: model.predict(pixels(items.inputs)), f"{plan}, seed {seed}")
    return replace(found, detail={"items": len(chosen)})


def measured(store: Store, task, plan: str, seed: int) -> Record:
    metric = task.objective.first
    return study.measure(store, key(task, plan, seed), partial(pipeline, task, plan, seed), metric)


@pytest.mark.parametrize("metric", [classification(3).first, tiny.error_rate], ids=lambda m: m.name)
def test_a_pipeline_of_scikit_learn_gets_its_verdict(tmp_path, metric):
    task, _ = tiny.classifier()
    task.objective = classification(3, metrics=(metric,))
    store = Store(tmp_path / "r.jsonl")
    for seed in range(5):
        for plan in PIPELINES:
            measured(store, task, plan, seed)
    (pair,) = compare.pairs(store, baselines=("majority",))
    assert (pair.plan, pair.against, pair.verdict.word) == ("svm", "majority", "better")
    assert pair.items and pair.metric == metric.name, "the interval covers new items too"
    row = next(r for r in store.read() if r.plan == "svm")
    assert row.detail["items"] == 18 and store.origin(row) == env.origin() and row.measured["seconds"] >= 0
    assert scale([row]).sign == metric.sign and store.items(row.fit_key).shape == (15,)
    assert report.compare_html(store.path, tmp_path / "r.html", "pipelines").exists()


def test_what_is_there_is_not_run_again(tmp_path):
    task, _ = tiny.classifier()
    store = Store(tmp_path / "r.jsonl")
    first = measured(store, task, "svm", 0)
    never = lambda: pytest.fail("it was there already")  # noqa: E731
    assert study.measure(store, tuple(key(task, "svm", 0)), never) == first
    assert first.fit_key in store.finished() and len(store.read()) == len(task.reads) == 1


def test_a_number_without_items(tmp_path):
    store, named = Store(tmp_path / "r.jsonl"), Metric("cka", None, "higher", 0.05)
    found = study.measure(
        store, FitKey("nets", "d", "a", "w", "cka", 0, 0, "1"), lambda: np.float64(0.5), named
    )
    assert found.value == 0.5 and scale([found]).delta == 0.05 and scale([found]).chance is None
    price = study.measure(store, FitKey("nets", "d", "a", "w", "mae", 0, 0, "1"), lambda: 2, mae(0.1, "euro"))
    assert scale([price]).unit == "euro" and scale([price]).sign == -1


def test_what_comes_to_nothing_is_recorded_and_not_run_again(tmp_path):
    store = Store(tmp_path / "r.jsonl")

    def explodes():
        raise Diverged("the loss became NaN at step 3: try smaller --rates.")

    for plan, run in (("soup", explodes), ("leep", lambda: math.inf)):
        row = study.measure(store, FitKey("t", "d", "b", "w", plan, 1, 0, "1"), run)
        assert row.status == "diverged" and row.value is None and row.fit_key in store.finished()
    assert "smaller --rates" in store.read()[0].detail["why"]


@pytest.mark.parametrize(
    ("changes", "gives", "says"),
    [
        ({"seed": "0"}, lambda: pytest.fail("nothing may run"), "seed must be a whole number, not '0'"),
        ({}, lambda: "0.5", "svm of t, seed 0, gave str where accuracy is measured: return a number"),
        ({}, lambda: Evaluation({"mae": 0.5}, None, None), "gave mae where accuracy is measured"),
    ],
)
def test_what_is_no_such_number_is_one_sentence_and_nothing_is_written(tmp_path, changes, gives, says):
    store = Store(tmp_path / "r.jsonl")
    with pytest.raises(UserError, match=says):
        study.measure(store, FitKey("t", "d", "b", "w", "svm", 1, 0, "1")._replace(**changes), gives)
    assert store.read() == []


def test_an_error_inside_goes_on_and_nothing_is_written(tmp_path):
    store = Store(tmp_path / "r.jsonl")
    with pytest.raises(ZeroDivisionError):
        study.measure(store, FitKey("t", "d", "b", "w", "svm", 1, 0, "1"), lambda: 1 / 0)
    assert store.read() == []


ENDLESS = """
import sys, time
import test_measure, tiny
from tlkit.records import Store
task, _ = tiny.classifier()
store = Store(sys.argv[1])
for seed in range(8):
    test_measure.measured(store, task, "svm", seed)
    print(seed, flush=True)
    time.sleep(0.2)
"""


def test_a_killed_run_resumes(tmp_path):
    paths = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", ENDLESS, str(tmp_path / "r.jsonl")]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **paths})
    assert driver.stdout.readline() == b"0\n" and driver.stdout.readline() == b"1\n"
    driver.kill()
    driver.wait()
    driver.stdout.close()
    task, _ = tiny.classifier()
    store = Store(tmp_path / "r.jsonl")
    before = store.read()
    assert 2 <= len(before) < 8
    began = time.time()
    for seed in range(8):
        measured(store, task, "svm", seed)
    assert len(task.reads) == 8 - len(before) and time.time() > began
    assert store.read()[: len(before)] == before and [r.seed for r in store.read()] == list(range(8))
