"""A saved model as ONNX files: the same answers without torch, and what is refused."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tlkit import backbones, saved_model
from tlkit.backbones import Backbone, View
from tlkit.backbones.chain import Chain
from tlkit.errors import UserError
from tlkit_lessons import export

pytest.importorskip("onnxruntime", reason="pip install 'tlkit[export]' to test exporting")
CLASSES = ("left", "right", "both")
VIEW = View(32, 3 * (0.5,), 3 * (0.5,), crop=0.875, resample="bicubic")
# what a program finds where only onnxruntime, numpy and Pillow are installed
BLOCKED = """
import runpy, sys
class Blocker:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("torch", "torchvision", "timm", "tlkit", "tlkit_lessons"):
            raise ImportError(name)
sys.meta_path.insert(0, Blocker())
runpy.run_path(sys.argv[1] + "/ask.py", run_name="imported")["ask"]
sys.argv = [sys.argv[1] + "/ask.py", *sys.argv[2:]]
runpy.run_path(sys.argv[0], run_name="__main__")
assert "torch" not in sys.modules
"""


@torch.library.custom_op("tlkit_tests::odd", mutates_args=())
def odd(x: torch.Tensor) -> torch.Tensor:
    """What ONNX has no word for."""
    return x.flip(-1)


@odd.register_fake
def _(x):
    return torch.empty_like(x)


class Odd(nn.Module):
    def forward(self, x):
        return odd(x)


def network(transform=VIEW, middle: type = nn.ReLU) -> Backbone:
    """Two small stages with batch norm, for RGB photos."""

    def build(pretrained: bool):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            first = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), middle())
            second = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU6())
            chain = Chain({"first": first, "second": second})
            for norm in (first[1], second[1]):
                norm.running_mean.normal_(std=0.2)
                norm.running_var.uniform_(0.5, 1.5)
        return chain, nn.Sequential(nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten())

    return Backbone("tiny-photo", "seed 0", build, transform, str(transform))


def kept(folder: Path, monkeypatch, backbone: Backbone, **how: str) -> Path:
    """A saved model on that network."""
    monkeypatch.setattr(backbones, "from_blueprint", lambda _: backbone)
    chain = backbone.fresh()
    torch.manual_seed(1)
    chain.head = nn.Sequential(backbone.pool, nn.Linear(16, len(CLASSES)))
    plain = torch.rand(64, 3, 1, 1, generator=torch.Generator().manual_seed(2)).expand(-1, -1, 32, 32)
    with torch.no_grad():  # so that photos get different answers
        features = backbone.pool(chain.eval().stages["second"](chain.stages["first"](2 * plain - 1)))
        chain.head[1].weight *= 20
        chain.head[1].bias.copy_(-chain.head[1].weight @ features.mean(0))
    return saved_model.save(folder, chain.eval(), {}, CLASSES, {"plan": "frozen", "task": "mine"}, **how)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[Path]:
    """120 photos of many shapes: grey, transparent, turned by the camera, large."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("photos")
    paths = []
    for i in range(120):
        low = rng.integers(0, 256, (rng.integers(2, 9), rng.integers(2, 9), 3), np.uint8)
        image = Image.fromarray(low).resize(
            tuple(rng.integers(20, 260, 2).tolist()), Image.Resampling.BICUBIC
        )
        exif = Image.Exif()
        exif[0x0112] = 6 if i % 4 == 0 else 1
        if i % 7 == 0:
            image = image.convert("L")
        if i % 5 == 0:
            image = image.convert("RGBA")
            image.putalpha(image.convert("L"))
        paths.append(folder / f"{i}.png")
        image.save(paths[-1], exif=exif)
    return paths


@pytest.fixture(scope="module")
def done(tmp_path_factory, photos):
    """A saved model, and the folder it was exported to."""
    home = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        folder = kept(home / "run.model", patch, network())
        told = export.export(folder, home / "run.onnx", export.photos_of(photos[0].parent))
        said = [one.label for one in saved_model.load(folder).predict(photos)]
    return home / "run.onnx", told, said


def ask(folder: Path, photos: list[Path]) -> list[str]:
    words = [sys.executable, "-c", BLOCKED, str(folder), *map(str, photos)]
    out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return [line.split("\t")[1] for line in out.splitlines()]


