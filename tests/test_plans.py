"""The vocabulary of plans, and that the audit sees what moved."""

import copy
from dataclasses import replace

import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tlkit import plans
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain
from tlkit.errors import UserError
from tlkit.features import Batches
from tlkit.fit import descend, fit
from tlkit.plans import NotFrozen, Plan, audit

NAMES = [
    "pixels", "scratch", "frozen", "select", "last-1", "last-3", "full", "lp-ft", "gradual", "block:mid",
    "block:layer_2", "norm", "bias", "lora-1", "lora-16", "l2sp", "auto-rgn", "auto-snr",
]  # fmt: skip
STAGES = ["stem", "a", "b", "c"]


@pytest.fixture
def chain():
    torch.manual_seed(0)
    return Chain(tiny.conv_stages(), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)))


@pytest.mark.parametrize("text", NAMES)
def test_a_plan_is_its_string(text):
    assert str(Plan.parse(text)) == text
    assert Plan.parse(f"  {text}\n") == Plan.parse(text)


wheres = st.one_of(
    st.sampled_from([("all", "random"), ("all", "pretrained"), ("all", "probe"), ("norm",), ("bias",)]),
    st.just(("all", "pretrained", "gradual")),
    st.integers(1, 10**6).map(lambda k: (f"last-{k}", "pretrained")),
    st.from_regex(r"\A\w+\Z").map(lambda name: (f"block:{name}", "pretrained")),
)
decays = st.floats(0, 1, exclude_min=True)


@given(wheres, decays)
def test_every_plan_survives_its_string(where, decay):
    plan = Plan(*where, decay=decay)
    assert Plan.parse(str(plan)) == plan


@given(st.text())
def test_any_text_is_a_plan_or_refused(text):
    try:
        plan = Plan.parse(text)
    except UserError:
        return
    assert Plan.parse(str(plan)) == plan


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("frozn", "frozen"),
        ("ful", "full"),
        ("FULL", "full"),
        ("lpft", "lp-ft"),
        ("last-0", "last-K"),
        ("last-", "last-K"),
        ("last-1.5", "last-K"),
        ("block:", "block:NAME"),
        ("scrach", "scratch"),
        ("l2-sp", "l2sp"),
        ("auto-rng", "auto-rgn"),
    ],
)
def test_an_unknown_plan_is_refused_with_the_list_and_the_nearest(text, near):
    with pytest.raises(UserError) as caught:
        Plan.parse(text)
    assert repr(text) in str(caught.value) and f"did you mean {near!r}?" in str(caught.value)
    assert "pixels, scratch" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["full@", "full@decay", "full@decay=", "full@decay=0", "full@decay=1.1", "full@decay=nan", "full@x=0.5",
     "full@decay=0.5@decay=0.5", "full@decay=-0.5", "pixels@decay=0.5", "frozen@decay=0.5"],
)  # fmt: skip
def test_a_modifier_that_says_nothing_is_refused(text):
    with pytest.raises(UserError, match="decay"):
        Plan.parse(text)


@pytest.mark.parametrize(
    "parts",
    [
        ("all", "none"),
        ("head", "random"),
        ("last-1", "probe"),
        ("block:a", "random"),
        ("norm", "random"),
        ("all", "random", "gradual"),
        ("last-1", "pretrained", "gradual"),
    ],
)
def test_a_plan_without_a_name_cannot_be_made(parts):
    with pytest.raises(UserError, match="unknown plan"):
        Plan(*parts)


@pytest.mark.parametrize(
    ("text", "tuned", "cut"),
    [
        ("pixels", [], 4),
        ("frozen", [], 4),
        ("last-1", ["c"], 3),
        ("last-3", ["a", "b", "c"], 1),
        ("last-4", STAGES, 0),
        ("full", STAGES, 0),
        ("scratch", STAGES, 0),
        ("lp-ft", STAGES, 0),
        ("select", [], 4),
        ("gradual", STAGES, 0),
        ("norm", STAGES, 0),
        ("bias", STAGES, 0),
        ("lora-2", STAGES, 0),
        ("l2sp", STAGES, 0),
        ("auto-snr", STAGES, 0),
        ("block:stem", ["stem"], 0),
        ("block:b", ["b"], 2),
    ],
)
def test_which_stages_move_and_where_the_cut_is(text, tuned, cut):
    assert Plan.parse(text).tuned(STAGES) == tuned
    assert Plan.parse(text).cut(STAGES) == cut


