"""A file of JSON objects, one a line, that only grows and loses nothing but a torn last line."""

import json
import os
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

from tlkit.errors import UserError
from tlkit.files import unwritable


class Lines:
    """`rows` maps key -> row as `parse(line, "file:line")` gives them; what was read is not read again.

    Of two lines with one key the later counts. A last line that a kill tore off (no newline, or not JSON)
    is not read, and the next append cuts it away. A bad line anywhere else is a UserError.
    """

    def __init__(self, path: Path, parse: Callable[[bytes, str], tuple[Hashable, Any]]):
        self.path, self.parse = path, parse
        self._forget()

    def _forget(self) -> None:
        self.rows: dict[Hashable, Any] = {}
        self._inode = 0
        self._end = self._count = 0  # bytes and lines read so far, all whole

    def refresh(self) -> None:
        """Read what was added since the last time."""
        try:
            with open(self.path, "rb") as file:
                status = os.fstat(file.fileno())
                replaced = status.st_ino != self._inode
                if replaced or status.st_size < self._end:
                    self._forget()
                self._inode = status.st_ino
                file.seek(self._end)
                *lines, torn = file.read().split(b"\n")
        except FileNotFoundError:
            return self._forget()
        except OSError as error:
            raise UserError(f"{self.path} cannot be read ({error.strerror}): check the path") from error
        if lines and not torn and not _is_json(lines[-1]):
            lines.pop()
        for line in lines:
            if line.strip():
                key, row = self.parse(line, f"{self.path}:{self._count + 1}")
                self.rows[key] = row
            self._count += 1
            self._end += len(line) + 1

    def append(self, lines: list[str]) -> None:
        """Add `lines` in one write, or leave the file as it was. Call it refreshed, with the lock held."""
        block = memoryview("".join(f"{line}\n" for line in lines).encode())
        try:
            with open(self.path, "ab", buffering=0) as file:
                if file.tell() > self._end:
                    os.ftruncate(file.fileno(), self._end)
                try:
                    while block:
                        block = block[file.write(block) :]
                    os.fsync(file.fileno())
                except OSError:
                    os.ftruncate(file.fileno(), self._end)
                    raise
        except OSError as error:
            raise unwritable(self.path, error) from error
        self.refresh()


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
