"""Heaps without a label: their names, what is read, and what is kept."""

from itertools import permutations

import numpy as np
import pytest

from tlkit import backbones, env, tasks
from tlkit.errors import UserError
from tlkit.records import Store
from tlkit.tasks import Task
from tlkit_lessons import nb21_kinds
from tlkit_lessons.adapt import sealed


@pytest.fixture(scope="module")
def task():
    return tasks.load("glyphs:greek-a")


@pytest.fixture(scope="module")
def ssl():
    return backbones.load("letters-ssl")


@pytest.mark.parametrize("seed", range(5))
def test_names_are_the_best_of_all_dealings(seed):
    chance = np.random.default_rng(seed)
    found, targets = chance.integers(4, size=40), chance.integers(4, size=40)
    best = max(np.mean(np.array(deal)[found] == targets) for deal in permutations(range(4)))
    answers = nb21_kinds.named_clusters(found, targets)
    assert np.mean(answers == targets) == best
    pairs = {*zip(found.tolist(), answers.tolist(), strict=True)}
    assert len(pairs) == len({heap for heap, _ in pairs}) == len({name for _, name in pairs})


def test_a_heap_too_many_has_no_name_and_one_too_few_takes_the_largest_class():
    targets = np.array([0, 0, 0, 1, 1, 1])
    assert nb21_kinds.named_clusters(np.array([0, 0, 2, 1, 1, 1]), targets).tolist() == [0, 0, -1, 1, 1, 1]
    assert nb21_kinds.named_clusters(np.zeros(5, dtype=int), np.array([0, 1, 1, 1, 0])).tolist() == [1] * 5


def test_no_training_label_is_read_and_the_test_once(task, ssl, monkeypatch):
    monkeypatch.setattr(Task, "targets", property(lambda _: pytest.fail("a training label was read")))
    before, reads = list(task.reads), []
    evaluate = Task.evaluate
    monkeypatch.setattr(Task, "evaluate", lambda s, f, who: (reads.append(who), evaluate(s, f, who))[1])
    found = nb21_kinds.clustered(task, ssl, "clusters", 3)
    assert reads == ["clusters, letters-ssl, seed 3"] and task.reads == before, "the task given is not sealed"
    assert found.metrics["accuracy"] == np.mean(found.predicted == found.targets)


def test_garbage_for_labels_leaves_the_heaps_as_they_were(task, ssl):
    chance, sides = np.random.default_rng(0), []
    for items in (task.train, task.test):
        sides += [items, chance.integers(10, size=len(items))]
    fake = sealed(Task(task.name, task.objective, *sides, task.classes))
    for plan in nb21_kinds.CLUSTERINGS:
        honest, lost = (nb21_kinds.clustered(t, ssl, plan, 0) for t in (task, fake))
        pairs = {*zip(honest.predicted.tolist(), lost.predicted.tolist(), strict=True)}
        assert len(pairs) == len(set(honest.predicted)), "the same heaps under other names"
        assert lost.metrics["accuracy"] < honest.metrics["accuracy"]
        assert abs(lost.metrics["adjusted rand"]) < 0.05 < honest.metrics["adjusted rand"]


def test_a_view_is_what_it_says(task, ssl):
    random = backbones.load("random")
    by_pixels = [nb21_kinds.clustered(task, net, "clusters@pixels", 0).predicted for net in (ssl, random)]
    assert np.array_equal(*by_pixels), "no network is asked"
    seen = [nb21_kinds.clustered(task, net, "clusters", 0).predicted for net in (ssl, random)]
    assert not np.array_equal(*seen)
    other = nb21_kinds.clustered(task, ssl, "clusters", 1).predicted
    assert not np.array_equal(seen[0], other), "another seed sees another half"
    with pytest.raises(UserError, match="clusters@pixels"):
        nb21_kinds.clustered(task, ssl, "clusters@pixel")


def test_what_is_kept_is_what_was_run_and_nothing_is_run_twice(tmp_path, task, ssl, monkeypatch):
    store = Store(tmp_path / "r.jsonl")
    row = nb21_kinds.record_clusters(store, task, ssl, "clusters", 0)
    assert store.read() == [row]
    run = nb21_kinds.clustered(task, ssl, "clusters", 0)
    assert row.value == run.metrics["accuracy"] and row.labels == 0 and row.backbone == "letters-ssl"
    assert row.detail == {"adjusted rand": run.metrics["adjusted rand"]}
    assert np.array_equal(store.items(row.fit_key), run.predicted)
    assert np.array_equal(store.targets(task.name, row.data), run.targets)
    assert store.origin(row) == env.origin()
    monkeypatch.setattr(nb21_kinds, "clustered", lambda *_: pytest.fail("it was there already"))
    assert nb21_kinds.record_clusters(store, task, ssl, "clusters", 0) == row
