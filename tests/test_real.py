"""Real photographs and real pretrained weights, where they are."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from tlkit import backbones, recipe, tasks
from tlkit.fit import fit
from tlkit.plans import Plan
from tlkit.tasks.objective import PIXEL_SIDE, pixels
from tlkit_lessons import downloads

WEIGHTS = "mobilenetv1_100_224.pt"


def _source(size: int) -> backbones.Backbone:
    return backbones.load(
        f"timm:mobilenetv1_100,size={size}", str(downloads.cache_dir() / "weights_vision" / WEIGHTS)
    )


def recognised(backbone: backbones.Backbone) -> np.ndarray:
    """Of each photograph of the probe, whether the network's own head names its class."""
    folder = downloads.cache_dir() / "imagenet_probe"
    with open(folder / "labels.csv", newline="") as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
    names = {path.name: path for path in folder.glob("*.JPEG")}
    pairs = [
        (names[next(v for v in row if v in names)], next(int(v) for v in row if v.isdigit())) for row in rows
    ]
    right = []
    with torch.inference_mode():
        for first in range(0, len(pairs), 20):
            part = pairs[first : first + 20]
            batch = torch.stack([backbone.transform(Image.open(path)) for path, _ in part])
            right += (backbone.pretrained()(batch).argmax(-1) == torch.tensor([n for _, n in part])).tolist()
    return np.array(right)


@pytest.mark.real("weights_vision", "imagenet_probe")
def test_the_chain_still_knows_imagenet():
    """Through our chain and our picture transform the published network scores what its card says."""
    backbone = _source(224)
    right = recognised(backbone)
    promised = backbone.card["top1_1000samples"]
    four_errors = 4 * np.sqrt(promised * (1 - promised) / len(right))
    assert right.mean() > promised - four_errors


@pytest.mark.real("efficientnet_lite0", "imagenet_probe")
def test_efficientnet_lite0_knows_its_photographs():
    """89 of 100 with padding, crop, mean and order of tensors as published; 84 and fewer with others."""
    backbone = backbones.load("efficientnet_lite0")
    assert recognised(backbone).sum() == 89
    assert backbone.card["licence"].startswith("Apache-2.0") and backbone.card["source"].startswith("https")
    small = backbones.load("efficientnet_lite0,size=160")
    assert small.name == "efficientnet_lite0,size=160" and small.digest == backbone.digest
    assert small.transform_key != backbone.transform_key and small.stages == backbone.stages
    assert backbones.from_blueprint(small.blueprint).transform == small.transform


@pytest.mark.real("weights_vision", "hymenoptera")
@pytest.mark.parametrize("plan", ["pixels", "scratch", "frozen", "last-1", "full"])
def test_every_plan_on_photographs(plan):
    """A small picture and two steps: the path, not the number."""
    task, backbone = tasks.load("hymenoptera"), _source(64)
    quick = recipe.Recipe(steps=2, epochs=1, batch=8)
    done = fit(task, backbone, Plan.parse(plan), labels=2, seed=0, recipe=quick)
    assert len(done.test.predicted) == len(task.test)
    assert done.audit is None or done.audit.ok
    assert len(task.reads) >= 1


@pytest.mark.real("weights_vision", "caltech_wildlife")
def test_frozen_features_of_photographs_beat_pixels():
    """The claim everybody makes, in its weakest form: not a threshold, an order."""
    task, backbone, photos = tasks.load("caltech_wildlife"), _source(64), recipe.default("photos")
    scores = [
        fit(task, backbone, Plan.parse(plan), 5, 0, photos).test.metrics["accuracy"]
        for plan in ("frozen", "pixels")
    ]
    assert scores[0] > scores[1]


@pytest.mark.real("hymenoptera", "caltech_wildlife", "neu_steel")
@pytest.mark.parametrize("name", ["hymenoptera", "caltech_wildlife", "neu_steel"])
def test_registered_sets_load_whole(name):
    task = tasks.load(name)
    assert not task.set_aside
    assert len(task.train) + len(task.test) > 100
    assert pixels([task.train.inputs[i] for i in range(2)]).shape == (2, 3 * PIXEL_SIDE**2)


@pytest.mark.real("pacs")
@pytest.mark.parametrize("domain", ["photo", "art_painting", "sketch"])
def test_a_domain_of_pacs_keeps_what_shows_one_photograph_together(domain):
    task = tasks.load(f"pacs:{domain}")
    assert len(task.classes) == 7 and len(task.train) + len(task.test) == 7 * 26 and not task.set_aside
    assert not set(task.train.groups) & set(task.test.groups)
    assert (len(set(task.train.groups)) < len(task.train)) == (domain == "sketch"), "some were drawn twice"
