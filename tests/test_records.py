"""Records: what is written is what is read, whatever happens in between."""

import io
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import FrozenInstanceError, asdict
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from tlkit.errors import UserError
from tlkit.records import Record, Store, lines, store, values


def record(seed: int = 0, split: str = "test", **changes) -> Record:
    given = {
        "task": "digits", "data": "d1", "backbone": "letters", "weights": "w1", "plan": "frozen", "labels": 5,
        "seed": seed, "recipe": "r1", "split": split, "metric": "accuracy", "value": 0.5,
    }  # fmt: skip
    return Record(**(given | changes))


def fit(seed: int) -> list[Record]:
    return [record(seed, "test", value=seed / 100), record(seed, "valid", value=seed / 50)]


# --- Record


def test_a_record_names_its_fit_and_its_number():
    one = record(3)
    assert one.fit_key == ("digits", "d1", "letters", "w1", "frozen", 5, 3, "r1")
    assert one.key == (*one.fit_key, "test", "accuracy")
    with pytest.raises(FrozenInstanceError):
        one.value = 1.0


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.dictionaries(st.text(max_size=5), json_like, max_size=3),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_record_survives_the_trip_through_json(text, seed, value, detail):
    one = record(seed, task=text, value=value, detail=detail)
    line = one.to_json()
    assert "\n" not in line
    assert Record.from_json(line) == one
    assert hash(Record.from_json(line)) == hash(one)


def test_the_line_has_the_fields_others_read():
    row = json.loads(record().to_json())
    assert {"task", "backbone", "plan", "labels", "seed", "split", "metric", "value", "status"} <= row.keys()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_nan_is_never_written(bad):
    one = record(value=bad, detail={"losses": [1.0, bad, np.array([bad])]}, measured={"seconds": bad})
    assert one.value is None and one.status == "diverged"
    row = json.loads(one.to_json(), parse_constant=lambda name: pytest.fail(f"{name} was written"))
    assert row["value"] is None and row["detail"]["losses"] == [1.0, None, [None]]
    assert record(value=bad, status="skipped").status == "skipped"


def test_numpy_numbers_become_plain_ones():
    one = record(
        np.int64(3), value=np.float32(0.5), detail={"n": np.int64(2), "x": np.arange(2), "t": (1, 2)}
    )
    assert asdict(Record.from_json(one.to_json())) == asdict(one)
    assert one.detail == {"n": 2, "x": [0, 1], "t": [1, 2]} and type(one.seed) is int


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"labels": 2.5}, "labels"),
        ({"labels": True}, "labels"),
        ({"seed": "0"}, "seed"),
        ({"plan": None}, "plan"),
        ({"value": "0.5"}, "value"),
        ({"value": [0.5]}, "value"),
        ({"value": None}, "value"),
        ({"status": "skipped"}, "value"),
        ({"status": "okay", "value": None}, "did you mean 'ok'"),
        ({"detail": [1]}, "detail"),
    ],
)
def test_a_wrong_field_is_named(changes, named):
    with pytest.raises(UserError, match=named):
        record(**changes)


# --- reading and writing


def test_what_is_appended_is_read(tmp_path):
    kept = Store(tmp_path / "new" / "r.jsonl")
    assert kept.read() == [] and kept.finished() == set()
    assert kept.append(fit(0)) == 2
    assert kept.append([record(1, "valid", value=math.nan, detail={"why": "loss"}), record(1, "train")]) == 2
    assert kept.append(fit(2)[1:]) == 1  # no test row yet
    for one in (kept, Store(kept.path)):
        assert len(one.read()) == 5
        assert one.finished() == {record(0).fit_key, record(1).fit_key}
    assert [r.split for r in kept.read()[:2]] == ["valid", "test"]  # the test row is the last of its block


def test_a_known_key_is_not_written_twice(tmp_path):
    kept = Store(tmp_path / "r.jsonl")
    kept.append([*fit(0), *fit(0)])
    before = kept.path.read_bytes()
    assert kept.append(fit(0)) == 0 and Store(kept.path).append(fit(0)) == 0
    assert kept.path.read_bytes() == before
    assert kept.append([record(0, metric="f1"), *fit(0)]) == 1
    assert kept.path.read_bytes().startswith(before)


def test_a_doubled_line_is_read_once(tmp_path):
    path = tmp_path / "r.jsonl"
    line = record().to_json() + "\n"
    path.write_text(line + "\n" + line)  # what a merge of two branches may leave, with an empty line
    assert Store(path).read() == [record()]


