"""Networks of other packages: a row of a table for each, how they see images and how they become chains."""

import errno
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from tlkit.backbones.chain import Chain
from tlkit.backbones.split import split
from tlkit.backbones.weights import OutOfReach, Source, from_hub, hub_source
from tlkit.errors import UserError, unknown

UNWRITABLE = (errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.ENOSPC)
_HUB_FILES = "model.safetensors", "pytorch_model.bin"  # as timm names them there


@dataclass(frozen=True)
class View:
    """The centre square at `size` pixels a side, RGB in [0, 1], (x - mean) / std. Its `str` is its key.

    crop: of the shorter side. resample: how Pillow comes to that size, "bilinear" or "bicubic". whole: the
    whole image, stretched to a square, so that shares of its sides mean the same before and after.
    """

    size: int = 224
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)  # and sd of ImageNet's RGB in [0, 1], torchvision's
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    crop: float = 1.0
    resample: str = "bilinear"
    whole: bool = False
    takes = "images"

    def __post_init__(self) -> None:
        if not isinstance(self.size, int) or not 8 <= self.size <= 4096:
            raise UserError(f"size={self.size} is not an image size: give 8 to 4,096 pixels.")
        for three in (self.mean, self.std):
            numbers = [x for x in three if isinstance(x, int | float) and abs(x) < 1e6]
            if not len(numbers) == len(three) == 3 or (three is self.std and 0 in three):
                raise UserError(f"mean {self.mean}, std {self.std}: give three numbers each, no std of 0.")

    def __str__(self) -> str:
        """What differs from the defaults, and always what keys of records were made of."""
        always = ("size", "mean", "std")
        told = {f.name: getattr(self, f.name) for f in fields(self)}
        text = (f"{k}={v!r}" for k, v in told.items() if k in always or v != getattr(View, k))
        return f"View({', '.join(text)})"

    def told(self, card: dict, size: int | None) -> "View":
        """As a card says, where it does; an explicit `size` wins. Raises UserError if it is bad."""
        size = card.get("input", self.size) if size is None else size
        given = (card.get(key, getattr(self, key)) for key in ("mean", "std"))
        mean, std = (tuple(three) if isinstance(three, list | tuple) else () for three in given)
        return replace(self, size=size, mean=mean, std=std)

    def __call__(self, raw: Any) -> torch.Tensor:
        """One item (a PIL image, or a C x H x W tensor in [0, 1]) to 3 x size x size."""
        if isinstance(raw, Image.Image):
            raw = self._square(raw.convert("RGB"))
            tensor = torch.from_numpy(np.asarray(raw, dtype=np.float32).transpose(2, 0, 1) / 255)
        else:
            whole = raw.expand(3, -1, -1)[None]
            tensor = F.interpolate(whole, (self.size, self.size), mode="bilinear", antialias=True)[0]
        shape = (3, 1, 1)
        return (tensor - torch.tensor(self.mean).view(shape)) / torch.tensor(self.std).view(shape)

    def _square(self, picture: Image.Image) -> Image.Image:
        how = Image.Resampling[self.resample.upper()]
        if self.whole:
            return picture.resize((self.size, self.size), how, reducing_gap=3.0)
        side = min(picture.size) * self.crop
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        box = (left, top, left + side, top + side)
        return picture.resize((self.size, self.size), how, box=box, reducing_gap=3.0)


@dataclass(frozen=True)
class Library:
    """A package that makes networks of images, under the prefix `name:`.

    names(): the networks it makes. make(network, pretrained, options): one of them; what it raises for
    options it does not take is a TypeError, ValueError or AssertionError. source(network): where its weights
    come from. view(network): how it sees an image. cut(module, batch): its chain and pooling.
    """

    name: str
    names: Callable[[], list[str]]
    make: Callable[[str, bool, dict], nn.Module]
    source: Callable[[str], Source]
    view: Callable[[str], View] = lambda network: View()
    cut: Callable[[nn.Module, torch.Tensor], tuple[Chain, nn.Module]] = split


