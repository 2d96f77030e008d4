"""This machine: where its numbers come from (code, versions, hardware, day), and the doctor.

The doctor says what is installed and what is missing for which part of the workbook.
"""

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tlkit.env.process import cache_dirs, cores, data_dir, device, device_name, threads
from tlkit.errors import UserError

REPORTED = (
    "tlkit", "torch", "torchvision", "fastai", "timm", "numpy", "scipy", "scikit-learn", "pandas", "pillow",
)  # fmt: skip
MEMORY_GB = 2.0  # what one process may need
DISK_GB = 1.0  # the sets on request, unpacked
INSTALL = "`make install`, or `pip install -c constraints.txt -e .[dev]`"


def origin(where: Any = None) -> dict[str, Any]:
    """Of what this process computes now: date (UTC), commit, versions, hardware; as JSON can keep it.

    where: the device that networks ran on, by default that of small ones. Names no machine, person or folder.
    `commit` is None where the package is no checkout, as in a wheel.
    """
    import torch

    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "versions": dict(versions()),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "device": device_name(where or device(small=True)),
        "threads": torch.get_num_threads(),
    }


def version(package: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@cache
def versions() -> dict[str, str]:
    """Python's version and those of the installed packages that shape a number."""
    found = {name: version(name) for name in REPORTED}
    return {"python": sys.version.split()[0], **{name: text for name, text in found.items() if text}}


@cache
def commit() -> str | None:
    """The commit of the checkout that the package lies in, followed by + where its code was changed since."""
    root = data_dir().parent
    if not (root / ".git").exists():
        return None
    asked, quiet = ["git", "status", "--porcelain=v2", "--branch", "--", "tlkit"], {"GIT_OPTIONAL_LOCKS": "0"}
    try:
        said = subprocess.run(
            asked, cwd=root, env=os.environ | quiet, check=True, capture_output=True, encoding="utf-8"
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None  # no git, or it refuses
    changed = any(not line.startswith("#") for line in said.splitlines())
    return said.removeprefix("# branch.oid ")[:12] + "+" * changed


@cache
def processor() -> str:
    """What its maker calls the processor, or its kind where the system does not say."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    if sys.platform == "darwin":
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        names = subprocess.run(asked, capture_output=True, encoding="utf-8").stdout.split("\n")
    return (names and names[0]) or platform.processor() or platform.machine()


@dataclass(frozen=True)
class Check:
    """One line of the doctor: whether it is well, what was found, and what to do where it is not."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


# the parts of the workbook; the packages, beyond the core, and the sets that each needs
PARTS = {
    "lab: opening and running notebooks": (["jupyterlab", "ipykernel", "papermill", "nbval"], []),
    "1: foundations": ([], []),
    "photos: photographs": ([], ["hymenoptera", "caltech_wildlife"]),
    "text: networks of language": (["transformers", "gguf", "accelerate"], []),
    "weights: networks from the package index": ([], ["efficientnet_lite0", "minilm", "smollm2"]),
}


def doctor() -> list[Check]:
    """Every check in reading order; none of them changes anything on the machine."""
    parts = (_part(title, *needs) for title, needs in PARTS.items())
    return [_python(), _packages(), _device(), _threads(), _memory(), _cache(), _sets(), *parts]


@cache
def _required() -> tuple[Requirement, ...]:
    listed = (Requirement(line) for line in metadata.requires("tlkit") or ())
    return tuple(r for r in listed if r.marker is None or r.marker.evaluate({"extra": ""}))


def _pinned() -> dict[str, str]:
    """The version of each package in constraints.txt; empty for an installed wheel, which has none."""
    file = data_dir().parent / "constraints.txt"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    pins = (Requirement(line) for line in lines if line.strip() and not line.startswith("#"))
    return {p.name: str(p.specifier).lstrip("=") for p in pins if p.marker is None or p.marker.evaluate()}


def _here() -> list[str]:
    """The sets that are here: folders with something in them."""
    folders = [path for place in cache_dirs() if place.is_dir() for path in place.iterdir() if path.is_dir()]
    return sorted({folder.name for folder in folders if any(folder.iterdir())})


def _python() -> Check:
    found = f"{sys.version.split()[0]} at {sys.executable}"
    return Check("Python", sys.version_info >= (3, 11), found, "install Python 3.11 or newer")


def _packages() -> Check:
    installed = {r.name: found for r in _required() if (found := version(r.name))}
    absent = [r.name for r in _required() if r.name not in installed]
    outside = [f"{r} ({v})" for r in _required() if (v := installed.get(r.name)) and v not in r.specifier]
    pins = _pinned()
    other = [
        f"{name} {found} ({pins[name]})"
        for name, found in installed.items()
        if found.partition("+")[0] != pins.get(name, found).partition("+")[0]  # 2.15.0+cpu is 2.15.0
    ]
    notes = {"missing": absent, "out of range": outside, "other than pinned": other}
    listed = [f"{note}: {', '.join(names)}" for note, names in notes.items() if names]
    text = "; ".join([f"{len(installed)} of {len(_required())}", *listed])
    return Check("packages", not (absent or outside), text, INSTALL)


def _device() -> Check:
    try:
        found = device()
    except UserError as error:
        return Check("device", False, os.environ["TLKIT_DEVICE"], str(error))
    untested = "networks of other libraries run on it, which is untested: TLKIT_DEVICE=cpu keeps them off it"
    note = "no GPU in use, on which nothing was tested" if found.type == "cpu" else untested
    return Check("device", True, f"{found}, {cores()} cores; {note}")


def _threads() -> Check:
    try:
        count = threads()
    except UserError as error:
        return Check("threads", False, os.environ["TLKIT_THREADS"], str(error))
    return Check("threads", count <= cores(), f"{count} a process", "unset TLKIT_THREADS")


def _memory() -> Check:
    import psutil

    memory = psutil.virtual_memory()
    text = f"{memory.available / 1e9:.1f} GB free of {memory.total / 1e9:.1f} GB"
    remedy = f"close other programs: a process may need {MEMORY_GB:.0f} GB"
    return Check("memory", memory.available >= MEMORY_GB * 1e9, text, remedy)


def _cache() -> Check:
    *searched, folder = cache_dirs()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(nearest).free / 1e9
    writable = nearest.is_dir() and os.access(nearest, os.W_OK)
    notes = ["exists" if nearest == folder else "not made yet", *["not writable"] * (not writable)]
    remedy = f"set TLKIT_CACHE to a folder that can be written, with {DISK_GB:.0f} GB free"
    text = "".join(f"{place} (read-only), then " for place in searched)
    text += f"{folder} ({', '.join(notes)}, {free:.1f} GB free)"
    return Check("cache", writable and free >= DISK_GB, text, remedy)


def _sets() -> Check:
    return Check("sets", True, ", ".join(_here()) or "none yet: `tlkit data list` shows what there is")


def _part(title: str, packages: list[str], sets: list[str]) -> Check:
    packages = [name for name in (*(r.name for r in _required()), *packages) if not version(name)]
    sets = [name for name in sets if name not in _here()]
    ways = {"pip install": packages, "tlkit data get": sets}
    steps = [f"`{way} {' '.join(names)}`" for way, names in ways.items() if names]
    found = f"lacks {', '.join(packages + sets)}" if steps else "complete"
    return Check(f"part {title}", not steps, found, ", then ".join(steps))
