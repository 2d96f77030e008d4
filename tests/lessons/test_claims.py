"""Claims: what the criteria say of made-up records whose truth is known."""

import json
import re
from dataclasses import replace

import made_up_records as made
import numpy as np
import pytest

from tlkit import compare, stats
from tlkit.errors import UserError
from tlkit.records import Record, Store
from tlkit_lessons import ledger
from tlkit_lessons.ledger import effort
from tlkit_lessons.ledger.budgets import over_budgets
from tlkit_lessons.ledger.claims import one


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    return ledger.shelf(made.workbook(tmp_path_factory.mktemp("records")))


@pytest.fixture(scope="module")
def rows(where):
    return {row.id: row for row in ledger.table(where)}


# --- the criteria


def test_the_committed_criteria_are_whole():
    known = ledger.shelf().names
    for claim in ledger.criteria():
        assert claim.records in known and (not claim.against_records or claim.against_records in known)
        assert claim.criterion and claim.text and claim.where and claim.labels
    assert {1, 2, 3, 5, 10, 20} <= {claim.number for claim in ledger.criteria()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('kind = "guess"', "'guess'"), ('unit = "hours"', "'hours'"), ('accept = ["good"]', "'good'"),
        ("labels = []", "at least one budget"), ("colour = 1", "colour"), ("number = ", "not TOML"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named(tmp_path, change, said):
    text = "number = 1;id = 'x';text = 't';where = ['11'];kind = 'cost';criterion = 'c';records = 'r'"
    fields = dict(
        line.split(" = ") for line in f"{text};plan = 'p';against = ['scratch'];labels = [1]".split(";")
    )
    name, _, value = change.partition(" = ")
    lines = [f"{k} = {v}" for k, v in (fields | {name: value}).items()]
    (tmp_path / "claims.toml").write_text("[[claim]]\n" + "\n".join(lines))
    with pytest.raises(UserError, match=said):
        ledger.criteria(tmp_path / "claims.toml")


def test_ids_are_unique(tmp_path):
    line = ('[[claim]]\nnumber=1\nid="x"\ntext="t"\nwhere=[]\nkind="cost"\ncriterion="c"\nrecords="r"\n'
            'plan="p"\nagainst=["s"]\nlabels=[1]\n')  # fmt: skip
    (tmp_path / "claims.toml").write_text(line * 2)
    with pytest.raises(UserError, match="two claims called x"):
        ledger.criteria(tmp_path / "claims.toml")


# --- the table


def test_the_table_without_records(tmp_path):
    table = ledger.table(ledger.shelf(tmp_path))
    assert {row.verdict for row in table} == {"no records yet"}
    assert [row.id for row in table] == [claim.id for claim in ledger.criteria()]


def test_the_table_of_an_unfinished_grid(tmp_path):
    made.digits(tmp_path / "16_digits.jsonl", ("pixels", "scratch", "frozen"), (1, 2), seeds=6, items=0)
    found = {row.id: row.verdict for row in ledger.table(ledger.shelf(tmp_path))}
    assert found["3"] == found["5"] == found["2"] == "no records yet"


def test_verdicts_on_known_truth(rows):
    found = {name: row.verdict for name, row in rows.items()}
    assert (
        found["1"] == found["1-operations"] == found["2"] == found["20"] == found["3-lookalikes"] == "holds"
    )
    assert found["3-full"] == "holds only when labels <= 20"  # 0.969 over 0.93, then 0.985 over 0.972
    assert found["5"] == "holds when labels = 2, else cannot tell"
    assert found["1-tasks"].startswith("holds when tasks >= ")


def test_effects_carry_intervals(rows):
    assert rows["3"].where == "16" and rows["3"].number == 3
    assert (
        rows["3"].effect.startswith("+0.") and "against raw pixels at 1 label per class" in rows["3"].effect
    )
    assert "steps instead of" in rows["1"].effect and ", ratio " in rows["1"].effect
    assert rows["2"].effect.count("x [") == 3
    assert rows["20"].effect.startswith("scratch needs ") and "the operations" in rows["20"].effect
    assert rows["20"].power == "" and len(rows["3"].detects) == 2 * len(rows["3"].claim.labels)
    assert all(0.001 < x < 0.2 for x in rows["3"].detects)
    at_least = [row.id for row in rows.values() if "at least" in row.effect or "at most" in row.effect]
    assert not at_least, "a bound above its own interval"


def test_a_course_says_what_was_reached_and_why_it_is_cautious():
    steps, seeds = np.array([4.0, 8.0, 16.0]), tuple(range(5))
    flops = np.outer(steps, np.ones(5))
    rising = np.outer([0.5, 0.7, 0.9], np.ones(5))
    base = effort.Course(steps, seeds, rising, flops)
    quick = effort.Course(steps, seeds, np.minimum(rising + np.array([[0.4], [0.2], [0]]), 0.9), flops)
    said, short = effort.to_threshold(base, quick, 0.02).said("full", "scratch", "steps", 0.02)
    assert said.startswith(
        "4.0 steps instead of 15 to accuracy 0.88 (final accuracy of scratch minus 0.02), "
    )
    assert said.endswith("; counted cautiously, because full is there at the first look in 5 of 5 seeds")
    assert short.startswith("4.0 steps instead of 15 to accuracy 0.88, ") and "0.88, ratio " in short
    some = rising.copy()
    some[:, 0] = 0.5
    lost = effort.to_threshold(base, effort.Course(steps, seeds, some, flops / 2), 0.02)
    assert lost.said("frozen", "scratch", "flops", 0.02)[0] == (
        "in 1 of 5 seeds frozen never reaches accuracy 0.88 (final accuracy of scratch minus 0.02), "
        "so no overall factor can be given"
    )


def test_a_claim_that_fails_is_reported_as_failing(where):
    claim = replace(one("3"), plan="scratch", against=("pixels",), labels=(1, 2))
    assert ledger.row(claim, where).verdict == "does not hold"


@pytest.mark.parametrize("name", ["2", "3", "20"])
def test_four_seeds_never_tell(tmp_path, name):
    made.digits(tmp_path / "16_digits.jsonl", ("pixels", "scratch", "frozen"), seeds=4, items=0)
    assert ledger.row(one(name), ledger.shelf(tmp_path)).verdict == "cannot tell"


def test_both_baselines_must_be_beaten(where):
    claim = replace(one("3"), plan="pixels", against=("scratch", "frozen"), labels=(1, 2))
    found = ledger.row(claim, where)
    assert found.words["1 against scratch"] == "better" and found.verdict == "does not hold"


def test_equal_counts_only_where_the_criterion_accepts_it(where):
    strict = replace(one("5"), plan="lp-ft", against=("full",), labels=(50,), delta=0.05)
    assert ledger.row(strict, where).words == {"50 against full": "equal"}
    assert ledger.row(strict, where).verdict == "does not hold"
    assert ledger.row(replace(strict, accept=("better", "equal")), where).verdict == "holds"


def test_a_caveat_is_said_and_changes_no_verdict(where):
    plain, doubted = one("3"), replace(one("3"), caveat="the moon was full")
    assert ledger.row(doubted, where).effect == f"{ledger.row(plain, where).effect} (but the moon was full)"
    assert ledger.row(doubted, where).verdict == ledger.row(plain, where).verdict


def test_sides_measured_on_other_data_are_refused(tmp_path):
    made.digits(tmp_path / "16_digits.jsonl", ("pixels", "scratch"), (1,), seeds=6, items=50)
    made.digits(tmp_path / "11_lookalikes.jsonl", ("frozen",), (1,), seeds=6, items=50, data="d2")
    with pytest.raises(UserError, match="data d1 and d2"):
        ledger.row(one("3-lookalikes"), ledger.shelf(tmp_path))


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("+++", "holds"), ("---", "does not hold"), ("???", "cannot tell"),
        ("-?-", "does not hold when labels = 1, 5, else cannot tell"),
        ("??-", "does not hold when labels = 5, else cannot tell"),
        ("++-", "holds only when labels <= 2"), ("+-+", "holds only when labels = 1, 5"),
        ("-++", "holds only when labels >= 2"), ("-++-", "holds only when 2 <= labels <= 5"),
        ("+??", "holds when labels = 1, else cannot tell"),
        ("+?-", "holds when labels = 1, does not when labels = 5, else cannot tell"),
    ],
)  # fmt: skip
def test_words_over_budgets(words, verdict):
    names = {"+": "better", "-": "worse", "?": "cannot tell"}
    assert over_budgets({n: names[w] for n, w in zip((1, 2, 5, 10), words, strict=False)}) == verdict


