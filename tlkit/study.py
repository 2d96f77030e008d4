"""A grid of fits: in parallel, resumable, each fit run once."""

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.errors import UserError
from tlkit.records import FitKey, Record, Store

if TYPE_CHECKING:
    from tlkit.fit import Fit

SPLITS = ("train", "select", "test")
GROWTH = 2**30  # bytes a worker may grow by before it is replaced
WATCH = 1.0  # seconds between a worker's looks at whether its parent is still there


@dataclass(frozen=True)
class Cell:
    """One fit to do: everything a worker needs, as plain strings and numbers."""

    task: str
    backbone: str
    weights: str | None
    plan: str
    labels: int
    seed: int
    recipe: Any


@dataclass(frozen=True)
class Grid:
    """Every plan at every label budget and seed, on one task from one backbone.

    task, backbone: names for `catalogue.load` and `backbones.load`; weights: a file, or None.
    """

    task: str
    backbone: str
    plans: tuple[str, ...]
    labels: tuple[int, ...]
    seeds: tuple[int, ...]
    recipe: Any
    weights: str | None = None

    @cached_property
    def parts(self) -> tuple[Any, Any]:
        """(Task, Backbone): loaded once; the network itself is not built yet."""
        from tlkit import backbones
        from tlkit.tasks import catalogue

        return catalogue.load(self.task), backbones.load(self.backbone, self.weights)

    def cells(self) -> Iterator[Cell]:
        """Seed by seed, so that a stopped run has whole seeds; canonical plan names."""
        from tlkit.plans import Plan

        names = list(dict.fromkeys(str(Plan.parse(plan)) for plan in self.plans))
        for seed in self.seeds:
            for labels in self.labels:
                for plan in names:
                    yield Cell(self.task, self.backbone, self.weights, plan, labels, seed, self.recipe)

    def key(self, cell: Cell) -> FitKey:
        """What identifies the cell's record; baselines do not depend on the weights."""
        from tlkit.plans import Plan

        task, backbone = self.parts
        weights = backbone.digest if Plan.parse(cell.plan).uses_weights else "none"
        version = cell.recipe.version
        return task.name, task.digest, backbone.name, weights, cell.plan, cell.labels, cell.seed, version

    def without_fetching(self) -> "Grid":
        """This grid, untrained where the weights would come from a hub: enough to check and to time it."""
        from tlkit import backbones

        task, backbone = self.parts
        if not backbone.digest.startswith("hub-"):
            return self
        light = replace(self)
        light.__dict__["parts"] = task, backbones.from_blueprint(backbone.blueprint)
        return light

    def check(self) -> None:
        """Raise UserError, before anything runs, for what cannot: too few items, a stage not there."""
        from tlkit.plans import Plan, refuse_unfit

        task, backbone = self.parts
        for labels in self.labels:
            for seed in self.seeds:
                task.draw(labels, seed)
        for plan in map(Plan.parse, self.plans):
            refuse_unfit(plan, task.objective, backbone)


@dataclass(frozen=True)
class Outcome:
    """What a run of a grid did: fits run now, fits found finished, and the reasons of those that failed."""

    ran: int
    found: int
    failed: tuple[str, ...]


def todo(grid: Grid, store: Store) -> list[Cell]:
    """The cells without a finished fit in the store."""
    done = store.finished()
    return [cell for cell in grid.cells() if grid.key(cell) not in done]


