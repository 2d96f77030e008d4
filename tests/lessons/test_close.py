"""Staying close: three tests, the choice of alpha, that nothing runs twice, the figures of notebook 33."""

from types import SimpleNamespace

import pytest
import torch

from tlkit import backbones, features
from tlkit.records import Store
from tlkit_lessons import ledger, nb33_close
from tlkit_lessons.averaging import wise

PATH = {"in domain": {0.0: [0.5], 1.0: [0.7]}, "shifted": {0.0: [0.6], 1.0: [0.7]}}


@pytest.fixture(scope="module")
def letters():
    return backbones.load("letters")


@pytest.mark.parametrize("name", nb33_close.TRAINED)
def test_the_shifted_test_shares_no_font_or_writer_with_training(name):
    there = nb33_close.tests(name)
    trained, shifted = there["in domain"], there["shifted"]
    assert not set(trained.train.groups) & set(shifted.test.groups) and shifted.test.groups
    assert trained.classes == shifted.classes and trained.test.digests != shifted.test.digests


def test_the_source_is_tested_under_its_own_head(letters):
    chain = features.with_head(letters, nb33_close.tests("digits")["in domain"], seed=0)
    found = nb33_close.tested(chain, "digits", "source", letters)
    assert found.metrics["accuracy"] > 0.8 and len(found.predicted) == 12 * 52
    assert nb33_close.distance(chain, letters) == 0
    with torch.no_grad():
        [p.mul_(1.5) for p in chain.stages.parameters()]
    assert nb33_close.distance(chain, letters) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("scores", "wanted"), [({}, 0.5), ({0.2: 2}, 0.2), ({0.1: 2, 0.7: 2}, 0.7), ({1.0: 2, 0.3: 1}, 1.0)]
)
def test_alpha_is_the_best_on_the_selection_images_and_of_equals_the_nearest_to_a_half(
    monkeypatch, letters, scores, wanted
):
    task, seen = nb33_close.tests("texture")["in domain"], []
    draw = task.draw(5, 3)

    def job(task, backbone, plan, recipe, seed, drawn):
        return SimpleNamespace(train=lambda setting, rows: (seen.append((str(plan), setting, [*rows])), 0, 0))

    monkeypatch.setattr(nb33_close, "Job", job)
    monkeypatch.setattr(nb33_close, "wise", lambda start, tuned, a: a)
    monkeypatch.setattr(
        nb33_close, "on_rows", lambda a, t, b, rows: scores.get(a, 0) * ([*rows] == [*draw.select])
    )
    ends = [SimpleNamespace(setting=text) for text in ("0.1", "0.003")]
    assert nb33_close.chosen_alpha(task, letters, ends, 5, 3) == wanted
    assert seen == [("frozen", "0.1", [*draw.fit]), ("lp-ft", "0.003", [*draw.fit])], "trained without them"


def test_accuracy_on_rows_is_that_of_these_rows(letters):
    task = nb33_close.tests("digits")["in domain"]
    chain = features.with_head(letters, task, seed=0)
    with torch.no_grad():
        chain.head[-1].weight.zero_()
        chain.head[-1].bias.copy_(torch.arange(10) == 3)
    threes = [i for i, target in enumerate(task.targets) if target == 3]
    others = [i for i, target in enumerate(task.targets) if target != 3]
    assert nb33_close.on_rows(chain, task, letters, threes[:3] + others[:1]) == 0.75


def test_what_is_recorded_is_not_run_again(tmp_path, monkeypatch):
    monkeypatch.setattr(nb33_close, "fit", lambda *a, **k: pytest.fail("it was there already"))
    monkeypatch.setattr(nb33_close, "grid", lambda *a, **k: pytest.fail("it was there already"))
    for name, record in (("33_texture", nb33_close.record_close), ("33_soup", nb33_close.record_soups)):
        store = ledger.shelf().store(name)
        before = len(store.read())
        record(store, "texture", 40)
        assert len(store.read()) == before
    with pytest.raises(pytest.fail.Exception):
        nb33_close.record_close(Store(tmp_path / "r.jsonl"), "texture", 40)


def test_the_records_give_a_path_and_a_table():
    store = ledger.shelf().store("33_digits")
    curves = nb33_close.from_records(store, "digits")
    assert [*curves] == [*nb33_close.PLACES]
    assert all(
        [*c] == [0, 0.25, 0.5, 0.75, 1] and {len(v) for v in c.values()} == {10} for c in curves.values()
    )
    assert len(nb33_close.chosen(store)) == 10 and set(nb33_close.chosen(store)) <= set(nb33_close.TRIED)
    head, *lines = nb33_close.summary(store, "digits", ("frozen", "lp-ft")).splitlines()
    assert (
        head.split()[-1] == "distance" and lines[0].split()[-1] == "0.00" and float(lines[1].split()[-1]) > 0
    )
    mean = sum(curves["in domain"][0]) / 10
    assert f"{mean:.3f}" in lines[0]
    assert "distance" not in nb33_close.summary(ledger.shelf().store("33_soup"), "texture", nb33_close.SOUPS)


def test_a_path_says_what_is_at_an_alpha_and_who_chose_it():
    ax = nb33_close.along(PATH, at=1.0)
    assert ax.get_title(loc="left") == "alpha 1: in domain 0.70, shifted 0.70"
    ends = [t for t in ax.texts if t.get_text() in PATH]
    assert abs(ends[0].xy[1] - ends[1].xy[1]) >= 0.07, "two names would overlap"
    ax = nb33_close.along(PATH, "said", picks=[1.0, 1.0, 0.5])
    assert ax.get_title(loc="left") == "said"
    assert {(t.get_text(), t.xy[0]) for t in ax.texts if t.get_text().isdigit()} == {("2", 1.0), ("1", 0.5)}
    assert nb33_close.peak({0.0: [0.1, 0.9], 0.5: [0.6, 0.6]}) == 0.5


def test_a_feature_that_turns_says_by_how_much():
    before = torch.tensor([1.0, 1.0])
    after = {"random head": torch.tensor([1.0, 0.0]), "fitted head": before}
    figure = nb33_close.turned(before, after, torch.zeros(3, 2))
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["random head: the feature turns by 45°", "fitted head: the feature turns by 0°"]


def test_strangers_average_to_nothing(letters):
    models = [backbones.load(name).pretrained() for name in ("letters", "letters-s1")]
    task = nb33_close.letters_task()
    alone, both = (
        nb33_close.evaluate(m, task, letters, "one").metrics["accuracy"]
        for m in (models[1], wise(*models, 0.5))
    )
    assert alone > 0.8 and both < 0.2
