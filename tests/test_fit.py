"""Fits: paired by seed, repeatable, tried equally often, honest about their cost and when they diverge."""

import copy
import math
import subprocess
import sys
import weakref
from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tlkit import backbones, features, recipe, tasks
from tlkit.errors import UserError
from tlkit.fit import Diverged, _best, cost, fit
from tlkit.fit.job import Job
from tlkit.fit.loop import recalibrate_batchnorm
from tlkit.plans import Plan
from tlkit.recipe import Recipe

DESCENTS = ("scratch", "last-1", "full", "lp-ft", "block:mid")
LAYERS = {"stem": 1, "mid": tiny.WIDTH, "top": tiny.WIDTH}  # channels that go into each convolution


def job(world, text: str, labels=6, seed=0, settings=tiny.QUICK) -> Job:
    task, backbone = world
    return Job(task, backbone, Plan.parse(text), settings, seed, task.draw(labels, seed))


def equal(one: nn.Module, other: nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(t, theirs[k]) for k, t in mine.items())


def test_a_prediction_keeps_no_output_of_an_earlier_batch():
    """Small outputs that stay between large ones that go leave holes in memory that nothing fits into."""
    task, backbone = tiny.classifier(train=100)
    plain, outputs = task.objective.decode, []

    def decode(output):
        assert all(earlier() is None for earlier in outputs), "an earlier output is still held"
        outputs.append(weakref.ref(output))
        return plain(output)

    task.objective = replace(task.objective, decode=decode)
    work = job((task, backbone), "last-1")
    _, predict, _ = work.train("0.001", work.draw.all)
    outputs.clear()
    chosen = np.arange(99, -1, -1)
    read = lambda rows: task.objective.collect(predict(task.train, rows), None, len(rows))  # noqa: E731
    answers = read(chosen)
    assert len(outputs) == 4 and np.array_equal(answers[::-1], read(chosen[::-1]))


# ---- pairing


def test_all_plans_of_a_seed_start_from_one_head():
    starts = []
    for text in ("frozen", *DESCENTS):
        work = job(tiny.classifier(), text)
        torch.rand(len(text))  # whatever else draws numbers
        work.train(tiny.QUICK.tries(work.plan, 6)[0], work.draw.all)
        starts.append({k: t for k, t in work.before.items() if k.startswith("head")})
    assert all(torch.equal(s[k], t) for s in starts for k, t in starts[0].items())
    other = job(tiny.classifier(), "full", seed=1)
    other.train("0.001", other.draw.all)
    assert not torch.equal(other.before["head.1.weight"], starts[0]["head.1.weight"])


def test_the_first_fit_of_a_process_is_as_any_other(monkeypatch):
    """Building the source draws numbers; it must not do so between a seed and what the seed is for."""

    def last_of(*texts: str) -> nn.Module:
        backbones._load.cache_clear()
        monkeypatch.setattr(features, "_EXAMPLES", {})
        task, source = tasks.load("digits"), backbones.load("letters")
        return [fit(task, source, Plan.parse(t), 1, 0, tiny.QUICK, test=False) for t in texts][-1].model

    assert equal(last_of("scratch"), last_of("full", "frozen", "scratch"))


@pytest.mark.parametrize("world", ["regression", "language"])
def test_all_plans_see_the_same_batches(world):
    """Where LP-FT has to descend twice, its second descent too."""
    orders = []
    for text in DESCENTS:
        task, backbone = tiny.WORLDS[world]()
        seen = []

        def noted(items, seen=seen):
            seen.append([np.asarray(target).tolist() for _, target in items])
            return torch.utils.data.default_collate(items)

        task.objective = replace(task.objective, collate=noted)
        fit(task, backbone, Plan.parse(text), 4, 3, tiny.QUICK)
        orders.append(seen)
    steps = len(orders[0])
    assert steps and all(order[-steps:] == orders[0] for order in orders)
    assert len(orders[DESCENTS.index("lp-ft")]) == (2 * steps if world == "language" else steps)


