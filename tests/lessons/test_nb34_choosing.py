"""The search over settings: equal tries, its ledger, what is chosen; and the maps of notebook 34."""

import math
import sys

import numpy as np
import pytest
from made_up_records import row

from tlkit import backbones, tasks
from tlkit.errors import UserError
from tlkit.fit.job import Job
from tlkit.plans import Plan
from tlkit.records import Store
from tlkit_lessons import nb34_choosing, nb34_search, widgets
from tlkit_lessons.nb34_choosing import Place
from tlkit_lessons.nb34_search import Setting, Try


def tried(accuracy, loss=1.0, seconds=1.0):
    return Try(Setting(0.01, 40), accuracy, loss, seconds)


def searched(plan, seed, accuracies, losses=None, finals=None, labels=5):
    """The row that holds a ledger."""
    losses = losses or [1.0] * len(accuracies)
    lines = [[0.01, 40, a, loss] for a, loss in zip(accuracies, losses, strict=True)]
    detail = {"ledger": lines, "finals": finals or {}, "bytes": 1000}
    measured = {"seconds": 1.0, "tries": [1.0 + seed] * len(accuracies)}
    name = f"{plan}@tries={nb34_search.TRIES}"
    return row(name, labels, seed, 0.9, detail=detail, measured=measured)


@pytest.fixture
def two_tries(monkeypatch):
    monkeypatch.setattr(nb34_search, "TRIES", 2)
    monkeypatch.setattr(nb34_search, "PLANS", ("frozen", "last-1"))
    monkeypatch.setattr(nb34_choosing, "TRIES", 2)


def test_the_best_try_is_the_first_of_equals_or_the_least_loss():
    ledger = [tried(0.8), tried(0.9, 0.5), tried(0.9, 0.3), tried(0.2, math.inf)]
    assert nb34_search.best(ledger) == 1 and nb34_search.best(ledger, by_loss=True) == 2
    assert nb34_choosing.tied(ledger) == 2


def test_plans_that_descend_draw_the_same_settings_within_the_ranges():
    optuna = pytest.importorskip("optuna")

    def drawn(plan, seed=3):
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
        found = []
        study.optimize(lambda t: found.append(nb34_search.ask(t, Plan.parse(plan), 60)) or 0.0, n_trials=6)
        return found

    assert drawn("full") == drawn("lora-4") != drawn("full", seed=4)
    low, high = nb34_search.RATES
    assert all(low <= s.value <= high and 20 <= s.steps <= 80 for s in drawn("full"))
    assert {s.steps for s in drawn("frozen")} == {60} and max(s.value for s in drawn("frozen")) > high


def test_a_try_learns_from_four_fifths_and_its_setting_counts(monkeypatch):
    task, net = tasks.load("digits"), backbones.load("letters")
    before, learnt, train = len(task.reads), [], Job.train
    monkeypatch.setattr(Job, "train", lambda job, s, rows: learnt.append(rows) or train(job, s, rows))
    good, weak = (
        nb34_search.attempt(task, net, Plan.parse("frozen"), 5, 50, Setting(c, 60)) for c in (1.0, 1e-6)
    )
    assert good.accuracy * 10 == pytest.approx(round(good.accuracy * 10)), "ten validation images"
    assert [len(rows) for rows in learnt] == [40, 40], "the validation images must not be learnt from"
    assert good.loss < weak.loss and good.seconds > 0
    assert len(task.reads) == before, "a try must not read the test set"
    with pytest.raises(UserError, match="leave no validation set"):
        nb34_search.attempt(task, net, Plan.parse("frozen"), 4, 50, Setting(1.0, 60))


def test_a_search_is_recorded_once_with_ledger_and_choices(two_tries, tmp_path):
    pytest.importorskip("optuna")
    task, net, store = tasks.load("digits"), backbones.load("letters"), Store(tmp_path / "s.jsonl")
    with pytest.raises(UserError, match=r"frozen@tries=2.*was not searched"):
        nb34_search.record_choices(store, task, net, 5, 50)
    for plan in nb34_search.PLANS:
        nb34_search.record_search(store, task, net, plan, 5, 50)
    nb34_search.record_choices(store, task, net, 5, 50)
    rows = {(r.plan, r.split): r for r in store.read()}
    names = {plan for plan, split in rows if split == "test"}
    ends = ("@tries=1", "@tries=2", "@tries=2@by=loss")
    assert names == {p + e for p in ("frozen", "last-1", "chosen") for e in ends} | {
        "frozen@tries=0",
        "last-1@tries=0",
    }
    full = rows["last-1@tries=2", "test"]
    ledger = nb34_search.ledger_of(full)
    assert len(ledger) == 2 and rows["last-1@tries=1", "select"].value == ledger[0].accuracy
    assert full.detail["finals"][str(nb34_search.best(ledger))] == full.value
    chosen = rows["chosen@tries=2", "test"]
    assert chosen.value == rows[f"{chosen.detail['chosen']}@tries=2", "test"].value
    before, reads = len(store.read()), len(task.reads)
    nb34_search.record_search(store, task, net, "last-1", 5, 50)
    nb34_search.record_choices(store, task, net, 5, 50)
    assert (len(store.read()), len(task.reads)) == (before, reads)


def test_without_optuna_a_search_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"pip install 'tlkit\[search\]'"):
        nb34_search.search(tasks.load("digits"), backbones.load("letters"), "frozen", 5, 50)