# --- pairs


def test_pairs_cover_every_plan_budget_and_baseline(where):
    store = where.store("16_digits")
    found = compare.pairs(store)
    assert len(found) == 4 * 6 * 2 and all(pair.items for pair in found)
    assert {p.plan for p in found} == {"frozen", "last-1", "full", "lp-ft"}
    best = next(p for p in found if (p.plan, p.labels, p.against) == ("frozen", 1, "scratch"))
    assert best.verdict.word == "better" and best.verdict.n == 10
    assert best.mean == pytest.approx(
        np.mean([r.value for r in store.read() if (r.plan, r.labels) == ("frozen", 1)])
    )


def test_items_widen_the_interval(tmp_path):
    few = made.digits(tmp_path / "a.jsonl", ("scratch", "frozen"), (50,), items=60)
    bare = Store(tmp_path / "b.jsonl")
    bare.append(few.read())
    width = [p.verdict.high - p.verdict.low for s in (few, bare) for p in compare.pairs(s)]
    assert width[0] > width[1] and [p.items for s in (few, bare) for p in compare.pairs(s)] == [True, False]


def test_pairs_never_mix_recipes_backbones_or_data(tmp_path):
    store = made.digits(tmp_path / "a.jsonl", ("scratch", "frozen"), (1,), seeds=6, items=0)
    extra = [made.row("full", 1, s, 0.9, recipe="r1-other") for s in range(6)]
    extra += [made.row("full", 1, s, 0.9, backbone="timm:resnet18") for s in range(6)]
    extra += [made.row("full", 1, s, 0.9, data="d9") for s in range(6)]
    store.append(extra)
    assert [(p.plan, p.against) for p in compare.pairs(store)] == [("frozen", "scratch")]


