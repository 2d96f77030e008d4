"""The five nouns hold for a classifier, a language model, a detector and a regression alike."""

import math

import numpy as np
import pytest
import tiny
import torch

from tlkit import study
from tlkit.backbones.chain import Chain
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.plans import Plan
from tlkit.records import Record, Store, values
from tlkit.stats import verdict

LABELS = 6


@pytest.fixture(params=tiny.WORLDS)
def world(request):
    return tiny.WORLDS[request.param]()


def record(store, task, backbone, plan, seed, done):
    key = task.name, task.digest, backbone.name, backbone.digest, str(plan), LABELS, seed, tiny.QUICK.version
    rows = study.rows(done, task.objective.metric)
    test = done.test
    store.append([Record(*key, **row) for row in rows], test.predicted, test.targets, test.scores)
    return key


@pytest.mark.parametrize("text", tiny.PLANS)
def test_every_plan_runs_is_audited_and_recorded(world, text, tmp_path):
    task, backbone = world
    plan = Plan.parse(text)
    done = fit(task, backbone, plan, LABELS, seed=0, recipe=tiny.QUICK)

    assert len(task.reads) == 1, "the test split is read once, whatever was tried"
    assert done.audit.ok and done.audit.moved
    free = {"head", *plan.tuned(backbone.stages)}
    assert {name.split(".")[1 if name.startswith("stages") else 0] for name in done.audit.moved} <= free

    if plan.weights == "pretrained":
        source = backbone.pretrained().state_dict()
        still = {n: t for n, t in done.model.state_dict().items() if n in done.audit.still and n in source}
        assert all(torch.equal(t, source[n]) for n, t in still.items())
        assert (len(still) > 0) == (set(backbone.stages) - free != set() or plan.where in ("norm", "bias"))

    assert done.test.predicted.shape[0] == len(task.test) == len(done.test.targets)
    assert all(math.isfinite(v) for v in done.test.metrics.values())
    assert set(done.test.metrics) == set(task.objective.metrics)
    assert len(done.tried) == len(tiny.QUICK.rates), "three settings were tried, for every plan"

    batch = torch.utils.data.default_collate([backbone.transform(raw) for raw in task.test.inputs])
    with torch.inference_mode():
        output, asked = done.model(batch), task.objective
        predicted = asked.decode(output) if asked.keep is None else asked.keep(output, done.test.targets)
    assert not done.model.training
    assert np.allclose(predicted, done.test.predicted, atol=1e-5), "the whole chain, from raw inputs"

    store = Store(tmp_path / "records.jsonl")
    key = record(store, task, backbone, plan, 0, done)
    assert [r.split for r in store.read()] == ["train", "select", "test"]
    assert store.finished() == {key}
    assert np.allclose(store.items(key), done.test.predicted)
    row = store.read()[-1]
    assert row.value == pytest.approx(done.test.metrics[task.objective.metric])
    assert row.detail["setting"] == done.setting and row.detail["tried"] == done.tried
    assert row.detail["losses"].keys() == done.tried.keys(), "any objective weighs its own outputs"
    assert row.measured["seconds"] > 0


def test_a_chain_is_its_stages(world):
    task, backbone = world
    chain = backbone.pretrained()
    raw = backbone.transform(task.train.inputs[0])
    batch = torch.utils.data.default_collate([raw, raw])
    for cut in range(len(chain.names) + 1):
        behind = chain.run(chain.run(batch, 0, cut), cut)
        whole = chain.run(batch)
        assert torch.equal(behind["h"], whole["h"]) if isinstance(whole, dict) else torch.equal(behind, whole)


def test_descent_learns(world):
    """With some steps every objective beats what it started from: loss, decoding and metric point one way."""
    task, backbone = world
    longer = tiny.Recipe(steps=150, epochs=1, batch=8, rates=(1e-2,), strengths=(1.0,), baselines=("1-nn",))
    little = tiny.Recipe(steps=1, epochs=1, batch=32, rates=(1e-5,), strengths=(1e-6,), baselines=("1-nn",))
    labels = len(task.train) // 3 if task.objective.by_class else len(task.train)
    before, after = (
        fit(task, backbone, Plan.parse("full"), labels, 0, recipe) for recipe in (little, longer)
    )
    sign = task.objective.first.sign
    metric = task.objective.metric
    assert sign * after.test.metrics[metric] > sign * before.test.metrics[metric]
    assert np.mean(after.losses[-10:]) < np.mean(after.losses[:10])
    assert len(after.losses) == after.detail["epochs"] * math.ceil(labels * max(1, len(task.classes)) / 8)


def test_an_unpooled_head_gets_no_pixel_baseline():
    for world in (tiny.language, tiny.detector):
        task, backbone = world()
        with pytest.raises(UserError, match="no baseline for a"):
            fit(task, backbone, Plan.parse("pixels"), LABELS, 0, tiny.QUICK)
        assert task.reads == []


@pytest.mark.parametrize("world", ["classifier", "regression"])
def test_pixels_run_where_a_solver_does(world):
    task, backbone = tiny.WORLDS[world]()
    done = fit(task, backbone, Plan.parse("pixels"), LABELS, 0, tiny.QUICK)
    assert done.model is None and done.audit is None and len(done.tried) == 3
    assert len(task.reads) == 1 and math.isfinite(done.test.metrics[task.objective.metric])
    assert done.detail["trained_parameters"] == 0


def test_records_become_a_verdict(tmp_path):
    """From task to verdict: two plans, five paired seeds, one of the words."""
    task, backbone = tiny.classifier()
    store = Store(tmp_path / "records.jsonl")
    for seed in range(5):
        for text in ("frozen", "scratch"):
            done = fit(task, backbone, Plan.parse(text), LABELS, seed, tiny.QUICK)
            record(store, task, backbone, Plan.parse(text), seed, done)
    found = [values(store.read(), plan=plan, labels=LABELS) for plan in ("frozen", "scratch")]
    assert list(found[0]) == list(found[1]) == list(range(5))
    said = verdict(*([column[s] for s in range(5)] for column in found))
    assert said.word in ("better", "worse", "equal", "cannot tell")


def test_the_seal_holds_while_fitting():
    """No plan sees a test target before `evaluate`: training with other ones gives the same model."""
    task, backbone = tiny.classifier()
    (x, y), (tx, ty) = tiny.pictures(36, 0), tiny.pictures(15, 1)
    sides = tiny.items(x, "train"), y, tiny.items(tx, "test"), (ty + 1) % 3
    other = tiny.Task("tiny-classes", task.objective, *sides, ("a", "b", "c"))
    for text in tiny.PLANS:
        one, two = (fit(t, backbone, Plan.parse(text), LABELS, 0, tiny.QUICK) for t in (task, other))
        assert one.tried == two.tried and np.array_equal(one.test.predicted, two.test.predicted)
        assert not np.array_equal(one.test.targets, two.test.targets)


def test_a_chain_names_its_tensors():
    chain = Chain(tiny.conv_stages(), torch.nn.Linear(2, 2))
    assert {n.split(".")[0] for n in chain.state_dict()} == {"stages", "head"}
    assert list(dict.fromkeys(n.split(".")[1] for n in chain.state_dict() if n[0] == "s")) == list(
        tiny.STAGES
    )
