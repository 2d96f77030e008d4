"""Fits through loky, Ray and Dask: the same records, though workers are killed; and what is refused."""

import importlib.util
import json
import os
import platform
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
import tiny
from loky.process_executor import TerminatedWorkerError

from tlkit import study, tasks
from tlkit.errors import UserError
from tlkit.recipe import Recipe
from tlkit.records import FitKey, Store
from tlkit.study import executors, running, worker
from tlkit_lessons.clusters import starting
from tlkit_lessons.clusters.fits import elsewhere

BRIEF = replace(tiny.QUICK, steps=2, batch=32)
PATIENCE = 100.0  # seconds that one fit waits for the record of another
HERE = platform.node()
WORKER = {"loky": "popen_loky", "ray": "ray::", "dask": "spawn_main"}  # in the command line of one

needs_clusters = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("ray", "distributed")),
    reason="needs Ray and Dask: pip install 'tlkit[cluster]'",
)


@dataclass(frozen=True)
class Trying(Recipe):
    """Fits of `frozen` wait for a record of `pixels`; the first of `last-1` kills its process."""

    records: str = ""
    grave: str = ""

    def tries(self, plan, labels, solved=True):
        until = time.monotonic() + PATIENCE
        while str(plan) == "frozen" and '"pixels"' not in Path(self.records).read_text():
            if time.monotonic() > until:
                raise TimeoutError("that fit has ended long ago, and is not written down")
            time.sleep(0.05)
        if str(plan) == "last-1" and not os.path.exists(self.grave):
            Path(self.grave).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().tries(plan, labels, solved)


@dataclass(frozen=True)
class Deadly(Recipe):
    """Fits of `pixels` kill their process, and leave a stone each."""

    stones: str = ""

    def tries(self, plan, labels, solved=True):
        if str(plan) == "pixels":
            (Path(self.stones) / str(time.monotonic_ns())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().tries(plan, labels, solved)


def brief(kind: type[Recipe], **more) -> Recipe:
    return kind(**{name: getattr(BRIEF, name) for name in Recipe.__dataclass_fields__}, **more)


def grid(recipe=BRIEF, plans=("pixels", "frozen", "last-1"), seeds=(0, 1, 2), task="digits") -> study.Grid:
    return study.Grid(task, "letters", plans, (1,), seeds, recipe)


def repeated(store: Store) -> dict:
    """Everything in a store that must repeat: all but seconds and memory, predictions with it."""
    rows = {r.key: (r.value, r.status, r.detail) for r in store.read()}
    return rows | {r.fit_key: store.items(r.fit_key).tolist() for r in store.read() if r.status == "ok"}


def whole(path: Path, fits: int) -> None:
    """Every record is there once, and every line is one."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    keys = Counter(json.dumps([row[name] for name in ("plan", "labels", "seed", "split")]) for row in rows)
    assert set(keys.values()) == {1} and sum(row["split"] == "test" for row in rows) == fits


def left_over(backend: str) -> list[list[str]]:
    below = psutil.Process().children(recursive=True)
    return [line for p in below if WORKER[backend] in " ".join(line := p.cmdline())]


@pytest.fixture
def importable(monkeypatch):
    """Workers find this file, for the recipes above; Ray's look nowhere else."""
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))


@contextmanager
def if_ray_starts():
    """Ray gives up after seconds on a machine that others keep busy."""
    try:
        yield
    except UserError as error:
        if "Ray did not start here" in str(error):
            pytest.skip(str(error))
        raise


