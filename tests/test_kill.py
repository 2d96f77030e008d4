"""`tlkit compare` killed without warning at random moments, then run again: every record once, none torn."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

GRID = (
    "--plans",
    "pixels,frozen,last-1,full",
    "--labels",
    "1,2",
    "--seeds",
    "6",
    "--steps",
    "20",
    "--jobs",
    "2",
)
FITS = 4 * 2 * 6


def _start(out: Path) -> subprocess.Popen:
    words = ("compare", "--task", "digits", "--backbone", "letters", *GRID, "--out", str(out))
    code = "from tlkit.cli import app; app()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that the workers are killed with it, as a machine that goes down would
    )


def _lines(out: Path) -> list[str]:
    return out.read_text().splitlines() if out.exists() else []


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_and_run_again(tmp_path, kills):
    out, rng = tmp_path / "digits.jsonl", random.Random(0)
    for _ in range(kills):
        process, before = _start(out), len(_lines(out))
        began = time.monotonic()
        while process.poll() is None and len(_lines(out)) <= before and time.monotonic() - began < 60:
            time.sleep(0.05)  # the interesting moments are while records are being written
        time.sleep(rng.uniform(0, 1.5))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    last = _start(out)
    assert last.wait(timeout=300) == 0
    rows = [json.loads(line) for line in _lines(out)]
    fit = ("task", "data", "backbone", "weights", "plan", "labels", "seed", "recipe")
    seen = Counter((*(row[name] for name in fit), row["split"]) for row in rows)
    assert set(seen.values()) == {1}
    assert sum(row["split"] == "test" for row in rows) == FITS
    again = subprocess.run(last.args, capture_output=True, text=True, timeout=120)
    assert f"0 fits run, {FITS} found finished" in " ".join(again.stdout.split())
