"""What belongs together: a table of groups as spreadsheets write it, and pictures that look alike."""

import io
import os
import re
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from tlkit import env, tasks
from tlkit.errors import UserError
from tlkit.tasks import images, together
from tlkit.tasks.images import Found, from_folder
from tlkit.tasks.splits import owners
from tlkit.tasks.text import from_csv


@pytest.fixture(autouse=True)
def computed(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_COMPUTED", str(tmp_path / "computed"))


def photo(seed: int, size=(160, 120)) -> Image.Image:
    """A scene: blobs of colour, and grain as a camera has it."""
    rng = np.random.default_rng(seed)
    rough = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    return Image.fromarray(
        (np.asarray(rough) + rng.normal(0, 4, (*size[::-1], 3))).clip(0, 255).astype(np.uint8)
    )


def saved(path, picture, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **how)
    return path


@pytest.fixture
def root(tmp_path):
    for c, kind in enumerate(("Größe", "nut")):
        for i in range(10):
            saved(tmp_path / "photos" / kind / f"{i}.png", photo(100 * c + i, (40, 30)))
    return tmp_path / "photos"


ROWS = [(f"{kind}/{i}.png", f"day {kind} {i // 2}") for kind in ("Größe", "nut") for i in range(10)]


def written(rows=ROWS, between=",", head=("file", "group")) -> str:
    return "\r\n".join(between.join(row) for row in [head, *rows]) + "\r\n"


@pytest.mark.parametrize(
    "content",
    [
        written().encode("utf-8-sig"),
        written(between=";").encode("cp1252"),
        written(between="\t").encode("utf-16"),
        written(between="\t").encode(),
        ("sep=,\r\n" + written()).encode(),
        ("sep=;\n" + written(between=";")).encode("utf-8-sig"),
        written(head=(" File ", "GROUP")).encode(),
        written(between=", ").encode(),
        written([(f" {file} ", f"{group} ") for file, group in ROWS]).encode(),
        written([(f'"{file}"', f'"{group}"') for file, group in ROWS], head=('"file"', '"group"')).encode(),
        written([(f"./{file}", group) for file, group in ROWS]).encode(),
        written([(file.replace("/", "\\"), group) for file, group in ROWS]).encode(),
        written([(file.removesuffix(".png"), group) for file, group in ROWS]).encode(),
        written([*ROWS, ROWS[3]]).encode(),
        written().encode() + b"\0\0",
        written([(file, group, "a note") for file, group in ROWS], head=("file", "group", "by")).encode(),
    ],
)
def test_groups_as_spreadsheets_write_them(root, content):
    (root / "groups.csv").write_bytes(content)
    task = from_folder(root)
    assert set(task.train.groups) | set(task.test.groups) == {group for _, group in ROWS}
    assert re.fullmatch(r"\S+ names \d+ groups", task.card["groups"]) and task.card["split"] == "by group"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (
            [*ROWS, ("nut/0.png", "night")],
            r"nut/0\.png in two groups, row 12 \(day nut 0\) and row 22 \(night\)",
        ),
        ([*ROWS[1:]], r"no group for Größe/0\.png: add a row for it\."),
        (
            [(f"photos/{file}", group) for file, group in ROWS],
            r"20 rows .* first row 2 \(photos/Größe/0\.png\)",
        ),
        ([(file.upper(), group) for file, group in ROWS], r"no group .* row 2 \(GRÖSSE/0\.PNG\)"),
        ([*ROWS, ("nut/0.png", "day nut 0", "too long")], "cannot be read as a table"),
        ([(*row, "too long") for row in ROWS], "cannot be read as a table"),
    ],
)
def test_what_is_wrong_with_groups_is_named(root, rows, says):
    (root / "groups.csv").write_text(written(rows), "utf-8")
    with pytest.raises(UserError, match=says):
        from_folder(root)


def test_a_row_of_no_picture_is_counted_and_that_of_a_broken_one_is_not(root):
    (root / "nut" / "broken.png").write_bytes(b"no picture")
    (root / "groups.csv").write_text(
        written([*ROWS, ("nut/gone.png", "x"), ("nut/broken.png", "x")]), "utf-8"
    )
    assert (
        from_folder(root).card["groups"]
        == "groups.csv names 11 groups; 1 row of no image, first row 22 (nut/gone.png)"
    )


def test_of_texts_the_header_alone_says_what_parts_them(tmp_path):
    rows = [(f"a; b; c\td {i}", "ab"[i % 2]) for i in range(20)]
    (tmp_path / "t.csv").write_text(written(rows, head=("Text", "label")), "utf-8")
    task = from_csv(tmp_path / "t.csv")
    assert set(task.train.inputs) | set(task.test.inputs) == {text for text, _ in rows}
    (tmp_path / "t.csv").write_bytes(written([("größer", "a")], head=("text", "label")).encode("cp1252"))
    with pytest.raises(UserError, match="cannot be read as a table"):
        from_csv(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("text,label\ngood, though late,a\n", "utf-8")
    with pytest.raises(UserError, match="cannot be read as a table"):
        from_csv(tmp_path / "t.csv")


def again(picture: Image.Image, how: str) -> Image.Image:
    width, height = picture.size
    if how == "smaller":
        return picture.resize((width // 2, height // 2))
    if how == "cut":
        return picture.crop((2, 2, width - 2, height - 2))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=40)
    return Image.open(stream).convert("RGB")


@pytest.mark.parametrize("how", ["smaller", "cut", "recompressed"])
def test_a_picture_saved_again_is_alike_and_others_are_not(how):
    one = photo(0)
    shown = [one, again(one, how), *map(photo, range(1, 40))]
    found = [Found(None, "a", str(i), together.glance(picture)) for i, picture in enumerate(shown)]
    assert together.alike(found) == [(0, 1)]
    found[1] = Found(None, "b", "1", found[1].glance)
    assert together.alike(found) == [], "of one class"


def test_what_shows_nothing_is_not_alike():
    """Signs on white, one grey, noise."""
    flat = [Image.new("RGB", (64, 64), (level,) * 3) for level in (200, 201, 202)]
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(100, 120, (64, 64, 3), dtype=np.uint8)) for _ in range(5)]
    signs = []
    for row in range(4, 60, 8):
        signs.append(Image.new("RGB", (64, 64), "white"))
        signs[-1].paste("black", (8, row, 56, row + 6))
    shown = [*flat, *noise, *signs]
    assert not together.alike([Found(None, "a", str(i), together.glance(p)) for i, p in enumerate(shown)])


