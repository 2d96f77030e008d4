"""Unbalanced classes: every class counts alike where that is asked for, and what is wrong is shown."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
import tiny
from PIL import Image
from sklearn.metrics import balanced_accuracy_score

from tlkit import compare, recipe, report, study
from tlkit.cli import output
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.records import BALANCED, PLAIN, FitKey, Record, Scale, Store, scale
from tlkit.tasks import Items, Task, classification, regression
from tlkit.tasks.metrics import accuracy, balanced, mae, mean_of

BY_CLASS = replace(tiny.QUICK, metric=BALANCED)
SEEDS = tuple(range(5))


def grid(task: Task, how=tiny.QUICK, plans=("scratch", "frozen"), labels=(2,)) -> study.Grid:
    return study.Grid(task, tiny.backbone(), plans, labels, SEEDS, how)


# --- the metric


def test_balanced_accuracy_is_the_mean_of_the_recalls():
    rng = np.random.default_rng(0)
    targets, kept = rng.choice(4, 90, p=(0.7, 0.2, 0.06, 0.04)), rng.integers(0, 4, 90)
    assert balanced(kept, targets) == pytest.approx(balanced_accuracy_score(targets, kept))
    assert balanced.by_item(kept, targets).mean() == pytest.approx(balanced(kept, targets))
    assert balanced(np.zeros(90), targets) == pytest.approx(balanced.chance(targets)) == 0.25
    there = targets[targets != 3]  # a class that the test lacks has no recall
    assert balanced(there, there) == pytest.approx(1) and balanced.chance(there) == pytest.approx(1 / 3)


def test_where_classes_are_equal_it_is_the_accuracy():
    targets, kept = np.arange(30) % 3, np.random.default_rng(0).integers(0, 3, 30)
    assert balanced(kept, targets) == accuracy(kept, targets)


# --- a task is judged by one of its metrics


def test_a_task_is_judged_by_a_metric_that_it_has():
    task, _ = tiny.classifier()
    other = task.judged("balanced")
    assert other.objective.metric == BALANCED and list(other.objective.metrics) == [BALANCED, PLAIN]
    assert task.objective.metric == PLAIN == task.judged("").objective.metric
    assert other.digest == task.digest
    other.evaluate(lambda items: np.zeros(len(items), int), "me")
    assert task.reads == ["me"], "one seal"
    with pytest.raises(UserError, match="unknown metric 'f1': Known: accuracy, balanced accuracy"):
        task.judged("f1")


def test_a_name_that_another_begins_with_means_itself():
    task, _ = tiny.line()
    longer, own = (mean_of(name, mae(1).by_item, "lower", 1) for name in ("mae a day", "mae"))
    task.objective = regression(metrics=(longer, own))
    assert (
        task.judged("mae").objective.metric == "mae" and task.judged("mae ").objective.metric == "mae a day"
    )


def test_an_interval_of_balanced_accuracy_ends_within_its_range():
    assert list(Scale(BALANCED).within([-0.1, 1.2])) == [0, 1] != list(Scale("mae").within([-0.1, 1.2]))


def test_settings_are_chosen_by_the_metric_that_counts():
    task, backbone = tiny.classifier()
    task.objective = classification(3, metrics=(accuracy, tiny.error_rate))
    by = {
        name: fit(task, backbone, "full", 10, 0, replace(tiny.QUICK, metric=name)) for name in ("", "error")
    }
    assert by["error"].tried == pytest.approx({k: 1 - v for k, v in by[""].tried.items()})
    assert by["error"].test.scale["better"] == "lower" and by[""].test.scale == {}


def test_a_recipe_without_a_metric_is_the_one_it_was():
    assert recipe.Recipe().version == "r3-a8e94c" and BY_CLASS.version != tiny.QUICK.version


def test_fits_by_another_metric_are_fits_of_their_own(tmp_path):
    task, _ = tiny.classifier()
    store = Store(tmp_path / "r.jsonl")
    plain, even = grid(task), grid(task, BY_CLASS)
    assert (study.run(plain, store).ran, study.run(even, store).ran) == (10, 10)
    assert study.run(plain, store).found == study.run(even, store).found == 10
    told = {m: [r for r in store.read() if r.metric == m and r.split == "test"] for m in (PLAIN, BALANCED)}
    assert [len(rows) for rows in told.values()] == [10, 10]
    assert not any("scale" in r.detail for r in told[PLAIN]), "records of accuracy say what they said"
    assert scale(told[BALANCED]).chance == pytest.approx(1 / 3)
    assert {(p.metric, p.recipe) for p in compare.pairs(store)} == {
        (PLAIN, tiny.QUICK.version), (BALANCED, BY_CLASS.version),
    }  # fmt: skip
    page = report.compare_html(store.path, tmp_path / "r.html", "x", task=task).read_text("utf-8")
    assert re.findall("<h2>(.*tiny.*)</h2>", page) == [
        "tiny-classes, from tiny", "tiny-classes, from tiny, by balanced accuracy",
    ]  # fmt: skip
    assert page.count("<caption>Recall by class") == 2 and page.count("<caption>Confusions") == 2


def test_a_fit_that_was_killed_is_recorded_by_the_metric_asked_for(tmp_path):
    asked = grid(tiny.classifier()[0], BY_CLASS)
    finished = study.running._killed(asked, asked.key(next(asked.cells())))
    assert finished.rows[0]["metric"] == BALANCED


@pytest.mark.parametrize("right", [True, False])
def test_intervals_of_balanced_accuracy_never_cover_new_items(tmp_path, right):
    """Though no score passes 1 where the rare class is wrong in every fit."""
    store, targets = Store(tmp_path / "r.jsonl"), np.repeat([0, 1], (40, 4))
    for plan in ("scratch", "frozen"):
        for seed in SEEDS:
            kept = np.where(targets == 1, right, np.random.default_rng(seed).integers(0, 2, 44))
            row = Record("t", "d", "b", "w", plan, 5, seed, "r", "test", BALANCED, balanced(kept, targets),
                         detail={"scale": balanced.declared(targets, True)})  # fmt: skip
            store.append([row], kept, targets, balanced.by_item(kept, targets))
    assert [p.items for p in compare.pairs(store)] == [False]


# --- what is wrong


CLASSES = ("fine", "[bold]scratch & <co>")


def unbalanced(classes: tuple[str, ...] = CLASSES) -> Task:
    """Ten items of one class and two of the other on each side; the test's are pictures."""
    y = np.repeat([0, 1], (10, 2))
    shades = [Image.new("RGB", (9, 5), (20 * i, 0, 0)) for i in range(12)]
    names = [f"photos/{'x' * 300}/{i}.png" for i in range(12)]
    test = Items(shades, names, tuple(f"b{i}" for i in range(12)))
    return Task("t", classification(len(classes)), tiny.items(range(12), "a"), y, test, y, classes)


