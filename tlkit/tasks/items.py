"""Raw inputs with what identifies them, and hashes by content."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch.utils.data import Subset


@dataclass(frozen=True)
class Items:
    """Raw inputs with what identifies them. `inputs[i]` is a tensor or a picture; `names[i]` says which.

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
    inputs: torch.Tensor, name: str, groups: Sequence[str] = (), times: Sequence[Any] = ()
) -> Items:
    """Items held in one tensor, first axis the items; named `name 0`, `name 1`, ..."""
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
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
