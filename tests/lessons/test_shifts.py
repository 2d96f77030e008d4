"""Shifts: one domain never shows what the other does, and what is written down is what was run."""

from dataclasses import replace

import numpy as np
import pytest

from tlkit import backbones, env
from tlkit.errors import UserError
from tlkit.records import Store
from tlkit_lessons import adaptations, shifts

QUICK = ("coral", "pseudo-labels")


@pytest.fixture(scope="module")
def letters():
    return backbones.load("letters")


@pytest.mark.parametrize("shift", shifts.SHIFTS)
def test_no_picture_or_font_is_where_it_must_not_be(shift):
    source, target = shifts.shifted(shift, 3)
    assert target.sealed and not source.sealed
    assert not {*source.train.groups} & {*target.test.groups}
    assert not {*source.train.digests} & {*target.train.digests, *target.test.digests}
    plain, moved, train = shifts._images(shift)
    place = {picture.tobytes(): i for i, picture in enumerate(moved.images)}
    ours = {picture.tobytes(): i for i, picture in enumerate(plain.images)}
    here = {ours[x.numpy().tobytes()] for x in source.train.inputs}
    there = {place[x.numpy().tobytes()] for x in target.train.inputs}
    assert not here & there, "one picture in two guises"
    assert all(train[i] for i in here | there)


def test_the_seed_deals_and_the_test_stays():
    (a, b), (again, _), (other, c) = (shifts.shifted("noise", seed) for seed in (0, 0, 1))
    assert a.train.digests == again.train.digests != other.train.digests
    assert b.test.digests == c.test.digests and b.train.digests != c.train.digests


def test_shares_change_on_both_sides_of_the_split_and_images_do_not():
    target = shifts.shifted("shares", 0)[1]
    plain, _, _ = shifts._images("shares")
    known = {picture.tobytes() for picture in plain.images}
    assert all(x.numpy().tobytes() in known for x in target.train.inputs)
    whole = shifts.shifted("same", 0)[1]
    assert len(target.train) < 0.65 * len(whole.train) and len(target.test) < 0.65 * len(whole.test)
    truth = target.evaluate(lambda items: np.zeros(len(items)), "test").targets
    counts = np.bincount(truth, minlength=10)
    assert counts[:5].min() > 4 * counts[5:].max() > 0
    assert shifts.digest("shares") != shifts.digest("same") == shifts.digest("same")


def test_faded_images_have_little_contrast():
    _, target = shifts.shifted("faded", 0)
    low, high = target.train.inputs.min(), target.train.inputs.max()
    assert low >= shifts.DARK - 1e-6 and high <= shifts.DARK + shifts.CONTRAST + 1e-6


def test_an_unknown_shift_is_named():
    with pytest.raises(UserError, match="noise"):
        shifts.shifted("nois", 0)


def test_what_is_kept_is_what_was_run_and_nothing_is_run_twice(tmp_path, letters, monkeypatch):
    store = Store(tmp_path / "r.jsonl")
    assert adaptations.record_adaptations(store, "noise", 0, letters, QUICK[:1]) == 1
    assert adaptations.record_adaptations(store, "noise", 0, letters, QUICK, choose=True) == 1 + 5
    by_plan = {row.plan: row for row in store.read()}
    run = adaptations.asked("coral", "noise", 0, letters)
    row = by_plan["coral"]
    assert row.value == run.accuracy and row.labels == 0 and row.task == "noise"
    assert np.array_equal(store.items(row.fit_key), run.evaluation.predicted)
    assert np.array_equal(store.targets("noise", row.data), run.evaluation.targets)
    assert store.origin(row) == env.origin()
    best = max(QUICK, key=lambda plan: by_plan[plan].value)
    oracle = by_plan["chosen@oracle"]
    assert oracle.value == by_plan[best].value and oracle.detail["chosen"] == best
    monkeypatch.setattr(adaptations, "asked", lambda *_: pytest.fail("it was there already"))
    assert adaptations.record_adaptations(store, "noise", 0, letters, QUICK, choose=True) == 0


def test_settings_are_written_into_the_plan(letters):
    run = adaptations.asked("adabn@batch=50", "same", 0, letters)
    assert run.method == "adabn" and run.detail["settings"] == {"batch": 50}
    once = adaptations.asked(adaptations.ONCE, "same", 0, letters)
    assert once.detail["settings"] == {"batch": None} and once.read[-1] == "target training inputs"
    assert adaptations.ONCE not in adaptations.CANDIDATES, "the choices in the records were made without it"
    with pytest.raises(UserError, match="name=value"):
        adaptations.asked("adabn@50", "same", 0, letters)


def test_another_seed_is_another_record(tmp_path, letters):
    store = Store(tmp_path / "r.jsonl")
    for seed in (0, 1):
        adaptations.record_adaptations(store, "same", seed, letters, QUICK[:1])
    a, b = store.read()
    assert replace(a, seed=1, value=b.value, measured=b.measured, detail=b.detail) == b