def test_pairs_of_a_part_of_the_records(tmp_path):
    store = made.digits(tmp_path / "a.jsonl", budgets=(1, 5), seeds=5, items=0)
    only = [r for r in store.read() if r.labels == 5 and r.plan in ("full", "scratch")]
    assert [(p.plan, p.labels, p.against) for p in compare.pairs(store, records=only)] == [
        ("full", 5, "scratch")
    ]


def test_a_diverged_fit_is_left_out(tmp_path):
    store = made.digits(tmp_path / "a.jsonl", ("scratch", "frozen"), (1,), seeds=6, items=80)
    store.append([made.row("frozen", 1, 6, None, status="diverged"), made.row("scratch", 1, 6, 0.4)])
    assert [p.verdict.n for p in compare.pairs(store)] == [6]


SCALE = {"better": "lower", "delta": 0.02, "unit": ""}


def test_a_number_that_does_not_say_which_way_is_better_gets_no_verdict(tmp_path):
    store = Store(tmp_path / "a.jsonl")
    store.append(
        [made.row(plan, 1, seed, 1.0, metric="mae") for plan in ("scratch", "full") for seed in range(5)]
    )
    with pytest.raises(UserError, match="mae does not say which way is better: run the fit again"):
        compare.pairs(store)


def test_lower_is_better_turns_the_sign(tmp_path):
    store = Store(tmp_path / "a.jsonl")
    for seed in range(6):
        for plan, value in (("scratch", 2.0), ("frozen", 1.0)):
            value += seed / 100 * (plan == "frozen")
            store.append([made.row(plan, 1, seed, value, metric="rmse", detail={"scale": SCALE})])
    assert [p.verdict.word for p in compare.pairs(store)] == ["better"]


