"""Detection: boxes around objects and their classes, scored by mean average precision."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import default_collate

from tlkit.errors import UserError
from tlkit.tasks.metrics import Metric
from tlkit.tasks.objective import Objective

Boxes = dict[str, np.ndarray]  # boxes: n x 4 (x0, y0, x1, y1); labels: n whole numbers; found ones: scores: n


def detection(classes: int, delta: float = 0.02) -> Objective:
    """Detection of `classes` classes: the head, losses and predictions of a detector.

    Targets are a list, for each item a dictionary: `boxes`, n x 4 (x0, y0, x1, y1) in shares of the image's
    sides, and `labels`, n class numbers from 0; n may be 0. Predictions have the same form, and `scores`. It
    needs a backbone that makes such heads (`detection:NAME`). delta: of the mean average precision.
    """

    def head(features: Any, pool: nn.Module) -> nn.Module:
        if not hasattr(pool, "head"):
            raise UserError("this backbone is no detector: give one, such as detection:fcos_resnet50_fpn.")
        return pool.head(classes)

    return Objective(
        name="detection",
        head=head,
        loss=lambda output, targets: sum(output(targets).values()),
        decode=lambda output: [{key: tensor.numpy() for key, tensor in one.items()} for one in output],
        metrics={"mAP": Metric("mAP", mean_average_precision, "higher", delta, chance=lambda targets: 0.0)},
        collate=_collate,
        decoder=f"boxes:{classes}",
    )


def _collate(pairs: list) -> tuple[Any, list]:
    return default_collate([inputs for inputs, _ in pairs]), [target for _, target in pairs]


def mean_average_precision(found: Sequence[Boxes], targets: Sequence[Boxes], overlap: float = 0.5) -> float:
    """The mean over the targets' classes of the area under precision over recall; 0 where there is none.

    A detection is correct where its intersection over union with a target box of its class is at least
    `overlap` and no detection of higher score has matched that box (Everingham et al. 2010, with all points
    of the curve; COCO's matching).
    """
    classes = sorted({int(label) for one in targets for label in np.asarray(one["labels"]).reshape(-1)})
    areas = [_average_precision(found, targets, label, overlap) for label in classes]
    return float(np.mean(areas)) if areas else 0.0


def _average_precision(found: Sequence[Boxes], targets: Sequence[Boxes], label: int, overlap: float) -> float:
    scores, hits, wanted = [], [], 0
    for one, target in zip(found, targets, strict=True):
        mine, theirs = np.asarray(one["labels"]) == label, np.asarray(target["labels"]) == label
        order = np.argsort(-one["scores"][mine], kind="stable")
        true = np.asarray(target["boxes"]).reshape(-1, 4)[theirs]
        scores.append(one["scores"][mine][order])
        hits.append(_right(one["boxes"][mine][order], true, overlap))
        wanted += len(true)
    right = np.concatenate(hits)[np.argsort(-np.concatenate(scores), kind="stable")]
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    at_least = np.maximum.accumulate(precision[::-1])[::-1]  # at this recall or higher
    return float(at_least[right].sum() / wanted)


def _right(boxes: np.ndarray, true: np.ndarray, overlap: float) -> np.ndarray:
    """For each box, highest score first, whether it is correct; n booleans."""
    from torchvision.ops import box_iou

    shared = box_iou(torch.as_tensor(boxes).double(), torch.as_tensor(true).double()).numpy()
    right = np.zeros(len(boxes), dtype=bool)
    for row, of_box in enumerate(shared):
        if len(true) and of_box.max() >= overlap:
            right[row] = True
            shared[:, of_box.argmax()] = 0  # matched
    return right