@pytest.mark.parametrize("text", [*tiny.PLANS, *tiny.ROWS])
def test_a_fit_repeats_bit_by_bit_and_seeds_differ(text):
    one, again, other = (fit(*tiny.classifier(), Plan.parse(text), 5, seed, tiny.QUICK) for seed in (4, 4, 5))
    assert equal(one.model, again.model) and one.tried == again.tried and one.losses == again.losses
    assert np.array_equal(one.test.predicted, again.test.predicted) and one.detail == again.detail
    assert not equal(one.model, other.model)


def test_a_fit_does_not_depend_on_the_fits_before_it(tmp_path, monkeypatch):
    """Kept activations included: an empty folder and a full one give the same model."""
    world = tiny.classifier()
    monkeypatch.setenv("TLKIT_COMPUTED", str(tmp_path / "one"))
    alone = fit(*world, Plan.parse("last-1"), 3, 0, tiny.QUICK)
    monkeypatch.setenv("TLKIT_COMPUTED", str(tmp_path / "two"))
    for seed in (7, 8):
        fit(*world, Plan.parse("last-1"), 6, seed, tiny.QUICK)
    assert equal(fit(*world, Plan.parse("last-1"), 3, 0, tiny.QUICK).model, alone.model)


def test_dropout_in_the_pool_is_of_one_fit_only():
    """A pool belongs to the source: training with it must not switch on its dropout for everyone."""
    task, _ = tiny.classifier()
    pool = lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5))  # noqa: E731
    source = tiny.backbone(pool=pool, name="with-dropout")
    at = features.Cut(source, 3, pooled=True)
    before = at.run([task.train.inputs[0]])
    with pytest.raises(Diverged):
        fit(task, source, Plan.parse("full"), 3, 0, replace(tiny.QUICK, rates=(1e30,) * 3))
    assert not source.pool.training and torch.equal(at.run([task.train.inputs[0]]), before)
    done = fit(task, source, Plan.parse("full"), 3, 0, tiny.QUICK)
    assert not {id(m) for m in done.model.modules()} & {id(m) for m in source.pool.modules()}


def test_the_accelerator_of_the_machine_is_left_alone(monkeypatch):
    """fastai would move the model to its default device; a number must not depend on what that is."""
    for module in ("fastai.learner", "fastai.callback.core"):
        monkeypatch.setattr(f"{module}.default_device", lambda *args: torch.device("meta"))
    done = fit(*tiny.classifier(), Plan.parse("full"), 2, 0, tiny.QUICK)
    assert {t.device.type for t in done.model.state_dict().values()} == {"cpu"}


# ---- choosing a setting


def test_selection_items_choose_and_then_teach():
    """Tries learn from four fifths; the last training from all: no label is wasted, none is counted twice."""
    task, backbone = tiny.line()
    lengths = []

    def noted(items):
        lengths.append(len(items))
        return torch.utils.data.default_collate(items)

    task.objective = replace(task.objective, collate=noted)
    done = fit(task, backbone, Plan.parse("full"), 10, 0, replace(tiny.QUICK, steps=1, batch=16))
    assert lengths == [8, 8, 8, 10]
    assert done.detail["items"] == {"fit": 8, "select": 2, "test": len(task.test)}
    assert done.setting in done.tried and done.select == done.tried[done.setting]


@pytest.mark.parametrize("text", ["pixels", *tiny.PLANS])
def test_below_five_labels_the_setting_comes_from_the_recipe(text):
    task, backbone = tiny.classifier()
    fixed = {"pixels": "C=10", "frozen": "1", "full": "0.01"}
    settings = replace(tiny.QUICK, fixed=tuple(sorted(fixed.items())))
    done = fit(task, backbone, Plan.parse(text), 4, 0, settings)
    middle = {"pixels": "C=0.1", "frozen": "0.1"}.get(text, "0.003")
    assert done.setting == fixed.get(text, middle)
    assert done.tried == {} and done.select is None and done.detail["tries"] == 1


@pytest.mark.parametrize("world", tiny.WORLDS)
def test_every_plan_tries_equally_often(world):
    task, backbone = tiny.WORLDS[world]()
    for text in tiny.PLANS:
        tried = fit(task, backbone, Plan.parse(text), 5, 0, tiny.QUICK).tried
        assert len(tried) == 3 and all(map(math.isfinite, tried.values())), text


