"""Backbones by name; weights from files, hub or nowhere; what is refused and in which words."""

import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import time
import zipfile
from argparse import Namespace
from functools import partial

import numpy as np
import pytest
import timm
import tiny
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from tlkit import backbones
from tlkit.backbones import chain, libraries
from tlkit.env import data_dir
from tlkit.errors import UserError
from tlkit_lessons import material
from tlkit_lessons.material import glyphnet

SMALL = "timm:resnet10t,size=32"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return {k: t.clone() for k, t in timm.create_model("resnet10t").state_dict().items()}


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(t, other[k]) for k, t in one.items())


def weight_of(spec: str, path) -> torch.Tensor:
    return backbones.load(spec, str(path)).pretrained().stages["layer1"][0].conv1.weight


# ---- our own


def test_our_own_backbone_is_a_chain_of_its_stages():
    source = backbones.load("letters")
    net, classes = glyphnet.load_glyph_net(data_dir() / "backbones" / "letters.safetensors")
    x = torch.rand(3, 1, 16, 16)
    with torch.inference_mode():
        assert torch.equal(source.pretrained()(x), net(x))
        assert torch.allclose(source.pool(source.pretrained().run(x)), net.features(x), atol=1e-6)
        assert source.source_head()(source.pretrained().run(x)).shape == (3, len(classes))
    assert source.stages == ["stem", "block1", "block2", "block3"]
    assert source.card["name"] == "letters" and source.digest in source.card.get("sha256", source.digest)
    assert "letters" in backbones.names() and "letters-early" in backbones.names()


def test_the_card_holds_the_checksum_that_the_digest_begins():
    for name in {path.stem for path in (data_dir() / "backbones").glob("*.json")}:
        source = backbones.load(name)
        assert source.card["sha256"].startswith(source.digest), name


def test_an_unknown_backbone_is_refused_with_the_nearest():
    with pytest.raises(UserError, match=r"unknown backbone 'leters': did you mean 'letters'\?.*timm:NAME"):
        backbones.load("leters")
    with pytest.raises(UserError, match="has its own weights"):
        backbones.load("letters", "x.pt")
    with pytest.raises(UserError, match=r"unknown backbone 'mobilenetv1_025'.*timm:NAME"):
        backbones.load("mobilenetv1_025", "x.pt")


def test_loading_twice_reads_once():
    assert backbones.load("letters") is backbones.load("letters")


# ---- fresh chains


def test_a_fresh_chain_is_a_copy_without_a_head():
    source = tiny.backbone()
    chain = source.fresh()
    assert isinstance(chain.head, torch.nn.Identity)
    pristine = source.pretrained().state_dict()
    assert all(torch.equal(t, pristine[k]) for k, t in chain.state_dict().items())
    with torch.no_grad():
        for p in chain.parameters():
            p.add_(1)
    assert not torch.equal(chain.stages["stem"][0].bias, source.pretrained().stages["stem"][0].bias)


@pytest.mark.parametrize("spec", ["letters", "timm:resnet10t,size=32,pretrained=false"])
def test_random_weights_come_from_the_generator(spec):
    def drawn(seed):
        torch.manual_seed(seed)
        return backbones.load(spec).fresh("random").state_dict()

    assert same(drawn(1), drawn(1)) and not same(drawn(1), drawn(2))
    assert not same(drawn(0), backbones.load(spec).fresh().state_dict()), "nor the source's own"


def test_building_the_source_leaves_the_generator_alone():
    """Else the first fit of a process would draw another head than the tenth."""
    backbones._load.cache_clear()
    torch.manual_seed(0)
    want = torch.rand(3)
    torch.manual_seed(0)
    backbones.load("timm:resnet10t,size=32,pretrained=false").pretrained()
    assert torch.equal(torch.rand(3), want)


