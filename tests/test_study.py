"""Studies: each fit once, resumable, the same with two processes, and what cannot run is said at once."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from tlkit import backbones, study, tasks
from tlkit import fit as fitting
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.records import Store
from tlkit.study import worker

PLANS = ("pixels", "scratch", "frozen", "block:mid")
CHEAPEST = ("pixels", "frozen", "block:mid", "scratch")
PAGE = 4096  # bytes that a small disk gives at a time
# small enough for real digits: what is shown here is bookkeeping, not accuracy
BRIEF = replace(tiny.QUICK, steps=2, batch=32)


@pytest.fixture
def world(monkeypatch):
    """The tiny classifier under names that a grid can hold."""
    task, source = tiny.classifier()
    monkeypatch.setattr(tasks, "load", lambda name: task)
    monkeypatch.setattr(backbones, "load", lambda name, weights=None: source)
    return task, source


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "records.jsonl")


def grid(plans=PLANS, labels=(2, 5), seeds=(0, 1), recipe=tiny.QUICK, **more) -> study.Grid:
    return study.Grid("tiny-classes", "tiny", plans, labels, seeds, recipe, **more)


def counted(monkeypatch) -> list[tuple]:
    """The fits that really run."""
    ran = []

    def noted(task, backbone, plan, labels, seed, recipe):
        ran.append((str(plan), labels, seed))
        return fit(task, backbone, plan, labels, seed, recipe)

    monkeypatch.setattr(fitting, "fit", noted)
    return ran


def repeated(store: Store) -> dict:
    """Everything in a store that must repeat: all but seconds and memory, predictions with it."""
    rows = {r.key: (r.value, r.status, r.detail) for r in store.read()}
    return rows | {r.fit_key: store.items(r.fit_key).tolist() for r in store.read() if r.status == "ok"}


def test_every_cell_is_run_once_and_recorded(world, store, monkeypatch):
    ran = counted(monkeypatch)
    steps = []
    outcome = study.run(grid(), store, progress=lambda done, total: steps.append((done, total)))
    assert outcome == study.Outcome(ran=16, found=0, failed=()) and steps == [(i, 16) for i in range(1, 17)]
    assert len(ran) == len(set(ran)) == 16
    order = [(plan, seed) for plan, _, seed in ran]
    assert order == sorted(order, key=lambda fit: (CHEAPEST.index(fit[0]), fit[1])), "the cheapest plan first"
    tests = [r for r in store.read() if r.split == "test"]
    assert len(tests) == 16 and len(store.read()) == 16 * 2 + 8, (
        "a selection row where something was selected"
    )
    assert len(world[0].reads) == 16
    again = study.run(grid(), store, progress=lambda done, total: steps.append("again"))
    assert again == study.Outcome(ran=0, found=16, failed=()) and len(ran) == 16 and "again" not in steps


def test_only_what_is_new_is_run(world, store, monkeypatch):
    study.run(grid(("frozen",), (2,), (0,)), store)
    ran = counted(monkeypatch)
    assert study.run(grid(("frozen", "pixels"), (2, 3), (0, 1)), store).found == 1
    assert len(ran) == 7 and ("frozen", 2, 0) not in ran


def test_another_recipe_is_another_fit(world, store):
    first = grid(("frozen",), (2,), (0,))
    other = grid(("frozen",), (2,), (0,), replace(tiny.QUICK, strengths=(0.1, 1.0, 10.0)))
    assert study.run(first, store).ran == study.run(other, store).ran == 1
    assert study.run(first, store).ran == study.run(other, store).ran == 0
    assert len({r.recipe for r in store.read()}) == 2


def test_another_version_of_the_engine_is_another_fit(world, store, monkeypatch):
    from tlkit import recipe

    study.run(grid(("frozen",), (2,), (0,)), store)
    monkeypatch.setattr(recipe, "VERSION", recipe.VERSION + 1)
    assert study.run(grid(("frozen",), (2,), (0,)), store).ran == 1


def test_a_stopped_run_goes_on_where_it_was(world, store, tmp_path, monkeypatch):
    def stop(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.run(grid(), store, progress=stop)
    assert len(store.finished()) == 5
    ran = counted(monkeypatch)
    assert study.run(grid(), store) == study.Outcome(ran=11, found=5, failed=()) and len(ran) == 11
    whole = Store(tmp_path / "whole.jsonl")
    study.run(grid(), whole)
    assert repeated(whole) == repeated(store)


def test_a_rerun_gives_the_same_records_in_any_order(world, store, tmp_path, monkeypatch):
    """Other plans first, from an empty folder of features: equal to the last bit."""
    study.run(grid(), store)
    monkeypatch.setenv("TLKIT_COMPUTED", str(tmp_path / "computed"))
    other = Store(tmp_path / "other.jsonl")
    for seed in (1, 0):
        study.run(grid(tuple(reversed(PLANS)), (5, 2), (seed,)), other)
    assert repeated(other) == repeated(store)


def test_two_processes_give_the_records_of_one(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_COMPUTED", str(tmp_path / "computed"))
    cells = study.Grid("digits", "letters", ("pixels", "scratch", "frozen", "last-1"), (2,), (0, 1), BRIEF)
    one, two = Store(tmp_path / "one.jsonl"), Store(tmp_path / "two.jsonl")
    assert study.run(cells, two, jobs=2).ran == 8
    monkeypatch.setenv("TLKIT_COMPUTED", str(tmp_path / "elsewhere"))
    assert study.run(cells, one, jobs=1).ran == 8
    assert repeated(one) == repeated(two) and len(one.finished()) == 8


def test_a_fit_that_diverges_is_recorded_and_the_others_go_on(world, store):
    wild = replace(tiny.QUICK, rates=(1e30,) * 3)
    outcome = study.run(grid(("full", "frozen", "last-1"), (5,), (0,), wild), store)
    assert outcome.ran == 3 and len(outcome.failed) == 2
    assert all("try smaller --rates" in reason for reason in outcome.failed)
    rows = {r.plan: r for r in store.read() if r.split == "test"}
    assert {p: r.status for p, r in rows.items()} == {
        "full": "diverged",
        "frozen": "ok",
        "last-1": "diverged",
    }
    assert rows["full"].value is None and "rate 1e+30" in rows["full"].detail["why"]
    assert study.run(grid(("full", "frozen", "last-1"), (5,), (0,), wild), store).ran == 0, (
        "nor is it tried again"
    )


def test_a_try_that_diverges_is_kept_in_the_ledger(world, store):
    wild = replace(tiny.QUICK, rates=(1e30, 1e-3, 3e-3))
    study.run(grid(("full",), (5,), (0,), wild), store)
    row = store.read()[-1]
    assert row.status == "ok" and row.detail["tried"]["1e+30"] is None, "JSON knows no NaN"


def test_equally_many_tries_and_labels_with_selection_counted(world, store):
    study.run(grid(("pixels", *tiny.PLANS), labels=(4, 5, 10), seeds=(0,)), store)
    for row in store.read():
        if row.split != "test":
            continue
        assert row.detail["tries"] == (3 if row.labels >= 5 else 1) and len(row.detail["tried"]) in (0, 3)
        items = row.detail["items"]
        assert items["fit"] + items["select"] == 3 * row.labels
        assert items["select"] == (3 * (row.labels // 5) if row.labels >= 5 else 0)
        assert items["test"] == len(world[0].test)


def test_the_record_names_task_data_weights_and_recipe(world, store):
    study.run(grid(("frozen", "scratch", "pixels"), (2,), (3,)), store)
    task, source = world
    rows = {r.plan: r for r in store.read() if r.split == "test"}
    assert rows["frozen"].fit_key == (
        "tiny-classes", task.digest, "tiny", source.digest, "frozen", 2, 3, tiny.QUICK.version,
    )  # fmt: skip
    assert rows["scratch"].weights == rows["pixels"].weights == "none", (
        "baselines take nothing from the source"
    )
    assert rows["frozen"].detail["steps"] == 4 and rows["frozen"].measured["process_peak_mb"] > 0


def test_predictions_and_targets_lie_beside_the_records(world, store):
    study.run(grid(("frozen",), (2,), (0,)), store)
    task, _ = world
    row = store.read()[-1]
    predicted, targets = store.items(row.fit_key), store.targets(task.name, task.digest)
    assert predicted.dtype == np.uint8 and len(predicted) == len(task.test)
    assert (predicted == targets).mean() == row.value


@pytest.mark.parametrize(
    ("array", "dtype"),
    [([0, 255], "uint8"), ([0, 256], "uint16"), ([-1, 3], "int64"), ([], "int64"), ([[1], [2]], "uint8")],
)
def test_class_numbers_in_few_bytes(array, dtype):
    small = worker.small(np.array(array, dtype=np.int64))
    assert small.dtype == dtype and small.tolist() == array
    assert worker.small(np.array([0.5])).dtype == float


def test_one_plan_under_two_names_is_one(world, store):
    assert study.run(grid(("full", "full@decay=1", " full"), (2,), (0,)), store).ran == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"plans": ("last-9",)}, "last-9 names more stages than there are"),
        ({"plans": ("block:nope",)}, "unknown stage 'nope'"),
        ({"plans": ("frozen", "ful")}, "did you mean 'full'"),
        ({"labels": (0,)}, "--labels 0"),
        ({"labels": (1, 13)}, "12 training items but --labels is 13"),
        ({"seeds": (0, -1)}, "seed -1"),
        ({"plans": ()}, "at least one plan, one label budget and one seed"),
        ({"labels": ()}, "at least one plan, one label budget and one seed"),
        ({"seeds": ()}, "at least one plan, one label budget and one seed"),
    ],
)
def test_what_cannot_run_is_said_before_anything_runs(world, store, monkeypatch, change, says):
    ran = counted(monkeypatch)
    with pytest.raises(UserError, match=says):
        study.run(grid(**change), store)
    assert ran == [] and not store.path.exists()


def test_no_processes_are_refused(world, store):
    with pytest.raises(UserError, match="--jobs 0: give 1 or more"):
        study.run(grid(), store, jobs=0)


def test_a_plan_without_a_baseline_is_refused_at_once(store, monkeypatch):
    task, source = tiny.language()
    monkeypatch.setattr(tasks, "load", lambda name: task)
    monkeypatch.setattr(backbones, "load", lambda name, weights=None: source)
    with pytest.raises(UserError, match="plan pixels has no baseline for a language task"):
        study.run(grid(("frozen", "pixels"), (5,), (0,)), store)
    assert study.run(grid(("frozen",), (5,), (0,)), store).ran == 1
    assert store.read()[-1].metric == "perplexity"
    assert store.items(store.read()[-1].fit_key).shape == (len(task.test), 3)


def test_files_that_change_meanwhile_stop_the_run(world, store, monkeypatch):
    task, _ = world
    other = tiny.classifier(train=30)[0]
    loads = iter([task, task, other])
    monkeypatch.setattr(tasks, "load", lambda name: next(loads) if isinstance(name, str) else name)
    with pytest.raises(UserError, match="the files of task 'tiny-classes' changed while it ran"):
        study.run(grid(("pixels",), (2,), (0, 1)), store)
    assert len(store.finished()) == 1, "what was right is kept"


def test_a_network_is_built_only_where_a_plan_needs_it(world, store, monkeypatch):
    def refuse(pretrained):
        raise AssertionError("built")

    source = replace(world[1], build=refuse)
    monkeypatch.setattr(backbones, "load", lambda name, weights=None: source)
    assert study.run(grid(("pixels",), (2,), (0,)), store).ran == 1


def test_one_thread_in_every_fit(world, store):
    torch.set_num_threads(2)
    try:
        study.run(grid(("pixels",), (2,), (0,)), store)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(1)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True
    )
    if not done or done.returncode:
        pytest.skip("needs the right to mount a small file system: root on Linux")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("pages", range(3))
def test_a_full_disk_stops_the_run_and_it_goes_on_when_there_is_room(world, small_disk, tmp_path, pages):
    """Records, or predictions beside them, run into the end of the disk in the midst of a line."""
    cells, store = grid(("pixels", "frozen"), (2,), range(12)), Store(small_disk / "r.jsonl")
    study.run(grid(("pixels", "frozen"), (2,), (0,)), store)
    (small_disk / "ballast").write_bytes(bytes((shutil.disk_usage(small_disk).free // PAGE - pages) * PAGE))
    with pytest.raises(UserError, match=r"jsonl cannot be written \(No space left on device\): free space"):
        study.run(cells, store)
    for file in small_disk.glob("*.jsonl"):
        text = file.read_text()
        assert text.endswith("\n") and all(json.loads(line) for line in text.splitlines())
    kept = len(store.finished())
    assert kept >= 2
    (small_disk / "ballast").unlink()
    assert study.run(cells, Store(store.path)) == study.Outcome(ran=24 - kept, found=kept, failed=())
    whole = Store(tmp_path / "whole.jsonl")
    study.run(cells, whole)
    assert repeated(whole) == repeated(store)
    assert len(store.path.read_text().splitlines()) == len(store.read()), "none is there twice"


OTHER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_study import at_once
from tlkit.fit import fit
Path(sys.argv[2], "ready").touch()
print(*at_once(Path(sys.argv[2])))
"""


