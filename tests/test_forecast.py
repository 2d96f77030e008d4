"""Prices: counted like the fit's own ledger, in proportion to what moves, known before anything is learnt."""

from dataclasses import replace
from itertools import pairwise

import pytest
import tiny
import torch
from torch import nn

from tlkit import recipe
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.forecast import forecast
from tlkit.plans import Plan
from tlkit.study import Grid
from tlkit_lessons.nb14_depth import Price, held, price

WORLDS = {name: make() for name, make in tiny.WORLDS.items()}
CLASSES = WORLDS["classifier"]


def priced(plan: str, world=CLASSES, labels=6, settings=tiny.QUICK) -> Price:
    return price(*world, Plan.parse(plan), labels, settings)


@pytest.mark.parametrize("plan", ["frozen", "last-1", "last-2", "full", "block:mid", "norm", "bias"])
def test_a_price_is_what_the_fit_enters_in_its_ledger(plan):
    task, backbone = CLASSES
    one = replace(tiny.QUICK, rates=(1e-3,), strengths=(0.1,), baselines=("1-nn",))
    done = fit(task, backbone, Plan.parse(plan), 6, 0, one, test=False).detail
    found = priced(plan, settings=one)
    assert (found.trained, found.once) == (done["trained_parameters"], done["flops_prefix"])
    items = done["items"]["fit"] + done["items"]["select"]
    steps = done["epochs"] * items / one.schedule(items)[1]
    assert found.step * steps == done["flops_suffix"]


@pytest.mark.parametrize("world", WORLDS)
def test_every_kind_of_task_has_a_price(world):
    for plan in ("frozen", "last-1", "full"):
        found = priced(plan, WORLDS[world])
        assert found.trained > 0 and found.memory > 12 * found.trained and found.seconds > 0


def test_deeper_costs_more_of_everything_but_the_prefix():
    rows = [priced(plan) for plan in ("frozen", "last-1", "last-2", "full")]
    for one, deeper in pairwise(rows):
        assert one.trained < deeper.trained and one.step < deeper.step and one.memory < deeper.memory
        assert one.once > deeper.once
    assert rows[0].step == 0, "a head that is solved takes no step"


def test_a_head_that_descends_takes_steps():
    assert priced("frozen", settings=replace(tiny.QUICK, solve=False)).step > 0


def test_the_depth_of_the_cut_has_its_price_however_little_moves():
    few, many = priced("block:stem"), priced("full")
    assert few.trained < many.trained / 2
    assert few.step > many.step / 2 and few.once == many.once == 0


def test_three_numbers_for_each_that_moves_and_the_activations():
    x = torch.zeros(7, 4)
    layer = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    assert held(layer, x) == 4 * 7 * (4 + 3)  # the input, for the weights; the output, for the ReLU
    assert held(layer.requires_grad_(False), x) == 0
    net = priced("frozen")
    batch = tiny.QUICK.schedule(18)[1]
    assert net.trained == 3 * tiny.WIDTH + 3
    assert net.memory == 4 * (3 * net.trained + batch * tiny.WIDTH)


def test_the_weights_that_training_finds_are_left_alone():
    layer = nn.BatchNorm1d(4).eval()
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    held(layer, torch.ones(3, 4))
    assert not layer.training and all(torch.equal(layer.state_dict()[name], before[name]) for name in before)


def test_activations_are_those_of_training_not_of_an_answer():
    task, backbone = CLASSES
    chain, batch = backbone.fresh(), torch.zeros(tiny.QUICK.schedule(18)[1], 1, 8, 8)
    chain.head = task.objective.head(chain.run(batch), backbone.pool)
    learning = held(chain.train(), batch)  # dropout keeps its mask
    assert priced("full").memory == 12 * priced("full").trained + learning > 12 * priced("full").trained
    assert learning > held(chain.eval(), batch)


def test_what_has_no_price_is_refused():
    with pytest.raises(UserError, match="pixels has no network to price"):
        priced("pixels")
    with pytest.raises(UserError, match="unknown stage 'miid'"):
        priced("block:miid")


@pytest.fixture
def timings(monkeypatch):
    """Half a second an item forwards, two with the step, ten for each stage of the prefix."""
    for name, value in (
        ("item", lambda *parts: (0.5, 2.0)),
        ("prefix", lambda task, source, cut: 10.0 * cut),
    ):
        monkeypatch.setattr(f"tlkit.forecast.{name}_seconds", value)
        monkeypatch.setattr(f"tlkit_lessons.nb14_depth.{name}_seconds", value)


def test_a_forecast_counts_trainings_and_multiplies(timings):
    settings = recipe.default()
    grid = Grid("digits", "letters", ("full", "last-1"), (1, 5), (0, 1), settings)
    task, cells = grid.parts[0], list(grid.cells())
    found = forecast(grid, cells, jobs=2)
    assert found.fits == 8
    passes = 4 * (1 * 10 * settings.schedule(10)[0] + 4 * 50 * settings.schedule(50)[0])
    fits = 2.0 * passes + 0.5 * 8 * len(task.test)
    labelled = set().union(*(task.draw(n, seed).all.tolist() for n in (1, 5) for seed in (0, 1)))
    assert found.seconds == fits / 2 + 10.0 * 3 * (len(labelled) + len(task.test))
    rows = len(labelled) + len(task.test)
    assert found.bytes == rows * 4 * (16 * 16 + 64 * 4 * 4), "as they are put in, and behind block2"
    dear = price(*grid.parts, Plan.parse("last-1"), 1, settings).seconds
    assert dear == 2.0 * 10 * settings.schedule(10)[0] + 0.5 * len(task.test) + 30.0 * (10 + len(task.test))


def test_a_probe_that_is_solved_runs_the_prefix_once(timings):
    settings = recipe.default()
    grid = Grid("digits", "letters", ("frozen", "pixels"), (5,), (0,), settings)
    task, cells = grid.parts[0], list(grid.cells())
    found = forecast(grid, cells)
    assert found.bytes == (50 + len(task.test)) * 512
    once = found.seconds - sum(found.each.values())
    assert once == pytest.approx(40.0 * (50 + len(task.test)))
