"""Rows of activations on disk: computed once, block by block, whoever asks first and in whatever order."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from tlkit import files
from tlkit.errors import UserError
from tlkit.features import budget

# Items are always computed in the same company: a batch of another size gives other last digits.
BLOCK = 8
# what numpy raises for a file that is absent, cut off or of other bytes
DAMAGED = (
    OSError, ValueError, EOFError, SyntaxError, TokenError, TypeError, LookupError, MemoryError,
    ArithmeticError,
)  # fmt: skip
SYNC = 4  # blocks between two waits for the disk


# what this process has done so far; rows that are not kept were computed for want of room
CACHE_STATS = {"prefix_seconds": 0.0, "rows_computed": 0, "rows_not_kept": 0, "rows_read": 0}


class ActivationCache:
    """A pytree of N x ... arrays in a folder: sparse .npy files, and a mask of the blocks that are filled.

    like: a batch of one, for the structure; compute: rows to a batch of them.
    """

    def __init__(self, folder: Path, rows: int, like: Any, compute: Callable[[Sequence[int]], Any]):
        self.folder, self.rows, self._run = folder, rows, compute
        leaves, self.tree = tree_flatten(like)
        self.row_bytes = sum(leaf[0].nbytes for leaf in leaves)
        arrays = {f"leaf{i}.npy": (rows, leaf.shape[1:], leaf.numpy().dtype) for i, leaf in enumerate(leaves)}
        self.layout = arrays | {"done.npy": (-(-rows // BLOCK), (), np.dtype(bool))}
        self.maps = self._open()
        if self.maps:
            budget.opened(folder)

    def take(self, indices: np.ndarray) -> Any:
        """The rows of `indices`, in that order, as tensors; computed first where they are not there yet.

        What the budget has no room for is computed and not kept: equal to what would have been but for the
        last digits, since its batch is another.
        """
        if self.maps is None or not self.maps[-1][indices // BLOCK].all():
            self._fill(np.unique(indices // BLOCK))
        there = self.maps[-1][indices // BLOCK]
        CACHE_STATS["rows_read"] += int(there.sum())
        rows = [np.ascontiguousarray(leaf[indices]) for leaf in self.maps[:-1]]
        if not there.all():
            CACHE_STATS["rows_not_kept"] += int((~there).sum())
            for row, now in zip(rows, self._compute(indices[~there]), strict=True):
                row[~there] = now
        return tree_unflatten(map(torch.from_numpy, rows), self.tree)

    def _compute(self, rows: Sequence[int]) -> list[np.ndarray]:
        began = time.perf_counter()
        leaves = [leaf.numpy() for leaf in tree_flatten(self._run(rows))[0]]
        CACHE_STATS["prefix_seconds"] += time.perf_counter() - began
        CACHE_STATS["rows_computed"] += len(rows)
        return leaves

    def _open(self) -> list[np.memmap] | None:
        """The arrays, the mask last; None where one is absent, damaged or of another layout."""
        maps = []
        for name, (rows, shape, dtype) in self.layout.items():
            try:
                array = np.lib.format.open_memmap(self.folder / name, mode="r")
            except DAMAGED:
                return None
            if array.shape != (rows, *shape) or array.dtype != dtype:
                return None
            maps.append(array)
        return maps

    def _create(self) -> None:
        (self.folder / "done.npy").unlink(missing_ok=True)  # first: a mask must never stand by new arrays
        for name, (rows, shape, dtype) in self.layout.items():
            with files.draft(self.folder / name) as part:
                np.lib.format.open_memmap(part, mode="w+", dtype=dtype, shape=(rows, *shape)).flush()

    def _fill(self, blocks: np.ndarray) -> None:
        with self._written():
            files.require_writable(self.folder)
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            locked = budget.lock(self.folder).acquire()
        with locked:
            with self._written():
                self.folder.mkdir(exist_ok=True)
                if self._open() is None:
                    self._create()
            self.maps = self._open()
            missing = blocks[~self.maps[-1][blocks]]
            room = budget.room(self.folder, len(missing) * BLOCK * self.row_bytes)
            missing = missing[: room // (BLOCK * self.row_bytes)]
            for first in range(0, len(missing), SYNC):
                self._fill_some(missing[first : first + SYNC])
            self.maps = self._open()

    def _fill_some(self, blocks: np.ndarray) -> None:
        parts: list[list] = [[] for _ in self.maps]
        for block in blocks:
            rows = range(block * BLOCK, min((block + 1) * BLOCK, self.rows))
            for part, leaf in zip(parts, self._compute(rows), strict=False):
                part.append((rows.start, leaf))
            parts[-1].append((block, np.array([True])))
        with self._written():
            # the mask last: a kill, or a loss of power, leaves rows to do again, never wrong ones
            for name, array, part in zip(self.layout, self.maps, parts, strict=True):
                _write(self.folder / name, array, part)

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"the folder for computed features {self.folder} cannot be written ({error.strerror}): "
                "free some space there or point TLKIT_COMPUTED at another folder."
            ) from error


def _write(path: Path, array: np.memmap, parts: list[tuple[int, np.ndarray]]) -> None:
    """Put rows into a file where `array` maps them: unlike a store into the map, a full disk is an error."""
    size = array.dtype.itemsize * int(np.prod(array.shape[1:]))
    with open(path, "r+b") as file:
        for row, values in parts:
            file.seek(array.offset + int(row) * size)
            file.write(np.ascontiguousarray(values).tobytes())
        file.flush()
        os.fsync(file.fileno())
