"""Where records come from: kept once beside them, outside every key, and told by the report."""

import getpass
import json
import platform
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import made_up_records as made
import pytest
import tiny

from tlkit import backbones, cli, compare, env, report, study, tasks
from tlkit.env import machine
from tlkit.errors import UserError
from tlkit.records import Store
from tlkit_lessons import ledger

HERE = {
    "date": "2026-07-05", "commit": "0123456789ab",
    "versions": {"python": "3.13.1", "tlkit": "0.1.0", "torch": "2.11.0"},
    "system": "Linux x86_64", "processor": "A processor", "device": "cpu", "threads": 1,
}  # fmt: skip


def kept(path: Path, *origins_of_seeds: dict | None) -> Store:
    """One fit a seed, each of the origin given for it."""
    store = Store(path)
    for seed, origin in enumerate(origins_of_seeds):
        rows = [
            made.row("frozen", 5, seed, 0.5, split="train", measured={}),
            made.row("frozen", 5, seed, 0.5),
        ]
        store.append(rows, origin=origin)
    return store


def beside(store: Store) -> Path:
    return store.path.with_suffix(".origins.jsonl")


# --- what is kept


def test_every_fit_of_a_study_says_where_it_was_run(tmp_path, monkeypatch):
    task, source = tiny.classifier()
    monkeypatch.setattr(tasks, "load", lambda name: task)
    monkeypatch.setattr(backbones, "load", lambda name, weights=None: source)
    store = Store(tmp_path / "r.jsonl")
    study.run(study.Grid("tiny-classes", "tiny", ("pixels", "frozen"), (2,), (0, 1), tiny.QUICK), store)
    rows = Store(store.path).read()
    assert [store.origin(r) == env.origin() for r in rows] == [r.split == "test" for r in rows]
    assert len(beside(store).read_text("utf-8").splitlines()) == 1
    assert env.origin()["versions"] == env.versions() and env.origin()["threads"] == 1


def test_an_origin_is_in_no_key_and_the_line_grows_by_its_name_alone(tmp_path):
    plain, told = kept(tmp_path / "a.jsonl", None), kept(tmp_path / "b.jsonl", HERE)
    assert [r.key for r in plain.read()] == [r.key for r in told.read()]
    assert plain.finished() == told.finished() and not beside(plain).exists()
    grown = told.path.stat().st_size - plain.path.stat().st_size
    assert 0 < grown < 30
    assert kept(told.path, {**HERE, "threads": 2}).read() == told.read(), "the same fit is not written again"


def test_an_origin_is_kept_once_and_another_day_is_another(tmp_path):
    later = {**HERE, "date": "2026-07-06"}
    store = kept(tmp_path / "r.jsonl", HERE, HERE, later, HERE)
    assert [store.origin(r)["date"][-1] for r in store.read() if r.ends_fit] == ["5", "5", "6", "5"]
    assert len(beside(store).read_text("utf-8").splitlines()) == 2


def test_files_that_are_put_together_keep_their_origins(tmp_path):
    other = {**HERE, "processor": "Another"}
    one, two = kept(tmp_path / "one.jsonl", HERE), kept(tmp_path / "two.jsonl", HERE, other)
    both = Store(tmp_path / "both.jsonl")
    for place in (lambda store: store.path, beside):
        place(both).write_bytes(place(one).read_bytes() + place(two).read_bytes())
    found = {r.seed: both.origin(r) for r in both.read() if r.ends_fit}
    assert found == {0: HERE, 1: other}


def test_a_torn_or_lost_line_of_origins_costs_no_record(tmp_path):
    store = kept(tmp_path / "r.jsonl", HERE)
    whole = beside(store).read_bytes()
    beside(store).write_bytes(whole[:-9])
    again = Store(store.path)
    assert [again.origin(r) for r in again.read()] == [None, None]
    assert "1 fit by versions and on a machine that were not recorded" in compare.whence(
        compare.origins(again, again.read())
    )
    kept(store.path, HERE, HERE)  # the next fit from there mends it
    assert beside(store).read_bytes() == whole and again.origin(again.read()[1]) == HERE
    beside(store).write_text("[1]\n" + whole.decode(), "utf-8")
    with pytest.raises(UserError, match=r"r\.origins\.jsonl:1: not a line of origins"):
        Store(store.path).origin(store.read()[1])


