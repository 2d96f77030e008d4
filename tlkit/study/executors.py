"""Fits through executors of `concurrent.futures`: one loop for loky, Dask and Ray.

A fit is written down when it ends, and a killed worker costs its own fit only.
"""

import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass
from functools import partial

from loky import get_reusable_executor
from loky.process_executor import TerminatedWorkerError

from tlkit.env.process import THREAD_VARIABLES
from tlkit.errors import UserError
from tlkit.study.grid import Cell
from tlkit.study.worker import RETRIES, Finished, in_process, work

TOGETHER = 2  # so many kills may have been a neighbour's: the tries after that a fit has to itself
Ended = Iterator[tuple[Cell, Finished | None]]  # in the order they end; None: its workers were all killed
Raised = tuple[type[BaseException], ...]


@dataclass(frozen=True)
class Cluster:
    """submit: gives a fit to a worker; room: so many at once.

    What a future raises whose workers were all killed, where the cluster is gone, and where a package lacks.
    """

    submit: Callable[[Cell], Future]
    room: int
    killed: Raised
    gone: Raised = (CancelledError,)
    failed: Raised = (ModuleNotFoundError,)


def at_home(cells: list[Cell], jobs: int) -> Ended:
    """The fits in `jobs` processes of this machine (loky's); a single one in this process.

    When one process is killed, loky ends them all and does not say which it was. It was among the first
    `jobs` fits without a result; those are tried again, at last one by one.
    """
    if jobs == 1 or len(cells) == 1:
        yield from map(work, cells)
        return
    left, killed = list(cells), Counter()
    while left:
        now = [cell for cell in left if killed[cell] < TOGETHER] or left[:1]
        try:
            for cell, finished in _loky(list(now), min(jobs, max(2, len(now)))):
                left.remove(cell)
                now.remove(cell)
                yield cell, finished
        except TerminatedWorkerError:
            for cell in now[:jobs]:
                killed[cell] += 1
                if killed[cell] > RETRIES:
                    left.remove(cell)
                    yield cell, None


def _loky(cells: list[Cell], jobs: int) -> Ended:
    pool = get_reusable_executor(jobs, timeout=300, env=dict.fromkeys(THREAD_VARIABLES, "1"))
    submit, left = partial(pool.submit, in_process, parent=os.getpid()), len(cells)
    try:
        for _, future in _one_by_one(cells, submit, 2 * jobs):
            left -= 1
            yield future.result()
    finally:
        if left:  # stopped: what runs would be waited for
            pool.shutdown(kill_workers=True)


def abroad(cells: list[Cell], cluster: Cluster) -> Ended:
    """The fits on a cluster. Raises UserError for what is amiss with it or its machines."""
    for cell, future in _one_by_one([cell.anywhere() for cell in cells], cluster.submit, cluster.room):
        try:
            cell, ended = future.result()
        except cluster.killed:
            ended = None
        except cluster.gone as error:
            raise UserError(
                f"the cluster went away ({type(error).__name__}): when it is back, the same command goes on "
                "where it was."
            ) from error
        except cluster.failed as error:
            if missing := _missing(error):
                raise missing from error
            raise
        if isinstance(ended, UserError):
            raise ended
        yield cell, ended


def _one_by_one(
    cells: list[Cell], submit: Callable[[Cell], Future], room: int
) -> Iterator[tuple[Cell, Future]]:
    """Each with its future when that is done; `room`: how many are given out and not back yet."""
    waiting, running = deque(cells), {}
    try:
        while waiting or running:
            while waiting and len(running) < room:
                cell = waiting.popleft()
                running[submit(cell)] = cell
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future
    finally:
        for future in running:
            future.cancel()


def _missing(error: Exception) -> UserError | None:
    """For a machine without a package, which Ray tells as text alone."""
    found = re.search(r"No module named '([\w.]+)'", str(error))
    return found and UserError(
        f"a machine of the cluster has no {found[1]}: install there what is installed here (for tlkit "
        "itself, pip install 'tlkit[cluster]')."
    )
