import os
import random
import subprocess
import sys
import tempfile
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import threadpoolctl
import torch

from tlkit import env
from tlkit.env import machine, process
from tlkit.errors import UserError


@pytest.fixture
def threads_back():
    """Leave the process as it was found."""
    before, variables = (
        torch.get_num_threads(),
        {name: os.environ.get(name) for name in process.THREAD_VARIABLES},
    )
    yield
    threadpoolctl.threadpool_limits(before)
    torch.set_num_threads(before)
    for name, value in variables.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


def test_one_thread_unless_told_otherwise(monkeypatch, threads_back):
    monkeypatch.delenv("TLKIT_THREADS", raising=False)
    torch.set_num_threads(2)
    env.set_threads()
    assert torch.get_num_threads() == 1
    assert os.environ["OMP_NUM_THREADS"] == os.environ["OPENBLAS_NUM_THREADS"] == "1"
    monkeypatch.setenv("TLKIT_THREADS", "2")
    env.setup()
    assert torch.get_num_threads() == 2
    assert os.environ["OMP_NUM_THREADS"] == "2"


def test_linear_algebra_loaded_before_is_held_too(threads_back):
    threadpoolctl.threadpool_limits(2)
    np.eye(2) @ np.eye(2)
    assert 2 in {pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
    env.set_threads(1)
    assert {pool["num_threads"] for pool in threadpoolctl.threadpool_info()} == {1}


def test_torch_is_held_where_its_pool_is_not_found(monkeypatch, threads_back):
    monkeypatch.setattr(threadpoolctl, "threadpool_limits", lambda _: None)
    torch.set_num_threads(2)
    env.set_threads(1)
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "", "²"])
def test_bad_thread_count_is_one_sentence(monkeypatch, text):
    monkeypatch.setenv("TLKIT_THREADS", text)
    with pytest.raises(UserError, match="TLKIT_THREADS"):
        env.setup()


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_seed_repeats_every_generator():
    env.setup(7)
    first = draw()
    env.seed_everything(8)
    other = draw()
    env.seed_everything(7)
    assert draw() == first
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_setup_without_a_seed_leaves_the_generators_alone():
    env.setup(7)
    expected = draw()
    env.seed_everything(7)
    env.setup()
    assert draw() == expected


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_out_of_range(seed):
    with pytest.raises(UserError, match=str(seed)):
        env.seed_everything(seed)


def test_setup_silences_the_scripting_warning_and_no_other():
    message = "`torch.jit.script` is deprecated. Please switch to `torch.compile` or `torch.export`."
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        env.setup()
        warnings.warn(message, FutureWarning, stacklevel=1)
        warnings.warn("something else is deprecated", FutureWarning, stacklevel=1)
    assert [str(w.message) for w in seen] == ["something else is deprecated"]


def test_device_follows_the_environment(monkeypatch):
    monkeypatch.setenv("TLKIT_DEVICE", "cpu")
    assert env.device() == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("TLKIT_DEVICE", "cuda:1")
    assert env.device() == torch.device("cuda", 1)
    assert env.device(small=True) == torch.device("cuda", 1), "what is named is for all"
    monkeypatch.delenv("TLKIT_DEVICE")
    assert env.device() == torch.device("cuda"), "networks of other libraries"
    assert env.device(small=True) == torch.device("cpu"), "ours are quicker there"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert env.device() == torch.device("mps") and env.device(small=True) == torch.device("cpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert env.device() == torch.device("cpu")


@pytest.mark.parametrize("wanted", ["cuda:2", "cuda:one", "cpu:1", "mps", "gpu"])
def test_absent_device_is_named_with_a_remedy(monkeypatch, wanted):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setenv("TLKIT_DEVICE", wanted)
    with pytest.raises(UserError, match=f"TLKIT_DEVICE.*{wanted}"):
        env.device()


def test_versions_name_what_shapes_a_number():
    found = env.versions()
    assert found["python"] == sys.version.split()[0]
    assert found["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert set(found) == {"python", *machine.REPORTED}


def test_the_small_data_lies_beside_the_package(root):
    assert env.data_dir() == root / "data"


def test_env_is_light():
    code = "import sys, tlkit.env; print('torch' in sys.modules, 'numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]


def test_results_lie_where_the_next_session_finds_them(monkeypatch, tmp_path):
    from tlkit_lessons.notebooks import where_results_go

    for name in ("TLKIT_RESULTS", "COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    assert env.host() is None and env.results_dir().as_posix() == "build"
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    assert env.results_dir().as_posix() == "/kaggle/working/tlkit" and "save a version" in where_results_go()
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    monkeypatch.setattr(process, "DRIVE", tmp_path / "drive")
    assert env.results_dir().as_posix() == "/content/tlkit" and "mount Drive" in where_results_go()
    (tmp_path / "drive").mkdir()
    assert env.results_dir() == tmp_path / "drive" / "tlkit" and "end with" not in where_results_go()
    monkeypatch.setenv("TLKIT_RESULTS", str(tmp_path / "mine"))
    assert env.results_dir() == tmp_path / "mine"


def test_fits_of_a_page_are_found_again_only_where_a_session_ends(monkeypatch, tmp_path):
    from tlkit_lessons.notebooks import live_store

    monkeypatch.delenv("TLKIT_RESULTS", raising=False)
    passing = live_store("x").path
    assert tempfile.gettempdir() in str(passing) and live_store("x").path == passing
    monkeypatch.setenv("TLKIT_RESULTS", str(tmp_path))
    assert live_store("x").path == tmp_path / "x.jsonl"
