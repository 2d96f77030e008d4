"""Chest radiographs as tasks: drawn ones, and real ones of children; split by patient, or by image."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from tlkit import tasks
from tlkit.errors import UserError, unknown
from tlkit.files import place
from tlkit.tasks import Items, Objective, Task, splits
from tlkit.tasks.images import BACKBONE, scan
from tlkit.tasks.items import Made
from tlkit.tasks.reading import read_picture
from tlkit.tasks.text import table_rows
from tlkit_lessons import downloads
from tlkit_lessons.material import radiographs as drawn
from tlkit_lessons.screening import screening

HOW = ("patient", "image")
SIZE = 150  # patients
TEST = 0.4  # of the patients, or of the images
Change = Callable[[Image.Image], Image.Image]


def register() -> None:
    """Register these tasks by name; an entry point of this package."""
    tasks.register("radiographs:", _named, ["radiographs:0", "radiographs:0.8"])
    tasks.register("pneumonia_kids", lambda: children())


def _named(text: str) -> Task:
    try:
        shortcut = float(text)
    except ValueError:
        raise UserError(
            f"task 'radiographs:{text}': give the shortcut from 0 to 1, as in radiographs:0.8."
        ) from None
    return films(shortcut)


def films(
    shortcut: float, how: str = "patient", seed: int = 0, lungs: bool = True, rare: float = 0.5, **more: Any
) -> Task:
    """Drawn radiographs: clear or with an opacity; RGB images of 64 x 64 pixels.

    how: whether a patient stays on one side of the split, or each image is drawn for itself; seed: of the
    patients and the split. lungs: false blacks them out. rare: the share of patients with an opacity. more:
    `objective`, by default `screening`, and `shuffled`, whether training labels are put in random order.
    Raises UserError for another split or shortcut.
    """
    made = drawn.radiographs(SIZE, seed, shortcut, rare)
    films = made.images if lungs else drawn.without_lungs(made)
    pictures = [Image.fromarray(np.uint8(255 * film[0])).convert("RGB") for film in films]
    name = f"radiographs:{shortcut:g}"
    items = Items(
        pictures, [f"film {i}" for i in range(len(films))], _digests(pictures), _names(made.patients)
    )
    card = {"title": "Drawn chest radiographs", "licence": "MIT", "source_overlap": "none"}
    return _task(name, items, made.labels, drawn.CLASSES, how, seed, card, **more)


def children(how: str = "patient", seed: int = 0, change: Change | None = None, **more: Any) -> Task:
    """Radiographs of children, normal or with pneumonia (bacterial or viral), from the cache or the network.

    how, seed, more: as in `films`. change: what is done with every image first, such as `middle_out`.
    """
    root = downloads.get("pneumonia_kids")
    table, _ = table_rows(root / "patients.csv", ["file", "patient"], west=True)
    patient = {place(root / file): who for file, who in zip(table["file"], table["patient"], strict=True)}
    files = [(path, path.parent.name) for path in sorted(root.glob("*/*.jpeg"))]
    found, _ = scan(files)
    once = {f.digest: f for f in found}.values()  # some images are there twice
    labels = np.array([int(f.label != "normal") for f in once])
    make = (lambda path: change(read_picture(path))) if change else read_picture
    marks = tuple(f.digest + (f"-{change.__name__}" if change else "") for f in once)
    owners = tuple(patient[f.place] for f in once)
    items = Items(Made(make, [f.path for f in once]), [str(f.path) for f in once], marks, owners)
    card = {"title": "Chest radiographs of children", "licence": "not stated by the source"}
    return _task("pneumonia_kids", items, labels, ("normal", "pneumonia"), how, seed, card, **more)


def middle_out(picture: Image.Image) -> Image.Image:
    """The image with its middle blacked out, where the lungs are: 70 % of the width, 80 % of the height."""
    film, (width, height) = picture.copy(), picture.size
    film.paste(0, (int(0.15 * width), int(0.1 * height), int(0.85 * width), int(0.9 * height)))
    return film


def _task(
    name: str, items: Items, labels: np.ndarray, classes: Sequence[str], how: str, seed: int, card: dict,
    objective: Objective | None = None, shuffled: bool = False,
) -> Task:  # fmt: skip
    if how not in HOW:
        raise unknown("split of radiographs", how, HOW)
    owners = np.array(items.groups if how == "patient" else [str(i) for i in range(len(items))])
    keys = np.unique(owners)
    test = np.isin(owners, np.random.default_rng([seed, 4]).permutation(keys)[: round(TEST * len(keys))])
    split = np.flatnonzero(~test), np.flatnonzero(test)
    items = items if how == "patient" else replace(items, groups=())
    if shuffled:
        labels = labels.copy()
        labels[split[0]] = np.random.default_rng([seed, 5]).permutation(labels[split[0]])
    parts = splits.parted(items, labels, split)
    card = {"backbone": BACKBONE, "split": f"by {how}"} | card
    return Task(name, objective or screening(), *parts, tuple(classes), card, reader="picture")


def _digests(pictures: Sequence[Image.Image]) -> tuple[str, ...]:
    from tlkit.tasks.items import digest_of

    return tuple(digest_of(picture.tobytes().hex()) for picture in pictures)


def _names(patients: np.ndarray) -> tuple[str, ...]:
    return tuple(f"patient {who}" for who in patients)
