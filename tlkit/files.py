"""Files written whole or not at all, with the same bytes on every system; and where a file is."""

import os
import shutil
import tempfile
import time
import unicodedata
from pathlib import Path

from tlkit.errors import UserError

PATIENCE = (0.05, 0.1, 0.2, 0.4)  # seconds between tries, where another process has the file open (Windows)


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write a file in one piece: a reader, and a kill, meet the old file or the new. Returns the path.

    Text becomes UTF-8 with its line ends as they are. Raises UserError where it cannot be written.
    """
    left = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=".", delete=False) as file:
            left = Path(file.name)
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        left.chmod(0o644)
        replace(left, path)
    except OSError as error:
        if left is not None:
            left.unlink(missing_ok=True)
        raise UserError(
            f"{path} cannot be written ({error.strerror or error}): make room or permission there."
        ) from error
    return path


def replace(source: Path, target: Path) -> None:
    """`os.replace`, tried again for a moment: Windows refuses it while somebody has the target open."""
    for seconds in PATIENCE:
        try:
            return os.replace(source, target)
        except PermissionError:
            time.sleep(seconds)
    os.replace(source, target)


def replace_folder(source: Path, target: Path) -> None:
    """Put one folder in the place of another: the old one goes whole, or stays where somebody is in it."""
    old = source.with_name(f"{source.name}-old")
    if target.exists():
        replace(target, old)
    replace(source, target)
    shutil.rmtree(old, ignore_errors=True)


def place(path: Path) -> Path:
    """Where a file is, by one name: macOS may write an accented letter as two characters, a table as one."""
    return Path(composed(str(path.resolve())))


def composed(name: str) -> str:
    """A name with each accented letter as one character (Unicode's form NFC)."""
    return unicodedata.normalize("NFC", name)