@needs_clusters
@pytest.mark.parametrize("kills", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("backend", ["dask", "ray"])
def test_a_cluster_of_this_machine_gives_the_records_of_one_process(tmp_path, importable, backend, kills):
    """Each is written while others run, a fit of a killed worker is tried again, and nothing stays behind."""
    one, many, grave = Store(tmp_path / "one.jsonl"), Store(tmp_path / "many.jsonl"), tmp_path / "grave"
    many.path.touch()
    if not kills:
        grave.touch()
    cells = grid(brief(Trying, records=str(many.path), grave=str(grave)))
    told, ending = [], signal.getsignal(signal.SIGTERM)
    with if_ray_starts():
        done = study.run(cells, many, 2, lambda done, total: told.append((done, total)), backend)
    assert done == study.Outcome(ran=9, found=0, failed=()) and told == [(i, 9) for i in range(1, 10)]
    assert grave.exists() and not left_over(backend)
    assert signal.getsignal(signal.SIGTERM) is ending
    assert study.run(cells, many, 2, backend=backend).found == 9, "at once, since nothing is left"
    study.run(cells, one)
    assert repeated(one) == repeated(many)
    whole(many.path, 9)


@pytest.mark.slow
@needs_clusters
@pytest.mark.parametrize("backend", study.BACKENDS.names())
def test_a_fit_that_kills_every_worker_is_recorded_as_failed(tmp_path, importable, backend):
    stones = tmp_path / "stones"
    stones.mkdir()
    store, cells = Store(tmp_path / "r.jsonl"), grid(brief(Deadly, stones=str(stones)), seeds=(0, 1))
    with if_ray_starts():
        done = study.run(cells, store, 2, backend=backend)
    assert done.ran == 6 and len(done.failed) == 2 and all("killed 4 times" in why for why in done.failed)
    assert len(list(stones.iterdir())) == 2 * (1 + worker.RETRIES)
    rows = [row for row in store.read() if row.split == "test"]
    assert Counter((row.plan, row.status) for row in rows) == {
        ("pixels", "failed"): 2, ("frozen", "ok"): 2, ("last-1", "ok"): 2,
    }  # fmt: skip
    assert study.run(cells, store, 2, backend=backend) == study.Outcome(ran=0, found=6, failed=())


@pytest.mark.slow
@needs_clusters
def test_a_running_ray_by_its_address(tmp_path, monkeypatch):
    """From the command line: as many fits at once as it has processors; a second run goes on there."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(16))  # of this test's cluster alone
    out, grid = tmp_path / "r.jsonl", ("--plans", "pixels,frozen", "--labels", "1", "--seeds")
    with ray_head(processors=2) as address:
        for seeds, said in (("2", "4 fits run, 0 found"), ("3", "2 fits run, 4 found")):
            words = ("compare", "--task", "digits", *grid, seeds, "--backend", "ray", "--cluster", address)
            command = [sys.executable, "-c", "from tlkit.cli import app; app()", *words, "--out", str(out)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=250)
            assert done.returncode == 0 and said in " ".join(done.stdout.split()), done.stderr
    whole(out, 6)


@contextmanager
def ray_head(processors: int):
    """The address of a Ray that was started on its own."""
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}"]
    more = (f"--num-cpus={processors}", "--include-dashboard=false", "--disable-usage-stats")
    head = subprocess.Popen([*start, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        while "Ray runtime started" not in (line := head.stdout.readline()):
            assert line, "Ray has ended"
        yield f"127.0.0.1:{port}"
    finally:
        for process in [*psutil.Process(head.pid).children(recursive=True), head]:
            process.kill()
        head.communicate()


@needs_clusters
def test_a_ray_that_does_not_come_up_is_told_in_a_sentence(tmp_path, monkeypatch):
    import ray

    def init(*_, **__):
        raise Exception("The current node timed out during startup. This could ...\nmore")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(
        UserError, match=r"^Ray did not start here \(The current node timed out during startup"
    ):
        study.run(grid(), Store(tmp_path / "r.jsonl"), backend="ray")


def at_home(monkeypatch, deadly: set, cells: list, jobs: int = 2) -> tuple[dict, Counter]:
    """What `at_home` makes of cells of which some kill their worker, in a loky that is only played."""
    tries = Counter()

    def played(now, jobs):
        waiting = list(now)
        while waiting:
            running = waiting[:jobs]
            tries.update(running)
            if deadly & set(running):
                raise TerminatedWorkerError
            for cell in running:
                waiting.remove(cell)
                yield cell, f"{cell} done"

    monkeypatch.setattr(executors, "_loky", played)
    ended = list(executors.at_home(cells, jobs))
    assert len(ended) == len(dict(ended)) == len(cells), "each once"
    return dict(ended), tries


def test_a_fit_that_kills_its_worker_costs_no_other_fit(monkeypatch):
    ended, tries = at_home(monkeypatch, {"c", "f"}, list("abcdefghij"))
    assert {cell for cell, result in ended.items() if result is None} == {"c", "f"}
    assert tries["c"] == tries["f"] == 1 + worker.RETRIES
    assert all(tries[cell] <= executors.TOGETHER + 1 for cell in "abdeghij")


def test_when_every_fit_kills_its_worker_the_run_ends(monkeypatch):
    ended, tries = at_home(monkeypatch, set("abc"), list("abc"), jobs=8)
    assert set(ended.values()) == {None} and set(tries.values()) == {1 + worker.RETRIES}


def test_a_killed_fit_is_recorded_as_failed_and_found_so(tmp_path, monkeypatch):
    @contextmanager
    def grim(*_):
        yield lambda cells: ((cell, None) if cell.seed else worker.work(cell) for cell in cells)

    monkeypatch.setattr(study.BACKENDS, "added", {"grim": grim})
    store = Store(tmp_path / "r.jsonl")
    done = study.run(grid(plans=("pixels",), seeds=(0, 1)), store, backend="grim")
    assert done.ran == 2 and len(done.failed) == 1
    assert re.search(
        "failed: .*pixels, 1 labels, seed 1, was killed 4 times.*delete its line", done.failed[0]
    )
    row = store.read()[-1]
    assert (row.status, row.value, row.seed) == ("failed", None, 1) and "killed 4 times" in row.detail["why"]
    assert study.run(grid(plans=("pixels",), seeds=(0, 1)), store).found == 2


@pytest.mark.parametrize(
    ("backend", "cluster", "says"),
    [
        ("lokey", None, "unknown --backend 'lokey': did you mean 'loky'\\? Known: dask, loky, ray"),
        ("loky", "here:1", "--cluster here:1: loky is for one machine, add --backend ray or dask"),
        ("dask", "nowhere", "give HOST:PORT, what `dask scheduler` printed"),
        ("dask", "here:port", "give HOST:PORT"),
        ("ray", "nowhere", "give HOST:PORT, what `ray start --head` printed"),
        (
            "ray",
            "127.0.0.1:{closed}",
            "no ray cluster answers at .*refused.*ray start --head.*leave --cluster out",
        ),
        ("dask", "tcp://127.0.0.1:{closed}", "no dask cluster answers at tcp://.*refused"),
        ("dask", "127.0.0.1:{dumb}", "no dask cluster answers at 127.0.0.1:.*timed out"),
        ("ray", "127.0.0.1:{dumb}", "no ray cluster answers at 127.0.0.1:.*timed out"),
        ("ray", "127.0.0.1:{curt}", "no ray cluster answers at 127.0.0.1:.*hangs up"),
        ("dask", "foo://127.0.0.1:{chatty}", "no dask cluster answers at foo.*unknown address scheme"),
    ],
)
@needs_clusters
def test_where_no_fit_can_run_is_said_at_once(tmp_path, monkeypatch, lines, backend, cluster, says):
    monkeypatch.setattr(starting, "PATIENCE", 0.3)
    cluster = cluster and cluster.format(**lines)
    began = time.monotonic()
    with pytest.raises(UserError, match=says):
        study.run(grid(), Store(tmp_path / "r.jsonl"), backend=backend, cluster=cluster)
    assert time.monotonic() - began < 20 and not (tmp_path / "r.jsonl").exists()


@pytest.fixture
def lines():
    """Ports where somebody listens and says nothing, hangs up, talks; and one where nobody does."""

    def answer(server: socket.socket, words: bytes | None) -> None:
        kept = []
        while True:
            try:
                line, _ = server.accept()
            except OSError:
                return
            if words is None:
                kept.append(line)
            else:
                line.send(words)
                line.close()

    servers = {}
    for name, words in (("dumb", None), ("curt", b""), ("chatty", b"hello"), ("closed", None)):
        servers[name] = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=answer, args=(servers[name], words), daemon=True).start()
    ports = {name: server.getsockname()[1] for name, server in servers.items()}
    servers["closed"].shutdown(socket.SHUT_RDWR)
    servers["closed"].close()
    yield ports
    for server in servers.values():
        server.close()


def test_a_back_end_that_is_not_installed_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for backend in ("ray", "dask"):
        with pytest.raises(
            UserError, match=rf"{backend} is not installed here: pip install 'tlkit\[cluster\]'"
        ):
            study.check(backend)
    study.check("loky")


@contextmanager
def dask_at_hand(workers: int, threads: int = 1):
    """A cluster of Dask's within this process, so that it is there at once."""
    from distributed import LocalCluster

    sizes = {"n_workers": workers, "threads_per_worker": threads, "processes": False}
    with LocalCluster(**sizes, protocol="tcp://", dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@needs_clusters
@pytest.mark.parametrize(
    ("workers", "threads", "says"),
    [
        (0, 1, "the dask cluster at tcp:.* has no worker: dask worker HOST:PORT --nthreads 1"),
        (1, 2, "on machine {machine}: a Dask worker runs 2 fits in one process: start it with --nthreads 1"),
    ],
)
def test_a_dask_cluster_that_is_not_fit_for_fits(tmp_path, monkeypatch, workers, threads, says):
    monkeypatch.setattr(starting, "PATIENCE", 1.0)
    with dask_at_hand(workers, threads) as address, pytest.raises(UserError, match=says.format(machine=HERE)):
        study.run(grid(), Store(tmp_path / "r.jsonl"), backend="dask", cluster=address)


@needs_clusters
def test_a_cluster_by_its_address_and_a_machine_without_the_files(tmp_path, monkeypatch):
    """What is missing there is told in one sentence with the machine's name; what was finished is kept."""
    store, real = Store(tmp_path / "r.jsonl"), tasks.load
    with dask_at_hand(1) as address:
        assert study.run(grid(seeds=(0,)), store, backend="dask", cluster=address).ran == 3

        def elsewhere(name):
            if threading.current_thread() is threading.main_thread():
                return real(name)
            raise UserError("there is no folder photos: give one.")

        monkeypatch.setattr(tasks, "load", elsewhere)
        says = rf"^on machine {HERE}: there is no folder photos: give one\. \(Every machine .* the same path"
        with pytest.raises(UserError, match=says):
            study.run(grid(), store, backend="dask", cluster=address)
        monkeypatch.undo()
        assert study.run(grid(), store, jobs=1, backend="dask", cluster=address).found == 3
    whole(store.path, 9)


def test_a_worker_is_given_whole_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (cell,) = study.Grid("folder:photos|groups.csv", "timm:x", ("full",), (1,), (0,), BRIEF, "w.pt").cells()
    sent = elsewhere(cell)
    assert (
        sent.task == f"folder:{tmp_path}/photos|{tmp_path}/groups.csv" and sent.weights == f"{tmp_path}/w.pt"
    )
    (cell,) = grid(plans=("full",), seeds=(0,)).cells()
    assert elsewhere(cell) == cell


KEY = FitKey("digits", "d1", "letters", "w1", "full", 5, 0, "r3-1")


@pytest.mark.parametrize(
    ("at", "machine", "says"),
    [
        (1, "", "the files of task 'digits' changed while it ran: run it again"),
        (1, "far", "the files of task 'digits' on machine far differ from those here: copy the same files"),
        (3, "", "the weights of letters changed while it ran"),
        (3, "far", "the weights of letters on machine far differ"),
        (7, "far", "the settings of tlkit on machine far differ"),
    ],
)
def test_a_fit_of_other_files_is_refused(at, machine, says):
    other = FitKey(*KEY[:at], "other", *KEY[at + 1 :])
    with pytest.raises(UserError, match=says):
        running._refuse_other(KEY, worker.Finished(other, [], machine=machine or HERE))
    running._refuse_other(KEY, worker.Finished(KEY, [], machine="far"))
