"""Claims about differences of differences, on made-up records whose truth is known."""

import made_up_records as made
import numpy as np
import pytest

from tlkit.errors import UserError
from tlkit.records import Store
from tlkit.stats import verdict
from tlkit_lessons import ledger
from tlkit_lessons.ledger import contrasts
from tlkit_lessons.ledger.claims import Claim
from tlkit_lessons.ledger.measures import MEASURES

SEEDS = range(10)


def claim(kind, **changes):
    given = {
        "number": 0, "id": "x", "text": "t", "where": ("13",), "kind": kind, "criterion": "c", "records": "r",
        "plan": "full", "against": ("frozen",), "labels": (1, 20),
    }  # fmt: skip
    return Claim(**(given | changes))


def store(path, levels, splits=("test",), **changes):
    """levels: (plan, labels, backbone or recipe changes as dict) -> accuracy, or {split: accuracy}."""
    kept, noise = Store(path), np.random.default_rng([*path.stem.encode()])
    for seed in SEEDS:
        common = noise.normal(0, 0.02)
        for plan, labels, more, level in levels:
            level = level if isinstance(level, dict) else dict.fromkeys(splits, level)
            rows = []
            for split, value in level.items():
                value = None if value is None else value + common + noise.normal(0, 0.002)
                status = "diverged" if value is None else "ok"
                more_fields = changes | more | {"split": split, "status": status}
                rows.append(made.row(plan, labels, seed, value, **more_fields))
            kept.append(rows)
    return kept


def near_and_far(against: str) -> list[tuple]:
    """Levels on two tasks in one file: full is ahead of `against` on the near one, behind on the far one."""
    near, far = {"task": "near", "data": "n"}, {"task": "far", "data": "f"}
    rates = [("full", 0.9, 0.5), (against, 0.7, 0.6)]
    return [(p, 5, t, v) for p, *both in rates for t, v in zip((near, far), both, strict=True)]


def test_tasks_in_one_file_are_told_apart(tmp_path):
    kept = store(tmp_path / "r.jsonl", near_and_far("frozen"))
    asked = claim("by task", task="near", against_task="far", labels=(5,))
    assert contrasts.by_task(asked, kept, kept)[5].mean == pytest.approx(0.3, abs=0.005)
    for task, gain in (("near", 0.2), ("far", -0.1)):
        row = MEASURES["difference"](claim("difference", task=task, labels=(5,)), kept, kept)
        assert row.words == {"5 against frozen": "better" if gain > 0 else "worse"}
    with pytest.raises(UserError):
        MEASURES["difference"](claim("difference", labels=(5,)), kept, kept)


def test_a_baseline_that_may_train_longer(tmp_path):
    levels = [("full", n, {}, level) for n, level in ((1, 0.8), (20, 0.9))]
    short = store(tmp_path / "s.jsonl", [*levels, ("scratch", 1, {}, 0.5), ("scratch", 20, {}, 0.7)])
    more = [("scratch", 1, {}, 0.6), ("scratch", 20, {}, 1.0)]
    longer = store(tmp_path / "l.jsonl", more, recipe="longer")
    for kind in ("difference", "by labels"):
        with pytest.raises(UserError, match="recipe"):
            MEASURES[kind](claim(kind, against=("scratch",)), short, longer)
    meant = {"against": ("scratch",), "differ": ("recipe",)}
    row = MEASURES["difference"](claim("difference", **meant), short, longer)
    assert row.words == {"1 against scratch": "better", "20 against scratch": "worse"}
    found = contrasts.by_labels(claim("by labels", **meant), short, longer)[20]
    assert found.mean == pytest.approx(-0.3, abs=0.005)
    with pytest.raises(UserError, match="task"):
        claim("difference", differ=("task",))


