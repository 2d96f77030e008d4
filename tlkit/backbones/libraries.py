"""Networks of timm and torchvision: made, filled with weights, and cut into a chain."""

import errno
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tlkit.backbones.chain import Chain
from tlkit.backbones.split import split
from tlkit.backbones.weights import OutOfReach, from_hub, load_weights
from tlkit.errors import UserError, unknown

UNWRITABLE = (errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.ENOSPC)


def build(
    library: str, name: str, options: dict, weights: str | None, fetch: bool, size: int, pretrained: bool
) -> tuple[Chain, nn.Module]:
    """The chain and the pooling of a library's model, for pictures of `size` pixels a side.

    pretrained: with the weights of the file `weights` or, where `fetch` says so, from the hub; else with new
    ones from torch's global generator. Raises UserError for an unknown name, options that the model does not
    take, and weights out of reach.
    """
    model = _create(library, name, options, fetch and pretrained)
    if weights and pretrained:
        load_weights(model, Path(weights), name)
    chain, pool = split(model, torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0)))
    # colour beside colour in memory: convolutions of photographs are a tenth to a quarter quicker, and answer
    # the same within 1e-5 of the largest answer (tested)
    return chain.to(memory_format=torch.channels_last), pool


def _create(library: str, name: str, options: dict, pretrained: bool) -> nn.Module:
    """The library's model; the hub is asked only for pretrained weights."""
    if library == "timm":
        import timm

        known, make = timm.list_models(), partial(timm.create_model, name, pretrained=pretrained, **options)
        if "width" in options:  # timm names no MobileNetV1 but the full one
            make = partial(_narrow, name, pretrained, **options)
    else:
        from torchvision import models

        known = models.list_models(module=models)  # classifiers of pictures
        make = partial(models.get_model, name, weights="DEFAULT" if pretrained else None, **options)
    if (name.split(".")[0] if library == "timm" else name) not in known:
        raise unknown(f"{library} model", name, known)
    try:
        with from_hub(library, name) if pretrained else nullcontext():
            return make()
    except (TypeError, ValueError, AssertionError) as error:
        raise UserError(f"{library}:{name} does not take the options {options}: {error}.") from error
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        if getattr(error, "errno", None) in UNWRITABLE:
            raise UserError(
                f"the weights of {library}:{name} cannot be kept ({error}): set HF_HOME and TORCH_HOME to "
                "folders that can be written, or give a file with --weights."
            ) from error
        why = error if isinstance(error, OutOfReach) else type(error).__name__
        raise UserError(
            f"no pretrained weights for {library}:{name} could be fetched ({why}): "
            "go online, unset HF_HUB_OFFLINE, or give a file with --weights."
        ) from error


def _narrow(name: str, pretrained: bool, width: float, **options: Any) -> nn.Module:
    from timm.models import efficientnet

    if name != "mobilenetv1_100" or pretrained:
        raise ValueError("width goes with mobilenetv1_100 and weights from a file alone")
    return efficientnet._gen_mobilenet_v1(name, width, **options)
