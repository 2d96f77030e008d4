"""What a part measured, kept as JSON: on which machine, with what, run by run; a stopped one goes on."""

import hashlib
import json
import platform
import time
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
from joblib import cpu_count

from benchmarks.apart import ROOT
from tlkit.env.machine import processor
from tlkit.files import write_whole

COMMITTED = ROOT / "benchmarks" / "results"
STATE = ROOT / "build" / "bench"
PACKAGES = (
    "torch", "torchvision", "fastai", "timm", "transformers", "accelerate", "numpy", "scikit-learn", "pillow",
    "joblib", "ray", "dask",
)  # fmt: skip


@dataclass
class Results:
    """One part: `runs` are the answers of `apart.run` with "who" and "round"; `facts` were asked for once.

    Runs belong together while `setting`, `machine` and `code` are the same.
    """

    part: str
    setting: dict[str, Any]
    machine: dict[str, Any]
    code: str
    runs: list[dict] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    profiles: dict[str, list[dict]] = field(default_factory=dict)
    finished: str = ""

    @classmethod
    def resumed(cls, part: str, setting: dict, folder: Path = STATE, strict: bool = True) -> "Results":
        """The state in `folder` if it was measured here and with this setting; else an empty one.

        strict: with this code, too.
        """
        new = cls(part, json.loads(json.dumps(setting)), machine(), code())
        path = folder / f"{part}.json"
        old = cls.read(path) if path.exists() else new
        same = (old.setting, old.machine) == (new.setting, new.machine)
        return old if same and (not strict or old.code == new.code) else new

    @classmethod
    def read(cls, path: Path) -> "Results":
        return cls(**json.loads(path.read_text("utf-8")))

    def write(self, folder: Path = STATE) -> None:
        """Into `folder`/PART.json, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / f"{self.part}.json", text(asdict(self)))

    def of(self, name: str) -> list[dict]:
        """The runs of one contestant, by round."""
        return sorted((run for run in self.runs if run["who"] == name), key=lambda run: run["round"])

    def finish(self) -> None:
        self.finished = time.strftime("%Y-%m-%d")


def text(content: dict) -> str:
    """JSON with a line for each run, so that a change can be read."""
    lines = []
    for key, value in content.items():
        if isinstance(value, list) and value:
            inner = ",\n".join(f"  {dumped(row)}" for row in value)
            lines.append(f" {json.dumps(key)}: [\n{inner}\n ]")
        else:
            lines.append(f" {json.dumps(key)}: {dumped(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def dumped(value: Any) -> str:
    return json.dumps(rounded(value), ensure_ascii=False)


def rounded(value: Any) -> Any:
    """Floats to six digits: a clock says no more."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list | tuple) else value


def machine() -> dict[str, Any]:
    """The processor, the memory, the system, and the versions of what is measured."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return {
        "processor": processor(),
        "cores": cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": found,
    }


def code() -> str:
    """A hash of all that is measured here and of what measures it."""
    files = sorted([*(ROOT / "tlkit").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")])
    content = hashlib.sha256()
    for file in files:
        content.update(file.name.encode() + file.read_bytes())
    return content.hexdigest()[:12]
