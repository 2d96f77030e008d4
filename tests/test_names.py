"""One hostile name through every command: brackets, emoji, right-to-left, an escape, bytes of no UTF-8."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import status
from PIL import Image

from tlkit.cli import saying

ROOT = Path(__file__).resolve().parent.parent
HOSTILE = os.fsdecode(
    "[old] [bold]:bug: \U0001f600 \u05d0\u05d1 \u202e \x1b[31m &<i> ключ's \xe9".encode() + b"\xfc"
)
HOSTILE += "x" * (200 - len(os.fsencode(HOSTILE)))  # bytes; a file system has room for 255 with an ending
SMALL = ("--backbone", "letters", "--plans", "pixels,frozen", "--steps", "2", "--seeds", "1", "--labels", "1")
STREAMS = ("utf-8", "cp1252", "ascii")

pytestmark = pytest.mark.skipif(
    os.name == "nt" or sys.platform == "darwin", reason="names are characters there"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of that name with a class of that name and a picture of that name, and another class."""
    root = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(0)
    for level, kind in ((60, HOSTILE), (190, "plain")):
        (root / HOSTILE / kind).mkdir(parents=True)
        for i in range(8):
            pixels = rng.integers(level - 30, level + 30, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / HOSTILE / kind / f"{i}.png")
    (root / HOSTILE / HOSTILE / "0.png").rename(root / HOSTILE / HOSTILE / f"{HOSTILE}.png")
    return root


@pytest.fixture
def tlkit(monkeypatch, place):
    """Run `tlkit ...` beside the folder on streams of an encoding: exit code, what is on either of them."""
    monkeypatch.chdir(place)

    def run(encoding, *words):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding, write_through=True) for _ in range(2)]
        for name, stream in zip(("stdout", "stderr"), streams, strict=True):
            monkeypatch.setattr(sys, name, stream)
        return status(monkeypatch, *words), *(stream.buffer.getvalue().decode(encoding) for stream in streams)

    return run


def whole(text: str, encoding: str, times: int = 1) -> None:
    """The name is there, folded at most, with all that is in it; nothing of it was obeyed or cut."""
    joined = re.sub(r"\s", "", text)
    assert joined.count(re.sub(r"\s", "", saying.shown(HOSTILE, encoding))) >= times, text
    assert "…" not in text and "\x1b" not in text and "\u202e" not in text


def test_it_goes_through_every_command(tlkit, place):
    words = ("compare", "--folder", HOSTILE, *SMALL, "--out", f"{HOSTILE}.jsonl")
    for encoding in STREAMS:
        code, out, _ = tlkit(encoding, *words, "--dry-run")
        assert code == 0 and "2 fits to run" in out
        whole(out, encoding)  # of the class
    code, out, err = tlkit("utf-8", *words)
    assert code == 0, err
    whole(out, "utf-8", 4)  # class, records, model, report
    report = (place / f"{HOSTILE}.html").read_text("utf-8")
    assert "\\udcfc" in report and "&lt;i&gt;" in report
    photo, model = Path(HOSTILE, HOSTILE, f"{HOSTILE}.png"), f"{HOSTILE}.model"
    command = re.search(r"use it: (tlkit predict .*)PHOTO\.\.\.\)", out)[1]
    told = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True).stdout
    assert told.split(b"\0")[2] == os.fsencode(model), "what is printed can be given to a shell"
    for encoding in STREAMS:
        assert tlkit(encoding, *words)[0] == 0, "and again, where nothing is left to run"
        code, out, err = tlkit(encoding, "predict", model, photo, f"{HOSTILE}.no")
        assert code == 2 and "1 of 2 could not be read" in err
        cells = [re.split("[│|]", line) for line in out.splitlines() if re.match("[│|]", line)]
        assert max(map(len, out.splitlines())) > 200, "in a pipe no name is broken"
        whole("".join(cell[1] for cell in cells), encoding, 4)  # folder, class, file; what is not there
        whole(out.partition("folder:")[2], encoding, 2)  # the task, and the reason
        code, out, err = tlkit(encoding, "predict", model, photo, f"{HOSTILE}.no", "--json")
        first, second = map(json.loads, out.splitlines())
        assert code == 2 and first["file"] == str(photo) and first["answer"] in (HOSTILE, "plain")
        assert 0 <= first["probability"] <= 1 and first["error"] is None and HOSTILE in second["error"]
        code, out, err = tlkit(encoding, "predict", model, photo, f"{HOSTILE}.no", "--csv")
        head, first, second = csv.reader(io.StringIO(out))
        assert code == 2 and head == ["file", "answer", "probability", "error"]
        assert first[0].count("ключ" if encoding == "utf-8" else "\\u043a") >= 3 and second[1:3] == ["", ""]


