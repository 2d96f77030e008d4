"""Colab's versions of a few packages over the packages of this environment: seconds instead of gigabytes.

What it shows: that the wheel, its set-up cell and a notebook work with Colab's fastai, matplotlib,
ipywidgets, ipykernel and IPython, in a kernel that has imported its own before the cell runs. What it does
not show: anything of Colab's torch, numpy or pandas, which are this environment's here, or of its Python.
"""

import re
import sysconfig
from collections.abc import Collection
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name

from tools.elsewhere.places import HERE, pins, uv

# the first two lines are what is tried; the rest comes with them, or would be too new for them
NAMES = (
    "fastai", "fastcore", "fastdownload", "fastprogress", "fasttransform",
    "matplotlib", "matplotlib-inline", "ipywidgets", "ipykernel", "ipython",
    "ipython-genutils", "jupyterlab-widgets", "widgetsnbextension", "jupyter-client", "traitlets", "psutil",
    "notebook", "nbclassic", "nbclient", "backcall", "decorator", "jedi", "nest-asyncio", "pickleshare",
)  # fmt: skip
OFFLINE = re.compile(r"failed to fetch|error sending request|network was disabled", re.IGNORECASE)


def colabs(folder: Path) -> Path:
    """Install Colab's versions of NAMES into `folder`, without what they depend on; UserError from uv."""
    colab = pins((HERE / "colab.txt").read_text("utf-8"))
    wanted = [f"{name}=={colab[name]}" if name in colab else name for name in NAMES]
    uv("pip", "install", "-q", "--no-deps", "--compile-bytecode", "--target", folder, *wanted)
    return folder


def links(folder: Path, without: Collection[str], packages: Path | None = None) -> Path:
    """Links in `folder` to all that is installed in `packages` (default: here), but for these and tlkit.

    Raises OSError where links cannot be made, as for most users of Windows.
    """
    packages = packages or Path(sysconfig.get_path("purelib"))
    installed = metadata.distributions(path=[str(packages)])
    left_out = [each for each in installed if canonicalize_name(each.name) in {*without, "tlkit"}]
    hidden = {file.parts[0] for each in left_out for file in each.files or ()}
    folder.mkdir()
    for entry in packages.iterdir():
        if entry.name not in hidden and entry.suffix != ".pth":
            (folder / entry.name).symlink_to(entry)
    return folder
