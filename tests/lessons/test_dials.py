"""The dials: where they begin, where they end, that they turn one way, and the tasks made of them."""

import numpy as np
import pytest
import torch

from tlkit import backbones, features, tasks
from tlkit.errors import UserError
from tlkit_lessons.material import ALPHABETS, DIALS, LETTERS, dial, of_characters
from tlkit_lessons.material.similarity import COARSEST, GROUPS, slant, thickness
from tlkit_lessons.nb22_similarity import proxy_a_distance

DOMAIN = [kind for kind, it in DIALS.items() if it.changes == "domain"]
LABELS = [kind for kind, it in DIALS.items() if it.changes == "labels"]


@pytest.fixture(scope="module")
def plain():
    return of_characters(LETTERS, 40, 0)


@pytest.fixture(scope="module")
def source():
    return backbones.load("letters")


def read(source, images: np.ndarray) -> np.ndarray:
    """The features a head of the source reads, N x 128."""
    with torch.inference_mode():
        maps = source.pretrained().run(source.transform(images))
        return source.pool(maps).numpy()


@pytest.mark.parametrize("kind", DIALS)
@pytest.mark.parametrize("similarity", [0, 0.13, 0.99])
def test_pictures_are_balanced_in_range_and_repeat(kind, similarity):
    drawn = dial(kind, similarity, 12, 3)
    assert drawn.images.shape == (120, 1, 8, 8) and drawn.images.dtype == np.float32
    assert drawn.images.min() >= 0 and drawn.images.max() <= 1
    assert drawn.labels.dtype == np.int64 and np.bincount(drawn.labels).tolist() == [12] * 10
    assert len(drawn.fonts) == 120 and len(set(drawn.classes)) == 10
    again, other = dial(kind, similarity, 12, 3), dial(kind, similarity, 12, 4)
    assert all(np.array_equal(a, b) for a, b in zip(drawn, again, strict=True))
    assert not np.array_equal(drawn.images, other.images)


@pytest.mark.parametrize("kind", DIALS)
def test_at_one_end_stand_ten_letters_of_the_source(kind, plain):
    assert all(np.array_equal(a, b) for a, b in zip(dial(kind, 1, 40, 0), plain, strict=True))
    assert set(LETTERS) < set(ALPHABETS["letters"]) and len(set(LETTERS)) == 10


@pytest.mark.parametrize("kind", DOMAIN)
def test_a_moving_domain_keeps_letters_and_fonts(kind, plain):
    far = dial(kind, 0, 40, 0)
    assert np.array_equal(far.labels, plain.labels) and np.array_equal(far.fonts, plain.fonts)
    assert far.classes == plain.classes and not np.array_equal(far.images, plain.images)


@pytest.mark.parametrize("kind", ["regrouped", "permuted", "manner"])
def test_moving_labels_keep_the_pictures(kind, plain):
    far = dial(kind, 0, 40, 0)
    assert np.array_equal(far.images, plain.images) and not np.array_equal(far.labels, plain.labels)


def test_noise_is_added_in_proportion(plain):
    grey = (plain.images > 0.3) & (plain.images < 0.7)  # where little is clipped
    near, far = (dial("noise", s, 40, 0).images[grey] - plain.images[grey] for s in (0.9, 0.8))
    assert near.std() == pytest.approx(0.06, rel=0.1) and far.std() == pytest.approx(0.12, rel=0.1)


def test_the_background_lies_behind_the_ink(plain):
    far = dial("background", 0, 40, 0).images
    assert np.array_equal(far[plain.images == 1], plain.images[plain.images == 1])
    paper = far[plain.images == 0]
    assert 0.4 < paper.mean() < 0.6 and paper.std() > 0.15
    half = dial("background", 0.5, 40, 0).images
    np.testing.assert_allclose(half, (far + plain.images) / 2, atol=1e-6)


def test_polarity_is_a_share_that_grows(plain):
    turned = [
        (dial("polarity", s, 40, 0).images == 1 - plain.images).all((1, 2, 3)) for s in (0, 0.3, 0.7, 1)
    ]
    assert turned[0].all() and not turned[3].any()
    assert turned[1].mean() == pytest.approx(0.7, abs=0.07) and not (turned[2] & ~turned[1]).any()


def test_resolution_leaves_cells_of_one_brightness(plain):
    similarity = 1 - np.log(2) / np.log(COARSEST)  # cells of two pixels
    blocks = plain.images.reshape(-1, 1, 4, 2, 4, 2).mean((3, 5))
    coarse = dial("resolution", similarity, 40, 0).images
    np.testing.assert_allclose(coarse, blocks.repeat(2, 2).repeat(2, 3), atol=1e-5)
    end = dial("resolution", 0, 40, 0).images
    assert np.linalg.matrix_rank(end[0, 0].astype(float), tol=1e-4) <= 3
    np.testing.assert_allclose(end.mean((1, 2, 3)), plain.images.mean((1, 2, 3)), atol=1e-5)


def test_the_thick_half_of_each_letter_goes_to_the_next(plain):
    far = dial("regrouped", 0, 40, 0)
    moved = far.labels != plain.labels
    assert np.array_equal(far.labels[moved], (plain.labels[moved] + 1) % 10)
    for letter in range(10):
        own, ink = plain.labels == letter, thickness(plain.images)
        assert moved[own].sum() == 20
        assert ink[own & moved].min() >= ink[own & ~moved].max()


