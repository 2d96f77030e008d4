"""Archives that cannot write outside their folder: every entry is looked at before one is unpacked."""

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from tlkit.errors import UserError, unknown

Files = dict[str, Callable[[], IO[bytes]]]


@contextmanager
def opened(path: Path, kind: str) -> Iterator[Files]:
    """The files of a 'zip' or 'tar' (any compression): name -> function that opens it for reading.

    Raises UserError if any entry is a link or a device, or is named out of the folder ('../', absolute):
    then nothing of the archive is used. Also for a file that is not such an archive.
    """
    kinds = {"zip": _zip, "tar": _tar}
    if kind not in kinds:
        raise unknown("archive format", kind, kinds)
    try:
        with kinds[kind](path) as files:
            yield files
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise UserError(
            f"{path} is not a whole {kind} archive ({error}): delete it and fetch it again"
        ) from error


@contextmanager
def _zip(path: Path) -> Iterator[Files]:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        for entry in entries:
            mode = stat.S_IFMT(entry.external_attr >> 16)
            _refuse(path, entry.filename, mode in (0, stat.S_IFREG, stat.S_IFDIR))
        yield {entry.filename: partial(archive.open, entry) for entry in entries if not entry.is_dir()}


@contextmanager
def _tar(path: Path) -> Iterator[Files]:
    with tarfile.open(path) as archive:
        entries = archive.getmembers()
        for entry in entries:
            _refuse(path, entry.name, entry.isfile() or entry.isdir())
        yield {entry.name: partial(archive.extractfile, entry) for entry in entries if entry.isfile()}


def _refuse(path: Path, name: str, plain: bool) -> None:
    if leaves(name) or not plain:
        fault = "outside its folder" if leaves(name) else "which is a link or a device"
        raise UserError(f"{path} holds {name!r}, {fault}: nothing was unpacked, do not use this archive")


def leaves(name: str) -> bool:
    """Whether a relative file name, on any system, points out of the folder it is meant for."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or bool(PureWindowsPath(name).drive)