def test_a_network_that_nobody_trained_is_a_source_too():
    """The same in every process, since its features are kept on disk; no head, so no classes."""
    one = backbones.load("random").pretrained().state_dict()
    torch.manual_seed(3)
    want = torch.rand(3)
    torch.manual_seed(3)
    backbones._load.cache_clear()
    again, other = backbones.load("random"), backbones.load("random,seed=1")
    assert same(one, again.pretrained().state_dict()) and not same(one, other.pretrained().state_dict())
    assert torch.equal(torch.rand(3), want), "nor is anybody's generator moved"
    assert (again.name, other.name) == ("random", "random,seed=1") and again.digest != other.digest
    assert again.stages == backbones.load("letters").stages
    assert isinstance(other.source_head(), torch.nn.Identity)
    x = torch.rand(2, 1, 16, 16)
    assert again.pool(again.pretrained().run(x)).shape == (2, glyphnet.FEATURES)
    assert backbones.load("random,until=block1").stages == ["stem", "block1"]
    assert backbones.from_blueprint(again.blueprint).stages == again.stages


def test_a_network_can_settle_without_learning():
    """Its batch norms have measured pictures of a family, to mean 0 and spread 1; no weight has moved."""
    plain, settled = backbones.load("random,seed=1"), backbones.load("random,seed=1,settled=fractals")
    assert settled.name == "random,seed=1,settled=fractals" and settled.digest != plain.digest
    assert settled.card["flops"] == 0 and backbones.load("random,settled=fractals").digest != settled.digest
    before, after = (net.pretrained().state_dict() for net in (plain, settled))
    assert {k for k in before if not torch.equal(before[k], after[k])} == {
        k for k in before if "running_" in k or "batches" in k
    }
    x = glyphnet.glyph_input(material.fractals(glyphnet.SHOWN, 0)[0])
    seen = settled.pretrained().stages["stem"][:2](x)
    assert seen.mean((0, 2, 3)).abs().max() < 1e-4 and (seen.std((0, 2, 3)) - 1).abs().max() < 0.01
    assert settled.fresh().stages["stem"][1].momentum == 0.1, "it can be tuned like any other"
    with pytest.raises(UserError, match=r"family to settle on 'fractal'.*did you mean 'fractals'"):
        backbones.load("random,settled=fractal")


def test_norms_measure_what_passes_and_are_left_as_they_were():
    net = torch.nn.Sequential(torch.nn.BatchNorm1d(3, momentum=0.3), torch.nn.BatchNorm1d(3, affine=False))
    net.append(torch.nn.BatchNorm1d(3, track_running_stats=False))
    found, x = chain.batch_norms(net.eval()), torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    assert found == [net[0], net[1]], "the last keeps no averages"
    net[0].running_mean += 5
    with torch.no_grad(), chain.measuring(found):
        for part in x.split(20):
            net(part)
    assert torch.allclose(net[0].running_mean, x.mean(0), atol=1e-6), "a plain mean, nothing of before"
    variance = torch.stack([part.var(0) for part in x.split(20)]).mean(0)
    assert torch.allclose(net[0].running_var, variance, atol=1e-6)
    assert net[0].momentum == 0.3 and not net[0].training
    with pytest.raises(ValueError, match="more than 1 value"), chain.measuring(found):
        net(x[:1])
    assert net[0].momentum == 0.3 and not any(norm.training for norm in found), "also after a refusal"


def test_random_weights_are_drawn_alike_whatever_the_source():
    def drawn(spec):
        torch.manual_seed(4)
        return backbones.load(spec).fresh("random").state_dict()

    assert same(drawn("random"), drawn("letters"))


@pytest.mark.parametrize("seed", ["-1", "1.5", "true", "blue"])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(UserError, match=r"a seed is a whole number, 0 or more"):
        backbones.load(f"random,seed={seed}")
    with pytest.raises(UserError, match="key of backbone random 'colour'"):
        backbones.load("random,colour=red")


def test_a_source_built_while_features_are_read_can_be_trained():
    """Tensors made in inference mode would never take a gradient."""
    backbones._load.cache_clear()
    with torch.inference_mode():
        source = backbones.load("letters")
        source.pretrained()
    chain = source.fresh()
    chain(torch.rand(2, 1, 16, 16)).sum().backward()
    assert all(p.grad is not None for p in chain.parameters())