def test_a_course_follows_the_best_so_far(two_tries):
    rows = [
        searched("full", 1, [0.5, 0.9], finals={"0": 0.4, "1": 0.8}),
        searched("full", 0, [0.9, 0.9], finals={"0": 0.7}),
    ]
    course = nb34_choosing.course(rows, "full", 5)
    assert course.test.tolist() == [[0.7, 0.7], [0.4, 0.8]] and course.validation[1].tolist() == [0.5, 0.9]
    assert course.seconds.tolist() == [[1, 2], [2, 4]], "all tries count, seed by seed"
    with pytest.raises(UserError, match="no search of frozen at 5 labels"):
        nb34_choosing.course(rows, "frozen", 5)


def test_the_front_holds_what_nothing_dominates():
    places = {"a": Place(0.9, 1, 10), "b": Place(0.9, 2, 10), "c": Place(0.8, 2, 5), "d": Place(0.95, 9, 99)}
    assert nb34_choosing.front(places) == ["a", "c", "d"]
    same = {"a": Place(0.9, 1, 1), "b": Place(0.9, 1, 1)}
    assert nb34_choosing.front(same) == ["a", "b"], "equal plans do not dominate each other"


def test_what_takes_too_long_is_not_advised():
    places = {"frozen": Place(0.9, 1), "full": Place(0.95, 30)}
    assert nb34_choosing.advised(places, 60) == "full" and nb34_choosing.advised(places, 5) == "frozen"
    assert nb34_choosing.advised(places, 0.1) is None
    ax = nb34_choosing.plan_map(places, 5)
    assert [line.get_alpha() for line in ax.lines if line.get_alpha()] == [1, 0.25]


def test_the_committed_setting_stands_before_the_first_try(two_tries):
    rows = [searched("full", s, [0.5, 0.9], finals={"0": 0.4, "1": 0.8}) for s in (0, 1)]
    rows += [row("full@tries=0", 5, s, v) for s, v in ((0, 0.9), (1, 0.7))]
    usual = nb34_choosing.committed(rows, "full", 5)
    assert usual == pytest.approx(0.8)
    figure = nb34_choosing.by_tries_and_seconds(
        {"full": nb34_choosing.course(rows, "full", 5)}, {"full": usual}
    )
    [point] = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert point.get_xdata()[0] < 1 and point.get_ydata()[0] == usual
    assert figure.get_suptitle() == "full leads after 1 try and after 2; tries of full cost least"
    with pytest.raises(UserError, match="frozen has no fit with its committed setting at 5 labels"):
        nb34_choosing.committed(rows, "frozen", 5)


def test_validation_gains_more_than_test_in_the_title(two_tries):
    rows = [searched("full", s, [0.5, 0.9], finals={"0": 0.4, "1": 0.6}) for s in (0, 1)]
    ax = nb34_choosing.optimism({"full": nb34_choosing.course(rows, "full", 5)})
    assert ax.get_title(loc="left") == "From 1 to 2 tries: +40.0 points in validation, +20.0 in test"


def test_names_on_the_map_stand_apart():
    close = {
        "last-1": Place(0.95, 4),
        "full": Place(0.95, 9),
        "lp-ft": Place(0.949, 10),
        "frozen": Place(0.8, 0.1),
    }
    texts = {t.get_text(): (t.xyann, t.get_ha()) for t in nb34_choosing.plan_map(close).texts}
    assert texts["last-1"][1] == "right" and texts["frozen"][1] == "left"
    assert texts["full"][0][1] > 0 > texts["lp-ft"][0][1]


def test_unequal_tries_are_compared_seed_by_seed():
    ours, theirs = ([[0.5, 0.9], [0.6, 0.9]], [[0.7, 0.8], [0.8, 0.8]])
    courses = {
        n: nb34_choosing.Course(np.array(t), np.array(t), np.array(t))
        for n, t in (("full", ours), ("last-1", theirs))
    }
    found = nb34_choosing.unequal(courses, "full", "last-1")
    assert [*found] == [(2, 1), (2, 2), (1, 1), (1, 2)]
    assert found[2, 1].startswith("+0.150") and found[1, 2].startswith("-0.250")


def test_the_explorer_turns_every_map_and_names_its_best_plan():
    near, far = (("frozen", 0.9, 1), ("full", 0.95, 20)), (("full", 0.7, 20),)
    tasks_ = {
        name: [row(p, n, 0, v, measured={"seconds": s}) for n in (1, 5) for p, v, s in plans]
        for name, plans in (("near", near), ("far", far))
    }
    found = widgets.explorer(tasks_, ("frozen", "full"), (1, 5), (5, 60))
    assert found.maps["near", 5, 60] == "full" and found.maps["near", 1, 5] == "frozen"
    assert found.maps["far", 1, 5] is None and len(found.maps) == 8
    by_task = found.children[-1]
    by_labels = by_task.children[0].children[1]
    by_seconds = by_labels.children[0].children[0]
    sources = [box.link.source for box in (by_task, by_labels, by_seconds)]
    assert sources == [(found.task, "index"), (found.labels, "index"), (found.seconds, "index")]
    assert "far, 1 label per class:" in by_seconds.children[0].children[1].value
    bundle = found._repr_mimebundle_()
    assert "image/png" in bundle
    with pytest.raises(UserError, match="far has no fit of frozen at 1 labels"):
        widgets.explorer(tasks_, ("frozen",), (1, 5), (5, 60))
    with pytest.raises(UserError, match="at least two tasks"):
        widgets.explorer({"near": tasks_["near"]}, ("frozen",))
