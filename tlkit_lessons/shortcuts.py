"""Shortcuts: single numbers of an image, none of them about its content, that already separate two classes.

Found before any training, on the training images alone. A number that separates proves nothing by itself;
it says where to look.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.metrics import roc_auc_score

from tlkit.errors import UserError
from tlkit.tasks import Task

DRAWS = 400  # of groups, with replacement
CORNER, EDGE = 0.2, 0.06  # shares of the sides
FLAGGED = 0.7  # AUROC below which a number alone is no worry


@dataclass(frozen=True)
class Suspect:
    """A number of an image, and how well it alone separates: AUROC, 0.5 or more, and its interval."""

    name: str
    auroc: float
    low: float
    high: float

    @property
    def flagged(self) -> bool:
        """Whether the whole interval is above FLAGGED."""
        return self.low > FLAGGED


def suspects(task: Task, seed: int = 0) -> list[Suspect]:
    """Every number that differs between images, the most suspicious first; training images alone.

    The intervals come from drawing whole groups (patients) anew, and are corrected for how many numbers are
    tried (Bonferroni, 95 % together). Raises UserError for a task of other than two classes.
    """
    if len(task.classes) != 2:
        raise UserError(
            f"task {task.name!r} has {len(task.classes)} classes: shortcuts are sought between two."
        )
    rows = [_numbers(image, name) for image, name in zip(task.train.inputs, task.train.names, strict=True)]
    values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    values = {name: found for name, found in values.items() if np.ptp(found) > 0}
    targets = np.asarray(task.targets)
    groups = np.array(task.train.groups or task.train.names)
    found = [_suspect(name, value, targets, groups, len(values), seed) for name, value in values.items()]
    return sorted(found, key=lambda one: -one.auroc)


def _suspect(
    name: str, values: np.ndarray, targets: np.ndarray, groups: np.ndarray, tried: int, seed: int
) -> Suspect:
    whole = roc_auc_score(targets, values)
    turned = -values if whole < 0.5 else values
    rng, owners = np.random.default_rng(seed), np.unique(groups)
    rows = {owner: np.flatnonzero(groups == owner) for owner in owners}
    drawn = []
    while len(drawn) < DRAWS:
        at = np.concatenate([rows[owner] for owner in rng.choice(owners, len(owners))])
        if 0 < targets[at].sum() < len(at):
            drawn.append(roc_auc_score(targets[at], turned[at]))
    ends = np.quantile(drawn, (0.025 / tried, 1 - 0.025 / tried))
    return Suspect(name, float(max(whole, 1 - whole)), *map(float, ends))


def _numbers(image: Image.Image, name: str) -> dict[str, float]:
    grey = np.asarray(image.convert("L"), dtype=float) / 255
    file = Path(name)
    down, right = (abs(np.diff(grey, axis=axis)).mean() for axis in (0, 1))
    return {
        "bytes of the file": float(file.stat().st_size) if file.is_file() else 0.0,
        "width": float(image.width),
        "width over height": image.width / image.height,
        "colours": float(len(image.getbands())),
        "brightness": grey.mean(),
        "contrast": grey.std(),
        "brightness of the border": _border(grey),
        "fine detail, across over down": right / max(down, 1e-9),
        **{f"brightest point, {where}": corner.max() for where, corner in _corners(grey).items()},
    }


def _border(grey: np.ndarray) -> float:
    edge = max(1, round(EDGE * min(grey.shape)))
    inner = np.zeros(grey.shape, bool)
    inner[edge:-edge, edge:-edge] = True
    return float(grey[~inner].mean())


def _corners(grey: np.ndarray) -> dict[str, np.ndarray]:
    height, width = (max(1, round(CORNER * side)) for side in grey.shape)
    return {
        "upper left": grey[:height, :width],
        "upper right": grey[:height, -width:],
        "lower left": grey[-height:, :width],
        "lower right": grey[-height:, -width:],
    }


def table(found: list[Suspect], most: int = 5) -> list[str]:
    """The first `most` as lines of text."""
    return [
        f"{s.name:<32}{s.auroc:.2f} [{s.low:.2f}, {s.high:.2f}]{'  flagged' * s.flagged}"
        for s in found[:most]
    ]
