"""What our networks were pretrained on: images of their own classes, and their labels."""

import numpy as np
import pytest

from tlkit import backbones
from tlkit.errors import UserError
from tlkit_lessons import material
from tlkit_lessons.nb21_sources import pretraining_samples


@pytest.mark.parametrize("name", ["letters", "greek", "symbols", "textures", "strokes", "fractals"])
def test_images_and_labels_belong_together(name):
    backbone = backbones.load(name)
    images, told = pretraining_samples(backbone, 6, 3)
    assert images.shape == (6, 1, 8, 8) and len({*told}) == 6 and {*told} <= {*backbone.card["classes"]}
    again, same = pretraining_samples(backbone, 6, 3)
    assert np.array_equal(images, again) and told == same
    assert not np.array_equal(images, pretraining_samples(backbone, 6, 4)[0])
    assert len(pretraining_samples(backbone, 999)[1]) == len(backbone.card["classes"]), (
        "one of each, and no more"
    )


def test_random_labels_and_none_go_with_the_images_of_the_letters():
    images, told = pretraining_samples(backbones.load("letters"), 20, 0)
    shuffled, wrong = pretraining_samples(backbones.load("memorised"), 20, 0)
    unnamed, none = pretraining_samples(backbones.load("letters-ssl"), 20, 0)
    assert np.array_equal(images, shuffled) and np.array_equal(images, unnamed)
    assert {*wrong} <= {*material.ALPHABETS["letters"]}
    assert sum(a == b for a, b in zip(told, wrong, strict=True)) < 5
    assert none == [""] * 20


def test_a_network_without_a_recipe_is_named():
    with pytest.raises(UserError, match="random has no recipe"):
        pretraining_samples(backbones.load("random"))
