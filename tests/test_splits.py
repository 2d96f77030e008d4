"""Splits by time, by group and as published, and draws that keep to the order of time."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.tasks import Task, classification, regression, splits

DAY = date(2024, 1, 1)


def series(count: int = 40, by_class: bool = False, times=None, **more) -> Task:
    """Items in the order of time, split by it; their targets say when they were."""
    x, _ = tiny.pictures(count, 0)
    y = np.arange(count) % 2 if by_class else np.arange(count, dtype=np.float32)
    when = [DAY + timedelta(days=i) for i in range(count)] if times is None else times
    split = splits.by_time(when, **more)
    kind = (classification(2), ("down", "up")) if by_class else (regression(), ())
    parts = splits.parted(replace(tiny.items(x, "item"), times=when), y, split)
    return Task("series", kind[0], *parts, kind[1])


@given(st.lists(st.integers(0, 20), min_size=2, max_size=60).filter(lambda t: len(set(t)) > 1), st.data())
def test_all_that_is_asked_is_later_than_all_that_is_learnt(times, data):
    border = data.draw(st.integers(min(times) + 1, max(times)))
    train, test = splits.by_time(times, border)
    assert max(times[i] for i in train) < border <= min(times[i] for i in test)
    assert sorted([*train, *test]) == list(range(len(times)))
    assert [times[i] for i in train] == sorted(times[i] for i in train)


def test_the_latest_share_and_a_gap_before_it():
    when = [DAY + timedelta(days=int(i)) for i in np.random.default_rng(0).permutation(50)]
    train, test = splits.by_time(when, 0.2, gap=timedelta(days=3))
    assert len(test) == 10 and len(train) == 37
    assert min(when[i] for i in test) - max(when[i] for i in train) == timedelta(days=4)
    assert len(splits.by_time(when, DAY + timedelta(days=30))[1]) == 20
    column = pd.Series(pd.to_datetime(when), index=range(50, 100))[::-1]
    train, test = splits.by_time(column, 0.2)
    assert column.iloc[train].max() < column.iloc[test].min(), "by place, whatever the index of the table"


@pytest.mark.parametrize(
    ("times", "more", "says"),
    [
        ((), {}, "needs to know when each item was: give the items times"),
        ((1, "2024"), {}, "the times cannot be put in order"),
        ((1.0, float("nan"), 2.0), {}, "cannot be put in order"),
        ((DAY, None), {}, "cannot be put in order"),
        ((1, 2), {"test": DAY}, "times such as 1 are of another kind"),
        ((DAY, DAY + timedelta(days=1)), {"gap": 3}, "are of another kind"),
        ((1, 2), {"test": 5}, "has 0 items and leaves 2 for training: move its beginning"),
        ((1, 1, 1), {}, "has 3 items and leaves 0 for training"),
    ],
)
def test_a_split_by_time_that_cannot_be_is_refused(times, more, says):
    with pytest.raises(UserError, match=says):
        splits.by_time(times, **more)


def test_a_task_refuses_what_is_not_later_and_times_of_some():
    good = series()
    x, _ = tiny.pictures(60, 0)
    parts = [tiny.items(x[:40], "a"), np.arange(40.0), tiny.items(x[40:], "b"), np.arange(20.0)]
    late = [replace(parts[0], times=range(40)), parts[1], replace(parts[2], times=range(39, 59)), parts[3]]
    with pytest.raises(
        UserError, match="trains on items up to 39, its test begins at 39: test on later ones"
    ):
        Task("leaky", regression(), *late)
    with pytest.raises(UserError, match="has 0 times for 20 test items: give one for each, on both sides"):
        Task("half", regression(), late[0], *parts[1:])
    with pytest.raises(UserError, match="the times cannot be put in order"):
        Task("mixed", regression(), replace(parts[0], times=[*range(39), None]), *late[1:])
    fine = replace(parts[2], times=range(40, 60))
    assert (
        Task("good", regression(), *late[:2], fine, parts[3]).digest
        != Task("good", regression(), *parts).digest
    )
    assert len(good.train) == 32 and len(good.train.times) == 32


@pytest.mark.parametrize("by_class", [False, True])
def test_a_draw_is_the_latest_items_and_the_latest_of_them_select(by_class):
    task, each = series(by_class=by_class), 2 if by_class else 1
    ends = set()
    for seed in range(20):
        before = np.array([], dtype=int)
        for labels in range(1, 33 // each - 7):
            draw = task.draw(labels, seed)
            ends.add(draw.all.max())
            assert len(draw.all) == labels * each == len(set(draw.all))
            assert set(before) <= set(draw.all), "nested over budgets"
            assert len(draw.select) == (labels // 5 * each if labels >= 5 else 0)
            if len(draw.select):
                assert draw.fit.max() < draw.select.min(), "no shuffling across that border either"
            assert np.ptp(draw.all) < len(draw.all) + each, "one after another"
            before = draw.all
    assert len(ends) > 3 and min(ends) >= 32 - 32 // 5 - each, "recent, and not the same for every seed"
    assert np.array_equal(task.draw(5, 3).all, series(by_class=by_class).draw(5, 3).all)


def test_too_many_labels_for_a_moment_in_time():
    task = series()
    with pytest.raises(
        UserError, match=r"the task has \d\d training items up to the moment .* --labels is 32"
    ):
        [task.draw(32, seed) for seed in range(20)]


def test_a_fit_keeps_to_the_order():
    done = fit(series(), tiny.backbone(), "frozen", 10, 0, tiny.QUICK)
    assert done.detail["items"] == {"fit": 8, "select": 2, "test": 8}


@pytest.mark.parametrize("labels", [None, np.arange(60) % 3])
def test_a_group_is_on_one_side(labels):
    groups = [f"patient {i // 4}" for i in range(60)]
    train, test = splits.by_group(groups, labels)
    assert not {groups[i] for i in train} & {groups[i] for i in test}
    assert len(train) + len(test) == 60 and len(test) == 24
    again = splits.by_group(groups, labels)
    assert np.array_equal(train, again[0]) and np.array_equal(test, again[1])
    x, _ = tiny.pictures(60, 0)
    with pytest.raises(UserError, match="group 'patient 3' is in train and test; keep a group on one side"):
        items = tiny.items(x, "x", tuple(groups))
        Task(
            "leaky", regression(), *splits.parted(items, np.arange(60.0), (np.arange(14), np.arange(14, 60)))
        )
    with pytest.raises(UserError, match="needs 5 groups or more, there are 2"):
        splits.by_group(["a", "b"] * 4)


def test_as_published():
    column = pd.Series(["train", "test", "valid", "train", "test"], index=[9, 8, 7, 6, 5])
    train, test = splits.published(column)
    assert train.tolist() == [0, 3] and test.tolist() == [1, 4]
    assert splits.published(column, test=["valid", "test"])[1].tolist() == [1, 2, 4]
    with pytest.raises(UserError, match="split 'dev'; the items name test, train, valid"):
        splits.published(column, test=["dev"])
    with pytest.raises(UserError, match="split 'train'; the items name"):
        splits.published(["test", "Train"])


def test_items_at_some_positions_are_read_when_asked_for():
    read = []

    class Lazy(list):
        def __getitem__(self, i):
            read.append(i)
            return super().__getitem__(i)

    x, _ = tiny.pictures(6, 0)
    whole = replace(tiny.items(x, "x", tuple("aabbcc")), times=range(6))
    part = replace(whole, inputs=Lazy(x)).at(np.array([4, 1]))
    assert part.names == ("x 4", "x 1") and part.groups == ("c", "a") and part.times == (4, 1) and read == []
    assert part.inputs[0].equal(x[4]) and read == [4]
    assert part.digest == whole.at([4, 1]).digest and whole.at([4, 1]).inputs[1].equal(x[1])
