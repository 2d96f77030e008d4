"""The environments that notebooks are tried in: what each asks for, its locked list, and where it is made."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tlkit.errors import UserError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXTRAS = ("lab", "adapt", "search")  # what opens the notebooks, and what they ask for
OURS = ("pyproject.toml", *(word for extra in EXTRAS for word in ("--extra", extra)))


@dataclass(frozen=True)
class Place:
    """An environment to try: its name, its Python, what `uv pip compile` is asked for, and a word on it."""

    name: str
    python: str
    asks: tuple[str, ...]
    says: str
    colab: bool = False  # its kernel is Colab's, and the wheel comes by the notebook's own cell

    @property
    def only_on(self) -> str:
        """The platform that alone it makes sense on, or ''."""
        return "linux" if self.colab else ""


PLACES = (
    Place("colab", "3.13", (str(HERE / "colab.txt"),), "what Google Colab preinstalls", colab=True),
    Place("lowest", "3.11", (*OURS, "--resolution", "lowest-direct"), "the lowest versions we allow"),
    Place("newest", "3.13", OURS, "the newest of everything"),
    Place("newest-3.12", "3.12", OURS, "the newest of everything"),
)


@dataclass(frozen=True)
class Built:
    """A place that is there: its Python's path, and the locked list of what is installed in it."""

    place: Place
    python: Path
    lock: str

    @cached_property
    def key(self) -> str:
        """A hash of the list, of the Python and of how its kernel starts."""
        kernel = (HERE / "colab_kernel.py").read_text("utf-8") if self.place.colab else ""
        return digest(f"{self.place.python}\n{self.lock}\n{kernel}")


def digest(text: str | bytes) -> str:
    """Twelve hex digits that stand for a text."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()[:12]


def uv(*words: str | Path) -> str:
    """What uv prints; UserError with the end of its complaint."""
    command = [Path(sys.executable).with_name("uv"), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise UserError(" ".join(done.stderr.split())[-400:])
    return done.stdout


def interpreter(version: str) -> Path | None:
    """A Python of this version that is here: of pyenv, else any that uv finds; None where there is none."""
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    if found := sorted(home.glob(f"versions/{version}.*/bin/python")):
        return found[-1]
    try:
        return Path(uv("python", "find", "--no-python-downloads", "--system", version).strip())
    except UserError:
        return None


def absent(place: Place) -> str | None:
    """Why a place cannot be made here, or None."""
    if place.only_on and not sys.platform.startswith(place.only_on):
        return f"only on {place.only_on}"
    return None if interpreter(place.python) else f"no Python {place.python} here"


def locked(place: Place) -> str:
    """The exact versions of everything in a place, one a line."""
    python = interpreter(place.python)
    text = uv("pip", "compile", "-q", "--no-header", "--no-annotate", "--python", python, *place.asks)
    return "".join(f"{line}\n" for line in text.splitlines() if line.strip())


def build(place: Place, folder: Path) -> Built:
    """Make the environment in `folder`/NAME, unless it is there with this very list."""
    lock, home = locked(place), folder / place.name
    listed = home / "installed.txt"
    python = scripts(home) / "python"
    if not listed.exists() or listed.read_text("utf-8") != lock:
        shutil.rmtree(home, ignore_errors=True)
        uv("venv", "-q", "--seed", "--python", interpreter(place.python), home)
        wanted = folder / f"{place.name}.txt"
        wanted.write_text(lock, "utf-8", newline="\n")
        uv("pip", "install", "-q", "--python", python, "--compile-bytecode", "-r", wanted)
        wanted.replace(listed)
    return Built(place, python, lock)


def scripts(environment: Path) -> Path:
    """The folder of an environment's commands."""
    return environment / ("Scripts" if os.name == "nt" else "bin")


def pins(lock: str) -> dict[str, str]:
    """Name → version, of a locked list."""
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", lock, re.M)
    return {canonicalize_name(name): version for name, version in found}


def missed_bounds(lock: str, pyproject: Path = ROOT / "pyproject.toml") -> dict[str, str]:
    """The lower bounds that were not met by that very version: `pandas>=2.2` → `2.3.0`.

    No package may exist at the bound (`timm>=1.0` → `1.0.3`), or another requirement may forbid it.
    """
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    have, missed = pins(lock), {}
    extras = (project["optional-dependencies"][name] for name in EXTRAS)
    for line in chain(project["dependencies"], *extras):
        need = Requirement(line)
        bounds = [Version(s.version) for s in need.specifier if s.operator == ">="]
        version = have.get(canonicalize_name(need.name))
        if bounds and version and Version(Version(version).public) != bounds[0]:
            missed[line] = version
    return missed
