"""Pretrained networks by name: our own, or any of timm or torchvision, weights from the hub or a file."""

import copy
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tlkit.backbones import depth, libraries, own, pictures
from tlkit.backbones.chain import Chain
from tlkit.backbones.weights import (
    file_digest,
    hub_digest,
    load_weights,
    read_card,
    read_tensors,
    stamp,
)
from tlkit.env import data_dir
from tlkit.errors import UserError, unknown

__all__ = ["Backbone", "from_blueprint", "load", "load_weights", "names", "read_tensors"]

UNTAUGHT = "random"  # our own network with weights that nobody trained
SHOWN = 5  # pictures a class on which batch norms settle
_UNTRAINED = 1_000_003  # seed of a source without weights; no seed that a study counts up to


@dataclass(frozen=True)
class Backbone:
    """A source network: how to build its chain, how to feed it, and where its weights come from.

    `name` is how records call it, `digest` identifies the weights, `transform_key` the transform.
    `build(True)` gives the source's chain and pooling, `build(False)` one with new weights from torch's
    global generator. `transform` makes a batchable pytree of tensors from one raw item. `blueprint` is what
    `from_blueprint` needs to build the architecture again.
    """

    name: str
    digest: str
    build: Callable[[bool], tuple[Chain, nn.Module]]
    transform: Callable[[Any], torch.Tensor]
    transform_key: str
    card: dict = field(default_factory=dict)
    blueprint: dict = field(default_factory=dict)

    @cached_property
    def _pristine(self) -> tuple[Chain, nn.Module]:
        # An untrained source is the same in every process, building one disturbs nobody's random numbers, and
        # what is built while features are read must be fit for training too.
        with torch.random.fork_rng(devices=[]), torch.inference_mode(False):
            torch.manual_seed(_UNTRAINED)
            chain, pool = self.build(True)
        return chain.eval(), pool.eval()

    @cached_property
    def _copies(self) -> dict[torch.device, Chain]:
        return {}

    @property
    def stages(self) -> list[str]:
        """The names of the stages, stem first."""
        return self._pristine[0].names

    @property
    def pool(self) -> nn.Module:
        """The parameter-free step from the last stage to one vector an item."""
        return self._pristine[1]

    def pretrained(self) -> Chain:
        """The source's weights, source head included; shared, in eval mode: read it, do not train it."""
        return self._pristine[0]

    def placed(self, device: torch.device) -> Chain:
        """`pretrained()` on a device: where that is not the CPU, a copy that stays there."""
        if device.type == "cpu":
            return self.pretrained()
        if device not in self._copies:
            self._copies[device] = copy.deepcopy(self.pretrained()).to(device)
        return self._copies[device]

    def fresh(self, start: str = "pretrained") -> Chain:
        """A chain of one's own to train, with an empty head.

        `start="random"` draws new weights from torch's global generator: seed it first.
        """
        chain = self.build(False)[0] if start == "random" else copy.deepcopy(self._pristine[0])
        chain.head = nn.Identity()
        return chain

    @property
    def reads_all(self) -> bool:
        """Whether the pooled features are those of all stages, stem first."""
        return "features" in self.blueprint.get("reach", {})

    def source_head(self) -> nn.Module:
        """The head the network was trained with, for asking what it still knows of its source task."""
        return copy.deepcopy(self._pristine[0].head)


def names() -> list[str]:
    """Our own backbones, by the cards in `data/backbones`."""
    return sorted(path.stem for path in (data_dir() / "backbones").glob("*.json"))


def load(spec: str, weights: str | None = None) -> Backbone:
    """The backbone called `spec`: `letters`, `timm:NAME[,key=value]`, `torchvision:NAME[,key=value]`.

    `random` is our own network with weights that nobody trained, `random,seed=1` another such; with
    `random,settled=fractals` its batch norms have seen pictures of that family, and nothing has been learnt.
    For any of them, `until=STAGE` ends the chain behind a stage, and `features=all` reads every stage, as in
    `letters,until=block1`.
    `weights`: a .safetensors or .pt file of tensors for a timm or torchvision name; a JSON card of the same
    stem beside it may give `input`, `mean` and `std`. Keys: `size` (pixels a side), `pretrained` (true or
    false) and `width` (of a MobileNetV1) are ours, the rest goes to the model's constructor. Nothing large is
    read before a chain is asked for. Raises UserError for an unknown name, unreadable weights, or weights of
    another architecture.
    """
    return _load(spec, None if weights is None else str(weights), stamp(weights))


