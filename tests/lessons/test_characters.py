"""Digits by writer, families of printed characters, textures: the tasks that the lessons register."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from tlkit import tasks
from tlkit.errors import UserError
from tlkit_lessons.material import tasks as characters


def test_the_digest_of_digits_is_the_one_of_the_committed_records():
    """Bytes, not printed numbers, are hashed: the same on every machine."""
    assert tasks.load("digits").digest == "dd202786557c"


def test_the_writers_of_the_digits():
    """Every writer's sheet begins 0 1 2 ... 9: the published boundaries are where sheets begin."""
    target = load_digits().target
    assert characters.WRITERS[0] == 0 and characters.WRITERS[-1] == len(target) == 1797
    for start in characters.WRITERS[:-1]:
        assert target[start : start + 10].tolist() == list(range(10)), start


def test_digits_are_split_by_writer():
    task = tasks.load("digits")
    ours, others = set(task.train.groups), set(task.test.groups)
    assert not ours & others and len(ours) == 8 and len(others) == 6
    assert len(task.train) == 1029 and len(task.test) == 768
    assert task.train.inputs.shape == (1029, 1, 8, 8) and task.train.inputs.max() == 1
    assert np.bincount(task.targets).min() >= 100, "room for 50 labels a digit and more"
    assert task.classes == tuple("0123456789")


def test_digits_split_at_random_mix_writers():
    task = tasks.load("digits-random")
    assert task.train.groups == () and task.name == "digits-random" and len(task.train) == 1029
    assert task.digest == characters.digits("random").digest != tasks.load("digits").digest
    with pytest.raises(UserError, match="did you mean 'writer'"):
        characters.digits("writers")


def test_a_family_tests_on_fonts_it_never_saw():
    task = tasks.load("glyphs:greek-a")
    assert not set(task.train.groups) & set(task.test.groups)
    assert len(task.classes) == 10 and np.bincount(task.targets).min() >= 50
    assert task.train.inputs.shape[1:] == (1, 8, 8)


def test_shifted_digits_are_the_digits_with_other_test_pictures():
    plain, shifted = (tasks.load(name) for name in ("digits", "digits-shifted"))
    assert torch.equal(plain.train.inputs, shifted.train.inputs)
    assert np.array_equal(plain.targets, shifted.targets) and plain.digest != shifted.digest
    was, now = plain.test.inputs, shifted.test.inputs
    rolled = torch.stack([was.roll(by, dims=(2, 3)) for by in ((0, 1), (0, -1), (1, 0), (-1, 0))])
    inner = (..., slice(1, 7), slice(1, 7))
    apart = (rolled[inner] - now[inner]).abs().mean((2, 3, 4))
    assert (apart.min(0).values < 0.15).all(), "each is a neighbour's shift away, but for noise"
    assert (apart.argmin(0).bincount() > 100).all(), "to all four sides"