@pytest.mark.parametrize("encoding", STREAMS)
@pytest.mark.parametrize(
    "words",
    [
        ("compare", "--folder", HOSTILE * 2),
        ("compare", "--folder", HOSTILE, "--groups", HOSTILE * 2),
        ("compare", "--task", "digits", "--backbone", "timm:resnet18", "--weights", HOSTILE * 2),
        ("compare", "--task", "digits", "--out", HOSTILE * 2),
        ("predict", HOSTILE * 2, HOSTILE),
        ("compare", "--task", HOSTILE),
        ("compare", "--task", "digits", "--plans", HOSTILE),
        ("compare", "--task", "digits", "--backbone", HOSTILE),
        ("compare", "--folder", HOSTILE, "--groups", HOSTILE, *SMALL),
        ("predict", HOSTILE, HOSTILE),
        ("data", "check", HOSTILE),
        ("data", "get", HOSTILE),
        ("data", "clear", HOSTILE),
        ("run", HOSTILE),
        (HOSTILE,),
    ],
)
def test_in_an_error_it_is_whole(tlkit, encoding, words):
    code, out, err = tlkit(encoding, *words)
    assert code == 2 and "rror" in err and "\x1b" not in out + err
    assert re.search(r"\[old\]\s\[bold\]:bug:", err), err


@pytest.mark.parametrize("encoding", STREAMS)
@pytest.mark.parametrize("words", [("data", "list"), ("doctor",), ("claims",), ("--help",), ("--version",)])
def test_what_names_nothing_of_ours_can_be_shown_everywhere(tlkit, encoding, words):
    code, out, _ = tlkit(encoding, *words)
    assert code == 0 and out and "…" not in out


def test_in_the_posix_locale(place, tmp_path):
    env = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(ROOT)}
    start = [sys.executable, "-c", "from tlkit.cli import app; app()"]
    words = [*start, "compare", "--folder", os.fsencode(HOSTILE), *SMALL, "--out", tmp_path / "o.jsonl"]
    done = subprocess.run(words, cwd=place, env=env, capture_output=True, timeout=120)
    assert done.returncode == 0 and b"report:" in done.stdout, done.stderr
    photo = os.fsencode(Path(HOSTILE, HOSTILE, f"{HOSTILE}.png"))
    words = [*start, "predict", tmp_path / "o.model", photo, "--json"]
    done = subprocess.run(words, cwd=place, env=env, capture_output=True, timeout=120)
    assert done.returncode == 0 and json.loads(done.stdout)["answer"], done.stderr


def test_a_negative_number_is_no_option(tlkit):
    code, _, err = tlkit("utf-8", "predict", "nowhere", "-0.1,2")
    assert code == 2 and "nowhere holds no saved model" in err
    code, _, err = tlkit("utf-8", "predict", "nowhere", "a.png", "--jsn")
    assert code == 2 and "unknown option '--jsn': did you mean '--json'?" in err


def test_no_text_is_markup_and_there_is_one_way_out():
    """A console of its own would take a name for markup; markup would be shown as it is."""
    files = [file for floor in ("tlkit", "tlkit_lessons") for file in (ROOT / floor).rglob("*.py")]
    text = {file.relative_to(ROOT).as_posix(): file.read_text("utf-8") for file in files}
    markup = re.compile(r"\[/\]|\[(bold|dim|red|yellow|green)\b")
    assert not [name for name, source in text.items() if markup.search(source)]
    own = {name for name, source in text.items() if "import Console" in source}
    sets = "tlkit_lessons/downloads/__init__.py"  # whose names are ours
    assert own == {"tlkit/cli/saying.py", sets}