def test_one_plan_on_two_tasks(tmp_path):
    near, far = {"task": "near", "data": "n"}, {"task": "far", "data": "f"}
    kept = store(tmp_path / "r.jsonl", [("full", 0, near, 0.9), ("full", 0, far, 0.5)])
    asked = claim("between", task="near", against_task="far", against=("full",), labels=(0,))
    found = contrasts.between(asked, kept, kept)[0]
    assert found.mean == pytest.approx(0.4, abs=0.005) and found.word == "better"
    assert MEASURES["between"](asked, kept, kept).verdict == "holds"
    turned = claim("between", task="far", against_task="near", against=("full",), labels=(0,))
    assert MEASURES["between"](turned, kept, kept).verdict == "does not hold"
    lacking = claim("between", task="near", against_task="else", against=("full",), labels=(0,))
    assert contrasts.between(lacking, kept, kept) is None
    other = store(tmp_path / "o.jsonl", [("full", 0, far | {"recipe": "another"}, 0.5)])
    with pytest.raises(UserError, match="recipe"):
        contrasts.between(asked, kept, other)


def test_a_gain_that_grows_with_labels(tmp_path):
    levels = [("full", 1, {}, 0.5), ("frozen", 1, {}, 0.55), ("full", 20, {}, 0.9), ("frozen", 20, {}, 0.8)]
    grown = store(tmp_path / "a.jsonl", levels)
    found = contrasts.by_labels(claim("by labels"), grown, grown)
    assert found[20].mean == pytest.approx(0.15, abs=0.005) and found[20].word == "better"
    row = MEASURES["by labels"](claim("by labels"), grown, grown)
    assert row.verdict == "holds" and row.effect == "+0.152 [0.148, 0.155] from 1 label per class to 20"
    assert (
        contrasts.by_labels(
            claim("by labels", plan="full", against=("frozen",), labels=(20, 1)), grown, grown
        )[1].word
        == "worse"
    )


def test_a_gain_that_grows_is_weighed_on_new_items_too(tmp_path):
    kept, rng, targets = Store(tmp_path / "r.jsonl"), np.random.default_rng(3), np.zeros(50, dtype=int)
    rates = {("full", 1): 0.3, ("frozen", 1): 0.6, ("full", 20): 0.95, ("frozen", 20): 0.6}
    for seed in SEEDS:
        for (plan, labels), rate in rates.items():
            predicted = (rng.random(50) > rate).astype(int)
            kept.append([made.row(plan, labels, seed, float(np.mean(predicted == 0)))], predicted, targets)
    found = contrasts.by_labels(claim("by labels"), kept, kept)[20]
    values = {key: np.array([r.value for r in kept.read() if (r.plan, r.labels) == key]) for key in rates}
    gain = values["full", 20] - values["frozen", 20] - values["full", 1] + values["frozen", 1]
    assert found.mean == pytest.approx(gain.mean()) and found.low < gain.mean() < found.high
    bare = Store(tmp_path / "b.jsonl")
    bare.append(kept.read())
    alone = contrasts.by_labels(claim("by labels"), bare, bare)[20]
    assert alone.mean == pytest.approx(found.mean) and found.high - found.low > alone.high - alone.low


def test_a_gain_larger_on_one_task_than_on_another(tmp_path):
    def task(name, late, early):
        levels = [
            ("frozen", n, {"backbone": b}, v) for n in (1, 20) for b, v in (("late", late), ("early", early))
        ]
        return store(tmp_path / f"{name}.jsonl", levels, task=name, data=name)

    near, far = task("near", 0.9, 0.6), task("far", 0.5, 0.6)
    sides = {"backbone": ("late",), "against_backbone": ("early",), "plan": "frozen"}
    found = contrasts.by_task(claim("by task", **sides), near, far)
    assert [v.mean for v in found.values()] == pytest.approx([0.4, 0.4], abs=0.005)
    assert {v.word for v in found.values()} == {"better"}
    back = contrasts.by_task(claim("by task", **sides), far, near)
    assert {v.word for v in back.values()} == {"worse"}


