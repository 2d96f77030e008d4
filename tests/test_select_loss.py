"""The loss on the selection split: what every try tells beside its score, and what chooses the plan."""

import math
from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
from torch.nn import functional as F

from tlkit import saved_model, study
from tlkit.fit import fit
from tlkit.fit.job import Job
from tlkit.plans import Plan
from tlkit.records import Store

WILD = replace(tiny.QUICK, rates=(1e30, 1e-3, 3e-3))


@pytest.mark.parametrize("text", ["frozen", "full"])
def test_it_is_the_mean_over_the_items_of_the_split_of_a_training_without_them(text):
    """Forty-eight items come in two batches, of which the second is smaller."""
    task, backbone = tiny.classifier(train=300)
    work = Job(task, backbone, Plan.parse(text), tiny.QUICK, 0, task.draw(80, 0))
    setting = work.recipe.tries(work.plan, 80)[1]
    work.trial(setting)
    _, predict, _ = work.train(setting, work.draw.fit)
    outputs = list(predict(task.train, work.draw.select))
    assert len({len(output) for output in outputs}) == 2
    wanted = torch.as_tensor(np.asarray(task.targets)[work.draw.select])
    by_hand = float(F.cross_entropy(torch.cat(outputs), wanted))
    assert work.losses == {setting: pytest.approx(by_hand, rel=1e-5)}


def test_every_try_that_did_not_diverge_tells_one_and_its_score_is_as_before():
    task, backbone = tiny.classifier()
    done = fit(task, backbone, "full", 6, 0, WILD)
    assert done.detail["losses"].keys() == {"0.001", "0.003"} and math.isnan(done.tried["1e+30"])
    assert all(loss > 0 for loss in done.detail["losses"].values())
    task.objective = replace(task.objective, collate=lambda pairs: torch.utils.data.default_collate(pairs))
    without = fit(task, backbone, "full", 6, 0, WILD)
    assert "losses" not in without.detail, "another collate makes targets that this loss need not take"
    assert {k: v for k, v in without.tried.items() if v == v} == {
        k: v for k, v in done.tried.items() if v == v
    }


@pytest.mark.parametrize(("text", "labels"), [("full", 4), ("pixels", 6)])
def test_without_tries_or_a_network_there_is_none(text, labels):
    assert "losses" not in fit(*tiny.classifier(), text, labels, 0, tiny.QUICK).detail


def test_a_comparison_keeps_it_and_chooses_by_it(tmp_path):
    store = Store(tmp_path / "r.jsonl")
    study.run(study.Grid(*tiny.classifier(), ("frozen", "full"), (5,), (0, 1, 2), tiny.QUICK), store)
    tests = [r for r in store.read() if r.split == "test"]
    mean = {
        plan: np.mean([r.detail["losses"][r.detail["setting"]] for r in tests if r.plan == plan])
        for plan in ("frozen", "full")
    }
    choice = saved_model.choose(store.read())
    assert choice.record.plan == min(mean, key=mean.get)
    assert f"lowest mean loss on the validation splits, {min(mean.values()):.3f}" in choice.rule
