"""Drawn photos of metal parts: sound, scratched, dented or with blowholes; several photos of each part.

What makes a random split leak is drawn as it is in a factory: a part keeps its material, its grain and its
defect from photo to photo, while place, light and noise differ.
"""

from functools import lru_cache

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, rotate

from tlkit import tasks
from tlkit.errors import unknown
from tlkit.tasks import Items, Task, classification, splits
from tlkit.tasks.images import BACKBONE
from tlkit.tasks.items import digest_of

CLASSES = ("sound", "scratch", "dent", "blowhole")
PARTS, PHOTOS = 30, 5  # parts of a class; photos of a part
SIDE, MARGIN = 96, 16  # pixels of a photo; what a part has more on each side
TEST = 0.4  # of the parts, or of the photos
GRAINS = {"brushed": (0.6, 9.0), "cast": (1.6, 1.6), "rolled": (2.5, 6.0)}  # pixels, across and along
HOW = ("part", "photo")


def register() -> None:
    """Register these tasks by name; an entry point of this package."""
    tasks.register("surfaces", surfaces)
    tasks.register("surfaces-random", lambda: surfaces("photo"))


@lru_cache(maxsize=2)
def surfaces(how: str = "part", seed: int = 0) -> Task:
    """600 drawn photos of 120 metal parts in four classes, RGB, 96 x 96 pixels.

    how: "part" keeps the photos of a part on one side of the split; "photo" splits photo by photo, which
    overestimates accuracy. Equal arguments give equal bits. Raises UserError for another split.
    """
    if how not in HOW:
        raise unknown("split of the surfaces", how, HOW)
    photos, labels, parts = draw(seed)
    owners = np.array(parts if how == "part" else range(len(photos)))
    keys = np.unique(owners)
    test = np.isin(owners, np.random.default_rng([seed, 1]).permutation(keys)[: round(TEST * len(keys))])
    names = tuple(f"part {part}, photo {i % PHOTOS}" for i, part in enumerate(parts))
    groups = tuple(f"part {part}" for part in parts) if how == "part" else ()
    items = Items(photos, names, tuple(digest_of(photo.tobytes().hex()) for photo in photos), groups)
    sides = splits.parted(items, labels, (np.flatnonzero(~test), np.flatnonzero(test)))
    card = {"title": "Drawn photos of metal parts", "licence": "MIT", "source_overlap": "none"}
    card |= {"split": f"by {how}", "backbone": BACKBONE}
    name = "surfaces" if how == "part" else "surfaces-random"
    return Task(name, classification(len(CLASSES)), *sides, CLASSES, card, reader="picture")


def draw(seed: int = 0, parts: int = PARTS) -> tuple[list[Image.Image], np.ndarray, list[int]]:
    """The photos, their class numbers, and of which part each is; photos of a part follow each other."""
    photos, labels, owners = [], [], []
    for part in range(parts * len(CLASSES)):
        rng, label = np.random.default_rng([seed, 0, part]), part % len(CLASSES)
        whole = _part(CLASSES[label], rng)
        photos += [_photo(whole, rng) for _ in range(PHOTOS)]
        labels += [label] * PHOTOS
        owners += [part] * PHOTOS
    return photos, np.array(labels, np.int64), owners


def _part(defect: str, rng: np.random.Generator) -> np.ndarray:
    """The surface of a part in RGB, about 0 to 1, with its margin."""
    side = SIDE + 2 * MARGIN
    across, along = GRAINS[str(rng.choice(list(GRAINS)))]
    wide = rotate(
        gaussian_filter(rng.standard_normal((2 * side, 2 * side)), (across, along)), rng.uniform(0, 180)
    )
    middle = (np.array(wide.shape) - side) // 2
    grain = wide[middle[0] : middle[0] + side, middle[1] : middle[1] + side]
    stains = gaussian_filter(rng.standard_normal((side, side)), rng.uniform(8, 20))
    surface = rng.uniform(0.4, 0.65) + rng.uniform(0.03, 0.08) * grain / grain.std()
    surface += rng.uniform(0.01, 0.05) * stains / stains.std()
    y, x = np.mgrid[:side, :side].astype(float)
    place = rng.uniform(side / 2 - 20, side / 2 + 20, 2)
    if defect != "sound":
        surface += DEFECTS[defect](y - place[0], x - place[1], rng)
    return surface[..., None] * rng.uniform(0.88, 1.08, 3)


def _scratch(y: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A thin, slightly bent line, bright or dark."""
    turn, bend, half = rng.uniform(0, np.pi), rng.uniform(-0.008, 0.008), rng.uniform(14, 30)
    along, off = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    line = np.exp(-(((off - bend * along**2) / rng.uniform(0.6, 1.1)) ** 2))
    return rng.choice([-1, 1]) * rng.uniform(0.14, 0.28) * line * (np.abs(along) < half)


def _dent(y: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A hollow: one flank in the light, the other in the shade."""
    turn, size, stretch = rng.uniform(0, 2 * np.pi), rng.uniform(6, 13), rng.uniform(0.7, 1.4)
    down, right = y / (size * stretch), x * stretch / size
    slope = (right * np.cos(turn) + down * np.sin(turn)) * np.exp(-(down**2 + right**2) / 2)
    return rng.uniform(0.15, 0.3) * slope


def _blowhole(y: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two to five dark holes, each with a bright rim."""
    found = np.zeros_like(y)
    for _ in range(rng.integers(2, 6)):
        (down, right), radius = rng.normal(0, 10, 2), rng.uniform(1.2, 3.0)
        away = np.hypot(y - down, x - right)
        found -= rng.uniform(0.2, 0.35) / (1 + np.exp(3 * (away - radius)))
        found += 0.1 * np.exp(-((away - radius - 1) ** 2))
    return found


DEFECTS = {"scratch": _scratch, "dent": _dent, "blowhole": _blowhole}


def _photo(part: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """One photo: the part a little turned and moved, in its own light, with the noise of the sensor."""
    turned = rotate(part, rng.uniform(-6, 6), reshape=False, order=1, mode="reflect")
    top, left = rng.integers(0, 2 * MARGIN + 1, 2)
    seen = turned[top : top + SIDE, left : left + SIDE]
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    light = rng.uniform(0.85, 1.15) + rng.uniform(-0.25, 0.25) * y + rng.uniform(-0.25, 0.25) * x
    seen = seen * light[..., None] + rng.normal(0, 0.015, seen.shape)
    return Image.fromarray((255 * seen).clip(0, 255).round().astype(np.uint8))
