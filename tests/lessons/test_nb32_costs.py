"""What a step costs: the law against torch's counter and a count by hand; bytes, seconds, figures."""

import numpy as np
import pytest
import tiny
import torch
from matplotlib.colors import same_color
from torch import nn

from tlkit import backbones, plans, tasks
from tlkit.backbones.chain import Chain
from tlkit.errors import UserError
from tlkit.fit import cost
from tlkit.plans import Plan
from tlkit.plots.style import look
from tlkit.records import Store
from tlkit_lessons import costs, nb32_costs
from tlkit_lessons.costs import Cost, Passes

PLANS = ("frozen", "last-1", "block:stem", "bias", "norm", "lora-4", "full")
MADE_UP = [
    Cost("last-1", 10, 100, 1000, Passes(1000, 100, 200), 1300, 500, 300),
    Cost("norm", 1, 100, 1000, Passes(1000, 900, 0), 1910, 1910, 10),
    Cost("full", 100, 100, 1000, Passes(1000, 900, 1000), 2950, 2950, 1000),
]


@pytest.fixture(scope="module")
def resnet():
    task, network = tasks.load("digits"), backbones.load(costs.RESNET)
    return {plan: costs.of_plan(task, network, plan) for plan in PLANS}


def test_resnet18_takes_the_passes_that_are_known(resnet):
    """1.00, 1.42, 1.93 and 2.93 forward passes for the head, layer4 + head, norm + head, and everything."""
    for plan, passes in {"frozen": 1.00, "last-1": 1.42, "norm": 1.93, "full": 2.93}.items():
        assert resnet[plan].predicted == pytest.approx(passes, rel=0.05)
        assert resnet[plan].step == pytest.approx(resnet[plan].predicted, rel=0.05)
    assert resnet["norm"].share == pytest.approx(0.13, abs=0.005)
    assert resnet["last-1"].kept < 0.5 * resnet["last-1"].counted


@pytest.mark.parametrize("network", [costs.LITE0, "letters"])
def test_the_law_predicts_the_count_with_groups_and_on_our_own_network(network):
    task, network = tasks.load("digits"), backbones.load(network)
    for plan in ("last-1", "block:stem", "bias", "norm", "lora-4", "full"):
        found = costs.of_plan(task, network, plan)
        assert found.predicted == pytest.approx(found.step, rel=0.01), plan


def test_the_law_by_hand():
    """Three equal layers: the gradient passes what lies behind the first trained tensor, however small."""
    layers = {k: nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4)) for k in "abc"}
    net, x, one = Chain(layers), torch.rand(1, 4, 5, 5), 2 * 4 * 4 * 25
    for free, want in (
        (net.stages["a"][1], Passes(3 * one, 2 * one, 0)),
        (net.stages["b"][0], Passes(3 * one, one, one)),
        (net.stages["c"], Passes(3 * one, 0, one)),
        (net, Passes(3 * one, 2 * one, 3 * one)),
    ):
        net.requires_grad_(False)
        free.requires_grad_(True)
        assert costs.law(net, x) == want and cost.count(net, x, train=True) == want.total
    assert not any(m._forward_hooks for m in net.modules()), "its hooks are taken out"


def test_a_task_is_stored_in_the_bytes_that_the_claims_name():
    task, network = tasks.load("digits"), backbones.load("letters")
    found = {plan: costs.of_plan(task, network, plan).bytes for plan in ("frozen", "norm", "lora-4", "full")}
    share = {plan: round(100 * size / found["full"], 2) for plan, size in found.items()}
    assert share == {"frozen": 0.45, "norm": 1.07, "lora-4": 4.99, "full": 100.0}


