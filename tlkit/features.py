"""The frozen prefix: run once, kept on disk, and probed by a solver."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import nn
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten
from torch.utils.data import default_collate

from tlkit import cache
from tlkit.backbones import Backbone
from tlkit.errors import UserError
from tlkit.tasks import Items

BATCH = 32
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
        parts = (weights, b.transform_key, str(self.cut), str(self.pooled), "float32")
        return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]

    @torch.inference_mode()
    def run(self, inputs: Sequence[Any]) -> Any:
        """Raw items -> activations (a pytree of N x ... float32 tensors), in eval mode."""
        chain, parts = self.backbone.pretrained(), []
        for first in range(0, len(inputs), BATCH):
            batch = default_collate([self.backbone.transform(raw) for raw in inputs[first : first + BATCH]])
            out = chain.run(batch, 0, self.cut) if self.cut else batch
            parts.append(self.backbone.pool(out) if self.pooled else out)
        return tree_map(lambda *leaves: torch.cat(leaves), *parts)


def activations(at: Cut, items: Items, indices: np.ndarray) -> Any:
    """Activations of `items[indices]` at a cut: N x ..., computed at most once per item, weights and cut.

    Kept in `cache.computed()` as memory-mapped arrays, shared by processes and runs.
    """
    return _entry(at, items).take(np.asarray(indices))


def _entry(at: Cut, items: Items) -> "_Entry":
    key = f"{items.digest}-{at.key}"
    if key not in _ENTRIES:
        while len(_ENTRIES) >= 16:  # open files, not memory, is what this bounds
            _ENTRIES.pop(next(iter(_ENTRIES)))
        _ENTRIES[key] = _Entry(cache.computed() / "features" / key, at, items)
    return _ENTRIES[key]


_ENTRIES: dict[str, "_Entry"] = {}


class _Entry:
    """One folder of memory-mapped arrays, a row an item, and a mask of the rows that are filled."""

    def __init__(self, folder: Path, at: Cut, items: Items):
        self.at, self.items, self.folder = at, items, folder
        leaves, self.tree = tree_flatten(at.run([items.inputs[0]]))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.lock = FileLock(folder / "lock")
            with self.lock:
                self.leaves = [
                    self._map(f"leaf{i}.npy", t.shape[1:], t.numpy().dtype) for i, t in enumerate(leaves)
                ]
                self.done = self._map("done.npy", (), np.dtype(bool))
        except OSError as error:
            raise UserError(
                f"the folder for computed features {folder} cannot be written ({error.strerror}): "
                "free some space there or point TLKIT_COMPUTED at another folder."
            ) from error

    def _map(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.memmap:
        path = self.folder / name
        if path.exists():
            return np.lib.format.open_memmap(path, mode="r+")
        partial = path.with_suffix(".part")
        np.lib.format.open_memmap(partial, mode="w+", dtype=dtype, shape=(len(self.items), *shape)).flush()
        if hasattr(
            os, "posix_fallocate"
        ):  # a full disk is an error here and now, not a crash in a mapped write
            with open(partial, "r+b") as file:
                os.posix_fallocate(file.fileno(), 0, partial.stat().st_size)
        partial.replace(path)
        return np.lib.format.open_memmap(path, mode="r+")

    def take(self, indices: np.ndarray) -> Any:
        if not self.done[indices].all():
            with self.lock:
                self._fill(indices[~self.done[indices]])
        return tree_unflatten([torch.from_numpy(np.array(leaf[indices])) for leaf in self.leaves], self.tree)

    def _fill(self, missing: np.ndarray) -> None:
        for first in range(0, len(missing), BATCH):
            rows = missing[first : first + BATCH]
            out, _ = tree_flatten(self.at.run([self.items.inputs[int(i)] for i in rows]))
            for leaf, values in zip(self.leaves, out, strict=True):
                leaf[rows] = values.numpy()
                leaf.flush()
            self.done[rows] = True  # only after the values: a kill leaves rows to do again, never wrong ones
            self.done.flush()


def example(at: Cut, items: Items) -> Any:
    """Activations of the first item at a cut, a batch of one: for shapes, not kept on disk."""
    key = f"{items.digest}-{at.key}"
    if key not in _EXAMPLES:
        _EXAMPLES[key] = tree_map(torch.clone, at.run([items.inputs[0]]))
    return _EXAMPLES[key]


def raw_example(at: Cut, items: Items) -> Any:
    """The first item as the first stage sees it, a batch of one."""
    return example(Cut(at.backbone, 0), items)


_EXAMPLES: dict[str, Any] = {}


def pixels(items: Items, indices: np.ndarray) -> np.ndarray:
    """Raw inputs as vectors, N x D in [0, 1]: the straw man. Pictures are shrunk to 32 x 32 RGB first."""
    rows = []
    for i in indices:
        raw = items.inputs[int(i)]
        if not torch.is_tensor(raw):
            raw = torch.from_numpy(np.asarray(raw.resize((PIXEL_SIDE, PIXEL_SIDE))).copy()).float() / 255
        rows.append(raw.flatten().numpy())
    return np.stack(rows)


@dataclass(frozen=True)
class Probe:
    """A solved linear head: outputs = features @ weight.T + bias."""

    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return features @ self.weight.T + self.bias

    def into(self, head: nn.Module) -> nn.Module:
        """Copy the solution into the last linear layer of `head`; returns `head`."""
        linear = last_linear(head)
        with torch.no_grad():
            linear.weight.copy_(torch.as_tensor(self.weight))
            linear.bias.copy_(torch.as_tensor(self.bias))
        return head


def last_linear(head: nn.Module) -> nn.Linear:
    """The last linear layer of a head: the one a probe's solution goes into."""
    return [m for m in head.modules() if isinstance(m, nn.Linear)][-1]


def probe(
    features: np.ndarray, targets: np.ndarray, strength: float, outputs: int, solver: str = "logistic"
) -> Probe:
    """The best linear head on N x D features, found by a convex solver, not by steps.

    Features are centred and divided by one common scale (their root mean square), so `strength`
    (scikit-learn's C, the inverse of the L2 penalty) means the same for every backbone. "logistic":
    multinomial, `outputs` classes, a class without an example gets the lowest score; "ridge": squared error.
    Solved in float64. Raises UserError when a logistic probe sees fewer than two classes.
    """
    features = np.asarray(features, dtype=np.float64)
    centre = features.mean(0)
    scale = float(np.sqrt(((features - centre) ** 2).mean())) or 1.0
    x = (features - centre) / scale
    if solver == "ridge":
        from sklearn.linear_model import Ridge

        model = Ridge(alpha=1 / strength).fit(x, targets.reshape(len(x), -1))
        weight, bias = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    else:
        weight, bias = _logistic(x, targets, strength, outputs)
    weight = weight / scale
    return Probe(weight.astype(np.float32), (bias - weight @ centre).astype(np.float32))


def _logistic(
    x: np.ndarray, targets: np.ndarray, strength: float, outputs: int
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(targets)) < 2:
        raise UserError("a probe needs examples of two classes, these are all of one: add items of another.")
    model = LogisticRegression(C=strength, max_iter=2000).fit(x, targets)
    coef, intercept = model.coef_, model.intercept_
    # scikit-learn keeps one row for two classes; softmax of (-z/2, z/2) is the same
    if len(model.classes_) == 2:
        coef, intercept = np.concatenate([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
    weight, bias = np.zeros((outputs, x.shape[1])), np.full(outputs, intercept.min() - 1e3)
    weight[model.classes_], bias[model.classes_] = coef, intercept
    return weight, bias