def test_an_unchanged_file_is_not_read_again_and_a_grown_one_only_from_there(tmp_path, monkeypatch):
    kept, other = Store(tmp_path / "r.jsonl"), Store(tmp_path / "r.jsonl")
    kept.append(fit(0))
    other.append(fit(1))
    read = []
    original = Record.from_json.__func__
    monkeypatch.setattr(Record, "from_json", classmethod(lambda c, *a: read.append(a) or original(c, *a)))
    kept.append(fit(0))
    assert len(read) == 2  # the two rows of the other store
    kept.append(fit(1))
    kept.read()
    assert len(read) == 2


def test_a_replaced_or_shortened_file_is_read_anew(tmp_path):
    kept = Store(tmp_path / "r.jsonl")
    kept.append(fit(0))
    os.truncate(kept.path, len(kept.path.read_bytes().splitlines(keepends=True)[0]))
    assert kept.read() == fit(0)[1:]
    (tmp_path / "new").write_text("".join(r.to_json() + "\n" for s in range(5) for r in fit(s)))
    os.replace(tmp_path / "new", kept.path)
    assert len(kept.read()) == 10
    kept.path.unlink()
    assert kept.read() == []
    assert kept.append(fit(0)) == 2


def test_a_file_cut_at_any_byte_loses_only_its_last_line(tmp_path):
    whole = Store(tmp_path / "whole.jsonl")
    whole.append(fit(0))
    start = len(whole.path.read_bytes())
    whole.append(fit(1))
    content = whole.path.read_bytes()
    path = tmp_path / "cut.jsonl"
    newline = content.index(b"\n", start)
    ends = {*range(start, len(content), 7), newline - 1, newline, newline + 1, newline + 2, len(content) - 1}
    for end in sorted(ends):
        path.write_bytes(content[:end])
        cut = Store(path)
        lines = content[:end].count(b"\n")
        assert len(cut.read()) == lines and record(1).fit_key not in cut.finished()
        cut.append(fit(1))
        assert (
            path.read_bytes() == content
        )  # everything before the cut untouched, everything lost written again


@pytest.mark.parametrize("torn", [b"\0\0\0\0", b"\0\0\0\n", b'{"task": "dig\n', b"\xff\xfe\n"])
def test_a_last_line_that_is_not_json_is_cut_off(tmp_path, torn):
    kept = Store(tmp_path / "r.jsonl")
    kept.append(fit(0))
    good = kept.path.read_bytes()
    kept.path.write_bytes(good + torn)
    assert len(Store(kept.path).read()) == 2
    assert kept.path.read_bytes() == good + torn  # reading changes nothing
    for one in (Store(kept.path), kept):
        one.append(fit(1))
    assert kept.path.read_bytes()[: len(good)] == good
    assert len(kept.read()) == len(kept.path.read_bytes().splitlines()) == 4


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b"{", "not JSON"),
        (b"[1]", "list instead of an object"),
        (b"<<<<<<< ours", "not JSON"),
        (json.dumps(asdict(record()) | {"speed": 1}).encode(), "unknown: speed"),
        (
            json.dumps({k: v for k, v in asdict(record()).items() if k not in ("seed", "plan")}).encode(),
            "plan seed",
        ),
        (json.dumps(asdict(record()) | {"seed": "one"}).encode(), "seed must be a whole number"),
    ],
)
def test_a_bad_line_in_the_middle_is_named_and_nothing_is_written(tmp_path, line, named):
    path = tmp_path / "r.jsonl"
    good = record().to_json().encode()
    path.write_bytes(good + b"\n" + line + b"\n" + record(1).to_json().encode() + b"\n")
    before = path.read_bytes()
    kept = Store(path)
    for _ in range(2):
        with pytest.raises(UserError, match=named) as error:
            kept.read()
        assert f"{path}:2: " in str(error.value) and "mend or delete that line" in str(error.value)
    with pytest.raises(UserError):
        kept.append(fit(7))
    assert path.read_bytes() == before


def test_a_bad_line_before_a_torn_one_is_no_kill(tmp_path):
    kept = Store(tmp_path / "r.jsonl")
    kept.path.write_bytes(record().to_json().encode() + b"\nscribble\n{")
    with pytest.raises(UserError, match=r"r\.jsonl:2: not JSON"):
        kept.read()


def test_a_later_bad_line_is_numbered_from_the_start_of_the_file(tmp_path):
    kept = Store(tmp_path / "r.jsonl")
    kept.append(fit(0))
    with open(kept.path, "ab") as file:
        file.write(b'{"task": 1}\n')
    with pytest.raises(UserError, match=r"r\.jsonl:3: not a record"):
        kept.read()


# --- predictions


@pytest.mark.parametrize(
    "predicted",
    [
        np.arange(997) % 10,
        np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32),
        np.array(["ant", "bee"]),
        np.zeros((0, 4)),
    ],
)
def test_predictions_come_back_as_given(tmp_path, predicted):
    kept = Store(tmp_path / "r.jsonl")
    kept.append(fit(0), items=predicted, targets=predicted[::-1])
    for one in (kept, Store(kept.path)):
        got = one.items(record(0).fit_key)
        assert got.dtype == predicted.dtype and got.flags.writeable
        np.testing.assert_array_equal(got, predicted)
        np.testing.assert_array_equal(one.targets("digits", "d1"), predicted[::-1])


