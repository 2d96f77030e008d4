"""The frozen prefix: run once, kept on disk, and probed by a solver."""

import copy
import os
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves, tree_map

from tlkit import downloads, env
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain
from tlkit.features import budget
from tlkit.features.activation_cache import CACHE_STATS, ActivationCache, CacheStats
from tlkit.features.batches import Batches
from tlkit.features.cut import BATCH, Cut, moved, places
from tlkit.features.probes import Probe, last_linear, probe
from tlkit.tasks import Items, Task

__all__ = [
    "BATCH", "CACHE_STATS", "Batches", "CacheStats", "Cut", "Probe", "activations", "example", "last_linear",
    "moved", "places", "probe", "reading", "room", "row_bytes", "with_head",
]  # fmt: skip


def activations(at: Cut, items: Items, indices: np.ndarray) -> Any:
    """Activations of `items[indices]` at a cut: N x ..., computed at most once per item, weights and cut.

    Kept in `downloads.computed()`, shared by processes and runs. Raises UserError where it is not writable.
    """
    folder = _root(os.environ.get("TLKIT_COMPUTED")) / f"{items.digest}-{at.key}"
    if folder not in _KEPT:
        while len(_KEPT) >= 16:  # open files, not memory, is what this bounds
            _KEPT.pop(next(iter(_KEPT)))
        run = lambda rows: at.run(items.inputs[i] for i in rows)  # noqa: E731
        _KEPT[folder] = ActivationCache(folder, len(items), example(at, items), run)
    return _KEPT[folder].take(np.asarray(indices))


def reading(at: Cut, views: Sequence[Items], indices: np.ndarray, seed: int = 0) -> Batches:
    """The items `indices` at a cut, for a descent: in memory where they are few, else read batch by batch.

    views: the same items as they look in each view; without augmentation just the items.
    """
    read = [partial(activations, at, items) for items in views]
    return Batches.read(read, np.asarray(indices), row_bytes(at, views[0]), seed)


def row_bytes(at: Cut, items: Items) -> int:
    """Bytes of one item's activations at a cut."""
    return sum(leaf.numel() * leaf.element_size() for leaf in tree_leaves(example(at, items)))


def room() -> int:
    """Bytes that all kept activations together may take (`budget.limit`)."""
    return budget.limit(_root(os.environ.get("TLKIT_COMPUTED")))


_KEPT: dict[Path, ActivationCache] = {}


@lru_cache(maxsize=2)
def _root(named: str | None) -> Path:
    """Looked up once for each value of TLKIT_COMPUTED: a fit asks for activations dozens of times."""
    return downloads.computed() / "features"


def example(at: Cut, items: Items) -> Any:
    """Activations of the first item at a cut, a batch of one: for shapes, not kept on disk."""
    key = f"{items.digest}-{at.key}"
    if key not in _EXAMPLES:
        with torch.inference_mode(False):  # whoever asks first, others will want gradients through it
            _EXAMPLES[key] = tree_map(torch.clone, at.run([items.inputs[0]]))
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
    if on is None:
        _seed(seed)
        on = backbone.fresh(start)
    _seed(seed)
    if task.objective.source_head and start == "pretrained":
        on.head = backbone.source_head()
    else:
        on.head = task.objective.head(seen, copy.deepcopy(backbone.pool))
    return on


def _seed(seed: int | None) -> None:
    if seed is not None:
        env.seed_everything(seed)


_EXAMPLES: dict[str, Any] = {}
