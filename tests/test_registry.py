"""What is made outside of the package: given as an object, by a registered name, by an entry point."""

import sys
import threading
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest
import tiny

from tlkit import backbones, study, tasks
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.records import Store
from tlkit.registry import Registry

GRID = {"plans": ("scratch", "frozen"), "labels": (2,), "seeds": (0, 1), "recipe": tiny.QUICK}


@pytest.fixture(autouse=True)
def own(monkeypatch):
    """Nothing that a test registers is left behind."""
    for registry in (tasks.registry.TASKS, backbones.BACKBONES):
        monkeypatch.setattr(registry, "added", {})
    yield
    tasks.registry._named.cache_clear()
    backbones._load.cache_clear()


@pytest.fixture
def store(tmp_path, computed) -> Store:
    return Store(tmp_path / "records.jsonl")


def values(store: Store) -> dict:
    return {r.key: r.value for r in store.read()}


def test_objects_go_into_a_grid_and_give_the_records_of_their_names(store, tmp_path):
    task, source = tiny.classifier()
    assert study.run(study.Grid(task, source, **GRID), store).ran == 4
    assert {(r.task, r.backbone) for r in store.read()} == {(task.name, source.name)}
    tasks.register(task.name, lambda: task)
    backbones.register(source.name, lambda: source)
    named = study.Grid(task.name, source.name, **GRID)
    assert study.run(named, store).ran == 0, "the same fits"
    other = Store(tmp_path / "other.jsonl")
    study.run(named, other)
    assert values(other) == values(store)


def test_a_registered_name_is_made_again_in_other_processes(store, tmp_path):
    def made() -> tasks.Task:
        return tiny.classifier()[0]

    tasks.register("made", lambda: replaced(made(), "made"))
    backbones.register("small", lambda: replace(tiny.classifier()[1], name="small"))
    grid = study.Grid("made", "small", **GRID)
    study.run(grid, store)
    apart = Store(tmp_path / "apart.jsonl")
    assert study.run(grid, apart, jobs=2).failed == ()
    assert values(apart) == values(store)
    objects = Store(tmp_path / "objects.jsonl")
    assert study.run(study.Grid(*grid.parts, **GRID), objects, jobs=2).failed == ()
    assert values(objects) == values(store), "objects whose names are known"


def replaced(task: tasks.Task, name: str) -> tasks.Task:
    task.name = name
    return task


@pytest.mark.parametrize("more", [{"jobs": 2}, {"backend": "dask"}])
def test_an_object_that_no_process_can_make_again_is_refused(store, more):
    pytest.importorskip("distributed")
    task, source = tiny.classifier()
    with pytest.raises(UserError, match=r"task 'tiny-classes' is an object .*tasks\.register"):
        study.run(study.Grid(task, source, **GRID), store, **more)
    tasks.register(task.name, lambda: tiny.classifier(train=30)[0])  # another task of that name
    with pytest.raises(UserError, match=r"task 'tiny-classes' is an object"):
        study.run(study.Grid(task, source, **GRID), store, **more)
    tasks.register(task.name, lambda: tiny.classifier()[0])
    with pytest.raises(UserError, match=r"backbone '.*' is an object .*backbones\.register"):
        study.run(study.Grid(task, source, **GRID), store, **more)
    assert not store.path.exists()


def test_a_factory_that_cannot_be_sent_is_refused(store):
    task, source = tiny.classifier()
    lock = threading.Lock()
    tasks.register(task.name, lambda: task if lock else None)
    backbones.register(source.name, lambda: source)
    with pytest.raises(UserError, match="a registered factory cannot be sent to other processes"):
        study.run(study.Grid(task.name, source.name, **GRID), store, jobs=2)


def test_prefixes_and_keys_are_handed_to_the_factory():
    seen = []

    def net(rest: str = "", /, spec: str = "", size: int = 8, weights: str | None = None):
        seen.append((rest, spec, size, weights))
        return replace(tiny.classifier()[1], name=spec)

    backbones.register("mine:", net)
    backbones.register("bare", lambda: tiny.classifier()[1])
    assert backbones.load("mine:a,size=3").name == "mine:a,size=3"
    backbones.load("mine:b,until=stem", __file__)
    assert seen == [("a", "mine:a,size=3", 3, None), ("b", "mine:b", 8, __file__)]
    for spec, weights, says in (
        ("mine:a,colour=red", None, "unknown key of backbone mine:a 'colour'"),
        ("mine:a,spec=red", None, "unknown key of backbone mine:a 'spec'"),
        ("bare,size=3", None, "unknown key of backbone bare 'size'"),
        ("bare", __file__, "--weights is for"),
        ("mine:", None, "unknown backbone 'mine:'.*mine:NAME"),
    ):
        with pytest.raises(UserError, match=says):
            backbones.load(spec, weights)
    with pytest.raises(UserError, match="--weights needs a name"):
        backbones.load(backbones.load("bare"), __file__)


