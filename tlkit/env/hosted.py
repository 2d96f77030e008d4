"""Where results are kept, and what of it outlives a hosted session."""

import os
import sys
from pathlib import Path

DRIVE = Path("/content/drive/MyDrive")  # where Colab mounts a reader's own storage
COLAB, KAGGLE = Path("/content"), Path("/kaggle/working")


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


def where_results_go() -> str:
    """A sentence: the folder, and whether it outlives the session."""
    folder = results_dir()
    if host() == "colab" and DRIVE not in folder.parents:
        return f"Results go to {folder} and end with this session; mount Drive first to keep them."
    if host() == "kaggle":
        return f"Results go to {folder}; save a version of this notebook to keep them."
    return f"Results go to {folder}."
