"""The photographs of `caltech_wildlife`, corrupted or in new groups: one change at a time, the same split."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from tlkit.errors import UserError, unknown
from tlkit.tasks import Items, Task
from tlkit.tasks.folders import class_files
from tlkit.tasks.images import picture_task, scan, split
from tlkit.tasks.items import Made
from tlkit_lessons import downloads

PHOTOS = "caltech_wildlife"
SIDE = 112  # pixels: the shorter side of a photo before it is corrupted; a later reduction averages noise out
NOISE = 0.26  # standard deviation, of a range of 1: severity 4 of ImageNet-C, as the other two
BLUR = 2.0  # pixels of the reduced photo: at twice the side 4, as in ImageNet-C
CONTRAST = 0.1  # what is left of it
_VERSION = 2  # raise it when a photo comes out otherwise, also for another NOISE, BLUR, CONTRAST or SIDE

# Each group is a land mammal and another animal: no feature that groups animals by kind helps.
GROUPS = (
    ("Leopards", "flamingo"),
    ("dalmatian", "crab"),
    ("elephant", "butterfly"),
    ("hedgehog", "crocodile"),
    ("kangaroo", "dolphin"),
    ("llama", "rooster"),
)


def noise(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Gaussian noise, independent for each pixel and channel."""
    values = np.asarray(photo) / 255
    return _image(values + rng.normal(0, NOISE, values.shape))


def blur(photo: Image.Image, _: np.random.Generator) -> Image.Image:
    """Blurred by a Gaussian."""
    return photo.filter(ImageFilter.GaussianBlur(BLUR))


def contrast(photo: Image.Image, _: np.random.Generator) -> Image.Image:
    """Every channel drawn together around its mean."""
    values = np.asarray(photo) / 255
    mean = values.mean((0, 1))
    return _image(mean + CONTRAST * (values - mean))


CORRUPTIONS: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "noise": noise,
    "blur": blur,
    "contrast": contrast,
}


def corrupted(photo: Image.Image, how: str, digest: str) -> Image.Image:
    """An RGB image, its shorter side reduced to `SIDE` pixels, corrupted as in Hendrycks and Dietterich 2019.

    arXiv:1903.12261. What is drawn depends on `digest` alone, so a photo looks the same in every process.
    Raises UserError for a corruption that is none of `CORRUPTIONS`.
    """
    if how not in CORRUPTIONS:
        raise unknown("corruption", how, CORRUPTIONS)
    scale = SIDE / min(photo.size)
    small = photo.resize([max(SIDE, round(side * scale)) for side in photo.size], Image.Resampling.BICUBIC)
    seed = int(hashlib.sha256(f"{digest} {how}".encode()).hexdigest()[:15], 16)
    return CORRUPTIONS[how](small, np.random.default_rng(seed))


def changed(change: str, root: Path | None = None) -> Task:
    """The task `photos:CHANGE`: one of `CORRUPTIONS`, `clean`, or `regrouped`, by `GROUPS`.

    root: a folder with one of images for each class; by default the set itself. Training and test images are
    the same for every change. Raises UserError for another change and for a class that is in no group.
    """
    if change not in (*CORRUPTIONS, "clean", "regrouped"):
        raise unknown("change of photos", change, ["clean", *CORRUPTIONS, "regrouped"])
    root = root or downloads.get(PHOTOS)
    found, aside = scan(class_files(root))
    sides = split(found, {}, root)  # by species, whatever the groups
    if change == "regrouped":
        group = {name: " or ".join(members) for members in GROUPS for name in members}
        if lost := sorted({f.label for f in found} - group.keys()):
            raise UserError(
                f"{root}: class {lost[0]!r} is in no group of photos:regrouped; name it in GROUPS."
            )
        found = [replace(f, label=group[f.label]) for f in found]
    task = picture_task(f"photos:{change}", found, sides, {}, aside, {"split": "by image", "set": PHOTOS})
    if change in CORRUPTIONS:
        task.train, task.test = (_items(items, change) for items in (task.train, task.test))
    return task


def _items(items: Items, how: str) -> Items:
    make = partial(_made, items, how)
    digests = tuple(f"{digest}-{how}{_VERSION}" for digest in items.digests)
    return replace(items, inputs=Made(make, range(len(items))), digests=digests)


def _made(items: Items, how: str, i: int) -> Image.Image:
    return corrupted(items.inputs[i], how, items.digests[i])


def _image(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.round(255 * values.clip(0, 1)).astype(np.uint8))