def test_stages_that_are_not_there_are_refused():
    with pytest.raises(UserError, match=r"last-9 names more stages than there are.*4 stages"):
        Plan.parse("last-9").tuned(STAGES)
    with pytest.raises(UserError, match=r"unknown stage 'stam': did you mean 'stem'"):
        Plan.parse("block:stam").tuned(STAGES)


def expected(chain, plan):
    """(names of the tensors that may move, modules in train mode), told by hand."""
    if plan.where == "norm":
        norms = [stage[1] for stage in chain.stages.values()]
        parts = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        return {f"stages.{s}.1.{part}" for s in chain.names for part in parts}, norms
    if plan.where == "bias":
        return {f"stages.{s}.{i}.bias" for s in chain.names for i in (0, 1)}, []
    tuned = [f"stages.{name}." for name in plan.tuned(chain.names)]
    names = {n for n in chain.state_dict() if n.startswith(tuple(tuned))}
    return names, [m for name in plan.tuned(chain.names) for m in chain.stages[name].modules()]


@pytest.mark.parametrize("text", [*tiny.PLANS, "last-2@decay=0.5", "norm@decay=0.5"])
def test_gradients_modes_and_groups_say_the_same(chain, text):
    plan = Plan.parse(text)
    plans.set_modes(plans.freeze(chain, plan), plan)
    names, training = expected(chain, plan)
    free = names | {n for n in chain.state_dict() if n.startswith("head.")}
    assert plans.movable(chain, plan) == free
    assert {n for n, p in chain.named_parameters() if p.requires_grad} == free & dict(
        chain.named_parameters()
    ).keys()
    assert {m for stage in chain.stages.values() for m in stage.modules() if m.training} == set(training)
    assert all(m.training for m in chain.head.modules())
    groups, rates = plans.groups(chain, plan, 0.1)
    grouped = {id(p) for group in groups for p in group}
    assert grouped == {id(p) for p in chain.parameters() if p.requires_grad}
    assert sum(len(group) for group in groups) == len(grouped), "no tensor is in two groups"
    assert rates[-1] == 0.1 and rates == sorted(rates)


def test_rates_fall_by_the_decay_from_the_head_to_the_stem(chain):
    _, rates = plans.groups(chain, Plan.parse("full@decay=0.5"), 0.8)
    assert rates == pytest.approx([0.1, 0.2, 0.4, 0.8])
    _, rates = plans.groups(chain, Plan.parse("block:mid@decay=0.5"), 0.8)
    assert rates == pytest.approx([0.2, 0.8])


def moved(chain, change):
    before = copy.deepcopy(chain.state_dict())
    with torch.no_grad():
        change(chain)
    return before, chain


def test_the_audit_names_a_weight_that_moved(chain):
    states = moved(chain, lambda c: c.stages["mid"][0].weight[0, 0, 0, 0].add_(1e-6))
    with pytest.raises(NotFrozen, match=r"last-1: 1 frozen tensors changed: stages\.mid\.0\.weight"):
        audit(*states, Plan.parse("last-1"))
    assert audit(*states, Plan.parse("last-2")).ok and audit(*states, Plan.parse("block:mid")).ok
    found = audit(*states, Plan.parse("block:top"), strict=False)
    assert not found.ok and found.guilty == ("stages.mid.0.weight",)
    assert found.moved["stages.mid.0.weight"] == pytest.approx(1e-6, rel=0.2)
    assert len(found.still) == len(states[0]) - 1


@pytest.mark.parametrize("buffer", ["running_mean", "running_var", "num_batches_tracked"])
def test_the_audit_names_a_buffer_that_moved(chain, buffer):
    states = moved(chain, lambda c: getattr(c.stages["stem"][1], buffer).add_(1))
    with pytest.raises(NotFrozen, match=f"stages.stem.1.{buffer}"):
        audit(*states, Plan.parse("frozen"))


def test_the_head_may_always_move(chain):
    states = moved(chain, lambda c: c.head[2].weight.mul_(2))
    assert list(audit(*states, Plan.parse("frozen")).moved) == ["head.2.weight"]


def test_nothing_moved_is_no_offence_and_nan_stands_still(chain):
    states = moved(chain, lambda c: None)
    assert audit(*states, Plan.parse("full")).moved == {}
    chain.stages["stem"][1].running_mean.fill_(float("nan"))
    states = moved(chain, lambda c: None)
    assert audit(*states, Plan.parse("frozen")).moved == {}
    states = moved(chain, lambda c: c.stages["stem"][1].running_mean[0].fill_(0))
    with pytest.raises(NotFrozen, match="running_mean"):
        audit(*states, Plan.parse("frozen"))