def test_alike_pictures_are_on_one_side_and_named(root):
    for i in range(6):
        saved(root / "nut" / f"again_{i}.jpg", photo(100 + i, (40, 30)), quality=60)
    task = from_folder(root)
    sides = [
        {os.path.basename(name) for name in side.names if "nut" in name} for side in (task.train, task.test)
    ]
    for i in range(6):
        assert any({f"{i}.png", f"again_{i}.jpg"} <= side for side in sides)
    said = task.card["near"]
    assert said.startswith("6 pairs of images look alike, kept on one side: nut/0.png and nut/again_0")
    assert said.endswith("; and 3 more")
    known = from_folder(root, name="known")
    assert "on both sides" in known.card["near"], "the split of a set with records is as it was"
    rows = [*ROWS, *((f"nut/again_{i}.jpg", f"later {i}") for i in range(6))]
    (root / "groups.csv").write_text(written(rows), "utf-8")
    grouped = from_folder(root)
    assert len(set(grouped.train.groups) | set(grouped.test.groups)) == 16, "a table decides"
    assert "looks alike, on both sides of the split" in grouped.card["near"]


def test_in_a_given_split_they_are_named(tmp_path):
    for side, first in (("train", 0), ("test", 50)):
        for c, kind in enumerate("ab"):
            for i in range(5):
                saved(tmp_path / "p" / side / kind / f"{i}.png", photo(1000 * c + first + i))
    saved(tmp_path / "p" / "test" / "a" / "leak.jpg", photo(3), quality=50)
    task = from_folder(tmp_path / "p")
    assert len(task.test) == 11
    assert task.card["near"] == (
        "1 pair of images looks alike, on both sides of the split, which flatters the score: "
        "train/a/3.png and test/a/leak.jpg"
    )


def test_a_film_cannot_be_split_and_is_told_how(tmp_path):
    film = photo(0)
    for kind in "ab":
        for i in range(12):
            frame = np.asarray(film if kind == "a" else photo(1)).copy()
            frame[:4, i : i + 4] = 0
            saved(tmp_path / "p" / kind / f"{i}.png", Image.fromarray(frame))
    with pytest.raises(
        UserError, match=r"1 separate items .*pairs look alike and count as one group: a groups\.csv can"
    ):
        from_folder(tmp_path / "p")
    rows = [(f"{kind}/{i}.png", f"{kind}{i // 2}") for kind in "ab" for i in range(12)]
    (tmp_path / "p" / "groups.csv").write_text(written(rows), "utf-8")
    assert "on both sides" in from_folder(tmp_path / "p").card["near"]


def test_owners_are_joined_by_copies_groups_and_pairs():
    assert owners(["a", "b", "a", "c"]) == ["a", "b", "a", "c"]
    assert owners(["a", "b", "c", "b", "d"], (), [(0, 1), (2, 3)]) == ["a", "a", "a", "a", "d"]
    assert owners(["a", "b", "a", "c"], ["y", "z", "x", "z"]) == ["x", "z", "x", "z"]


def test_ten_thousand_are_known_again_at_once(root, monkeypatch):
    """What was decoded once is noted with its small copy, and pairs are not looked for one by one."""
    rng = np.random.default_rng(0)
    found = [
        Found(None, "ab"[i % 2], str(i), bytes(rng.integers(0, 256, 864, dtype=np.uint8)))
        for i in range(10_000)
    ]
    start = time.perf_counter()
    assert together.alike(found) == []
    assert time.perf_counter() - start < 4, "it takes 0.6 s"
    from_folder(root)
    monkeypatch.setattr(images, "read_picture", None)
    assert len(from_folder(root).train) == 12
    shutil.rmtree(env.computed_dir() / "images")
    with pytest.raises(TypeError):
        from_folder(root)


@pytest.mark.skipif(os.name == "nt", reason="no name there has this sign")
def test_the_sign_between_a_folder_and_its_groups_may_be_in_a_name(root, tmp_path):
    odd = root.rename(tmp_path / "photos|old")
    (tmp_path / "groups.csv").write_text(written(), "utf-8")
    assert len(tasks.load(f"folder:{odd}").train) == 12
    assert tasks.load(f"folder:{odd}|{tmp_path / 'groups.csv'}").card["split"] == "by group"
    saved(odd / "nut" / "new.png", photo(7))
    assert len(tasks.load(f"folder:{odd}").train) + len(tasks.load(f"folder:{odd}").test) == 21, (
        "it is read again"
    )
