"""Where fits run: processes of this machine, and the back ends that packages bring, each under its name.

A fit is written down when it ends, and a killed worker costs its own fit only.
"""

import os
import warnings
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from loky import get_reusable_executor
from loky.process_executor import TerminatedWorkerError

from tlkit.env.process import THREAD_VARIABLES
from tlkit.errors import UserError
from tlkit.registry import Registry
from tlkit.study.grid import Cell
from tlkit.study.worker import RETRIES, Finished, in_process, work

TOGETHER = 2  # so many kills may have been a neighbour's: the tries after that a fit has to itself
# in the order they end; None: its workers were all killed
Ended = Generator[tuple[Cell, Finished | None], None, None]
Executor = Callable[[list[Cell]], Ended]
# a warning that tells nobody anything: a worker that has grown is replaced, and no job is lost
EXPECTED = "A worker (stopped|was restarted) while some jobs were given"
BACKENDS = Registry("--backend", "tlkit.executors", lambda: BACKENDS.register("loky", _opened))


def opened(backend: str, cluster: str | None, jobs: int | None) -> AbstractContextManager[Executor]:
    """What the back end of that name makes of an address and a number of processes, either of them or None.

    What was started for it ends with it. Raises UserError for an unknown name, and for what it cannot do.
    """
    factory, rest = BACKENDS.find(backend)
    return factory(*rest, cluster, jobs)


def check(backend: str, cluster: str | None = None) -> None:
    """Raise UserError for an unknown back end, one that is not installed, or a cluster of loky's."""
    opened(backend, cluster, None)


def _opened(cluster: str | None, jobs: int | None) -> AbstractContextManager[Executor]:
    if cluster is not None:
        raise UserError(f"--cluster {cluster}: loky is for one machine, add --backend ray or dask.")
    return nullcontext(partial(at_home, jobs=jobs or 1))


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
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=EXPECTED)
        try:
            for _, future in one_by_one(cells, submit, 2 * jobs):
                left -= 1
                yield future.result()
        finally:
            if left:  # stopped: what runs would be waited for
                pool.shutdown(kill_workers=True)


def one_by_one(
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
