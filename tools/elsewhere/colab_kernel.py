"""Start a kernel as Colab's starts: with its packages imported, and one `google.colab` among them.

It runs inside the environment that is tried, as `python colab_kernel.py -f CONNECTION_FILE`, and imports
nothing of ours. What is imported here stays as it is when a cell replaces it on disk: as on Colab, where the
kernel goes on without a restart.
"""

import sys
from importlib import import_module, util
from types import ModuleType

import ipywidgets
import psutil
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from IPython.core.interactiveshell import InteractiveShell

BEFORE = (ipywidgets, psutil, InteractiveShell)  # and traitlets, by each of them


class Kernel(IPythonKernel):
    """Colab's own kernel class derives from this one too."""


def pretend() -> None:
    """Put a bare `google.colab` where cells look for it; other packages under `google` stay reachable."""
    google = import_module("google") if util.find_spec("google") else ModuleType("google")
    google.colab = ModuleType("google.colab")
    sys.modules.update({"google": google, "google.colab": google.colab})


if __name__ == "__main__":
    sys.path[0] = ""  # the working directory, as kernels have it, not the folder of this file
    pretend()
    IPKernelApp.launch_instance(kernel_class=Kernel)