def test_the_origin_is_there_before_the_record(tmp_path, monkeypatch):
    store = Store(tmp_path / "r.jsonl")
    monkeypatch.setattr(store._records, "append", lambda lines: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.append([made.row("frozen", 5, 0, 0.5)], origin=HERE)
    assert beside(store).exists() and store.read() == []


# --- what an origin says


def test_an_origin_names_no_machine_person_or_folder():
    text = json.dumps(env.origin())
    for private in (platform.node(), str(Path.home()), str(Path.cwd()), sys.executable):
        assert private not in text
    assert json.loads(text) == env.origin() and getpass.getuser() not in env.origin().values()


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A repository of one commit, which the package takes for its own."""
    if shutil.which("git") is None:
        pytest.skip("needs git: the commit is what it says")
    for name in ("tlkit/a.py", "data/records/r.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1\n", "utf-8")
    who = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    monkeypatch.setattr(machine, "data_dir", lambda: tmp_path / "data")
    return tmp_path


def commit() -> str | None:
    return machine.commit.__wrapped__()


def test_the_commit_is_that_of_the_checkout_and_marked_where_code_was_changed(checkout):
    clean = commit()
    assert len(clean) == 12 and int(clean, 16)
    (checkout / "data" / "records" / "r.jsonl").write_text("2\n", "utf-8")
    assert commit() == clean, "records that grow are no change of the code"
    (checkout / "tlkit" / "b.py").write_text("new\n", "utf-8")
    assert commit() == clean + "+"


def test_without_a_checkout_or_git_there_is_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert commit() is None
    monkeypatch.undo()
    monkeypatch.setattr(machine, "data_dir", lambda: checkout / "tlkit" / "_data")
    assert commit() is None, "a wheel in somebody's repository is not that repository"


def test_a_mac_is_asked_for_its_processor(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(machine.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="Apple M3\n"))
    assert machine.processor.__wrapped__() == "Apple M3"
    monkeypatch.setattr(machine.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=""))
    assert machine.processor.__wrapped__() == (platform.processor() or platform.machine())


# --- what is told of it


def test_records_of_one_machine_are_told_together_with_their_days(tmp_path):
    later = {**HERE, "date": "2026-07-06"}
    store = kept(tmp_path / "r.jsonl", HERE, later, None, {**HERE, "commit": None, "device": "NVIDIA H200"})
    assert compare.whence(compare.origins(store, store.read())) == (
        "2 fits by tlkit 0.1.0 (0123456789ab), python 3.13.1, torch 2.11.0, on A processor, cpu, 1 thread, "
        "Linux x86_64, 2026-07-05 to 2026-07-06; 1 fit by versions and on a machine that were not recorded; "
        "1 fit by tlkit 0.1.0, python 3.13.1, torch 2.11.0, on A processor, NVIDIA H200, 1 thread, "
        "Linux x86_64, 2026-07-05"
    )


def test_other_versions_are_one_sentence_and_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(env, "versions", lambda: {**HERE["versions"], "tlkit": "0.2.0"})
    other = {**HERE, "versions": env.versions()}
    store = kept(tmp_path / "r.jsonl", HERE, None, other)
    rows = store.read()
    said = "1 fit was made with tlkit 0.1.0 (here 0.2.0): run again here, numbers may differ."
    assert compare.outdated(compare.origins(store, rows)) == said
    assert compare.outdated(compare.origins(store, [r for r in rows if r.seed])) is None
    page = report.compare_html(store.path, tmp_path / "r.html", "x").read_text("utf-8")
    assert (
        said in page
        and "where the numbers come from" in page
        and "1 fit by versions and on a machine that were not recorded" in page
    )


def test_the_command_line_says_so_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    grid = ["--task", "digits", "--plans", "pixels,frozen", "--labels", "1", "--seeds", "1"]
    words = ["compare", *grid, "--out", "r.jsonl"]
    monkeypatch.setattr(sys, "argv", ["tlkit", *words])
    for before, note in (({}, False), ({"torch": "2.0.0"}, True)):
        path = tmp_path / "r.origins.jsonl"
        if before:
            row = json.loads(path.read_text("utf-8"))
            row["versions"] |= before
            path.write_text(json.dumps(row) + "\n", "utf-8")
        with pytest.raises(SystemExit) as end:
            cli.app()
        assert not end.value.code
        assert ("note: 2 fits were made with torch 2.0.0 (here" in capsys.readouterr().out) is note


def test_claims_note_records_of_other_versions(tmp_path, monkeypatch, capsys):
    kept(tmp_path / "16_digits.jsonl", {**HERE, "versions": {"tlkit": "9.9.9"}})
    shelf = replace(ledger.shelf(), folder=tmp_path)
    assert compare.outdated(ledger.on_shelf(shelf)).startswith("1 fit was made with tlkit 9.9.9 (here ")
    monkeypatch.setattr(ledger, "on_shelf", lambda: [({**HERE, "versions": {"tlkit": "9.9.9"}}, 3)])
    monkeypatch.setattr(ledger, "table", list)
    monkeypatch.setattr(sys, "argv", ["tlkit", "claims"])
    with pytest.raises(SystemExit):
        cli.app()
    assert "note: 3 fits were made with tlkit 9.9.9" in " ".join(capsys.readouterr().out.split())


def test_the_committed_records_are_read_and_say_what_is_known():
    """Most are of a time when nothing of this was kept."""
    found = ledger.on_shelf()
    assert sum(count for _, count in found) > 5000
    assert all(origin is None or origin.keys() == HERE.keys() for origin, _ in found)
    assert ("not recorded" in compare.whence(found)) == any(origin is None for origin, _ in found)
