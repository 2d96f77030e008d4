"""Procedural chest radiographs: patients with an anatomy of their own, opacities in lungs, and a shortcut.

Drawings, not images of people; nothing learned from them says anything about medicine. They only have the
structure of real sets: several images of one patient, and a trace of the ward that took the image.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from tlkit.errors import UserError

SIDE = 64  # pixels
CLASSES = ("clear", "opacity")
VISITS = 4  # images of a patient
NOISE = 0.03  # standard deviation of the grain; the film is between 0 and 1
FAINT, DENSE = 0.12, 0.3  # contrast of an opacity's centre with the lung


class Radiographs(NamedTuple):
    """images: float32 N x 1 x 64 x 64 in [0, 1]; labels: int64 N, of CLASSES; patients: int64 N.

    lungs: bool N x 64 x 64, where the lungs are; tagged: bool N, whether the image has the ward's tag.
    """

    images: np.ndarray
    labels: np.ndarray
    patients: np.ndarray
    lungs: np.ndarray
    tagged: np.ndarray


def radiographs(patients: int, seed: int, shortcut: float = 0.0, rare: float = 0.5) -> Radiographs:
    """`VISITS` images of each patient; every image of one patient has the patient's label.

    shortcut: how far the tag in the corner goes with the label, from 0 (it is there in half of the images,
    whatever the label) to 1 (on every image with an opacity and on no other one). rare: the share of patients
    with an opacity. Equal arguments give equal bits, and another shortcut the same patients. Raises UserError
    for fewer than two patients, and for a share outside 0 ... 1.
    """
    if patients < 2:
        raise UserError(f"patients={patients}: give at least 2, one of each class.")
    if not (0 <= shortcut <= 1 and 0 < rare < 1):
        raise UserError(f"shortcut={shortcut}, rare={rare}: give shares from 0 to 1, rare between them.")
    ill = np.zeros(patients, dtype=np.int64)
    ill[: max(1, min(patients - 1, round(rare * patients)))] = 1
    ill = np.random.default_rng([seed, 0]).permutation(ill)
    found = [
        (*_image(np.random.default_rng([seed, 1, who]), np.random.default_rng([seed, 2, who, visit]), label),
         label, who, visit)
        for who, label in enumerate(ill) for visit in range(VISITS)
    ]  # fmt: skip
    images, lungs, labels, owners, visits = map(np.array, zip(*found, strict=True))
    tagged = _tagged(labels, owners, visits, seed, shortcut)
    images[tagged] = np.maximum(images[tagged], _tag())
    return Radiographs(images[:, None].astype(np.float32), labels, owners, lungs, tagged)


def without_lungs(drawn: Radiographs) -> np.ndarray:
    """The images with their lungs blacked out, N x 1 x 64 x 64: nothing of the disease is left."""
    return np.where(drawn.lungs[:, None], np.float32(0), drawn.images)


def _image(
    anatomy: np.random.Generator, visit: np.random.Generator, label: int
) -> tuple[np.ndarray, np.ndarray]:
    """One film of a patient, and where its lungs are: the anatomy stays, position and exposure do not."""
    shift, scale = visit.normal(0, 0.03, 2), visit.normal(1, 0.02)
    y, x = (
        axis * scale - moved
        for axis, moved in zip(np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j], shift, strict=True)
    )
    gap, width, height, low = anatomy.normal((0.42, 0.27, 0.6, -0.05), (0.04, 0.03, 0.05, 0.05))
    sides = [
        ((x - side * gap) / (width * anatomy.normal(1, 0.06))) ** 2 + ((y - low) / height) ** 2
        for side in (-1, 1)
    ]
    depth = np.clip(1.4 - np.minimum(*sides), 0, 1)
    film = 0.62 - 0.12 * (x**2 + y**2) - 0.34 * depth
    film += _ribs(anatomy, y, x) * (0.3 + depth)
    film += anatomy.uniform(0.12, 0.2) * np.exp(-((x / 0.1) ** 2))  # the spine
    heart = ((x - anatomy.normal(0.13, 0.03)) / anatomy.normal(0.3, 0.03)) ** 2 + ((y - 0.3) / 0.32) ** 2
    film += 0.22 * np.clip(1.2 - heart, 0, 0.6)
    film += 0.25 * gaussian_filter(anatomy.normal(size=film.shape), 4)  # soft tissue
    inside = np.minimum(*sides) < 1
    if label:
        film += _opacity(anatomy, visit, y, x, gap, low) * inside
    exposure, contrast = visit.normal(0, 0.04), visit.normal(1, 0.06)
    film = 0.5 + (film - 0.5) * contrast + exposure + NOISE * visit.normal(size=film.shape)
    return np.clip(film, 0, 1), inside


def _ribs(anatomy: np.random.Generator, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    every, bend = anatomy.normal(0.26, 0.015), anatomy.normal(0.35, 0.04)
    return 0.07 * np.clip(np.cos(2 * np.pi * (y - bend * x**2 + anatomy.uniform(0, every)) / every), 0, 1)


def _opacity(anatomy, visit, y: np.ndarray, x: np.ndarray, gap: float, low: float) -> np.ndarray:
    """One to three soft patches, where they were at the last visit, and not as dense."""
    total = np.zeros_like(x)
    for _ in range(anatomy.integers(1, 4)):
        side = anatomy.choice((-1, 1))
        at = low + anatomy.uniform(-0.35, 0.45), side * gap + anatomy.uniform(-0.12, 0.12)
        size = anatomy.uniform(0.07, 0.16)
        patch = np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * size**2))
        total += visit.uniform(FAINT, DENSE) * patch
    return total


def _tagged(
    labels: np.ndarray, owners: np.ndarray, visits: np.ndarray, seed: int, shortcut: float
) -> np.ndarray:
    """Each image tagged or not by a draw of its own, with the label's side as likely as the dial says."""
    draws = np.array(
        [np.random.default_rng([seed, 3, *at]).random() for at in zip(owners, visits, strict=True)]
    )
    return draws < np.where(labels == 1, (1 + shortcut) / 2, (1 - shortcut) / 2)


def _tag() -> np.ndarray:
    """A bright L in the upper left corner, outside the body, as a ward's marker looks."""
    tag = np.zeros((SIDE, SIDE))
    tag[3:10, 3:5] = tag[8:10, 3:8] = 0.95
    return tag