def test_permuted_names_are_the_same_groups_of_pictures(plain):
    far, half = (dial("permuted", s, 40, 0) for s in (0, 0.5))
    assert not (far.labels == plain.labels).any() and far.classes == plain.classes
    for new in (far, half):
        assert len(set(zip(new.labels.tolist(), plain.labels.tolist(), strict=True))) == 10
    assert np.array_equal(half.labels == plain.labels, plain.labels < 5)
    alone = dial("permuted", 0.9, 40, 0)  # one letter has nobody to exchange with
    assert np.array_equal(alone.labels, plain.labels)


def test_coarse_classes_are_five_letters_each():
    groups = dial("coarse", 0, 40, 0)
    assert groups.classes[:2] == ["a b c d e", "f g h i j"] and "".join(GROUPS)[::5] == LETTERS
    # against clean print of the five: each of them is the nearest of some pictures of its class
    clean = of_characters("abcde", 1, 0, ["DejaVuSans"], strength=0)
    own = groups.images[groups.labels == 0].reshape(-1, 64)
    nearest = ((own[:, None] - clean.images.reshape(1, 5, 64)) ** 2).sum(2).argmin(1)
    assert len(set(nearest)) == 5
    half = dial("coarse", 0.5, 40, 0)
    first = {image.tobytes() for image in dial("coarse", 1, 40, 0).images}
    assert sum(image.tobytes() in first for image in half.images[half.labels == 0]) == 40 - 4 * 4


def test_manners_are_thickness_and_slant_for_that_letter(plain):
    far = dial("manner", 0, 40, 0)
    assert far.classes[0] == "thin, lean 1 of 5" and far.classes[9] == "thick, lean 5 of 5"
    per_letter = np.array([np.bincount(plain.labels[far.labels == c], minlength=10) for c in range(10)])
    assert per_letter.max() < 15  # no manner is a letter in disguise
    for values, low, high in (
        (thickness(plain.images), range(5), range(5, 10)),
        (slant(plain.images), [0, 5], [4, 9]),
    ):
        gap = [
            values[own & np.isin(far.labels, high)].mean() - values[own & np.isin(far.labels, low)].mean()
            for own in (plain.labels == letter for letter in range(10))
        ]
        assert min(gap) > 0
    half = dial("manner", 0.5, 40, 0)
    assert half.classes[:5] == list(LETTERS[:5])
    assert np.array_equal(half.labels < 5, plain.labels < 5)


def test_slant_is_the_shear_of_a_bar():
    rows, columns = np.mgrid[:8, :8] - 3.5
    bars = np.stack([np.exp(-((columns + lean * rows) ** 2)) for lean in (-0.4, 0, 0.4)])[:, None]
    np.testing.assert_allclose(slant(bars), [-0.4, 0, 0.4], atol=0.05)


@pytest.mark.parametrize("kind", DOMAIN)
def test_the_measured_distance_grows_along_a_moving_domain(kind, source):
    near = read(source, of_characters(LETTERS, 20, 7).images)
    found = [proxy_a_distance(near, read(source, dial(kind, s, 20, 0).images)) for s in (1, 0.5, 0)]
    assert found[0] < 0.35 and found[2] > found[0] + 0.5
    assert found[0] - 0.1 < found[1] < found[2] + 0.1


@pytest.mark.parametrize("kind", DIALS)
def test_a_probe_of_the_source_loses_along_every_dial_but_one(kind, source):
    def right(similarity: float) -> float:
        drawn = dial(kind, similarity, 40, 0)
        rows = read(source, drawn.images)
        known = np.concatenate([np.flatnonzero(drawn.labels == c)[:5] for c in range(10)])
        asked = np.setdiff1d(np.arange(len(rows)), known)
        probe = features.probe(rows[known], drawn.labels[known], 0.1, outputs=10)
        return float((probe(rows[asked]).argmax(1) == drawn.labels[asked]).mean())

    near, half, far = (right(s) for s in (1, 0.5, 0))
    if kind == "permuted":  # a new head knows no name, so it cannot miss one
        assert near > 0.85 and min(half, far) > near - 0.05
    else:
        assert near > 0.85 and far < near - 0.1 and far - 0.05 < half < near + 0.05


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("noize", 0.5, 1, 0), "did you mean 'noise'"),
        (("noise", 1.01, 1, 0), "similarity 1.01 of dial 'noise'"),
        (("noise", -0.1, 1, 0), "from 0 to 1"),
        (("noise", float("nan"), 1, 0), "similarity nan"),
        (("manner", 0.5, 0, 0), "n_per_class=0"),
    ],
)
def test_bad_requests_are_named(arguments, says):
    with pytest.raises(UserError, match=says):
        dial(*arguments)


@pytest.mark.parametrize("kind", DIALS)
def test_a_dial_is_a_task(kind):
    task = tasks.load(f"dial:{kind}:0.5")
    assert task is tasks.load(f"dial:{kind}:0.50") and task.name == f"dial:{kind}:0.5"
    assert not set(task.train.groups) & set(task.test.groups) and task.card["split"] == "font"
    assert len(task.classes) == 10 and len(task.train) + len(task.test) == 1600
    assert min(np.bincount(task.targets)) >= 50  # what the largest budget asks of a class
    assert task.card["what_changes"] == DIALS[kind].how and task.card["source_overlap"]
    assert {f"dial:{kind}:0", f"dial:{kind}:0.5"} < set(tasks.names())


def test_all_dials_meet_at_one():
    digests = {tasks.load(f"dial:{kind}:1.0").digest for kind in ("noise", "manner")}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("dial:noise", "dial:noise:0.5"),
        ("dial:noise:half", "dial:noise:0.5"),
        ("dial:noise:2", "from 0 to 1"),
        ("dial:nois:1", "did you mean 'noise'"),
    ],
)
def test_a_dial_that_is_not_there_is_named(name, says):
    with pytest.raises(UserError, match=says):
        tasks.load(name)
