"""Handwritten digits, families of printed characters, and textures: tasks that need no download."""

from functools import lru_cache, partial

import numpy as np
import torch

from tlkit import tasks
from tlkit.errors import UserError, unknown
from tlkit.tasks import Items, Task, array_items, classification
from tlkit_lessons import material

# The file does not name the writers. The bounds are those of Inria's scikit-learn MOOC ("Sample grouping"),
# and each run of digits between two of them is assumed to be one writer. The description of the data set
# speaks of 13 people, the bounds give 14 groups; who wrote which was not published.
WRITERS = (0, 130, 256, 386, 516, 646, 776, 915, 1029, 1157, 1287, 1415, 1545, 1667, 1797)
TRAIN_WRITERS = 8  # of 14: about 100 training images a digit; six writers are held out
FAMILY_SIZE = 80  # images per class and side of the split in a procedural family
SHIFTS = ((0, 1), (0, -1), (1, 0), (-1, 0))  # by a pixel, of eight a side
NOISE = 0.15  # standard deviation of the grey noise on shifted digits, whose strokes have brightness 1


def digits(split: str = "writer") -> Task:
    """1,797 handwritten digits, 1 x 8 x 8 in [0, 1] (scikit-learn's; Alpaydin & Kaynak 1998).

    split: "writer" tests on six writers (assumed) who wrote no training image; "shifted" is the same with
    every test image shifted by a pixel and noisy; "random" mixes all writers, which overestimates accuracy.
    Raises UserError for another.
    """
    if split not in ("writer", "shifted", "random"):
        raise unknown("split of the digits", split, ("writer", "shifted", "random"))
    from sklearn.datasets import load_digits

    bunch = load_digits()
    inputs = torch.tensor(bunch.images / 16, dtype=torch.float32)[:, None]
    writer = np.digitize(np.arange(len(inputs)), WRITERS[1:])
    train = writer < TRAIN_WRITERS
    if split == "random":
        train = np.random.default_rng(0).permutation(len(inputs)) < WRITERS[TRAIN_WRITERS]
    elif split == "shifted":
        inputs[~train] = _moved(inputs[~train])
    groups = [f"writer {w}" for w in writer] if split != "random" else ()
    name = "digits" if split == "writer" else f"digits-{split}"
    card = {
        "title": "Handwritten digits",
        "licence": "CC BY 4.0",
        "split": split,
        "source_overlap": "none: no backbone of ours saw a digit",
    }
    return _task(name, inputs, bunch.target, train, [str(d) for d in range(10)], groups, card)


def _moved(images: torch.Tensor) -> torch.Tensor:
    """Each image shifted by a pixel, padded with black, with grey noise; the same on every machine."""
    rng = np.random.default_rng(0)
    found = torch.zeros_like(images)
    for image, moved, side in zip(images, found, rng.integers(len(SHIFTS), size=len(images)), strict=True):
        down, right = SHIFTS[side]
        padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
        moved += padded[:, 1 - down : 9 - down, 1 - right : 9 - right]
    noise = torch.tensor(rng.normal(0, NOISE, found.shape), dtype=torch.float32)
    return (found + noise).clamp(0, 1)


def grains() -> Task:
    """Ten textures, unlike any character."""
    images, labels = material.textures(2 * FAMILY_SIZE, seed=0)
    train = np.arange(len(labels)) % 2 == 0
    card = {"title": "Textures", "licence": "MIT", "split": "random", "source_overlap": "none"}
    return _task("textures", torch.as_tensor(images), labels, train, list(material.TEXTURES), (), card)


def family(alphabet: str, seed: int = 0) -> Task:
    """Printed characters of one alphabet, distorted like handwriting; no test font is in training."""
    drawn = material.glyphs(alphabet, 2 * FAMILY_SIZE, seed)
    fonts = np.asarray(drawn.fonts)
    order = np.unique(fonts)
    train = np.isin(fonts, order[::2])
    inputs = torch.as_tensor(drawn.images)
    groups = [f"font {f}" for f in fonts]
    card = {"title": f"Printed {alphabet}", "licence": "MIT", "split": "font", "source_overlap": "the fonts"}
    return _task(
        f"glyphs:{alphabet}", inputs, np.asarray(drawn.labels), train, list(drawn.classes), groups, card
    )


@lru_cache(maxsize=4)
def dialled(kind: str, similarity: float) -> Task:
    """A dial of `simulate` at one similarity; no test font is in training.

    Raises UserError for an unknown kind or a similarity outside 0 ... 1.
    """
    drawn = material.dial(kind, similarity, 2 * FAMILY_SIZE, seed=0)
    train = np.isin(drawn.fonts, np.unique(drawn.fonts)[::2])
    changes = material.DIALS[kind].changes
    overlap = "the letters and the fonts" if changes == "domain" else "the images: letters and fonts"
    card = {
        "title": f"Letters, another {changes}: {kind} at {similarity:g}",
        "licence": "MIT",
        "split": "font",
        "source_overlap": f"{overlap}, where the source is a letters network",
        "what_changes": material.DIALS[kind].how,
    }
    groups = [f"font {f}" for f in drawn.fonts]
    name = f"dial:{kind}:{similarity:g}"
    return _task(name, torch.as_tensor(drawn.images), drawn.labels, train, drawn.classes, groups, card)


def _task(
    name: str,
    inputs: torch.Tensor,
    targets: np.ndarray,
    train: np.ndarray,
    classes: list[str],
    groups,
    card: dict,
) -> Task:
    def side(mask: np.ndarray) -> tuple[Items, np.ndarray]:
        chosen = np.flatnonzero(mask)
        mine = [groups[i] for i in chosen] if len(groups) else ()
        return array_items(inputs[chosen], name, mine), targets[chosen].astype(np.int64)

    (train_items, train_targets), (test_items, test_targets) = side(train), side(~train)
    objective, card = classification(len(classes)), {"backbone": "letters"} | card
    sides = train_items, train_targets, test_items, test_targets
    return Task(name, objective, *sides, tuple(classes), card, reader="picture")


MARKED = ("0", "0.5")  # similarities listed, of all that exist; at 1 all dials are one task


def register() -> None:
    """Register these tasks by name; the entry point of this package."""
    tasks.register("digits", digits)
    tasks.register("digits-random", partial(digits, "random"))
    tasks.register("digits-shifted", partial(digits, "shifted"))
    tasks.register("textures", grains)
    tasks.register("glyphs:", _family, [f"glyphs:{alphabet}" for alphabet in material.SIBLINGS])
    dials = [f"dial:{kind}:{similarity}" for kind in material.DIALS for similarity in MARKED]
    tasks.register("dial:", _dial, dials)


def _family(alphabet: str) -> Task:
    if alphabet not in material.ALPHABETS:
        raise unknown("alphabet", alphabet, material.ALPHABETS)
    return family(alphabet)


def _dial(text: str) -> Task:
    """`noise:0.50` is the task `noise:0.5`. Raises UserError for a dial without a number."""
    kind, _, similarity = text.partition(":")
    try:
        similarity = f"{float(similarity):g}"
    except ValueError:
        raise UserError(
            f"task 'dial:{text}': give a dial's kind and its similarity from 0 to 1, as in dial:noise:0.5."
        ) from None
    return dialled(kind, float(similarity))
