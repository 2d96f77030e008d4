"""joblib's back ends, so that a fit is written down when it ends, and a killed worker costs its own fit only.

What each of them lacks for that is added here: a second try with loky, an answer for a fit that killed every
worker with Dask, and results one by one with Ray.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

from joblib import Parallel, delayed, parallel_config
from joblib._dask import DaskDistributedBackend
from joblib.externals.loky.process_executor import TerminatedWorkerError
from joblib.parallel import ParallelBackendBase

from tlkit import env
from tlkit.errors import UserError
from tlkit.study.grid import Cell
from tlkit.study.worker import RETRIES, Finished, in_process, on_cluster, work

TOGETHER = 2  # so many kills may have been a neighbour's: the tries after that a fit has to itself
Ended = Iterator[tuple[Cell, Finished | None]]  # in the order they end; None: its workers were all killed


def at_home(cells: list[Cell], jobs: int) -> Ended:
    """The fits in `jobs` processes of this machine (joblib's loky); a single one in this process.

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
    calls = [delayed(in_process)(cell, os.getpid()) for cell in cells]
    yield from _parallel(jobs, "2*n_jobs", backend="loky", inner_max_num_threads=1)(calls)


def abroad(cells: list[Cell], engine: "Dask | Ray", jobs: int) -> Ended:
    """The fits on a cluster, `jobs` at once. Raises UserError for what is amiss with it or its machines."""
    for cell, ended in _parallel(jobs, jobs, backend=engine)(
        delayed(on_cluster)(cell.anywhere()) for cell in cells
    ):
        if isinstance(ended, UserError):
            raise ended
        yield cell, ended


def _parallel(jobs: int, ahead: int | str, **config: Any) -> Parallel:
    """joblib, giving each result as it comes; `ahead`: how many calls are given out and not back yet."""
    with parallel_config(**config):
        return Parallel(jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=ahead)


class Dask(DaskDistributedBackend):
    """joblib's Dask, which would wait for ever for a fit that killed every worker it was given to."""

    def effective_n_jobs(self, n_jobs: int) -> int:
        """At least 2, since joblib runs the work of one worker in the calling process."""
        return max(2, n_jobs)

    def submit(self, func: Any, callback: Callable | None = None) -> Future:
        """joblib calls back for results only; this also when there is none."""
        future = super().submit(func, callback)
        future.batch = func
        future.add_done_callback(lambda done: callback(done) if done.exception() else None)
        return future

    def retrieve_result_callback(self, out: Any) -> list:
        """The result of a batch, which holds one fit. Raises UserError when the cluster is gone."""
        from distributed import KilledWorker

        try:
            return out.result() if isinstance(out, Future) else super().retrieve_result_callback(out)
        except KilledWorker:
            return _killed(out.batch)
        except CancelledError as error:
            raise _gone(error) from error
        except ModuleNotFoundError as error:
            raise _missing(error.name) from error


class Ray(ParallelBackendBase):
    """Ray's tasks behind joblib: each goes to a free CPU, is tried again if killed, and answers at once.

    The back end that comes with Ray gives all results together, hands a call to the next process though
    another may be free, and has no second try. Where networks run on a GPU (TLKIT_DEVICE=cuda), each fit
    gets an equal share of those that the cluster has.
    """

    supports_retrieve_callback = True

    def __init__(self) -> None:
        super().__init__()
        import ray

        resources = ray.cluster_resources()
        gpus = resources.get("GPU", 0) if env.device().type == "cuda" else 0
        share = min(1, gpus / max(1, resources.get("CPU", 0)))
        self.task = ray.remote(num_cpus=1, num_gpus=share, max_retries=RETRIES)(tlkit_fit)

    def effective_n_jobs(self, n_jobs: int) -> int:
        """At least 2, since joblib runs the work of one worker in the calling process."""
        return max(2, n_jobs)

    def submit(self, func: Any, callback: Callable | None = None) -> Future:
        """Give out a batch, which holds one fit."""
        future = self.task.remote(func).future()
        future.batch = func
        future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: Future) -> list:
        """The result of a batch. Raises UserError when the cluster is gone, or a machine lacks a package."""
        from ray import exceptions as of_ray

        try:
            return out.result()
        except (of_ray.OutOfMemoryError, of_ray.WorkerCrashedError):
            return _killed(out.batch)
        except of_ray.RayTaskError as error:  # which tells as text what went wrong before the fit began
            if missing := re.search(r"No module named '([\w.]+)'", str(error)):
                raise _missing(missing[1]) from error
            raise
        except (of_ray.LocalRayletDiedError, of_ray.ObjectLostError, of_ray.RaySystemError) as error:
            raise _gone(error) from error


def tlkit_fit(batch: Callable[[], list]) -> list:
    """What Ray runs; its tools show the name."""
    return batch()


def _killed(batch: Any) -> list:
    """For the one fit of a batch: its workers were killed as often as it may be tried."""
    _, (cell, *_), _ = batch.items[0]
    return [(cell, None)]


def _gone(error: Exception) -> UserError:
    return UserError(
        f"the cluster went away ({type(error).__name__}): when it is back, the same command goes on where it "
        "was."
    )


def _missing(package: str) -> UserError:
    return UserError(
        f"a machine of the cluster has no {package}: install there what is installed here (for tlkit itself, "
        "pip install 'tlkit[cluster]')."
    )
