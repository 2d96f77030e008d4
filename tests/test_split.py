"""Known architectures come apart into stages that compute the same, and every plan runs on them."""

from functools import partial

import numpy as np
import pytest
import timm
import tiny
import torch
import torchvision
from torch import nn

from tlkit import backbones
from tlkit.backbones import Backbone
from tlkit.backbones.split import split
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.plans import Plan
from tlkit.recipe import Recipe
from tlkit.tasks import Task, classification

MODELS = {
    "timm:vgg16": (32, ["block1", "block2", "block3", "block4", "block5", "pre_logits"]),
    "timm:resnet18": (64, ["stem", "layer1", "layer2", "layer3", "layer4"]),
    "timm:mobilenetv2_100": (64, ["stem", *(f"block{i}" for i in range(1, 8)), "conv_head"]),
    "timm:vit_tiny_patch16_224": (224, ["embed", *(f"block{i}" for i in range(1, 13))]),
    "torchvision:resnet18": (64, ["stem", "layer1", "layer2", "layer3", "layer4"]),
    "torchvision:mobilenet_v2": (64, [f"block{i}" for i in range(1, 20)]),
    "timm:tf_efficientnet_lite0": (64, ["stem", *(f"block{i}" for i in range(1, 8)), "conv_head"]),
    "timm:mobilenetv3_small_100": (64, ["stem", *(f"block{i}" for i in range(1, 7)), "conv_head"]),
    "timm:convnext_tiny": (64, ["stem", *(f"stage{i}" for i in range(1, 5))]),
    "timm:swin_tiny_patch4_window7_224": (224, ["stem", *(f"layer{i}" for i in range(1, 5))]),
    "torchvision:efficientnet_b0": (64, [f"block{i}" for i in range(1, 10)]),
    "torchvision:mobilenet_v3_small": (64, [*(f"block{i}" for i in range(1, 14)), "hidden"]),
    "torchvision:convnext_tiny": (64, [f"block{i}" for i in range(1, 6)]),
    "torchvision:swin_t": (64, [f"block{i}" for i in range(1, 6)]),
    "timm:densenet121": (64, [f"block{i}" for i in range(1, 6)]),
}
# what the plans run on: small inputs; a VGG16 of 553 MB would need four times that to be trained
TRAINED = {
    "timm:vgg16,mlp_ratio=0.015625": 32,
    "timm:resnet18": 32,
    "timm:mobilenetv2_100": 32,
    "timm:vit_tiny_patch16_224,img_size=32": 32,
    "torchvision:resnet18": 32,
    "torchvision:mobilenet_v2": 32,
    "timm:tf_efficientnet_lite0": 32,
    "timm:mobilenetv3_small_050": 32,
    "timm:convnext_atto,conv_mlp=false": 32,
    "timm:swin_tiny_patch4_window7_224,img_size=32,embed_dim=24": 32,
    "torchvision:mobilenet_v3_small": 32,
}
LARGE = ("torchvision:efficientnet_b0", "torchvision:convnext_tiny", "torchvision:swin_t")
TWO_STEPS = Recipe(steps=2, epochs=1, batch=4, rates=(1e-3,), strengths=(1.0,), baselines=("1-nn",))


def create(spec: str) -> nn.Module:
    """The library's model; weights cheaply drawn, and statistics as if it had been trained."""
    library, name = spec.split(":")
    make = timm.create_model if library == "timm" else partial(torchvision.models.get_model, weights=None)
    with torch.device("meta"):
        model = make(name)
    learnt = {key for key, _ in model.named_parameters()}
    tables = [k for k, _ in model.named_buffers() if not k.endswith(("_mean", "_var", "_tracked"))]
    # what a transformer looks up (places, masks) no random number may replace
    model = make(name) if tables else model.to_empty(device="cpu")
    numbers = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if key in learnt or key.endswith(("running_mean", "running_var")):
                positive = key.endswith("running_var")
                bound = 1.7 / max(1, tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.5
                tensor.uniform_(0.5 if positive else -bound, 1.5 if positive else bound, generator=numbers)
    return model.eval()


@pytest.mark.parametrize("spec", MODELS)
def test_a_model_and_its_stages_compute_the_same(spec):
    model, (side, names) = create(spec), MODELS[spec]
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        want = model(x)
        chain, pool = split(model, torch.randn(2, 3, side, side))
        last = chain.run(x)
        assert want.std() > 1e-3 and torch.allclose(
            chain(x), want, atol=1e-5 * max(1, float(want.abs().max()))
        )
        assert pool(last).shape == (2, chain.head[-1].in_features) and chain.head(last).shape == want.shape
    assert not any(True for _ in pool.parameters()), "the pooling learns nothing"
    ours = {id(p) for p in chain.parameters()}
    assert ours == {id(p) for p in model.parameters()}, "every tensor of the model is somewhere in the chain"
    layers = {name: any(p.ndim > 1 for p in stage.parameters()) for name, stage in chain.stages.items()}
    assert all(layers.values()), "a norm alone is no stage"
    assert chain.names == names


def test_a_model_that_does_not_come_apart_is_refused():
    with pytest.raises(UserError, match="VisionTransformer cannot be split into a chain of stages"):
        split(create("torchvision:vit_b_16"), torch.randn(2, 3, 224, 224))


class Twice(nn.Module):
    """Uses a layer twice: its children in order are not its function."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.fc = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(self.two(self.one(self.one(x))).mean((2, 3)))


def test_a_chain_that_computes_something_else_is_refused():
    with pytest.raises(UserError, match="Twice cannot be split"):
        split(Twice(), torch.randn(2, 3, 8, 8))


def test_a_size_that_the_model_cannot_take_is_one_sentence():
    with pytest.raises(UserError, match=r"takes no images of \(64, 64\) pixels.*img_size"):
        backbones.load("timm:vit_tiny_patch16_224,size=64,pretrained=false").pretrained()


@pytest.fixture(scope="module")
def noise() -> Task:
    """Two classes of random pictures: nothing to learn, everything to run."""
    x = torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    y = np.arange(12) % 2
    sides = tiny.items(x[:8], "train"), y[:8], tiny.items(x[8:], "test"), y[8:]
    return Task("noise", classification(2), *sides, ("a", "b"))


@pytest.fixture(scope="module", params=[*TRAINED, *(pytest.param(s, marks=pytest.mark.slow) for s in LARGE)])
def source(request) -> Backbone:
    return backbones.load(f"{request.param},size={TRAINED.get(request.param, 32)},pretrained=false")


@pytest.mark.parametrize(
    "text", ["pixels", "scratch", "frozen", "last-1", "last-2", "full", "lp-ft", "block:NAME"]
)
def test_every_plan_runs_on_every_architecture(noise, source, text):
    plan = Plan.parse(text.replace("NAME", source.stages[len(source.stages) // 2]))
    reads = len(noise.reads)
    done = fit(noise, source, plan, 2, 0, TWO_STEPS)
    assert len(noise.reads) == reads + 1 and done.test.predicted.shape == (4,)
    if text == "pixels":
        return
    assert done.audit.ok
    tuned = set(plan.tuned(source.stages))
    assert {n.split(".")[1] for n in done.audit.moved if n.startswith("stages")} == tuned
    assert any(n.startswith("head") for n in done.audit.moved)
    assert done.detail["flops_prefix"] + done.detail["flops_suffix"] > 0
