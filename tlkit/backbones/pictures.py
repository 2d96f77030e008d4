"""From a picture to what a network trained on photographs expects."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from tlkit.errors import UserError

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and sd of RGB in [0, 1], torchvision's


@dataclass(frozen=True)
class View:
    """The centre square at `size` pixels a side, RGB in [0, 1], (x - mean) / std. Its `str` is its key.

    crop: of the shorter side. resample: how Pillow comes to that size, "bilinear" or "bicubic". whole: the
    whole picture, stretched to a square, so that shares of its sides mean the same before and after.
    """

    size: int = 224
    mean: tuple[float, ...] = IMAGENET[0]
    std: tuple[float, ...] = IMAGENET[1]
    crop: float = 1.0
    resample: str = "bilinear"
    whole: bool = False

    def __str__(self) -> str:
        """What differs from the defaults, and always what keys of records were made of."""
        always = ("size", "mean", "std")
        told = {f.name: getattr(self, f.name) for f in fields(self)}
        text = (f"{k}={v!r}" for k, v in told.items() if k in always or v != getattr(View, k))
        return f"View({', '.join(text)})"

    def told(self, card: dict, size: int | None) -> "View":
        """As a card says, where it does; an explicit `size` wins. Raises UserError if it is bad."""
        size = card.get("input", self.size) if size is None else size
        if not isinstance(size, int) or size < 8:
            raise UserError(f"size={size} is no picture size: give a whole number of pixels, 8 or more.")
        mean, std = (tuple(card.get(key, getattr(self, key))) for key in ("mean", "std"))
        return replace(self, size=size, mean=mean, std=std)

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
        how = Image.Resampling[self.resample.upper()]
        if self.whole:
            return picture.resize((self.size, self.size), how, reducing_gap=3.0)
        side = min(picture.size) * self.crop
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        box = (left, top, left + side, top + side)
        return picture.resize((self.size, self.size), how, box=box, reducing_gap=3.0)
