"""The frozen prefix: run once, kept on disk, and probed by a solver."""

import copy
import os
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves, tree_map

from tlkit import env
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain
from tlkit.errors import UserError
from tlkit.features import budget
from tlkit.features.activation_cache import CACHE_STATS, ActivationCache
from tlkit.features.cut import BATCH, Cut, moved
from tlkit.features.probes import Probe, last_linear, probe
from tlkit.tasks import Items, Task

__all__ = [
    "BATCH", "CACHE_STATS", "Batches", "Cut", "Probe", "activations", "example", "last_linear", "moved",
    "probe", "reading", "room", "row_bytes", "with_head",
]  # fmt: skip
IN_MEMORY = 2**26  # bytes of a descent's items; what is larger is read from the disk batch by batch


def activations(at: Cut, items: Items, indices: np.ndarray) -> Any:
    """Activations of `items[indices]` at a cut: N x ..., computed at most once per item, weights and cut.

    Kept in `env.computed_dir()`, shared by processes and runs. Raises UserError where it is not writable.
    """
    folder = _root(os.environ.get("TLKIT_COMPUTED")) / f"{items.digest}-{at.key}"
    if folder not in _KEPT:
        while len(_KEPT) >= 16:  # open files, not memory, is what this bounds
            _KEPT.pop(next(iter(_KEPT)))
        run = lambda rows: at.run(items.inputs[i] for i in rows)  # noqa: E731
        _KEPT[folder] = ActivationCache(folder, len(items), example(at, items), run)
    return _KEPT[folder].take(np.asarray(indices))


class Batches:
    """N items of one or more views: `take` gives a batch, `turn` begins the next pass.

    views: for each view, positions (in 0 ... N - 1) to a batch of them, a pytree of tensors. In every pass an
    item shows one view, in the next pass the next one; which comes first is drawn from `seed`.
    """

    def __init__(self, count: int, views: Sequence[Callable[[np.ndarray], Any]], seed: int = 0):
        self.count, self.views, self.passes = count, tuple(views), 0
        self.first = np.random.default_rng(seed).integers(len(self.views), size=count)

    @classmethod
    def of(cls, batch: Any) -> "Batches":
        """Batches that lie in memory, a pytree of N x ... tensors."""
        return cls(len(tree_leaves(batch)[0]), [lambda at: tree_map(lambda leaf: leaf[at], batch)])

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


def reading(at: Cut, views: Sequence[Items], indices: np.ndarray, seed: int = 0) -> Batches:
    """The items `indices` at a cut, for a descent: in memory where they are few, else read batch by batch.

    views: the same items as they look in each view; without augmentation just the items.
    """
    indices, reads = np.asarray(indices), [partial(activations, at, items) for items in views]
    if len(indices) * len(views) * row_bytes(at, views[0]) <= IN_MEMORY:
        return Batches(len(indices), [Batches.of(read(indices)).views[0] for read in reads], seed)
    return Batches(len(indices), [lambda rows, read=read: read(indices[rows]) for read in reads], seed)


def row_bytes(at: Cut, items: Items) -> int:
    """Bytes of one item's activations at a cut."""
    return sum(leaf.nbytes for leaf in tree_leaves(example(at, items)))


def room() -> int:
    """Bytes that all kept activations together may take (`budget.limit`)."""
    return budget.limit(_root(os.environ.get("TLKIT_COMPUTED")))


_KEPT: dict[Path, ActivationCache] = {}


@lru_cache(maxsize=2)
def _root(named: str | None) -> Path:
    """Looked up once for each value of TLKIT_COMPUTED: a fit asks for activations dozens of times."""
    return env.computed_dir() / "features"


def example(at: Cut, items: Items) -> Any:
    """Activations of the first item at a cut, a batch of one: for shapes. UserError if it does not fit."""
    key = f"{items.digest}-{at.key}"
    if key not in _EXAMPLES:
        first = items.inputs[0]
        try:
            with torch.inference_mode(False):  # whoever asks first, others will want gradients through it
                _EXAMPLES[key] = tree_map(torch.clone, at.run([first]))
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            takes, why = getattr(at.backbone.transform, "takes", "others"), str(error).partition("\n")[0]
            given = f"backbone {at.backbone.name} takes {takes}, not inputs such as {type(first).__name__}"
            raise UserError(f"{given} ({why}): name another backbone.") from error
    return _EXAMPLES[key]


def with_head(
    backbone: Backbone,
    task: Task,
    start: str = "pretrained",
    seed: int | None = None,
    on: Chain | None = None,
) -> Chain:
    """A chain of one's own (or the one given as `on`) with a head for the task, both new from `seed`.

    Each begins with the seed, so that every plan gets the same head whatever else drew numbers; the source's
    own where the objective asks for it and the weights are its.
    """
    seen = example(Cut.end(backbone), task.train)
    if seed is not None:
        env.seed_everything(seed)
    if on is None:
        on = backbone.fresh(start)
        if seed is not None:
            env.seed_everything(seed)
    if task.objective.source_head and start == "pretrained":
        on.head = backbone.source_head()
    else:
        on.head = task.objective.head(seen, copy.deepcopy(backbone.pool))
    return on


_EXAMPLES: dict[str, Any] = {}
