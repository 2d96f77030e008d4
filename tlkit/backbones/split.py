"""Any image model as a chain of stages, without changing the function it computes (checked, not trusted)."""

import copy
from collections.abc import Iterator

import torch
from torch import nn

from tlkit.backbones.chain import Chain, TokenPool, alike
from tlkit.errors import UserError

_CONTAINERS = {"blocks": "block", "stages": "stage", "layers": "layer", "features": "block"}
_EMBED = ("patch_embed", "pos_drop", "patch_drop", "norm_pre")
_JOINS = ("act", "relu", "final_conv")


class _Embed(nn.Module):
    """The front of a timm vision transformer: patches, class token, positions."""

    def __init__(self, vit: nn.Module):
        super().__init__()
        shell = copy.copy(vit)  # shares the tensors; the parts that become other stages are taken out
        shell._modules = {k: m for k, m in vit._modules.items() if k in _EMBED}
        self.vit = shell

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.vit._pos_embed(self.vit.patch_embed(x))
        return self.vit.norm_pre(self.vit.patch_drop(x))


def split(model: nn.Module, example: torch.Tensor) -> tuple[Chain, nn.Module]:
    """(chain, pool): the model's stages with its own classifier as the head, and the parameter-free pooling.

    `example`: a batch (2 x 3 x H x W) on which the chain must give the model's own output to within 1e-5 of
    its scale; the chain shares the model's tensors. Raises UserError if no known cut reproduces the model.
    """
    model.eval()
    pieces = list(_pieces(model))
    with torch.inference_mode():
        want = _output(model, example)
        for tail in _tails(model):
            chain, pool = _assemble(pieces, tail)
            if _agrees(chain, example, want):
                return chain, pool
    kind = type(model).__name__
    raise UserError(
        f"{kind} cannot be split into a chain of stages: choose another architecture; timm: names work best."
    )


def _output(model: nn.Module, example: torch.Tensor) -> torch.Tensor:
    kind, size = type(model).__name__, tuple(example.shape[-2:])
    try:
        output = model(example)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UserError(
            f"{kind} takes no images of {size} pixels ({error}): leave size out, or give img_size, too."
        ) from error
    if not torch.is_tensor(output):
        raise UserError(f"{kind} returns {type(output).__name__}, not a tensor: choose an image classifier.")
    return output


def _agrees(chain: Chain, example: torch.Tensor, want: torch.Tensor) -> bool:
    try:
        got = chain.eval()(example)
    except (RuntimeError, TypeError, AttributeError, AssertionError):
        return False  # shapes of this guess do not fit: it is not the model
    return alike(got, want)


def _pieces(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Children in order, containers opened, the last classifier as the piece called 'fc'."""
    if hasattr(model, "_pos_embed"):
        yield "embed", _Embed(model)
    for name, child in model.named_children():
        if hasattr(model, "_pos_embed") and name in _EMBED:
            continue
        if isinstance(child, nn.Linear):
            yield "fc", child
        elif name == "features" and sum(isinstance(m, nn.MaxPool2d) for m in child) > 1:
            yield from _cut_at_pools(child)
        elif name in _CONTAINERS and isinstance(child, nn.Sequential):
            yield from _open_container(child, _CONTAINERS[name])
        elif isinstance(child, nn.Sequential) and name in ("classifier", "heads", "head"):
            yield from _open_classifier(child)
        elif isinstance(getattr(child, "fc", None), nn.Linear):
            body = copy.copy(child)
            body._modules = {**child._modules, "fc": nn.Identity()}
            yield ("pool" if _bare(body) else "hidden"), body
            yield "fc", child.fc
        else:
            yield name, child


def _open_container(container: nn.Sequential, word: str) -> Iterator[tuple[str, nn.Module]]:
    """Its modules, numbered; a single layer between blocks goes with what it feeds: it changes resolution."""
    modules, group, number = list(container), [], 0
    layers = [sum(p.ndim > 1 for p in module.parameters()) for module in modules]
    for i, module in enumerate(modules):
        group.append(module)
        if i == 0 or layers[i] != 1 or max(layers[i + 1 : i + 2], default=0) <= 1:
            number += not _only_norms(module)
            yield f"{word}{number}", group[0] if len(group) == 1 else nn.Sequential(*group)
            group = []


def _cut_at_pools(features: nn.Sequential) -> Iterator[tuple[str, nn.Module]]:
    block, number = [], 1
    for module in features:
        block.append(module)
        if isinstance(module, nn.MaxPool2d):
            yield f"block{number}", nn.Sequential(*block)
            block, number = [], number + 1
    if block:
        yield f"block{number}", nn.Sequential(*block)


def _open_classifier(child: nn.Sequential) -> Iterator[tuple[str, nn.Module]]:
    modules = list(child)
    last = max((i for i, m in enumerate(modules) if isinstance(m, nn.Linear)), default=None)
    if last is None or last != len(modules) - 1:
        yield "classifier", child
        return
    front = modules[:last]
    yield ("pool" if all(map(_bare, front)) else "hidden"), nn.Sequential(*front)
    yield "fc", modules[last]


def _tails(model: nn.Module) -> Iterator[nn.Module]:
    """Poolings that models do inside `forward`, to be tried in turn before the first layer on vectors."""
    if hasattr(model, "num_prefix_tokens"):
        kind = "token" if model.global_pool == "token" else "avg"
        yield TokenPool(kind, model.num_prefix_tokens)
    yield nn.Identity()
    yield nn.Flatten(1)
    yield nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
    yield nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(1))


def _bare(module: nn.Module) -> bool:
    return next(module.parameters(), None) is None


def _only_norms(module: nn.Module) -> bool:
    """Whether nothing but norms has parameters in it, or nothing at all."""
    learning = (m for m in module.modules() if next(m.parameters(recurse=False), None) is not None)
    return all("norm" in type(m).__name__.lower() for m in learning)


def _assemble(pieces: list[tuple[str, nn.Module]], tail: nn.Module) -> tuple[Chain, nn.Module]:
    """Group pieces into stages: what has no parameters, and norms, join the stage in front of them.

    A norm behind the pooling takes the pooling with it: nothing in the pool that is returned may learn.
    """
    stages: dict[str, list[nn.Module]] = {}
    pooling: list[nn.Module] = []
    fc: nn.Module = nn.Identity()
    for name, module in pieces:
        bare = _bare(module)
        if name == "fc":
            fc = module
        elif bare and (pooling or not stages or ("pool" in name and name != "maxpool")):
            pooling.append(module)
        elif stages and (_only_norms(module) or name.startswith(_JOINS)):
            stages[next(reversed(stages))] += [*pooling, module]
            pooling = []
        elif name == "hidden":
            stages[name] = [*pooling, tail, module]
            pooling, tail = [], nn.Identity()
        else:
            first = not stages and name.startswith(("conv", "patch"))
            stages["stem" if first else name] = [*pooling, module]
            pooling = []
    named = {n: m[0] if len(m) == 1 else nn.Sequential(*m) for n, m in stages.items()}
    pool = nn.Sequential(*pooling, tail)
    return Chain(named, nn.Sequential(pool, fc)), pool
