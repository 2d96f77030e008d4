"""Files written whole or not at all, with the same bytes on every system; and where a file is."""

import errno
import hashlib
import json
import os
import shutil
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from tlkit.errors import UserError

PATIENCE = (0.05, 0.1, 0.2, 0.4)  # seconds between tries, where another process has the file open (Windows)


def write_whole(path: Path | str, content: str | bytes) -> Path:
    """Write a file: a reader, a kill and a full disk meet the old content or the new. Returns the path.

    Text becomes UTF-8 with its line ends as they are; bytes of a name that are none of it are escaped.
    Raises UserError where it cannot be written.
    """
    path = Path(path)
    try:
        with draft(path) as part:
            part.write_bytes(
                content.encode(errors="backslashreplace") if isinstance(content, str) else content
            )
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def unwritable(path: Path, error: OSError) -> UserError:
    """For a file that cannot be written."""
    why = error.strerror or error
    return UserError(
        f"{path} cannot be written ({why}): free space or permissions there, or choose another file."
    )


@contextmanager
def locked(path: Path, suffix: str, seconds: float, held: str) -> Iterator[None]:
    """Hold the lock beside a file; the system lets go of it when the process ends, however it ends.

    Raises UserError, which says `held`, if another process keeps it that long, or the folder is not writable.
    """
    lock = FileLock(f"{path}{suffix}", timeout=seconds)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise UserError(held) from error
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A name beside `path` for a file or a folder, which takes its place once the block has ended well.

    After an error nothing stays of it, and `path` is as it was. Raises OSError where that cannot be done.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        yield part
        move(part, path)
    finally:
        _remove(part)


def move(source: Path, target: Path) -> None:
    """Put a file or a folder in the place of another on the same disk, once it is safely on that disk.

    Of a folder the old one goes whole, or stays where somebody is in it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for file in [path for path in (source, *source.rglob("*")) if path.is_file()]:
        with open(file, "r+b") as written:
            os.fsync(written.fileno())
    if not target.is_dir():
        return replace(source, target)
    before = target.with_name(f".{target.name}.{uuid4().hex[:8]}")
    replace(target, before)
    replace(source, target)
    _remove(before)


def replace(source: Path, target: Path) -> None:
    """`os.replace`, tried again for a moment: Windows refuses it while somebody has the target open."""
    for seconds in PATIENCE:
        try:
            return os.replace(source, target)
        except PermissionError:
            time.sleep(seconds)
    os.replace(source, target)


def renamed(path: Path) -> Path:
    """Give a file or folder another name beside it, the first that is free; returns that."""
    free = next(p for n in count(1) if not (p := path.with_name(f"{path.name}.{n}")).exists())
    replace(path, free)
    return free


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def writable(folder: Path) -> bool:
    """Whether files can be put into a folder, or it can be made; not if marked read-only, even by root."""
    while not folder.exists():
        folder = folder.parent
    return bool(folder.stat().st_mode & 0o222) and os.access(folder, os.W_OK)


def require_writable(folder: Path) -> None:
    """Raise PermissionError for a folder that is not `writable`."""
    if not writable(folder):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def stamp(status: os.stat_result) -> list[int]:
    """By which a file is known again: of two that change places, of one size and time, each is another."""
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def stamps(path: str | Path) -> tuple:
    """Changes when a file at or below `path` comes, goes or is written; empty where there is none."""
    path = os.path.expanduser(path)
    below = [os.path.join(folder, file) for folder, _, files in os.walk(path) for file in files]
    status = {file: os.stat(file) for file in [path, *below] if os.path.isfile(file)}
    return tuple(sorted((file, *stamp(s)) for file, s in status.items()))


class Hashes:
    """Hashes of files by name, noted in a JSON file between runs: made anew where `known` says otherwise."""

    def __init__(self, note: Path, known_by: Callable[[os.stat_result], list[int]] = stamp):
        self.note, self.known_by = note, known_by
        self.fresh: dict[str, list] = {}  # name -> [hash, bytes, time of change in ns, ...]
        try:
            noted = json.loads(note.read_text("utf-8"))
            self.known = {name: seen for name, seen in noted.items() if isinstance(seen[0], str)}
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self.known = {}  # none yet, or damaged

    def of(self, path: Path, name: str, make: Callable[[Path], str], anew: bool = False) -> str:
        """The hash of a file, which `make` makes where it is not known, or `anew`."""
        state = self.known_by(path.stat())
        seen = self.known.get(name, [])
        if anew or seen[1:] != state:
            seen = [make(path), *state]
        self.fresh[name] = seen
        return seen[0]

    def knows(self, path: Path, name: str) -> bool:
        """Whether the hash of a file is noted, of it as it is now."""
        return path.exists() and self.known.get(name, [])[1:] == self.known_by(path.stat())

    def keep(self) -> None:
        """Note those that were asked for, where the folder can be written."""
        if self.fresh != self.known and writable(self.note.parent):
            with suppress(UserError):  # a full disk keeps no note: they are made anew next time
                write_whole(self.note, json.dumps(self.fresh))


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex. Raises UserError if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}): check the disk and TLKIT_CACHE"
        ) from error


def place(path: Path) -> Path:
    """Where a file is, by one name: macOS may write an accented letter as two characters, a table as one."""
    return Path(composed(str(path.resolve())))


def beside(path: Path, ending: str) -> Path:
    """What belongs to a file of records: run.jsonl has run.model, and run.1 has run.1.model."""
    return path.with_name(path.name.removesuffix(".jsonl") + ending)


def composed(name: str) -> str:
    """A name with each accented letter as one character (Unicode's form NFC)."""
    return unicodedata.normalize("NFC", name)
