"""A suffix on kept activations is the whole network: the same logits, the same gradients, the same steps."""

import copy

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from tlkit import backbones, features, plans, tasks
from tlkit.backbones.chain import Chain, Suffix
from tlkit.features import Cut
from tlkit.plans import Plan
from tlkit.tasks import Items
from tlkit.tasks.items import augmented

SOURCES = {
    "letters": "letters",
    "resnet": "timm:resnet18,size=32,pretrained=false",
    "mobilenet": "timm:mobilenetv2_100,size=32,pretrained=false",
    "vgg": "timm:vgg16,mlp_ratio=0.015625,size=32,pretrained=false",
    "vit": "timm:vit_tiny_patch16_224,img_size=32,size=32,pretrained=false",
}
LOGITS = 1e-5  # of the largest logit: another company in the batch gives other last digits
GRADIENTS = 1e-4  # of the length of each tensor's gradient


pytestmark = pytest.mark.usefixtures("computed")


@pytest.fixture(scope="module", params=SOURCES)
def world(request) -> tuple[backbones.Backbone, Items, Chain]:
    """(backbone, ten items, its chain with a head of three classes, statistics as if it had been trained)"""
    backbone = backbones.load(SOURCES[request.param])
    if request.param == "letters":
        items = tasks.load("digits").train
    else:
        numbers = torch.Generator().manual_seed(0)
        items = tiny.items(torch.rand(10, 3, 32, 32, generator=numbers), request.param)
    chain = backbone.pretrained()  # the one that `Cut.run` uses
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for module in chain.modules():
            if isinstance(module, nn.BatchNorm2d) and request.param != "letters":
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 1.5)
    end = features.example(Cut(backbone, len(backbone.stages)), items)
    whole = copy.deepcopy(chain)
    for module in whole.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # its mask would be drawn for another company
    head = tiny.classifier()[0].objective.head(end, copy.deepcopy(backbone.pool))
    whole.head = head
    return backbone, items, whole


@pytest.mark.parametrize("augmentation", ["", "shift"])
@pytest.mark.parametrize("text", ["frozen", "last-1", "last-2", "block:MIDDLE"])
def test_logits_and_the_first_gradients_are_those_of_the_whole_network(world, text, augmentation):
    backbone, items, chain = world
    plan = Plan.parse(text.replace("MIDDLE", backbone.stages[len(backbone.stages) // 2]))
    cut, rows = plan.cut(backbone.stages), np.array([7, 0, 3, 9, 4])
    assert cut > 0, "something is kept"
    seen = augmented(items, augmentation, 2) if augmentation else items
    kept = features.activations(Cut(backbone, cut), seen, rows)
    raw = torch.stack([backbone.transform(seen.inputs[int(i)]) for i in rows])
    plans.freeze(chain, plan)
    plans.set_modes(chain, plan)

    def first_step(model: nn.Module, x) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        chain.zero_grad(set_to_none=True)
        statistics = {k: b.clone() for k, b in chain.named_buffers()}
        logits = model(x)
        nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0, 1])).backward()
        chain.load_state_dict(statistics, strict=False)
        return logits.detach(), {k: p.grad for k, p in chain.named_parameters() if p.grad is not None}

    logits, steps = first_step(Suffix(chain, cut), kept)
    wanted, references = first_step(chain, raw)
    assert wanted.std() > 1e-4 and torch.allclose(
        logits, wanted, atol=LOGITS * max(1, float(wanted.abs().max()))
    )
    assert steps.keys() == references.keys() and len(steps) >= 2
    longest = max(float(g.norm()) for g in references.values())
    for name, reference in references.items():
        off = float((steps[name] - reference).norm())
        # beside a batch norm a bias has a gradient of nothing but rounding
        assert off <= GRADIENTS * max(float(reference.norm()), 1e-3 * longest), name


def test_colour_beside_colour_in_memory_changes_last_digits_only(world):
    backbone, items, chain = world
    pictures = torch.stack([backbone.transform(items.inputs[i]) for i in range(4)])
    apart = copy.deepcopy(chain).eval().to(memory_format=torch.contiguous_format)
    with torch.inference_mode():
        ours, wanted = chain.eval().run(pictures), apart.run(pictures)
    assert torch.allclose(ours, wanted, rtol=0, atol=LOGITS * float(wanted.abs().max()))
    weights = [w for w in chain.parameters() if w.ndim == 4 and min(w.shape[1:]) > 1]
    beside = [w.is_contiguous(memory_format=torch.channels_last) for w in weights]
    assert all(beside) or ":" not in backbone.name
