"""The frozen prefix: run once, kept on disk, and probed by a solver."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.data import default_collate

from tlkit import cache, env
from tlkit.backbones import Backbone
from tlkit.features import budget
from tlkit.features.kept import TALLY, Kept, Tally
from tlkit.features.probes import Probe, last_linear, probe
from tlkit.features.rows import Rows
from tlkit.tasks import Items

__all__ = [
    "TALLY",
    "Cut",
    "Probe",
    "Rows",
    "Tally",
    "activations",
    "example",
    "last_linear",
    "moved",
    "pixels",
    "probe",
    "raw_example",
    "reading",
    "room",
    "row_bytes",
]

BATCH = 32  # items a forward pass where no gradient is wanted
_LAYOUT = 3  # raise it when what is kept comes to mean something else: old entries are then left alone
PIXEL_SIDE = 32  # pictures are shrunk to this for the pixel baseline


@dataclass(frozen=True)
class Cut:
    """A place in a backbone's chain: behind `cut` stages; `pooled` adds the pooling behind the last."""

    backbone: Backbone
    cut: int
    pooled: bool = False

    @property
    def key(self) -> str:
        """Names weights, transform and place: what the activations depend on besides the items.

        With no stage run the weights do not matter, so all backbones of one transform share the entry.
        """
        b = self.backbone
        weights = b.digest + b.name if self.cut else ""
        kind = env.device().type  # another kind of processor gives other last digits
        where = (kind,) if self.cut and kind != "cpu" else ()
        parts = (str(_LAYOUT), weights, b.transform_key, str(self.cut), str(self.pooled), *where)
        return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]

    @torch.inference_mode()
    def run(self, inputs: Iterable[Any]) -> Any:
        """Raw items -> activations (a pytree of N x ... float32 tensors), in eval mode.

        Raw items are taken one at a time: a photo is many times larger than what a network sees of it.
        """
        parts, views = [], map(self.backbone.transform, inputs)
        while batch := list(islice(views, BATCH)):
            out = default_collate(batch)
            if self.cut:
                with env.on_device() as where:
                    out = self.backbone.placed(where).run(moved(out, where), 0, self.cut)
            parts.append(moved(self.backbone.pool(out) if self.pooled else out, "cpu"))
        return tree_map(lambda *leaves: torch.cat(leaves), *parts)


def activations(at: Cut, items: Items, indices: np.ndarray) -> Any:
    """Activations of `items[indices]` at a cut: N x ..., computed at most once per item, weights and cut.

    Kept in `cache.computed()`, shared by processes and runs. Raises UserError when that cannot be written.
    """
    folder = _root(os.environ.get("TLKIT_COMPUTED")) / f"{items.digest}-{at.key}"
    if folder not in _KEPT:
        while len(_KEPT) >= 16:  # open files, not memory, is what this bounds
            _KEPT.pop(next(iter(_KEPT)))
        run = lambda rows: at.run(items.inputs[i] for i in rows)  # noqa: E731
        _KEPT[folder] = Kept(folder, len(items), example(at, items), run)
    return _KEPT[folder].take(np.asarray(indices))


def reading(at: Cut, views: Sequence[Items], indices: np.ndarray, seed: int = 0) -> Rows:
    """The items `indices` at a cut, for a descent: in memory where they are few, else read batch by batch.

    views: the same items as they look in each view; without augmentation just the items.
    """
    read = [partial(activations, at, items) for items in views]
    return Rows.read(read, np.asarray(indices), row_bytes(at, views[0]), seed)


def row_bytes(at: Cut, items: Items) -> int:
    """Bytes of one item's activations at a cut."""
    return sum(leaf.numel() * leaf.element_size() for leaf in tree_leaves(example(at, items)))


def room() -> int:
    """Bytes that all kept activations together may take (`budget.limit`)."""
    return budget.limit(_root(os.environ.get("TLKIT_COMPUTED")))


_KEPT: dict[Path, Kept] = {}


@lru_cache(maxsize=2)
def _root(named: str | None) -> Path:
    """Looked up once for each value of TLKIT_COMPUTED: a fit asks for activations dozens of times."""
    return cache.computed() / "features"


def example(at: Cut, items: Items) -> Any:
    """Activations of the first item at a cut, a batch of one: for shapes, not kept on disk."""
    key = f"{items.digest}-{at.key}"
    if key not in _EXAMPLES:
        with torch.inference_mode(False):  # whoever asks first, others will want gradients through it
            _EXAMPLES[key] = tree_map(torch.clone, at.run([items.inputs[0]]))
    return _EXAMPLES[key]


def raw_example(at: Cut, items: Items) -> Any:
    """The first item as the first stage sees it, a batch of one."""
    return example(Cut(at.backbone, 0), items)


_EXAMPLES: dict[str, Any] = {}


def moved(batch: Any, device: torch.device | str) -> Any:
    """A pytree of tensors on a device."""
    return tree_map(lambda leaf: leaf.to(device), batch)


def pixels(items: Items, indices: np.ndarray) -> np.ndarray:
    """Raw inputs as vectors, N x D in [0, 1]: the straw man. Pictures are shrunk to 32 x 32 RGB first."""
    rows = []
    for i in indices:
        raw = items.inputs[int(i)]
        if not torch.is_tensor(raw):
            small = raw.convert("RGB").resize((PIXEL_SIDE, PIXEL_SIDE))
            raw = torch.from_numpy(np.array(small, dtype=np.float32)) / 255
        rows.append(raw.flatten().numpy())
    return np.stack(rows)
