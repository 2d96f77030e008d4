"""Windows and macOS, as far as this machine can play them: files, names, encodings, processes, homes."""

import ast
import csv
import errno
import io
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import threading
import unicodedata
from collections import Counter
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import made_up_records as made
import numpy as np
import pytest
import timm
import tiny
import torch
from PIL import Image

from tlkit import backbones, cli, env, features, files, recipe, saved_model, tasks
from tlkit.cli import compare as comparing
from tlkit.errors import UserError
from tlkit.features import Cut, activations, budget
from tlkit.fit import cost
from tlkit.records import Store
from tlkit.study import grid, worker
from tlkit.tasks import images
from tlkit.tasks.folders import class_files
from tlkit_lessons import ledger

ROOT = Path(__file__).resolve().parent.parent
OURS = sorted(
    p for folder in ("tlkit", "tlkit_lessons", "tools", "benchmarks") for p in (ROOT / folder).rglob("*.py")
)
PLACE = "Jürgen Müller's home – 日本"


def ident(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- text: UTF-8 and \n, whatever the system's default

MODE = re.compile(r"[rwax][bt+]*")


def called(node: ast.AST) -> str:
    return getattr(getattr(node, "func", None), "attr", getattr(getattr(node, "func", None), "id", ""))


def unsaid(source: str) -> list[str]:
    """Calls that leave the encoding, or the line ends of what they write, to the system."""
    found = []
    for node in (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)):
        name, given = called(node), {k.arg: k.value for k in node.keywords}
        modes = [a.value for a in (*node.args, *given.values()) if isinstance(a, ast.Constant)]
        mode = next((m for m in modes if isinstance(m, str) and MODE.fullmatch(m)), "")
        positional = len(node.args)
        opens = name in ("open", "NamedTemporaryFile", "TemporaryFile") and "b" not in mode
        writes = name == "write_text" or (opens and set(mode) & set("wax+"))
        reads = (name == "read_text" and not positional) or (
            opens and (bool(mode) or not (node.args or given))
        )
        text = name in ("run", "Popen", "check_output") and {"text", "universal_newlines"} & given.keys()
        encoded = "encoding" in given or (name == "write_text" and positional > 1)
        if ((reads or writes or text) and not encoded) or (writes and "newline" not in given):
            found.append(f"line {node.lineno}: {name}")
    return found


@pytest.mark.parametrize("path", OURS, ids=ident)
def test_encoding_and_line_ends_of_text_are_said(path):
    """Windows would take cp1252 and \\r\\n. Write with `files.write_whole`, which takes neither."""
    assert unsaid(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("code", "faults"),
    [
        ("p.read_text()", 1),
        ('p.read_text("utf-8"); p.read_text(encoding="ascii"); p.read_bytes()', 0),
        ('p.write_text(x); p.write_text(x, "utf-8")', 2),
        ('p.write_text(x, "utf-8", newline="\\n")', 0),
        ('open(p, "w"); open(p, "w", encoding="utf-8"); open(p, encoding="utf-8"); p.open()', 3),
        ('open(p, "rb"); Image.open(p); p.open("ab"); tarfile.open(p)', 0),
        ('run([], text=True); run([], encoding="utf-8"); run(x)', 1),
        ('NamedTemporaryFile("w"); NamedTemporaryFile("wb")', 1),
    ],
)
def test_what_is_left_to_the_system_is_seen(code, faults):
    assert len(unsaid(code)) == faults


def test_what_is_written_whole_has_the_bytes_that_were_meant(tmp_path):
    path = files.write_whole(tmp_path / "new" / "a.txt", "≤ é\nb\r\n")
    assert path.read_bytes() == b"\xe2\x89\xa4 \xc3\xa9\nb\r\n"
    assert files.write_whole(path, b"\r").read_bytes() == b"\r" and os.listdir(path.parent) == ["a.txt"]


