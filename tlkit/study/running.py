"""Running what a grid still lacks, or any other number: each once, written down the moment it ends."""

import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from numbers import Real
from platform import node

from tlkit import env
from tlkit.backbones import Backbone
from tlkit.errors import UserError
from tlkit.plans import Plan
from tlkit.records import FitKey, Record, Store
from tlkit.study import executors
from tlkit.study.grid import Grid, todo
from tlkit.study.worker import RETRIES, Finished, without_value
from tlkit.tasks import Evaluation, Metric
from tlkit.tasks.metrics import accuracy


@dataclass(frozen=True)
class Outcome:
    """What a run of a grid did: fits run now, fits found finished, and the reasons of those that failed."""

    ran: int
    found: int
    failed: tuple[str, ...]


def run(
    grid: Grid,
    store: Store,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    backend: str = "loky",
    cluster: str | None = None,
) -> Outcome:
    """Run what is not finished, the cheapest plans first; what ended is kept, so that a killed run goes on.

    jobs: processes, one torch thread each; 1 if not given. progress(done, total) is called after every fit.
    backend: "loky" for processes of this machine; "ray" or "dask", which also reach other machines: with
    `cluster` the one that runs at this address (`jobs` is then the most fits at once, by default as many as
    it has processors), else one started here. With Dask a script needs the usual `__main__` guard.

    A fit that diverges is recorded as such and the others go on; so is one, as failed, whose workers were
    killed time and again. Raises UserError for what cannot run at all, where no cluster answers, and when
    files change meanwhile or are others on another machine.
    """
    opened = executors.opened(backend, cluster, jobs)
    if jobs is not None and jobs < 1:
        raise UserError(f"--jobs {jobs}: give 1 or more processes.")
    total = sum(1 for _ in grid.cells())
    if not total:
        raise UserError("a comparison needs at least one plan, one label budget and one seed.")
    cells = todo(grid, store)
    if not cells:
        return Outcome(0, total, ())
    grid.check()
    cells.sort(key=lambda cell: _work(cell.plan, grid.parts[1]))  # stable: of one cost seed by seed
    if backend != "loky" or (jobs or 1) > 1:
        cells = grid.packed(cells)
    failed = []
    with opened as fits, closing(fits(cells)) as ended:
        for done, (cell, finished) in enumerate(ended, 1):
            failed += _keep(store, grid, grid.key(cell), finished)
            if progress:
                progress(total - len(cells) + done, total)
    return Outcome(len(cells), total - len(cells), tuple(failed))


def _work(plan: str, backbone: Backbone) -> int:
    """Stages that a plan runs with gradients, over all of its descents; least for one without a network."""
    plan = Plan.parse(plan)
    if plan.raw:
        return -1
    return sum(len(backbone.stages) - phase.cut(backbone.stages) for phase in plan.phases(backbone.stages))


def _keep(store: Store, grid: Grid, key: FitKey, finished: Finished | None) -> list[str]:
    """Write a fit down; what is to be told of it, if it failed."""
    finished = finished or _killed(grid, key)
    _refuse_other(key, finished)
    beside = finished.predicted, finished.targets, finished.scores, finished.origin
    store.append([Record(*key, **row) for row in finished.rows], *beside)
    return [finished.failure] if finished.failure else []


def _killed(grid: Grid, key: FitKey) -> Finished:
    why = (
        f"the process of {key.plan}, {key.labels} labels, seed {key.seed}, was killed {RETRIES + 1} times, "
        "often because memory ran out: to try again, delete its line in the records."
    )
    row = without_value(grid.parts[0].objective.metric, "failed", why)
    return Finished(key, [row], failure=f"failed: {why}", origin=env.origin())


def _refuse_other(key: FitKey, finished: Finished) -> None:
    """A fit of other files, weights or settings than those asked for is none of these records."""
    names = {"data": f"files of task {key.task!r}", "weights": f"weights of {key.backbone}"}
    names["recipe"] = "settings of tlkit"
    other = next((name for at, name in names.items() if getattr(finished.key, at) != getattr(key, at)), None)
    if other and finished.machine == node():
        raise UserError(f"the {other} changed while it ran: run it again.")
    if other:
        raise UserError(
            f"the {other} on machine {finished.machine} differ from those here: copy the same files there."
        )


def measure(
    store: Store, key: FitKey, run: Callable[[], Evaluation | float], metric: Metric = accuracy
) -> Record:
    """The test record of what is no fit: the one that the store has, else what `run` gives, written at once.

    key: what the number is of; numbers to be compared share task, data, backbone and recipe. run(): what
    `Task.evaluate` gave, whose predictions and scores are kept beside the record, and its `detail` in it; or
    a number, where there are no test items. A number that is not finite, and a fit inside that diverged, are
    recorded as such and not run again. What else `run` raises is raised, and nothing is written. Raises
    UserError, before anything runs, for a key of other types, and if `run` did not measure `metric`.
    """
    from tlkit.fit import Diverged

    key = FitKey(*key)
    row = Record(*key, "test", metric.name, None, "skipped")
    if known := _there(store, row):
        return known
    began = time.perf_counter()
    try:
        found = run()
    except Diverged as error:
        found = Evaluation({metric.name: math.nan}, None, None, detail={"why": str(error)})
    if isinstance(found, Real):
        found = Evaluation({metric.name: float(found)}, None, None, scale=metric.declared())
    told = next(iter(found.metrics)) if isinstance(found, Evaluation) else type(found).__name__
    if told != metric.name:
        raise UserError(
            f"{key.plan} of {key.task}, seed {key.seed}, gave {told} where {metric.name} is measured: return "
            "a number or an Evaluation, and name its metric."
        )
    detail = found.detail | ({"scale": found.scale} if found.scale else {})
    took = {"seconds": round(time.perf_counter() - began, 3)}
    row = replace(row, value=found.metrics[told], status="ok", measured=took, detail=detail)
    beside = (None if isinstance(kept, list) else kept for kept in (found.predicted, found.targets))
    store.append([row], *beside, found.scores if found.scale else None, env.origin())
    return _there(store, row)


def _there(store: Store, row: Record) -> Record | None:
    return next((known for known in store.read() if known.key == row.key), None)
