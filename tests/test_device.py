"""No tensor on the wrong device, on a device that is played here: its tensors meet no others.

`meta` is its name, and each of its tensors holds one of the CPU, with which it computes. An operation on
tensors of both places, which a GPU refuses, is refused here too.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import tiny
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from tlkit import backbones, env, features, plans
from tlkit.backbones import Backbone
from tlkit.fit import fit, loop
from tlkit.plans import Row
from tlkit_lessons import adapt
from tlkit_lessons.adapt import sealed

GPU = torch.device("meta")


class Away(torch.Tensor):
    """A tensor on that device."""

    @staticmethod
    def __new__(cls, inner: torch.Tensor):
        like = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "dtype": inner.dtype}
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, device=GPU, **like)

    def __init__(self, inner: torch.Tensor):
        self.inner = inner

    def __repr__(self, **_) -> str:
        return f"Away({self.inner})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        with TwoPlaces():  # also where the mode is not on, as in the threads of autograd
            return func(*args, **(kwargs or {}))


class TwoPlaces(TorchDispatchMode):
    """Lets tensors of one place meet alone, and counts the operations on those away."""

    ran = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given, kwargs = (args, kwargs or {}), dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves(given) if isinstance(leaf, torch.Tensor)]
        away = [leaf for leaf in tensors if isinstance(leaf, Away)]
        here = [leaf for leaf in tensors if not isinstance(leaf, Away) and leaf.dim()]
        if func is torch.ops.aten._has_compatible_shallow_copy_type.default:
            return False  # what a module asks when it moves
        if away and here:
            raise RuntimeError(f"{func}: tensors of two devices meet")
        wanted = kwargs.get("device")
        if wanted is not None:
            kwargs["device"] = torch.device("cpu")
        bare = partial(tree_map, lambda leaf: leaf.inner if isinstance(leaf, Away) else leaf)
        found = func(*bare(args), **bare(kwargs))
        known = {id(leaf.inner): leaf for leaf in away}
        there = torch.device(wanted) == GPU if wanted is not None else bool(away)
        TwoPlaces.ran += there

        def back(leaf):
            if not there or not isinstance(leaf, torch.Tensor):
                return leaf
            return known[id(leaf)] if id(leaf) in known else Away(leaf)

        return tree_map(back, found)


@pytest.fixture
def gpu(monkeypatch, computed):
    """Networks that are not small run on that device, and nothing that was kept elsewhere is read."""
    monkeypatch.delenv("TLKIT_DEVICE", raising=False)
    monkeypatch.setattr(env.process, "device", lambda small=False: torch.device("cpu") if small else GPU)
    monkeypatch.setattr(env, "device", env.process.device)
    monkeypatch.setattr(loop, "_ADAM", partial(loop._ADAM, fused=False))  # which asks for a real device
    swap = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(
        True
    )  # parameters stay the same objects, as on a GPU
    with TwoPlaces() as mode:
        mode.__class__.ran = 0
        yield mode
    torch.__future__.set_swap_module_params_on_conversion(swap)


def at_home(tensors) -> bool:
    return not any(isinstance(leaf, Away) or leaf.device.type != "cpu" for leaf in tree_leaves(tensors))


def test_tensors_of_two_devices_do_not_meet(gpu):
    one = torch.ones(2)
    with pytest.raises(RuntimeError, match="tensors of two devices meet"):
        one + one.to(GPU)
    assert (one.to(GPU) * 2).to("cpu").tolist() == [2, 2] and torch.zeros(3, device=GPU).device == GPU


@pytest.mark.parametrize("text", [*tiny.PLANS, *tiny.ROWS])
@pytest.mark.parametrize("world", ["classifier", "language"])
def test_a_fit_answers_as_on_the_cpu(world, text, gpu):
    task, backbone = tiny.WORLDS[world]()
    here = fit(task, replace(backbone, small=True), text, 6, 0, tiny.QUICK)
    assert gpu.ran == 0 and "device" not in here.measured, "a small one stays"
    there = fit(task, backbone, text, 6, 0, tiny.QUICK)
    assert gpu.ran > 100 and there.measured["device"] == "meta"
    assert at_home(there.model.state_dict()) and at_home(backbone.pretrained().state_dict())
    assert np.allclose(here.losses, there.losses) and np.allclose(
        here.test.predicted, there.test.predicted, atol=1e-4
    )
    assert here.setting == there.setting and there.audit.ok


def test_what_is_kept_of_one_device_is_not_taken_for_the_others(gpu):
    task, backbone = tiny.classifier()
    keys = {features.Cut.of(one, plans.FROZEN).key for one in (backbone, replace(backbone, small=True))}
    assert len(keys) == 2
    assert at_home(features.activations(features.Cut.end(backbone), task.test, np.arange(5))) and gpu.ran


def test_a_penalty_is_made_where_the_network_is(gpu, monkeypatch):
    """Such as the distance from where the weights began."""

    def penalty(chain, plan):
        began = [p.detach().clone() for p in chain.stages.parameters()]
        return lambda: sum(
            (p - b).square().sum() for p, b in zip(chain.stages.parameters(), began, strict=True)
        )

    monkeypatch.setitem(plans.TABLE, "near", Row("near", penalty=penalty, movable=lambda chain, plan: {
        name for name, _ in chain.named_parameters()}))  # fmt: skip
    assert fit(*tiny.classifier(), "near", 6, 0, tiny.QUICK).audit.ok and gpu.ran


METHODS = {"source only": {"plan": "full"}, "mmd": {}, "dann": {}, "deep coral": {}, "coral": {}}
METHODS |= {"tent": {"batch": 5}, "adabn": {"batch": 5}}


@pytest.mark.parametrize(("method", "more"), METHODS.items())
def test_adapting_answers_as_on_the_cpu(method, more, gpu):
    task, backbone = tiny.classifier()
    other, _ = tiny.classifier()
    other.test = replace(other.test, digests=tuple(f"{d}x" for d in other.test.digests))
    found = [
        adapt.adapt(task, sealed(other), one, method, 0, tiny.QUICK, **more)
        for one in (replace(backbone, small=True), backbone)
    ]
    assert gpu.ran and np.array_equal(*(one.evaluation.predicted for one in found))
    assert at_home(found[1].model.state_dict())


def test_networks_of_the_workbook_are_small_and_those_of_libraries_are_not():
    assert backbones.load("letters").small and backbones.load("random,seed=2").small
    assert backbones.load("letters,until=block1").small, "also where it is read half"
    assert not backbones.load("timm:resnet10t,pretrained=false").small
    assert not Backbone("mine", "d", None, None, "k").small
