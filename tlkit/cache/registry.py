"""The registry: what can be fetched, under which licence, and whether it is here."""

import csv
import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tlkit.cache.archive import leaves
from tlkit.env import cache_dir, data_dir
from tlkit.errors import UserError, unknown


@dataclass(frozen=True)
class Row:
    """One file of a set: its name inside the set, sha256, size in bytes, and address ("" if it has none)."""

    file: str
    sha256: str
    bytes: int
    url: str


@dataclass(frozen=True)
class SetInfo:
    """A set of the registry: what it is, how to split it honestly, what is wrong with it, is it here.

    `state` is 'ready', 'partly' or 'absent', by file sizes. `archive`: url, sha256, bytes, format, prefix.
    """

    name: str
    title: str
    licence: str
    redistributable: bool
    source: str
    layout: str
    split: str
    overlap: str
    faults: tuple[str, ...]
    mirrors: tuple[str, ...]
    bytes: int
    files: int
    state: str
    archive: dict | None = field(default=None, hash=False)

    def addresses(self, row: Row) -> list[str]:
        """Where a file may be fetched, in the order to try."""
        mirrors = [f"{base.rstrip('/')}/{quote(row.file)}" for base in self.mirrors]
        return [row.url, *mirrors] if row.url else mirrors


def root() -> Path:
    """The folder of fetched sets: TLKIT_CACHE, or the user's own cache. It may not exist."""
    return Path(os.path.abspath(cache_dir()))


def registry_dir() -> Path:
    """The folder of `sets.toml` and a `NAME.csv` per set, in a checkout or an installed package."""
    return data_dir() / "registry"


def _sets() -> dict[str, dict]:
    page = registry_dir() / "sets.toml"
    try:
        return tomllib.loads(page.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{page} is missing: install tlkit again") from error


def rows(name: str) -> list[Row]:
    """The files of a set. Raises UserError for an unknown set or a file name that leaves its folder."""
    if name not in _sets():
        raise unknown("set", name, _sets())
    page = registry_dir() / f"{name}.csv"
    with open(page, newline="", encoding="utf-8") as file:
        found = [Row(r["file"], r["sha256"], int(r["bytes"]), r["url"]) for r in csv.DictReader(file)]
    for row in found:
        if leaves(row.file):
            raise UserError(f"{page} names {row.file!r}, outside the folder of the set: mend that line")
    return found


def describe(name: str) -> SetInfo:
    """What the registry says about a set, and whether it is here. Raises UserError for an unknown name."""
    files = rows(name)
    entry = _sets()[name]
    sizes = {"mirrors": tuple(entry.pop("mirrors")), "faults": tuple(entry.pop("faults"))}
    total = sum(row.bytes for row in files)
    return SetInfo(name=name, **entry, **sizes, bytes=total, files=len(files), state=_state(name, files))


def _state(name: str, files: list[Row]) -> str:
    here = sum(_size(root() / name / row.file) == row.bytes for row in files)
    return "ready" if here == len(files) else "partly" if here else "absent"


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def listing() -> list[SetInfo]:
    """Every set of the registry, by name."""
    return [describe(name) for name in sorted(_sets())]
