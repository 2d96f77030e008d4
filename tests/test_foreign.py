"""Every reader of bytes from elsewhere, in one list, and damaged files: a right answer or one sentence."""

import io
import json
import os
import shutil
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import made_up_records as made
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save as tensors
from scipy.io import wavfile
from torch import nn

from tlkit import backbones, files, saved_model
from tlkit.backbones.weights import load_weights
from tlkit.errors import UserError
from tlkit.features.activation_cache import ActivationCache
from tlkit.records import Store, scale
from tlkit.tasks.readers import READERS
from tlkit.tasks.reading import read_picture
from tlkit.tasks.text import from_csv, table_rows

ROOM = 3 * 2**30  # bytes: more than any reader may take for a file of some kilobytes
SLOWEST = timedelta(seconds=20)


@dataclass(frozen=True)
class Foreign:
    """A reader: `valid(folder)` gives what it reads, `read(path)` reads one, in a file called `name`.

    quick and many: so many damaged files in the ordinary suite, and in the slow one; found: what once went
    through them.
    """

    name: str
    valid: Callable[[Path], list[bytes]]
    read: Callable[[Path], object]
    quick: int = 150
    found: tuple[bytes, ...] = ()
    many: int = 10_000


def kept(save: Callable, *args, **more) -> bytes:
    buffer = io.BytesIO()
    save(*args, buffer, **more)
    return buffer.getvalue()


# ---- pictures, tables, recordings, texts


def pictures(folder: Path) -> list[bytes]:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8))
    exif = noise.getexif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    formats = ("PNG", "GIF", "BMP", "WEBP", "PPM", "JPEG2000", "TGA", "MPO")
    found = [kept(noise.save, format=kind) for kind in formats]
    found += [kept(noise.save, format=kind, exif=exif) for kind in ("JPEG", "TIFF", "PNG", "WEBP")]
    found += [kept(noise.save, format="TIFF", compression=how) for how in ("tiff_lzw", "jpeg")]
    found += [
        kept(noise.convert(mode).save, format="TIFF") for mode in ("I;16", "CMYK", "1", "LAB", "RGBA", "P")
    ]
    found += [kept(noise.convert("I;16").save, format="PNG"), kept(noise.convert("CMYK").save, format="JPEG")]
    return [*found, kept(noise.save, format="GIF", save_all=True, append_images=[noise.rotate(180)])]


TABLE = "text,label,group\n" + "".join(f'"said {i}, é",{"ab"[i % 2]},g{i % 7}\n' for i in range(24))
GROUPS = "file,group\n" + "".join(f"a/{i}.png,g{i % 3}\n" for i in range(8))


def recordings(folder: Path) -> list[bytes]:
    tone = np.sin(np.arange(400) / 5)
    kinds = (tone * 9000).astype(np.int16), tone.astype(np.float32), (tone * 99 + 128).astype(np.uint8)
    return [kept(lambda a, b: wavfile.write(b, 400, a), x) for x in (*kinds, np.stack([kinds[0]] * 2, 1))]


# ---- records


def store(path: Path) -> Store:
    told = {"scale": {"better": "higher", "delta": 0.02, "unit": "", "chance": 0.5, "by_class": True}}
    found, origin = Store(path), {"python": "3.12", "host": "here"}
    for seed in range(2):
        row = made.row("frozen", 5, seed, 0.5, detail=told)
        found.append([row], np.arange(4) % 2, np.arange(4) % 2, np.ones(4), origin)
    return found


def lines(ending: str) -> Callable[[Path], list[bytes]]:
    def write(folder: Path) -> list[bytes]:
        store(folder / "r.jsonl")
        return [(folder / f"r{ending}").read_bytes()]

    return write


UNTOLD = (made.row("frozen", 5, 0, 0.5, detail={"scale": {"better": "higher"}}).to_json() + "\n").encode()


def records(path: Path) -> None:
    rows = Store(path).read()
    if choice := saved_model.choose(rows):
        assert isinstance(choice.rule, str)
    scale(rows)


def beside(path: Path) -> None:
    """Predictions and origins, which stand beside the records."""
    for other in {"r.jsonl", "r.items.jsonl", "r.origins.jsonl"} - {path.name}:
        path.with_name(other).write_bytes((path.parent / "made" / other).read_bytes())
    found = Store(path.with_name("r.jsonl"))
    for row in found.read():
        found.origin(row), found.predicted(row.fit_key), found.scores(row.fit_key)
        found.items(row.fit_key), found.targets(row.task, row.data)


