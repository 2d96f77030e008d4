"""Odd picture files: each is read rightly, pixel by pixel, or set aside with a reason; nothing crashes."""

import re
import struct
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from tlkit import backbones, saved_model
from tlkit.cli import app
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.plans import Plan
from tlkit.recipe import Recipe
from tlkit.tasks import Task, folders, images, reading
from tlkit.tasks.images import from_folder

RED, GREEN, BLUE, YELLOW, WHITE = (220, 30, 30), (30, 220, 30), (30, 30, 220), (220, 220, 30), (255,) * 3

FINE = {"quality": 95, "subsampling": 0}  # of a JPEG: an edge of colours stays where it is


def quarters(height: int = 16, width: int = 32) -> np.ndarray:
    """Red, green, blue, yellow from the upper left: no two turns of it are alike."""
    found = np.empty((height, width, 3), dtype=np.uint8)
    for i, colour in enumerate((RED, GREEN, BLUE, YELLOW)):
        top, left = i // 2 * height // 2, i % 2 * width // 2
        found[top : top + height // 2, left : left + width // 2] = colour
    return found


def ramp(dtype: type, end: int, height: int = 16, width: int = 32) -> np.ndarray:
    return np.linspace(0, end, height * width).round().astype(dtype).reshape(height, width)


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[..., None], 3, axis=2)


def scaled(values: np.ndarray) -> np.ndarray:
    """16 bits to 8: 65535 is white."""
    return grey((values / 257).round().astype(np.uint8))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png16(path: Path, values: np.ndarray, clear: tuple[int, ...] = ()) -> None:
    """A 16-bit PNG of one channel or three, which Pillow does not write."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, 2 if values.ndim == 3 else 0, 0, 0, 0)
    key = chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear)) if clear else b""
    parts = chunk(b"IHDR", head), key, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def promised(path: Path, width: int, height: int) -> None:
    """A PNG of which only the head is there."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)))


