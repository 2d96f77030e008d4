"""Averages of fitted models: their ends, what is equal in both, statistics, soups, and what is refused."""

import copy

import numpy as np
import pytest
import tiny
import torch

from tlkit import fit, plans
from tlkit.errors import UserError
from tlkit.plans import Plan, state
from tlkit_lessons import averaging

pytestmark = pytest.mark.usefixtures("computed")


@pytest.fixture(scope="module")
def world():
    return tiny.classifier()


@pytest.fixture(scope="module")
def ends(world, tmp_path_factory):
    """(the model of a probe, the model tuned from it)"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKIT_COMPUTED", str(tmp_path_factory.mktemp("computed")))
        return tuple(fit.fit(*world, plan, 4, 0, tiny.QUICK).model for plan in ("frozen", "lp-ft"))


def equal(one, other) -> set[str]:
    one, other = state(one), state(other)
    return {name for name in one if torch.equal(one[name], other[name])}


def test_a_path_ends_at_the_two_models_and_leaves_them_alone(ends):
    before = [state(model) for model in ends]
    for alpha, end in zip((0, 1), ends, strict=True):
        made = averaging.wise(*ends, alpha)
        counts = {name for name, tensor in state(made).items() if not tensor.is_floating_point()}
        assert equal(made, end) | counts == state(end).keys() and made is not end and not made.training
    for model, was in zip(ends, before, strict=True):
        assert all(torch.equal(tensor, was[name]) for name, tensor in state(model).items())


def test_between_the_ends_weights_and_statistics_are_averaged_alike(ends):
    start, made, tuned = map(state, (ends[0], averaging.wise(*ends, 0.3), ends[1]))
    statistics = {name for name in start if name.endswith(("running_mean", "running_var"))}
    assert len(statistics) == 6
    for name in statistics | {n for n, _ in ends[0].named_parameters()}:
        assert not torch.equal(start[name], tuned[name]), "or there is nothing to see"
        assert torch.allclose(made[name], 0.7 * start[name] + 0.3 * tuned[name], atol=1e-6)
    counts = [name for name in start if name.endswith("num_batches_tracked")]
    assert counts and all(torch.equal(made[name], tuned[name]) for name in counts)


def test_what_is_frozen_in_all_stays_bit_identical(world):
    models = [fit.fit(*world, "last-1", 4, seed, tiny.QUICK).model for seed in range(3)]
    plan = Plan.parse("last-1")
    for made in (averaging.wise(*models[:2], 0.3), averaging.soup(models)):
        audit = plans.audit(state(models[0]), made, plan)
        assert (
            audit.ok
            and audit.moved
            and {n for n in state(made) if n.startswith("stages.stem")} <= {*audit.still}
        )


def test_buffers_that_a_state_dict_leaves_out_are_averaged_too(ends):
    models = [copy.deepcopy(model) for model in ends]
    for value, model in enumerate(models):
        model.head.register_buffer("shift", torch.full((3,), float(value)), persistent=False)
    assert torch.allclose(averaging.wise(*models, 0.25).head.shift, torch.full((3,), 0.25))


@pytest.mark.parametrize("alpha", [-0.1, 1.01, float("nan")])
def test_an_alpha_outside_is_refused(ends, alpha):
    with pytest.raises(UserError, match="from 0, the start, to 1"):
        averaging.wise(*ends, alpha)


def test_other_heads_and_networks_are_refused(ends):
    wider = copy.deepcopy(ends[0])
    wider.head[-1] = torch.nn.Linear(tiny.WIDTH, 4)
    shorter = copy.deepcopy(ends[0])
    del shorter.stages["top"]
    for other, name in ((wider, "head"), (shorter, "stages.top")):
        with pytest.raises(UserError, match=rf"different networks or heads \({name}"):
            averaging.soup([ends[1], other])
    for call in (averaging.soup, lambda models: averaging.greedy_soup(models, float)):
        with pytest.raises(UserError, match="at least one fit"):
            call([])


def flat(value: float, like):
    """The model with every number set to `value`."""
    made = copy.deepcopy(like)
    for tensor in [*made.parameters(), *made.buffers()]:
        tensor.data.fill_(value)
    return made


def level(model) -> float:
    return float(next(model.parameters()).flatten()[0])


def test_a_uniform_soup_is_the_mean(ends):
    assert level(averaging.soup([flat(v, ends[0]) for v in (1.0, 2.0, 6.0)])) == pytest.approx(3)


def test_a_greedy_soup_keeps_what_does_not_hurt(ends):
    """Scores fall with the distance from 3: 2.5 first, 4 makes it worse than 3.25 no more, 9 is left out."""
    models = [flat(v, ends[0]) for v in (9.0, 4.0, 2.5)]
    made, kept = averaging.greedy_soup(models, lambda model: -abs(level(model) - 3))
    assert kept == [2, 1] and level(made) == pytest.approx(3.25)
    made, kept = averaging.greedy_soup(models, lambda model: 0.5)
    assert kept == [0, 1, 2], "of equals the earlier first, and what scores no less is kept"


def test_a_whole_model_is_tested_once(world, ends):
    task, backbone = world
    before = len(task.reads)
    found = averaging.evaluate(averaging.wise(*ends, 1), task, backbone, "wise-1")
    assert task.reads[before:] == ["wise-1"]
    done = fit.fit(*world, "lp-ft", 4, 0, tiny.QUICK)
    assert np.array_equal(found.predicted, done.test.predicted) and found.metrics == done.test.metrics


def test_more_items_than_a_batch_keep_their_order(world, ends, monkeypatch):
    whole = averaging.evaluate(ends[1], *world, "at once").predicted
    monkeypatch.setattr(averaging.features, "BATCH", 4)
    assert np.array_equal(averaging.evaluate(ends[1], *world, "in parts").predicted, whole)