def test_an_untrained_source_is_the_same_in_every_process():
    """Its features are kept on disk under one name."""
    spec = "timm:resnet10t,size=32,pretrained=false"
    backbones._load.cache_clear()
    torch.manual_seed(1)
    one = backbones.load(spec).pretrained().state_dict()
    backbones._load.cache_clear()
    torch.manual_seed(2)
    assert same(one, backbones.load(spec).pretrained().state_dict())
    assert backbones.load(spec).digest == "untrained"


# ---- weights


def test_weights_from_safetensors_and_pt_are_the_same(state, tmp_path):
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "b.pt")
    torch.save({"state_dict": state, "epoch": torch.tensor(3)}, tmp_path / "c.pth")
    for name in ("a.safetensors", "b.pt", "c.pth"):
        assert torch.equal(weight_of(SMALL, tmp_path / name), state["layer1.0.conv1.weight"]), name
    source = backbones.load(SMALL, str(tmp_path / "b.pt"))
    assert source.name == f"{SMALL}~b" and len(source.digest) == 12


def test_a_file_written_again_is_read_again(state, tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(state, path)
    first = backbones.load(SMALL, str(path))
    save_file({k: t * 2 for k, t in state.items()}, path)
    os.utime(path, ns=(0, 12345))
    second = backbones.load(SMALL, str(path))
    assert second.digest != first.digest
    assert torch.equal(weight_of(SMALL, path), 2 * state["layer1.0.conv1.weight"])


def test_weights_of_another_architecture_are_named(tmp_path):
    other = timm.create_model("resnet18").state_dict()
    save_file(other, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"another architecture than resnet10t: \d+ tensors.*first is \w+\."):
        backbones.load(SMALL, str(tmp_path / "other.safetensors")).pretrained()


def test_a_card_that_was_read_is_named(tmp_path):
    torch.save(timm.create_model("resnet18").state_dict(), tmp_path / "w.pt")
    (tmp_path / "w.json").write_text("{}")
    with pytest.raises(UserError, match=r"in resnet10t\); its card w\.json was read; name the architecture"):
        backbones.load(SMALL, str(tmp_path / "w.pt")).pretrained()


def test_a_classifier_of_other_classes_is_the_source_head(state, tmp_path):
    head = {"fc.weight": torch.randn(3, 512), "fc.bias": torch.arange(3.0)}
    torch.save({**state, **head}, tmp_path / "w.pt")
    found = backbones.load(SMALL, str(tmp_path / "w.pt"))
    last = found.source_head()[-1]
    assert torch.equal(last.bias, head["fc.bias"]) and torch.equal(last.weight, head["fc.weight"])
    assert last.out_features == 3 and found.pretrained()(torch.zeros(2, 3, 32, 32)).shape == (2, 3)
    assert torch.equal(weight_of(SMALL, tmp_path / "w.pt"), state["layer1.0.conv1.weight"])
    for odd in (
        {"fc.bias": torch.zeros(2)},
        {"fc.weight": torch.zeros(3, 511)},
        {"fc.weight": torch.ones(())},
    ):
        torch.save({**state, **head, **odd}, tmp_path / "w.pt")
        with pytest.raises(UserError, match="another architecture"):
            backbones.load(SMALL, str(tmp_path / "w.pt")).pretrained()


def named(state: dict, front: str) -> dict:
    return {front + key: tensor for key, tensor in state.items()}


SAVED = {  # how training programs save one network
    "DataParallel": lambda state: named(state, "module."),
    "torch.compile": lambda state: named(state, "_orig_mod."),
    "a part compiled": lambda state: {k.replace("layer1.", "layer1._orig_mod."): t for k, t in state.items()},
    "Lightning": lambda state: {
        "state_dict": named(state, "model.") | {"loss.weight": torch.ones(2)}, "epoch": 3, "callbacks": {},
        "hyper_parameters": {"lr": 1e-3}, "optimizer_states": [{"state": {0: {"step": torch.ones(1)}}}],
    },
    "fastai": lambda state: {"model": state, "opt": {"state": {}, "hypers": []}},
    "pytorch": lambda state: {"epoch": 3, "model_state_dict": state, "loss": 0.3, "best": np.float64(0.5)},
    "timm": lambda state: {"state_dict": state, "state_dict_ema": named(state, "x."), "args": Namespace()},
    "average alone": lambda state: {"state_dict_ema": named(state, "module.module.")},
    "weight averaging": lambda state: {"n_averaged": torch.ones(()), **named(state, "module.")},
    "a name of its own": lambda state: {"classifier": state, "epoch": 3},
    "old": lambda state: {k: t for k, t in state.items() if "num_batches_tracked" not in k},
}  # fmt: skip


@pytest.mark.parametrize("program", SAVED)
def test_a_network_is_read_as_training_programs_save_it(state, tmp_path, program):
    torch.save(SAVED[program](state), tmp_path / "w.pt")
    found = timm.create_model("resnet10t")
    backbones.load_weights(found, tmp_path / "w.pt", "resnet10t")
    for name, tensor in found.state_dict().items():
        assert torch.equal(tensor, state[name]) or "tracked" in name, name


def test_of_two_networks_in_a_file_none_is_guessed(state, tmp_path):
    two = [named(state, "student."), named(state, "teacher.")]
    for content in (two[0] | two[1], {"state_dict": two[0] | two[1]}, {"student": state, "teacher": state}):
        torch.save(content, tmp_path / "w.pt")
        with pytest.raises(UserError, match=r"holds several (networks|state dicts) \(student\.?, teacher"):
            backbones.load_weights(timm.create_model("resnet10t"), tmp_path / "w.pt", "resnet10t")


def test_what_is_not_finite_is_no_source(state, tmp_path):
    for bad in (float("nan"), float("inf")):
        weight = state["layer2.0.conv1.weight"].clone()
        weight[0, 0, 0, 0] = bad
        torch.save({**state, "layer2.0.conv1.weight": weight}, tmp_path / "w.pt")
        with pytest.raises(UserError, match=r"not finite \(layer2\.0\.conv1\.weight\).*earlier checkpoint"):
            backbones.load(SMALL, str(tmp_path / "w.pt")).pretrained()


def zipped(**content: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def torch_saved(content) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


NO_WEIGHTS = {
    "version https://git-lfs.github.com/spec/v1\noid sha256:ab\n": "a pointer of Git LFS: run `git lfs pull`",
    "\n<!DOCTYPE html><html><title>Quota exceeded</title></html>": "a web page, as a failed download",
    '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>': "a web page",
    "\ufeffa note on these weights": "a text, which holds no tensors",
    '{"weight_map": {}}': "a text, which holds no tensors",
    b"": "not read (empty): copy or download it again",
    b"\x89HDF\r\n\x1a\n" + bytes(2000): "an HDF5 file, as Keras writes it",
    zipped(a="hello"): "a zip archive, cut off or of other files",
    torch_saved({"a": torch.ones(99)})[:400]: "a zip archive, cut off or of other files",
    torch_saved(nn.Linear(2, 2)): "a pickle that would run code (torch.nn.modules.linear.Linear): it was not",
    b"\x80\x04.": "a pickle that is damaged or would run code",
    bytes(range(256)): "not read (damaged, or no file of tensors)",
}


@pytest.mark.parametrize("content", NO_WEIGHTS, ids=range(len(NO_WEIGHTS)))
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_what_is_no_file_of_weights_is_told_what_it_is(tmp_path, content, suffix):
    (path := tmp_path / f"w{suffix}").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as error:
        backbones.read_tensors(path)
    assert str(error.value).startswith(f"{path} is {NO_WEIGHTS[content]}") and str(error.value).endswith(".")


def test_tensors_are_read_whatever_the_file_is_called(state, tmp_path):
    save_file(state, tmp_path / "w.pt")
    torch.save(state, tmp_path / "w.safetensors")
    for name in ("w.pt", "w.safetensors"):
        assert same(backbones.read_tensors(tmp_path / name), state)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("save", ["pickle", "torch"])
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path, save, suffix):
    path, trace = tmp_path / f"evil{suffix}", tmp_path / "was-here"
    content = {"fc.weight": Evil(trace)}
    path.write_bytes(pickle.dumps(content)) if save == "pickle" else torch.save(content, path)
    says = r"would run code( \(.*open\))?: it was not opened; save the weights as safetensors"
    with pytest.raises(UserError, match=says):
        backbones.load(SMALL, str(path)).pretrained()
    assert not trace.exists()
    torch.load(path, weights_only=False) if save == "torch" else pickle.loads(path.read_bytes())
    assert trace.exists(), "the trap works"


def test_a_missing_file_is_named_before_anything_is_built():
    with pytest.raises(UserError, match=r"no weights file at nowhere/w\.pt"):
        backbones.load(SMALL, "nowhere/w.pt")


@pytest.mark.parametrize("content", [torch.zeros(3), {"a": 1}, [torch.zeros(2)], {"state_dict": {"a": "b"}}])
def test_a_file_that_holds_no_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(UserError, match="no state dict of tensors"):
        backbones.read_tensors(tmp_path / "x.pt")


# ---- hub and names


def test_the_hub_out_of_reach_is_one_sentence_and_fast(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for spec in ("timm:resnet18,size=32", "torchvision:resnet18,size=32"):
        began = time.perf_counter()
        with pytest.raises(UserError, match=r"no pretrained weights for \w+:resnet18 could.*--weights"):
            backbones.load(spec).pretrained()
        assert time.perf_counter() - began < 5


def no_answer(asked: list):
    import requests

    def head(address, timeout):
        asked.append((address, timeout))
        raise requests.ConnectionError

    return head


@pytest.mark.parametrize("spec", ["timm:resnet18,size=32", "torchvision:resnet18,size=32"])
def test_a_host_that_does_not_answer_is_asked_once(monkeypatch, tmp_path, spec):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    asked = []
    monkeypatch.setattr("requests.head", no_answer(asked))
    with pytest.raises(UserError, match=r"could be fetched \([\w.]+ does not answer\): go online"):
        backbones.load(spec + ",pretrained=true").pretrained()
    assert len(asked) == 1 and asked[0][1] <= 5


def test_weights_that_are_here_ask_no_network(monkeypatch):
    from huggingface_hub import constants

    from tlkit.backbones import weights

    asked = []
    monkeypatch.setattr("requests.head", no_answer(asked))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *a, **k: "there")
    before = constants.HF_HUB_OFFLINE
    with weights.from_hub(libraries.TIMM.source("resnet18")):
        assert constants.HF_HUB_OFFLINE
    assert constants.HF_HUB_OFFLINE is before and asked == []


def test_weights_of_the_hub_are_told_apart_without_fetching_them():
    digests = [
        backbones.load(s).digest
        for s in ("timm:resnet18", "timm:resnet18.tv_in1k", "torchvision:resnet18", "torchvision:resnet34")
    ]
    assert len(set(digests)) == 4 and all(d.startswith("hub-") for d in digests)
    assert backbones.load("timm:resnet18.a1_in1k").digest == digests[0], "the default, by its whole name"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("timm:resnt18", "unknown timm model 'resnt18': did you mean 'resnet18'"),
        ("torchvision:resnt18", "unknown torchvision model 'resnt18': did you mean 'resnet18'"),
        ("torchvision:fasterrcnn_resnet50_fpn", "unknown torchvision model"),
        ("timm:resnet18.nope", "unknown tag of timm weights 'resnet18.nope'.*resnet18.a1_in1k"),
        ("timm:", "unknown backbone 'timm:'"),
        ("tim:resnet18", "unknown backbone 'tim:resnet18'"),
        ("timm:resnet18,size", "'size' is not key=value"),
        ("timm:resnet18,size=2", "size=2 is not an image size"),
        ("timm:resnet18,size=big", "size=big is not an image size"),
        ("timm:resnet18,size=true", "size=True is not an image size"),
        ("timm:resnet10t,colour=red,pretrained=false", r"does not take the options \{'colour': 'red'\}"),
        ("torchvision:resnet18,colour=red,pretrained=false", "does not take the options"),
    ],
)
def test_names_that_do_not_do(spec, says):
    with pytest.raises(UserError, match=says) as caught:
        backbones.load(spec).pretrained()
    assert len(str(caught.value)) < 600, "a sentence, not a catalogue"