# ---- weights, cards, saved models


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def checkpoints(folder: Path) -> list[bytes]:
    state = net().state_dict()
    more = {"epoch": 3, "args": Namespace(lr=0.1), "best": np.float64(0.5), "optimizer": {"state": {}}}
    wrapped = {"model": {f"module.{name}": tensor for name, tensor in state.items()}, **more}
    found = [kept(torch.save, state), kept(torch.save, wrapped), tensors(state)]
    return [*found, kept(torch.save, state, _use_new_zipfile_serialization=False)]


def weights(path: Path) -> None:
    model = net()
    load_weights(model, path, "net")
    assert model.eval()(torch.ones(2, 4)).shape[0] == 2


CARD = {"arch": "timm resnet10t width 0.5, drop_rate=0.1", "input": 32, "mean": [0.5] * 3, "std": [0.5] * 3}


def card(path: Path) -> None:
    (path.parent / "w.pt").touch()
    found = backbones.load("timm:resnet10t", str(path.with_name("w.pt")))
    assert found.transform(Image.new("RGB", (9, 9))).shape == (3, found.transform.size, found.transform.size)


ABOUT = {
    "task": "digits", "plan": "frozen", "labels": 5, "seed": 3, "value": 0.9, "mean": 0.85, "seeds": 10,
    "scale": {"metric": "accuracy", "sign": 1}, "luck": 0.0, "chance": 0.5, "test_items": 20,
    "against": {"pixels": {"mean": 0.9, "verdict": "cannot tell"}}, "fit": ["a", 1], "where": "here",
}  # fmt: skip


def models(folder: Path) -> list[bytes]:
    found = []
    for spec in ("sequence,channels=4,layers=1", "timm:resnet10t,size=32,pretrained=false"):
        source = backbones.load(spec)
        chain = source.fresh()
        wide = source.pool(chain.run(torch.zeros(2, *((3, 32, 32) if "timm" in spec else (1, 9))))).shape[1]
        chain.head = nn.Sequential(source.pool, nn.Linear(wide, 2))
        how = {"reader": "picture" if "timm" in spec else "wav:400"}
        saved_model.save(folder / spec[:4], chain, source.blueprint, ("a", "b"), ABOUT, **how)
        found.append((folder / spec[:4] / "model.json").read_bytes())
    return found


def model(path: Path) -> None:
    """Beside the tensors of the first of `models`, or of the second where the bytes are of that."""
    place = path.parent / "made" / ("timm" if b"timm" in path.read_bytes() else "sequ")
    target = place / "model.json"
    target.write_bytes(path.read_bytes())
    there = saved_model.there(place)
    assert isinstance(there, dict)
    loaded = saved_model.load(place)
    saved_model.told(loaded.about), saved_model.doubts(loaded.about)
    assert there == loaded.about == saved_model.card(place)
    list(loaded.predict([place / "none.png"]))


def languages(folder: Path) -> list[bytes]:
    """Each file of a network's folder, with its name in front."""
    words = pytest.importorskip("words", reason="needs the extra `text`")
    words.folder(folder / "bert", "bert")
    return [path.name.encode() + b"\0" + path.read_bytes() for path in sorted((folder / "bert").iterdir())]


def language(path: Path) -> None:
    from tlkit_lessons.language import _tokenizer

    place, (name, _, data) = path.parent / "bert", path.read_bytes().partition(b"\0")
    shutil.copytree(path.parent / "made" / "bert", place, dirs_exist_ok=True)
    if name in {path.name.encode() for path in place.iterdir()}:
        (place / name.decode()).write_bytes(data)
    _tokenizer.cache_clear(), backbones._load.cache_clear()
    source = backbones.load(f"transformers:{place}")
    seen = source.transform("the moon")
    source.pretrained()({key: value[None] for key, value in seen.items()})


# ---- what is kept between runs


def notes(path: Path) -> None:
    (path.parent / "a.txt").write_text("a")
    made = files.Hashes(path)
    assert isinstance(made.of(path.parent / "a.txt", "a.txt", lambda p: "hash"), str)


def arrays(folder: Path) -> list[bytes]:
    return [kept(lambda file: np.save(file, np.zeros((70, 3), np.float32)))]


def activations(path: Path) -> None:
    run = lambda rows: torch.zeros(len(rows), 3)  # noqa: E731
    (path.parent / "cache").mkdir(exist_ok=True)
    for name in ("leaf0.npy", "done.npy"):
        (path.parent / "cache" / name).write_bytes(path.read_bytes())
    assert ActivationCache(path.parent / "cache", 70, torch.zeros(1, 3), run).take(np.arange(70)).shape == (
        70,
        3,
    )