def test_without_a_solver_frozen_tries_rates():
    task, backbone = tiny.language()
    done = fit(task, backbone, Plan.parse("frozen"), 10, 0, replace(tiny.QUICK, steps=30))
    assert list(done.tried) == ["0.001", "0.003", "0.01"] and len(set(done.tried.values())) == 3
    assert done.losses and done.detail["flops_suffix"] > 0 and done.detail["epochs"] > 0


def test_the_best_setting_wins_a_tie_goes_to_the_usual_one_and_a_diverged_one_never_wins():
    assert _best({"a": 0.5, "b": 0.7, "c": 0.7}, 1, usual="a") == "b"
    assert _best({"a": 0.5, "b": 0.7, "c": 0.7}, 1, usual="c") == "c"
    assert _best({"a": 0.5, "b": 0.7}, -1, usual="b") == "a"
    assert _best({"a": math.nan, "b": 0.1}, 1, usual="a") == "b"
    assert _best({"a": math.nan, "b": 9.0}, -1, usual="a") == "b"
    assert _best({"a": math.inf, "b": 9.0}, -1, usual="a") == "b"


# ---- divergence


def test_a_huge_rate_is_one_try_that_failed():
    task, backbone = tiny.classifier()
    done = fit(task, backbone, Plan.parse("full"), 6, 0, replace(tiny.QUICK, rates=(1e30, 1e-3, 3e-3)))
    assert math.isnan(done.tried["1e+30"]) and done.setting != "1e+30"
    assert math.isfinite(done.test.metrics["accuracy"])


def test_outputs_that_are_not_finite_are_divergence_too():
    """One step: the loss was fine, the weights it left are not; the try is lost, not the fit."""
    task, backbone = tiny.line()
    settings = replace(tiny.QUICK, steps=1, epochs=1, batch=64, rates=(1e38, 1e-3, 3e-3))
    done = fit(task, backbone, Plan.parse("full"), 10, 0, settings)
    assert math.isnan(done.tried["1e+38"]) and done.setting != "1e+38"


def test_when_every_rate_diverges_it_is_one_sentence():
    task, backbone = tiny.classifier()
    with pytest.raises(Diverged, match=r"loss of plan full, rate 1e\+30 became NaN or infinite at step \d"):
        fit(task, backbone, Plan.parse("full"), 6, 0, replace(tiny.QUICK, rates=(1e30,) * 3))
    assert task.reads == []


def test_a_loss_that_is_nan_from_the_start():
    task, backbone = tiny.classifier()
    task.objective = replace(task.objective, loss=lambda output, target: output.sum() * math.nan)
    with pytest.raises(Diverged, match="at step 0"):
        fit(task, backbone, Plan.parse("last-1"), 2, 0, tiny.QUICK)


# ---- what comes back


def test_the_seal_may_stay_shut():
    task, backbone = tiny.classifier()
    done = fit(task, backbone, Plan.parse("frozen"), 2, 0, tiny.QUICK, test=False)
    assert done.test is None and task.reads == [] and 0 <= done.train <= 1
    fit(task, backbone, Plan.parse("frozen"), 2, 5, tiny.QUICK)
    assert task.reads == ["tiny frozen, 2 labels, seed 5"]


def test_a_label_free_task_is_not_fitted():
    task, backbone = tiny.classifier()
    task.sealed = True
    with pytest.raises(UserError, match="its targets are hidden"):
        fit(task, backbone, Plan.parse("full"), 2, 0, tiny.QUICK)


def test_lp_ft_begins_at_the_probe():
    """At a rate of nothing it is the frozen plan."""
    task, _ = tiny.classifier()
    plain = lambda i: nn.Sequential(nn.Conv2d(i, tiny.WIDTH, 3, padding=1), nn.ReLU())  # noqa: E731
    source = tiny.backbone(lambda: {name: plain(i) for name, i in LAYERS.items()}, name="plain")
    still = replace(tiny.QUICK, rates=(1e-20,) * 3, fixed=(("frozen", "1"),))
    one, other = (fit(task, source, Plan.parse(text), 4, 0, still).model for text in ("frozen", "lp-ft"))
    assert torch.allclose(one.head[1].weight, other.head[1].weight, atol=1e-6)
    scratch_head = fit(task, source, Plan.parse("full"), 4, 0, still).model.head[1].weight
    assert not torch.allclose(scratch_head, one.head[1].weight, atol=1e-2)


