"""Plain torch: the loop of PyTorch's tutorial on transfer learning, and one pass over the pictures."""

from pathlib import Path

import numpy as np
import timm  # noqa: F401 (imports are not what is measured)
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder

from benchmarks.networks import Look, classifier, described, nobody, plain
from benchmarks.phases import Watch
from tlkit import env


def sides(folder: str, network: str, weights: str) -> tuple[ImageFolder, ImageFolder]:
    """The two sides of the folder; a picture is decoded whenever it is asked for."""
    view = described(network, weights).transform
    return ImageFolder(str(Path(folder) / "train"), view), ImageFolder(str(Path(folder) / "valid"), view)


def tutorial(
    watch: Watch, folder: str, network: str, weights: str, epochs: int, batch: int, look: Look = nobody,
) -> dict:  # fmt: skip
    """PyTorch's tutorial, the network as a fixed feature extractor: SGD on a new last layer.

    Its rates, its schedule and its train mode; written anew.
    """
    env.seed_everything(0)
    with watch("open"):
        train, valid = sides(folder, network, weights)
        shuffled, rest = DataLoader(train, batch, shuffle=True), DataLoader(valid, batch)
    with watch("build"):
        model = classifier(*plain(network, weights), len(train.classes), tuned=0)
        optimiser = torch.optim.SGD(model[1].parameters(), lr=1e-3, momentum=0.9)
        schedule = StepLR(optimiser, step_size=7, gamma=0.1)
    look(model)
    with watch("train"):
        for _ in range(epochs):
            model.train()
            for pictures, labels in shuffled:
                optimiser.zero_grad()
                F.cross_entropy(model(pictures), labels).backward()
                optimiser.step()
            schedule.step()
    with watch("validate"), torch.no_grad():
        model.eval()
        right = [(model(pictures).argmax(1) == labels).numpy() for pictures, labels in rest]
    look(model)
    score = float(np.concatenate(right).mean())
    return {"accuracy": score, "items": sizes(train, valid), "steps": epochs * len(shuffled)}


def one_pass(watch: Watch, folder: str, network: str, weights: str, batch: int) -> dict:
    """The floor: every picture decoded and run through the body once, in inference mode; nothing learnt."""
    with watch("open"):
        both = sides(folder, network, weights)
    with watch("build"):
        stages, pool, _ = plain(network, weights)
        body = nn.Sequential(*stages, pool).eval()
    with torch.inference_mode():
        for phase, side in zip(("train", "validate"), both, strict=True):
            with watch(phase):
                for pictures, _ in DataLoader(side, batch):
                    body(pictures)
    return {"items": sizes(*both), "steps": 0}


def sizes(train: Dataset, valid: Dataset) -> dict[str, int]:
    return {"train": len(train), "valid": len(valid)}