def test_one_family_for_holm(tmp_path):
    """One middling difference among many of pure noise is not enough."""
    rng, store = np.random.default_rng(0), Store(tmp_path / "a.jsonl")
    for labels in range(1, 41):
        for seed in range(10):
            store.append([made.row("scratch", labels, seed, 0.5 + rng.normal(0, 0.3))])
            store.append([made.row("full", labels, seed, 0.5 + rng.normal(0, 0.3))])
    found = compare.pairs(store)
    assert any(p.verdict.low > 0 or p.verdict.high < 0 for p in found)
    assert {p.verdict.word for p in found} == {"cannot tell"}


# --- steps and costs


def test_a_constant_ratio_is_its_own_interval():
    found = effort.ratio([100] * 6, [10] * 6, False)
    assert (found.factor, found.low, found.high, found.word) == (
        pytest.approx(10),
        *[pytest.approx(10)] * 2,
        "better",
    )
    assert str(found) == "10x"
    assert effort.ratio([100] * 4, [10] * 4, False).word == "cannot tell"


def test_a_plan_that_never_arrives_cannot_tell():
    found = effort.ratio([100, 90, 80, 70, 60], [10, 10, 10, 10, np.inf], False)
    assert found.word == "cannot tell" and "never" in str(found) and found.wins == 4


def test_reach_reads_between_steps_and_never_flatters():
    steps = np.array([10.0, 100.0, 1000.0])
    accuracy = np.array([[0.2, 0.9, 0.1], [0.4, 0.9, 0.1], [0.6, 0.9, 0.2]])
    at = effort.Course(steps, (0, 1, 2), accuracy, np.repeat(steps[:, None] * 7, 3, axis=1))
    needed, flops, met = at.reach(0.5)
    assert needed == pytest.approx([10**2.5, 10, 1000]) and flops == pytest.approx(7 * needed)
    assert met.tolist() == [True, True, False]


def test_slower_pretraining_is_called_worse(tmp_path):
    made.steps(tmp_path / "11_steps.jsonl")
    claim = replace(one("1"), plan="scratch", against=("full",), delta=0.35)
    assert ledger.row(claim, ledger.shelf(tmp_path)).verdict == "does not hold"


def test_a_plan_that_misses_the_threshold_is_not_flattered():
    steps, rising = np.array([5.0, 50.0]), np.array([[0.2] * 6, [0.8] * 6])
    base = effort.Course(steps, tuple(range(6)), rising, rising * 100)
    never = effort.to_threshold(base, effort.Course(steps, base.seeds, rising / 2, rising), 0.02)
    assert never.steps.word == never.flops.word == "worse" and "every seed" in str(never.steps)
    mixed = np.where(np.arange(6) == 0, rising / 2, rising + 0.1)
    some = effort.to_threshold(base, effort.Course(steps, base.seeds, mixed, rising), 0.02)
    assert some.steps.word == "cannot tell" and not np.isfinite(some.saved).all()


def test_break_even_is_pretraining_over_what_a_task_saves(rows):
    tasks = int(re.search(r"after (\d+) tasks", rows["1-tasks"].effect)[1])
    per_step = 32 * 4 * 53e6
    saved = ledger.card("letters")["flops"] / tasks / per_step
    assert 80 < saved < 160 and f"{tasks} tasks [" in rows["1-tasks"].effect
    low, high = re.search(r"tasks \[(\d+), (\d+)\]", rows["1-tasks"].effect).groups()
    assert (
        rows["1-tasks"].verdict
        == f"holds when tasks >= {high}, does not when tasks < {low}, else cannot tell"
    )