def test_a_mean_over_pretraining_seeds_draw_by_draw(tmp_path):
    levels = [
        ("frozen", 1, {"backbone": b}, v) for b, v in (("a1", 0.8), ("a2", 0.6), ("b1", 0.5), ("b2", 0.7))
    ]
    kept = store(tmp_path / "r.jsonl", levels)
    sides = {"backbone": ("a1", "a2"), "against_backbone": ("b1", "b2"), "plan": "frozen", "labels": (1,)}
    row = MEASURES["difference"](claim("difference", **sides), kept, kept)
    assert row.effect == "+0.100 [0.098, 0.102] at 1 label per class" and row.verdict == "holds"
    by_hand = ledger.side(kept, "frozen", 1, ("a1", "a2")).values([3])[0]
    rows = [r.value for r in kept.read() if r.seed == 3 and r.backbone in ("a1", "a2")]
    assert by_hand == pytest.approx(np.mean(rows))
    with pytest.raises(UserError, match="keep one"):
        ledger.side(kept, "frozen", 1)


def test_the_gap_between_training_and_test(tmp_path):
    def split(train, test):
        return {"train": train, "test": test}

    levels = [
        (p, n, {}, s) for n in (1, 20) for p, s in (("full", split(0.99, 0.7)), ("frozen", split(0.9, 0.7)))
    ]
    kept = store(tmp_path / "r.jsonl", levels)
    found = contrasts.gap(claim("gap"), kept, kept)
    assert found[1].mean == pytest.approx(0.09, abs=0.005) and found[1].word == "better"
    assert MEASURES["gap"](claim("gap"), kept, kept).verdict == "holds"


def test_a_gap_may_begin_at_the_validation_set(tmp_path):
    levels = [
        (p, n, {}, {"train": 1.0, "select": s, "test": 0.7})
        for n in (1, 20)
        for p, s in (("full", 0.9), ("frozen", 0.8))
    ]
    kept = store(tmp_path / "r.jsonl", levels)
    assert contrasts.gap(claim("gap", split="select"), kept, kept)[1].mean == pytest.approx(0.1, abs=0.005)
    with pytest.raises(UserError, match="selekt"):
        claim("gap", split="selekt")


def test_the_spread_over_one_grid_of_rates_counts_what_diverged_as_chance(tmp_path):
    def rates(plan, values):
        return [(plan, 5, {"recipe": f"r{i}"}, v) for i, v in enumerate(values)]

    kept = store(tmp_path / "r.jsonl", [*rates("full", (0.9, 0.5, None)), *rates("frozen", (0.8, 0.7, 0.75))])
    targets = np.arange(40) % 4
    first = made.row("full", 5, 0, 0.9, recipe="other")
    kept.append([first], targets, targets)  # only to say what the classes are
    one = claim("spread", labels=(5,))
    found = contrasts.spread_over_rates(one, kept, kept)[5]
    expected = np.std([0.9, 0.5, 0.25]) - np.std([0.8, 0.7, 0.75])
    assert found.mean == pytest.approx(expected, abs=0.02) and found.word == "better"
    with pytest.raises(UserError, match="share no grid"):
        contrasts.spread_over_rates(
            claim("spread", labels=(5,), against=("lp-ft",)),
            kept,
            store(tmp_path / "s.jsonl", [("lp-ft", 5, {"recipe": "other"}, 0.5)]),
        )


def test_sides_measured_differently_are_refused(tmp_path):
    one = store(tmp_path / "a.jsonl", [("full", 1, {}, 0.5)])
    other = store(tmp_path / "b.jsonl", [("frozen", 1, {"recipe": "r9"}, 0.5)])
    with pytest.raises(UserError, match=r"records of recipe r1-abc and r9 cannot be compared"):
        contrasts.gap(claim("gap", labels=(1,)), one, other)


@pytest.mark.parametrize("kind", ["by labels", "by task", "gap", "spread"])
def test_what_is_not_measured_yet_gives_no_row(tmp_path, kind):
    empty = Store(tmp_path / "none.jsonl")
    assert MEASURES[kind](claim(kind), empty, empty) is None


