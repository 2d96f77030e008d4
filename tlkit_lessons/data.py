"""Sets of the registry checked anew, and what was fetched or computed here cleared away."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tlkit import env, files
from tlkit.env.process import TAG
from tlkit.errors import UserError
from tlkit_lessons import downloads
from tlkit_lessons.downloads import SCRATCH, prune
from tlkit_lessons.downloads.registry import NOTE


@dataclass(frozen=True)
class Report:
    """What a full check found: the names of files that are absent, and of files with other content."""

    files: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]


def check_set(name: str) -> Report:
    """Hash every file of a set anew. Raises UserError for an unknown set."""
    listed = downloads.rows(name)
    missing, changed = downloads.examine(listed, downloads.folder(name), anew=True)
    return Report(len(listed), tuple(r.file for r in missing), tuple(r.file for r, _ in changed))


def clear_sets(name: str | None = None, computed: bool = False) -> int:
    """Remove the files of one set, or of all; with `computed`, what was computed here instead. Bytes freed.

    Files that are not in the registry stay, and so does what lies in a read-only folder. Raises UserError,
    before anything is removed, for an unknown set, for a file that lies outside its folder through a link,
    and for a computed folder not made by us.
    """
    if computed and name is not None:
        raise UserError("--computed takes no name of a set: clear either one set or what was computed")
    try:
        if computed:
            return _clear_computed()
        if name is not None:
            return _clear_set(name, downloads.folder(name))
        place = downloads.cache_dirs()[-1]
        return sum([_clear_set(info.name, place / info.name) for info in downloads.listing()])
    except OSError as error:
        raise UserError(
            f"{error.filename} cannot be removed ({error.strerror}): remove it by hand"
        ) from error


def _clear_set(name: str, place: Path) -> int:
    ours = [place / row.file for row in downloads.rows(name)]
    ours = [*ours, *(Path(f"{file}.bad") for file in ours), place / NOTE, *(place / SCRATCH).rglob("*")]
    ours = [file for file in ours if file.is_file()]
    for file in ours:
        if not file.resolve().is_relative_to(place.parent.resolve()):
            raise UserError(f"{file} leads outside {place.parent} through a link: remove the link by hand")
    freed = sum(file.stat().st_size for file in ours)
    for file in ours:
        files.require_writable(file.parent)
    for file in ours:
        file.unlink()
    prune(place)
    Path(f"{place}.lock").unlink(missing_ok=True)
    return freed


def _clear_computed() -> int:
    place = env.computed_dir()
    if not (place / TAG).is_file():
        raise UserError(f"{place} is not a folder of computed files alone (no {TAG} in it): clear it by hand")
    within = [path for path in place.rglob("*") if path != place / TAG]
    freed = sum(path.lstat().st_size for path in within if path.is_symlink() or not path.is_dir())
    for path in [path for path in within if path.parent == place]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return freed