def sidecar(kept: Store) -> list[dict]:
    return [json.loads(line) for line in kept.path.with_suffix(".items.jsonl").read_text().splitlines()]


def test_targets_are_kept_once_and_must_stay_the_same(tmp_path):
    kept = Store(tmp_path / "r.jsonl")
    for seed in range(3):
        kept.append(fit(seed), items=np.full(4, seed), targets=np.arange(4))
    assert [sorted(row) for row in sidecar(kept)].count(["data", "targets", "task"]) == 1
    before = kept.path.read_bytes()
    with pytest.raises(UserError, match="other targets for task 'digits'"):
        kept.append(fit(9), items=np.arange(4), targets=np.arange(4)[::-1])
    assert kept.path.read_bytes() == before


def test_predictions_left_without_their_record_are_not_doubled(tmp_path, monkeypatch):
    kept = Store(tmp_path / "r.jsonl")
    with monkeypatch.context() as patch:
        patch.setattr(kept._records, "append", lambda lines: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            kept.append(fit(0), items=np.arange(4))
    assert (
        len(sidecar(kept)) == 1 and kept.finished() == set()
    )  # beside first, so that no test row lacks them
    again = Store(kept.path)
    assert again.append(fit(0), items=np.arange(4)) == 2
    assert len(sidecar(kept)) == 1
    assert again.append(fit(0), items=np.arange(4)) == 0
    assert len(sidecar(kept)) == 1


def test_predictions_that_are_not_there_or_damaged_are_named(tmp_path):
    kept = Store(tmp_path / "r.jsonl")
    kept.append(fit(0), items=np.arange(4))
    with pytest.raises(UserError, match=r"r\.items\.jsonl holds no predictions"):
        kept.items(record(1).fit_key)
    with pytest.raises(UserError, match="no targets of task 'digits'"):
        kept.targets("digits", "d1")
    path = kept.path.with_suffix(".items.jsonl")
    path.write_text(path.read_text().replace('"zlib": "', '"zlib": "AAAA'))
    with pytest.raises(UserError, match="damaged predictions"):
        Store(kept.path).items(record(0).fit_key)
    path.write_text('{"neither": 1}\n')
    with pytest.raises(UserError, match=r"r\.items\.jsonl:1: not a line of predictions"):
        Store(kept.path).items(record(0).fit_key)


def test_predictions_need_one_fit_and_plain_numbers(tmp_path):
    kept = Store(tmp_path / "r.jsonl")
    with pytest.raises(ValueError, match="of 2"):
        kept.append([record(0), record(1)], items=np.arange(4))
    with pytest.raises(ValueError, match="objects"):
        kept.append(fit(0), items=[None, "a"])
    assert kept.read() == []


# --- killed, crowded, full, read-only

WRITER = """
import sys, numpy as np
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1])))
from test_records import fit
from tlkit.records import Store
store, first, last = Store(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
print("started", flush=True)
for seed in range(first, last):
    if fit(seed)[0].fit_key not in store.finished():
        store.append(fit(seed), items=np.arange(300) % (seed + 2), targets=np.arange(300))
print("done", flush=True)
"""


def writer(path: Path, first: int, last: int) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER, str(Path(__file__).parent), str(path), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def assert_whole(path: Path, fits: int) -> None:
    seeds = Counter(json.loads(line)["seed"] for line in path.read_text().splitlines())
    assert seeds == dict.fromkeys(range(fits), 2)
    kept = Store(path)
    assert len(kept.finished()) == fits
    rows = sidecar(kept)
    assert len(rows) == fits + 1
    for seed in range(fits):
        np.testing.assert_array_equal(kept.items(record(seed).fit_key), np.arange(300) % (seed + 2))


def test_killed_at_ten_moments_every_record_is_there_once(tmp_path):
    path, fits = tmp_path / "r.jsonl", 300
    chance = random.Random(0)
    killed = 0
    for _ in range(10):
        process = writer(path, 0, fits)
        process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.06))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    before = path.read_bytes()
    assert killed == 10 and 0 < len(Store(path).finished()) < fits  # else this test shows nothing
    process = writer(path, 0, fits)
    assert process.communicate(timeout=60)[0].split() == ["started", "done"]
    assert_whole(path, fits)
    assert path.read_bytes().startswith(before[: before.rfind(b"\n") + 1])


def test_two_processes_append_at_once(tmp_path):
    path = tmp_path / "r.jsonl"
    both = [writer(path, 0, 80), writer(path, 40, 120)]  # forty fits are wanted by both
    for process in both:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert_whole(path, 120)


