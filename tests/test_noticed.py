"""Whatever a person can change between two runs, the second one notices: nothing old is taken for it."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tlkit import backbones, recipe, study, tasks
from tlkit.errors import UserError
from tlkit.records import Store
from tlkit.study import Grid


@pytest.fixture
def photos(tmp_path, computed) -> Path:
    """Two classes of ten pictures, all of one size in bytes and of one time, and a group for each two."""
    rng, rows = np.random.default_rng(0), ["file,group"]
    for level, label in ((60, "nut"), (190, "bolt")):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(level - 50, level + 50, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{i}.bmp")
            rows.append(f"{label}/{i}.bmp,{label}{i // 2}")
    (tmp_path / "groups.csv").write_text("\n".join(rows))
    for path in (tmp_path / "photos").rglob("*.bmp"):
        os.utime(path, (10**9, 10**9))
    return tmp_path / "photos"


def same_time(path: Path, content: bytes) -> None:
    """Other content of the same length, at the time that the file had."""
    before = path.stat()
    assert len(content) == before.st_size
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def swap(one: Path, two: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    two.rename(one)
    aside.rename(two)


def turned(path: Path) -> bytes:
    """The file with its pixels from the last to the first."""
    content = path.read_bytes()
    return content[:54] + content[:53:-1]


CHANGES = {
    "an image edited, of the same size and time": lambda p: same_time(
        p / "nut/3.bmp", turned(p / "nut/3.bmp")
    ),
    "two images that change places": lambda p: swap(p / "nut/3.bmp", p / "bolt/3.bmp"),
    "an image removed": lambda p: (p / "nut/3.bmp").unlink(),
    "an image added": lambda p: (p / "nut/new.bmp").write_bytes(turned(p / "nut/3.bmp")),
    "an image damaged": lambda p: same_time(p / "nut/3.bmp", bytes((p / "nut/3.bmp").stat().st_size)),
    "an image of another class": lambda p: (p / "nut/3.bmp").rename(p / "bolt/new.bmp"),
    "another group in the table": lambda p: (p.parent / "groups.csv").write_text(
        (p.parent / "groups.csv")
        .read_text()
        .replace("nut4", "nut9")
        .replace("nut/2.bmp,nut1", "nut/2.bmp,nut0")
    ),
}


def asked(photos: Path) -> Grid:
    name = f"folder:{photos}|{photos.parent / 'groups.csv'}"
    return Grid(name, "letters", ("pixels",), (1,), (0,), recipe.default())


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_folder_is_another_fit(photos, change):
    first = asked(photos)
    store, (cell,) = Store(photos.parent / "r.jsonl"), first.cells()
    key = first.key(cell)
    assert study.run(first, store).ran == 1 and study.run(asked(photos), store).found == 1
    change(photos)
    try:
        second = asked(photos)
        assert second.key(cell) != key and study.run(second, store).ran == 1
    except UserError as refused:  # a new image without a group, say: noticed, and said
        assert "groups.csv has no group for" in str(refused)


def test_a_class_of_another_name_is_told_by_that_name(photos):
    assert asked(photos).parts[0].classes == ("bolt", "nut")
    (photos / "nut").rename(photos / "washer")
    groups = photos.parent / "groups.csv"
    groups.write_text(groups.read_text().replace("nut/", "washer/"))
    assert asked(photos).parts[0].classes == ("bolt", "washer")


def weights_of(number: int, folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of a small network, each of them `number`."""
    chain = backbones.load("sequence,channels=2,layers=1").pretrained()
    return {name: torch.full_like(tensor, number) for name, tensor in chain.state_dict().items()}


def test_weights_of_the_same_size_and_time_are_other_weights(tmp_path):
    file = tmp_path / "w.safetensors"
    save_file(weights_of(1, tmp_path), file)
    spec = "sequence,channels=2,layers=1"
    first = backbones.load(spec, str(file))
    save_file(weights_of(2, tmp_path), tmp_path / "other.safetensors")
    same_time(file, (tmp_path / "other.safetensors").read_bytes())
    second = backbones.load(spec, str(file))
    assert first.digest != second.digest
    assert second.pretrained().stages["stem"].bias[0].item() == 2.0


def test_a_card_that_is_changed_is_read_again(tmp_path):
    file, card = tmp_path / "w.safetensors", tmp_path / "w.json"
    save_file({"x": torch.zeros(1)}, file)
    card.write_text(json.dumps({"input": 64}))
    first = backbones.load("timm:resnet10t", str(file))
    card.write_text(json.dumps({"input": 32}))
    assert (first.transform.size, backbones.load("timm:resnet10t", str(file)).transform.size) == (64, 32)


def test_another_tokenizer_in_a_folder_is_another_network(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("{}")
    first = backbones.load(f"transformers:{tmp_path}")
    (tmp_path / "tokenizer.json").write_text("[]")
    assert backbones.load(f"transformers:{tmp_path}").digest != first.digest


def test_a_table_of_texts_that_is_changed_is_another_task(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("text,label\n" + "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(20)))
    first = tasks.load(f"csv:{file}")
    same_time(file, file.read_bytes().replace(b"text 7,", b"text x,"))
    assert tasks.load(f"csv:{file}").digest != first.digest
