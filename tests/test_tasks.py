"""Tasks: a split that holds, draws that all plans share, a seal; names, and folders of pictures."""

import csv
import math
import os
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image

from tlkit import tasks
from tlkit.errors import UserError
from tlkit.tasks import Task, array_items, classification, images, reading, regression
from tlkit.tasks.images import from_folder
from tlkit_lessons.material import photos

COLOURS = {"ants": (200, 40, 40), "bees": (40, 200, 40), "cats": (40, 40, 200)}


@pytest.fixture(autouse=True)
def computed(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TLKIT_COMPUTED", str(tmp_path / "computed"))
    return tmp_path / "computed"


def picture(path: Path, seed: int, colour=(90, 90, 90)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 50, (12, 16, 3))
    Image.fromarray((noise + colour).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three classes of eight pictures, no two alike."""
    root = tmp_path / "animals"
    for c, (name, colour) in enumerate(COLOURS.items()):
        for i in range(8):
            picture(root / name / f"{i}.png", 100 * c + i, colour)
    return root


# ---- the split and the seal


def build(train=(0, 1, 2, 3), test=(4, 5), groups=((), ()), targets=None, classes=("a", "b"), **more):
    x = torch.arange(10.0)[:, None]
    sides = [
        tiny.items(x[list(rows)], side, tuple(g))
        for rows, side, g in ((train, "train", groups[0]), (test, "test", groups[1]))
    ]
    y = targets or (np.array(train) % 2, np.array(test) % 2)
    return Task("built", classification(2), sides[0], y[0], sides[1], y[1], classes, **more)


def test_an_item_on_both_sides_is_refused_by_content():
    with pytest.raises(UserError, match=r"test 1 \(test\) is the same item as train 2 \(train\)"):
        build(train=(0, 1, 2), test=(5, 2))


def test_a_group_on_both_sides_is_refused():
    with pytest.raises(UserError, match="group 'w2' is in train and test"):
        build(groups=(("w1", "w1", "w2", "w2"), ("w2", "w3")))


@pytest.mark.parametrize("side", ["train", "test"])
def test_an_empty_side_is_refused(side):
    with pytest.raises(UserError, match=f"has 0 {side} items"):
        build(**{side: ()})


def test_a_target_for_every_item():
    with pytest.raises(UserError, match="has 4 train items and 3 targets"):
        build(targets=(np.zeros(3), np.zeros(2)))
    with pytest.raises(UserError, match="0 targets"):
        replace(build(), name="renamed")  # the copy would have lost its targets


def test_one_class_is_nothing_to_tell_apart():
    with pytest.raises(UserError, match=r"one class \('a'\)"):
        build(classes=("a",))


@pytest.mark.parametrize(
    ("train", "says"),
    [
        ([0, 1, 2, 1], r"a train target is 2, and there are 2 classes: number them from 0, in whole numbers"),
        ([0.0, 1, 0, 1], r"a train target is 0\.0, "),
        ([0, -1, 0, 1], r"a train target is -1, "),
    ],
)
def test_a_target_that_no_class_has_is_named(train, says):
    with pytest.raises(UserError, match=says):
        build(targets=(np.array(train), np.array([0, 1])))


def test_test_targets_are_behind_the_seal():
    task = build()
    wanted = np.array([0, 1])
    shown = {n: getattr(task, n) for n in dir(task) if not n.startswith("_")}
    assert not [n for n, v in shown.items() if isinstance(v, np.ndarray) and np.array_equal(v, wanted)]
    assert task.test_targets is None and "array" not in repr(task)
    assert task.reads == []
    read = task.evaluate(lambda items: np.zeros(len(items), int), "a plan")
    assert task.reads == ["a plan"] and np.array_equal(read.targets, wanted)
    assert read.metrics == {"accuracy": 0.5, "balanced accuracy": 0.5}


def test_a_task_and_its_items_say_what_they_are_in_a_line():
    task = build(train=range(8), test=(8, 9))
    assert repr(task) == "Task('built': classification of 2 classes, 8 for training, 2 for testing)"
    assert repr(task.train).startswith("Items(8: ") and repr(task.train).endswith(", …)")


def test_a_prediction_for_every_test_item():
    task = build()
    with pytest.raises(UserError, match="frozen gave 1 predictions for 2 test items"):
        task.evaluate(lambda items: np.zeros(1), "frozen")
    assert task.reads == [], "nothing was read"


def test_a_label_free_task_gives_no_labels():
    task = build(sealed=True)
    for ask in (lambda: task.targets, lambda: task.draw(1, 0)):
        with pytest.raises(UserError, match="its targets are hidden"):
            ask()
    assert task.digest == build().digest


def test_the_digest_depends_on_items_targets_and_sides_alone():
    one = build()
    assert one.digest == build(card={"title": "x"}).digest and len(one.digest) == 12
    others = [
        build(train=(0, 1, 2, 6)),
        build(test=(4, 7)),
        build(train=(1, 0, 2, 3)),
        build(targets=(np.array([0, 1, 0, 0]), np.array([0, 1]))),
        build(targets=(np.array([0, 1, 0, 1]), np.array([1, 1]))),
    ]
    assert len({one.digest, *(t.digest for t in others)}) == 6


# ---- draws


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_draws_are_balanced_and_a_fifth_selects(labels, seed):
    task, _ = tiny.classifier()
    draw = task.draw(labels, seed)
    assert np.bincount(task.targets[draw.all], minlength=3).tolist() == [labels] * 3
    assert len(set(draw.all.tolist())) == 3 * labels
    held = labels // 5 if labels >= 5 else 0
    assert np.bincount(task.targets[draw.select], minlength=3).tolist() == [held] * 3
    assert not set(draw.fit.tolist()) & set(draw.select.tolist())


@given(st.integers(1, 11), st.integers(0, 1000))
def test_draws_of_a_seed_are_nested(labels, seed):
    task, _ = tiny.classifier()
    small, large = task.draw(labels, seed), task.draw(labels + 1, seed)
    assert set(small.all.tolist()) < set(large.all.tolist())
    assert set(small.select.tolist()) <= set(large.select.tolist())


def test_draws_repeat_and_differ_by_seed():
    task, _ = tiny.classifier()
    assert np.array_equal(task.draw(5, 3).all, tiny.classifier()[0].draw(5, 3).all)
    assert len({tuple(task.draw(5, seed).all) for seed in range(20)}) == 20


def test_without_classes_a_budget_is_of_items():
    task, _ = tiny.line()
    draw = task.draw(10, 0)
    assert len(draw.fit) == 8 and len(draw.select) == 2


@pytest.mark.parametrize("labels", [0, -1])
def test_no_labels_is_refused(labels):
    with pytest.raises(UserError, match=f"--labels {labels}: .*at least 1"):
        tiny.classifier()[0].draw(labels, 0)


def test_a_negative_seed_is_refused():
    with pytest.raises(UserError, match="seed -1"):
        tiny.classifier()[0].draw(1, -1)


def test_too_few_items_are_named():
    with pytest.raises(
        UserError, match=r"class 'a' has 12 training items but --labels is 13: ask for 12 or fewer"
    ):
        tiny.classifier()[0].draw(13, 0)
    with pytest.raises(UserError, match="the task has 30 training items but --labels is 31"):
        tiny.line()[0].draw(31, 0)


# ---- objectives


def test_regression_targets_may_be_flat():
    objective = regression()
    flat, column = np.array([1.0, 2.0, 4.0]), np.array([[1.0], [2.0], [6.0]])
    assert objective.metrics["rmse"](column, flat) == pytest.approx(math.sqrt(4 / 3))
    output = torch.tensor(column, dtype=torch.float32, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = objective.loss(output, torch.tensor(flat))
    assert loss.item() == pytest.approx(4 / 3) and loss.dtype == torch.float32


def test_array_items_are_told_apart_by_content():
    x = torch.tensor([[0.0], [1.0], [0.0]])
    items = array_items(x, "n")
    assert items.digests[0] == items.digests[2] != items.digests[1] and items.names[1] == "n 1"
    assert array_items(x.T.contiguous().T, "n").digest == items.digest, "however it lies in memory"


# ---- names


def test_tasks_by_name():
    assert {"digits", "digits-random", "hymenoptera", "glyphs:greek-a"} <= set(tasks.names())
    for wrong, near in (("digit", "digits"), ("hymenopter", "hymenoptera")):
        with pytest.raises(UserError, match=f"unknown task '{wrong}': did you mean '{near}'"):
            tasks.load(wrong)
    with pytest.raises(UserError, match="unknown alphabet 'greek-z'"):
        tasks.load("glyphs:greek-z")


# ---- folders of pictures


def test_a_folder_is_split_by_picture_and_balanced(folder):
    task = from_folder(folder)
    assert task.name == "folder:animals" and task.classes == ("ants", "bees", "cats")
    assert len(task.train) + len(task.test) == 24 and 7 <= len(task.test) <= 12
    assert np.bincount(task.targets).min() >= 4
    assert task.train.inputs[0].mode == "RGB" and task.train.inputs[0].size == (16, 12)
    again = from_folder(folder)
    assert again.digest == task.digest and again.train.names == task.train.names


def test_where_the_folder_lies_does_not_matter(folder, tmp_path):
    moved = tmp_path / "elsewhere" / "animals"
    shutil.copytree(folder, moved)
    assert from_folder(moved).digest == from_folder(folder).digest


def test_files_that_do_not_open_are_set_aside_named_and_counted(folder):
    whole = (folder / "ants" / "0.png").read_bytes()
    (folder / "ants" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "bees" / "text.jpg").write_text("this is no picture")
    (folder / "bees" / "empty.jpg").touch()
    (folder / "bees" / ".hidden").touch()
    task = from_folder(folder)
    assert [Path(f).name for f in task.set_aside] == ["cut.png", "empty.jpg", "text.jpg"]
    assert len(task.train) + len(task.test) == 24


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tif", "webp", "ppm"])
def test_no_damage_to_a_picture_breaks_the_reader(tmp_path, suffix):
    """Cut anywhere, changed anywhere: a picture or one sentence."""
    data = picture(tmp_path / f"good.{suffix}", 0).read_bytes()
    rng = np.random.default_rng(0)
    for trial in range(60):
        bad = bytearray(data[: rng.integers(len(data))] if trial % 2 else data)
        for place in rng.integers(0, max(len(bad), 1), 4)[: len(bad)]:
            bad[place] = rng.integers(256)
        path = tmp_path / f"bad.{suffix}"
        path.write_bytes(bad)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own remarks on odd files
            try:
                assert images.read_picture(path).mode == "RGB"
            except UserError as error:
                assert str(path) in str(error)


def test_postscript_is_not_run_whatever_it_is_called(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(
        EpsImagePlugin, "Ghostscript", lambda *args: ran.append(args) or Image.new("RGB", (9, 9)).im
    )
    path = tmp_path / "x.jpg"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n")
    with pytest.raises(UserError, match="does not open as an image"):
        images.read_picture(path)
    assert ran == []
    Image.open(path).load()
    assert ran, "Pillow by itself would have"


def test_pictures_are_upright_and_keep_sixteen_bits_apart(tmp_path):
    image = Image.new("RGB", (10, 4))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert images.read_picture(tmp_path / "turned.jpg").size == (4, 10)
    deep = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    found = np.asarray(images.read_picture(tmp_path / "deep.png"))[..., 0]
    assert len(np.unique(found)) == 256 and found.min() == 0 and found.max() == 255


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        from_folder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"holds no images in class folders: put them into empty/CLASS/"):
        from_folder(tmp_path / "empty")
    picture(tmp_path / "flat" / "a.png", 0)
    with pytest.raises(UserError, match="holds no images in class folders"):
        from_folder(tmp_path / "flat")


def test_one_class_folder(folder):
    shutil.rmtree(folder / "ants"), shutil.rmtree(folder / "bees")
    with pytest.raises(UserError, match=r"one class \('cats'\)"):
        from_folder(folder)


def test_a_class_of_which_nothing_opens_is_not_dropped_in_silence(folder):
    for file in (folder / "bees").iterdir():
        file.write_text("broken")
    with pytest.raises(UserError, match="no file in class folder 'bees'"):
        from_folder(folder)


def test_too_few_to_split(folder):
    for i in range(4):
        (folder / "bees" / f"{i}.png").unlink()
    with pytest.raises(UserError, match="class 'bees' has 4 separate items or groups, a split needs 5"):
        from_folder(folder)


def test_too_few_for_the_labels(folder):
    task = from_folder(folder)
    with pytest.raises(UserError, match=r"has \d training items but --labels is 50"):
        task.draw(50, 0)


def test_a_picture_under_two_classes(folder):
    shutil.copy(folder / "ants" / "3.png", folder / "bees" / "ant.png")
    with pytest.raises(UserError, match=r"ants/3\.png and .*bees/ant\.png are the same image in two classes"):
        from_folder(folder)


def test_copies_stay_on_one_side(folder):
    for i in range(8):
        for copy in range(3):
            shutil.copy(folder / "ants" / f"{i}.png", folder / "ants" / f"{i}-{copy}.png")
    task = from_folder(folder)
    assert len(task.train) + len(task.test) == 24 + 24
    assert not set(task.train.digests) & set(task.test.digests)


@pytest.fixture
def given_split(folder, tmp_path) -> Path:
    root = tmp_path / "given"
    for side, numbers in (("train", range(5)), ("test", range(5, 8))):
        for name in COLOURS:
            for i in numbers:
                target = root / side / name / f"{i}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(folder / name / f"{i}.png", target)
    return root


def test_a_given_split_is_kept(given_split):
    task = from_folder(given_split)
    assert len(task.train) == 15 and len(task.test) == 9
    assert all("train" in Path(n).parts for n in task.train.names)


@pytest.mark.parametrize(
    ("train", "test"),
    [("train", "valid"), ("train", "val"), ("Training", "Testing"), ("TRAIN", "Validation")],
)
def test_other_names_of_both_sides(given_split, train, test):
    (given_split / "test").rename(given_split / "aside"), (given_split / "train").rename(given_split / train)
    (given_split / "aside").rename(given_split / test)
    task = from_folder(given_split)
    assert (len(task.train), len(task.test)) == (15, 9)


def test_of_three_sides_the_test_is_asked_and_the_other_is_counted(given_split):
    shutil.copytree(given_split / "test", given_split / "valid")
    task = from_folder(given_split)
    assert len(task.test) == 9
    assert task.card["files"] == "33 files, 24 used; 9 in valid, neither training nor test"


def test_a_test_without_labels_gives_way_to_a_validation_with_them(given_split):
    (given_split / "test").rename(given_split / "validation")
    picture(given_split / "test" / "17.png", 999)
    assert len(from_folder(given_split).test) == 9


def test_pictures_lie_as_deep_as_they_like_and_every_file_is_accounted_for(folder):
    (folder / "ants" / "day 1" / "morning").mkdir(parents=True)
    for i in range(4):
        (folder / "ants" / f"{i}.png").rename(folder / "ants" / "day 1" / "morning" / f"{i}.png")
    (folder / "ants" / "notes.txt").write_text("cold")
    (folder / "bees" / "boxes.xml").write_text("<a/>"), (folder / "bees" / "more.xml").write_text("<a/>")
    (folder / "bees" / ".hidden").touch(), (folder / "README").touch()
    (folder / "cats" / "gone.png").symlink_to(folder / "nowhere.png")
    task = from_folder(folder)
    assert len(task.train) + len(task.test) == 24
    what = "of no image format"
    told = f"30 files, 24 used; 2 {what} (.xml); 1 {what} (.txt); 1 a link to nothing (.png)"
    assert task.card["files"] == f"{told}; 1 in no class folder; 1 hidden"


def test_two_files_that_change_places_are_noticed(tmp_path):
    """Out of an archive all have one time, and pictures of one format and size as many bytes."""
    for i in range(16):
        file = tmp_path / "two" / ("dark" if i < 8 else "light") / f"{i}.bmp"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (10 * i, 5, 5)).save(file)
        os.utime(file, (1_700_000_000, 1_700_000_000))
    before = from_folder(tmp_path / "two")
    dark, light, aside = (tmp_path / "two" / name for name in ("dark/0.bmp", "light/9.bmp", "aside"))
    dark.rename(aside), light.rename(dark), aside.rename(light)
    after = from_folder(tmp_path / "two")
    assert after.digest != before.digest
    was, now = (
        {Path(n).name: d for side in (t.train, t.test) for n, d in zip(side.names, side.digests, strict=True)}
        for t in (before, after)
    )
    assert (now["0.bmp"], now["9.bmp"]) == (was["9.bmp"], was["0.bmp"])


def test_a_link_to_above_is_not_followed(folder):
    (folder / "ants" / "again").symlink_to(folder)
    assert len(from_folder(folder).train.names) < 24


def test_an_empty_class_folder_is_named(folder):
    (folder / "newts" / "day 1").mkdir(parents=True)
    with pytest.raises(UserError, match=r"class folder .*newts is empty: put its images into it, or remove"):
        from_folder(folder)


def test_a_folder_in_a_folder_is_told(folder, tmp_path):
    (tmp_path / "archive").mkdir()
    shutil.move(folder, tmp_path / "archive" / "animals")
    with pytest.raises(UserError, match=r"one class folder, 'animals', and folders in it: .*archive/animals"):
        from_folder(tmp_path / "archive")


def test_classes_that_differ_in_case_alone_are_told(folder):
    picture(folder / "Ants" / "1.png", 7)
    if len(list(folder.iterdir())) == 3:
        pytest.skip("this disk takes Ants for ants")
    with pytest.raises(
        UserError, match="classes 'Ants' and 'ants', equal but for case or blanks: merge them"
    ):
        from_folder(folder)


def test_classes_that_differ_in_blanks_alone_are_told(folder):
    picture(folder / "ants " / "1.png", 7)
    with pytest.raises(UserError, match="classes 'ants' and 'ants ', equal but for case or blanks"):
        from_folder(folder)


def test_what_systems_put_into_folders_is_no_class_and_no_picture(folder):
    for name in ("__MACOSX/._x", ".DS_Store", "ants/Thumbs.db", "bees/desktop.ini"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    task = from_folder(folder)
    assert task.classes == tuple(sorted(COLOURS)) and not task.set_aside
    assert task.card["files"].endswith("24 used; 4 hidden")


def test_a_forecast_needs_no_picture_opened(folder, computed, monkeypatch):
    """Names alone, until all of them were seen: then what is known is used, and nothing is opened either."""
    (folder / "ants" / "0.txt").write_text("not a picture")
    opened = []
    monkeypatch.setattr(
        images, "read_picture", lambda path: opened.append(path) or reading.read_picture(path)
    )
    task = from_folder(folder, opened=False)
    assert len(task.train) + len(task.test) == 24 and list(task.set_aside) == [str(folder / "ants" / "0.txt")]
    assert "none of them opened yet" in task.card["files"] and not opened
    seen = from_folder(folder)
    assert len(opened) == 25
    again = from_folder(folder, opened=False)
    assert again.digest == seen.digest != task.digest and "yet" not in again.card["files"]


def test_a_picture_in_train_and_test_of_a_given_split(given_split):
    shutil.copy(given_split / "train" / "bees" / "0.png", given_split / "test" / "bees" / "again.png")
    with pytest.raises(UserError, match=r"again\.png \(test\) is the same item as .*0\.png \(train\)"):
        from_folder(given_split)


def test_a_test_folder_without_classes_is_no_test(given_split):
    shutil.rmtree(given_split / "test")
    picture(given_split / "test" / "17.png", 999)
    with pytest.raises(UserError, match=r"test has no class folders, .* sort its images into test/CLASS/"):
        from_folder(given_split)


def test_a_class_that_is_only_in_the_test_folder(given_split):
    shutil.rmtree(given_split / "train" / "cats")
    with pytest.raises(UserError, match=r"test has class 'cats', which .*train lacks"):
        from_folder(given_split)


def write_groups(path: Path, rows, encoding="utf-8", header=("file", "group")):
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture
def many(folder) -> Path:
    """Sixteen pictures a class, for groups of two."""
    for c, (name, colour) in enumerate(COLOURS.items()):
        for i in range(8, 16):
            picture(folder / name / f"{i}.png", 1000 + 100 * c + i, colour)
    return folder


def rows_of(root: Path, group):
    return [(f"{n}/{i}.png", group(n, i)) for n in COLOURS for i in range(16)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_groups_stay_on_one_side(many, encoding):
    write_groups(many / "groups.csv", rows_of(many, lambda n, i: f"{n}-{i // 2}"), encoding)
    task = from_folder(many)
    assert not set(task.train.groups) & set(task.test.groups)
    assert len(set(task.train.groups) | set(task.test.groups)) == 24 and task.card["split"] == "by group"


def test_groups_may_lie_elsewhere_and_use_backslashes(many, tmp_path):
    rows = [(file.replace("/", "\\"), group) for file, group in rows_of(many, lambda n, i: f"{n}-{i // 2}")]
    write_groups(tmp_path / "patients.csv", rows)
    named = tasks.load(f"folder:{many}|{tmp_path / 'patients.csv'}")
    assert len(set(named.train.groups) | set(named.test.groups)) == 24


def test_a_copy_in_another_group_joins_the_two(many):
    shutil.copy(many / "ants" / "0.png", many / "ants" / "9.png")
    shutil.copy(many / "ants" / "2.png", many / "ants" / "11.png")
    write_groups(many / "groups.csv", rows_of(many, lambda n, i: f"{n}-{i // 2}"))
    task = from_folder(many)
    for one, other in (("ants-0", "ants-4"), ("ants-1", "ants-5")):
        assert any({one, other} <= set(side.groups) for side in (task.train, task.test))


def test_group_files_that_do_not_do(many, tmp_path):
    with pytest.raises(UserError, match=r"none\.csv cannot be read as a table"):
        from_folder(many, groups=tmp_path / "none.csv")
    rows = rows_of(many, lambda n, i: f"{n}-{i // 2}")
    write_groups(many / "groups.csv", rows[1:])
    with pytest.raises(UserError, match=r"no group for ants/0\.png: add a row"):
        from_folder(many)
    write_groups(many / "groups.csv", [*rows[2:], ("ants/0.png", "")])
    with pytest.raises(UserError, match=r"no group for ants/0\.png \(and 1 more\)"):
        from_folder(many)
    write_groups(many / "groups.csv", rows, header=("picture", "board"))
    with pytest.raises(UserError, match="has no column 'file': it has picture, board"):
        from_folder(many)
    write_groups(many / "groups.csv", [])
    with pytest.raises(UserError, match=r"no group for ants/0\.png \(and 47 more\)"):
        from_folder(many)
    (many / "groups.csv").write_bytes(b"file,group\n\x81,1\n")
    with pytest.raises(UserError, match=r"cannot be read as a table .*give a CSV file in UTF-8"):
        from_folder(many)


def test_groups_of_a_given_split_must_keep_to_it(given_split):
    rows = [(f"{side}/{n}/{i}.png", f"{n}-{i % 5}") for n in COLOURS for side, numbers in
            (("train", range(5)), ("test", range(5, 8))) for i in numbers]  # fmt: skip
    write_groups(given_split / "groups.csv", rows)
    with pytest.raises(UserError, match="is in train and test; keep a group on one side"):
        from_folder(given_split)


def test_classes_are_numbered_by_name_whatever_the_file_system_says(folder):
    (folder / "bees").rename(folder / "Bees")
    (folder / "cats").rename(folder / "àbc")
    task = from_folder(folder)
    assert task.classes == ("Bees", "ants", "àbc")
    assert [Path(n).parent.name for n in task.train.names] == sorted(
        Path(n).parent.name for n in task.train.names
    )


def test_a_folder_is_read_again_when_its_files_change(folder):
    name = f"folder:{folder}"
    first = tasks.load(name)
    assert tasks.load(name) is first
    picture(folder / "ants" / "new.png", 12345, COLOURS["ants"])
    second = tasks.load(name)
    assert second is not first and second.digest != first.digest
    picture(folder / "ants" / "new.png", 54321, COLOURS["ants"])
    assert tasks.load(name).digest not in (first.digest, second.digest)


def test_a_picture_is_decoded_once(folder, monkeypatch, computed):
    opened, read = [], images.read_picture
    monkeypatch.setattr(images, "read_picture", lambda path: opened.append(path) or read(path))
    first = from_folder(folder)
    assert len(opened) == 24
    assert from_folder(folder).digest == first.digest and len(opened) == 24
    picture(folder / "ants" / "0.png", 777)
    assert from_folder(folder).digest != first.digest and len(opened) == 25
    (note,) = (computed / "images").glob("*")
    note.write_text("{")
    assert from_folder(folder).digest != first.digest and len(opened) == 25 + 24


def test_a_set_of_the_registry_names_its_class_in_the_file(tmp_path):
    for first, name in ((0, "rolled-in_scale"), (100, "patches")):
        for i in range(6):
            picture(tmp_path / "images" / f"{name}_{i}.png", first + i)
    task = photos._by_prefix(tmp_path, "neu_steel")
    assert task.classes == ("patches", "rolled-in_scale")


@pytest.mark.real("hymenoptera", "caltech_wildlife", "neu_steel")
def test_sets_of_the_registry():
    for name, classes in (("hymenoptera", 2), ("caltech_wildlife", 12), ("neu_steel", 6)):
        task = tasks.load(name)
        assert len(task.classes) == classes and task.set_aside == {}
        assert np.bincount(task.targets).min() >= 10, "ten labels per class are there to be drawn"
