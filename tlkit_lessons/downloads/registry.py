"""The registry: what can be fetched, under which licence, where it lies, and whether it is the published."""

import csv
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import platformdirs

from tlkit import env, files
from tlkit.errors import UserError, unknown
from tlkit.files import sha256_of

NOTE = ".verified.json"  # the sha256 of what was hashed (`files.Hashes`)


@dataclass(frozen=True)
class Row:
    """One file of a set: its name inside the set, sha256, size in bytes, and address ("" if it has none)."""

    file: str
    sha256: str
    bytes: int
    url: str


@dataclass(frozen=True)
class Wheel:
    """A wheel of the package index: `requirement` is name==version, `prefix` stands before names inside."""

    requirement: str
    sha256: str
    bytes: int
    prefix: str


@dataclass(frozen=True)
class SetInfo:
    """A set of the registry: what it is, how to split it honestly, what is wrong with it, is it here.

    `state` is 'ready', 'partly' or 'absent', by file sizes. `wheel`: what its files are taken from, if one.
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
    bytes: int
    files: int
    state: str
    wheel: Wheel | None = None


def registry_dir() -> Path:
    """The folder of `sets.toml` and a `NAME.csv` per set, in a checkout or an installed package."""
    return env.data_dir() / "registry"


def cache_dir() -> Path:
    """The folder of sets and weights on request: TLKIT_CACHE, or the user's own. It may not exist.

    On Colab and Kaggle the user's own lies with the results, so that it is found again where they are.
    """
    named = os.environ.get("TLKIT_CACHE")
    return Path(named).expanduser() if named else _own_cache()


def cache_dirs() -> tuple[Path, ...]:
    """Where sets and weights are looked for, in this order; what is in none of them is fetched into the last.

    `cache_dir()`, and behind it the user's own where TLKIT_CACHE names a folder that cannot be written.
    """
    first = Path(os.path.abspath(cache_dir()))
    return (first,) if files.writable(first) or first == _own_cache() else (first, _own_cache())


def _own_cache() -> Path:
    if env.host():
        return env.results_dir() / "cache"
    return platformdirs.user_cache_path("tlkit", appauthor=False)


def folder(name: str) -> Path:
    """Where a set lies: in the first of `cache_dirs()` that holds it, or in the last."""
    places = [place / name for place in cache_dirs()]
    return next((place for place in places if place.is_dir()), places[-1])


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
        path = PureWindowsPath(row.file)  # which knows both slashes, and drives
        if path.anchor or ".." in path.parts:
            raise UserError(f"{page} names {row.file!r}, outside the folder of the set: mend that line")
    return found


def describe(name: str) -> SetInfo:
    """What the registry says about a set, and whether it is here. Raises UserError for an unknown name."""
    listed, place = rows(name), folder(name)
    entry = _sets()[name]
    wheel = Wheel(**entry.pop("wheel")) if "wheel" in entry else None
    entry["faults"] = tuple(entry["faults"])
    here = [(file := place / row.file).is_file() and file.stat().st_size == row.bytes for row in listed]
    state = "ready" if all(here) else "partly" if any(here) else "absent"
    total = sum(row.bytes for row in listed)
    return SetInfo(name, **entry, bytes=total, files=len(listed), state=state, wheel=wheel)


def card(name: str) -> dict[str, str]:
    """What the card of a backbone says of the set that its weights are from."""
    info = describe(name)
    return {"title": info.title, "licence": info.licence, "source": info.source}


def listing() -> list[SetInfo]:
    """Every set of the registry, by name."""
    return [describe(name) for name in sorted(_sets())]


def examine(
    listed: Sequence[Row], place: Path, anew: bool = False
) -> tuple[list[Row], list[tuple[Row, str]]]:
    """The files that are not there, and those with other content, with their sha256.

    What they hold is noted in the folder, where it can be written, and hashed again when size or time
    changed, or `anew`.
    """
    # a set may be read where its note was written by another machine: size and time alone
    hashes = files.Hashes(place / NOTE, lambda status: files.stamp(status)[:2])
    missing, changed = [], []
    for row in listed:
        path = place / row.file
        if not path.is_file():
            missing.append(row)
        elif (found := hashes.of(path, row.file, sha256_of, anew)) != row.sha256:
            changed.append((row, found))
    hashes.keep()
    return missing, changed


def unfetched(info: SetInfo, what: str, why: str) -> UserError:
    """The error for a file or a wheel that did not come."""
    return UserError(
        f"{info.name}: {what} could not be fetched ({why}): run `tlkit data get {info.name}` when online, "
        f"or set TLKIT_CACHE to a folder that holds {info.name}"
    )


def difference(expected: str, found: str) -> str:
    """Two checksums, short, for a sentence."""
    return f"(sha256 expected {expected[:8]}, got {found[:8]})"
