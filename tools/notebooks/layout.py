"""Where everything lies, and the few facts every notebook shares: measured times, repository address."""

import json
import math
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from tlkit import files
from tlkit.errors import UserError, unknown
from tlkit_lessons.notebooks.listing import NAME
from tools.notebooks.hosting import Repository

ROOT = Path(__file__).resolve().parents[2]
STEP_S = 5  # a time is shown in steps of this many seconds
TOLERANCE = 0.25  # a time that moved by less than this fraction is left alone: no needless difference


@dataclass(frozen=True)
class Layout:
    """The files of one repository."""

    root: Path = ROOT

    @property
    def folder(self) -> Path:
        """Where the built notebooks lie; their kernels run here."""
        return self.root / "notebooks"

    def names(self) -> list[str]:
        """The names of all sources, like 11_first_transfer; `_template.py` is none."""
        return sorted(p.stem for p in (self.folder / "source").glob("*.py") if NAME.fullmatch(p.stem))

    def source(self, name: str) -> Path:
        """The py:percent file that people edit."""
        return self.folder / "source" / f"{name}.py"

    def built(self, name: str) -> Path:
        """The executed notebook."""
        return self.folder / f"{name}.ipynb"

    def student(self, name: str) -> Path:
        """The copy without solutions."""
        return self.folder / "exercises" / f"{name}.ipynb"

    def repository(self) -> Repository | None:
        """`[tool.tlkit] repository` of pyproject.toml: the only place with the address; None if unset."""
        return Repository.parse(self._project().get("tool", {}).get("tlkit", {}).get("repository", ""))

    def set_repository(self, address: str) -> None:
        """Write that line. Raises UserError for what is no address, or a file without the line."""
        Repository.parse(address)
        path = self.root / "pyproject.toml"
        text, found = re.subn(
            r'^repository = "[^"]*"', f'repository = "{address}"', path.read_text("utf-8"), flags=re.M
        )
        if not found:
            raise UserError(f"{path.name} has no line `repository = ...`: add one under [tool.tlkit].")
        write(path, text)

    def requirements(self, extras: Iterable[str]) -> tuple[str, ...]:
        """What the extras of pyproject.toml ask for. Raises UserError for an unknown one."""
        known = self._project().get("project", {}).get("optional-dependencies", {})
        for extra in extras:
            if extra not in known:
                raise unknown("extra", extra, known)
        return tuple(line for extra in extras for line in known[extra])

    def _project(self) -> dict:
        return tomllib.loads((self.root / "pyproject.toml").read_text("utf-8"))

    def seconds(self, name: str) -> int | None:
        """The measured time of a notebook, None before its first build."""
        return self._timings().get(name)

    def measured(self, name: str, seconds: float) -> None:
        """Keep a newly measured time, if it differs from the kept one by more than a quarter."""
        timings = self._timings()
        shown = math.ceil(seconds / STEP_S) * STEP_S
        kept = timings.get(name)
        if kept is None or (shown != kept and abs(seconds - kept) > TOLERANCE * kept):
            timings[name] = shown
            write(self.folder / "timings.json", json.dumps(timings, indent=1, sort_keys=True) + "\n")

    def _timings(self) -> dict[str, int]:
        path = self.folder / "timings.json"
        return json.loads(path.read_text("utf-8")) if path.exists() else {}


def read_source(path: Path) -> NotebookNode:
    """A py:percent file as a notebook; UserError names the file that cannot be read."""
    try:
        return jupytext.reads(path.read_text("utf-8"), fmt="py:percent")
    except (UnicodeDecodeError, ValueError) as error:
        raise UserError(f"{path.name} is not a py:percent notebook source: {error}") from error


def read_built(path: Path) -> NotebookNode:
    """An .ipynb; UserError names the file that cannot be read."""
    try:
        return nbformat.read(path, as_version=4)
    except nbformat.reader.NotJSONError as error:
        raise UserError(f"{path.name} is not a notebook: restore it from git, or delete it.") from error


def write_built(path: Path, nb: NotebookNode) -> None:
    """Write an .ipynb, whole or not at all."""
    nbformat.validate(nb)
    write(path, nbformat.writes(nb) + "\n")


def write(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    files.write_whole(path, text)
