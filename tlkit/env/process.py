"""Threads, seed, device, folders: settings of a process, read from the environment.

TLKIT_THREADS (default 1), TLKIT_DEVICE (default: a GPU, but for small networks), TLKIT_COMPUTED (default: the
user's cache), TLKIT_RESULTS (default: `build`, or what a hosted notebook keeps).
"""

import os
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from tlkit import files
from tlkit.errors import UserError, unknown

if TYPE_CHECKING:
    import torch

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
DRIVE = Path("/content/drive/MyDrive")  # where Colab mounts a reader's own storage
COLAB, KAGGLE = Path("/content"), Path("/kaggle/working")
TAG = "CACHEDIR.TAG"  # marks a folder as a cache, for backup programs and for `tlkit data clear`
TAG_TEXT = "Signature: 8a477f597d28d172789f06886806bc55\n# Computed by tlkit; may be deleted.\n"


def setup(seed: int | None = None) -> None:
    """The first call of every notebook, command and worker: threads, a warning filter, and the seed if given.

    Raises UserError for a bad TLKIT_THREADS or seed.
    """
    # fastai still scripts a few losses on import; the reader of a notebook can do nothing about it
    warnings.filterwarnings("ignore", message=r".*torch\.jit.*deprecated")
    set_threads()
    if seed is not None:
        seed_everything(seed)


def threads() -> int:
    """Threads a process may use: TLKIT_THREADS, or 1. Raises UserError where that is no positive number."""
    text = os.environ.get("TLKIT_THREADS", "1")
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UserError(f"TLKIT_THREADS is {text!r}: set it to a whole number from 1 up, or unset it")
    return int(text)


def set_threads(count: int | None = None) -> None:
    """Hold torch, numpy and scipy to `count` threads (None: `threads()`), child processes too.

    One is the default: idle threads that wait by spinning slow down every other process on the machine, and
    the number of threads changes the last digits of a result.
    """
    import torch
    from threadpoolctl import threadpool_limits

    count = threads() if count is None else count
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(count)))
    threadpool_limits(count)
    torch.set_num_threads(count)


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, numpy and torch, on every device. Raises UserError outside [0, 2³²)."""
    import numpy as np
    import torch

    if not 0 <= seed < 2**32:
        raise UserError(f"seed {seed} is out of range: give a whole number from 0 to {2**32 - 1}")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def device(small: bool = False) -> "torch.device":
    """Where a network runs: TLKIT_DEVICE; else a GPU where there is one, and the CPU where it is small.

    Raises UserError for a device that is absent.
    """
    import torch

    counts = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available()), "cpu": 1}
    present = [kind for kind, count in counts.items() if count]
    wanted = os.environ.get("TLKIT_DEVICE") or ("cpu" if small else present[0])
    kind, _, index = wanted.partition(":")
    if kind not in counts:
        raise unknown("device in TLKIT_DEVICE", wanted, counts)
    if not (index or "0").isdigit() or int(index or 0) >= counts[kind]:
        raise UserError(
            f"TLKIT_DEVICE is {wanted!r}, absent here: unset it or set it to {' or '.join(present)}"
        )
    return torch.device(wanted)


def device_name(where: "torch.device") -> str:
    """What a device is called by its maker, or its kind: "cpu", "NVIDIA H200"."""
    import torch

    return torch.cuda.get_device_name(where) if where.type == "cuda" else where.type


@contextmanager
def on_device(where: "torch.device", *modules: "torch.nn.Module") -> "Iterator[torch.device]":
    """The modules on a device within the block, and back on the CPU behind it, whatever happens.

    On a GPU convolutions keep all of float32's digits, which CUDA would else cut to ten bits.
    """
    import torch

    if where.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
    try:
        for module in modules:
            module.to(where)
        yield where
    finally:
        for module in modules:
            module.to("cpu")


def data_dir() -> Path:
    """The small data that comes along: `tlkit/_data` in a wheel, `data/` beside the package in a checkout."""
    package = Path(str(resources.files("tlkit")))
    inside = package / "_data"
    return inside if inside.is_dir() else package.parent / "data"


def host() -> str | None:
    """ "colab", "kaggle", or None on a machine of one's own."""
    if "google.colab" in sys.modules or os.environ.get("COLAB_RELEASE_TAG"):
        return "colab"
    return "kaggle" if os.environ.get("KAGGLE_KERNEL_RUN_TYPE") else None


def results_dir() -> Path:
    """Where results go by default: TLKIT_RESULTS, else on Colab and Kaggle a folder `tlkit`, else `build`.

    On Colab the folder lies on Drive if that is mounted, and is then found again by the next session.
    """
    if named := os.environ.get("TLKIT_RESULTS"):
        return Path(named).expanduser()
    if host() == "colab":
        return (DRIVE if DRIVE.is_dir() else COLAB) / "tlkit"
    return KAGGLE / "tlkit" if host() == "kaggle" else Path("build")


def computed_dir() -> Path:
    """The folder of what is computed here (features): TLKIT_COMPUTED, or the user's cache; made if need be.

    Apart from what was fetched, which may be a read-only mount. Raises UserError if it cannot be made.
    """
    named = os.environ.get("TLKIT_COMPUTED")
    place = Path(named or platformdirs.user_cache_path("tlkit-computed", appauthor=False))
    place = Path(os.path.abspath(place.expanduser()))
    try:
        place.mkdir(parents=True, exist_ok=True)
        if not any(place.iterdir()):
            files.write_whole(place / TAG, TAG_TEXT)
    except OSError as error:
        raise UserError(
            f"{place} cannot be written ({error.strerror}): set TLKIT_COMPUTED to a folder that can"
        ) from error
    return place
