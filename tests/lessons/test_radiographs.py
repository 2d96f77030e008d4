"""Drawn radiographs, their tasks, the screening objective and the search for shortcuts."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from tlkit import tasks
from tlkit.errors import UserError
from tlkit_lessons import shortcuts
from tlkit_lessons.material.patients import children, films, middle_out
from tlkit_lessons.material.radiographs import SIDE, VISITS, radiographs, without_lungs
from tlkit_lessons.screening import calibration_error, focal, screening, sensitivity_at, weighted


def test_patients_share_label_and_anatomy():
    drawn = radiographs(30, 0)
    assert drawn.images.shape == (30 * VISITS, 1, SIDE, SIDE) and drawn.images.dtype == np.float32
    assert drawn.images.min() >= 0 and drawn.images.max() <= 1
    for who in range(30):
        assert len(set(drawn.labels[drawn.patients == who])) == 1
    flat = drawn.images.reshape(30, VISITS, -1)
    own = np.linalg.norm(flat[:, 0] - flat[:, 1], axis=1).mean()
    assert own < np.linalg.norm(flat[:-1, 0] - flat[1:, 1], axis=1).mean(), (
        "a patient is no more like himself"
    )


def test_the_dial_moves_the_tag_alone():
    none, full = radiographs(30, 0, 0.0), radiographs(30, 0, 1.0)
    assert (full.tagged == (full.labels == 1)).all() and 0.3 < none.tagged.mean() < 0.7
    assert (none.images[..., 20:, :] == full.images[..., 20:, :]).all(), (
        "the dial changes more than the corner"
    )
    again = radiographs(30, 0, 1.0)
    assert (again.images == full.images).all()


def test_a_rare_class_and_blacked_out_lungs():
    drawn = radiographs(50, 1, rare=0.1)
    assert drawn.labels.sum() == 5 * VISITS
    black = without_lungs(drawn)
    assert (black[drawn.lungs[:, None]] == 0).all() and (black != drawn.images).any()


@pytest.mark.parametrize(("given", "said"), [((1, 0), "at least 2"), ((9, 0, 1.5), "from 0 to 1")])
def test_bad_dials_are_refused(given, said):
    with pytest.raises(UserError, match=said):
        radiographs(*given)


def test_a_split_by_patient_keeps_patients_together():
    honest, leaky = films(0, seed=3), films(0, "image", 3)
    assert not set(honest.train.groups) & set(honest.test.groups) and len(honest.test) == 240
    assert len(leaky.test) == 240 and not leaky.test.groups
    assert (films(0, seed=3, shuffled=True).targets != honest.targets).any()
    with pytest.raises(UserError, match="unknown split"):
        films(0, "ward")
    with pytest.raises(UserError, match="radiographs:much"):
        tasks.load("radiographs:much")


def test_screening_ranks_and_calibrates():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 200)
    odds = np.clip(0.3 * targets + 0.7 * rng.random(200), 0, 1)
    metrics = screening().metrics
    assert metrics["AUROC"](odds, targets) == pytest.approx(roc_auc_score(targets, odds))
    border = np.sort(odds[targets == 0])[int(np.ceil(0.9 * (targets == 0).sum())) - 1]
    assert sensitivity_at(0.9)(odds, targets) == pytest.approx((odds[targets == 1] > border).mean(), abs=0.02)
    assert calibration_error(np.full(200, 0.5), np.arange(200) % 2) == 0
    assert calibration_error(np.ones(4), np.zeros(4)) == 1


def test_losses_weigh_as_they_say():
    output, target = torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
    plain = torch.nn.functional.cross_entropy(output, target, reduction="none")
    shares = 0.5 / 0.9, 0.5 / 0.1
    expected = (shares[0] * plain[0] + shares[1] * plain[1]) / sum(shares)
    assert torch.allclose(weighted(0.1)(output, target), expected)
    assert focal(output[:1], target[:1]) < 0.1 * plain[0], "a sure item counts as much as before"


def test_the_marker_is_flagged_and_nothing_without_it():
    flagged = [s.name for s in shortcuts.suspects(films(0.8, seed=0)) if s.flagged]
    assert flagged == ["brightest point, upper left"]
    assert not [s for s in shortcuts.suspects(films(0, seed=0)) if s.flagged]
    with pytest.raises(UserError, match="between two"):
        shortcuts.suspects(tasks.load("digits"))


def test_the_middle_goes():
    film = Image.new("RGB", (100, 100), "white")
    black = np.asarray(middle_out(film))
    assert black[50, 50].max() == 0 and black[2, 2].min() == 255 and np.asarray(film).min() == 255


@pytest.mark.real("pneumonia_kids")
def test_children_are_split_by_patient_and_flagged():
    task = children()
    assert not set(task.train.groups) & set(task.test.groups)
    assert len(task.train) + len(task.test) == 594, "of 602 images, eight are there twice"
    assert "bytes of the file" in {s.name for s in shortcuts.suspects(task) if s.flagged}
