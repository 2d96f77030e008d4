"""Start a kernel as Colab's starts: with its packages imported, and one `google.colab` among them.

It runs inside the environment that is tried, as `python colab_kernel.py -f CONNECTION_FILE`, and imports nothing
of ours. Whatever is imported here stays as it is when a cell replaces it on disk: as on Colab, where the kernel
goes on without a restart.
"""

import sys
from types import ModuleType

import ipywidgets
import psutil
import traitlets
from IPython.core.interactiveshell import InteractiveShell
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp

BEFORE = (ipywidgets, psutil, traitlets, InteractiveShell)


class Kernel(IPythonKernel):
    """Colab's own kernel class derives from this one too."""


def pretend() -> None:
    """Put a bare `google.colab` where cells look for it; a `google` of other packages stays reachable."""
    google = sys.modules.get("google") or ModuleType("google")
    google.colab = ModuleType("google.colab")
    sys.modules.update({"google": google, "google.colab": google.colab})


if __name__ == "__main__":
    del sys.path[0]  # the folder of this file
    sys.path.insert(0, "")  # the working directory, as kernels have it
    pretend()
    IPKernelApp.launch_instance(kernel_class=Kernel)