def answered(path, task: Task, plans=("scratch", "frozen", "full")) -> Store:
    """Records of three seeds: item n of the first class is wrong in n fits, the second class in two."""
    store, y = Store(path), np.repeat([0, 1], (10, 2))
    for plan in plans:
        for labels in (1, 2):
            for seed in range(3):
                kept = y.copy()
                kept[:4] = np.arange(4) > seed
                kept[10:] = seed == 2
                if labels == 1:
                    kept = 1 - y
                key = FitKey(task.name, task.digest, "b", "w", plan, labels, seed, "r")
                store.append([Record(*key, "test", PLAIN, accuracy(kept, y))], kept, y)
    return store


def test_recall_of_every_class_and_their_mean(tmp_path):
    task = unbalanced()
    store = answered(tmp_path / "r.jsonl", task)
    found = compare.recalls(store, store.read(), task)
    assert found[0] == ["class", "scratch", "frozen", "full"]
    assert [row[:2] for row in found[1:]] == [
        ["fine", "0.80"], [CLASSES[1], "0.33"], ["balanced accuracy", "0.57"], ["accuracy", "0.72"],
    ]  # fmt: skip
    line, _ = tiny.line()
    assert compare.recalls(store, store.read(), line) == []


def test_confusions_and_the_worst_items(tmp_path):
    task = unbalanced()
    store = answered(tmp_path / "r.jsonl", task)
    rows = [r for r in store.read() if (r.plan, r.labels) == ("full", 2)]
    confusions, worst = compare.mistakes(store, rows, task)
    assert confusions[1:] == [
        ["fine", f"fine (24), {CLASSES[1]} (6)"],
        [CLASSES[1], f"fine (4), {CLASSES[1]} (2)"],
    ]
    assert [(item, times) for item, *_, times in worst] == [(3, 3), (2, 2), (10, 2), (11, 2), (1, 1)]
    assert worst[0][1:3] == ("fine", CLASSES[1]) and worst[2][1:3] == (CLASSES[1], "fine")
    many = [r for r in store.read() if (r.plan, r.labels) == ("full", 1)]
    assert [item for item, *_ in compare.mistakes(store, many, task)[1]] == list(range(10)), "ten at most"


