"""Where the fits that a page runs itself are recorded."""

import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tlkit.env import host, results_dir

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


@cache
def _passing() -> TemporaryDirectory:
    return TemporaryDirectory(prefix="tlkit-")  # removed when the process ends