def test_a_name_may_be_given_anew_but_not_one_of_a_package():
    tasks.register("mine", lambda: tiny.classifier()[0])
    first = tasks.load("mine")
    tasks.register("mine", lambda: tiny.classifier(train=30)[0])
    assert tasks.load("mine") is not first and len(tasks.load("mine").train) == 30
    with pytest.raises(UserError, match="task 'digits' comes with an installed package"):
        tasks.register("digits", lambda: first)
    with pytest.raises(UserError, match="backbone 'timm:' comes with an installed package"):
        backbones.register("timm:", lambda rest: None)
    with pytest.raises(UserError, match="unknown task 'mien': did you mean 'mine'"):
        tasks.load("mien")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Install another package, whose one module has a `register` for this group of entry points."""

    def install(group: str, code: str) -> None:
        info = tmp_path / "elsewhere-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\nelsewhere = elsewhere_made:register\n")
        (tmp_path / "elsewhere_made.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)

    yield install
    sys.modules.pop("elsewhere_made", None)


def test_an_entry_point_of_another_package_brings_its_own(elsewhere, monkeypatch):
    elsewhere(
        "tlkit.tasks",
        "import tiny\nfrom tlkit import tasks\n\n"
        "def register():\n    tasks.register('elsewhere', lambda: tiny.classifier()[0])\n",
    )
    fresh = Registry("task", "tlkit.tasks")
    monkeypatch.setattr(tasks.registry, "TASKS", fresh)
    assert {"elsewhere", "digits", "hymenoptera"} <= set(tasks.names())
    done = fit(tasks.load("elsewhere"), tiny.classifier()[1], "frozen", 2, 0, tiny.QUICK)
    assert 0 <= done.test.metrics["accuracy"] <= 1 and fresh.added == {}


QUEUE = """
from contextlib import contextmanager

from tlkit import study
from tlkit.errors import UserError
from tlkit.study.worker import work

seen = []

def fits(cells):
    yield from map(work, cells)

@contextmanager
def opened(queue, cluster, jobs):
    seen.append((queue, cluster, jobs))
    yield fits
    seen.append("ended")

def queue(name, cluster, jobs):
    if cluster is None:
        raise UserError(f"queue {name} is of a cluster: --cluster HOST.")
    return opened(name, cluster, jobs)

def register():
    study.BACKENDS.register("queue:", queue)
"""


def test_fits_run_where_another_package_runs_them(elsewhere, monkeypatch, store, tmp_path):
    elsewhere("tlkit.executors", QUEUE)
    for name, fresh in (("_ready", False), ("_brought", {})):
        monkeypatch.setattr(study.BACKENDS, name, fresh)
    assert study.BACKENDS.names() == ["dask", "loky", "queue:NAME", "ray"]
    grid = study.Grid("digits", "letters", **GRID)
    with pytest.raises(UserError, match="queue night is of a cluster: --cluster HOST"):
        study.run(grid, store, backend="queue:night")
    with pytest.raises(UserError, match="unknown --backend 'quue:night': did you mean"):
        study.check("quue:night")
    assert study.run(grid, store, 3, backend="queue:night", cluster="far").ran == 4
    assert sys.modules["elsewhere_made"].seen == [("night", "far", 3), "ended"]
    here = Store(tmp_path / "here.jsonl")
    study.run(grid, here)
    assert values(here) == values(store)


def test_a_task_and_a_backbone_are_given_back():
    task, source = tiny.classifier()
    assert tasks.load(task) is task and backbones.load(source) is source


def test_a_registered_backbone_is_made_again_for_a_saved_model(store):
    backbones.register("small", lambda: replace(tiny.classifier()[1], name="small", blueprint={}))
    source = backbones.load("small,until=mid")
    again = backbones.from_blueprint(source.blueprint)
    assert (again.stages, again.digest) == (source.stages, source.digest)


def test_an_entry_point_that_cannot_be_read_is_named(monkeypatch):
    point = EntryPoint("mine", "tlkit.tasks:regster", "tlkit.tasks")
    monkeypatch.setattr("tlkit.registry.entry_points", lambda group: [point])
    with pytest.raises(UserError, match=r"entry point mine = \S+:regster of things cannot be read .*: mend"):
        Registry("thing", "things").names()