def test_a_metric_of_which_less_is_better_does_not_read_backwards(tmp_path):
    """An error that is 2 smaller is a gain of 2, in every kind of claim."""
    near = [("full", 1, {}, 5.0), ("frozen", 1, {}, 5.0), ("full", 20, {}, 1.0), ("frozen", 20, {}, 3.0)]
    error = {"metric": "rmse", "detail": {"scale": {"better": "lower", "delta": 0.02, "unit": ""}}}
    kept = store(tmp_path / "e.jsonl", near, **error)
    assert contrasts.by_labels(claim("by labels"), kept, kept)[20].mean == pytest.approx(2, abs=0.01)
    split = {"train": 1.0, "test": 3.0}
    levels = [("full", 1, {}, split), ("frozen", 1, {}, {"train": 1.0, "test": 1.5})]
    gaps = store(tmp_path / "g.jsonl", levels, **error)
    assert contrasts.gap(claim("gap", labels=(1,)), gaps, gaps)[1].mean == pytest.approx(1.5, abs=0.01)


def test_a_tie_of_differences_is_no_lead():
    found = verdict(np.array([0.3 - 0.2] * 5 + [0.2]), np.array([0.1] * 6))
    assert (found.wins, found.losses) == (1, 0), "0.3 - 0.2 is 0.1, whatever the last digit says"


def test_gains_along_tasks_and_by_source_are_families_of_their_own(tmp_path):
    kept = store(tmp_path / "r.jsonl", near_and_far("scratch"))
    found = ledger.along(kept, ["near", "far"], ["full"], "scratch", 5)
    assert [v.word for v in found["full"]] == ["better", "worse"]
    levels = [
        ("full", 5, {"backbone": "a"}, 0.9),
        ("full", 5, {"backbone": "b"}, 0.5),
        ("scratch", 5, {}, 0.7),
    ]
    kept = store(tmp_path / "s.jsonl", levels)
    found = ledger.by_source(kept, ["b", "a"], ["full"], "scratch", 5)
    assert {source: v.word for source, v in found["full"].items()} == {"b": "worse", "a": "better"}


def test_a_source_may_be_several_on_one_task_of_many_and_need_not_know_every_plan(tmp_path):
    levels = [
        ("full", 5, {"backbone": name, "task": task}, mean)
        for task, means in {"near": (0.9, 0.8, 0.6), "far": (0.5, 0.5, 0.5)}.items()
        for name, mean in zip("abc", means, strict=True)
    ]
    levels += [("frozen", 5, {"backbone": "a", "task": "near"}, 0.4)]
    levels += [("scratch", 5, {"task": task}, 0.7) for task in ("near", "far")]
    kept = store(tmp_path / "r.jsonl", levels)
    sources = {"one": ("a",), "two": ("b", "c")}
    found = ledger.by_source(kept, sources, ["frozen", "full"], "scratch", 5, task="near")
    assert {plan: list(each) for plan, each in found.items()} == {"frozen": ["one"], "full": ["one", "two"]}
    assert found["full"]["two"].mean == pytest.approx(0.0, abs=0.005), "a mean of 0.8 and 0.6, over 0.7"
    with pytest.raises(UserError, match="has no fit of lp-ft from one, two"):
        ledger.by_source(kept, sources, ["lp-ft"], "scratch", 5, task="near")
    with pytest.raises(UserError, match="of full from d: run it"):
        ledger.by_source(kept, ["a", "d"], ["full"], "scratch", 5, task="near")


def test_levels_are_means_on_each_task_and_a_plan_that_was_not_run_is_named(tmp_path):
    kept = store(tmp_path / "r.jsonl", near_and_far("scratch"))
    found = ledger.levels(kept, ["far", "near"], ["scratch", "full"], 5)
    assert found["full"] == pytest.approx([0.5, 0.9], abs=0.03) and list(found) == ["scratch", "full"]
    assert found["scratch"][1] == np.mean(
        [r.value for r in kept.read() if (r.plan, r.task) == ("scratch", "near")]
    )
    with pytest.raises(UserError, match="no finished fit of pixels on near"):
        ledger.levels(kept, ["near"], ["pixels"], 5)
