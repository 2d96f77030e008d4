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

import psutil
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
STARTED = 5.0  # seconds of computing after which a worker has imported everything and is in its first fit


def _start(out: Path, grid: tuple[str, ...] = GRID, **more) -> subprocess.Popen:
    words = ("compare", "--task", "digits", "--backbone", "letters", *grid, "--out", str(out))
    code = "from tlkit.cli import app; app()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | more,
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


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals: Windows ends a process at once")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_a_driver_that_goes_takes_its_workers_along(tmp_path, number, code):
    """Only the driver is told, as `kill` or a batch system does; workers must not compute on for nobody."""
    grid = ("--plans", "full,scratch", "--labels", "10", "--seeds", "9", "--steps", "20000", "--jobs", "2")
    driver = _start(tmp_path / "digits.jsonl", grid, stderr=subprocess.PIPE, text=True)
    began = time.monotonic()
    while max((_seconds(worker) for worker in _workers(driver)), default=0) < STARTED:
        assert driver.poll() is None and time.monotonic() - began < 200
        time.sleep(0.2)
    workers = _workers(driver)
    driver.send_signal(number)
    driver.wait(60)
    gone, alive = psutil.wait_procs(workers, timeout=30)
    for worker in alive:
        worker.kill()
    assert len(gone) == len(workers) == 2
    assert driver.returncode == code
    if number == signal.SIGTERM:
        assert driver.stderr.read() == "stopped; the same command goes on where it was.\n"


def _workers(driver: subprocess.Popen) -> list[psutil.Process]:
    return [p for p in psutil.Process(driver.pid).children() if "popen_loky" in " ".join(p.cmdline())]


def _seconds(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])