def test_the_report_shows_what_the_kept_plan_gets_wrong(tmp_path):
    task = unbalanced()
    store = answered(tmp_path / "r.jsonl", task)
    page = report.compare_html(store.path, tmp_path / "r.html", "x", task=task).read_text("utf-8")
    assert "how often (3 fits of frozen, 2 labels per class)." in page
    assert '<th scope="row">fine</th>' in page and '<th scope="row">balanced accuracy</th>' in page
    assert CLASSES[1] not in page and "[bold]scratch &amp; &lt;co&gt;" in page
    assert [f"photos/{'x' * 300}/{i}.png" in page for i in (3, 2, 10, 11, 1, 0)] == [True] * 5 + [False]
    shown = re.findall(r'src="data:image/jpeg;base64,([^"]+)" alt="([^"]+)"', page)
    assert len(shown) == 5
    assert all(max(Image.open(io.BytesIO(base64.b64decode(jpeg))).size) == 96 for jpeg, _ in shown)
    assert shown[0][1] == "test image of class fine"
    other = report.compare_html(store.path, tmp_path / "o.html", "x", task=tiny.classifier()[0])
    assert "Recall by class" not in other.read_text("utf-8"), "a task that the records are not of"


def test_the_table_of_recalls_fits_a_terminal_of_80_columns(tmp_path, capsys):
    task, plans = unbalanced(), ("scratch", *(f"last-{n}@decay=0.25" for n in range(1, 9)))
    store = answered(tmp_path / "r.jsonl", task, plans)
    output.after(store, store.read(), task)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    (recall,) = [line for line in lines if line.split()[:1] == ["fine"]]
    assert recall.split()[1:] == ["0.80"] * 9
    output.after(store := answered(tmp_path / "s.jsonl", task), store.read(), task)
    assert f" {CLASSES[1]}      0.33     0.33   0.33" in capsys.readouterr().out


def test_of_many_classes_the_terminal_shows_the_mean_alone(tmp_path, capsys):
    task = unbalanced(tuple(f"class {n}" for n in range(13)))
    output.after(store := answered(tmp_path / "r.jsonl", task), store.read(), task)
    text = capsys.readouterr().out
    assert "balanced accuracy" in text and "class 1" not in text


@pytest.mark.parametrize(("rare", "noted"), [(4, True), (5, False)])
def test_unbalanced_classes_are_told_before_anything_is_fitted(tmp_path, capsys, rare, noted):
    (x, _), (tx, ty) = tiny.pictures(15 + rare, 0), tiny.pictures(6, 1)
    y = np.repeat([0, 1], (15, rare))
    task = Task("t", classification(2), tiny.items(x, "a"), y, tiny.items(tx, "b"), ty % 2, CLASSES[::-1])
    output.before(grid(task), Store(tmp_path / "r.jsonl"), tmp_path / "r.html")
    text = " ".join(capsys.readouterr().out.split())
    said = "note: the classes are unbalanced: always predicting [bold]scratch & <co> gets 0.789; --metric"
    assert (said in text) == ("--metric" in text) == noted
    output.before(grid(task, BY_CLASS), Store(tmp_path / "r.jsonl"), tmp_path / "r.html")
    assert "--metric" not in capsys.readouterr().out
