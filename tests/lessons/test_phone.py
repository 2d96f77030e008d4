"""Calibration, and what is measured of an exported file, on made-up numbers whose truth is known."""

import numpy as np
import pytest
from PIL import Image

from tlkit.errors import UserError
from tlkit.records import Record, Store
from tlkit_lessons import ledger, nb41_phone


def test_ece_of_a_calibrated_and_of_an_overconfident_network():
    said = np.array([[0.8, 0.2]] * 10)
    assert nb41_phone.ece(said, np.array([0] * 8 + [1] * 2)) == pytest.approx(0)
    assert nb41_phone.ece(said, np.array([0] * 5 + [1] * 5)) == pytest.approx(0.3)
    certain = np.array([[1.0, 0.0]] * 4)
    assert nb41_phone.ece(certain, np.array([0, 0, 0, 1])) == pytest.approx(0.25), "the last bin takes 1"


def test_the_temperature_is_found_again():
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 2, (4000, 3))
    labels = np.array([rng.choice(3, p=p) for p in nb41_phone.odds(scores)])
    assert nb41_phone.temperature(3 * scores, labels) == pytest.approx(3, rel=0.1)
    assert nb41_phone.odds(scores).sum(1) == pytest.approx(1)
    assert nb41_phone.odds(scores, 2).max() < nb41_phone.odds(scores).max()


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Ten seeds: by photo a tenth better; in 8 bits a point worse, by noise three."""
    rows = {"41_photos": [], "41_files": []}
    wide = {"surfaces": 0.7, "surfaces-random": 0.8, "reef_fish": 0.5, "reef_fish-random": 0.6}
    files = {"frozen": 0.9, nb41_phone.INT8: 0.89, nb41_phone.NOISE: 0.87}
    for seed in nb41_phone.SEEDS:
        for task, value in wide.items():
            rows["41_photos"].append(row(task, "frozen", seed, value))
        for task in nb41_phone.FILES:
            rows["41_files"] += [row(task, plan, seed, value) for plan, value in files.items()]
    for name, each in rows.items():
        Store(tmp_path / f"{name}.jsonl").append(each)
    monkeypatch.setattr(nb41_phone.ledger, "shelf", lambda: OneFolder(tmp_path))
    return tmp_path


class OneFolder:
    def __init__(self, folder):
        self.folder = folder

    def store(self, name):
        return Store(self.folder / f"{name}.jsonl")


def row(task: str, plan: str, seed: int, value: float) -> Record:
    return Record(task, "d", "b", "w", plan, 20, seed, "r", "test", "accuracy", value, "ok")


def test_titles_say_the_mean_difference(shelf):
    figure = nb41_phone.two_splits()
    assert [ax.get_title(loc="left").splitlines()[-1] for ax in figure.axes] == [
        "adds +10 points of accuracy"
    ] * 2
    figure = nb41_phone.changes(5)
    assert all("-1.0 points\nby photos, -3.0 by noise" in ax.get_title(loc="left") for ax in figure.axes)
    assert [t.get_text() for t in figure.axes[0].texts] == ["your guess"]


def test_an_absent_seed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(nb41_phone.ledger, "shelf", lambda: OneFolder(tmp_path))
    Store(tmp_path / "41_photos.jsonl").append([row("surfaces", "frozen", 70, 0.5)])
    with pytest.raises(UserError, match="no record of frozen, seed 71"):
        nb41_phone.recorded("41_photos", "surfaces", "frozen")


def test_confusions_count_and_name_the_commonest_error():
    ax = nb41_phone.confusions(np.array([0, 1, 1, 1]), np.array([0, 0, 0, 1]), ("ant", "bee"))
    assert ax.get_title(loc="left") == "The commonest error:\nant taken for bee"
    assert [t.get_text() for t in ax.texts] == ["1", "2", "0", "1"]


def test_a_head_is_put_into_a_file(tmp_path):
    onnx = pytest.importorskip("onnx")
    from torch import nn

    head = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    held = [
        onnx.numpy_helper.from_array(np.zeros_like(t.numpy()), f"head.{k}")
        for k, t in head.state_dict().items()
    ]
    graph = onnx.helper.make_graph([], "g", [], [], initializer=held)
    body = onnx.helper.make_model(graph).SerializeToString()
    nb41_phone.headed(body, head, tmp_path / "x.onnx")
    found = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(tmp_path / "x.onnx").graph.initializer}
    assert np.array_equal(found["head.1.weight"], head[1].weight.detach().numpy())
    with pytest.raises(ValueError, match=r"no head\.1\.bias"):
        nb41_phone.headed(
            onnx.helper.make_model(
                onnx.helper.make_graph([], "g", [], [], initializer=held[:1])
            ).SerializeToString(),
            head,
            tmp_path / "y.onnx",
        )


def test_noise_is_repeatable_and_claims_are_about_what_is_recorded():
    first, again = nb41_phone.noise(2, 1), nb41_phone.noise(2, 1)
    assert first[0].tobytes() == again[0].tobytes() != first[1].tobytes() and isinstance(
        first[0], Image.Image
    )
    jobs = {(task, plan, n) for task, plan, n in nb41_phone.PHOTOS}
    for claim in (c for c in ledger.criteria() if c.records == "41_photos"):
        pairs = [
            (claim.task, claim.plan),
            *((claim.against_task or claim.task, plan) for plan in claim.against),
        ]
        assert {(*pair, n) for pair in pairs for n in claim.labels} <= jobs
