"""Contestants, each run in a process of its own: its threads, its imports and its peak memory are its own."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlkit.env.process import THREAD_VARIABLES

ROOT = Path(__file__).resolve().parent.parent
ONE, DEFAULT = "one thread", "default threads"


class Failed(RuntimeError):
    """A contestant ended without a result."""


@dataclass(frozen=True)
class Contestant:
    """Who: `call` ("module:function") gets a Watch and `arguments`, which JSON can hold, and returns facts.

    threads: None leaves torch, and what counts threads by the environment, at their default.
    """

    who: str
    call: str
    arguments: dict[str, Any] = field(default_factory=dict)
    threads: int | None = 1

    @property
    def name(self) -> str:
        return f"{self.who}, {ONE if self.threads == 1 else DEFAULT}"


def run(contestant: Contestant, profile: bool = False) -> dict:
    """One run: the facts, "seconds" by phase with "total" and "import", "peak_mb", "wall", "load".

    Nothing computed in another run is found: TLKIT_COMPUTED is an empty folder. Raises Failed with the end of
    what the process wrote to stderr.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as scratch:
        answer = Path(scratch) / "answer.json"
        request = {
            "call": contestant.call, "arguments": contestant.arguments, "threads": contestant.threads,
            "profile": profile, "answer": str(answer),
        }  # fmt: skip
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.child"],
            input=json.dumps(request),
            cwd=ROOT,
            env=environment(contestant.threads, Path(scratch) / "computed"),
            encoding="utf-8",
            capture_output=True,
        )
        wall = time.perf_counter() - began
        if done.returncode or not answer.exists():
            raise Failed(f"{contestant.name} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        return {"wall": wall, "load": load, **json.loads(answer.read_text("utf-8"))}


def environment(threads: int | None, computed: Path) -> dict[str, str]:
    """The environment of a run: as many threads as said, nothing fetched, nothing kept from before."""
    bare = {k: v for k, v in os.environ.items() if k not in (*THREAD_VARIABLES, "TLKIT_THREADS")}
    counts = dict.fromkeys([*THREAD_VARIABLES, "TLKIT_THREADS"], str(threads)) if threads else {}
    quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": "ignore"}
    return {**bare, **counts, **quiet, "TLKIT_COMPUTED": str(computed), "TLKIT_DEVICE": "cpu"}
