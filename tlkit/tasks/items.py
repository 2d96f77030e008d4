"""Raw inputs with what identifies them, and hashes by content.

Augmentation is a numbered list of views: each can be computed once and kept, like the items themselves.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch.utils.data import Subset

_VIEWS = 1  # raise it when a view of the same number comes out otherwise


class Made(Sequence):
    """What `make` makes of each key, when it is asked for."""

    def __init__(self, make: Callable[[Any], Any], keys: Sequence[Any]):
        self.make, self.keys = make, keys

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, i: int) -> Any:
        return self.make(self.keys[i])


@dataclass(frozen=True)
class Items:
    """Raw inputs with what identifies them. `inputs[i]` is a tensor or an image; `names[i]` says which.

    digests: a content hash an item, by which leaks across a split are found. groups: who or what each item is
    of (a writer, a board), or nothing. times: when each was, in any kind that can be compared, or nothing; a
    task whose items have them is split by time.
    """

    inputs: Sequence[Any]
    names: Sequence[str]
    digests: tuple[str, ...]
    groups: tuple[str, ...] = ()
    times: Sequence[Any] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", tuple(self.times))  # a column of a table goes by its index

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        few = ", ".join(map(str, self.names[:3]))
        return f"Items({len(self)}: {few}{', …' if len(self) > 3 else ''})"

    @cached_property
    def digest(self) -> str:
        """Content hash of all items, in their order."""
        return digest_of(*self.digests)

    def at(self, rows: Sequence[int]) -> "Items":
        """Those at some positions; what is read from files is read when asked for, as before."""
        inputs = self.inputs[rows] if torch.is_tensor(self.inputs) else Subset(self.inputs, rows)
        known = self.names, self.digests, self.groups, self.times
        return Items(inputs, *(tuple(kept[int(i)] for i in rows) if len(kept) else () for kept in known))


def array_items(
    inputs: torch.Tensor | np.ndarray, name: str, groups: Sequence[str] = (), times: Sequence[Any] = ()
) -> Items:
    """Items held in one array, first axis the items; named `name 0`, `name 1`, ..."""
    inputs = torch.as_tensor(inputs)
    digests = tuple(hashlib.sha256(row.numpy().tobytes()).hexdigest()[:16] for row in inputs)
    return Items(inputs, [f"{name} {i}" for i in range(len(inputs))], digests, tuple(groups), times)


def content_digest(targets: Any) -> str:
    """A hash of targets by content, those of an array of objects or a list one by one."""
    if isinstance(targets, dict):
        return digest_of(
            *(part for key in sorted(targets) for part in (str(key), content_digest(targets[key])))
        )
    if isinstance(targets, list | tuple) and any(np.ndim(one) or isinstance(one, dict) for one in targets):
        return digest_of(str(len(targets)), *map(content_digest, targets))
    array = np.ascontiguousarray(np.asarray(targets))
    if array.dtype.hasobject and array.ndim:
        return digest_of(str(array.shape), *map(content_digest, array.flat))
    return digest_of(str(array.shape), str(array) if array.dtype.hasobject else array.tobytes().hex())


def digest_of(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode(errors="surrogatepass")).hexdigest()[:16]


def augmented(items: Items, augmentation: str, number: int) -> Items:
    """The same items as they look in view `number` (1, 2, ...); 0 is the items as they are.

    "photo": a crop of 35 to 100 % of the area (Szegedy et al. 2015, arXiv:1409.4842) and a mirror image in
    every second one, for images. "shift": turned by up to 10 degrees, moved by up to a tenth, up to a tenth
    larger or smaller, for small tensors. What is drawn depends on the item's content and the number alone, so
    a view is the same in every run and in every process.
    """
    if number == 0:
        return items
    digests = tuple(f"{digest}-{augmentation}{_VIEWS}-{number}" for digest in items.digests)
    view = partial(_view, items.inputs, digests, AUGMENTATIONS[augmentation])
    return replace(items, inputs=Made(view, range(len(items))), digests=digests)


def _view(inputs: Sequence[Any], digests: tuple[str, ...], augment: Callable[[Any], Any], i: int) -> Any:
    seed = int(hashlib.sha256(digests[i].encode()).hexdigest()[:15], 16)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return augment(inputs[i])


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
