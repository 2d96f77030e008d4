"""The folder of pictures that all contestants read: train/CLASS/* and valid/CLASS/*, equally many a class."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from tlkit_lessons import downloads

SET = "hymenoptera"
TRAIN, VALID = 50, 20  # pictures a class, as many as that set has
WIDTH, HEIGHT = 400, 300  # of a picture that is made


def folder(work: Path, train: int = TRAIN, valid: int = VALID) -> tuple[Path, str]:
    """(folder, what it holds): copies of the first files of hymenoptera where it is there, else made ones."""
    root, real = work / "pictures", downloads.cache_dir() / SET
    for side, count in (("train", train), ("valid", valid)):
        if (real / side).is_dir():
            copied(real / side, root / side, count)
        else:
            made(root / side, count, 0 if side == "train" else 1)
    return root, SET if (real / "train").is_dir() else "made textures, on which accuracies mean nothing"


def copied(source: Path, target: Path, count: int) -> None:
    """The first `count` pictures of every class, by name."""
    for each in sorted(p for p in source.iterdir() if p.is_dir()):
        (target / each.name).mkdir(parents=True)
        for file in sorted(p for p in each.iterdir() if not p.name.startswith("."))[:count]:
            shutil.copyfile(file, target / each.name / file.name)


def made(target: Path, count: int, seed: int) -> None:
    """`count` JPEGs a class of coloured gratings, of few and of many lines, in noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH] / HEIGHT
    for name, lines in (("coarse", 4), ("fine", 12)):
        (target / name).mkdir(parents=True)
        for number in range(count):
            angle, phase = rng.uniform(0, np.pi, 2)
            wave = np.sin(2 * np.pi * lines * (x * np.cos(angle) + y * np.sin(angle)) + 2 * phase)
            colour = rng.uniform(0.3, 1, 3)
            noisy = 128 + 70 * wave[..., None] * colour + rng.normal(0, 25, (HEIGHT, WIDTH, 3))
            picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
            picture.save(target / name / f"{number:03d}.jpg", quality=90)