def run(
    grid: Grid, store: Store, jobs: int = 1, progress: Callable[[int, int], None] | None = None
) -> Outcome:
    """Run what is not finished; each fit is written the moment it ends, so a killed run resumes where it was.

    jobs: processes (joblib's loky), one torch thread each. progress(done, total) is called after every fit.
    A fit that diverges is recorded as such and the others go on. Raises UserError for what cannot run at all,
    and when the task's files change meanwhile.
    """
    if jobs < 1:
        raise UserError(f"--jobs {jobs}: give 1 or more processes.")
    total = sum(1 for _ in grid.cells())
    if not total:
        raise UserError("a comparison needs at least one plan, one label budget and one seed.")
    cells = todo(grid, store)
    if not cells:
        return Outcome(0, total, ())
    grid.check()
    failed = []
    for done, (cell, finished) in enumerate(_results(cells, jobs), 1):
        key = grid.key(cell)
        if finished.data != key[1]:
            raise UserError(f"the files of task {key[0]!r} changed while it ran: run it again.")
        store.append([Record(*key, **row) for row in finished.rows], finished.predicted, finished.targets)
        if finished.failure:
            failed.append(finished.failure)
        if progress:
            progress(total - len(cells) + done, total)
    return Outcome(len(cells), total - len(cells), tuple(failed))


def _results(cells: list[Cell], jobs: int) -> Iterator[tuple[Cell, "Finished"]]:
    if jobs == 1 or len(cells) == 1:
        yield from map(_work, cells)
        return
    from joblib import Parallel, delayed, parallel_config

    with warnings.catch_warnings(), parallel_config("loky", inner_max_num_threads=1):
        # loky replaces a worker whose memory has grown, and warns although no job is lost
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
        yield from Parallel(min(jobs, len(cells)), return_as="generator_unordered")(
            delayed(_in_worker)(c, os.getpid()) for c in cells
        )


def _in_worker(cell: Cell, parent: int) -> tuple[Cell, "Finished"]:
    """A fit in a process of its own, which lives on.

    loky replaces a worker that has grown by 300 MB since its first task, which every large fit behind a small
    one does; the new one would import everything anew, for longer than the fit takes.
    """
    from joblib.externals.loky import process_executor

    process_executor._MAX_MEMORY_LEAK_SIZE = GROWTH
    _end_with(parent)
    return _work(cell)


@cache
def _end_with(parent: int) -> None:
    """End this process, within `WATCH` seconds, when its parent has gone: nobody would take the result."""
    from psutil import pid_exists  # where the parent of an orphan keeps its number, as on Windows

    def watch() -> None:
        while os.getppid() == parent and pid_exists(parent):
            time.sleep(WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@dataclass(frozen=True)
class Finished:
    """What a worker sends back: rows of records (test last), predictions, test targets, or what failed."""

    data: str
    rows: list[dict]
    predicted: np.ndarray | None = None
    targets: np.ndarray | None = None
    failure: str | None = None


def _work(cell: Cell) -> tuple[Cell, Finished]:
    """One fit, in a worker or here: one torch thread, everything loaded by name."""
    from tlkit import backbones, env
    from tlkit.fit import Diverged, fit
    from tlkit.plans import Plan
    from tlkit.tasks import catalogue

    env.set_threads(1)
    task, backbone = catalogue.load(cell.task), backbones.load(cell.backbone, cell.weights)
    metric = task.objective.metric
    try:
        done = fit(task, backbone, Plan.parse(cell.plan), cell.labels, cell.seed, cell.recipe)
    except Diverged as error:
        row = {"split": "test", "metric": metric, "value": None, "status": "diverged"}
        return cell, Finished(task.digest, [row | {"detail": {"why": str(error)}}], failure=str(error))
    predicted, targets = _small(done.test.predicted), _small(done.test.targets)
    return cell, Finished(task.digest, rows(done, metric), predicted, targets)


def rows(done: "Fit", metric: str) -> list[dict]:
    """The rows of a finished fit: split, metric, value; cost and detail stand in the test row, the last."""
    values = dict(zip(SPLITS, (done.train, done.select, done.test.metrics[metric]), strict=True))
    found = [{"split": s, "metric": metric, "value": v} for s, v in values.items() if v is not None]
    found[-1] |= {"measured": done.measured, "detail": {**done.detail, "tried": done.tried}}
    return found


def _small(array: np.ndarray) -> np.ndarray:
    """Class numbers in the fewest bytes that hold them."""
    array = np.asarray(array)
    whole = array.dtype == np.int64 and array.size and array.min() >= 0
    return array.astype(np.min_scalar_type(int(array.max()))) if whole else array
