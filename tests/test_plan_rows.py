"""Plans that insert, add to the loss or steer the rates: only what should change does, on six networks."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
import words
from torch import nn

from tlkit import backbones, plans, saved_model, tasks
from tlkit.backbones.chain import Chain, batch_norms
from tlkit.errors import UserError
from tlkit.fit import fit, loop
from tlkit.plans import NotFrozen, Plan, adapters, steering, table

SOURCES = {
    "glyphs": "letters",
    "resnet": "timm:resnet18,size=32,pretrained=false,zero_init_last=false",
    "efficientnet": "timm:tf_efficientnet_lite0,pad_type=same,size=32,pretrained=false",
    "vit": "timm:vit_tiny_patch16_224,img_size=32,size=32,pretrained=false",
    "torchvision": "torchvision:resnet18,size=32,pretrained=false",
    "bert": "bert",
}
ONCE = replace(tiny.QUICK, rates=(3e-3,) * 3)
LONGER = replace(tiny.QUICK, steps=24, epochs=8, batch=6)

pytestmark = pytest.mark.usefixtures("computed")


@pytest.fixture(scope="module", params=SOURCES)
def world(request, tmp_path_factory):
    """(a task of three classes, a network)"""
    spec = SOURCES[request.param]
    if spec == "letters":
        return tasks.load("digits"), backbones.load(spec)
    if spec == "bert":
        return words.questions(), backbones.load(
            f"transformers:{words.folder(tmp_path_factory.mktemp('bert'), spec)}"
        )
    return coloured(), backbones.load(spec)


def coloured() -> tasks.Task:
    (x, y), (tx, ty) = tiny.pictures(18, 0), tiny.pictures(9, 1)
    sides = [
        tiny.items(part.expand(-1, 3, -1, -1).clone(), name) for part, name in ((x, "train"), (tx, "test"))
    ]
    return tasks.Task("tiny-coloured", tiny.classification(3), sides[0], y, sides[1], ty, ("a", "b", "c"))


def same(one: dict, other: dict) -> set[str]:
    return {name for name in one.keys() & other.keys() if torch.equal(one[name], other[name])}


def test_lora_trains_adapters_and_head_and_nothing_else(world, monkeypatch):
    """Bit by bit, before the adapters are merged; then the architecture is that of the source again."""
    task, backbone = world
    unmerged = {}
    merge = adapters.merge

    def noted(chain, plan):
        unmerged.update(plans.state(chain))
        merge(chain, plan)

    monkeypatch.setitem(plans.TABLE, "lora-R", replace(plans.TABLE["lora-R"], merge=noted))
    done = fit(task, backbone, "lora-2", 2, 0, ONCE)
    source = {n: t for n, t in plans.state(backbone.pretrained()).items() if n.startswith("stages.")}
    assert same(source, unmerged) == source.keys(), "each weight and statistic of the source, as it was"
    added = {name for name in unmerged.keys() - source.keys() if name.startswith("stages.")}
    layers = {name.rpartition(".adapter.")[0] for name in added}
    assert added == {f"{name}.adapter.{i}.weight" for name in layers for i in (0, 1)}
    moved = {name for name in done.audit.moved if name.startswith("stages.")}
    assert moved <= added and {f"{name}.adapter.1.weight" for name in layers} <= moved
    assert set(done.audit.moved) - moved == {n for n in unmerged if n.startswith("head.")}
    assert str(done.audit).endswith("no frozen tensor changed before the adapters were merged into them.")
    found = plans.state(done.model)
    assert found.keys() == {*source, *(n for n in unmerged if n.startswith("head."))}
    assert source.keys() - same(source, found) == {f"{name}.weight" for name in layers}
    modules = dict(backbone.pretrained().named_modules())
    wanted = {
        n for n, m in modules.items() if n.startswith("stages.") and isinstance(m, nn.Linear | nn.Conv2d)
    }
    assert layers == {n for n in wanted if getattr(modules[n], "groups", 1) == 1} and layers
    assert not any(m._forward_hooks for m in done.model.modules())


def test_a_merged_network_answers_as_the_adapted_one(world):
    task, backbone = world
    chain = backbone.fresh()
    plan = Plan.parse("lora-3")
    plans.prepare(chain, plan)
    raw = torch.utils.data.default_collate([backbone.transform(task.train.inputs[i]) for i in range(3)])
    with torch.inference_mode():
        plain = chain.eval()(raw)
    answers = [plain]
    for name, parameter in chain.named_parameters():
        if ".adapter.1." in name:
            torch.nn.init.normal_(parameter, std=0.05)
    with torch.inference_mode():
        answers.append(chain(raw))
    adapters.merge(chain, plan)
    with torch.inference_mode():
        answers += [chain(raw), backbone.pretrained().run(raw)]
    first = [torch.utils._pytree.tree_leaves(answer)[0] for answer in answers]
    assert torch.equal(first[0], first[3]), "an adapter begins as nothing"
    scale = first[1].abs().max()
    assert torch.allclose(first[1], first[2], atol=1e-4 * scale, rtol=0)
    assert (first[1] - first[0]).abs().max() > 1e-2 * scale


@pytest.mark.parametrize("text", ["l2sp", "auto-rgn", "auto-snr"])
def test_the_others_train_what_full_does(world, text):
    task, backbone = world
    done = fit(task, backbone, text, 2, 0, LONGER)
    full = fit(task, backbone, "full", 2, 0, LONGER)
    assert set(done.audit.moved) <= set(full.audit.moved) and done.audit.ok
    assert {n for n in full.audit.moved if n.startswith("head.")} <= set(done.audit.moved)
    assert done.detail["flops_suffix"] == full.detail["flops_suffix"]
    assert done.losses[0] == pytest.approx(full.losses[0], abs=0.05) and done.losses != full.losses
    assert all(map(math.isfinite, done.losses))


@pytest.mark.parametrize(
    "text", ["lora-1", "lora-8", "lora-16@decay=0.5", "l2sp", "auto-rgn", "auto-snr@decay=0.5"]
)
def test_a_row_is_its_string(text):
    assert str(Plan.parse(text)) == text and Plan.parse(str(Plan.parse(text))) == Plan.parse(text)


@pytest.mark.parametrize("text", ["lora-0", "lora-", "lora--1", "lora-1.5", "lora-08", "lora"])
def test_a_rank_below_one_is_refused(text):
    with pytest.raises(UserError, match=rf"unknown plan '{text}'.*lora-R"):
        Plan.parse(text)


def test_a_rank_above_a_layers_width_is_refused_with_the_layer():
    task, backbone = tiny.classifier()
    with pytest.raises(UserError, match=r"lora-9: stages\.\w+\.0 has a width of 8; choose lora-8 or less"):
        fit(task, backbone, "lora-9", 2, 0, tiny.QUICK)
    assert fit(task, backbone, "lora-8", 2, 0, tiny.QUICK).audit.ok and len(task.reads) == 1
    with pytest.raises(UserError, match=r"lora-10: stages\.stem.* has a width of 9"):
        plans.refuse_unfit(Plan.parse("lora-10"), task.objective, backbones.load("letters"))


def test_a_network_without_a_layer_to_adapt_is_refused():
    def stages():
        return {"stem": nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), "mid": nn.Conv2d(4, 4, 1, groups=4)}

    task, _ = tiny.classifier()
    bare = tiny.backbone(
        lambda: {"stem": nn.Sequential(nn.BatchNorm2d(1)), "mid": nn.Identity()}, name="bare"
    )
    with pytest.raises(
        UserError, match="lora-1: this backbone has no Linear or Conv2d to adapt; choose another"
    ):
        fit(task, bare, "lora-1", 2, 0, tiny.QUICK)
    found = plans.prepare(Chain(stages()), Plan.parse("lora-4"))
    assert plans.movable(found, Plan.parse("lora-4")) == {f"stages.stem.0.adapter.{i}.weight" for i in (0, 1)}


class Standardised(nn.Conv2d):
    """Does more with its weight than multiply, as those of ResNetV2 do."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(x, weight / (weight.std((1, 2, 3), keepdim=True) + 1e-5), self.bias)


