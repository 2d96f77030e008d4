"""What grows with images, with fits and with workers: seconds, and the memory that cannot be given back."""

import re
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.phases import Watch
from tlkit import backbones, study
from tlkit.fit import fit
from tlkit.recipe import Recipe, default
from tlkit.records import Store
from tlkit.study import Grid
from tlkit.tasks import Items, Task, classification

NETWORK, CLASSES, SIDE, TEST = "letters", 10, 8, 1000
EVERY = 0.02  # seconds between two looks at the memory
ONE_PASS = Recipe(steps=1, epochs=1, batch=32, rates=(1e-3,), strengths=(0.1,), baselines=("1-nn",))


class Made(Sequence):
    """Pictures that are drawn when they are asked for: a bright row says the class, the rest is noise."""

    def __init__(self, count: int, seed: int):
        self.count, self.seed = count, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> Any:
        noise = np.random.default_rng((self.seed, i)).random((1, SIDE, SIDE), dtype=np.float32) / 2
        noise[0, i % CLASSES % SIDE, :: 1 + i % CLASSES // SIDE] += 0.5
        return torch.from_numpy(noise)


def made(count: int) -> Task:
    """A task of `count` pictures to learn from."""

    def side(n: int, seed: int) -> tuple[Items, np.ndarray]:
        names = [f"{seed} {i}" for i in range(n)]
        return Items(Made(n, seed), names, tuple(names)), np.arange(n) % CLASSES

    classes = tuple(str(c) for c in range(CLASSES))
    return Task(f"made-{count}", classification(CLASSES), *side(count, 0), *side(TEST, 1), classes)


def images(watch: Watch, count: int, plan: str) -> dict:
    """One fit of `plan` that learns once from each of `count` pictures."""
    with watch("open"):
        task, backbone = made(count), backbones.load(NETWORK)
        backbone.pretrained()
    with memory() as seen, watch("fit"):
        done = fit(task, backbone, plan, count // CLASSES, recipe=ONE_PASS)
    return {"accuracy": done.test.metrics["accuracy"], **seen}


def fits(watch: Watch, count: int) -> dict:
    """A grid of `count` frozen fits in this process; seconds of the first and the second half of them."""
    grid = Grid("digits", NETWORK, ("frozen",), (1,), tuple(range(count)), default())
    with watch("open"):
        grid.parts[1].pretrained()
    with memory() as seen, TemporaryDirectory() as folder:
        ended = ran(grid, Path(folder), 1, "loky", watch)
    return {"fits a second": (count - 1) / (ended[-1] - ended[0]), **seen}


def workers(watch: Watch, backend: str, jobs: int, count: int, plan: str, labels: int) -> dict:
    """A grid of `count` fits by `jobs` workers: the rate once every worker has ended its first fit."""
    grid = Grid("digits", NETWORK, (plan,), (labels,), tuple(range(count)), default())
    with TemporaryDirectory() as folder:
        ended = ran(grid, Path(folder), jobs, backend, watch)
    return {"fits a second": (count - jobs) / (ended[-1] - ended[jobs - 1])}


def ran(grid: Grid, folder: Path, jobs: int, backend: str, watch: Watch) -> list[float]:
    """When each fit of the grid ended."""
    ended: list[float] = []
    with watch("grid"):
        study.run(
            grid, Store(folder / "grid.jsonl"), jobs, lambda *_: ended.append(time.perf_counter()), backend
        )
    return ended


@contextmanager
def memory():
    """MB that this process holds for itself, at the beginning and at most: mapped files can be given back."""
    seen = {"before_mb": own_mb(), "most_mb": own_mb()}
    over = threading.Event()

    def look() -> None:
        while not over.wait(EVERY):
            seen["most_mb"] = max(seen["most_mb"], own_mb())

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def own_mb() -> float:
    """RssAnon of Linux; elsewhere all that is resident."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"RssAnon:\s+(\d+) kB", status.read_text("ascii"))[1]) / 1024
    import psutil

    return psutil.Process().memory_info().rss / 2**20