def test_a_tensor_of_another_shape_moved(chain):
    before, _ = moved(chain, lambda c: None)
    before["stages.top.0.bias"] = torch.zeros(3)
    with pytest.raises(NotFrozen, match=r"stages\.top\.0\.bias"):
        audit(before, chain, Plan.parse("frozen"))


def test_states_of_two_models_are_not_compared(chain):
    before, _ = moved(chain, lambda c: None)
    del before["stages.top.0.bias"]
    with pytest.raises(UserError, match=r"two different models \(stages\.top\.0\.bias\)"):
        audit(before, chain, Plan.parse("full"))


def test_a_stage_without_tensors_counts_where_it_is_named():
    chain = Chain(
        {"stem": nn.Conv2d(1, 2, 1), "mid": nn.Conv2d(2, 2, 1), "flat": nn.Flatten()}, nn.Linear(8, 2)
    )
    states = moved(chain, lambda c: c.stages["stem"].weight.add_(1))
    with pytest.raises(NotFrozen, match=r"stages\.stem\.weight"):
        audit(*states, Plan.parse("last-2"))


def test_batch_norm_left_in_train_mode_is_caught(monkeypatch):
    """What the house guarantees: a frozen stage whose statistics move stops the fit, and is named."""
    monkeypatch.setattr(plans, "set_modes", lambda model, plan: model.train())
    task, backbone = tiny.classifier()
    with pytest.raises(NotFrozen, match=r"block:mid: 3 frozen tensors changed.*stages\.top\.1\.running_mean"):
        fit(task, backbone, Plan.parse("block:mid"), 2, 0, tiny.QUICK)
    assert task.reads == [], "a fit that breaks its plan is never scored"


def test_batch_norm_in_train_mode_by_hand(chain):
    """Every gradient off, no optimiser, one batch in train mode: the statistics move; the audit says so."""
    plan = Plan.parse("frozen")
    plans.freeze(chain, plan)
    states = moved(chain.train(), lambda c: c(torch.rand(4, 1, 8, 8)))
    found = audit(*states, plan, strict=False)
    kinds = {"running_mean", "running_var", "num_batches_tracked"}
    assert {name.rsplit(".", 1)[1] for name in found.guilty} == kinds
    assert len(found.guilty) == 9
    plans.set_modes(chain, plan)
    assert audit(*moved(chain, lambda c: c(torch.rand(4, 1, 8, 8))), plan).moved == {}


def test_norm_and_bias_are_audited_tensor_by_tensor(chain):
    norm, bias = Plan.parse("norm"), Plan.parse("bias")
    states = moved(chain, lambda c: c.stages["mid"][1].weight.add_(1))
    assert audit(*states, norm).ok
    with pytest.raises(NotFrozen, match=r"bias: 1 frozen tensors changed.*stages\.mid\.1\.weight"):
        audit(*states, bias)
    states = moved(chain, lambda c: c.stages["mid"][1].running_mean.add_(1))
    with pytest.raises(NotFrozen, match=r"running_mean"):
        audit(*states, bias)


def test_a_plan_that_finds_nothing_to_move_is_refused():
    bare = Chain({"stem": nn.Conv2d(1, 2, 1, bias=False)}, nn.Linear(2, 2))
    for text in ("norm", "bias"):
        with pytest.raises(UserError, match=f"plan {text}: this backbone has no {text} to train"):
            plans.freeze(bare, Plan.parse(text))


def test_the_phases_of_gradual_thaw_from_the_head():
    phases = Plan.parse("gradual@decay=0.5").phases(STAGES)
    assert [str(p) for p in phases] == [
        "frozen",
        *(f"last-{k}@decay=0.5" for k in (1, 2, 3)),
        "full@decay=0.5",
    ]
    assert Plan.parse("full").phases(STAGES) == [Plan.parse("full")]


def test_gradual_takes_as_many_steps_as_full_and_moves_the_stem_least():
    task, backbone = tiny.classifier()
    recipe = replace(tiny.QUICK, steps=32, epochs=1)
    full, gradual = (fit(task, backbone, Plan.parse(p), 2, 0, recipe) for p in ("full", "gradual"))
    assert len(full.losses) == len(gradual.losses) == 32
    assert gradual.detail["flops_suffix"] < full.detail["flops_suffix"]
    change = [max(v for n, v in f.audit.moved.items() if "stem.0" in n) for f in (full, gradual)]
    assert change[1] < change[0]


