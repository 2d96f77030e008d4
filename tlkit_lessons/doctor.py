"""The doctor: what is installed and ready here, and what is missing for which part of the workbook."""

import os
import shutil
import sys
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from joblib import cpu_count
from packaging.requirements import Requirement

from tlkit.env import data_dir, device
from tlkit.env.machine import version
from tlkit.env.process import threads
from tlkit.errors import UserError
from tlkit_lessons.downloads import cache_dirs

MEMORY_GB = 2.0  # what one process may need
DISK_GB = 1.0  # the sets on request, unpacked
INSTALL = "`make install`, or `pip install -c constraints.txt -e .[dev]`"  # in a checkout


@dataclass(frozen=True)
class Check:
    """One line of the doctor: whether all is well, what was found, and what to do if not."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


# the parts of the workbook; the packages, beyond the core, and the sets that each needs
PARTS = {
    "lab: opening and running notebooks": (["jupyterlab", "ipykernel", "papermill", "nbval"], []),
    "1: foundations": ([], []),
    "photos: photographs": ([], ["hymenoptera", "caltech_wildlife"]),
    "text: language models": (["transformers", "gguf", "accelerate"], []),
    "export: networks on a phone": (["onnx", "onnxscript", "onnxruntime"], []),
    "weights: pretrained networks from the package index": ([], ["efficientnet_lite0", "minilm", "smollm2"]),
}


def checks() -> list[Check]:
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
    there = {r: version(r.name) for r in _required()}
    installed = {r.name: found for r, found in there.items() if found}
    wanted = [r for r, found in there.items() if not found or found not in r.specifier]
    absent = [r.name for r in wanted if r.name not in installed]
    outside = [f"{r} ({installed[r.name]})" for r in wanted if r.name in installed]
    pins = _pinned()
    other = [
        f"{name} {found} ({pins[name]})"
        for name, found in installed.items()
        if found.partition("+")[0] != pins.get(name, found).partition("+")[0]  # 2.15.0+cpu is 2.15.0
    ]
    notes = {"missing": absent, "out of range": outside, "other than pinned": other}
    listed = [f"{note}: {', '.join(names)}" for note, names in notes.items() if names]
    text = "; ".join([f"{len(installed)} of {len(there)}", *listed])
    by_name = f"`pip install {' '.join(map(_quoted, wanted))}`" if wanted else ""
    return Check("packages", not wanted, text, INSTALL if pins else by_name)


def _quoted(need: Requirement) -> str:
    return f'"{need}"' if need.specifier else str(need)  # < and > are the shell's


def _device() -> Check:
    try:
        found = device()
    except UserError as error:
        return Check("device", False, os.environ["TLKIT_DEVICE"], str(error))
    untested = "networks of other libraries run on it, which is not tested: TLKIT_DEVICE=cpu turns it off"
    note = "no GPU in use; none is needed" if found.type == "cpu" else untested
    return Check("device", True, f"{found}, {cpu_count()} cores; {note}")


def _threads() -> Check:
    try:
        count = threads()
    except UserError as error:
        return Check("threads", False, os.environ["TLKIT_THREADS"], str(error))
    return Check("threads", count <= cpu_count(), f"{count} per process", "unset TLKIT_THREADS")


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
    return Check("sets", True, ", ".join(_here()) or "none yet: `tlkit data list` shows what can be fetched")


def _part(title: str, packages: list[str], sets: list[str]) -> Check:
    packages = [name for name in (*(r.name for r in _required()), *packages) if not version(name)]
    sets = [name for name in sets if name not in _here()]
    ways = {"pip install": packages, "tlkit data get": sets}
    steps = [f"`{way} {' '.join(names)}`" for way, names in ways.items() if names]
    found = f"lacks {', '.join(packages + sets)}" if steps else "complete"
    return Check(f"part {title}", not steps, found, ", then ".join(steps))
