"""Photographs with one change: what changes, what stays, and that it repeats."""

import itertools

import numpy as np
import pytest
from PIL import Image

from tlkit import tasks
from tlkit.errors import UserError
from tlkit.records import Store
from tlkit_lessons.material import changed_photos as photos
from tools.make_records import grids

CHANGES = ("clean", *photos.CORRUPTIONS, "regrouped")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Eight images of patches of each species, 160 x 120 pixels, no two alike."""
    monkeypatch.setenv("TLKIT_COMPUTED", str(tmp_path / "computed"))
    root = tmp_path / "animals"
    for c, name in enumerate(itertools.chain(*photos.GROUPS)):
        (root / name).mkdir(parents=True)
        for i in range(8):
            small = np.random.default_rng([c, i]).integers(60, 200, (30, 40, 3)).astype(np.uint8)
            Image.fromarray(small).resize((160, 120), Image.Resampling.BICUBIC).save(root / name / f"{i}.png")
    return root


def array(photo: Image.Image) -> np.ndarray:
    return np.asarray(photo) / 255


def test_every_change_has_the_same_split_and_content_of_its_own(folder):
    found = {change: photos.changed(change, folder) for change in CHANGES}
    assert len({tuple(task.train.names) for task in found.values()}) == 1
    assert len({tuple(task.test.names) for task in found.values()}) == 1
    assert len({task.digest for task in found.values()}) == len(CHANGES)
    assert all(np.array_equal(found[how].targets, found["clean"].targets) for how in photos.CORRUPTIONS)


def test_a_group_is_a_land_mammal_and_another_animal(folder):
    task = photos.changed("regrouped", folder)
    kinds = [name.rsplit("/", 2)[-2] for name in task.train.names]
    pairs = {(task.classes[target], kind) for target, kind in zip(task.targets, kinds, strict=True)}
    assert pairs == {(" or ".join(group), kind) for group in photos.GROUPS for kind in group}
    assert len(task.classes) == 6 and len(pairs) == 12
    (folder / "dolphin").rename(folder / "whale")
    with pytest.raises(UserError, match="class 'whale' is in no group of photos:regrouped"):
        photos.changed("regrouped", folder)


@pytest.mark.parametrize("how", photos.CORRUPTIONS)
def test_a_photo_is_corrupted_alike_in_every_process(folder, how):
    once, again = (photos.changed(how, folder).train.inputs[3] for _ in range(2))
    assert np.array_equal(once, again) and once.mode == "RGB" and min(once.size) == photos.SIDE
    other = photos.corrupted(Image.new("RGB", (160, 120), (90, 90, 90)), how, "other")
    same = photos.corrupted(Image.new("RGB", (160, 120), (90, 90, 90)), how, "again")
    assert np.array_equal(other, same) == (how != "noise"), "only the noise is drawn"


def test_noise_blur_and_contrast_do_what_they_are_called(folder):
    photo = photos.changed("clean", folder).train.inputs[0]
    plain = array(photo.resize((149, 112), Image.Resampling.BICUBIC))
    noisy, blurred, faded = (
        array(photos.corrupted(photo, how, "d")) for how in ("noise", "blur", "contrast")
    )
    assert (noisy - plain).std() == pytest.approx(photos.NOISE, rel=0.2), "less where it is clipped"
    edges = [np.abs(np.diff(x, axis=1)).mean() for x in (plain, blurred, noisy)]
    assert edges[1] < 0.5 * edges[0] < edges[2]
    assert faded.std((0, 1)) == pytest.approx(photos.CONTRAST * plain.std((0, 1)), rel=0.05)
    assert faded.mean((0, 1)) == pytest.approx(plain.mean((0, 1)), abs=0.01)


def test_what_is_not_known_is_refused_by_name():
    with pytest.raises(UserError, match=r"nois.*did you mean 'noise'"):
        tasks.load("photos:nois")
    with pytest.raises(UserError, match="fog"):
        photos.corrupted(Image.new("RGB", (4, 4)), "fog", "d")


@pytest.mark.real("caltech_wildlife")
def test_the_registered_tasks_are_those_of_the_set():
    """The split of the set itself, by names and by targets: only the images differ."""
    whole = tasks.load("caltech_wildlife")
    for change in CHANGES:
        task = tasks.load(f"photos:{change}")
        assert task.train.names == whole.train.names and task.test.names == whole.test.names
    noisy = tasks.load("photos:noise")
    assert np.array_equal(noisy.targets, whole.targets) and noisy.classes == whole.classes
    assert noisy.train.inputs[0].size != whole.train.inputs[0].size
    assert np.bincount(tasks.load("photos:regrouped").targets).min() >= 35


@pytest.mark.parametrize("name", ["31_photos", "31_photos_head"])
def test_the_records_are_those_of_their_grid(name, root):
    """Also after the recipe of photographs has moved on: the grid keeps the one they were measured with."""
    asked = {
        (c.task, c.plan, c.labels, c.seed, grid.recipe.version) for grid in grids(name) for c in grid.cells()
    }
    rows = Store(root / "data" / "records" / f"{name}.jsonl").read()
    assert {(r.task, r.plan, r.labels, r.seed, r.recipe) for r in rows} == asked