def test_the_middle_alone_moves_and_what_is_behind_stands_still():
    task, backbone = tiny.classifier()
    done = fit(task, backbone, Plan.parse("block:mid"), 6, 0, replace(tiny.QUICK, steps=20))
    source = backbone.pretrained().state_dict()
    for name, tensor in done.model.state_dict().items():
        if name.startswith("stages"):
            assert torch.equal(tensor, source[name]) == (name.split(".")[1] != "mid"), name


def test_the_loss_of_every_step_is_kept():
    task, backbone = tiny.classifier()
    done = fit(task, backbone, Plan.parse("full"), 4, 0, replace(tiny.QUICK, steps=6))
    epochs, size = replace(tiny.QUICK, steps=6).schedule(12)
    assert len(done.losses) == epochs * math.ceil(12 / size) >= 6
    assert done.detail["steps"] == 6 and done.detail["epochs"] == epochs
    assert done.losses[0] == pytest.approx(math.log(3), abs=0.6), "the loss itself, not a running mean of it"


# ---- batch-norm averages, settled


@pytest.mark.parametrize("text", ["scratch", "full", "last-1", "block:mid", "lp-ft"])
def test_averages_that_moved_are_those_of_the_items_learnt_on(text):
    """With all items in one batch they are its mean; frozen stages keep the source's."""
    task, backbone = tiny.classifier()
    plan = Plan.parse(text)
    done = fit(task, backbone, plan, 4, 0, replace(tiny.QUICK, batch=64, steps=20))
    x = torch.stack([backbone.transform(task.train.inputs[i]) for i in task.draw(4, 0).all])
    for name, stage in done.model.stages.items():
        seen = stage[0](x)
        if name in plan.tuned(backbone.stages):
            with torch.no_grad():
                mean, variance = seen.mean((0, 2, 3)), seen.var((0, 2, 3))
            # as in training: a batch norm that moves passes on what its own batch made of it
            assert torch.allclose(stage[1].running_mean, mean, atol=1e-4), name
            assert torch.allclose(stage[1].running_var, variance, rtol=1e-3), name
            x = stage[2](nn.functional.batch_norm(seen, None, None, *stage[1].parameters(), training=True))
        else:
            assert torch.equal(stage[1].running_mean, backbone.pretrained().stages[name][1].running_mean)
            x = stage(x)
        assert stage[1].momentum == 0.1 and not stage[1].training


def test_settling_draws_no_numbers_of_others():
    task, backbone = tiny.classifier()
    chain = backbone.fresh()
    x = torch.stack([backbone.transform(raw) for raw in task.train.inputs])
    torch.manual_seed(0)
    want = torch.rand(2)
    torch.manual_seed(0)
    recalibrate_batchnorm(chain, Plan.parse("full"), features.Batches.of(x), 8, seed=3)
    assert torch.equal(torch.rand(2), want)
    first = copy.deepcopy(chain)
    recalibrate_batchnorm(chain, Plan.parse("full"), features.Batches.of(x), 8, seed=3)
    assert equal(first, chain), "and twice is once"


# ---- cost


def conv_flops(stage: str) -> int:
    return 2 * 9 * LAYERS[stage] * tiny.WIDTH * 64


HEAD = 2 * tiny.WIDTH * 3
WHOLE = 2 * conv_flops("stem") + 3 * conv_flops("mid") + 3 * conv_flops("top") + 3 * HEAD


@pytest.mark.parametrize(
    ("text", "prefix", "suffix"),
    [
        # backward: the gradient of the weights, and that of the input unless nothing in front of it moves
        ("last-1", ("stem", "mid"), 2 * conv_flops("top") + 3 * HEAD),
        ("full", (), 2 * conv_flops("stem") + 3 * conv_flops("mid") + 3 * conv_flops("top") + 3 * HEAD),
        (
            "lp-ft",
            tiny.STAGES,
            2 * conv_flops("stem") + 3 * conv_flops("mid") + 3 * conv_flops("top") + 3 * HEAD,
        ),
        ("block:mid", ("stem",), 2 * conv_flops("mid") + 2 * conv_flops("top") + 3 * HEAD),
        ("frozen", tiny.STAGES, 0),
    ],
)
def test_operations_are_counted_by_hand_and_by_machine(text, prefix, suffix):
    task, backbone = tiny.classifier()
    done = fit(task, backbone, Plan.parse(text), 6, 0, tiny.QUICK)
    per_item = sum(conv_flops(stage) for stage in prefix)
    # six labels, one of them for selection: three tries on 15 items, one training on 18
    tries, last = (tiny.QUICK.schedule(n)[0] * n for n in (15, 18))
    assert done.detail["flops_prefix"] == per_item * 18
    assert done.detail["flops_suffix"] == suffix * (3 * tries + last)


