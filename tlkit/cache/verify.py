"""Verifying: a file is the published one when its sha256 is the registered one."""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tlkit.cache.folders import STAMP, require_writable
from tlkit.cache.registry import Row, root, rows
from tlkit.errors import UserError


@dataclass(frozen=True)
class Report:
    """What a full check found: the names of files that are absent, and of files with other content."""

    files: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Every file is here and is the published one."""
        return not self.missing and not self.changed


def check(name: str) -> Report:
    """Hash every file of a set anew. Raises UserError for an unknown set."""
    files = rows(name)
    _, missing, changed = examine(files, root() / name, {})
    return Report(len(files), tuple(r.file for r in missing), tuple(r.file for r, _ in changed))


def examine(
    files: Sequence[Row], folder: Path, known: dict[str, list]
) -> tuple[dict[str, list], list[Row], list[tuple[Row, str]]]:
    """Signatures of good files, files not there, files with other content and their sha256."""
    good, missing, changed = {}, [], []
    for row in files:
        path = folder / row.file
        if not path.is_file():
            missing.append(row)
            continue
        status = path.stat()
        signature = [row.sha256, status.st_size, status.st_mtime_ns]
        if known.get(row.file) == signature or (found := sha256_of(path)) == row.sha256:
            good[row.file] = signature
        else:
            changed.append((row, found))
    return good, missing, changed


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex. Raises UserError if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}): check the disk and TLKIT_CACHE"
        ) from error


def stamped(folder: Path) -> dict[str, list]:
    """What the note in the folder says was verified: file -> [sha256, bytes, time of change in ns]."""
    try:
        known = json.loads((folder / STAMP).read_text())
    except (OSError, ValueError):
        return {}  # no note, or a damaged one: everything is hashed
    return known if isinstance(known, dict) else {}


def stamp(folder: Path, good: dict[str, list]) -> None:
    """Keep a note of what was verified, so that it need not be hashed again while size and time stay."""
    if good != stamped(folder):
        note = folder / f"{STAMP}.{os.getpid()}"
        with suppress(OSError):  # a read-only or full cache keeps no note: it is hashed again next time
            require_writable(folder)
            try:
                note.write_text(json.dumps(good))
                os.replace(note, folder / STAMP)
            finally:
                note.unlink(missing_ok=True)


def difference(expected: str, found: str) -> str:
    """Two checksums, short, for a sentence."""
    return f"(sha256 expected {expected[:8]}, got {found[:8]})"
