"""Fits on the machines of a cluster: how they are given out, what a worker does, and what is told of it."""

import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from platform import node

from tlkit.errors import UserError
from tlkit.study import Cell, Finished
from tlkit.study.executors import Ended, one_by_one
from tlkit.study.worker import work

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


def elsewhere(cell: Cell) -> Cell:
    """The cell with whole paths: a worker on another machine stands in another folder."""
    task, weights = cell.task, cell.weights
    if task.startswith(("folder:", "csv:")):
        kind, _, rest = task.partition(":")
        path, *more = rest.split("|")  # a file of groups, or columns
        more = map(_absolute, more) if kind == "folder" else more
        task = f"{kind}:{'|'.join([_absolute(path), *more])}"
    return replace(cell, task=task, weights=weights and _absolute(weights))


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def abroad(cells: list[Cell], cluster: Cluster) -> Ended:
    """The fits on a cluster. Raises UserError for what is amiss with it or its machines."""
    for cell, future in one_by_one([elsewhere(cell) for cell in cells], cluster.submit, cluster.room):
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


def _missing(error: Exception) -> UserError | None:
    """For a machine without a package, which Ray tells as text alone."""
    found = re.search(r"No module named '([\w.]+)'", str(error))
    return found and UserError(
        f"a machine of the cluster has no {found[1]}: install there what is installed here (for tlkit "
        "itself, pip install 'tlkit[cluster]')."
    )


def on_cluster(cell: Cell) -> tuple[Cell, Finished | UserError]:
    """A fit on a machine of a cluster. What a user can mend there comes back, with the machine's name.

    It comes as a value, since each library of clusters wraps what is raised in its own way.
    """
    from joblib import parallel_config

    try:
        _refuse_threads()
        with parallel_config("sequential"):  # else scikit-learn would hand out parts of the fit
            return work(cell)
    except UserError as error:
        return cell, UserError(
            f"on machine {node()}: {error} (Every machine of a cluster needs tlkit and the same files, "
            "a folder of one's own under the same path.)"
        )


def _refuse_threads() -> None:
    """Fits draw from one generator of random numbers a process: two at once would spoil each other's."""
    if "distributed" in sys.modules:
        from distributed import get_worker

        try:
            threads = get_worker().state.nthreads
        except ValueError:  # this is no worker of Dask's
            return
        if threads > 1:
            raise UserError(f"a Dask worker runs {threads} fits in one process: start it with --nthreads 1.")
