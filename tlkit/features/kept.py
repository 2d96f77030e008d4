"""Rows of activations on disk: computed once, block by block, whoever asks first and in whatever order."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch.utils._pytree import tree_flatten, tree_unflatten

from tlkit.cache.folders import require_writable
from tlkit.errors import UserError

# Items are always computed in the same company: a batch of another size gives other last digits.
BLOCK = 8
SYNC = 4  # blocks between two waits for the disk


class Kept:
    """A pytree of N x ... arrays in a folder: sparse .npy files, and a mask of the blocks that are filled.

    like: a batch of one, for the structure; compute: rows (a range) to a batch of them.
    """

    def __init__(self, folder: Path, rows: int, like: Any, compute: Callable[[range], Any]):
        self.folder, self.rows, self.compute = folder, rows, compute
        leaves, self.tree = tree_flatten(like)
        arrays = {f"leaf{i}.npy": (rows, leaf.shape[1:], leaf.numpy().dtype) for i, leaf in enumerate(leaves)}
        self.layout = arrays | {"done.npy": (-(-rows // BLOCK), (), np.dtype(bool))}
        self.maps = self._open()

    def take(self, indices: np.ndarray) -> Any:
        """The rows of `indices`, in that order, as tensors; computed first where they are not there yet."""
        blocks = np.unique(indices // BLOCK)
        if self.maps is None or not self.maps[-1][blocks].all():
            self._fill(blocks)
        rows = [torch.from_numpy(np.ascontiguousarray(leaf[indices])) for leaf in self.maps[:-1]]
        return tree_unflatten(rows, self.tree)

    def _open(self) -> list[np.memmap] | None:
        """The arrays, the mask last; None where one is absent, damaged or of another layout."""
        maps = []
        for name, (rows, shape, dtype) in self.layout.items():
            try:
                array = np.lib.format.open_memmap(self.folder / name, mode="r")
            except (OSError, ValueError, EOFError):
                return None
            if array.shape != (rows, *shape) or array.dtype != dtype:
                return None
            maps.append(array)
        return maps

    def _create(self) -> None:
        (self.folder / "done.npy").unlink(missing_ok=True)  # first: a mask must never stand by new arrays
        for name, (rows, shape, dtype) in self.layout.items():
            part = self.folder / f"{name}.part"
            np.lib.format.open_memmap(part, mode="w+", dtype=dtype, shape=(rows, *shape)).flush()
            os.replace(part, self.folder / name)

    def _fill(self, blocks: np.ndarray) -> None:
        with self._locked():
            self.maps = self._open()
            if self.maps is None:
                with self._written():
                    self._create()
                self.maps = self._open()
            missing = blocks[~self.maps[-1][blocks]]
            for first in range(0, len(missing), SYNC):
                self._fill_some(missing[first : first + SYNC])
            self.maps = self._open()

    def _fill_some(self, blocks: np.ndarray) -> None:
        parts: list[list] = [[] for _ in self.maps]
        for block in blocks:
            rows = range(block * BLOCK, min((block + 1) * BLOCK, self.rows))
            for part, leaf in zip(parts, tree_flatten(self.compute(rows))[0], strict=False):
                part.append((rows.start, leaf.numpy()))
            parts[-1].append((block, np.array([True])))
        with self._written():
            # the mask last: a kill, or a loss of power, leaves rows to do again, never wrong ones
            for name, array, part in zip(self.layout, self.maps, parts, strict=True):
                _write(self.folder / name, array, part)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._written():
            require_writable(self.folder)
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / "lock")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

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