def test_a_layer_that_cannot_take_an_adapter_in_is_refused():
    def stages():
        found = tiny.conv_stages()
        found["mid"][0] = Standardised(tiny.WIDTH, tiny.WIDTH, 3, padding=1)
        return found

    task, _ = tiny.classifier()
    with pytest.raises(
        UserError, match="lora-2: the adapters cannot be merged into tiny-standard, where a layer"
    ):
        fit(task, tiny.backbone(stages, name="tiny-standard"), "lora-2", 4, 0, replace(tiny.QUICK, steps=20))


def test_an_attention_that_reads_a_weight_is_left_alone():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    chain = plans.prepare(Chain({"stem": layer}), Plan.parse("lora-2"))
    assert {n.partition(".adapter")[0] for n in adapters.tensors(chain, None)} == {
        "stages.stem.linear1", "stages.stem.linear2",
    }  # fmt: skip


def test_lora_audits_a_base_weight_and_a_statistic_that_changed():
    _, backbone = tiny.classifier()
    plan = Plan.parse("lora-2")
    chain = plans.prepare(backbone.fresh(), plan)
    for change, name in (
        (lambda c: c.stages["mid"][0].weight.data[0, 0, 0, 0].add_(1e-6), r"stages\.mid\.0\.weight"),
        (lambda c: c.stages["mid"][1].running_mean.add_(1), r"stages\.mid\.1\.running_mean"),
    ):
        before = plans.state(chain)
        change(chain)
        with pytest.raises(NotFrozen, match=name):
            plans.audit(before, chain, plan)
    plans.set_modes(plans.freeze(chain, plan), plan)
    assert not any(norm.training for norm in batch_norms(chain))