def build(
    row: Library,
    network: str,
    options: dict,
    size: int,
    fetch: bool,
    fill: Callable[[nn.Module], None] | None,
    pretrained: bool,
) -> tuple[Chain, nn.Module]:
    """The chain and the pooling of a library's network, for images of `size` pixels a side.

    pretrained: with the weights that `fill` puts in or, where `fetch` says so, from the hub; else with new
    ones from torch's global generator. Raises UserError for an unknown name or option, and for weights out of
    reach.
    """
    model = _create(row, network, options, fetch and pretrained)
    if fill and pretrained:
        fill(model)
    chain, pool = row.cut(model, torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0)))
    # colour beside colour in memory: convolutions of photographs are a tenth to a quarter quicker, and answer
    # the same within 1e-5 of the largest answer (tested)
    return chain.to(memory_format=torch.channels_last), pool


def _create(row: Library, network: str, options: dict, pretrained: bool) -> nn.Module:
    """The library's network; the hub is asked only for pretrained weights."""
    known = row.names()
    if network.split(".")[0] not in known:
        raise unknown(f"{row.name} model", network, known)
    try:
        with from_hub(row.source(network)) if pretrained else nullcontext():
            return row.make(network, pretrained, options)
    except (TypeError, ValueError, AssertionError) as error:
        raise UserError(f"{row.name}:{network} does not take the options {options}: {error}.") from error
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        if getattr(error, "errno", None) in UNWRITABLE:
            raise UserError(
                f"the weights of {row.name}:{network} cannot be kept ({error}): set HF_HOME and TORCH_HOME "
                "to folders that can be written, or give a file with --weights."
            ) from error
        why = error if isinstance(error, OutOfReach) else type(error).__name__
        raise UserError(
            f"no pretrained weights for {row.name}:{network} could be fetched ({why}): "
            "go online, unset HF_HUB_OFFLINE, or give a file with --weights."
        ) from error


def _timm_names() -> list[str]:
    import timm

    return timm.list_models()


def _timm_make(network: str, pretrained: bool, options: dict) -> nn.Module:
    import timm
    from timm.models import efficientnet

    if "width" not in options:
        return timm.create_model(network, pretrained=pretrained, **options)
    if network != "mobilenetv1_100" or pretrained:
        raise ValueError("width needs mobilenetv1_100 and --weights")
    # timm names no MobileNetV1 but the full one
    rest = {key: value for key, value in options.items() if key != "width"}
    return efficientnet._gen_mobilenet_v1(network, options["width"], **rest)


def _timm_settings(network: str) -> Any:
    """timm's settings of the weights of that name, or None. Raises UserError for an unknown name.TAG."""
    from timm.models import get_pretrained_cfg, list_pretrained

    try:
        return get_pretrained_cfg(network, allow_unregistered=True)
    except RuntimeError as error:
        known = list_pretrained(f"{network.split('.')[0]}.*")
        raise unknown("tag of timm weights", network, known) from error


def _timm_view(network: str) -> View:
    known = _timm_settings(network)
    return View(known.input_size[-1], tuple(known.mean), tuple(known.std)) if known else View()


def _timm_source(network: str) -> Source:
    known = _timm_settings(network)
    if not known:
        return Source(network)
    told = f"{known.hf_hub_id} {known.tag} {known.url}"
    if not known.hf_hub_id:
        return Source(told, known.url, _kept(known.url))
    repository, _, revision = known.hf_hub_id.partition("@")
    return hub_source(repository, *_HUB_FILES, revision=revision or None, told=told)


def _kept(address: str | None) -> bool:
    """Whether torch has fetched the file of that address before."""
    return bool(address) and Path(torch.hub.get_dir(), "checkpoints", Path(address).name).is_file()


def _torchvision_names() -> list[str]:
    from torchvision import models

    return models.list_models(module=models)  # classifiers of images


def torchvision_make(network: str, pretrained: bool, options: dict) -> nn.Module:
    """One of torchvision's networks, of any kind."""
    from torchvision import models

    return models.get_model(network, weights="DEFAULT" if pretrained else None, **options)


def torchvision_source(network: str) -> Source:
    """Where torchvision has the weights of a network from, whatever its kind."""
    from torchvision import models

    if network not in models.list_models():
        return Source(network)
    address = models.get_model_weights(network).DEFAULT.url
    return Source(address, address, _kept(address))


TIMM = Library("timm", _timm_names, _timm_make, _timm_source, _timm_view)
TORCHVISION = Library("torchvision", _torchvision_names, torchvision_make, torchvision_source)
