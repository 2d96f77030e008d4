"""Where the fits that a page runs itself are recorded, and whether they outlive the session."""

import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tlkit.env import host, process, results_dir

if TYPE_CHECKING:
    from tlkit.records import Store


def live_store(name: str) -> "Store":
    """A store for the fits of one page, found again by the next session on Colab and Kaggle.

    There, and where TLKIT_RESULTS names a folder, it lies in `env.results_dir()`; elsewhere it ends with the
    kernel, so that a page that runs anew really runs.
    """
    from tlkit.records import Store

    kept = host() or os.environ.get("TLKIT_RESULTS")
    return Store((results_dir() if kept else Path(_passing().name)) / f"{name}.jsonl")


def where_results_go() -> str:
    """A sentence: the folder, and whether it outlives the session."""
    folder = results_dir()
    if host() == "colab" and process.DRIVE not in folder.parents:
        return f"Results go to {folder} and end with this session; mount Drive first to keep them."
    if host() == "kaggle":
        return f"Results go to {folder}; save a version of this notebook to keep them."
    return f"Results go to {folder}."


@cache
def _passing() -> TemporaryDirectory:
    return TemporaryDirectory(prefix="tlkit-")  # removed when the process ends
