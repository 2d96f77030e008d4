"""Folders of picture files: told apart by content, looked at once, and read when asked for."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tlkit import downloads
from tlkit.errors import UserError
from tlkit.files import composed, place, write_whole
from tlkit.tasks.reading import Unreadable, read_picture

_SCAN = 2  # raise it when a digest comes to mean something else


class Pictures(Sequence):
    """Files read when asked for, upright, as PIL images."""

    def __init__(self, paths: Sequence[Path]):
        self.paths = list(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> Image.Image:
        return read_picture(self.paths[i])


@dataclass(frozen=True)
class Found:
    """A picture that opens: where, of which class, and a hash of its decoded content."""

    path: Path
    label: str
    digest: str

    @property
    def place(self) -> Path:
        """Where it is, as a table of files would name it too."""
        return place(self.path)


def class_files(root: Path) -> list[tuple[Path, str]]:
    """(file, class) of every file in `root/CLASS/`, hidden ones left out, in the same order everywhere."""
    folders = [p for p in _by_name(root) if p.is_dir()]
    return [(f, composed(d.name)) for d in folders for f in _by_name(d) if f.is_file()]


def _by_name(folder: Path) -> list[Path]:
    return sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda p: composed(p.name))


def scan(files: Sequence[tuple[Path, str]]) -> tuple[list[Found], dict[str, str]]:
    """Decode every file, one after another: those that open, and of the others name -> reason.

    What was seen is noted in `downloads.computed()`; a file of the same size and time is not decoded again.
    """
    note = _Note(path for path, _ in files)

    def look(file: tuple[Path, str]) -> Found | tuple[str, str]:
        try:
            return Found(*file, note.digest(file[0]))
        except Unreadable as error:  # its words alone: its traceback holds what was decoded of the file
            return str(file[0]), error.reason

    with ThreadPoolExecutor(2) as pool:
        looked = list(pool.map(look, files))
    note.keep()
    return [f for f in looked if isinstance(f, Found)], dict(f for f in looked if not isinstance(f, Found))


class _Note:
    """File -> [size, time of change in ns, digest], kept between runs; only of files that open."""

    def __init__(self, paths: Iterable[Path]):
        folders = sorted({os.path.abspath(path.parent) for path in paths})
        key = hashlib.sha256(os.fsencode("\n".join([str(_SCAN), *folders]))).hexdigest()[:16]
        self.file = downloads.computed() / "pictures" / f"{key}.json"
        try:
            self.known = json.loads(self.file.read_text("utf-8"))
        except (OSError, ValueError):
            self.known = {}  # none yet, or damaged: every file is decoded
        self.fresh: dict[str, list] = {}

    def digest(self, path: Path) -> str:
        """A hash of the picture as it is read. Raises Unreadable."""
        status, name = path.stat(), os.path.abspath(path)
        seen = self.known.get(name, [])
        if seen[:2] != [status.st_size, status.st_mtime_ns]:
            picture = read_picture(path)
            content = hashlib.sha256(f"{picture.size}".encode())
            content.update(picture.tobytes())
            seen = [status.st_size, status.st_mtime_ns, content.hexdigest()[:16]]
        self.fresh[name] = seen
        return seen[2]

    def keep(self) -> None:
        if self.fresh == self.known:
            return
        with suppress(UserError):  # a read-only or full folder keeps no note: the files are decoded again
            write_whole(self.file, json.dumps(self.fresh))
