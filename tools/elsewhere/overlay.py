"""A throw-away environment over the packages of others, and what pip says is in it."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from tlkit.errors import UserError
from tools.elsewhere.places import scripts

# what a shell of ours may have set, and what would let a notebook find this checkout or this user's files
HIDDEN = ("PYTHON", "TLKIT_", "VIRTUAL_ENV", "JUPYTER_", "IPYTHON", "XDG_", "MPL", "TORCH_", "HF_", "PYTEST")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def lay(folder: Path, python: Path, beneath: Sequence[Path]) -> Path:
    """A new environment in `folder` that sees the packages in `beneath`, first ones first; its Python.

    What is installed goes into the new one alone, and hides what lies beneath under the same name: so an
    environment of gigabytes is used again and again, and none of its files is ever replaced.
    """
    call(python, "-m", "venv", "--without-pip", folder)
    own = scripts(folder) / "python"
    lines = [f"import site; site.addsitedir({str(path)!r})" for path in beneath]
    (packages(own) / "beneath.pth").write_text("\n".join(lines) + "\n", "utf-8", newline="\n")
    return own


def packages(python: Path) -> Path:
    """The folder that an environment's packages lie in."""
    return Path(call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())


def call(*words: str | Path, env: Mapping[str, str] | None = None) -> str:
    """What a command prints; UserError with the last line of its complaint."""
    done = subprocess.run(words, env=env, capture_output=True, text=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise UserError(f"{' '.join(map(str, words[1:4]))}: {(done.stderr.strip() or '?').splitlines()[-1]}")
    return done.stdout


def stranger(home: Path, python: Path) -> dict[str, str]:
    """The environment variables of somebody else: a home of their own, no trace of here, one thread."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
    path = os.pathsep.join([str(python.parent), *foreign(env.get("PATH", ""))])
    homes = dict.fromkeys(("HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA"), str(home))
    return env | homes | ONE_THREAD | {"PATH": path}


def foreign(path: str) -> list[str]:
    """The folders of a PATH that belong to no virtual environment."""
    return [part for part in path.split(os.pathsep) if not (Path(part).parent / "pyvenv.cfg").exists()]


def listed(python: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Name → version, by `pip list`."""
    text = call(python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check", env=env)
    return {canonicalize_name(each["name"]): each["version"] for each in json.loads(text)}


def additions(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """`name version` of what came, sorted."""
    return sorted(f"{name} {after[name]}" for name in after.keys() - before.keys())


def exceptions(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """`name old → new` of what was replaced or went (`→ gone`), sorted: additions are not among them."""
    return sorted(
        f"{name} {version} → {after.get(name, 'gone')}"
        for name, version in before.items()
        if after.get(name) != version
    )
