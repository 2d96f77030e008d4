"""A cluster of Ray's or Dask's: the one that runs at an address, or one started here."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from urllib.parse import urlsplit

from tlkit import env
from tlkit.env.process import THREAD_VARIABLES
from tlkit.errors import UserError
from tlkit.study.worker import RETRIES
from tlkit_lessons.clusters.fits import Cluster, on_cluster

PATIENCE = 10.0  # seconds for a cluster to answer, and to have a worker
RESULTS = 100 * 2**20  # bytes of shared memory for a local Ray: what comes back from fits is small
# Dask would also have every piece of memory handed back at once, at which small fits take twice as long
LOCAL_DASK = {
    "distributed.scheduler.allowed-failures": RETRIES,
    "distributed.nanny.pre-spawn-environ": dict.fromkeys(THREAD_VARIABLES, 1),
}
START = {"ray": "ray start --head", "dask": "dask scheduler"}


@contextmanager
def dask(address: str | None, jobs: int) -> Iterator[Cluster]:
    """A fit has a process to itself, in which Dask has one thread."""
    from dask import config
    from distributed import Client, KilledWorker, LocalCluster
    from distributed.utils import silence_logging_cmgr

    with ExitStack() as stack:
        stack.enter_context(silence_logging_cmgr(logging.CRITICAL))  # what matters is raised
        if address is None:
            # without limits: a worker over its share of the memory would be killed, whatever else is free
            workers = {"n_workers": jobs, "threads_per_worker": 1, "memory_limit": None}
            stack.enter_context(config.set(LOCAL_DASK))
            quiet = {"dashboard_address": None, "silence_logs": logging.CRITICAL}
            host = stack.enter_context(LocalCluster(**workers, **quiet))
        else:
            host = address
            _knock("dask", address)
        try:
            client = stack.enter_context(Client(host, timeout=PATIENCE, set_as_default=False))
        except (OSError, ValueError) as error:
            raise _silent("dask", address, error) from error
        with suppress(TimeoutError):
            client.wait_for_workers(1, timeout=PATIENCE)
        pool = client.get_executor(pure=False)
        yield Cluster(partial(pool.submit, on_cluster), sum(client.nthreads().values()), (KilledWorker,))


@contextmanager
def ray(address: str | None, jobs: int) -> Iterator[Cluster]:
    """A fit has a CPU to itself and, where that is wanted, an equal share of the GPUs."""
    # no reports to Ray's makers, and no say in which GPUs a fit sees
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
        os.environ.setdefault(name, "0")
    import ray
    from ray import exceptions as of_ray

    ours = not ray.is_initialized()  # else it is the caller's, who goes on with it
    if ours:
        _connect(address, jobs)
    elif address is not None:
        raise UserError("this process is in a Ray cluster already: leave --cluster out, or shut that down.")
    try:
        resources = ray.cluster_resources()
        processors = int(resources.get("CPU", 0))
        gpus = resources.get("GPU", 0) if env.device().type == "cuda" else 0
        share = {"num_cpus": 1, "num_gpus": min(1, gpus / max(1, processors))}
        task = ray.remote(on_cluster).options(name="tlkit fit", max_retries=RETRIES, **share)
        killed = of_ray.OutOfMemoryError, of_ray.WorkerCrashedError
        gone = of_ray.LocalRayletDiedError, of_ray.ObjectLostError, of_ray.RaySystemError
        raised = killed, gone, (of_ray.RayTaskError,)
        yield Cluster(lambda cell: task.remote(cell).future(), processors, *raised)
    finally:
        if ours:
            ray.shutdown()


def _connect(address: str | None, jobs: int) -> None:
    import ray

    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    before = signal.getsignal(signal.SIGTERM)  # which Ray takes for itself
    if address is None:
        own = {"num_cpus": jobs, "include_dashboard": False, "object_store_memory": RESULTS}
        try:
            ray.init("local", **own, **quiet)
        except Exception as error:
            if type(error) is not Exception:  # for a machine too busy Ray raises nothing narrower
                raise
            ray.shutdown()
            why = f"Ray did not start here ({_first(error)}): try again when the machine is less busy."
            raise UserError(why) from error
    else:
        if address != "auto":
            _knock("ray", address)
        try:
            ray.init(address, **quiet)
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise _silent("ray", address, error) from error
    if before is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


def _knock(backend: str, address: str) -> None:
    """Raise UserError unless a cluster is there, which Ray and Dask wait for minutes to find out.

    Both speak first to whoever calls, unless the line is encrypted.
    """
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    try:
        port = parts.port
    except ValueError:
        port = None
    if not parts.hostname or not port:
        raise UserError(f"--cluster {address!r}: give HOST:PORT, what `{START[backend]}` printed.")
    try:
        with socket.create_connection((parts.hostname, port), PATIENCE) as line:
            plain = parts.scheme == "tcp" and os.environ.get("RAY_USE_TLS", "0") == "0"
            if plain and not line.recv(1):
                raise ConnectionError("it hangs up")
    except OSError as error:
        raise _silent(backend, address, error) from error


def _silent(backend: str, address: str | None, error: Exception) -> UserError:
    token = "set RAY_AUTH_MODE=token here if it wants one, " if backend == "ray" else ""
    return UserError(
        f"no {backend} cluster answers at {address} ({_first(error)}): start one there ({START[backend]}), "
        f"{token}or leave --cluster out for one of this machine."
    )


def _first(error: Exception) -> str:
    """The first line of what it says."""
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
