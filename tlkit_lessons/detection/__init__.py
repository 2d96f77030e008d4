"""Detection: torchvision's detectors as backbones, boxes as targets, and the output of a saved model."""

from collections.abc import Sequence

from tlkit import backbones
from tlkit.tasks.readers import DECODERS, Decoder, Told
from tlkit_lessons.detection.detectors import DETECTION
from tlkit_lessons.detection.objective import detection, mean_average_precision

__all__ = ["detection", "mean_average_precision", "register", "register_decoder"]


def register() -> None:
    """Register the detectors as `detection:NAME`; an entry point of this package."""
    backbones.register_library(DETECTION)


def register_decoder() -> None:
    """Register the output of a saved detector, its boxes; an entry point of this package."""
    DECODERS.register("boxes:", _detector, ["boxes:CLASSES"])


def boxes(output: list[dict], classes: Sequence[str], unit: str) -> Told:
    """Detections with a score of at least 0.5, from torchvision's output: boxes k x 4, labels k, scores k."""
    found = zip(*(output[0][name].tolist() for name in ("boxes", "labels", "scores")), strict=True)
    sure = [f"{classes[k]} {p:.2f} at {' '.join(f'{x:.4g}' for x in box)}" for box, k, p in found if p >= 0.5]
    return ", ".join(sure) or "nothing", None


def _detector(classes: str) -> Decoder:
    return Decoder(boxes, lambda pool, state: pool.head(int(classes)))