def test_equal_accuracy_uses_the_smallest_budget_that_gets_there(tmp_path):
    store = Store(tmp_path / "a.jsonl")
    for seed in range(5):
        store.append([made.row("scratch", n, seed, v) for n, v in ((1, 0.4), (2, 0.6), (5, 0.8))])
        store.append([made.row("frozen", 1, seed, 0.55)])
    plan = compare.sample(store, "frozen", 1)
    found = effort.to_equal_accuracy(store, "scratch", (1, 2, 5), plan)
    assert found.factor == pytest.approx(53e6 * 60 * 20 / (17e6 * 10)) and not found.bound
    assert effort.to_equal_accuracy(store, "scratch", (1,), plan).bound


def test_a_record_without_costs_is_named(tmp_path):
    with pytest.raises(UserError, match="flops_prefix"):
        effort.operations(made.row("full", 1, 0, 0.5, detail={}))


# --- placeholders


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("{{claim 3-full}}", "confirmed up to 20 labels per class, refuted at 50"),
        ("{{ claim 3 effect }}", r"\+0\.\d\d \[.*"),
        ("{{claim 3-full sentence}}", r"\*Full fine-tuning .*\.\* Confirmed up to 20 .*: \+0.* at 1, .*\."),
        ("{{claim 3 interval}}", r"\+0\.\d\d \[0\.\d\d, 0\.\d\d\]"),
        ("{{claim 3 power}}", r"0\.\d+ to 0\.\d\d"),
        ("{{claim 20 text}}", "Training from scratch needs .*"),
        ("{{accuracy 16_digits letters frozen 1}}", r"0\.7\d"),
        ("{{accuracy 16_digits letters frozen 1 digits}}", r"0\.7\d"),
        ("{{gain 16_digits frozen scratch 1}}", r"\+0\.\d\d \[0\.\d\d, 0\.\d\d\]"),
        ("{{wins 16_digits frozen scratch 1}}", "10 of 10"), ("{{seeds 16_digits frozen 1}}", "10"),
        ("{{saving 16_digits frozen 2}}", r".*x \[.*x\]"), ("{{card letters seconds}}", r"\d+"),
        ("{{card letters source_accuracy}}", r"0\.\d\d"), ("{{card letters flops}}", r"\d\.\d × 10\^\d+"),
        ("{{ledger}}", r"Of 36 common claims .*, \d+ have been tested so far: \d+ confirmed, .*"),
        ("{{card letters classes}}", "52"), ("{{card letters licence}}", ".*MIT.*"),
        ("plain {x} text", r"plain \{x\} text"),
        ("a {{seeds 16_digits full 1}} b {{wins 16_digits full scratch 1}}", "a 10 b 10 of 10"),
    ],
)  # fmt: skip
def test_placeholders_are_filled(where, text, pattern):
    import re

    assert re.fullmatch(pattern, ledger.fill(text, where))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{clam 3}}", "clam 3"), ("{{claim 99}}", "99"), ("{{claim 3 size}}", "size"),
        ("{{claim 20 interval}}", "no difference"), ("{{claim 20 power}}", "no difference"),
        ("{{claim}}", "claim ID"),
        ("{{}}", "placeholder"), ("{{accuracy 16_digit letters frozen 1}}", "16_digits"),
        ("{{accuracy 16_digits letter frozen 1}}", "'letters'"),
        ("{{accuracy 16_digits letters frozen 1 textures}}", "task 'textures'"),
        ("{{gain 16_digits fulll scratch 1}}", "fulll"), ("{{gain 16_digits full scratch 3}}", "at 3 labels"),
        ("{{gain 16_digits full scratch few}}", "'few'"), ("{{saving 16_digits frozen 3}}", "at 3 labels"),
        ("{{card leters flops}}", "letters"), ("{{card letters colour}}", "colour"),
        ("{{seeds 16_digits frozen 3}}", "at 3 labels"),
    ],
)  # fmt: skip
def test_an_unknown_placeholder_is_named(where, text, said):
    with pytest.raises(UserError) as error:
        ledger.fill(text, where)
    assert said in str(error.value) and text in str(error.value)


