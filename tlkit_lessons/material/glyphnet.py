"""The glyph net: our own small network, cut into named stages, and its weights file.

About 0.29 million parameters; an item is one bright-on-dark image of one character.
"""

import json
from collections import OrderedDict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from tlkit import backbones
from tlkit.backbones import UNTRAINED, Backbone
from tlkit.backbones.chain import Chain, batch_norms, measuring
from tlkit.backbones.weights import file_digest
from tlkit.env import data_dir
from tlkit.errors import UserError, unknown
from tlkit.files import write_whole
from tlkit_lessons.material import FAMILIES, lite0

STAGES = ("stem", "block1", "block2", "block3")
FEATURES = 128
RAW_SIZE = 8
INPUT_SIZE = 16
UNTAUGHT = "random"  # untrained weights
RECIPE = "glyphs"  # of the committed ones
SHOWN = 5  # images per class from which batch norms take their statistics


def _conv(inputs: int, outputs: int) -> list[nn.Module]:
    # batch norm has its own shift, so a bias in the convolution would be redundant
    return [
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]


def glyph_stages() -> OrderedDict[str, nn.Module]:
    """The four stages in order, freshly initialised from torch's global generator.

    Shapes for a batch of N: input Nx1x16x16, `stem` Nx24x16x16, `block1` Nx32x8x8, `block2` Nx64x4x4,
    `block3` Nx128x4x4.
    """
    return OrderedDict(
        stem=nn.Sequential(*_conv(1, 24)),
        block1=nn.Sequential(*_conv(24, 32), nn.MaxPool2d(2)),
        block2=nn.Sequential(*_conv(32, 64), *_conv(64, 64), nn.MaxPool2d(2)),
        block3=nn.Sequential(*_conv(64, 128), *_conv(128, FEATURES)),
    )


def glyph_head(n_classes: int) -> nn.Sequential:
    """Global average pool (no parameters), then one linear layer: Nx128x4x4 to N x `n_classes` logits."""
    return nn.Sequential(
        OrderedDict(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), linear=nn.Linear(FEATURES, n_classes))
    )


class GlyphNet(nn.Sequential):
    """The stages in order and, with `n_classes`, the head: Nx1x16x16 in [0, 1] to logits.

    Without `n_classes` the children are exactly the stages and the output is the map Nx128x4x4.
    """

    def __init__(self, n_classes: int | None = None):
        children = glyph_stages()
        if n_classes is not None:
            children["head"] = glyph_head(n_classes)
        super().__init__(children)

    def features(self, inputs: Tensor) -> Tensor:
        """The pooled output of the last stage, Nx1x16x16 to Nx128: the input of a probe."""
        for name in STAGES:
            inputs = getattr(self, name)(inputs)
        return inputs.mean((2, 3))


def recalibrate_batchnorm(net: nn.Module, inputs: Tensor) -> None:
    """Re-estimate the statistics of every batch norm on `inputs`, in one pass; no weight is trained."""
    with torch.no_grad(), measuring(batch_norms(net.eval())):
        net(inputs)


def glyph_input(raw: Tensor | np.ndarray | Image.Image) -> Tensor:
    """One item (1x8x8 in [0, 1], or a PIL image) or a batch (Nx1x8x8) to 1x16x16 or Nx1x16x16, bilinear.

    Strokes are bright, as in scikit-learn's digits; invert a scan of dark writing on white first. Other sizes
    are averaged to 8x8 before, the resolution on which every source was trained.
    Raises UserError for a tensor of another number of channels or dimensions.
    """
    if isinstance(raw, Image.Image):
        raw = np.asarray(raw.convert("L"), dtype=np.float32)[None] / 255
    items = torch.as_tensor(raw, dtype=torch.float32)
    if items.ndim not in (3, 4) or items.shape[-3] != 1:
        raise UserError(f"a glyph has the shape 1x8x8 or Nx1x8x8, not {tuple(items.shape)}: reshape it.")
    batch = items if items.ndim == 4 else items[None]
    if batch.shape[-2:] != (RAW_SIZE, RAW_SIZE):
        batch = F.adaptive_avg_pool2d(batch, RAW_SIZE)
    batch = F.interpolate(batch, (INPUT_SIZE, INPUT_SIZE), mode="bilinear")
    return batch if items.ndim == 4 else batch[0]


