"""A network for series and sound, and the smallest honest forecast and recognition through every plan."""

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import save_file

from tlkit import backbones, study
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.plans import Plan
from tlkit.records import Store
from tlkit.tasks import LAST_VALUE, Items, Task, array_items, classification, regression, splits
from tlkit.tasks.metrics import mae
from tlkit.tasks.readers import READERS
from tlkit_lessons import downloads
from tlkit_lessons.material.sequences import Steps, log_mel

SPEC = "sequence,channels=8,layers=3"
PLANS = [plan.replace("mid", "layer2") for plan in tiny.PLANS]
LENGTH = 16


def waves(count: int = 60, name: str = "waves") -> Task:
    """The next value of a swinging series, by time; the naive forecast is the last value."""
    time = np.arange(count + LENGTH)
    series = np.sin(time * 1.1) + np.random.default_rng(0).normal(0, 0.05, len(time))
    x = torch.from_numpy(np.lib.stride_tricks.sliding_window_view(series[:-1], LENGTH).copy()).float()
    items = array_items(x, name, times=time[LENGTH:])
    parts = splits.parted(
        items, series[LENGTH:].astype(np.float32), splits.by_time(time[LENGTH:], gap=LENGTH)
    )
    return Task(name, regression(metrics=(mae(0.02),), baseline=LAST_VALUE), *parts)


@pytest.mark.parametrize("text", PLANS)
def test_a_forecast_by_every_plan(text):
    task, backbone = waves(), backbones.load(SPEC)
    done = fit(task, backbone, text, 10, 0, tiny.QUICK)
    plan = Plan.parse(text)
    free = {"head", *plan.tuned(backbone.stages)}
    assert done.audit.ok and {n.split(".")[1 if n[0] == "s" else 0] for n in done.audit.moved} <= free
    assert done.test.predicted.shape == (len(task.test), 1) and len(task.reads) == 1


def test_a_network_forecasts_better_than_the_last_value(tmp_path):
    task, store = waves(200), Store(tmp_path / "r.jsonl")
    longer = tiny.Recipe(steps=200, epochs=1, batch=16, rates=(1e-2,), strengths=(1.0,), baselines=("1-nn",))
    study.run(study.Grid(task, SPEC, ("last-value", "full"), (80,), (0,), longer), store)
    errors = {row.plan: row.value for row in store.read() if row.split == "test"}
    assert errors["full"] < 0.3 < errors["last-value"], "half a swing behind"


def test_nothing_of_later_steps_is_seen():
    chain = backbones.load(SPEC).pretrained()
    x = torch.randn(2, 1, 20, generator=torch.Generator().manual_seed(0))
    later = x.clone()
    later[..., 12:] += 1
    with torch.inference_mode():
        one, other = chain.run(x), chain.run(later)
    assert torch.equal(one[..., :12], other[..., :12]) and not torch.allclose(one[..., 12], other[..., 12])
    before = x.clone()
    before[..., 0] += 1
    with torch.inference_mode():
        reach = (chain.run(before) - one).abs().amax((0, 1)).nonzero().max()
    assert reach == 14, "of three layers: 2 (1 + 2 + 4) steps back"


def test_items_become_steps():
    series = Steps(0, 0, 0)
    assert series(np.arange(5.0)).tolist() == [[0, 1, 2, 3, 4]]
    assert series(torch.arange(6.0).view(3, 2)).tolist() == [[0, 2, 4], [1, 3, 5]], "time comes first"
    cut = Steps(4, 0, 0)
    assert cut(torch.arange(6.0)).tolist() == [[2, 3, 4, 5]] and cut(torch.ones(2)).tolist() == [[0, 0, 1, 1]]
    specs = [SPEC, *(f"{SPEC},{more}" for more in ("length=4", "length=5", "mels=8", "mels=8,rate=8000"))]
    assert len({backbones.load(spec).transform_key for spec in specs}) == len(specs)


def test_a_tone_stands_in_its_band():
    rate, bands = 8000, 20
    time = torch.arange(rate) / rate
    mel = lambda hertz: 2595 * np.log10(1 + hertz / 700)  # noqa: E731
    for hertz in (300, 1000, 2500):
        seen = log_mel(torch.sin(2 * np.pi * hertz * time), rate, bands)
        assert seen.shape == (bands, 101) and abs(float(seen.mean())) < 1e-4
        loudest = int(seen[:, 50].argmax())
        centre = (loudest + 1) * mel(rate / 2) / (bands + 1)
        assert abs(centre - mel(hertz)) <= mel(rate / 2) / (bands + 1)
    assert log_mel(torch.zeros(10), rate, bands).isfinite().all(), "silence, and shorter than a window"


def test_weights_from_a_file(tmp_path):
    source = backbones.load(SPEC)
    state = {key: tensor + 1 for key, tensor in source.pretrained().state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    again = backbones.load(SPEC, str(tmp_path / "w.safetensors"))
    assert again.name == f"{SPEC}~w" and again.digest != source.digest == "untrained"
    assert all(torch.equal(tensor, state[key]) for key, tensor in again.pretrained().state_dict().items())
    assert (
        again.stages
        == backbones.from_blueprint(again.blueprint).stages
        == ["stem", "layer1", "layer2", "layer3"]
    )
    with pytest.raises(UserError, match="another architecture than sequence,channels=9"):
        backbones.load("sequence,channels=9", str(tmp_path / "w.safetensors")).pretrained()


@pytest.mark.parametrize("pair", ["channels=0", "layers=1.5", "inputs=true", "length=-2", "mels=many"])
def test_numbers_that_do_not_do(pair):
    with pytest.raises(
        UserError, match=rf"{pair.split('=')[0]} of backbone sequence,{pair}: give a whole number"
    ):
        backbones.load(f"sequence,{pair}")


def spoken() -> Task:
    """Digits from zero to three by four speakers; the test is as published, the takes 0 to 4 of each."""
    factory, given = READERS.find("wav:8000")
    read = factory(*given).read
    paths = sorted(downloads.folder("fsdd").glob("[0-3]_*.wav"))
    inputs = [read(str(path)) for path in paths]
    items = Items(inputs, [path.name for path in paths], tiny.items(inputs, "take").digests)
    labels = np.array([int(path.name[0]) for path in paths])
    takes = ["test" if int(path.stem.rpartition("_")[2]) < 5 else "train" for path in paths]
    sides = splits.parted(items, labels, splits.published(takes))
    return Task("spoken", classification(4, baseline=None), *sides, ("zero", "one", "two", "three"))


@pytest.mark.real("fsdd")
def test_spoken_digits_are_told_apart():
    backbone = backbones.load("sequence,mels=24,rate=8000,length=60,channels=24")
    longer = tiny.Recipe(steps=150, epochs=1, batch=16, rates=(1e-2,), strengths=(0.1,), baselines=("1-nn",))
    done = fit(spoken(), backbone, "full", 40, 0, longer)
    assert done.test.metrics["accuracy"] > 0.25 + 4 * (0.25 * 0.75 / 80) ** 0.5, "four errors above chance"