FULL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1])))
from test_records import fit
from tlkit.errors import UserError
from tlkit.records import Store
path = Path(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, resource.RLIM_INFINITY))
try:
    Store(path).append(fit(1))
except UserError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path):
    kept = Store(tmp_path / "r.jsonl")
    kept.append(fit(0))
    before = kept.path.read_bytes()
    command = [sys.executable, "-c", FULL, str(Path(__file__).parent), str(kept.path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"{kept.path} cannot be written" in said and "free space" in said
    assert kept.path.read_bytes() == before
    assert kept.append(fit(1)) == 2


class Hesitant(io.FileIO):
    """A file that takes a few bytes at a time, as a system may under load."""

    def write(self, block):
        return super().write(block[:50])


def test_a_write_in_pieces_is_whole(tmp_path, monkeypatch):
    kept = Store(tmp_path / "r.jsonl")
    monkeypatch.setattr(
        lines, "open", lambda path, mode, **kind: (Hesitant if kind else open)(path, mode), raising=False
    )
    assert kept.append(fit(0)) == 2
    monkeypatch.undo()
    assert Store(kept.path).read() == fit(0)[::-1]


def test_a_write_cut_short_by_the_disk_is_taken_back(tmp_path, monkeypatch):
    kept = Store(tmp_path / "r.jsonl")
    kept.append(fit(0))
    before = kept.path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(
            os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
        with pytest.raises(UserError, match="No space left on device"):
            kept.append(fit(1))
    assert kept.path.read_bytes() == before and len(kept.read()) == 2


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"r\.jsonl cannot be written"):
        Store(tmp_path / "file" / "r.jsonl").append(fit(0))


@pytest.fixture
def shared_folder():
    """A folder outside pytest's own (which others may not enter), for acting as somebody without rights."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@contextmanager
def without_rights(folder: Path):
    """Nobody may write in `folder`; root, whom permissions do not stop, acts as another user meanwhile."""
    os.chmod(folder, 0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        os.chmod(folder, 0o755)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs the folder permissions of Unix")
def test_a_read_only_folder_can_be_read_but_not_written(shared_folder):
    kept = Store(shared_folder / "r.jsonl")
    kept.append(fit(0))
    before = kept.path.read_bytes()
    with without_rights(shared_folder):
        assert Store(kept.path).read() == fit(0)[::-1]
        with pytest.raises(UserError, match=r"r\.jsonl cannot be written \(Permission denied\)"):
            Store(kept.path).append(fit(1))
        with pytest.raises(UserError, match=r"new\.jsonl cannot be written"):
            Store(shared_folder / "new.jsonl").append(fit(1))
    assert kept.path.read_bytes() == before


def test_a_folder_in_place_of_the_file_is_named(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        Store(tmp_path).read()


def test_a_lock_that_is_never_released_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "LOCK_SECONDS", 0.05)
    with (
        FileLock(f"{tmp_path / 'r.jsonl'}.lock"),
        pytest.raises(UserError, match="held by another process"),
    ):
        Store(tmp_path / "r.jsonl").append(fit(0))


def test_reading_grows_with_the_records_and_no_faster(tmp_path):
    extra = {"measured": {"seconds": 0.5, "memory": 10**8}, "detail": {"tries": [0.1, 0.2, 0.3], "rate": 0.1}}

    def seconds(count: int) -> float:
        path = tmp_path / f"{count}.jsonl"
        path.write_text("".join(record(seed, **extra).to_json() + "\n" for seed in range(count)))
        start = time.process_time()
        assert len(Store(path).read()) == count
        return time.process_time() - start

    short, long = (min(seconds(count) for _ in range(3)) for count in (1000, 8000))
    assert long < 5 * 8 * short, "far from 64 times as long"


# --- values


def test_values_by_seed():
    rows = [r for seed in range(3) for r in fit(seed)]
    rows += [record(3, value=math.nan), record(0, plan="full", value=0.9), record(0, labels=1, value=0.1)]
    assert values(rows, plan="frozen", labels=5) == {0: 0.0, 1: 0.01, 2: 0.02}
    assert values(rows, plan="frozen", labels=5, split="valid") == {0: 0.0, 1: 0.02, 2: 0.04}
    assert values(rows, plan="scratch", labels=5) == {}


@pytest.mark.parametrize("name", ["task", "backbone", "metric", "data", "weights", "recipe"])
def test_values_refuses_to_mix(name):
    rows = [record(0), record(1, **{name: "other"})]
    with pytest.raises(UserError, match=f"records of {name} .*other"):
        values(rows, plan="frozen", labels=5)
    if name in ("task", "backbone", "metric"):
        assert values(rows, plan="frozen", labels=5, **{name: "other"}) == {1: 0.5}