def test_two_places_to_read_one_network_are_compared_draw_by_draw(tmp_path):
    store = Store(tmp_path / "16_digits.jsonl")
    for seed, cut in enumerate((0.9, 0.8, 0.95)):
        store.append([made.row("frozen", 5, seed, cut, backbone="letters,until=block2")])
        store.append([made.row("frozen", 5, seed, 0.85)])
    text = "{{ahead 16_digits letters,until=block2 letters frozen 5}}"
    assert ledger.fill(text, ledger.shelf(tmp_path)) == "2 of 3"
    for wrong, said in (
        (text.replace("block2", "block9"), "until=block9"),
        (text.replace(" 5", " 6"), "at 6"),
    ):
        with pytest.raises(UserError, match=said):
            ledger.fill(wrong, ledger.shelf(tmp_path))


def test_placeholders_before_the_records(tmp_path):
    where = ledger.shelf(tmp_path)
    for text in (
        "{{gain 16_digits frozen scratch 1}}",
        "{{accuracy 16_digits letters frozen 1}}",
        "{{claim 3}}",
    ):
        assert ledger.fill(text, where) == "no records yet"


def test_a_small_difference_is_not_printed_as_zero(where):
    v = compare.compare([(compare.sample(where.store("16_digits"), p, 1) for p in ("frozen", "scratch"))])[0]
    assert stats.signed(replace(v, mean=0.0042, low=0.0012, high=0.0072)) == "+0.004 [0.001, 0.007]"
    assert stats.signed(replace(v, mean=-0.31, low=-0.36, high=-0.25)) == "-0.31 [-0.36, -0.25]"


# --- the committed table


def test_only_a_changed_verdict_is_a_change(where, rows, tmp_path):
    path = ledger.write_verdicts(tmp_path / "verdicts.json", rows.values())
    assert ledger.changed(path, rows.values()) == []
    moved = [replace(row, effect="another") for row in rows.values()]
    assert ledger.changed(path, moved) == []
    worse = replace(rows["3"], verdict="does not hold")
    others = [row for row in rows.values() if row.id != "3"]
    (said,) = ledger.changed(path, [*others, worse])
    assert said.startswith("claim 3: committed 'holds only") and "'does not hold'" in said
    budget = replace(rows["5"], words={**rows["5"].words, "1 against full": "worse!"})
    assert len(ledger.changed(path, [*(r for r in rows.values() if r.id != "5"), budget])) == 1
    assert ledger.changed(path, others) and "now nothing" in ledger.changed(path, others)[0]


def test_writing_verdicts_leaves_no_half_file(rows, tmp_path):
    path = ledger.write_verdicts(tmp_path / "verdicts.json", rows.values())
    assert json.loads(path.read_text())["3"]["at"]["1 against scratch"] == "better"
    assert [p.name for p in tmp_path.iterdir()] == ["verdicts.json"]
    with pytest.raises(UserError, match="cannot be written"):
        ledger.write_verdicts(path / "verdicts.json", rows.values())


def test_a_missing_table_says_how_to_write_it(tmp_path):
    with pytest.raises(UserError, match="write_verdicts"):
        ledger.changed(tmp_path / "verdicts.json", [])


def test_the_committed_verdicts_are_what_the_committed_records_say(root):
    """Whatever they are: a verdict may disappoint, but not change unnoticed."""
    assert ledger.changed(root / "data" / "verdicts.json") == []


def test_made_up_rows_are_records():
    assert isinstance(made.row("full", 1, 0, 0.5), Record)


def test_a_claim_names_the_notebooks_that_show_it(root):
    """The others name the notebook whose subject they are."""
    shown: dict[str, set[str]] = {}
    for path in (root / "notebooks" / "source").glob("[0-9]*.py"):
        for name in re.findall(r"\{\{claim (\S+?)[ }]", path.read_text("utf-8")):
            shown.setdefault(name, set()).add(path.name[:2])
    assert {c.id: set(c.where) for c in ledger.criteria() if c.id in shown} == shown
