"""The labelled items of one descent, as its first trained stage sees them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves, tree_map

IN_MEMORY = 2**26  # bytes; what is larger is read from the disk batch by batch

Read = Callable[[np.ndarray], Any]


class Batches:
    """N items of one or more views: `take` gives a batch, `turn` begins the next pass.

    views: for each view, positions (in 0 ... N - 1) to a batch of them, a pytree of tensors. In every pass an
    item shows one view, in the next pass the next one; which comes first is drawn from `seed`.
    """

    def __init__(self, count: int, views: Sequence[Read], seed: int = 0):
        self.count, self.views, self.passes = count, tuple(views), 0
        self.first = np.random.default_rng(seed).integers(len(self.views), size=count)

    @classmethod
    def of(cls, batch: Any) -> "Batches":
        """Batches that lie in memory, a pytree of N x ... tensors."""
        return cls(len(tree_leaves(batch)[0]), [lambda at: tree_map(lambda leaf: leaf[at], batch)])

    @classmethod
    def read(cls, views: Sequence[Read], items: np.ndarray, row_bytes: int, seed: int = 0) -> "Batches":
        """Batches of the items numbered `items`; views: item numbers to a batch of activations.

        Read at once where all of them take less than IN_MEMORY bytes, of `row_bytes` each, else in batches.
        """
        if len(items) * len(views) * row_bytes <= IN_MEMORY:
            return cls(len(items), [cls.of(view(items)).views[0] for view in views], seed)
        return cls(len(items), [lambda at, view=view: view(items[at]) for view in views], seed)

    def __len__(self) -> int:
        return self.count

    def turn(self) -> None:
        """Begin another pass."""
        self.passes += 1

    def take(self, positions: Sequence[int]) -> Any:
        """A batch of the items at `positions`, in that order."""
        at = np.asarray(positions)
        if len(self.views) == 1:
            return self.views[0](at)
        which = (self.first[at] + self.passes) % len(self.views)
        parts = [(np.flatnonzero(which == v), self.views[v]) for v in np.unique(which)]
        order = torch.from_numpy(np.argsort(np.concatenate([there for there, _ in parts])))
        batches = [view(at[there]) for there, view in parts]
        return tree_map(lambda *leaves: torch.cat(leaves)[order], *batches)
