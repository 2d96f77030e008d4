"""The doctor: what is installed and what is missing for which part of the workbook."""

import os
import shutil
import sys
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from packaging.requirements import Requirement

from tlkit.env.process import cache_dirs, cores, data_dir, device, threads, version
from tlkit.errors import UserError, unknown

MEMORY_GB = 2.0  # what one process may need
DISK_GB = 1.0  # the sets on request, unpacked
INSTALL = "`make install`, or `pip install -c constraints.txt -e .[dev]`"


@dataclass(frozen=True)
class Check:
    """One line of the doctor: whether it is well, what was found, and what to do where it is not."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Part:
    """A part of the workbook and what it needs beyond the core packages."""

    title: str
    packages: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()


PARTS = {
    "lab": Part("opening and running notebooks", packages=("jupyterlab", "ipykernel", "papermill", "nbval")),
    "1": Part("foundations"),
    "photos": Part("photographs", sets=("hymenoptera", "caltech_wildlife")),
    "text": Part("networks of language", packages=("transformers", "gguf", "accelerate")),
    "weights": Part("networks from the package index", sets=("efficientnet_lite0", "minilm", "smollm2")),
}


def missing(part: str) -> list[str]:
    """The packages, then the sets, that a part of the workbook lacks here. UserError for an unknown part."""
    if part not in PARTS:
        raise unknown("part", part, PARTS)
    packages = [*(r.name for r in _required()), *PARTS[part].packages]
    return [p for p in packages if not version(p)] + [s for s in PARTS[part].sets if not _present(s)]


def doctor() -> list[Check]:
    """Every check in reading order; none of them changes anything on the machine."""
    parts = (_part(name, part) for name, part in PARTS.items())
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


def _present(name: str) -> bool:
    folders = (place / name for place in cache_dirs())
    return any(folder.is_dir() and any(folder.iterdir()) for folder in folders)


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
    here = (path.name for place in cache_dirs() if place.is_dir() for path in place.iterdir())
    names = sorted({name for name in here if _present(name)})
    return Check("sets", True, ", ".join(names) or "none yet: `tlkit data list` shows what there is")


def _part(name: str, part: Part) -> Check:
    lacks = missing(name)
    sets = [item for item in lacks if item in part.sets]
    packages = [item for item in lacks if item not in part.sets]
    steps = [f"`pip install {' '.join(packages)}`"] * bool(packages)
    steps += [f"`tlkit data get {' '.join(sets)}`"] * bool(sets)
    found = f"lacks {', '.join(lacks)}" if lacks else "complete"
    return Check(f"part {name}: {part.title}", not lacks, found, ", then ".join(steps))
