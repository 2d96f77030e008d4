"""Pretrained networks by name: those that are registered, or any of timm, torchvision or transformers."""

import inspect
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from torch import nn

from tlkit.backbones import depth, libraries
from tlkit.backbones.chain import UNTRAINED, Backbone
from tlkit.backbones.libraries import TIMM, TORCHVISION, Library, View
from tlkit.backbones.weights import file_digest, load_weights, read_card, read_tensors
from tlkit.errors import UserError, unknown
from tlkit.files import stamps
from tlkit.registry import Registry

__all__ = [
    "UNTRAINED", "Backbone", "View", "from_blueprint", "load", "load_weights", "names", "network",
    "read_tensors", "register", "register_library",
]  # fmt: skip

LIBRARIES: dict[str, Library] = {}


def _own() -> None:
    for row in (TIMM, TORCHVISION):
        register_library(row)


BACKBONES = Registry("backbone", "tlkit.backbones", _own)


def register(name: str, factory: Callable[..., Backbone], listed: Iterable[str] = ()) -> None:
    """Have `load(name)` give what the factory returns, also in the processes and on the clusters of a study.

    name: such as `mine`, or a prefix such as `mine:`, whose factory is given what follows it. Keys in the
    name, as in `mine,size=96`, are the factory's arguments; with an argument `weights` it may be given a
    file, and `spec` is the name as given. A package registers its own in a function that it names as an entry
    point of the group `tlkit.backbones`. Raises UserError for a name that an installed package has.
    """
    BACKBONES.register(name, factory, listed)
    _load.cache_clear()


def register_library(row: Library) -> None:
    """Have `load` know the networks of a package under the prefix `NAME:` (`libraries.Library`)."""
    register(f"{row.name}:", partial(of_library, row))
    LIBRARIES[row.name] = row


def names() -> list[str]:
    """Every backbone that can be asked for by name."""
    return BACKBONES.names()


def load(spec: str | Backbone, weights: str | None = None) -> Backbone:
    """The backbone called `spec`: one that is registered, or one of a library, as `timm:NAME[,key=value]`.

    Libraries are timm, torchvision, and those that are registered. For any backbone `until=STAGE`
    ends the chain behind a stage, and `features=all` reads every stage, as in `timm:resnet18,until=layer2`.
    `weights`: a .safetensors or .pt file of tensors for a library's name; a JSON card of the same stem beside
    it may give `input`, `mean` and `std`. Keys of a library's name: `size` (pixels a side), `pretrained`
    (true or false) and `width` (of a MobileNetV1) are ours, the rest goes to the model's constructor. Nothing
    large is read before a chain is asked for. A backbone itself is given back. Raises UserError for an
    unknown name, unreadable weights, or weights of another architecture.
    """
    if isinstance(spec, Backbone):
        if weights:
            raise UserError(f"--weights needs a name: backbone {spec.name!r} has its own weights.")
        return spec
    beside = (weights, Path(weights).with_suffix(".json")) if weights else ()
    read = map(stamps, (spec.partition(":")[2].partition(",")[0], *beside))
    return _load(spec, None if weights is None else str(weights), *read)


@lru_cache(maxsize=4)
def _load(spec: str, weights: str | None, *_stamps: tuple) -> Backbone:
    name, *pairs = spec.split(",")
    factory, given = BACKBONES.find(name)
    options = dict(_option(pair, spec) for pair in pairs)
    reach = {key: options.pop(key) for key in depth.KEYS if key in options}
    plain = ",".join([name, *(pair for pair in pairs if pair.partition("=")[0] not in reach)])
    told = _told(factory, name, options, {"spec": plain} | ({"weights": weights} if weights else {}))
    made = factory(*given, **options, **told)
    # a saved model asks for it again by its name, where its factory has not said how else it is built
    made = made if made.blueprint else replace(made, blueprint={"registered": plain})
    return depth.reaching(made, reach)


def _told(factory: Callable, name: str, options: dict, more: dict[str, str]) -> dict[str, str]:
    """Those of `more` that a factory takes. Raises UserError for options, or weights, that it does not."""
    takes = inspect.signature(factory).parameters
    anything = any(p.kind is p.VAR_KEYWORD for p in takes.values())
    odd = [key for key in options if key in ("spec", "weights") or (key not in takes and not anything)]
    if odd:
        raise unknown(f"key of backbone {name}", odd[0], {*takes, *depth.KEYS} - {"spec", "weights"})
    if "weights" in more and "weights" not in takes:
        raise UserError(f"--weights is for timm: and torchvision: names; {name!r} has its own weights.")
    return {key: value for key, value in more.items() if key in takes}


def of_library(
    row: Library, name: str, /, *, spec: str, weights: str | None = None, **options: Any
) -> Backbone:
    """A network of a library, as `load` reads its name."""
    card = {"recipe": "photos"} | read_card(weights)
    arch = re.sub(r"\bwidth (?=0)", "width=", str(card.get("arch", "")))
    for pair in re.findall(r"\b[a-z]\w*=[\w.]+", arch):
        options.setdefault(*_option(pair, spec))
    size, fetch = options.pop("size", None), bool(options.pop("pretrained", True)) and not weights
    view = row.view(name).told(card, size)
    digest = file_digest(weights) if weights else row.source(name).digest if fetch else "untrained"
    fill = partial(load_weights, path=Path(weights), name=name) if weights else None
    label = f"{spec}~{Path(weights).stem}" if weights else spec
    return network(row, name, options, view, label, digest, card, fetch, fill)


def network(
    row: Library,
    name: str,
    options: dict,
    view: View,
    label: str,
    digest: str,
    card: dict,
    fetch: bool = False,
    fill: Callable[[nn.Module], None] | None = None,
) -> Backbone:
    """A network of a library as a backbone; `fill` puts its weights in, or they are fetched from the hub."""
    build = partial(libraries.build, row, name, options, view.size, fetch, fill)
    blueprint = {"library": row.name, "name": name, "options": options, "view": asdict(view)}
    return Backbone(label, digest, build, view, str(view), card, blueprint)


def from_blueprint(blueprint: dict) -> Backbone:
    """The same architecture and input transform with untrained weights, for a saved model to be put into."""
    reach = blueprint.get("reach", {})
    if named := blueprint.get("own") or blueprint.get("registered"):
        return depth.reaching(load(named), reach)
    library, name, options = (blueprint[key] for key in ("library", "name", "options"))
    names()  # which asks other packages for theirs
    if library not in LIBRARIES:
        raise UserError(f"{name} needs library {library!r}, which is not known here: install its package.")
    view = View(**blueprint["view"])
    return depth.reaching(network(LIBRARIES[library], name, options, view, name, "untrained", {}), reach)


def _option(pair: str, spec: str) -> tuple[str, Any]:
    key, equals, value = pair.partition("=")
    if not equals or not key.isidentifier():
        raise UserError(f"backbone {spec!r}: {pair!r} is not key=value, as in timm:resnet18,size=96.")
    try:
        return key, json.loads(value.lower())
    except json.JSONDecodeError:
        return key, value