def test_a_larger_head_costs_more_in_the_same_process():
    """Counts are kept by shape: another number of classes is another count."""
    task, backbone = tiny.classifier()
    one = fit(task, backbone, Plan.parse("last-1"), 2, 0, tiny.QUICK).detail["flops_suffix"]
    task.objective = replace(tiny.classification(5))
    assert fit(task, backbone, Plan.parse("last-1"), 2, 0, tiny.QUICK).detail["flops_suffix"] > one


def test_trained_parameters_are_those_that_may_move():
    task, backbone = tiny.classifier()
    found = {t: fit(task, backbone, Plan.parse(t), 2, 0, tiny.QUICK).detail for t in tiny.PLANS}
    head, stage = 3 * tiny.WIDTH + 3, 9 * tiny.WIDTH**2 + 3 * tiny.WIDTH
    everything = head + 2 * stage + 9 * tiny.WIDTH + 3 * tiny.WIDTH
    assert found["frozen"]["trained_parameters"] == head
    assert found["last-1"]["trained_parameters"] == found["block:mid"]["trained_parameters"] == head + stage
    for text in ("scratch", "full", "lp-ft"):
        assert found[text]["trained_parameters"] == everything
    assert all(d["parameters"] == everything for d in found.values())


def test_attention_is_counted():
    """The counter takes operations that it does not know for free: it must know the one of transformers."""

    class Attend(nn.Module):
        def forward(self, x):
            heads = x.reshape(1, -1, 2, 8).transpose(1, 2)
            return nn.functional.scaled_dot_product_attention(heads, heads, heads)

    assert cost.count(Attend(), torch.rand(1, 10, 16), train=False) == 2 * (2 * 10 * 10 * 16)