def on_white(colours: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    share = opacity[..., None] / 255
    return (colours * share + 255 * (1 - share)).round().astype(np.uint8)


def turned(path: Path, tag: int, upright: np.ndarray) -> None:
    """Stored as a camera stores it that was held so that viewers must turn by `tag`."""
    stored = {
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[tag]
    picture = Image.fromarray(np.ascontiguousarray(stored))
    exif = picture.getexif()
    exif[0x0112] = tag
    picture.save(path, exif=exif, **FINE)


def inks(height: int = 16, width: int = 32) -> tuple[Image.Image, np.ndarray]:
    """Cyan, magenta, yellow and half black, and how they look."""
    where = quarters(height, width)
    amounts = [
        255 * (where == RED).all(2),
        255 * (where == GREEN).all(2),
        255 * (where == BLUE).all(2),
        128 * (where == YELLOW).all(2),
    ]
    cyan_to_yellow, black = np.dstack(amounts[:3]), amounts[3][..., None]
    looks = ((255 - cyan_to_yellow) * (255 - black) / 255).round().astype(np.uint8)
    return Image.merge("CMYK", [Image.fromarray(a.astype(np.uint8)) for a in amounts]), looks


def mapped(height: int = 16, width: int = 32) -> Image.Image:
    """The quarters as numbers into a palette, the yellow one being number 3."""
    where = quarters(height, width)
    numbers = sum(i * (where == c).all(2) for i, c in enumerate((RED, GREEN, BLUE, YELLOW)))
    picture = Image.fromarray(numbers.astype(np.uint8))
    picture.putpalette([*RED, *GREEN, *BLUE, *YELLOW])
    return picture


def bleached(colours: np.ndarray) -> np.ndarray:
    """White where it was yellow."""
    return np.where((colours == YELLOW).all(2)[..., None], 255, colours).astype(np.uint8)


def plain(picture: Image.Image | np.ndarray, looks: np.ndarray, path: Path, **options) -> np.ndarray:
    picture = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    picture.save(path, **options)
    return looks


def turn(tag: int, path: Path) -> np.ndarray:
    turned(path, tag, quarters())
    return quarters()


def deep(path: Path, **options) -> np.ndarray:
    values = ramp(np.uint16, 65535)
    return plain(values, scaled(values), path, **options)


def negative(path: Path) -> np.ndarray:
    """16 bits of which zero is white, as X-ray machines write them."""
    values = ramp(np.uint16, 65535)
    return plain(values, 255 - scaled(values), path, tiffinfo={262: 0})


def deep_with_a_hole(path: Path) -> np.ndarray:
    values = ramp(np.uint16, 65535)
    png16(path, values, clear=(int(values[3, 7]),))
    looks = scaled(values)
    looks[3, 7] = 255
    return looks


def deep_colours(path: Path) -> np.ndarray:
    values = quarters().astype(np.uint16) * 257
    png16(path, values)
    return quarters()


def veiled(colours: np.ndarray, path: Path) -> np.ndarray:
    """Ever more opaque from left to right."""
    opacity = ramp(np.uint8, 255)
    share = opacity[..., None] / 255
    rgb = colours if colours.ndim == 3 else grey(colours)
    looks = (rgb * share + 255 * (1 - share)).round().astype(np.uint8)
    bands = [*np.atleast_3d(colours).transpose(2, 0, 1), opacity]
    merged = Image.merge(
        "LA" if len(bands) == 2 else "RGBA", [*map(Image.fromarray, map(np.ascontiguousarray, bands))]
    )
    return plain(merged, looks, path)


def lightness(path: Path) -> np.ndarray:
    """CIE L*a*b*, as photo editors save it."""
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(Image.fromarray(quarters()), *profiles, outputMode="LAB")
    return plain(lab, quarters(), path)


def animated(path: Path) -> np.ndarray:
    """The second frame is another picture: only the first is read."""
    second = mapped().transpose(Image.Transpose.ROTATE_180)
    return plain(mapped(), bleached(quarters()), path, save_all=True, append_images=[second], transparency=3)


def ink_and_paper(path: Path) -> np.ndarray:
    ink = ramp(np.uint8, 255) % 3 == 0
    return plain(Image.fromarray(ink), grey(ink.astype(np.uint8) * 255), path)


def large(kind: str, path: Path) -> np.ndarray:
    """4.7 megapixels: comes at half its sides."""
    height, width = 1808, 2608
    half = quarters(height // 2, width // 2)
    if kind == "deep":
        values = np.repeat(np.repeat(ramp(np.uint16, 65535, height // 2, width // 2), 2, 0), 2, 1)
        return plain(values, scaled(values[::2, ::2]), path)
    if kind == "inks":
        return plain(inks(height, width)[0], inks(height // 2, width // 2)[1], path, **FINE)
    if kind == "palette":
        return plain(mapped(height, width), bleached(half), path, transparency=3)
    if kind == "turned":
        turned(path, 6, quarters(height, width))
        return half
    return plain(quarters(height, width), half, path)


# file name -> writes it and says what it shows, as height x width x 3
READ: dict[str, Callable[[Path], np.ndarray]] = {
    "grey.png": lambda path: plain(ramp(np.uint8, 255), grey(ramp(np.uint8, 255)), path),
    "grey.jpg": lambda path: plain(ramp(np.uint8, 255), grey(ramp(np.uint8, 255)), path, **FINE),
    "deep.png": deep,
    "deep.tif": deep,
    "deep.pgm": deep,
    "deep-hole.png": deep_with_a_hole,
    "deep-colours.png": deep_colours,
    "negative.tif": negative,
    "inks.jpg": lambda path: plain(*inks(), path, **FINE),
    "inks.tif": lambda path: plain(*inks(), path),
    **{f"turned-{tag}.jpg": partial(turn, tag) for tag in range(2, 9)},
    "turned-6.png": partial(turn, 6),
    "turned-8.tif": partial(turn, 8),
    "palette.png": lambda path: plain(mapped(), quarters(), path),
    "palette-clear.png": lambda path: plain(mapped(), bleached(quarters()), path, transparency=3),
    "colour-clear.png": lambda path: plain(quarters(), bleached(quarters()), path, transparency=YELLOW),
    "veiled.png": partial(veiled, quarters()),
    "veiled-grey.png": partial(veiled, ramp(np.uint8, 255).T.reshape(16, 32)),
    "lab.tif": lightness,
    "animated.gif": animated,
    "bits.png": ink_and_paper,
    "bits.tif": ink_and_paper,
    "progressive.jpg": lambda path: plain(quarters(), quarters(), path, **FINE, progressive=True),
    "pixel.png": lambda path: plain(np.full((1, 1, 3), RED, np.uint8), np.full((1, 1, 3), RED), path),
    "pixel.jpg": lambda path: plain(np.full((1, 1, 3), BLUE, np.uint8), np.full((1, 1, 3), BLUE), path),
    "thread.png": lambda path: plain(ramp(np.uint8, 255, 1, 300), grey(ramp(np.uint8, 255, 1, 300)), path),
    "large.jpg": partial(large, "plain"),
    "large.png": partial(large, "plain"),
    "large-deep.png": partial(large, "deep"),
    "large-inks.jpg": partial(large, "inks"),
    "large-inks.tif": partial(large, "inks"),
    "large-palette.png": partial(large, "palette"),
    "large-turned.jpg": partial(large, "turned"),
}


def cut(share: float, path: Path, **options) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, **options)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def saved_as(picture: Image.Image, path: Path) -> None:
    picture.save(path)


# file name -> writes it; and what the reason says
ASIDE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut-progressive.jpg": (partial(cut, 0.5, progressive=True), "truncated"),
    "cut-late.jpg": (partial(cut, 0.98), "truncated"),
    "cut.png": (partial(cut, 0.5), "truncated"),
    "text.jpg": (lambda path: path.write_text("this is no picture"), "of no image format"),
    "empty.png": (lambda path: path.touch(), "of no image format"),
    "bomb.png": (lambda path: promised(path, 30_000, 30_000), "more than the 89 megapixels"),
    "huge.png": (lambda path: promised(path, 10_000, 9_000), "90 megapixels; at most 89"),
    "thin.png": (lambda path: promised(path, 100_000_000, 1), "100 megapixels"),
    "fractions.tif": (partial(saved_as, Image.fromarray(ramp(np.float32, 1))), "grey scale is not known"),
    "32-bit.tif": (partial(saved_as, Image.fromarray(ramp(np.int32, 2**30))), "grey scale is not known"),
}


def agree(found: np.ndarray, wanted: np.ndarray, path: Path) -> None:
    assert found.shape == wanted.shape
    off = np.abs(found.astype(int) - wanted)
    if path.suffix == ".jpg":  # lossy: a few levels, more along an edge
        assert np.median(off) <= 3 and np.percentile(off, 95) <= 16, off.max()
    else:
        assert off.max() <= (2 if path.name == "lab.tif" else 1), off.max()  # Lab is rounded twice


def tagged(path: Path, pages: int = 1, **tags: int | bytes | tuple[int, ...]) -> np.ndarray:
    """A TIFF whose first page has these tags, and after it pages of another picture."""
    known = {"smaller": (254, 4), "inside": (330, 4), "dng": (50706, 1)}
    given = TiffImagePlugin.ImageFileDirectory_v2()
    for name, value in tags.items():
        given[known[name][0]], given.tagtype[known[name][0]] = value, known[name][1]
    others = [Image.fromarray(quarters()[::-1])] * (pages - 1)
    Image.fromarray(quarters()).save(path, "TIFF", tiffinfo=given, save_all=True, append_images=others)
    return quarters()


@pytest.mark.parametrize(
    "tags", [{"dng": bytes((1, 4, 0, 0))}, {"smaller": 1, "inside": (8, 8)}, {"smaller": 1}]
)
def test_a_cameras_raw_file_is_not_learnt_from_by_its_thumbnail(tmp_path, tags):
    for name in ("a.dng", "b.tif"):  # whatever it is called
        tagged(tmp_path / name, 3, **tags)
        with pytest.raises(
            reading.Unreadable, match=r"a camera's raw file, of which only the thumbnail.*JPEG\)"
        ):
            reading.read_picture(tmp_path / name)


@pytest.mark.parametrize(
    ("pages", "tags"),
    [(3, {}), (3, {"smaller": 2}), (1, {"smaller": 1}), (3, {"inside": (8, 8)})],
)
def test_pages_and_pyramids_are_read_by_their_first_page(tmp_path, pages, tags):
    """254 is 1 for a reduced copy, 2 for a page of several; 330 says where a pyramid's smaller copies are."""
    looks = tagged(tmp_path / "a.tif", pages, **tags)
    agree(np.asarray(reading.read_picture(tmp_path / "a.tif")), looks, tmp_path / "a.tif")


def test_remarks_on_a_picture_name_no_file_and_are_not_shown(tmp_path):
    """In a process of its own: pytest shows warnings whatever a program does with them."""
    picture, exif = Image.fromarray(np.ascontiguousarray(np.rot90(quarters(), 1))), Image.Exif()
    exif[0x010E], exif[0x0112], exif[0x9286] = "what is seen" * 9, 6, b"x" * 200
    picture.save(tmp_path / "cut.jpg", exif=exif.tobytes()[:-150], **FINE)
    promised(tmp_path / "huge.png", 10_000, 9_000)
    code = (
        "import sys; from pathlib import Path; from tlkit.tasks.reading import read_picture, Unreadable\n"
        "read_picture(Path('cut.jpg')).save('upright.png')\n"
        "try: read_picture(Path('huge.png'))\n"
        "except Unreadable as error: print(error.reason)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr == "" and done.stdout == "90 megapixels; at most 89 are read\n"
    agree(np.asarray(Image.open(tmp_path / "upright.png")), quarters(), tmp_path / "cut.jpg")


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> tuple[Path, dict[str, np.ndarray]]:
    """A folder with a class of plain pictures and a class of odd ones, and what each of those shows."""
    root = tmp_path_factory.mktemp("odd pictures")
    for name in ("plain", "odd"):
        (root / name).mkdir()
    noise = np.random.default_rng(0).integers(0, 60, (8, 16, 32, 3), dtype=np.uint8)
    for i, dark in enumerate(noise):
        Image.fromarray(dark).save(root / "plain" / f"{i}.png")
    for name, (write, _) in ASIDE.items():
        write(root / "odd" / name)
    return root, {name: write(root / "odd" / name) for name, write in READ.items()}


@pytest.fixture(scope="module")
def task(shown, tmp_path_factory) -> Task:
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # Pillow's remark on the huge ones
        patch.setenv("TLKIT_COMPUTED", str(tmp_path_factory.mktemp("computed")))
        return from_folder(shown[0])


@pytest.fixture(scope="module")
def read(task) -> dict[str, np.ndarray]:
    """The odd pictures as the task gives them to a network."""
    sides = [(Path(n), side, i) for side in (task.train, task.test) for i, n in enumerate(side.names)]
    odd = [(path.name, side.inputs[i]) for path, side, i in sides if path.parent.name == "odd"]
    assert all(picture.mode == "RGB" for _, picture in odd)
    return {name: np.asarray(picture) for name, picture in odd}


@pytest.mark.parametrize("name", READ)
def test_an_odd_picture_is_read_as_it_looks(name, shown, read):
    agree(read[name], shown[1][name], Path(name))


def test_sixteen_bits_keep_their_range(read):
    for name in ("deep.png", "deep.tif", "deep.pgm", "negative.tif"):
        assert len(np.unique(read[name])) >= 200 and read[name].min() == 0 and read[name].max() == 255


def test_what_is_not_read_is_set_aside_with_a_reason(task):
    reasons = {Path(file).name: reason for file, reason in task.set_aside.items()}
    assert reasons.keys() == ASIDE.keys()
    assert {n: r for n, r in reasons.items() if ASIDE[n][1] not in r} == {}
    assert max(map(len, reasons.values())) < 120, "a few words"


def test_a_class_or_folder_that_does_not_open_says_why(tmp_path):
    (tmp_path / "a").mkdir()
    promised(tmp_path / "a" / "x.png", 10_000, 8_950)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with pytest.raises(UserError, match=r"the first is .*x\.png \(90 megapixels; at most 89 are read\)"):
            from_folder(tmp_path)
        (tmp_path / "b").mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / "b" / "y.png")
        with pytest.raises(UserError, match=r"class folder 'a'.*\(the first: 90 megapixels"):
            from_folder(tmp_path)


def test_large_pictures_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    inside, most, shrunk = [], [], reading._shrunk

    def slowly(picture, factor):
        inside.append(1)
        time.sleep(0.1)
        most.append(len(inside))
        inside.pop()
        return shrunk(picture, factor)

    monkeypatch.setenv("TLKIT_COMPUTED", str(tmp_path / "computed"))
    monkeypatch.setattr(reading, "_shrunk", slowly)
    (tmp_path / "a").mkdir()
    for level in (0, 1):
        Image.new("1", (4200, 4000), level).save(tmp_path / "a" / f"{level}.png")
    found, aside = images.scan(folders.class_files(tmp_path))
    assert len(found) == 2 and aside == {} and most == [1, 1]


@pytest.fixture(scope="module")
def model(task, tmp_path_factory) -> Path:
    """A network that tells plain from odd, as `tlkit compare` would keep it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKIT_COMPUTED", str(tmp_path_factory.mktemp("computed")))
        source = backbones.load("timm:resnet10t,size=32,pretrained=false")
        done = fit(task, source, Plan.parse("frozen"), 4, 0, Recipe(), test=False)
    about = {"plan": "frozen", "task": task.name}
    return saved_model.save(
        tmp_path_factory.mktemp("kept") / "m.model", done.model, source.blueprint, task.classes, about
    )


def test_predict_reads_as_the_task_does(shown, model, tmp_path):
    """The answer on an odd file is the answer on a plain file that looks the same."""
    root, looks = shown
    names = [name for name in READ if not name.endswith(".jpg")]
    for name in names:
        Image.fromarray(looks[name].astype(np.uint8)).save(tmp_path / f"{name}.png")
    kept = saved_model.load(model)
    odd = list(kept.predict(root / "odd" / name for name in names))
    same = list(kept.predict(tmp_path / f"{name}.png" for name in names))
    assert [g.label for g in odd] == [g.label for g in same] and {g.error for g in odd} == {None}
    assert [g.probability for g in odd] == pytest.approx([g.probability for g in same], abs=0.02)


def test_predict_names_what_it_does_not_read(shown, model, monkeypatch, capsys):
    files = [str(shown[0] / "odd" / name) for name in (*ASIDE, "pixel.png", "inks.jpg")]
    monkeypatch.setattr(sys, "argv", ["tlkit", "predict", str(model), *files, "nowhere.png"])
    with warnings.catch_warnings(), pytest.raises(SystemExit) as end:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        app()
    said = " ".join(capsys.readouterr().out.split())
    assert end.value.code == 2
    for name, (_, reason) in ASIDE.items():
        assert re.search(rf"{name} does not open as an image \([^)]*{reason}", said), name
    assert "there is no file nowhere.png: check its name." in said
