"""Where computed things are kept, and how room is made: only what this package put there is removed."""

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

import platformdirs

from tlkit.cache.registry import listing, root, rows
from tlkit.errors import UserError

STAMP = ".verified.json"
ARCHIVE = ".archive"
TAG = "CACHEDIR.TAG"  # marks a folder as a cache, for backup programs and for `clear`
TAG_TEXT = "Signature: 8a477f597d28d172789f06886806bc55\n# Computed by tlkit; may be deleted.\n"


def computed() -> Path:
    """The folder of what is computed here (features): TLKIT_COMPUTED, or the user's cache; made if need be.

    Apart from `root()`, which may be a read-only mount. Raises UserError if it cannot be made.
    """
    named = os.environ.get("TLKIT_COMPUTED")
    folder = (
        Path(named).expanduser() if named else platformdirs.user_cache_path("tlkit-computed", appauthor=False)
    )
    folder = Path(os.path.abspath(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            (folder / TAG).write_text(TAG_TEXT)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror}): set TLKIT_COMPUTED to a folder that can"
        ) from error
    return folder


def require_writable(folder: Path) -> None:
    """Raise PermissionError for a folder marked read-only, even if this user (root) could write there."""
    while not folder.exists():
        folder = folder.parent
    if not folder.stat().st_mode & 0o222:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def clear(name: str | None = None, computed: bool = False) -> int:
    """Remove the files of one set, or of all; with `computed`, what was computed here instead. Bytes freed.

    Files that are not in the registry stay. Raises UserError, before anything is removed, for an unknown
    set, for a file that lies outside `root()` through a link, and for a computed folder not made by us.
    """
    if computed and name is not None:
        raise UserError("what was computed is not kept by set: clear either a set or what was computed")
    try:
        if computed:
            return _clear_computed()
        return sum(
            [_clear_set(each) for each in ([name] if name is not None else [info.name for info in listing()])]
        )
    except OSError as error:
        raise UserError(f"{error.filename} cannot be removed ({error.strerror}): clear it by hand") from error


def _clear_set(name: str) -> int:
    folder = root() / name
    files = [folder / row.file for row in rows(name)]
    files = [Path(f"{file}{end}") for file in [*files, folder / ARCHIVE] for end in ("", ".part", ".bad")]
    files = [file for file in [*files, folder / STAMP] if file.is_file()]
    for file in files:
        if not file.resolve().is_relative_to(root().resolve()):
            raise UserError(f"{file} leads outside {root()} through a link: remove the link by hand")
    freed = sum(file.stat().st_size for file in files)
    for file in files:
        require_writable(file.parent)
    for file in files:
        file.unlink()
    prune(folder)
    (root() / f"{name}.lock").unlink(missing_ok=True)
    return freed


def prune(folder: Path) -> None:
    """Remove the empty folders in `folder`, and `folder` itself if nothing is left."""
    for path in sorted((p for p in [folder, *folder.rglob("*")] if p.is_dir()), reverse=True):
        with suppress(OSError):  # something lies there: it stays
            path.rmdir()


def _clear_computed() -> int:
    folder = computed()
    if not (folder / TAG).is_file():
        raise UserError(f"{folder} was not made for computed files alone (no {TAG} in it): clear it by hand")
    freed = 0
    for path in [path for path in folder.iterdir() if path.name != TAG]:
        if path.is_dir() and not path.is_symlink():
            freed += sum(inside.lstat().st_size for inside in path.rglob("*") if not inside.is_dir())
            shutil.rmtree(path)
        else:
            freed += path.lstat().st_size
            path.unlink()
    return freed
