"""torchvision's detectors as chains: blocks of the backbone, its pyramid, and the detector as head."""

from collections.abc import Callable, Iterable
from functools import partial
from operator import attrgetter
from typing import Any

import torch
from torch import nn

from tlkit.backbones.chain import Chain, alike
from tlkit.backbones.libraries import Library, View, torchvision_source
from tlkit.backbones.weights import counted
from tlkit.errors import UserError

Maps = dict[str, torch.Tensor]  # what the stages pass on: the maps for the detector, the newest last
_VIEWS = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": View(320, whole=True),
    "ssd300_vgg16": View(300, (0.48235, 0.45882, 0.40784), (1 / 255,) * 3, whole=True),
    "ssdlite320_mobilenet_v3_large": View(320, (0.5,) * 3, (0.5,) * 3, whole=True),
}


class Block(nn.Module):
    """Layers of the backbone, applied to the newest map; the next block drops a map without `name`."""

    def __init__(self, layers: Iterable[nn.Module], name: str):
        super().__init__()
        self.layers, self.name = nn.Sequential(*layers), name

    def forward(self, maps: torch.Tensor | Maps) -> Maps:
        if torch.is_tensor(maps):
            return {self.name: self.layers(maps)}
        newest, kept = list(maps.values())[-1], {name: seen for name, seen in maps.items() if name}
        return kept | {self.name: self.layers(newest)}


class Square:
    """In place of a detector's transform: images and boxes already have their size."""

    def __call__(self, images: torch.Tensor, targets: list[dict] | None) -> tuple[Any, list[dict] | None]:
        from torchvision.models.detection.image_list import ImageList

        return ImageList(images, [tuple(images.shape[-2:])] * len(images)), targets

    def postprocess(self, found: list[dict], *_: Any) -> list[dict]:
        return found


class Detector(nn.Module):
    """A detector without its backbone, for images of `size` pixels a side.

    In train mode it returns a function from targets to torchvision's losses by name (some sample boxes with
    torch's global generator), in eval mode a dictionary per image: boxes (n x 4, relative), labels from 0,
    scores.
    """

    def __init__(self, model: nn.Module, size: int):
        super().__init__()
        del model.backbone, model.transform
        model.backbone, model.transform = attrgetter("maps"), Square()
        self.model, self.size = model, size

    def forward(self, maps: Maps) -> Callable[[list[dict]], dict[str, torch.Tensor]] | list[dict]:
        some = next(iter(maps.values()))
        images = some.new_zeros(1).expand(len(some), 3, self.size, self.size)  # only its shape is used
        images.maps = maps
        if self.training:
            return partial(self._losses, images)
        found = self.model(images)  # label 0 is the background
        return [one | {"boxes": one["boxes"] / self.size, "labels": one["labels"] - 1} for one in found]

    def _losses(self, images: torch.Tensor, targets: list[dict]) -> dict[str, torch.Tensor]:
        boxes = [torch.as_tensor(one["boxes"]).to(images).reshape(-1, 4) * self.size for one in targets]
        if any(bool((some[:, 2:] <= some[:, :2]).any()) for some in boxes):
            raise UserError(
                "a target box has no area: give x0, y0, x1, y1 in shares of the sides, x0 < x1, y0 < y1."
            )
        labels = (torch.as_tensor(one["labels"]).to(images.device).long() + 1 for one in targets)
        pairs = zip(boxes, labels, strict=True)
        return self.model(images, [{"boxes": some, "labels": own} for some, own in pairs])


class Heads(nn.Identity):
    """Passes maps on; `head(classes)` makes a new detector for them, from torch's global generator."""

    def __init__(self, again: Callable[..., nn.Module], size: int):
        super().__init__()
        self.again, self.size = again, size

    def head(self, classes: int) -> Detector:
        return Detector(self.again(num_classes=classes + 1), self.size)


def cut(model: nn.Module, batch: torch.Tensor) -> tuple[Chain, nn.Module]:
    """(chain, `Heads`) of a detector; `model.again(num_classes=K)` makes a new one. Tensors are shared.

    batch: N x 3 x S x S, on which the stages must give the backbone's maps to within 1e-5 of their scale.
    """
    stages = _stages(model.eval().backbone)
    with torch.inference_mode():
        want, got = model.backbone(batch), Chain(stages).eval()(batch)
    for name, map_ in want.items():
        if not alike(got[name], map_):
            raise UserError(f"{type(model).__name__} cannot be split into a backbone and a detector.")
    size = batch.shape[-1]
    return Chain(stages, Detector(model, size)), Heads(model.again, size)


def _stages(backbone: nn.Module) -> dict[str, nn.Module]:
    """The blocks of a known backbone, and its pyramid; any other is one stage."""
    if hasattr(backbone, "fpn"):
        taps = backbone.body.return_layers
        pieces = [(name, child, taps.get(name, "")) for name, child in backbone.body.named_children()]
        return _grouped(pieces) | {"fpn": backbone.fpn}
    parts = getattr(backbone, "features", [None])
    if not all(isinstance(part, nn.Sequential) for part in parts):
        return {"body": backbone}
    pieces = [(child, str(i) if child is part[-1] else "") for i, part in enumerate(parts) for child in part]
    pieces += [(child, str(i)) for i, child in enumerate(backbone.extra, len(parts))]
    return _grouped((str(i), *piece) for i, piece in enumerate(pieces))


def _grouped(pieces: Iterable[tuple[str, nn.Module, str]]) -> dict[str, nn.Module]:
    """Stages of (name, module, its map's name if used): modules without weights join the stage before."""
    stages, group = {}, []
    for name, module, tap in pieces:
        if not group or any(p.ndim > 1 for p in module.parameters()):
            group = []
            called = "stem" if not stages else f"block{name}" if name.isdigit() else name
        group.append(module)
        stages[called] = Block(group, tap)
        group = [] if tap else group
    return stages


def _names() -> list[str]:
    from torchvision import models

    known = models.list_models(module=models.detection)
    return [name for name in known if not name.startswith(("keypoint", "mask"))]


def _make(network: str, pretrained: bool, options: dict) -> nn.Module:
    """The same architecture with and without weights; torchvision's differ in their norms."""
    from torchvision import models

    again = partial(models.get_model, network, weights=None, weights_backbone=None, **options)
    model = again()
    model.again = again
    if pretrained:
        state = models.get_model_weights(network).DEFAULT.get_state_dict(progress=False)
        model.load_state_dict(counted(model, state))
    return model


DETECTION = Library(
    "detection", _names, _make, torchvision_source, lambda name: _VIEWS.get(name, View(800, whole=True)), cut
)
