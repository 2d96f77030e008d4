"""The network that all contestants share: an architecture of timm, and one file of weights."""

import json
from collections.abc import Callable
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from torch import nn

from tlkit import backbones
from tlkit.backbones import Backbone
from tlkit.backbones.weights import load_weights
from tlkit.files import write_whole

Look = Callable[[nn.Module], None]


def nobody(model: nn.Module) -> None:
    """Looks at no model: what tests put another in place of, before and after a training."""


def random_weights(work: Path, name: str, size: int) -> dict[str, str]:
    """Weights nobody trained, the same each time, and their card; arguments for every contestant."""
    torch.manual_seed(0)
    model, path = timm.create_model(name), work / f"{name}.safetensors"
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path)
    mean, std = model.default_cfg["mean"], model.default_cfg["std"]
    write_whole(path.with_suffix(".json"), json.dumps({"input": size, "mean": mean, "std": std}))
    return {"network": f"timm:{name},size={size}", "weights": str(path)}


def described(network: str, weights: str) -> Backbone:
    """The name, options and view of a network; nothing large is read."""
    return backbones.load(network, weights)


def plain(network: str, weights: str) -> tuple[list[nn.Module], nn.Module, int]:
    """(stages, pool, width): timm's own model with the weights in it, as plain as its users have it."""
    sketch = described(network, weights).blueprint
    model = timm.create_model(sketch["name"], **sketch["options"])
    load_weights(model, Path(weights), network)
    return stages(model), model.global_pool, model.num_features


def stages(model: nn.Module) -> list[nn.Module]:
    """The parts of a ResNet or a MobileNet of timm in front of its pooling, stem first.

    Raises ValueError for another architecture.
    """
    if hasattr(model, "layer4"):
        stem = nn.Sequential(model.conv1, model.bn1, model.act1, model.maxpool)
        return [stem, model.layer1, model.layer2, model.layer3, model.layer4]
    if hasattr(model, "conv_stem"):
        return [nn.Sequential(model.conv_stem, model.bn1), *model.blocks]
    raise ValueError(f"{type(model).__name__} is not one of the networks that are measured")


def classifier(stages: list[nn.Module], pool: nn.Module, width: int, classes: int, tuned: int) -> nn.Module:
    """Body and head; all but the last `tuned` stages and the head want no gradient."""
    body, head = nn.Sequential(*stages), nn.Sequential(pool, nn.Linear(width, classes))
    for stage in stages[: len(stages) - tuned]:
        stage.requires_grad_(False)
    return nn.Sequential(body, head)
