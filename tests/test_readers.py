"""What a saved model takes from its task: texts, recordings, rows of a table and pictures with boxes."""

import json
import sys

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from scipy.io import wavfile
from torch import nn

from tlkit import backbones, saved_model, tasks
from tlkit.cli import app
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.tasks import Task, classification, multilabel, regression
from tlkit.tasks.metrics import mae, mean_of
from tlkit.tasks.readers import DECODERS, READERS, Decoder
from tlkit_lessons.detection import boxes

RATE = 400


@pytest.fixture(autouse=True)
def registries(monkeypatch):
    """What a test registers is gone behind it."""
    for registry in (READERS, DECODERS, backbones.BACKBONES):
        registry.names()
        monkeypatch.setattr(registry, "added", {})
    yield
    backbones._load.cache_clear()


def source(name: str, inputs: int, transform) -> backbones.Backbone:
    """A backbone of another package: it turns one raw input into `inputs` numbers, and has a name."""
    made = tiny.backbone(
        lambda: {"stem": nn.Linear(inputs, 8), "top": nn.Linear(8, 8)}, nn.Identity, transform, name
    )
    made = backbones.Backbone(made.name, made.digest, made.build, transform, name, {}, {"own": name})
    backbones.register(name, lambda: made)
    return made


def kept(tmp_path, task: Task, backbone, labels: int = 12, plan: str = "frozen") -> saved_model.Saved:
    """Fitted, saved, and loaded again from nothing but the folder."""
    quick = tiny.Recipe(steps=200, epochs=1, batch=8, rates=(1e-2,), strengths=(10.0,), baselines=("1-nn",))
    done = fit(task, backbone, plan, labels, 0, quick, test=False)
    asked = task.objective
    how = {"reader": task.reader, "decoder": asked.decoder, "unit": asked.first.unit}
    about = {"plan": "frozen", "task": task.name}
    folder = saved_model.save(
        tmp_path / "m.model", done.model, backbone.blueprint, task.classes, about, **how
    )
    return saved_model.load(folder)


def counts(text: str) -> torch.Tensor:
    return torch.tensor([float(text.count(letter)) for letter in "abcdefgh"])


def words(tmp_path) -> saved_model.Saved:
    texts = [f"{'a cab' if i % 2 else 'he fed'} {i:03}" for i in range(40)]
    sides = tiny.items(texts[:30], "x"), np.arange(30) % 2, tiny.items(texts[30:], "y"), np.arange(10) % 2
    task = Task("words", classification(2), *sides, ("fed", "cab"), reader="text")
    return kept(tmp_path, task, source("letter-counts", 8, counts))


def test_a_text_or_a_file_that_holds_one(tmp_path):
    model = words(tmp_path)
    (tmp_path / "said.txt").write_text("he fed 001", "utf-8")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    cab, fed, bad = model.predict(["a cab 001", tmp_path / "said.txt", tmp_path / "latin.txt"])
    assert (cab.label, fed.label) == ("cab", "fed") and cab.probability > 0.5 and bad.label is None
    assert bad.error.endswith("save it in UTF-8.") and "is not a text in UTF-8" in bad.error
    assert next(model.predict(["a cab " * 2000])).label == "cab", "longer than a file's name can be"


def test_the_command_asks_about_a_text(tmp_path, monkeypatch, capsys):
    words(tmp_path)
    monkeypatch.setattr(sys, "argv", ["tlkit", "predict", str(tmp_path / "m.model"), "a cab", "he fed"])
    app_ends(0)
    said = " ".join(capsys.readouterr().out.split())
    assert "TEXT" in said and "a cab │ cab" in said and "he fed │ fed" in said and "words: frozen" in said


def app_ends(code: int) -> None:
    try:
        app()
    except SystemExit as end:
        assert (end.code or 0) == code


def tone(hertz: float, rate: int = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(rate) / rate)


def spectrum(samples: torch.Tensor) -> torch.Tensor:
    return torch.fft.rfft(samples[:RATE], RATE).abs()[:100].reshape(10, 10).sum(1)