def test_records_that_git_gave_other_line_ends_are_the_same(tmp_path):
    store = Store(tmp_path / "r.jsonl")
    store.append([made.row("frozen", 5, 0, 0.5)], np.arange(3), np.arange(3), origin=env.origin())
    rows, origin = store.read(), store.origin(store.read()[0])
    for path in (store.path, *(store.path.with_suffix(f".{kind}.jsonl") for kind in ("items", "origins"))):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    again = Store(store.path)
    assert again.read() == rows and again.origin(rows[0]) == origin
    assert again.append(rows) == 0 and again.append([made.row("frozen", 5, 1, 0.5)], np.arange(3)) == 1
    assert len(Store(store.path).read()) == 2 and Store(store.path).items(rows[0].fit_key).tolist() == [
        0,
        1,
        2,
    ]


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout: the tracked files are what is looked at")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [name for name in listed.decode().split("\0") if name]


def test_git_gives_every_system_the_same_bytes(tracked):
    asked = ["git", "check-attr", "eol", "--", *tracked]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, check=True).stdout.decode().splitlines()
    assert len(told) == len(tracked) and all(line.endswith("eol: lf") for line in told)


# --- names that every file system takes

REFUSED = re.compile(
    r'[<>:"\\|?*\x00-\x1f]|[ .](/|$)|(^|/)(con|prn|aux|nul|com\d|lpt\d)(\.|/|$)', re.IGNORECASE
)


def refused(names: list[str]) -> list[str]:
    """Names that Windows refuses, or that differ in case or in the spelling of an accent alone."""
    seen = Counter(unicodedata.normalize("NFC", name).casefold() for name in names)
    double = [name for name in names if seen[unicodedata.normalize("NFC", name).casefold()] > 1]
    return double + [name for name in names if REFUSED.search(name) or len(name) > 150]


def test_what_windows_refuses_is_seen():
    good = ["a/b.txt", "console.txt", "a-b", ".git", "folder-Ä.jsonl", "com/x"]
    bad = [
        "timm:x,size=9",
        "a/con",
        "NUL.txt",
        "a./b",
        "b ",
        "a\\b",
        "What?",
        "A/b.TXT",
        "a/b.txt",
        "x" * 151,
    ]
    assert refused(good) == [] and set(refused(bad)) == set(bad)


def test_tracked_files_have_names_for_every_system(tracked):
    assert refused(tracked) == []


@pytest.mark.parametrize("page", sorted((ROOT / "data" / "registry").glob("*.csv")), ids=lambda p: p.stem)
def test_files_of_sets_have_names_for_every_system(page):
    with open(page, newline="", encoding="utf-8") as file:
        assert refused([row["file"] for row in csv.DictReader(file)]) == []


def test_keys_become_file_names(tmp_path):
    names = [*tasks.names(), "folder:What? <1>", 'folder:a"b|c*', "dial:noise:0.25"]
    assert refused([f"{comparing.file_name(name)}.jsonl" for name in names]) == []
    assert comparing.file_name("dial:noise:0.25") == "dial-noise-0.25"


def test_what_is_kept_has_names_for_every_system(computed):
    task, _ = tiny.classifier()
    source = tiny.backbone(name="timm:net,size=128,until=a*")
    activations(Cut(source, 1), task.train, np.arange(4))
    found = [p.relative_to(computed).as_posix() for p in computed.rglob("*")]
    assert len(found) > 3 and refused(found) == []


@pytest.mark.parametrize("name", ["Letters", "LETTERS", "../backbones/letters", "letters "])
def test_a_backbone_is_its_name_and_not_what_a_disk_takes_for_it(name, monkeypatch):
    """A file system that does not tell A from a would find the file, and the record another name."""
    monkeypatch.setattr(Path, "exists", lambda self, **_: True)
    with pytest.raises(UserError, match="unknown backbone"):
        backbones.load(name)


