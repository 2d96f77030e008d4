"""One fit, wherever it is run: in this process, in one of this machine, or on another machine."""

import os
import pickle
import threading
import time
from dataclasses import dataclass
from functools import cache, lru_cache
from platform import node
from typing import TYPE_CHECKING

import numpy as np
from loky import process_executor

from tlkit.records import FitKey
from tlkit.study.grid import Cell, identify

if TYPE_CHECKING:
    from tlkit.fit import Fit

SPLITS = ("train", "select", "test")
GROWTH = 2**30  # bytes a worker may grow by before it is replaced
RETRIES = 3  # of a fit whose worker was killed; then it is recorded as failed
WATCH = 1.0  # seconds between a worker's looks at whether its parent is still there


@dataclass(frozen=True)
class Finished:
    """What a worker sends back: rows of records (test last), predictions, test targets, or what failed.

    key: of the fit, from the files where it ran; machine: the name of that place; origin: `env.origin` there.
    """

    key: FitKey
    rows: list[dict]
    predicted: np.ndarray | None = None
    targets: np.ndarray | None = None
    scores: np.ndarray | None = None
    failure: str | None = None
    machine: str = ""
    origin: dict | None = None


def work(cell: Cell) -> tuple[Cell, Finished]:
    """One fit, in a worker or here: one torch thread, everything loaded by name."""
    from tlkit import backbones, env, tasks
    from tlkit.fit import Diverged, fit
    from tlkit.plans import Plan

    env.set_threads(1)
    _register(cell.added)
    task, backbone = cell.given
    task = tasks.load(task or cell.task).judged(cell.recipe.metric)
    backbone = backbone or backbones.load(cell.backbone, cell.weights)
    origin = env.origin(backbone.device)
    key, metric, machine = identify(cell, task, backbone), task.objective.metric, node()
    try:
        done = fit(task, backbone, Plan.parse(cell.plan), cell.labels, cell.seed, cell.recipe)
    except Diverged as error:
        row, told = without_value(metric, "diverged", error), f"diverged: {error}"
        return cell, Finished(key, [row], failure=told, machine=machine, origin=origin)
    predicted, targets = small(done.test.predicted), small(done.test.targets)
    scores = done.test.scores if done.test.scale else None  # of accuracy the other two give them
    return cell, Finished(key, rows(done, metric), predicted, targets, scores, None, machine, origin)


@lru_cache(maxsize=1)
def _register(added: bytes) -> None:
    """The factories that were registered by hand where the study was begun."""
    from tlkit import backbones, tasks

    for module, factories in zip((tasks, backbones), pickle.loads(added) if added else (), strict=False):
        for name, factory in factories.items():
            module.register(name, factory)


def in_process(cell: Cell, parent: int) -> tuple[Cell, Finished]:
    """A fit in a process of loky's, which lives on.

    loky replaces one that has grown by 300 MB since its first task, as with every large fit behind a small
    one; it has no public word for that, and to import everything anew takes longer than the fit.
    """
    process_executor._MAX_MEMORY_LEAK_SIZE = GROWTH
    _end_with(parent)
    return work(cell)


@cache
def _end_with(parent: int) -> None:
    """End this process, within `WATCH` seconds, when its parent has gone: nobody would take the result."""
    from psutil import pid_exists  # where the parent of an orphan keeps its number, as on Windows

    def watch() -> None:
        while os.getppid() == parent and pid_exists(parent):
            time.sleep(WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def rows(done: "Fit", metric: str) -> list[dict]:
    """The rows of a finished fit: split, metric, value; cost and detail stand in the test row, the last."""
    values = dict(zip(SPLITS, (done.train, done.select, done.test.metrics[metric]), strict=True))
    found = [{"split": s, "metric": metric, "value": v} for s, v in values.items() if v is not None]
    told = {"scale": done.test.scale} if done.test.scale else {}
    found[-1] |= {"measured": done.measured, "detail": {**done.detail, "tried": done.tried, **told}}
    return found


def without_value(metric: str, status: str, why: object) -> dict:
    """The row of a fit that came to nothing."""
    return {"split": "test", "metric": metric, "value": None, "status": status, "detail": {"why": str(why)}}


def small(array: np.ndarray | list) -> np.ndarray | None:
    """Class numbers in the fewest bytes that hold them; None for a list of what differs in shape."""
    if isinstance(array, list):
        return None
    array = np.asarray(array)
    whole = array.dtype == np.int64 and array.size and array.min() >= 0
    return array.astype(np.min_scalar_type(int(array.max()))) if whole else array