def test_what_is_written(done):
    folder, told, _ = done
    assert {p.name for p in folder.iterdir()} == {
        export.FLOAT,
        export.INT8,
        "model.json",
        "ask.py",
        "index.html",
    }
    assert [one.file for one in told] == [export.FLOAT, export.INT8] and all(one.seconds > 0 for one in told)
    known = json.loads((folder / "model.json").read_text("utf-8"))
    assert known["classes"] == list(CLASSES) and known["input"]["crop"] == 0.875
    assert known["input"] == json.loads(json.dumps(asdict(VIEW)))


def test_without_torch_it_answers_as_the_model(done, photos, tmp_path):
    """The float file, on photos of every kind, resized by Pillow alone."""
    folder, _, said = done
    for name in ("ask.py", "model.json", export.FLOAT):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    known = json.loads((tmp_path / "model.json").read_text("utf-8"))
    known["files"].pop(export.INT8)
    (tmp_path / "model.json").write_text(json.dumps(known))
    got = ask(tmp_path, photos)
    assert len(set(said)) > 1, "all photos get one answer: the test would prove nothing"
    assert np.mean([a == b for a, b in zip(got, said, strict=True)]) >= 0.99


def test_in_8_bits_it_is_nearly_the_same(done, photos):
    folder, _, said = done
    assert np.mean([a == b for a, b in zip(ask(folder, photos), said, strict=True)]) >= 0.9


def test_nothing_is_overwritten(done, tmp_path, monkeypatch):
    folder = kept(tmp_path / "m", monkeypatch, network())
    before = (done[0] / "model.json").read_bytes()
    with pytest.raises(UserError, match="is there already"):
        export.export(folder, done[0])
    assert (done[0] / "model.json").read_bytes() == before


@pytest.mark.parametrize(
    ("backbone", "how", "said"),
    [
        (network(lambda raw: VIEW(raw)), {}, "a function of its own"),
        (network(), {"reader": "text"}, "no classifier of images"),
        (network(), {"decoder": "labels"}, "no classifier of images"),
        (network(middle=Odd), {}, "stage 'first' has a layer that ONNX does not"),
    ],
)
def test_refused_and_nothing_is_left(tmp_path, monkeypatch, backbone, how, said):
    folder = kept(tmp_path / "m.model", monkeypatch, backbone, **how)
    with pytest.raises(UserError, match=said):
        export.export(folder, tmp_path / "m.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["m.model"]


def test_a_file_that_answers_otherwise_is_not_kept(tmp_path, monkeypatch):
    folder = kept(tmp_path / "m.model", monkeypatch, network())
    whole = export.session
    monkeypatch.setattr(export, "session", lambda file: Wrong(whole(file)))
    with pytest.raises(UserError, match="answers otherwise"):
        export.export(folder, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


class Wrong:
    def __init__(self, session):
        self.session = session

    def run(self, *given):
        return [self.session.run(*given)[0] + 1]


@pytest.mark.parametrize("absent", ["onnx", "onnxruntime", "onnxscript"])
def test_without_the_extra_its_name_is_said(tmp_path, monkeypatch, absent):
    folder = kept(tmp_path / "m.model", monkeypatch, network())
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(UserError, match=rf"export needs {absent}: pip install 'tlkit\[export\]'"):
        export.export(folder, tmp_path / "m.onnx")


def test_photos_to_calibrate_on(photos, tmp_path, monkeypatch):
    assert len(export.photos_of(photos[0].parent)) == export.PHOTOS
    assert export.photos_of(None, "folder:of somebody") == []
    (tmp_path / "a.png").write_bytes(b"no image")
    Image.new("RGB", (9, 9)).save(tmp_path / "b.png")
    with pytest.raises(UserError, match="1 of the files below"):
        export.photos_of(tmp_path)
    with pytest.raises(UserError, match="0 of the files below"):
        export.photos_of(tmp_path / "nowhere")


def test_the_command(tlkit, tmp_path, monkeypatch, photos):
    kept(tmp_path / "run.model", monkeypatch, network())
    code, text = tlkit("export", "run.jsonl", "--photos", photos[0].parent)
    assert code == 0 and "ms a photo on one thread" in text and "measure it again" in text, text
    assert (tmp_path / "run.onnx" / export.INT8).exists()
    code, text = tlkit("export", "run.model", "--out", "float")
    assert code == 0 and "no int8 file" in text and not (tmp_path / "float" / export.INT8).exists()
    code, text = tlkit("export", "run.model", "--to", "tflite")
    assert code == 2 and "unknown format 'tflite'" in text
    code, text = tlkit("export", "absent.model")
    assert code == 2 and "holds no saved model" in text
