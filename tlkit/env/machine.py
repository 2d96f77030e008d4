"""This machine: where its numbers come from (code, versions, hardware, day)."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from tlkit.env.process import data_dir, device, device_name

REPORTED = (
    "tlkit", "torch", "torchvision", "fastai", "timm", "numpy", "scipy", "scikit-learn", "pandas", "pillow",
)  # fmt: skip


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