@pytest.mark.parametrize("layer", [nn.Conv2d, nn.ConvTranspose2d])
@pytest.mark.parametrize("groups", [1, 2, 12])
def test_a_convolution_in_groups_costs_as_much_backward_for_its_weights_as_forward(layer, groups):
    """An output channel reads those of its group alone; torch counts all of them for the weights."""
    one = 2 * 9 * 12 * (24 // groups) * 8 * 8  # a multiplication and an addition, 3 x 3, at each of 8 x 8
    net = layer(12, 24, 3, padding=1, groups=groups, bias=False)
    x = torch.rand(1, 12, 8, 8)
    assert cost.count(net, x, train=False) == one
    assert cost.count(net, x, train=True) == 2 * one, "forward, and the weights"
    assert cost.count(net, x.clone().requires_grad_(), train=True) == 3 * one
    net.requires_grad_(False)
    assert cost.count(net, x.clone().requires_grad_(), train=True) == 2 * one, "forward, and the input"


def test_a_count_of_nothing_is_an_error():
    class Silent(nn.Linear):
        def forward(self, x):
            return x

    with pytest.raises(AssertionError, match="saw none of this model's layers"):
        cost.count(Silent(2, 2), torch.rand(1, 2), train=False)


def test_memory_is_in_mebibytes():
    assert 100 < cost.peak_mb() < 8000


# ---- batches and recipes


@given(st.integers(2, 3000), st.integers(2, 64), st.integers(1, 200), st.integers(1, 20))
def test_no_batch_of_one_and_enough_steps(items, batch, steps, epochs):
    passes, size = Recipe(steps=steps, epochs=epochs, batch=batch).schedule(items)
    batches = math.ceil(items / size)
    assert items - size * (batches - 1) >= 2, "batch norm cannot learn from a single item"
    assert passes >= epochs and passes * batches >= steps
    assert (passes - 1) * batches < steps or passes == epochs, "nor more than asked for"
    even = math.ceil(items / math.ceil(items / batch))
    assert even <= batch and all(items % smaller == 1 for smaller in range(even, size)), (
        "no larger than needed"
    )


def test_sizes_of_batches_are_even():
    assert tiny.QUICK.schedule(18)[1] == 6 and Recipe(batch=32).schedule(33)[1] == 17
    assert Recipe(batch=32).schedule(993)[1] == 33, "31 batches of 32 would leave one item over"


def test_one_item_cannot_teach_batch_norm():
    task, _ = tiny.line()
    flat = lambda i: nn.Sequential(nn.Flatten(), nn.Linear(i, 8), nn.BatchNorm1d(8))  # noqa: E731
    source = tiny.backbone(lambda: {"stem": flat(64), "top": flat(8)}, nn.Identity, name="flat")
    with pytest.raises(UserError, match=r"plan full trains batch norm.*more --labels"):
        fit(task, source, Plan.parse("full"), 1, 0, tiny.QUICK)
    assert math.isfinite(fit(task, source, Plan.parse("frozen"), 1, 0, tiny.QUICK).test.metrics["rmse"])


@pytest.mark.parametrize("kind", recipe.committed())
def test_the_committed_recipes(kind):
    found = recipe.default(kind)
    assert len(found.rates) == len(found.strengths) == len(found.baselines)
    for name, setting in found.fixed:
        assert setting in found.grid(Plan.parse(name)), name
    assert recipe.default(kind) is found


def test_the_card_says_by_which_recipe_a_network_is_fitted():
    """Never a colon in its name; and the keys of committed records stay what they are."""
    kinds = {
        "letters": "glyphs",
        "random,seed=3": "glyphs",
        "timm:resnet10t,size=32,pretrained=false": "photos",
        "torchvision:resnet18,size=32,until=layer1": "photos",
        "efficientnet_lite0,size=160": "photos",
    }
    for name, kind in kinds.items():
        assert recipe.suited(backbones.load(name)) is recipe.default(kind), name
    assert recipe.suited(replace(tiny.backbone(), name="my:net")) is recipe.default()
    versions = {"glyphs": "r3-c77448", "photos": "r3-76d89a", "photos-raced": "r3-59fa80"}
    assert {name: known.version for name, known in recipe.committed().items()} == versions
    assert recipe.default("photos-raced") == replace(recipe.default("photos"), race=True)
    for odd in ("photo", {"steps": 3}):
        with pytest.raises(UserError, match=r"unknown recipe .*Known: glyphs, photos, photos-raced"):
            recipe.suited(replace(tiny.backbone(), card={"recipe": odd}))


def test_a_recipe_is_told_apart_by_every_setting():
    base = Recipe()
    others = [
        replace(base, steps=61), replace(base, epochs=7), replace(base, batch=33),
        replace(base, weight_decay=0.0), replace(base, rates=(1e-3, 3e-3, 2e-2)),
        replace(base, strengths=(0.01, 0.1, 2.0)),
        replace(base, baselines=("3-nn", "C=0.1", "C=10")), replace(base, fixed=(("full", "0.01"),)),
        replace(base, precision="bfloat16"),
    ]  # fmt: skip
    assert len({base.version, *(r.version for r in others)}) == 10
    assert Recipe().version == base.version and base.version.startswith(f"r{recipe.VERSION}-")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"rates": (1e-3,)}, "equally many tries"),
        ({"rates": (), "strengths": (), "baselines": ()}, "equally many tries"),
        ({"rates": (0.0, 1.0, 2.0)}, "0.0 among rates"),
        ({"rates": (1e-3, 1e-2, math.nan)}, "nan among rates"),
        ({"strengths": (1.0, -1.0, 2.0)}, "-1.0 among rates and strengths"),
        ({"steps": 0}, "at least 1 step"),
        ({"batch": 1}, "batches of 2 or more"),
        ({"precision": "float16"}, "precision 'float16'.*bfloat16"),
    ],
)
def test_recipes_that_do_not_do(wrong, says):
    with pytest.raises(UserError, match=says):
        Recipe(**wrong)


@given(st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=4))
def test_a_setting_is_the_number_it_stands_for(numbers):
    made = Recipe(rates=tuple(numbers), strengths=tuple(numbers), baselines=("1-nn",) * len(numbers))
    for text in ("full", "frozen"):
        assert [float(setting) for setting in made.grid(Plan.parse(text))] == numbers