def test_a_frozen_tensor_in_the_optimiser_is_caught(monkeypatch, chain):
    """Weight decay would move it without a gradient; the loop refuses before the first step."""
    monkeypatch.setattr(plans, "groups", lambda model, plan, rate: ([list(model.parameters())], [rate]))
    with pytest.raises(NotFrozen, match=r"the optimiser holds 8 frozen tensors: stages\.stem\.0\.weight"):
        run(chain, "last-1")


def run(chain, text):
    task, backbone = tiny.classifier()
    plan = Plan.parse(text)
    inputs = torch.stack([backbone.transform(raw) for raw in task.train.inputs])
    with torch.no_grad():
        inputs = Batches.of(chain.eval().run(inputs, 0, plan.cut(chain.names)))
    targets = torch.as_tensor(task.targets)
    return descend(chain, plan, inputs, targets, task.objective.loss, 1e-2, tiny.QUICK, seed=0)


def test_dropout_and_batch_norm_of_frozen_stages_stand_still_while_others_train(chain):
    seen = {"mid": [], "top": []}

    def watch(name):
        def note(module, args, out):
            seen[name].append(torch.equal(args[0], out))

        return note

    for name in seen:
        chain.stages[name][3].register_forward_hook(watch(name))
    steps = len(run(chain, "block:mid"))
    assert all(seen["top"]), "dropout of a frozen stage passes everything on"
    assert not any(seen["mid"][:steps]), "and that of a stage in training does not"
    assert all(seen["mid"][steps:]), "but does where batch-norm averages are settled"


def test_the_middle_may_move_alone(chain):
    states = moved(chain, lambda c: torch.enable_grad()(run)(c, "block:mid"))
    found = audit(*states, Plan.parse("block:mid"))
    assert {name.split(".")[1] for name in found.moved if name.startswith("stages")} == {"mid"}
    assert all(name in found.still for name in states[0] if ".top." in name)


def test_a_chain_is_left_in_eval_mode_even_when_it_diverges(chain):
    chain.stages["mid"][0].weight.data.fill_(float("nan"))
    with pytest.raises(UserError, match="NaN"):
        run(chain, "full")
    assert not chain.training and not any(m.training for m in chain.modules())


def changed(change) -> Backbone:
    """The tiny backbone with its middle stage made otherwise."""

    def stages() -> dict:
        found = tiny.conv_stages()
        change(found)
        return found

    return tiny.backbone(stages, name=f"tiny-{change.__name__}")


def tied(stages) -> None:
    stages["top"][0].weight = stages["mid"][0].weight


class Counting(nn.Module):
    """Adds how often it was called: in a buffer that no state dict names, or in a plain number."""

    def __init__(self, buffer: bool):
        super().__init__()
        if buffer:
            self.register_buffer("calls", torch.zeros(()), persistent=False)
        else:
            self.calls = 0

    def forward(self, x):
        self.calls = self.calls + 1
        return x + self.calls


class Dropping(nn.Module):
    def forward(self, x):
        return nn.functional.dropout(x, 0.5, training=True)


def counting(stages) -> None:
    stages["mid"].append(Counting(buffer=False))


def dropping(stages) -> None:
    stages["mid"].append(Dropping())


@pytest.mark.parametrize("text", ["last-1", "block:mid"])
def test_a_tensor_on_both_sides_of_the_frozen_border_is_refused(text):
    task, _ = tiny.classifier()
    with pytest.raises(
        UserError, match=f"plan {text}: mid and top share a tensor, and the plan trains only some"
    ):
        fit(task, changed(tied), text, 4, 0, tiny.QUICK)
    for whole in ("frozen", "last-2", "full", "scratch"):
        fit(task, changed(tied), whole, 4, 0, tiny.QUICK)


def test_a_buffer_that_a_state_dict_leaves_out_is_audited():
    chain = Chain({"mid": nn.Sequential(Counting(buffer=True))}, nn.Flatten())
    before = plans.state(chain)
    chain(torch.zeros(1, 2))
    with pytest.raises(NotFrozen, match=r"1 frozen tensors changed: stages.mid.0.calls"):
        plans.audit(before, chain, Plan.parse("frozen"))


@pytest.mark.parametrize("change", [counting, dropping])
def test_a_frozen_stage_that_changes_without_a_tensor_is_caught(change):
    task, _ = tiny.classifier()
    for text in ("frozen", "last-1"):
        with pytest.raises(NotFrozen, match="does not repeat what its kept stages gave"):
            fit(task, changed(change), text, 4, 0, tiny.QUICK)