def test_lora_costs_a_backward_pass_through_everything_and_few_weights():
    """Forward, and backward for the inputs alone: between the cost of the head and that of `full`."""
    task, backbone = coloured(), backbones.load(SOURCES["resnet"])
    found = {
        p: fit(task, backbone, p, 2, 0, replace(ONCE, steps=1, epochs=1)) for p in ("norm", "lora-4", "full")
    }
    cost = {plan: done.detail["flops_suffix"] for plan, done in found.items()}
    assert cost["norm"] < cost["lora-4"] < 0.85 * cost["full"]
    size = {plan: done.detail["trained_parameters"] for plan, done in found.items()}
    assert size["lora-4"] < 0.05 * size["full"]


def test_lora_repeats_bit_by_bit_and_is_saved_as_a_plain_network(tmp_path):
    runs = [fit(*tiny.classifier(), "lora-2", 5, seed, tiny.QUICK) for seed in (4, 4, 5)]
    states = [plans.state(done.model) for done in runs]
    assert same(states[0], states[1]) == states[0].keys() != same(states[0], states[2])
    backbone = backbones.load("letters")
    done = fit("digits", backbone, "lora-2", 2, 0, ONCE)
    classes = [str(k) for k in range(10)]
    folder = saved_model.save(tmp_path / "kept", done.model, backbone.blueprint, classes, {"plan": "lora-2"})
    assert (
        same(plans.state(saved_model.load(folder).model), plans.state(done.model))
        == plans.state(done.model).keys()
    )


def test_l2sp_is_the_distance_from_the_start_and_the_length_of_the_head():
    _, backbone = tiny.classifier()
    chain = backbone.fresh()
    chain.head = nn.Linear(2, 2, bias=False)
    nn.init.constant_(chain.head.weight, 0.5)
    penalty = plans.TABLE["l2sp"].penalty(chain, Plan.parse("l2sp"))
    assert penalty().item() == pytest.approx(table.BETA / 2 * 1.0)
    with torch.no_grad():
        chain.stages["mid"][0].bias += 2.0
    assert penalty().item() == pytest.approx(table.ALPHA / 2 * 4 * tiny.WIDTH + table.BETA / 2)
    penalty().backward()
    grad = chain.stages["mid"][0].bias.grad
    assert torch.allclose(grad, torch.full_like(grad, 2 * table.ALPHA))


def test_l2sp_stays_nearer_and_takes_no_weight_decay(monkeypatch):
    task, backbone = tiny.classifier()
    decays = []
    groups = loop._groups
    monkeypatch.setattr(loop, "_groups", lambda *args: decays.append(args[-1]) or groups(*args))
    monkeypatch.setattr(table, "ALPHA", 100.0)
    moved = {plan: fit(task, backbone, plan, 4, 0, LONGER).audit.moved for plan in ("full", "l2sp")}
    away = {p: sum(v for n, v in m.items() if n.endswith(("weight", "bias"))) for p, m in moved.items()}
    assert away["l2sp"] < 0.7 * away["full"] and decays == [0.01, 0]


def test_steering_by_hand():
    stages = [(1.0, 2.0, 4.0), (0.5, 8.0, 4.0), (0.0, 0.0, 9.0)]  # |mean|^2, mean of squares, |w|^2
    assert steering.relative_norms(stages) == pytest.approx([0.5, 1.0, 0.0])
    assert steering.signal_to_noise(stages) == [1.0, 0.0, 0.0]
    assert steering.signal_to_noise([(0.96, 1.96, 1), (1.0, 2.0, 1), (0.9, 1.9, 1)]) == [1.0, 1.0, 0.0]
    assert steering.relative_norms([(0.0, 0.0, 0.0)]) == [0.0]