def test_the_optimiser_does_the_sums_of_fastais_adam(monkeypatch):
    from fastai.optimizer import Adam

    from tlkit.fit import loop

    def trained() -> tuple[list[float], dict[str, torch.Tensor]]:
        done = fit(*tiny.classifier(), "full@decay=0.5", 6, 0, replace(tiny.QUICK, weight_decay=0.3))
        return done.losses, done.model.state_dict()

    losses, model = trained()
    groups = loop._groups
    monkeypatch.setattr(loop, "_ADAM", Adam)

    def whole(chain, plan, rate, decay):  # fastai spares biases and norms by itself
        parameters, rates, decays = groups(chain, plan, rate, decay)
        return parameters, rates, [decay] * len(decays)

    monkeypatch.setattr(loop, "_groups", whole)
    wanted, other = trained()
    assert np.allclose(losses, wanted, rtol=1e-4) and len(losses) > 3
    assert all(torch.allclose(model[k], t, rtol=1e-3, atol=1e-5) for k, t in other.items())


def test_mixed_precision_learns_the_same_with_half_the_digits():
    world = tiny.classifier()
    half = replace(tiny.QUICK, precision="bfloat16")
    one, other = (fit(*world, "full", 6, 0, settings) for settings in (tiny.QUICK, half))
    assert one.losses != other.losses, "it is used"
    assert np.allclose(one.losses[:3], other.losses[:3], rtol=0.05)
    assert abs(one.test.metrics["accuracy"] - other.test.metrics["accuracy"]) < 0.2
    assert {t.dtype for t in other.model.state_dict().values()} <= {torch.float32, torch.int64}
    solved = [fit(*world, "frozen", 6, 0, settings).test.predicted for settings in (tiny.QUICK, half)]
    assert np.array_equal(*solved), "a solver does not descend"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("text", ["frozen", "last-1", "full", "lp-ft"])
def test_on_a_gpu_a_fit_answers_as_on_the_cpu(text, monkeypatch):
    world = tiny.classifier()
    here = fit(*world, text, 6, 0, tiny.QUICK)
    monkeypatch.setenv("TLKIT_DEVICE", "cuda")
    there = fit(*world, text, 6, 0, tiny.QUICK)
    assert there.measured["device"] == torch.cuda.get_device_name()
    assert all(not tensor.is_cuda for tensor in there.model.state_dict().values())
    assert abs(here.test.metrics["accuracy"] - there.test.metrics["accuracy"]) < 0.1


def test_a_plan_may_be_given_as_text_and_the_recipe_left_to_the_kind_of_network():
    task, backbone = tiny.classifier()
    short = fit(task, backbone, "last-1", 2)
    long = fit(task, backbone, Plan.parse("last-1"), 2, 0, recipe.default())
    assert short.losses == long.losses and short.setting == long.setting
    with pytest.raises(UserError, match="did you mean 'last-K'"):
        fit(task, backbone, "last", 2)
    photos = replace(backbone, card={"recipe": "photos"})
    assert fit(task, photos, "full", 2).detail["steps"] == recipe.default("photos").steps


def test_peak_memory_is_this_process_own_and_not_what_its_parent_held():
    big = np.ones(60 * 2**20, dtype=np.uint8)  # 60 MiB that the child never touches
    here = cost.peak_mb()
    code = (
        "from tlkit.fit.cost import peak_mb; print(peak_mb()); x = bytearray(200 * 2**20); print(peak_mb())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(float, told.stdout.split())
    assert big.all() and before < here and after - before > 190


def test_names_and_whole_numbers_of_any_library_are_taken():
    quick = Recipe(steps=2, epochs=1)
    one = fit("digits", "letters", "frozen", np.int64(1), np.int32(3), quick)
    two = fit(tasks.load("digits"), backbones.load("letters"), Plan.parse("frozen"), 1, 3, quick)
    assert one.test.metrics == two.test.metrics
    with pytest.raises(UserError, match=r"--labels 1\.5: give a whole number"):
        fit("digits", "letters", "frozen", 1.5)
    with pytest.raises(UserError, match="unknown task 'digit': did you mean 'digits'"):
        fit("digit", "letters", "frozen", 1)
