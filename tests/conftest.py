"""One thread, no network, no window; hypothesis repeatable; real data or a reason to skip."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# before torch or matplotlib is imported anywhere
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "agg")

import pytest
from hypothesis import settings

from tlkit_lessons import downloads

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    """Compute features afresh: a test must not lean on what an older version left in the user's cache."""
    if "TLKIT_COMPUTED" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="tlkit-computed-", ignore_cleanup_errors=True)
        os.environ["TLKIT_COMPUTED"] = folder.name  # workers and kernels inherit it
        config.add_cleanup(folder.cleanup)
        config.add_cleanup(lambda: os.environ.pop("TLKIT_COMPUTED"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.real("hymenoptera", ...)` needs those folders of the cache."""
    names = [name for mark in item.iter_markers("real") for name in mark.args]
    absent = [name for name in names if not downloads.folder(name).is_dir()]
    if absent:
        places = downloads.cache_dirs()
        pytest.skip(f"needs {', '.join(absent)} in {places}: `tlkit data get {' '.join(absent)}`")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """No figure outlives the test that drew it."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def computed(tmp_path, monkeypatch) -> Path:
    """A folder of its own for what a test computes, and no arrays open from the test before."""
    from tlkit import features

    monkeypatch.setenv("TLKIT_COMPUTED", str(tmp_path / "computed"))
    monkeypatch.setattr(features, "_KEPT", {})
    monkeypatch.setattr(features, "_EXAMPLES", {})
    return tmp_path / "computed" / "features"


def status(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """The exit status of `tlkit ...`, run in this process."""
    from tlkit.cli import app

    monkeypatch.setattr(sys, "argv", ["tlkit", *map(str, words)])
    try:
        app()
    except SystemExit as end:
        return end.code or 0
    return 0


@pytest.fixture
def tlkit(monkeypatch, capsys, tmp_path):
    """Run `tlkit ...` in this process, in an empty folder: (exit code, what it printed, on one line)."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        code = status(monkeypatch, *words)
        out = capsys.readouterr()
        return code, " ".join((out.out + out.err).split())

    return run