def save_glyph_net(net: GlyphNet, path: Path | str, classes: list[str], half: bool = False) -> None:
    """Write the weights (`stem.*` ... `head.*`) with the class names as metadata, atomically.

    half: round to float16, for a file of half the size; it is loaded as float32 again.
    """
    tensors = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    if half:
        tensors = {n: t.half() if t.is_floating_point() else t for n, t in tensors.items()}
    write_whole(Path(path), save(tensors, metadata={"classes": json.dumps(classes, ensure_ascii=False)}))


def load_glyph_net(path: Path | str) -> tuple[GlyphNet, list[str]]:
    """The net in eval mode, source head included, and the classes of that head.

    Raises UserError for a file that is absent, is no safetensors file, or holds another architecture.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot read the weights {path}: {error}. Fetch or rebuild the file.") from error
    head = tensors.get("head.linear.weight")
    if head is None or "classes" not in metadata:
        raise UserError(f"{path} holds no glyph net (head.linear.weight and classes missing): give another.")
    net = GlyphNet(len(head))
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        first = " ".join(str(error).split())[:200]
        raise UserError(f"{path} holds another architecture than the glyph net: {first}") from error
    return net.eval(), json.loads(metadata["classes"])


def register() -> None:
    """Register our own networks by name, and the one for photographs; the entry point of this package."""
    for card in (data_dir() / "backbones").glob("*.json"):
        backbones.register(card.stem, partial(taught, card.stem))
    backbones.register(UNTAUGHT, untaught)
    backbones.register(lite0.NAME, lite0.efficientnet_lite0)


def taught(name: str, /) -> Backbone:
    """A pretrained network of `data/backbones`, by the name of its card."""
    path = data_dir() / "backbones" / f"{name}.safetensors"

    def build(pretrained: bool) -> tuple[Chain, nn.Module]:
        net = load_glyph_net(path)[0] if pretrained else GlyphNet(1)
        pool = nn.Sequential(net.head.pool, net.head.flatten)
        chain = Chain({stage: getattr(net, stage) for stage in STAGES}, nn.Sequential(pool, net.head.linear))
        return chain, pool

    card = {"recipe": RECIPE} | json.loads(path.with_suffix(".json").read_text("utf-8"))
    how = glyph_input, "glyph16", card, {"own": name}
    return Backbone(name, file_digest(path), build, *how, small=True)


def untaught(seed: Any = 0, settled: str = "") -> Backbone:
    """`random`: untrained weights, the same in every process, different for each seed.

    settled: the family on whose images its batch-norm statistics are estimated, and no weight is trained, as
    in `random,settled=fractals`. Raises UserError for a bad seed or an unknown family.
    """
    if type(seed) is not int or seed < 0:
        raise UserError(f"backbone {UNTAUGHT},seed={seed}: a seed is a whole number, 0 or more.")
    if settled and settled not in FAMILIES:
        raise unknown("family to settle on", str(settled), FAMILIES)

    def build(pretrained: bool) -> tuple[Chain, nn.Module]:
        if pretrained:  # the backbone restores the generator afterwards
            torch.manual_seed(UNTRAINED + seed)
        chain = Chain(glyph_stages())
        if pretrained and settled:
            recalibrate_batchnorm(chain, glyph_input(FAMILIES[settled][0](SHOWN, 0)[0]))
        return chain, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    options = {"seed": seed, "settled": settled}
    name = ",".join([UNTAUGHT, *(f"{key}={value}" for key, value in options.items() if value)])
    digest = f"untrained-{seed}" + f"-{settled}" * bool(settled)
    card = {"name": name, "recipe": RECIPE, **options, "flops": 0}
    return Backbone(name, digest, build, glyph_input, "glyph16", card, {"own": UNTAUGHT}, small=True)
