"""Drawn metal parts: the same bits, defects where they should be, and the split that leaks; reef fish."""

import numpy as np
import pytest

from tlkit import tasks
from tlkit.errors import UserError
from tlkit_lessons.material import surfaces


def test_equal_arguments_give_equal_bits_and_others_do_not():
    first, again, other = (surfaces.draw(seed, 1) for seed in (3, 3, 4))
    assert [p.tobytes() for p in first[0]] == [p.tobytes() for p in again[0]]
    assert first[0][0].tobytes() != other[0][0].tobytes()
    photos, labels, parts = first
    assert len(photos) == 4 * surfaces.PHOTOS and {p.size for p in photos} == {(96, 96)}
    assert labels.tolist() == parts and np.bincount(labels).tolist() == [surfaces.PHOTOS] * 4


def test_photos_of_a_part_differ_and_are_nearer_than_those_of_others():
    photos, _, parts = surfaces.draw(5, 3)
    colour = np.stack([np.asarray(p, float).mean((0, 1)) / np.asarray(p, float).mean() for p in photos])
    away = np.linalg.norm(colour[:, None] - colour[None], axis=2) + 9 * np.eye(len(photos))
    nearest = np.asarray(parts)[away.argmin(1)]
    assert (nearest == parts).mean() > 0.8, "the colour of the metal should give the part away"
    assert len({p.tobytes() for p in photos}) == len(photos)


@pytest.mark.parametrize("defect", surfaces.DEFECTS)
def test_a_defect_shows_near_its_place_alone(defect):
    y, x = np.mgrid[-64:64, -64:64].astype(float)
    drawn = np.abs(surfaces.DEFECTS[defect](y, x, np.random.default_rng(0)))
    assert drawn[24:104, 24:104].max() > 0.05 and drawn[0].max() < 0.02


def test_by_part_no_part_is_on_both_sides_and_by_photo_most_are():
    honest, leaky = tasks.load("surfaces"), tasks.load("surfaces-random")
    assert not set(honest.train.groups) & set(honest.test.groups)
    assert len(honest.train) + len(honest.test) == len(leaky.train) + len(leaky.test) == 600
    sides = [{name.split(",")[0] for name in side.names} for side in (leaky.train, leaky.test)]
    assert len(sides[0] & sides[1]) > 100 and leaky.name != honest.name
    with pytest.raises(UserError, match="split of the surfaces"):
        surfaces.surfaces("sheet")


@pytest.mark.real("reef_fish")
def test_reef_fish_are_split_by_trajectory():
    honest, leaky = tasks.load("reef_fish"), tasks.load("reef_fish-random")
    assert not set(honest.train.groups) & set(honest.test.groups) and len(honest.classes) == 8
    assert len(honest.train) + len(honest.test) == len(leaky.train) + len(leaky.test) == 380
    of = [{name.rsplit("_", 1)[0] for name in side.names} for side in (leaky.train, leaky.test)]
    assert of[0] & of[1], "split by image, a fish is on both sides"
