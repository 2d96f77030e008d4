"""From a picture to what a network trained on photographs expects."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from tlkit.backbones.weights import timm_settings
from tlkit.errors import UserError

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and sd of RGB in [0, 1], torchvision's


@dataclass(frozen=True)
class View:
    """Shorter side to `size` pixels, centre square, RGB in [0, 1], (x - mean) / std. Its `str` is its key."""

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def from_card(cls, card: dict, size: int | None, library: str, name: str) -> "View":
        """The view of a card, else the library's; an explicit `size` wins. Raises UserError if it is bad."""
        mean, std, native = *IMAGENET, 224
        if card:
            mean, std, native = card.get("mean", mean), card.get("std", std), card.get("input", native)
        elif library == "timm":
            known = timm_settings(name)
            if known:
                mean, std, native = known.mean, known.std, known.input_size[-1]
        size = native if size is None else size
        if not isinstance(size, int) or size < 8:
            raise UserError(f"size={size} is no picture size: give a whole number of pixels, 8 or more.")
        return cls(size, tuple(mean), tuple(std))

    def __call__(self, raw: Any) -> torch.Tensor:
        """One item (a PIL image, or a C x H x W tensor in [0, 1]) to 3 x size x size."""
        if isinstance(raw, Image.Image):
            raw = self._square(raw.convert("RGB"))
            tensor = torch.from_numpy(np.asarray(raw, dtype=np.float32).transpose(2, 0, 1) / 255)
        else:
            whole = raw.expand(3, -1, -1)[None]
            tensor = F.interpolate(whole, (self.size, self.size), mode="bilinear", antialias=True)[0]
        shape = (3, 1, 1)
        return (tensor - torch.tensor(self.mean).view(shape)) / torch.tensor(self.std).view(shape)

    def _square(self, picture: Image.Image) -> Image.Image:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        box = (left, top, left + side, top + side)
        return picture.resize((self.size, self.size), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