def at_once(folder: Path) -> tuple[int, int]:
    """One of two runs of one grid into one file, which began together: how many fits it ran, and found."""
    while not (folder / "go").exists():
        time.sleep(0.01)
    cells = study.Grid("digits", "letters", ("pixels", "frozen"), (1,), range(8), BRIEF)
    outcome = study.run(cells, Store(folder / "r.jsonl"))
    return outcome.ran, outcome.found


def test_two_runs_into_one_file_at_once_lose_double_and_tear_nothing(tmp_path):
    command = [sys.executable, "-c", OTHER, os.path.dirname(__file__), str(tmp_path)]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while not (tmp_path / "ready").exists():
        assert other.poll() is None
        time.sleep(0.05)
    (tmp_path / "go").touch()
    ran, _ = at_once(tmp_path)
    others, _ = map(int, other.communicate(timeout=200)[0].split())
    assert ran + others > 16, "else the one had ended before the other began"
    store = Store(tmp_path / "r.jsonl")
    assert len(store.finished()) == 16 and len(store.path.read_text().splitlines()) == len(store.read()) == 32
    alone = Store(tmp_path / "alone.jsonl")
    study.run(study.Grid("digits", "letters", ("pixels", "frozen"), (1,), range(8), BRIEF), alone)
    assert repeated(alone) == repeated(store)


def test_seeds_and_labels_may_be_ranges_and_numbers_of_numpy():
    grid = study.Grid("digits", "letters", ("frozen",), np.array([1, 2]), range(2), tiny.QUICK)
    assert (grid.labels, grid.seeds) == ((1, 2), (0, 1)) and type(grid.labels[0]) is int
    with pytest.raises(UserError, match="seed 'one': give a whole number"):
        study.Grid("digits", "letters", ("frozen",), (1,), ("one",), tiny.QUICK)