def test_a_recording_of_any_kind_at_the_rate_of_the_model(tmp_path):
    sounds = torch.stack([torch.from_numpy(tone(15 + i % 2 * 50 + i / 50)) for i in range(40)]).float()
    sides = tiny.items(sounds[:30], "x"), np.arange(30) % 2, tiny.items(sounds[30:], "y"), np.arange(10) % 2
    task = Task("tones", classification(2), *sides, ("low", "high"), reader=f"wav:{RATE}")
    model = kept(tmp_path, task, source("spectrum", 10, spectrum))
    high = {
        "int16": (RATE, (tone(65) * 30_000).astype(np.int16)),
        "uint8": (RATE, (tone(65) * 120 + 128).astype(np.uint8)),
        "int32": (RATE, (tone(65) * 2e9).astype(np.int32)),
        "float": (RATE, tone(65).astype(np.float32)),
        "stereo": (RATE, np.stack([tone(65), tone(65)], 1).astype(np.float32)),
        "four times the rate": (4 * RATE, tone(65, 4 * RATE).astype(np.float32)),
    }
    for name, (rate, samples) in high.items():
        wavfile.write(tmp_path / f"{name}.wav", rate, samples)
    assert [g.label for g in model.predict(tmp_path / f"{name}.wav" for name in high)] == ["high"] * len(high)
    read = [model.reader.read(str(tmp_path / f"{name}.wav")) for name in high]
    for one in read[:5]:
        assert one.dtype == torch.float32 and one.shape == (RATE,)
        assert np.allclose(one, tone(65), atol=0.1)
    (tmp_path / "torn.wav").write_bytes((tmp_path / "float.wav").read_bytes()[:300])
    (tmp_path / "no.wav").write_bytes(b"RIFF nothing")
    for rate in (3, 2**31 - 1):  # to bring them to the model's rate would take all memory
        wavfile.write(tmp_path / "rate.wav", rate, high["int16"][1])
        assert f"({rate} samples a second)" in next(model.predict(tmp_path / "rate.wav")).error
    for lost in model.predict([tmp_path / "torn.wav", tmp_path / "no.wav", "absent.wav"]):
        assert lost.label is None and "does not open as a WAV file" in lost.error


def test_a_row_of_a_table_and_a_number_with_its_unit(tmp_path):
    x = torch.rand(40, 2, generator=torch.Generator().manual_seed(0))
    y = (3 * x[:, 0] + x[:, 1]).numpy()
    objective = regression(metrics=(mae(0.1, "euro"),))
    sides = tiny.items(x[:30], "x"), y[:30], tiny.items(x[30:], "y"), y[30:]
    task = Task("prices", objective, *sides, reader="row:width,height")
    model = kept(tmp_path, task, source("columns", 2, lambda raw: raw), labels=30)
    (tmp_path / "t.csv").write_text("name,height,width\na,0.5,0.1\nb,0.25,0.75\n", "utf-8")
    by_hand, by_row = model.predict(["0.75,0.25", f"{tmp_path}/t.csv:2"])
    assert by_hand.label == by_row.label and by_hand.probability is None
    number, unit = by_row.label.split()
    assert unit == "euro" and float(number) == pytest.approx(2.5, abs=0.3)
    for bad in ("0.75", "a,b", f"{tmp_path}/t.csv:3", f"{tmp_path}/t.csv:x", "", "1,2,3"):
        (lost,) = model.predict([bad])
        assert lost.label is None and "is not a row of numbers" in lost.error and "width,height" in lost.error
    (tmp_path / "t.csv").write_text("name,wide\na,0.5\n", "utf-8")
    assert "is not a row of numbers ('width')" in next(model.predict([f"{tmp_path}/t.csv:1"])).error


def test_several_labels_at_once(tmp_path):
    x = torch.eye(8).repeat(5, 1)
    y = np.stack([x[:, :4].sum(1), x[:, 2:6].sum(1)], 1).astype(np.int64)
    exact = mean_of("exact match", lambda kept, t: ((kept > 0.5) == t).all(1), "higher", 0.02)
    x = x + torch.linspace(0, 0.01, 40)[:, None]
    sides = tiny.items(x[:30], "x"), y[:30], tiny.items(x[30:], "y"), y[30:]
    task = Task("several", multilabel(2, (exact,)), *sides, ("early", "middle"), reader="row:a,b,c,d,e,f,g,h")
    model = kept(tmp_path, task, source("eight", 8, lambda raw: raw), labels=30, plan="full")
    said = [g.label for g in model.predict(["1,0,0,0,0,0,0,0", "0,0,1,0,0,0,0,0", "0,0,0,0,0,0,0,1"])]
    assert said[0].startswith("early ") and "middle" not in said[0]
    assert said[1].startswith("early ") and ", middle " in said[1] and said[2] == "none"