def test_a_mac_spells_accents_apart_and_a_table_does_not(tmp_path, computed):
    """The group file names é as one character, the disk as e and an accent; classes sort as elsewhere."""
    rng = np.random.default_rng(0)
    apart = partial(unicodedata.normalize, "NFD")
    lines = ["file,group"]
    for label in ("Äpfel", "Zebra", "Ämter"):
        (tmp_path / "p" / apart(label)).mkdir(parents=True)
        for i in range(6):
            pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "p" / apart(label) / apart(f"é{i}.png"))
            lines.append(f"{label}\\é{i}.png,{label}{i}")
    (tmp_path / "p" / "groups.csv").write_text("\n".join(lines), "utf-8")
    task = images.from_folder(tmp_path / "p")
    assert task.classes == ("Zebra", "Ämter", "Äpfel") and task.card["split"] == "by group"
    (tmp_path / "p" / "Zebra" / "f.png").touch()
    names = [path.name for path, label in class_files(tmp_path / "p") if label == "Zebra"]
    assert names == ["f.png", *(apart(f"é{i}.png") for i in range(6))], "f before é, as where é is one"


# --- files that somebody has open

IN_USE = PermissionError(errno.EACCES, "The process cannot access the file because it is used by another")


def busy(monkeypatch, times: int, only: str = "") -> None:
    """`os.replace` as on Windows, refused so often (of what is called `only`)."""
    replace, left = os.replace, Counter(left=times)

    def refusing(source, target):
        if left["left"] and only in (Path(source).name, ""):
            left["left"] -= 1
            raise IN_USE
        return replace(source, target)

    monkeypatch.setattr(os, "replace", refusing)
    monkeypatch.setattr(files, "PATIENCE", (0.0,) * 4)


