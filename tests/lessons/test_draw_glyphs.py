"""The drawn characters in data/glyphs.npz: all that anything here draws, the same on every machine."""

import hashlib
import json
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import typer
from PIL import ImageFont
from typer.testing import CliRunner

from tlkit import env, tasks
from tlkit.errors import UserError
from tlkit_lessons import shifts
from tlkit_lessons.material import ALPHABETS, FONTS, glyphs, of_characters
from tlkit_lessons.material.glyphs import DIRECTIONS, FIELD, Outlines, _faces, outlines
from tools import draw_glyphs

FILE = env.data_dir() / "glyphs.npz"
LETTERS = "193fa9b63ba53c6a"  # begins the sha256 of the images of glyphs("letters", 40, 0, strength=2.5)
EVERY = "".join(dict.fromkeys("".join(ALPHABETS.values())))


@pytest.fixture
def kept() -> Outlines:
    return outlines(FILE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Another data folder, with the file in it."""
    shutil.copy(FILE, tmp_path)
    for module in (import_module("tlkit_lessons.material.glyphs"), draw_glyphs):
        monkeypatch.setattr(module, "data_dir", lambda: tmp_path)
    outlines.cache_clear()
    _faces.cache_clear()
    yield tmp_path
    outlines.cache_clear()
    _faces.cache_clear()


def unpacked(kept: Outlines) -> np.ndarray:
    return np.unpackbits(kept.ink, axis=2).astype(bool)


# ---- what the file holds


def test_every_alphabet_is_there_and_one_font_has_all_of_it(kept):
    pairs = set(zip(kept.font, kept.character, strict=True))
    assert len(pairs) == len(kept.font)
    assert draw_glyphs.missing(kept.character) == ""
    assert {("DejaVuSans", c) for c in EVERY} <= pairs  # what the error about fonts counts on
    assert set(kept.font) == set(FONTS)


def test_the_extreme_points_are_ink_and_no_ink_lies_further_out(kept):
    angles = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
    outward = np.stack([np.sin(angles), np.cos(angles)])
    for ink, extreme in zip(unpacked(kept), kept.extreme.astype(int), strict=True):
        assert ink[tuple(extreme.T)].all()
        reached = (extreme * outward.T).sum(1)
        assert np.allclose((np.argwhere(ink) @ outward).max(0), reached, rtol=0, atol=1e-9)


def test_around_every_character_there_is_paper(kept):
    """What lies beyond a field is read as its edge: it must be far from the ink."""
    margin = (FIELD - draw_glyphs.INK) // 2
    paper = unpacked(kept)
    paper[:, margin:-margin, margin:-margin] = False
    assert not paper.any()


def test_the_licence_of_every_font_goes_with_it(root):
    text = (root / "data" / "LICENSE-FONTS").read_text(encoding="utf-8")
    page = (root / "data" / "README.md").read_text(encoding="utf-8")
    for licence in ("Bitstream Vera", "Arev", "SIL Open Font License", "BaKoMa Fonts Licence"):
        assert licence in text and licence in page
    for holder in ("Bitstream, Inc.", "Tavmjong Bah", "STI Pub Companies", "Basil K. Malyshev"):
        assert holder in text
    named = ("DejaVu", "STIXGeneral", *(font for font in FONTS if font.startswith("cm") and font in text))
    assert [font for font in FONTS if not font.startswith(named)] == []


# ---- the same bits everywhere


def test_the_bits_need_no_font_and_no_library_that_draws():
    code = (
        "import hashlib, sys\n"
        "sys.modules |= dict.fromkeys(['matplotlib', 'PIL'])\n"
        "from tlkit_lessons.material import of_characters\n"
        f"print(hashlib.sha256(of_characters({EVERY!r}, 2, 0).images.tobytes()).hexdigest())"
    )
    told = subprocess.run([sys.executable, "-X", "utf8", "-c", code], capture_output=True, text=True)
    here = hashlib.sha256(of_characters(EVERY, 2, 0).images.tobytes()).hexdigest()
    assert told.stdout.strip() == here, told.stderr


@pytest.mark.parametrize("core", ["Prescott", "Haswell"])
def test_the_bits_do_not_hang_on_how_the_processor_rounds(core, monkeypatch):
    """OpenBLAS multiplies as on another processor: one rounds between product and sum, the other does not."""
    monkeypatch.setenv("OPENBLAS_CORETYPE", core)  # other libraries than OpenBLAS do not know it
    code = (
        "import hashlib; from tlkit_lessons.material import glyphs\n"
        "print(hashlib.sha256(glyphs('letters', 40, 0, strength=2.5).images.tobytes()).hexdigest()[:16])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.stdout.strip() == LETTERS, told.stderr


def recorded(root: Path) -> dict[str, dict[str, str]]:
    """Task or shift -> the hash of its items in the committed records."""
    found = {"tasks": {}, "shifts": {}}
    for path in sorted((root / "data" / "records").glob("*.jsonl")):
        kind = "shifts" if path.stem == "25_shifts" else "tasks"
        rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        found[kind] |= {row["task"]: row["data"] for row in rows if "data" in row}
    return found


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("glyphs:greek-a", "glyphs:cyrillic-a", "glyphs:symbols-a", "dial:coarse:0"), id="few"),
        pytest.param(None, id="all", marks=pytest.mark.slow),
    ],
)
def test_the_records_were_measured_on_these_very_pictures(names, root):
    known = recorded(root)["tasks"]
    names = names or [name for name in known if name.startswith(("glyphs:", "dial:"))]
    assert len(names) >= 4
    assert {name: tasks.load(name).digest for name in names} == {name: known[name] for name in names}


@pytest.mark.slow
def test_the_shifts_were_recorded_on_these_very_pictures(root):
    assert {name: shifts.digest(name) for name in shifts.SHIFTS} == recorded(root)["shifts"]


# ---- the tool


def run(*arguments: str):
    app = typer.Typer()
    app.command()(draw_glyphs.main)
    return CliRunner().invoke(app, arguments)


def here_as_there(kept: Outlines) -> None:
    """Skip where another font, Pillow or FreeType would draw."""
    try:
        here = {draw_glyphs.drawn_by(font) for font in FONTS}
    except UserError as error:
        pytest.skip(f"draws from other fonts than the file was drawn from: {error}")
    if other := here - set(kept.drawn_by):
        pytest.skip(f"draws otherwise than the libraries that drew the file: {sorted(other)[0]}")


def test_drawn_anew_by_the_same_libraries_nothing_differs(kept, folder):
    here_as_there(kept)
    told = run("--check")
    assert told.exit_code == 0 and told.output == "0 of 2266 outlines are drawn differently here\n"


def test_the_check_finds_a_point_and_a_row_that_differ(kept, folder):
    here_as_there(kept)
    ink = kept.ink.copy()
    ink[7, 40, 5] ^= 1
    changed = Outlines(*(column[:-1] for column in kept._replace(ink=ink)))
    np.savez_compressed(folder / "glyphs.npz", **changed._asdict())
    told = run("--check")
    assert told.exit_code == 1 and told.output.splitlines()[1:] == [
        "DejaVuSans h",
        f"cmtt10 {kept.character[-1]}",
    ]


def test_what_is_lacking_is_added_and_what_is_there_stays(kept, folder):
    here_as_there(kept)
    without = kept.character != "Щ"
    marked = kept.ink[without].copy()
    marked[0, 0, 0] = 1  # as another FreeType might have drawn it
    fewer = Outlines(*(column[without] for column in kept))._replace(ink=marked)
    np.savez_compressed(folder / "glyphs.npz", **fewer._asdict())
    told = run("Б")
    assert (told.exit_code, told.output) == (0, "1 drawn: Щ\n")
    outlines.cache_clear()
    now = outlines(folder / "glyphs.npz")
    assert np.array_equal(now.ink[: len(marked)], marked)
    again = {(f, c): i.tobytes() for f, c, i, *_ in zip(*kept, strict=True) if c == "Щ"}
    assert {(f, c): i.tobytes() for f, c, i, *_ in zip(*now, strict=True) if c == "Щ"} == again
    assert run().output == "nothing to draw: glyphs.npz has them all\n"


def test_a_character_of_ones_own_is_drawn_and_then_there(kept, folder):
    here_as_there(kept)
    with pytest.raises(
        UserError, match=r"no outline of 'ß' is in data/glyphs\.npz: .* tools/draw_glyphs\.py"
    ):
        of_characters("aß", 2, 0)
    assert run("ß").exit_code == 0
    outlines.cache_clear()
    assert of_characters("aß", 2, 0).classes == ["a", "ß"]


def test_the_tool_says_what_it_cannot_draw(kept, folder, monkeypatch, tmp_path):
    here_as_there(kept)
    told = run("\u4e00")
    assert (told.exit_code, told.stderr) == (2, "no font holds '\u4e00': ask for other characters.\n")
    monkeypatch.setattr(matplotlib, "get_data_path", lambda: str(tmp_path))
    told = run("--check")
    assert told.exit_code == 2
    assert (
        told.stderr
        == f"matplotlib {matplotlib.__version__} has no font DejaVuSans.ttf: install 3.11 or newer.\n"
    )


def test_the_box_for_a_missing_character_is_not_taken_for_one():
    font = ImageFont.truetype(str(draw_glyphs.font_file("DejaVuSans")), 56)
    assert font.getmask("\u4e00").getbbox() is not None  # it does draw something: the box
    assert draw_glyphs.ink(font, "DejaVuSans", "\u4e00") is None
    assert draw_glyphs.ink(font, "DejaVuSans", "A").any()


# ---- a file that is not what it should be


def spoilt(path: Path, how: str) -> None:
    arrays = outlines(FILE)._asdict()
    outlines.cache_clear()
    if how == "absent":
        path.unlink()
    elif how == "cut short":
        path.write_bytes(path.read_bytes()[:100_000])
    elif how == "a byte":
        content = bytearray(path.read_bytes())
        content[100_000] ^= 1
        path.write_bytes(content)
    elif how in ("", "version https://git-lfs.github.com/spec/v1\n"):
        path.write_text(how)
    elif how == "an array less":
        np.savez(path, **{name: array for name, array in arrays.items() if name != "extreme"})
    elif how == "another size":
        np.savez(path, **arrays | {"ink": arrays["ink"][:, :64]})
    elif how == "pickled":
        np.savez(path, **arrays | {"font": arrays["font"].astype(object)})


@pytest.mark.parametrize(
    "how",
    [
        "absent", "cut short", "a byte", "", "version https://git-lfs.github.com/spec/v1\n", "an array less",
        "another size", "pickled",
    ],
)  # fmt: skip
def test_a_broken_file_is_told_in_one_sentence(how, folder):
    path = folder / "glyphs.npz"
    spoilt(path, how)
    with pytest.raises(
        UserError, match=r"cannot be read \(\w+\): install tlkit again, or in a checkout"
    ) as told:
        glyphs("greek-a", 1, 0)
    assert str(path) in str(told.value) and "\n" not in str(told.value)