@lru_cache(maxsize=4)
def _load(spec: str, weights: str | None, _stamp: tuple[int, int] | None) -> Backbone:
    library, _, rest = spec.partition(":")
    if library not in ("timm", "torchvision") or not rest:
        library, rest = "", spec
    name, *pairs = rest.split(",")
    options = dict(_option(pair, spec) for pair in pairs)
    reach = {key: options.pop(key) for key in depth.KEYS if key in options}
    if not library:
        return depth.reaching(_own(name, weights, options), reach)
    plain = ",".join([name, *(pair for pair in pairs if pair.partition("=")[0] not in reach)])
    return depth.reaching(_library(f"{library}:{plain}", library, name, options, weights), reach)


def _library(spec: str, library: str, name: str, options: dict, weights: str | None) -> Backbone:
    card = read_card(weights)
    arch = re.sub(r"\bwidth (?=0)", "width=", str(card.get("arch", "")))
    for pair in re.findall(r"\b[a-z]\w*=[\w.]+", arch):
        options.setdefault(*_option(pair, spec))
    view = pictures.View.from_card(card, options.pop("size", None), library, name)
    from_hub = bool(options.pop("pretrained", True)) and not weights
    digest = file_digest(weights) if weights else hub_digest(library, name) if from_hub else "untrained"
    build = partial(libraries.build, library, name, options, weights, from_hub, view.size)
    label = f"{spec}~{Path(weights).stem}" if weights else spec
    blueprint = {"library": library, "name": name, "options": options, "view": asdict(view)}
    return Backbone(label, digest, build, view, str(view), card, blueprint)


def from_blueprint(blueprint: dict) -> Backbone:
    """The same architecture and input transform with untrained weights, for a saved model to be put into."""
    reach = blueprint.get("reach", {})
    if "own" in blueprint:
        return depth.reaching(_own(blueprint["own"], None, {}), reach)
    library, name, options = (blueprint[key] for key in ("library", "name", "options"))
    view = pictures.View(**blueprint["view"])
    build = partial(libraries.build, library, name, options, None, False, view.size)
    return depth.reaching(Backbone(name, "untrained", build, view, str(view), {}, blueprint), reach)


def _own(name: str, weights: str | None, options: dict) -> Backbone:
    untaught = name == UNTAUGHT
    told = {key: options.pop(key) for key in ("seed", "settled") if untaught and key in options}
    if options:
        raise unknown(f"key of backbone {name}", next(iter(options)), depth.KEYS)
    path = data_dir() / "backbones" / f"{name}.safetensors"
    if not untaught and name not in names():
        raise unknown("backbone", name, [*names(), UNTAUGHT, "timm:NAME", "torchvision:NAME"])
    if weights:
        raise UserError(
            f"--weights goes with timm:NAME or torchvision:NAME; {name!r} has weights of its own."
        )
    if untaught:
        return _untaught(**told)

    def build(pretrained: bool) -> tuple[Chain, nn.Module]:
        net = own.load_glyph_net(path)[0] if pretrained else own.GlyphNet(1)
        pool = nn.Sequential(net.head.pool, net.head.flatten)
        chain = Chain(
            {stage: getattr(net, stage) for stage in own.STAGES}, nn.Sequential(pool, net.head.linear)
        )
        return chain, pool

    card = json.loads(path.with_suffix(".json").read_text("utf-8"))
    return Backbone(name, file_digest(path), build, own.glyph_input, "glyph16", card, {"own": name})


def _untaught(seed: Any = 0, settled: str = "") -> Backbone:
    """Our own network before any lesson; its weights are the same in every process, for each seed others."""
    if type(seed) is not int or seed < 0:
        raise UserError(f"backbone {UNTAUGHT},seed={seed}: a seed is a whole number, 0 or more.")
    from tlkit.simulate import FAMILIES  # late: most backbones draw nothing

    if settled and settled not in FAMILIES:
        raise unknown("family to settle on", str(settled), FAMILIES)

    def build(pretrained: bool) -> tuple[Chain, nn.Module]:
        if pretrained:  # within `_pristine`, which gives the generator back as it was
            torch.manual_seed(_UNTRAINED + seed)
        chain = Chain(own.glyph_stages())
        if pretrained and settled:
            own.settle(chain, own.glyph_input(FAMILIES[settled][0](SHOWN, 0)[0]))
        return chain, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    told = {"seed": seed, "settled": settled}
    name = ",".join([UNTAUGHT, *(f"{key}={value}" for key, value in told.items() if value)])
    digest = f"untrained-{seed}" + f"-{settled}" * bool(settled)
    return Backbone(
        name, digest, build, own.glyph_input, "glyph16", {"name": name, **told, "flops": 0}, {"own": UNTAUGHT}
    )


def _option(pair: str, spec: str) -> tuple[str, Any]:
    key, equals, value = pair.partition("=")
    if not equals or not key.isidentifier():
        raise UserError(f"backbone {spec!r}: {pair!r} does not read key=value, as in timm:resnet18,size=96.")
    try:
        return key, json.loads(value.lower())
    except json.JSONDecodeError:
        return key, value
