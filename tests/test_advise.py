"""What `tlkit advise` measures and says: folds without leaks, a curve that is a forecast, a race in time."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import tiny

from tlkit import advise, recipe, tasks
from tlkit.advise import advice, race, told
from tlkit.errors import UserError
from tlkit.records import Store

pytestmark = pytest.mark.usefixtures("computed", "quick")


@pytest.fixture
def quick(monkeypatch):
    """A descent of four steps."""
    monkeypatch.setattr(recipe, "suited", lambda backbone: tiny.QUICK)


def grouped(n: int = 60, owners: int = 10) -> tasks.Task:
    """A task whose training items belong to groups, six items each of all classes."""
    (images, labels), (others, wanted) = tiny.pictures(n, 0), tiny.pictures(9, 1)
    groups = tuple(f"owner {i // (n // owners)}" for i in range(n))
    sides = tiny.items(images, "train", groups), labels, tiny.items(others, "test"), wanted
    return tasks.Task("grouped", tasks.classification(3), *sides, ("a", "b", "c"))


class Unread(list):
    """Test inputs that nobody may look at."""

    def __getitem__(self, at):
        raise AssertionError("the test set was read")


def raced(tmp_path, left=lambda: 1e6, task=None, backbones=(), plans=race.PLANS):
    made, backbone = tiny.classifier()
    return advise.Race(task or made, backbones or [backbone], Store(tmp_path / "a.jsonl"), left, None, plans)


def test_a_group_is_never_fitted_and_asked():
    folds, task = advise.Folds(grouped()), grouped()
    for fold, (rest, held) in enumerate(folds.pairs):
        owners = [{task.train.groups[i] for i in side} for side in (rest, held)]
        assert not owners[0] & owners[1] and len(held)
        fitted, asked = folds.draw(fold, 4, folds.largest)
        assert set(fitted) <= set(rest) and set(asked) == set(held)
        assert np.bincount(task.targets[fitted]).tolist() == [4, 4, 4]


def test_smaller_draws_are_part_of_larger_ones():
    folds = advise.Folds(grouped())
    assert set(folds.draw(0, 3, 20)[0]) < set(folds.draw(0, 6, 20)[0])
    assert set(folds.draw(0, 3, 12)[0]) == set(folds.draw(0, 3, 20)[0]), "of a smaller pool, the same"
    assert set(folds.rows(12)) < set(folds.rows(20)) and len(folds.rows(12)) == 36
    sizes = folds.sizes(folds.largest)
    assert sizes[0] >= 14 and sizes == sorted(sizes, reverse=True) and sizes[-1] >= 1


def test_what_was_later_is_asked():
    made = grouped()
    train = replace(made.train, groups=(), times=tuple(range(60)))
    test = replace(made.test, times=tuple(range(100, 109)))
    task = tasks.Task(
        "timed", made.objective, train, made.targets, test, tiny.pictures(9, 1)[1], made.classes
    )
    for rest, held in advise.Folds(task).pairs:
        assert max(rest) < min(held)


@pytest.mark.parametrize(
    ("labels", "said"),
    [([0] * 30 + [1] * 2, "class 'b' has 2 separate training items"), ([0] * 32, "class 'b' has 0 separate")],
)
def test_too_few_of_a_class_are_refused(labels, said):
    images, (others, _) = tiny.pictures(32, 0)[0], tiny.pictures(2, 1)
    sides = tiny.items(images, "train"), np.array(labels), tiny.items(others, "test"), np.array([0, 1])
    with pytest.raises(UserError, match=said):
        advise.Folds(tasks.Task("few", tasks.classification(2), *sides, ("a", "b")))


def test_a_task_without_classes_is_refused():
    with pytest.raises(UserError, match="no classes"):
        advise.Folds(tiny.line()[0])


def test_a_curve_finds_a_power_law_and_is_less_sure_further_out():
    points = {n: [1 - 0.8 * n**-0.5] * 5 for n in (2, 4, 8, 16)}
    curve = advise.Curve.of(points, 10_000)
    for n in (16, 32, 80):
        middle, low, high = curve.at(n)
        assert low < 1 - 0.8 * n**-0.5 < high and abs(middle - (1 - 0.8 * n**-0.5)) < 0.02
    widths = [np.subtract(*curve.at(n)[:0:-1]) / (1 - curve.at(n)[0]) for n in (16, 32, 80)]
    assert widths == sorted(widths)


def test_a_perfect_curve_has_an_interval_all_the_same():
    middle, low, high = advise.Curve.of({8: [1.0] * 5, 4: [1.0] * 5}, 60).at(16)
    assert 0.9 < low < middle <= high == 1.0


def test_folds_share_items_so_their_interval_is_wider():
    mean, low, high = advise.corrected([0.1, 0.2, 0.3, 0.2, 0.2])
    assert mean == pytest.approx(0.2) and high - mean == pytest.approx(
        2.7764 * 0.070711 * 0.45**0.5, abs=1e-4
    )
    assert mean - low == pytest.approx(high - mean) and advise.corrected([0.3])[1:] == (-np.inf, np.inf)


def test_a_race_never_reads_the_test_set_and_goes_on_where_it_ended(tmp_path):
    task, backbone = tiny.classifier()
    object.__setattr__(task.test, "inputs", Unread())
    first = raced(tmp_path, task=task, backbones=[backbone])
    ended = list(first.run())
    assert ended[0] == "12 items per class" and ended[-1].startswith("fold 5 of 5") and not task.reads
    rows = Store(tmp_path / "a.jsonl").read()
    again = raced(tmp_path, task=task, backbones=[backbone])
    assert list(again.run()) == ended and Store(tmp_path / "a.jsonl").read() == rows
    assert advice(again).sentences == advice(first).sentences
    assert {row.plan.partition(" ")[0] for row in rows} == {"frozen", *race.PLANS}


def test_what_is_in_the_store_takes_no_time(tmp_path):
    ended = list(raced(tmp_path, plans=("full",)).run())
    again = raced(tmp_path, left=lambda: 1e-6, plans=("full",))
    assert list(again.run()) == ended and len(ended) == 5 and not again.untried


def test_a_race_ends_with_its_time(tmp_path):
    ticks = count(60, -1)
    some = raced(tmp_path, left=lambda: next(ticks))
    list(some.run())
    assert some.pool == 12 and set(some.untried) | set(some.pools) == set(race.PLANS)
    assert next(ticks) > -20


def test_a_backbone_that_fails_is_named_and_the_others_go_on(tmp_path):
    def broken(raw):
        raise ValueError("no such input")

    good, bad = tiny.backbone(), tiny.backbone(transform=broken, name="bad")
    some = raced(tmp_path, backbones=[bad, good], plans=())
    list(some.run())
    assert advice(some).backbone == "tiny" and "no such input" in some.dropped["bad"]
    with pytest.raises(UserError, match=r"no backbone can be used .*no such input"):
        list(raced(tmp_path, backbones=[bad]).run())


@pytest.mark.parametrize(
    ("gain", "plan", "said"), [(0.1, "last-1", "better"), (0.004, "frozen", "Nothing that was tried")]
)
def test_the_plan_with_the_best_mean_is_advised_or_a_cheaper_one_as_good(tmp_path, gain, plan, said):
    some = raced(tmp_path)
    some.pool, sizes = 12, some.folds.sizes(12)
    for n in sizes:
        some.scores["tiny", "frozen", n, 12] = {"1": dict.fromkeys(range(5), 0.7)}
    noise = [0.3, 0.01, -0.01, 0.005, -0.005]  # the first fold chose the setting, and flatters it
    some.scores["tiny", "last-1", sizes[0], 12] = {"0.01": {k: 0.7 + gain + noise[k] for k in range(5)}}
    found = advice(some)
    assert found.plan == plan and said in " ".join(found.sentences)
    assert found.expected[0] == pytest.approx(found.more[12][0] + gain * (plan == "last-1"))
    assert list(found.more) == [12, 24, 60] and "[" in told(found.expected)


def test_what_nobody_can_tell_is_said(tmp_path):
    some = raced(tmp_path)
    some.pool, sizes = 12, some.folds.sizes(12)
    for n in sizes:
        some.scores["tiny", "frozen", n, 12] = {"1": {0: 0.5, 1: 0.9, 2: 0.7, 3: 0.6, 4: 0.8}}
    some.scores["tiny", "full", sizes[0], 12] = {"0.01": {0: 0.5, 1: 0.7, 2: 0.9, 3: 0.8, 4: 0.5}}
    assert "Cannot tell whether it is better than full of tiny." in advice(some).sentences
    assert advice(raced(tmp_path)) is None
