"""How much room kept activations may take, and which of them go when it is used up."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from tlkit.errors import UserError

GB = 10**9
SHARE = 0.5  # of what is free, and of what is taken already, where no budget is named


def limit(folder: Path) -> int:
    """Bytes that all entries of `folder` together may take: TLKIT_BUDGET in GB, or half of what is free.

    Raises UserError for a TLKIT_BUDGET that is no number.
    """
    named = os.environ.get("TLKIT_BUDGET")
    if named is None:
        return int(SHARE * (shutil.disk_usage(folder.parent).free + sum(map(taken, entries(folder)))))
    try:
        size = float(named)
    except ValueError:
        size = -1.0
    if not 0 <= size < float("inf"):
        raise UserError(f"TLKIT_BUDGET={named!r}: give the gigabytes for kept activations, such as 20, or 0.")
    return int(size * GB)


def entries(folder: Path) -> list[Path]:
    """The entries there, the one that was opened longest ago first."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted((p for p in found if p.is_dir()), key=_opened)


def taken(entry: Path) -> int:
    """Bytes on the disk: the files are sparse, and longer than that."""
    total = 0
    with suppress(FileNotFoundError):  # another process is making room
        for path in entry.iterdir():
            stat = path.stat()
            total += getattr(stat, "st_blocks", stat.st_size / 512) * 512
    return int(total)


def opened(entry: Path) -> None:
    """Note that the entry is in use: those that are not go first."""
    with suppress(OSError):  # it may be read-only, and read all the same
        os.utime(entry)


def lock(entry: Path) -> FileLock:
    """Beside the entry, not in it: a lock that were removed with it could be held by two."""
    return FileLock(entry.with_name(f"{entry.name}.lock"))


def room(entry: Path, needed: int) -> int:
    """Bytes that `entry` may grow by now, at most `needed`; older entries that nobody fills make way."""
    folder = entry.parent
    free = limit(folder) - sum(map(taken, entries(folder)))
    for other in entries(folder):
        if free >= needed:
            break
        if other != entry:
            free += _removed(other)
    return max(0, min(free, needed))


def _opened(entry: Path) -> float:
    with suppress(FileNotFoundError):
        return entry.stat().st_mtime
    return 0.0


def _removed(entry: Path) -> int:
    size, held = taken(entry), lock(entry)
    try:
        with held.acquire(timeout=0):
            gone = entry.rename(entry.with_name(f"{entry.name}.gone"))
            shutil.rmtree(gone)
    except (Timeout, OSError):  # being filled, not ours to remove, or open where open files stay
        return 0
    return size
