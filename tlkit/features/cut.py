"""Places in a chain: where a plan reads what is kept."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch.utils._pytree import tree_map
from torch.utils.data import default_collate

from tlkit import env
from tlkit.backbones import Backbone
from tlkit.plans import Plan

BATCH = 32  # items a forward pass where no gradient is wanted
_LAYOUT = 3  # raise it when what is kept comes to mean something else: old entries are then left alone


@dataclass(frozen=True)
class Cut:
    """A place in a backbone's chain: behind `cut` stages, 0 for none; pooled: and the pooling at the end."""

    backbone: Backbone
    cut: int
    pooled: bool = False

    @classmethod
    def of(cls, backbone: Backbone, plan: Plan) -> "Cut":
        """In front of the first stage that is trained."""
        return cls(backbone, plan.cut(backbone.stages))

    @classmethod
    def end(cls, backbone: Backbone, pooled: bool = False) -> "Cut":
        """Behind the last stage, what a head gets; pooled: what a probe gets."""
        return cls(backbone, len(backbone.stages), pooled)

    @property
    def key(self) -> str:
        """Names weights, transform and place: what the activations depend on besides the items.

        With no stage run the weights do not matter, so all backbones of one transform share the entry.
        """
        b = self.backbone
        weights = b.digest + b.name if self.cut else ""
        kind = b.device.type  # another kind of processor gives other last digits
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
                with env.on_device(self.backbone.device) as where:
                    out = self.backbone.placed().run(moved(out, where), 0, self.cut)
            parts.append(moved(self.backbone.pool(out) if self.pooled else out, "cpu"))
        return tree_map(lambda *leaves: torch.cat(leaves), *parts)


def moved(batch: Any, device: torch.device | str) -> Any:
    """A pytree of tensors on a device."""
    return tree_map(lambda leaf: leaf.to(device), batch)