def test_a_file_that_is_open_for_a_moment_is_replaced_when_it_is_not(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old", "utf-8")
    busy(monkeypatch, 3)
    assert files.write_whole(path, "new").read_text("utf-8") == "new"


def test_a_file_that_stays_open_is_one_sentence_and_stays(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old", "utf-8")
    busy(monkeypatch, 99)
    with pytest.raises(UserError, match=r"a\.txt cannot be written \(The process"):
        files.write_whole(path, "new")
    assert path.read_text("utf-8") == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_a_saved_model_that_is_in_use_stays_whole(tmp_path, monkeypatch):
    _, source = tiny.classifier()
    folder = saved_model.save(tmp_path / "m.model", source.pretrained(), {}, ("a", "b"), {"n": 1})
    saved_model.save(folder, source.pretrained(), {}, ("a", "b"), {"n": 2})
    assert saved_model.card(folder) == {"n": 2} and os.listdir(tmp_path) == ["m.model"]
    busy(monkeypatch, 99, only="m.model")
    with pytest.raises(UserError, match="the model cannot be saved"):
        saved_model.save(folder, source.pretrained(), {}, ("a", "b"), {"n": 3})
    assert saved_model.card(folder) == {"n": 2} and (folder / "model.safetensors").is_file()


def test_kept_activations_that_are_open_elsewhere_stay_whole(computed, monkeypatch):
    task, source = tiny.classifier()
    every = np.arange(len(task.train))
    before = activations(Cut(source, 1), task.train, every).clone()
    (entry,) = budget.entries(computed)
    names = sorted(os.listdir(entry))
    monkeypatch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(IN_USE))
    monkeypatch.setenv("TLKIT_BUDGET", "0")
    assert budget.room(computed / "another", 1000) == 0
    assert sorted(os.listdir(entry)) == names
    monkeypatch.setattr(features, "_KEPT", {})
    assert torch.equal(activations(Cut(source, 1), task.train, every), before)


# --- processes


def test_a_fit_in_a_process_that_was_spawned_is_the_same(computed):
    """Windows and macOS start processes anew; nothing may lean on what a fork would have left in memory."""
    cell = grid.Cell("digits", "letters", None, "frozen", 1, 0, recipe.default())
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (_, there), (_, here) = pool.apply(worker.work, (cell,)), worker.work(cell)
    assert there.key == here.key and there.origin == here.origin and not there.failure
    assert np.array_equal(there.predicted, here.predicted)
    values = [[(row["split"], row["value"]) for row in done.rows] for done in (there, here)]
    assert values[0] == values[1]


def test_memory_is_told_without_proc_and_without_resource(monkeypatch):
    windows = SimpleNamespace(memory_info=lambda: SimpleNamespace(peak_wset=300 * 2**20))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "win32")
        patch.setattr(cost.psutil, "Process", lambda: windows)
        patch.setitem(sys.modules, "resource", None)
        assert cost.peak_mb() == 300
    usage = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda _: SimpleNamespace(ru_maxrss=200 * 2**20))
    monkeypatch.setattr(cost, "Path", lambda _: SimpleNamespace(exists=lambda: False))
    monkeypatch.setattr(sys, "platform", "darwin")  # which counts bytes where Linux counts kB
    monkeypatch.setitem(sys.modules, "resource", usage)
    assert cost.peak_mb() == 200


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system does not hold a process to cores"
)
def test_cores_are_those_that_this_process_may_use():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from tlkit import env; "
        "from tlkit_lessons import doctor; "
        "print(doctor.cpu_count(), [c.found for c in doctor.checks() if c.name == 'device'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.startswith("1 ['cpu, 1 cores; no GPU in use")


# --- a console of few characters


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437"])
@pytest.mark.parametrize(
    "words", ["claims", "claims --all", "doctor", "data list", "compare --help", "compare --task nosuch"]
)
def test_a_console_that_knows_few_characters_is_told_all_the_same(words, encoding, monkeypatch):
    odd = ledger.Row(ledger.criteria()[0], "≤ 5 × 日本 – ½", "cannot tell")
    monkeypatch.setattr(ledger, "table", lambda: [odd])
    out, err = (
        io.TextIOWrapper(io.BytesIO(), encoding, handler) for handler in ("strict", "backslashreplace")
    )
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(sys, "argv", ["tlkit", *words.split()])
    with pytest.raises(SystemExit) as end:
        cli.app()
    assert (end.value.code or 0) == (2 if "nosuch" in words else 0)
    out.flush(), err.flush()
    said = out.buffer.getvalue() + err.buffer.getvalue()
    assert len(said) > 200 and b"Traceback" not in said
    if words == "claims --all":
        assert b"undecided" in said and b"\\u65e5" in said, "an escape, of which no two are alike"


# --- homes: with blanks and accents, or none that can be written

RUN = """
import sys, warnings
warnings.filterwarnings("error", category=EncodingWarning, module=r"tlkit\\.")
from tlkit.cli import app
app()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A home with blanks, accents and an apostrophe, in which everything lies: package, data, photographs."""
    home = tmp_path_factory.mktemp("homes") / PLACE
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tlkit", home / "lib" / "tlkit", ignore=skip)
    shutil.copytree(ROOT / "data", home / "lib" / "tlkit" / "_data", ignore=skip)
    rng = np.random.default_rng(0)
    for level, name in ((40, "Ämter"), (200, "bees & co")):
        folder = home / "Fotos – äöü" / name
        folder.mkdir(parents=True)
        for i in range(16):
            pixels = rng.integers(level - 30, level + 30, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"é {i}.png")
    return home


def tlkit(home: Path, *words: str, **changes: str) -> tuple[int, str]:
    """The command in that home, a default encoding being an error: (exit status, all it said on one line)."""
    names = ("TLKIT_CACHE", "TLKIT_COMPUTED", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR")
    bare = {name: value for name, value in os.environ.items() if name not in names}
    places = {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "PYTHONPATH": str(home / "lib"),
        "NO_PROXY": "127.0.0.1",
    }
    command = [sys.executable, "-X", "warn_default_encoding", "-c", RUN, *words]
    done = subprocess.run(
        command,
        cwd=home,
        env={**bare, **places, "PYTHONUTF8": "1", **changes},
        capture_output=True,
        timeout=250,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).decode("utf-8").split())


SMALL = ("--plans", "pixels,frozen", "--labels", "1", "--seeds", "1", "--steps", "2")


def test_compare_and_predict_in_a_home_with_blanks_and_accents(home):
    code, text = tlkit(
        home, "compare", "--folder", "Fotos – äöü", "--backbone", "letters", *SMALL, "--jobs", "2"
    )
    assert code == 0 and "2 fits run" in text, text
    store = Store(home / "build" / "folder-Fotos – äöü.jsonl")
    assert {row.task for row in store.read()} == {"folder:Fotos – äöü"}
    assert "Fotos – äöü" in (home / "build" / "folder-Fotos – äöü.html").read_text("utf-8")
    for path in (p for p in (home / "build").iterdir() if p.is_file()):
        assert b"\r" not in path.read_bytes() and str(home).encode() not in path.read_bytes()
    assert len(list((home / "build").glob("*.jsonl"))) == 3
    code, text = tlkit(home, "predict", "build/folder-Fotos – äöü.model", "Fotos – äöü/Ämter/é 1.png")
    assert code == 0 and "Ämter" in text, text


def test_a_set_is_fetched_into_a_home_with_blanks_and_accents(home):
    content, folder = b"ant one", home / "served"
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "é 1.jpg").write_bytes(content)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    registry = home / "lib" / "tlkit" / "_data" / "registry"
    url = f"http://127.0.0.1:{server.server_port}/train/%C3%A9%201.jpg"
    row = f"train/é 1.jpg,{sha256(content).hexdigest()},{len(content)},{url}\n"
    (registry / "ants.csv").write_text("file,sha256,bytes,url\n" + row, "utf-8")
    said = dict.fromkeys(("title", "licence", "source", "layout", "split", "overlap"), "none")
    entry = {**said, "redistributable": True, "faults": []}
    lines = [f"{name} = {json.dumps(value)}" for name, value in entry.items()]
    with open(registry / "sets.toml", "a", encoding="utf-8") as file:
        file.write("\n".join(["\n[ants]", *lines, ""]))
    try:
        code, text = tlkit(home, "data", "get", "ants")
        assert code == 0, text
        (found,) = (p for p in home.rglob("é 1.jpg") if p.parent.name == "train" and folder not in p.parents)
        assert found.read_bytes() == content
        assert tlkit(home, "data", "check", "ants") == (0, "ants: 1 good, 0 missing, 0 changed")
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def nowhere(home) -> str:
    """A home in which nothing can be made, for root neither."""
    (home / "file").touch()
    return str(home / "file" / "home")


def test_a_home_that_cannot_be_written_is_one_sentence(home, nowhere, tmp_path):
    code, text = tlkit(home, "data", "get", "hymenoptera", HOME=nowhere)
    assert code == 2 and text.count("error:") == 1 and "set TLKIT_CACHE to another folder" in text, text
    words = ("compare", "--task", "digits", *SMALL, "--plans", "frozen", "--out", str(tmp_path / "d.jsonl"))
    code, text = tlkit(home, *words, HOME=nowhere)
    assert code == 2 and text.count("error:") == 1 and "Traceback" not in text, text
    assert "set TLKIT_COMPUTED to a folder that can" in text
    code, text = tlkit(home, *words, HOME=nowhere, TLKIT_COMPUTED=str(tmp_path / "computed"))
    assert code == 0 and "1 fits run" in text, text


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_weights_that_cannot_be_kept_name_the_folder_to_set(number, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr("tlkit.backbones.weights._answers", lambda address: True)

    def create(*_, **__):
        raise OSError(number, os.strerror(number), "models")

    monkeypatch.setattr(timm, "create_model", create)
    with pytest.raises(UserError, match="set HF_HOME and TORCH_HOME to folders that can be written"):
        backbones.load("timm:mobilenetv3_small_100").pretrained()