def watched(monkeypatch, text: str):
    """(rates of each optimiser group and which stage it is, step by step; what the hook was given)"""
    seen, given = [], []
    task, backbone = tiny.classifier()
    row = plans.TABLE[text]
    hook = row.rates
    monkeypatch.setitem(
        plans.TABLE, text, replace(row, rates=lambda stages: given.append(stages) or hook(stages))
    )
    kept = loop._Steering.after_backward

    def noted(self):
        seen.append((self.stages, [pg["lr"] for pg in self.opt.opt.param_groups]))
        kept(self)

    monkeypatch.setattr(loop._Steering, "after_backward", noted)
    fit(task, backbone, text, 4, 0, replace(tiny.QUICK, steps=24, epochs=12, batch=6))
    return seen, given, hook


@pytest.mark.parametrize("text", ["auto-rgn", "auto-snr"])
def test_the_rates_are_the_schedules_times_what_the_gradients_say(text, monkeypatch):
    seen, given, hook = watched(monkeypatch, text)
    assert [len(stages) for stages in given] == [3] * len(given) and len(seen) == 24 and len(given) == 4
    factors = [{}, *(dict(zip(tiny.STAGES, hook(stages), strict=True)) for stages in given)]
    for step, (stages, rates) in enumerate(seen):
        head = rates[-1]
        wanted = [head * factors[step // 6].get(stage, 1.0) for stage in stages]
        assert rates == pytest.approx(wanted), f"step {step}"
    assert len({round(v, 6) for stage in factors[1:] for v in stage.values()}) > 1
    assert all(max(f.values()) == 1 for f in factors[1:])


def test_the_gradients_are_those_of_the_steps():
    chain = Chain({"a": nn.Linear(2, 1, bias=False)}, nn.Identity())
    steer = loop._Steering(chain, Plan.parse("auto-rgn"), [list(chain.stages["a"].parameters())])
    given = []
    steer.rates = lambda stages: given.extend(stages) or [0.5]
    chain.stages["a"].weight.data = torch.tensor([[3.0, 4.0]])
    for k in range(5):
        chain.stages["a"].weight.grad = torch.tensor([[float(k), 1.0]])
        steer.after_backward()
        steer.after_train()
        assert len(given) == (k == 4)
    assert np.allclose(given[0], (2**2 + 1, np.mean([k**2 + 1 for k in range(5)]), 25))
    assert steer.factors == {"a": 0.5} and steer.steps == 0 and steer.sums == {}


def test_a_copy_of_an_adapted_network_has_its_own_adapters():
    chain = plans.prepare(tiny.classifier()[1].fresh(), Plan.parse("lora-1"))
    other = copy.deepcopy(chain)
    with torch.no_grad():
        other.stages["mid"][0].adapter[1].weight.add_(1)
    x = torch.rand(2, 1, 8, 8)
    assert not torch.equal(chain.eval()(x), other.eval()(x))
    adapters.merge(other, Plan.parse("lora-1"))
    assert not any(m._forward_hooks for m in other.modules())
    assert all(
        m._forward_hooks for n, m in chain.named_modules() if isinstance(m, nn.Conv2d) and "adapter" not in n
    )


@pytest.mark.parametrize("text", tiny.ROWS)
@pytest.mark.parametrize("kind", ["language", "detector", "regression"])
def test_each_kind_of_task_is_fitted(kind, text):
    task, backbone = tiny.WORLDS[kind]()
    done = fit(task, backbone, text, 6, 0, tiny.QUICK)
    assert done.audit.ok and len(done.tried) == 3 and len(task.reads) == 1
    assert all(map(math.isfinite, done.test.metrics.values()))


@pytest.mark.real("efficientnet_lite0")
def test_efficientnet_lite0_keeps_its_weights():
    done = fit(
        coloured(), backbones.load("efficientnet_lite0,size=32"), "lora-4", 2, 0, replace(ONCE, steps=3)
    )
    assert done.audit.ok and {n.rpartition(".adapter")[1] for n in done.audit.moved} == {"", ".adapter"}


@pytest.mark.real("minilm")
def test_minilm_keeps_its_weights():
    done = fit(words.questions(), backbones.load("minilm"), "lora-4", 2, 0, replace(ONCE, steps=3))
    assert done.audit.ok and {n.rpartition(".adapter")[1] for n in done.audit.moved} == {"", ".adapter"}