def test_importing_and_naming_a_backbone_reads_no_hub_library():
    code = (
        "import sys; from tlkit import backbones; backbones.load('letters').stages;"
        "sys.exit(bool({'timm', 'fastai', 'torchvision'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# ---- libraries are rows of a table


def test_what_a_name_stands_for_stays_as_it_was():
    """Records are found by these strings, and saved models are built again from these blueprints."""
    plain = "(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))"
    source = backbones.load("torchvision:resnet18,size=96")
    assert (source.name, source.digest) == ("torchvision:resnet18,size=96", "hub-d3eb6a7c")
    assert source.transform_key == str(source.transform) == f"View(size=96, mean={plain}"
    known = timm.models.get_pretrained_cfg("tf_efficientnet_lite0")
    told = f"{known.hf_hub_id} {known.tag} {known.url}"
    lite = backbones.load("timm:tf_efficientnet_lite0,pad_type=same")
    assert lite.digest == f"hub-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
    assert lite.transform_key == "View(size=224, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))"
    view = {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3}
    options = {"pad_type": "same", "width": 0.25}
    kept = {"library": "timm", "name": "mobilenetv1_100", "options": options, "view": view}
    again = backbones.from_blueprint(kept)
    assert again.transform_key == "View(size=32, mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5])"
    assert again.stages[:2] == ["stem", "block1"]


class Small(torch.nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.stem, self.top = torch.nn.Conv2d(3, width, 3, 2), torch.nn.Conv2d(width, width, 3, 2)
        self.fc = torch.nn.Linear(width, 2)

    def forward(self, x):
        return self.fc(self.top(self.stem(x)).mean((2, 3)))


def test_a_library_is_a_row(monkeypatch, tmp_path):
    fetched = []

    def make(name, pretrained, options):
        fetched.extend([name] * pretrained)
        return Small(**options)

    row = libraries.Library("toy", lambda: ["small"], make, libraries.Source, lambda name: backbones.View(16))
    monkeypatch.setitem(backbones.LIBRARIES, "toy", row)
    backbones.register("toy:", partial(backbones.of_library, row))
    try:
        source = backbones.load("toy:small,width=6")
        assert source.stages == ["stem", "top"] and fetched == ["small"] and source.transform.size == 16
        assert backbones.from_blueprint(source.blueprint).stages == source.stages and fetched == ["small"]
        with pytest.raises(UserError, match="unknown toy model 'smal': did you mean 'small'"):
            backbones.load("toy:smal").pretrained()
        with pytest.raises(UserError, match="toy:small does not take the options"):
            backbones.load("toy:small,depth=2").pretrained()
    finally:
        del backbones.BACKBONES.added["toy:"]
        backbones._load.cache_clear()
    with pytest.raises(UserError, match="needs library 'toy', which is not known here"):
        monkeypatch.undo()
        backbones.from_blueprint(source.blueprint)


# ---- cards and views


def test_the_card_beside_the_weights_says_how_to_look(state, tmp_path):
    save_file(state, tmp_path / "w.safetensors")
    card = {"arch": "timm resnet10t, num_classes=1000", "input": 40, "mean": [0.5] * 3, "std": [0.25] * 3}
    (tmp_path / "w.json").write_text(json.dumps(card))
    source = backbones.load("timm:resnet10t", str(tmp_path / "w.safetensors"))
    assert source.transform == backbones.View(40, (0.5,) * 3, (0.25,) * 3)
    assert source.transform(Image.new("RGB", (50, 60), "white")).unique().tolist() == [2.0]
    assert backbones.load(SMALL, str(tmp_path / "w.safetensors")).transform.size == 32
    assert source.pretrained().stages["layer1"][0].conv1.weight.shape[0] == 64


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_damaged_card_is_named(state, tmp_path, text):
    save_file(state, tmp_path / "w.safetensors")
    (tmp_path / "w.json").write_text(text)
    with pytest.raises(UserError, match=r"the card .*w\.json"):
        backbones.load("timm:resnet10t", str(tmp_path / "w.safetensors"))


def test_a_view_takes_the_middle_square():
    image = Image.new("RGB", (30, 10), "black")
    image.paste((255, 0, 0), (10, 0, 20, 10))
    seen = backbones.View(10, (0, 0, 0), (1, 1, 1))(image)
    assert seen.shape == (3, 10, 10) and seen.dtype == torch.float32
    assert torch.equal(seen[0], torch.ones(10, 10)) and seen[1:].max() == 0


@pytest.mark.parametrize("raw", [torch.rand(1, 8, 8), torch.rand(3, 20, 20)])
def test_a_view_takes_tensors(raw):
    seen = backbones.View(16, (0.5,) * 3, (0.5,) * 3)(raw)
    assert seen.shape == (3, 16, 16) and seen.min() >= -1 and seen.max() <= 1


def test_views_differ_in_their_keys():
    view = backbones.View(96, (0.5,) * 3, (0.5,) * 3)
    assert (
        len(
            {
                str(view),
                str(backbones.View(97, (0.5,) * 3, (0.5,) * 3)),
                str(backbones.View(96, (0.4,) * 3, (0.5,) * 3)),
            }
        )
        == 3
    )


def test_a_blueprint_builds_the_architecture_again():
    source = backbones.load("timm:resnet10t,size=32,pretrained=false")
    again = backbones.from_blueprint(json.loads(json.dumps(source.blueprint)))
    assert again.stages == source.stages
    x = Image.effect_noise((40, 40), 60)
    assert torch.equal(again.transform(x), source.transform(x))
    assert backbones.from_blueprint(backbones.load("letters").blueprint).name == "letters"


@pytest.mark.real("weights_vision")
def test_real_weights_fit_their_architecture():
    from tlkit_lessons.downloads import cache_dir

    path = cache_dir() / "weights_vision" / "mobilenetv1_100_224.pt"
    source = backbones.load("timm:mobilenetv1_100,size=96,pad_type=same", str(path))
    assert source.card["input"] == 224 and source.transform.size == 96
    assert source.pretrained()(torch.zeros(1, 3, 96, 96)).shape == (1, source.card["classes"])


def test_a_narrow_mobilenet_is_told_by_its_card(tmp_path):
    """timm names only the full width; the card of a file says what its weights belong to."""
    narrow = backbones.load("timm:mobilenetv1_100,width=0.25,size=32,pretrained=false")
    state = _timm_state(narrow)
    torch.save(state, tmp_path / "narrow.pt")
    with pytest.raises(UserError, match="another architecture than mobilenetv1_100"):
        backbones.load("timm:mobilenetv1_100,size=32", str(tmp_path / "narrow.pt")).pretrained()
    card = {
        "arch": "timm mobilenetv1 width 0.25, pad_type=same",
        "input": 32,
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    }
    (tmp_path / "narrow.json").write_text(json.dumps(card))
    loaded = backbones.load("timm:mobilenetv1_100", str(tmp_path / "narrow.pt"))
    assert loaded.pretrained().stages["stem"](torch.rand(1, 3, 32, 32)).shape[1] == 8
    assert backbones.from_blueprint(loaded.blueprint).stages == loaded.stages
    with pytest.raises(UserError, match="width needs mobilenetv1_100"):
        backbones.load("timm:resnet10t,width=0.5,pretrained=false").pretrained()


def _timm_state(backbone):
    from timm.models import efficientnet

    torch.manual_seed(0)
    return efficientnet._gen_mobilenet_v1(
        "mobilenetv1_100", backbone.blueprint["options"]["width"]
    ).state_dict()