def square(x: int, y: int) -> np.ndarray:
    image = np.zeros((12, 12), dtype=np.uint8)
    image[y : y + 5, x : x + 5] = 255
    return image


def test_a_picture_with_boxes(tmp_path):
    """The head of a detector is no pooled linear layer, and its answer no class."""

    def word(output, classes, unit):
        box, kind = tiny.boxes_of(output)[0, :4] * 12, tiny.boxes_of(output)[0, 4:]
        found = {
            "boxes": torch.tensor(box)[None],
            "labels": torch.tensor(kind).long(),
            "scores": torch.ones(1),
        }
        return boxes([found], classes, unit)

    def head(pool, state):
        outputs, inputs = state["weight"].shape[:2]
        return nn.Conv2d(inputs, outputs, 1)

    DECODERS.register("cells", lambda: Decoder(word, head))
    task, made = tiny.detector()

    def grey(raw):
        return raw if torch.is_tensor(raw) else torch.from_numpy(np.array(raw.convert("L")))[None] / 255

    own = backbones.Backbone("cells", made.digest, made.build, grey, "cells", {}, {"own": "cells"})
    backbones.register("cells", lambda: own)
    done = fit(task, own, "full", 20, 0, tiny.QUICK, test=False)
    folder = saved_model.save(
        tmp_path / "m", done.model, own.blueprint, ("full", "hollow"), {"plan": "x"}, decoder="cells"
    )
    Image.fromarray(square(2, 3)).save(tmp_path / "a.png")
    (found,) = saved_model.load(folder).predict([tmp_path / "a.png"])
    name, sure, at, *numbers = found.label.split()
    assert name in ("full", "hollow") and (sure, at) == ("1.00", "at") and len(numbers) == 4
    with torch.inference_mode():
        want = tiny.boxes_of(done.model(torch.from_numpy(square(2, 3))[None, None] / 255))[0, :4] * 12
    assert [float(n) for n in numbers] == pytest.approx(want.tolist(), rel=1e-3)
    assert (
        boxes([{name: torch.zeros(0, 4) for name in ("boxes", "labels", "scores")}], (), "")[0] == "nothing"
    )


def plain(tmp_path):
    task, made = tiny.classifier()
    done = fit(task, made, "frozen", 4, 0, tiny.QUICK, test=False)
    grey = lambda raw: torch.from_numpy(np.array(raw.convert("L").resize((8, 8))))[None] / 127.5 - 1  # noqa: E731
    own = backbones.Backbone("tiny", made.digest, made.build, grey, "tiny", {}, {"own": "tiny"})
    backbones.register("tiny", lambda: own)
    folder = saved_model.save(tmp_path / "m", done.model, own.blueprint, task.classes, {"plan": "frozen"})
    return folder, folder / "model.json"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"reader": "pictur"},
            "does not load here: unknown reader 'pictur': did you mean 'picture'",
        ),
        (
            {"decoder": "klass"},
            "does not load here: unknown decoder 'klass': did you mean 'class'",
        ),
        ({"blueprint": {"own": "tinyy"}}, "does not load here: unknown backbone 'tinyy'"),
    ],
)
def test_what_a_saved_model_needs_and_is_not_here_is_one_sentence(tmp_path, change, says):
    folder, file = plain(tmp_path)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(UserError, match=f"the model in .*m {says}"):
        saved_model.load(folder)


def test_tensors_of_another_network_and_unknown_names_are_refused(tmp_path):
    folder, _ = plain(tmp_path)
    other, _ = tiny.backbone(name="other").build(False)
    saved_model.save(folder, other, {"own": "tiny"}, ("a", "b"), {"plan": "x"})
    with pytest.raises(
        UserError, match=r"the model in .* is damaged .*: remove it and run `tlkit compare` again"
    ):
        saved_model.load(folder)
    with pytest.raises(UserError, match="unknown reader 'picter': did you mean 'picture'"):
        saved_model.save(tmp_path / "n", other, {}, (), {}, reader="picter")
    assert not (tmp_path / "n").exists()


def test_a_reader_of_another_package_enters_by_its_name(tmp_path):
    READERS.register("shout", lambda: tasks.readers.Reader(str.upper, "WORD"))
    assert READERS.make("shout").read("a") == "A"