def row(path: Path) -> None:
    assert READERS.make("row:a,b").read(f"{path}:2").shape == (2,)


FOREIGN = {
    "picture": Foreign("a.png", pictures, read_picture, 600),
    "recording": Foreign("a.wav", recordings, READERS.make("wav:400").read),
    "text": Foreign("a.txt", lambda folder: ["caffè".encode(), b"plain"], READERS.make("text").read),
    "row": Foreign("a.csv", lambda folder: [b"a,b\n1,2\n3,4\n", b'a,b\n"1",2\n3,4e5\n'], row),
    "table": Foreign("a.csv", lambda folder: [TABLE.encode(), TABLE.encode("utf-8-sig")], from_csv),
    "groups": Foreign(
        "groups.csv",
        lambda folder: [GROUPS.encode(), GROUPS.encode("utf-8-sig")],
        lambda path: table_rows(path, ["file", "group"]),
    ),
    "records": Foreign("r.jsonl", lines(".jsonl"), records, found=(UNTOLD,)),
    "predictions": Foreign("r.items.jsonl", lines(".items.jsonl"), beside, found=(b'{"fit": {}}\n{}\n',)),
    "origins": Foreign("r.origins.jsonl", lines(".origins.jsonl"), beside),
    "weights": Foreign("w.pt", checkpoints, weights, 300),
    "card": Foreign(
        "w.json",
        lambda folder: [json.dumps(CARD).encode()],
        card,
        found=(
            b'{"mean": [0.5, 0.5]}',
            b'{"std": [0, 1, 1]}',
            b'{"mean": 1}',
            b'{"input": 99999}',
            b"[" * 9999,
        ),
    ),
    "saved model": Foreign("model.json", models, model, 60),
    "language": Foreign("a.bin", languages, language, 15),
    "note": Foreign(
        ".note.json",
        lambda folder: [b'{"a.txt": ["hash", 1, 2, 3, 4]}'],
        notes,
        found=(b'{"a.txt": 1}', b'{"a.txt": []}', b'{"a.txt": [1]}', b"[" * 9999),
    ),
    "activations": Foreign("a.npy", arrays, activations, 60),
}


# ---- damage

INSERTED = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.sampled_from(
        [b"\0" * 300, b"\xff" * 8, b"[" * 3000, b"9" * 400, b'"', b"\n", b"NaN", b"1e999", b"null"]
    ),
)


@st.composite
def damaged(draw: st.DrawFn, valid: list[bytes]) -> bytes:
    """One of the files, cut, with bytes changed, runs put in or taken out, or in another encoding."""
    data = draw(st.sampled_from(valid))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(("cut", "change", "change", "put in", "take out", "again", "encode")))
        if kind == "cut":
            data = data[:at]
        elif kind == "change":
            data = data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]
        elif kind == "put in":
            data = data[:at] + draw(INSERTED) + data[at:]
        elif kind == "take out":
            data = data[:at] + data[at + draw(st.integers(1, 40)) :]
        elif kind == "again":
            data = data[:at] + data[max(0, at - draw(st.integers(1, 200))) :]
        else:
            text = data.decode("utf-8", "replace")
            data = text.encode(draw(st.sampled_from(("utf-16", "latin-1", "cp1252"))), "replace")
    return data


@contextmanager
def little_memory() -> Iterator[None]:
    """At most so much more than now, where the system can be asked for that."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except (ImportError, OSError):
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def stands(foreign: Foreign, folder: Path, count: int) -> None:
    (folder / "made").mkdir()
    valid, file = foreign.valid(folder / "made"), folder / foreign.name
    for data in valid:
        file.write_bytes(data)
        foreign.read(file)  # as it is, it is read

    @settings(max_examples=count, deadline=SLOWEST, suppress_health_check=list(HealthCheck))
    @given(damaged(valid))
    def reads(data: bytes) -> None:
        refused_or_read(data)

    def refused_or_read(data: bytes) -> None:
        file.write_bytes(data)
        try:
            foreign.read(file)
        except UserError as error:
            assert str(error).strip() and "\n" not in str(error)[:60]

    with little_memory():
        for data in foreign.found:
            refused_or_read(data)
        reads()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FOREIGN)
def test_a_damaged_file_is_a_right_answer_or_one_sentence(name, tmp_path):
    stands(FOREIGN[name], tmp_path, FOREIGN[name].quick)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", FOREIGN)
def test_ten_thousand_damaged_files(name, tmp_path):
    stands(FOREIGN[name], tmp_path, FOREIGN[name].many)
