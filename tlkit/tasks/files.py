"""Picture files: opened upright, told apart by content, and looked at once."""

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tlkit import cache
from tlkit.errors import UserError

# rasters only: Pillow hands PostScript to an interpreter, whatever the file is called
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "TGA", "AVIF")
# what Pillow's readers raise for damaged files (RuntimeError: AVIF)
_READ_ERRORS = (
    OSError, SyntaxError, ValueError, RuntimeError, EOFError, struct.error, Image.DecompressionBombError,
)  # fmt: skip
_SCAN = 1  # raise it when a digest comes to mean something else


class Pictures(Sequence):
    """Files read when asked for, upright, as PIL images."""

    def __init__(self, paths: Sequence[Path]):
        self.paths = list(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> Image.Image:
        return read_picture(self.paths[i])


def read_picture(path: Path) -> Image.Image:
    """One picture in 8-bit RGB, upright by its EXIF tag. Raises UserError for a file that does not open."""
    try:
        Image.init()
        with Image.open(path, formats=[f for f in _FORMATS if f in Image.OPEN]) as picture:
            return _eight_bits(ImageOps.exif_transpose(picture)).convert("RGB")
    except _READ_ERRORS as error:
        raise UserError(
            f"{path} does not open as a picture ({type(error).__name__}): remove it or save it again."
        ) from error


def _eight_bits(picture: Image.Image) -> Image.Image:
    """16-bit greys to 8 bits, the full range kept; Pillow itself would cut off whatever is above 255."""
    if picture.mode == "F":
        raise ValueError("the grey scale of a picture of fractions is not known")
    if not picture.mode.startswith("I"):
        return picture
    return Image.fromarray((np.asarray(picture).clip(0, 65535) / 257).round().astype(np.uint8))


@dataclass(frozen=True)
class Found:
    """A picture that opens: where, of which class, and a hash of its decoded content."""

    path: Path
    label: str
    digest: str


def class_files(root: Path) -> list[tuple[Path, str]]:
    """(file, class) of every file in `root/CLASS/`, hidden ones left out, in the same order everywhere."""
    folders = [p for p in _by_name(root) if p.is_dir()]
    return [(f, d.name) for d in folders for f in _by_name(d) if f.is_file()]


def _by_name(folder: Path) -> list[Path]:
    return sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda p: p.name)


def scan(files: Sequence[tuple[Path, str]]) -> tuple[list[Found], list[str]]:
    """Decode every file: those that open, and the names of those set aside.

    What was seen is noted in `cache.computed()`; a file of the same size and time is not decoded again.
    """
    note = _Note(path for path, _ in files)

    def look(file: tuple[Path, str]) -> Found | str:
        digest = note.digest(file[0])
        return Found(*file, digest) if digest else str(file[0])

    with ThreadPoolExecutor(2) as pool:
        looked = list(pool.map(look, files))
    note.keep()
    return [f for f in looked if isinstance(f, Found)], [f for f in looked if isinstance(f, str)]


class _Note:
    """File -> [size, time of change in ns, digest], kept between runs; only of files that open."""

    def __init__(self, paths: Iterable[Path]):
        folders = sorted({os.path.abspath(path.parent) for path in paths})
        key = hashlib.sha256(os.fsencode("\n".join([str(_SCAN), *folders]))).hexdigest()[:16]
        self.file = cache.computed() / "pictures" / f"{key}.json"
        try:
            self.known = json.loads(self.file.read_text())
        except (OSError, ValueError):
            self.known = {}  # none yet, or damaged: every file is decoded
        self.fresh: dict[str, list] = {}

    def digest(self, path: Path) -> str | None:
        status, name = path.stat(), os.path.abspath(path)
        seen = self.known.get(name, [])
        if seen[:2] != [status.st_size, status.st_mtime_ns]:
            try:
                picture = read_picture(path)
            except UserError:
                return None
            content = f"{picture.size}".encode() + picture.tobytes()
            seen = [status.st_size, status.st_mtime_ns, hashlib.sha256(content).hexdigest()[:16]]
        self.fresh[name] = seen
        return seen[2]

    def keep(self) -> None:
        if self.fresh == self.known:
            return
        part = self.file.with_suffix(f".{os.getpid()}")
        with suppress(OSError):  # a read-only or full folder keeps no note: the files are decoded again
            self.file.parent.mkdir(exist_ok=True)
            try:
                part.write_text(json.dumps(self.fresh))
                os.replace(part, self.file)
            finally:
                part.unlink(missing_ok=True)