def test_stored_are_weights_and_statistics_that_may_change():
    _, backbone = tiny.classifier()
    chain = backbone.fresh()
    width, counter = tiny.WIDTH, 8
    norm = 4 * 4 * width + counter  # scale, shift, mean, variance; int64 batches seen
    conv = {"top": 4 * (9 * width * width + width)}
    assert costs.stored(chain, Plan.parse("norm")) == 3 * norm
    assert costs.stored(chain, Plan.parse("last-1")) == norm + conv["top"]
    assert costs.stored(chain, Plan.parse("full")) == sum(t.nbytes for t in plans.state(chain).values())


def test_plans_without_a_network_cost_no_step():
    with pytest.raises(UserError, match="plan pixels has no network and so no step"):
        costs.of_plan(*tiny.classifier(), "pixels")


def test_rounds_are_recorded_once_and_count_time_per_operation(tmp_path, monkeypatch):
    seconds = {plan: 1.0 + k for k, plan in enumerate(costs.PLANS)}
    monkeypatch.setattr(costs, "step_seconds", lambda task, network, plan: seconds[str(plan)])
    monkeypatch.setattr(costs, "_alone", lambda *names: 7.0)
    store, task, network = Store(tmp_path / "s.jsonl"), tasks.load("digits"), backbones.load("letters")
    monkeypatch.setattr(costs, "RESNET", "letters")
    for rounds in (1, 2, 2):
        costs.record_steps(store, task, network, rounds)
    rows = store.read()
    assert len(rows) == 2 * len(costs.PLANS)
    full, norm = (costs.of_plan(task, network, plan).kept for plan in ("full", "norm"))
    want = (seconds["norm"] / norm) / (seconds["full"] / full)
    assert next(r for r in rows if r.plan == "norm").value == pytest.approx(want)
    found = nb32_costs.timed(store, "letters")
    assert found["norm"].share == pytest.approx(100 * seconds["norm"] / seconds["full"])
    assert found["norm"].peak_mb == 7.0 and len(found["norm"].seconds) == 2
    with pytest.raises(UserError, match=r"s\.jsonl has no steps on resnet"):
        nb32_costs.timed(store, "resnet")


def test_steps_are_timed_in_the_loop_of_fit():
    task, network = tiny.classifier()
    assert 0 < costs.step_seconds(task, network, "full", steps=2, batch=4) < 5


def test_parameters_and_operations_says_what_norm_costs():
    ax = nb32_costs.parameters_and_operations(MADE_UP, "l2sp", 1.2)
    assert ax.get_title(loc="left") == "norm: 1.00 % of the parameters, 1.91 forward passes per step"
    assert {"last-1", "norm", "full, l2sp", "your guess"} == {t.get_text() for t in ax.texts}
    assert same_color(ax.lines[0].get_color(), look("last-1")["color"])


def test_bars_show_law_count_and_seconds_behind_the_kept_prefix():
    steps = {one.plan: nb32_costs.Timed(one.plan, np.ones(3), np.full(3, 0.4), 1.0) for one in MADE_UP}
    ax = nb32_costs.predicted_and_measured(MADE_UP, steps)
    law, counted, seconds = ([bar.get_height() for bar in group] for group in ax.containers)
    assert law == pytest.approx([100 * 500 / 2900, 100 * 1900 / 2900, 100])
    assert counted == pytest.approx([100 * 500 / 2950, 100 * 1910 / 2950, 100]) and seconds == [40.0] * 3
    assert "operations to 2 %" in ax.get_title(loc="left")
    with pytest.raises(UserError, match="no measured steps of norm"):
        nb32_costs.predicted_and_measured(MADE_UP, {p: s for p, s in steps.items() if p != "norm"})


def test_storage_counts_the_shared_network_once():
    ax = nb32_costs.storage(1_000_000, [MADE_UP[1], Cost("full", *[1] * 3, None, 1, 1, 1_000_000)], 10)
    norm, _, full, _ = ax.lines
    assert norm.get_ydata()[[0, -1]] == pytest.approx([1.00001, 1.0001])
    assert full.get_ydata()[[0, -1]] == pytest.approx([1, 10])
    assert ax.get_title(loc="left") == "10 tasks take 10 MB with full, 1 MB with norm"
