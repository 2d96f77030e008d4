"""Fetching: what is missing comes file by file or as one archive, and is used only once verified."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from tlkit.cache.archive import opened
from tlkit.cache.folders import ARCHIVE, prune, require_writable
from tlkit.cache.registry import Row, SetInfo, describe, root, rows
from tlkit.cache.verify import difference, examine, sha256_of, stamp, stamped
from tlkit.errors import UserError

TIMEOUT = 30.0  # seconds without an answer
LOCK_SECONDS = 900.0  # another process may be fetching the same set


def get(name: str, progress: bool = True) -> Path:
    """The folder of a set with every file verified; what is missing is fetched.

    What was verified before is recognised by size and time, where the folder can keep a note of it. Raises
    UserError for an unknown set, a file without public address, no network, other content than registered
    (the file is moved aside as NAME.bad), and a folder that cannot be written.
    """
    info, files, folder = describe(name), rows(name), root() / name
    good, missing, changed = examine(files, folder, stamped(folder))
    if missing and not changed:
        _refuse_unaddressed(info, missing, folder)
        with _locked(folder):  # another process may have fetched them meanwhile
            good, missing, changed = examine(files, folder, good)
            if missing and not changed:
                _fetch(info, missing, folder, progress)
                good, missing, changed = examine(files, folder, good)
    if changed:
        raise _set_aside(name, changed, folder)
    stamp(folder, good)
    return folder


def _set_aside(name: str, changed: list[tuple[Row, str]], folder: Path) -> UserError:
    row, found = changed[0]
    more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
    wrong = f"{folder / row.file}{more} is not the published file {difference(row.sha256, found)}"
    try:
        for path in [folder / other.file for other, _ in changed]:
            require_writable(path.parent)
            os.replace(path, f"{path}.bad")
    except OSError as error:
        return UserError(
            f"{wrong} and cannot be moved aside ({error.strerror}): set TLKIT_CACHE to another folder"
        )
    return UserError(f"{wrong}; moved aside as .bad: run `tlkit data get {name}` to fetch it again")


def _refuse_unaddressed(info: SetInfo, missing: list[Row], folder: Path) -> None:
    without = [row.file for row in missing if not info.archive and not info.addresses(row)]
    if without:
        more = f" (and {len(without) - 1} more)" if len(without) > 1 else ""
        raise UserError(
            f"{info.name}: {without[0]}{more} has no public address: put it into {folder} by hand, "
            f"or set TLKIT_CACHE to a folder that holds {info.name}"
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time, and one sentence when the folder cannot be written."""
    lock = FileLock(f"{folder}.lock", timeout=LOCK_SECONDS)
    try:
        require_writable(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with lock:
            try:
                yield
            finally:
                prune(folder)
    except Timeout as error:
        raise UserError(f"{folder} is being filled by another process: wait for it or end it") from error
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror}): make room, or set TLKIT_CACHE to another folder"
        ) from error


def _fetch(info: SetInfo, missing: list[Row], folder: Path, progress: bool) -> None:
    from rich.console import Console
    from rich.progress import track

    if info.archive:
        return _fetch_archive(info, missing, folder)
    bar = track(missing, info.name, console=Console(stderr=True), transient=True, disable=not progress)
    for row in bar:
        _download(info, info.addresses(row), row.sha256, folder / row.file)


def _fetch_archive(info: SetInfo, missing: list[Row], folder: Path) -> None:
    """Only registered files are taken out of the archive, and each is verified like any other."""
    packed = folder / ARCHIVE
    _download(info, [info.archive["url"]], info.archive["sha256"], packed)
    try:
        with opened(packed, info.archive["format"]) as files:
            for row in missing:
                member = info.archive.get("prefix", "") + row.file
                if member not in files:
                    raise UserError(
                        f"{info.name}: the archive holds no {member}, so its registry entry is wrong"
                    )
                _unpack(files[member], row, folder / row.file)
    finally:
        packed.unlink()


def _unpack(member: Callable[[], IO[bytes]], row: Row, target: Path) -> None:
    with _part(target) as part:
        with member() as source, open(part, "wb") as file:
            shutil.copyfileobj(source, file)
        if wrong := _keep(part, row.sha256, target):
            raise UserError(
                f"{target} in the archive is not the published file {wrong}; kept as .bad, not used"
            )


def _download(info: SetInfo, addresses: list[str], sha256: str, target: Path) -> None:
    from pooch import HTTPDownloader
    from requests import HTTPError, RequestException

    troubles = []
    with _part(target) as part:
        for address in addresses:
            host = urlsplit(address).netloc
            try:
                HTTPDownloader(chunk_size=2**16, timeout=TIMEOUT)(address, str(part), None)
            except HTTPError as error:
                troubles.append(f"{host} answers {error.response.status_code}")
            except RequestException:
                troubles.append(f"{host} cannot be reached")
            else:
                wrong = _keep(part, sha256, target)
                if wrong is None:
                    return
                troubles.append(f"{host} gives another file {wrong}, kept as .bad and not used")
    raise UserError(
        f"{info.name}: {target} could not be fetched ({'; '.join(troubles)}): "
        f"run `tlkit data get {info.name}` when online, or set TLKIT_CACHE to a folder that holds {info.name}"
    )


@contextmanager
def _part(target: Path) -> Iterator[Path]:
    """Where `target` grows until it is verified; nothing stays of it after an error."""
    part = Path(f"{target}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _keep(part: Path, sha256: str, target: Path) -> str | None:
    """Move a verified file into place; another one becomes NAME.bad, and the difference is returned."""
    found = sha256_of(part)
    if found == sha256:
        with open(part, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(part, target)
        return None
    os.replace(part, f"{target}.bad")
    return difference(sha256, found)
