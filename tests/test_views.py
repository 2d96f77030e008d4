"""Views: augmentation that can be numbered, kept, and learnt from in turn."""

from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
from PIL import Image

from tlkit import features
from tlkit.errors import UserError
from tlkit.features import Batches, Cut, activations
from tlkit.fit import fit
from tlkit.plans import Plan
from tlkit.tasks.items import AUGMENTATIONS, augmented

pytestmark = pytest.mark.usefixtures("computed")


@pytest.fixture
def items():
    return tiny.classifier()[0].train


def photographs(count: int = 3):
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)) for _ in range(count)]
    return tiny.items(pictures, "photo")


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_view_is_the_same_whenever_it_is_looked_at_and_no_other(items, name):
    side = photographs() if name == "photo" else items
    one, same, other = augmented(side, name, 1), augmented(side, name, 1), augmented(side, name, 2)
    for i in (0, 2):
        assert np.array_equal(one.inputs[i], same.inputs[i])
        assert not np.array_equal(np.asarray(one.inputs[i]), np.asarray(other.inputs[i]))
        assert not np.array_equal(np.asarray(one.inputs[i]), np.asarray(side.inputs[i]))
    assert one.digest == same.digest and len({side.digest, one.digest, other.digest}) == 3
    assert len(one) == len(one.inputs) == len(side)


def test_a_view_does_not_draw_from_others_random_numbers(items):
    torch.manual_seed(0)
    want = torch.rand(2)
    torch.manual_seed(0)
    augmented(items, "shift", 1).inputs[0]
    assert torch.equal(torch.rand(2), want)


def test_a_view_depends_on_the_item_and_not_on_its_place(items):
    order = [3, 0, 1]
    some = replace(
        items, inputs=items.inputs[order], names=["a"] * 3, digests=tuple(items.digests[i] for i in order)
    )
    assert torch.equal(augmented(some, "shift", 1).inputs[0], augmented(items, "shift", 1).inputs[3])


def test_view_0_is_the_items(items):
    assert augmented(items, "shift", 0) is items


def test_what_is_no_view_is_refused():
    for wrong in ({"views": 3}, {"augment": "shift", "views": 0}, {"augment": "flop"}):
        with pytest.raises(UserError):
            replace(tiny.QUICK, **wrong)


def test_each_view_is_an_entry_of_its_own(items):
    backbone = tiny.classifier()[1]
    one, two = (activations(Cut(backbone, 1), augmented(items, "shift", n), np.arange(4)) for n in (1, 2))
    plain = activations(Cut(backbone, 1), items, np.arange(4))
    assert not torch.equal(one, two) and not torch.equal(one, plain)


def test_a_recipe_without_views_keeps_the_key_it_had():
    assert replace(tiny.QUICK, augment="", views=1).version == tiny.QUICK.version
    versions = {replace(tiny.QUICK, augment="shift", views=v).version for v in (1, 2)}
    assert len(versions | {tiny.QUICK.version}) == 3


def test_every_view_is_shown_once_before_any_is_shown_again():
    rows = Batches(
        6, [lambda at, v=v: torch.stack([torch.tensor([v, int(i)]) for i in at]) for v in range(3)]
    )
    seen = []
    for _ in range(3):
        rows.turn()
        batch = rows.take([5, 0, 3, 1])
        assert batch[:, 1].tolist() == [5, 0, 3, 1], "in the order that was asked for"
        seen.append(batch[:, 0])
    assert torch.stack(seen).sort(0).values.T.tolist() == [[0, 1, 2]] * 4


@pytest.mark.parametrize("text", ["frozen", "last-1", "full", "lp-ft"])
def test_plans_learn_from_views_and_are_marked_on_the_items(text):
    task, backbone = tiny.classifier()
    plain = fit(task, backbone, Plan.parse(text), 4, 0, tiny.QUICK)
    augmented = fit(task, backbone, text, 4, 0, replace(tiny.QUICK, augment="shift", views=3))
    same = fit(task, backbone, text, 4, 0, replace(tiny.QUICK, augment="shift", views=3))
    heads = [next(iter(done.model.head.parameters())) for done in (plain, augmented, same)]
    assert torch.equal(heads[1], heads[2]) and not torch.equal(heads[0], heads[1])
    assert augmented.test.predicted.shape == plain.test.predicted.shape


def test_rows_read_from_the_disk_batch_by_batch_teach_the_same(monkeypatch):
    task, backbone = tiny.classifier()
    recipe = replace(tiny.QUICK, augment="shift", views=2)
    held = fit(task, backbone, "last-1", 4, 0, recipe)
    monkeypatch.setattr(features, "IN_MEMORY", 0)
    read = fit(task, backbone, "last-1", 4, 0, recipe)
    assert read.measured["rows_read"] > held.measured["rows_read"], "a batch at a time"
    for a, b in zip(held.model.parameters(), read.model.parameters(), strict=True):
        assert torch.equal(a, b)
