"""Fits on a cluster of Ray's or Dask's, one that runs or one started for them: two back ends of a study."""

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial

from tlkit.errors import UserError
from tlkit.study import BACKENDS
from tlkit.study.executors import Executor
from tlkit_lessons.clusters import fits, starting

EXPECTED = r"\d+ tasks (which|have been)"  # a warning: a run that is stopped leaves fits unfinished
PACKAGES = {"ray": "ray", "dask": "distributed"}
JOIN = {"ray": "ray start --address HOST:PORT", "dask": "dask worker HOST:PORT --nthreads 1"}


def register() -> None:
    """Make both known by their names; an entry point of this package."""
    for name in PACKAGES:
        BACKENDS.register(name, partial(opened, name))


def opened(name: str, cluster: str | None, jobs: int | None) -> AbstractContextManager[Executor]:
    """Something that runs cells and gives (cell, result) as each ends; what was started for it ends with it.

    Without `cluster` there are `jobs` workers, or 1; with the address of one that runs, `jobs` says how many
    fits it may run at once, by default as many as it has processors. Raises UserError for one that is not
    installed, and on entering where none answers.
    """
    if importlib.util.find_spec(PACKAGES[name]) is None:
        raise UserError(f"--backend {name} is not installed here: pip install 'tlkit[cluster]'.")
    return _opened(name, cluster, jobs)


@contextmanager
def _opened(name: str, cluster: str | None, jobs: int | None) -> Iterator[Executor]:
    start = starting.ray if name == "ray" else starting.dask
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=EXPECTED)
        with start(cluster, jobs or 1) as found:
            if not found.room:
                raise UserError(f"the {name} cluster at {cluster} has no worker: {JOIN[name]}.")
            yield partial(fits.abroad, cluster=replace(found, room=jobs or found.room))
