"""Augmentation as a numbered list of views: each can be computed once and kept, like the items themselves."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch

from tlkit.errors import UserError, unknown
from tlkit.tasks import Items

_VERSION = 1  # raise it when a view of the same number comes out otherwise
Augment = Callable[[Any], Any]


def names() -> list[str]:
    """The augmentations there are."""
    return list(_MAKERS)


def augmented(items: Items, augmentation: str, number: int) -> Items:
    """The same items as they look in view `number` (1, 2, ...); 0 is the items as they are.

    "photo": a crop of 35 to 100 % of the area (Szegedy et al. 2015, arXiv:1409.4842) and a mirror image in
    every second one, for pictures. "shift": turned by up to 10 degrees, moved by up to a tenth, up to a tenth
    larger or smaller, for small tensors. What is drawn depends on the item's content and the number alone, so
    a view is the same in every run and in every process. Raises UserError for an unknown name or a number
    below 0.
    """
    if number == 0:
        return items
    if number < 0:
        raise UserError(f"view {number}: views are numbered from 0, the item as it is.")
    if augmentation not in _MAKERS:
        raise unknown("augmentation", augmentation, _MAKERS)
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
            return _maker(self.augmentation)(self.inputs[i])


def _photo() -> Augment:
    from torchvision.transforms import v2
    from torchvision.transforms.v2 import functional

    mirror = v2.RandomHorizontalFlip()

    def augment(picture: Any) -> Any:
        box = v2.RandomResizedCrop.get_params(picture, scale=(0.35, 1.0), ratio=(3 / 4, 4 / 3))
        return mirror(functional.crop(picture, *box))

    return augment


def _shift() -> Augment:
    from torchvision.transforms import v2

    smooth = v2.InterpolationMode.BILINEAR
    return v2.RandomAffine(degrees=10, translate=(0.1, 0.1), scale=(0.9, 1.1), interpolation=smooth)


_MAKERS: dict[str, Callable[[], Augment]] = {"photo": _photo, "shift": _shift}


@lru_cache(maxsize=8)
def _maker(name: str) -> Augment:
    return _MAKERS[name]()
