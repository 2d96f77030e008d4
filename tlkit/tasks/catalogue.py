"""Tasks by name."""

import hashlib
import os
from functools import lru_cache

from tlkit.errors import unknown
from tlkit.simulate import DIALS, SIBLINGS
from tlkit.tasks import Task, characters, images


def names() -> list[str]:
    """Every task that can be asked for by name."""
    dials = [f"dial:{kind}:{similarity}" for kind in DIALS for similarity in characters.MARKED]
    glyphs = [f"glyphs:{alphabet}" for alphabet in SIBLINGS]
    return sorted([*characters.NAMED, *images.NAMED, *glyphs, *dials])


def load(name: str) -> Task:
    """The task of that name, or of `folder:PATH` or `folder:PATH|GROUPS.csv`; kept until its files change.

    `dial:KIND:S` takes any similarity S from 0 to 1.
    Raises UserError, for an unknown name with the nearest match.
    """
    if not name.startswith("folder:"):
        return _named(characters.canonical(name))
    folder, _, groups = name.removeprefix("folder:").partition("|")
    return _folder(folder, groups or None, _stamp(folder), _stamp(groups))


@lru_cache(maxsize=4)
def _named(name: str) -> Task:
    task = characters.load(name) or images.load(name)
    if task is None:
        raise unknown("task", name, names())
    return task


@lru_cache(maxsize=2)
def _folder(folder: str, groups: str | None, *_stamps: str) -> Task:
    return images.from_folder(folder, groups=groups)


def _stamp(path: str | None) -> str:
    """Changes when a file below `path` comes, goes or is written."""
    if path is None:
        return ""
    below = [os.path.join(folder, file) for folder, _, files in os.walk(path) for file in files]
    status = {file: os.stat(file) for file in [path, *below] if os.path.isfile(file)}
    seen = sorted((file, s.st_size, s.st_mtime_ns) for file, s in status.items())
    return hashlib.sha256(os.fsencode(repr(seen))).hexdigest()
