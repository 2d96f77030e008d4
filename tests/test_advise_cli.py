"""`tlkit advise` as a user meets it: what it prints, how it ends, and bad input."""

import signal

import numpy as np
import pytest
from PIL import Image

from tlkit.advise import Race

pytestmark = pytest.mark.usefixtures("computed")


@pytest.fixture
def photos(tmp_path):
    """Two classes of 16 small images: bright and dark noise."""
    rng = np.random.default_rng(0)
    for level, name in ((40, "dark"), (200, "bright")):
        folder = tmp_path / "my photos" / name
        folder.mkdir(parents=True)
        for i in range(16):
            pixels = rng.integers(level - 30, level + 30, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}.png")
    return tmp_path / "my photos"


def test_a_folder_gets_a_plan_a_command_and_a_report(tlkit, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(Race, "_descents", lambda race, name: iter(()))
    words = ("advise", "--folder", photos, "--backbones", "letters,until=block3,lettres", "--minutes", "1")
    code, text = tlkit(*words)
    assert code == 0, text
    assert "left out: lettres" in text and "advice: plan frozen, backbone letters,until=block3" in text
    assert "Expected accuracy on new items with all 9 labels per class: " in text
    assert (
        f"next: tlkit compare --folder '{photos}' --backbone letters,until=block3 --plans pixels,frozen"
        in text
    )
    assert (
        " --labels 9 --seeds 5 That takes " in text and "report: build/folder-my photos.advice.html" in text
    )
    page = (tmp_path / "build" / "folder-my photos.advice.html").read_text("utf-8")
    assert (
        "What to try first" in page and "Twice the labels should" in page and "prefers-color-scheme" in page
    )
    rows = (tmp_path / "build" / "folder-my photos.advice.jsonl").read_bytes()
    assert tlkit(*words)[0] == 0
    assert (tmp_path / "build" / "folder-my photos.advice.jsonl").read_bytes() == rows


def test_stopped_it_says_what_it_knows(tlkit, photos, monkeypatch):
    def stop(race, *more):
        raise KeyboardInterrupt

    monkeypatch.setattr(Race, "_descents", stop)
    code, text = tlkit("advise", "--folder", photos, "--backbones", "letters")
    assert (
        code == 128 + signal.SIGINT
        and "advice: plan frozen" in text
        and "report: build/folder-my photos.advice.html" in text
    )
    assert "next: tlkit compare" in text and "give the same command again to continue" in text


def test_stopped_at_once_it_cannot_tell(tlkit, photos, monkeypatch):
    monkeypatch.setattr(Race, "_probed", lambda *more: False)
    code, text = tlkit("advise", "--folder", photos, "--backbones", "letters")
    assert code == 0 and "cannot tell: the time was over" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--minutes", "0"), "--minutes 0: give a time above 0"),
        (("--minutes", "nan"), "give a time above 0"),
        (("--backbones", "lettres,nosuch"), "no backbone can be used (lettres: unknown"),
        (("--backbones", ","), "no backbone can be used"),
        (("--task", "digits"), "give either --task NAME"),
    ],
)
def test_bad_input_is_one_sentence(tlkit, photos, words, said):
    code, text = tlkit("advise", "--folder", photos, *words)
    assert code == 2 and text.count("error:") == 1 and said in text and "Traceback" not in text
