"""`tlkit compare` killed without warning, worker or driver, then run again: every record once, none torn."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tlkit.records import Store

PLANS, BUDGETS = ("pixels", "frozen", "last-1", "full"), ("1", "2")
STARTED = 5.0  # seconds of computing after which a worker has imported everything and is in its first fit


def _grid(seeds: int) -> tuple[str, ...]:
    """Fits of a tenth of a second, PLANS x BUDGETS x seeds of them."""
    what = ("--plans", ",".join(PLANS), "--labels", ",".join(BUDGETS), "--seeds", str(seeds))
    return *what, "--steps", "20", "--jobs", "2"


def _start(out: Path, grid: tuple[str, ...], **more) -> subprocess.Popen:
    words = ("compare", "--task", "digits", "--backbone", "letters", *grid, "--out", str(out))
    code = "from tlkit.cli import app; app()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | more,
        start_new_session=True,  # so that the workers are killed with it, as a machine that goes down would
    )


def _lines(out: Path) -> list[str]:
    return out.read_text().splitlines() if out.exists() else []


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals: Windows ends a process at once")
def test_a_killed_worker_does_not_end_the_run_and_a_killed_driver_is_run_again(tmp_path):
    out, grid, fits = tmp_path / "digits.jsonl", _grid(6), 6 * len(PLANS) * len(BUDGETS)
    driver = _start(out, grid)
    _await_records(driver, out)
    workers = _workers(driver)
    workers[0].kill()
    _await_records(driver, out, more=3)
    assert len(workers) == 2 and driver.poll() is None
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    _whole(out)
    last = _start(out, grid, stdout=subprocess.PIPE, text=True)
    said = last.communicate(timeout=200)[0]
    assert last.returncode == 0 and " fits, " in said and " left" in said
    assert _whole(out) == fits
    again = subprocess.run(last.args, capture_output=True, text=True, timeout=120)
    assert f"0 fits run, {fits} found finished" in " ".join(again.stdout.split())


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals: Windows ends a process at once")
def test_a_hundred_kills_at_random_lose_double_and_tear_nothing(tmp_path):
    """Of a worker, of the driver alone, or of all, as a machine goes down; a third while fits are written."""
    rng, grid, fits, killed = random.Random(0), _grid(25), 25 * len(PLANS) * len(BUDGETS), Counter()
    outs, driver = [tmp_path / "0.jsonl"], None
    while killed.total() < 100:
        if driver is not None and driver.poll() == 0:  # the grid is done: another one
            outs.append(tmp_path / f"{len(outs)}.jsonl")
        if driver is None or driver.poll() is not None:
            driver = _start(outs[-1], grid)
        if rng.random() < 1 / 3:
            _await_records(driver, outs[-1])
        time.sleep(rng.uniform(0, 2))
        killed.update(_kill(driver, rng.choice(("worker", "worker", "driver", "all"))))
        _whole(outs[-1])
    _kill(driver, "all")
    assert min(killed[victim] for victim in ("worker", "driver", "all")) >= 10
    assert sum(len(_lines(out)) for out in outs) > 0, "else no kill was in mid-writing"
    for out in outs:
        assert _start(out, grid).wait(timeout=1200) == 0
        assert _whole(out) == fits


def _await_records(driver: subprocess.Popen, out: Path, more: int = 1) -> None:
    """Until there are `more` lines than now: the interesting moments are while records are being written."""
    began, before = time.monotonic(), len(_lines(out))
    while driver.poll() is None and len(_lines(out)) < before + more:
        assert time.monotonic() - began < 250
        time.sleep(0.05)


def _kill(driver: subprocess.Popen, victim: str) -> list[str]:
    """Who was killed: the driver where there is no worker yet, nobody where it has ended by itself."""
    if driver.poll() is not None:
        return []
    if victim == "worker" and (workers := _workers(driver)):
        with suppress(psutil.NoSuchProcess):
            workers[0].kill()
        return ["worker"]
    if victim == "all":
        os.killpg(driver.pid, signal.SIGKILL)
    else:
        driver.kill()
    driver.wait()
    return [victim if victim == "all" else "driver"]


def _whole(out: Path) -> int:
    """How many fits are finished; every record is there once, with predictions, none torn but the last."""
    text = out.read_text() if out.exists() else ""
    rows = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    fit = ("task", "data", "backbone", "weights", "plan", "labels", "seed", "recipe")
    seen = Counter((*(row[name] for name in fit), row["split"]) for row in rows)
    assert set(seen.values()) <= {1} and {row["status"] for row in rows} <= {"ok"}
    store, tests = Store(out), [row for row in rows if row["split"] == "test"]
    for row in tests:
        right = store.items(tuple(row[name] for name in fit)) == store.targets(row["task"], row["data"])
        assert right.mean() == row["value"]
    return len(tests)


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
        assert driver.stderr.read() == "stopped; give the same command again to continue.\n"


def _workers(driver: subprocess.Popen) -> list[psutil.Process]:
    return [p for p in psutil.Process(driver.pid).children() if "popen_loky" in " ".join(p.cmdline())]


def _seconds(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])
