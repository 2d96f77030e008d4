"""Augmentation as a numbered list of views: each can be computed once and kept, like the items themselves."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from tlkit.tasks import Items

_VERSION = 1  # raise it when a view of the same number comes out otherwise


def augmented(items: Items, augmentation: str, number: int) -> Items:
    """The same items as they look in view `number` (1, 2, ...); 0 is the items as they are.

    "photo": a crop of 35 to 100 % of the area (Szegedy et al. 2015, arXiv:1409.4842) and a mirror image in
    every second one, for pictures. "shift": turned by up to 10 degrees, moved by up to a tenth, up to a tenth
    larger or smaller, for small tensors. What is drawn depends on the item's content and the number alone, so
    a view is the same in every run and in every process.
    """
    if number == 0:
        return items
    digests = tuple(f"{digest}-{augmentation}{_VERSION}-{number}" for digest in items.digests)
    return replace(items, inputs=_Seen(items.inputs, digests, augmentation), digests=digests)


@dataclass(frozen=True)
class _Seen(Sequence):
    inputs: Sequence[Any]
    digests: tuple[str, ...]
    augmentation: str

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, i: int) -> Any:
        seed = int(hashlib.sha256(self.digests[i].encode()).hexdigest()[:15], 16)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return AUGMENTATIONS[self.augmentation](self.inputs[i])


def _photo(picture: Any) -> Any:
    from torchvision.transforms import v2

    box = v2.RandomResizedCrop.get_params(picture, scale=(0.35, 1.0), ratio=(3 / 4, 4 / 3))
    return v2.RandomHorizontalFlip()(v2.functional.crop(picture, *box))


def _shift(picture: torch.Tensor) -> torch.Tensor:
    from torchvision.transforms import v2

    smooth = v2.InterpolationMode.BILINEAR
    turn = v2.RandomAffine(degrees=10, translate=(0.1, 0.1), scale=(0.9, 1.1), interpolation=smooth)
    return turn(picture)


AUGMENTATIONS: dict[str, Callable[[Any], Any]] = {"photo": _photo, "shift": _shift}
