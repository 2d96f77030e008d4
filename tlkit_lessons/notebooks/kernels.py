"""Fresh kernels for notebooks, through sockets of their own; and what is said of one that does not start."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from tlkit.errors import UserError

# No polite shutdown (seconds a notebook) and none of the kernel's start-up messages on the terminal.
KERNEL = {
    "kernel_name": "python3",
    "shutdown_kernel": "immediate",
    "extra_arguments": ["--log-level=ERROR"],
}
LONGEST = 100  # characters of a socket's path that every Unix allows
PATIENCE = 60  # seconds for a Python to say what it cannot import


@contextmanager
def fresh() -> Iterator[dict[str, Any]]:
    """What nbclient and papermill are to be given; they raise UserError for a kernel that does not start."""
    with one_thread(), sockets() as where:
        yield {**KERNEL, "kernel_manager_class": _manager(where)}


@contextmanager
def sockets() -> Iterator[dict[str, str]]:
    """Where a kernel and its client meet, for a kernel manager: files that nobody else has.

    Of two kernels that start at once one may take the port that the other has chosen, and that one waits for
    ever. Without sockets, as on Windows, it is ports all the same.
    """
    with TemporaryDirectory(prefix="kernel-", ignore_cleanup_errors=True) as folder:
        short = len(os.fsencode(f"{folder}/k-9")) <= LONGEST
        yield {"transport": "ipc", "ip": f"{folder}/k"} if os.name == "posix" and short else {}


@contextmanager
def one_thread() -> Iterator[None]:
    """Kernels started inside inherit OMP_NUM_THREADS=1: more threads are slower, and change the digits."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _manager(where: dict[str, str]) -> type:
    """A class of kernel managers that use these sockets, and say in a sentence why one does not start."""
    from jupyter_client.asynchronous import AsyncKernelClient
    from jupyter_client.kernelspec import NoSuchKernel
    from jupyter_client.manager import AsyncKernelManager

    class Client(AsyncKernelClient):
        async def wait_for_ready(self, timeout: float | None = None) -> None:
            try:
                await super().wait_for_ready(timeout)
            except RuntimeError as error:
                raise _dead(self.parent, _lacks(self.parent) or str(error)) from error

    class Manager(AsyncKernelManager):
        def __init__(self, **more: Any):
            super().__init__(client_factory=Client, **where, **more)

        async def start_kernel(self, **more: Any) -> None:
            try:
                await super().start_kernel(**more)
            except OSError as error:
                raise _dead(self, error.strerror or str(error)) from error
            except NoSuchKernel as error:
                raise UserError("there is no kernel python3 here: pip install 'tlkit[lab]'.") from error

    return Manager


def _python(manager: Any) -> str:
    """The Python of its kernel; Jupyter takes a bare `python` for the one that it runs in itself."""
    name = manager.kernel_spec.argv[0]
    return sys.executable if name in ("python", "python3") else shutil.which(name) or name


def _lacks(manager: Any) -> str:
    """What its Python says if it has no ipykernel, else nothing."""
    start = [_python(manager), *manager.kernel_spec.argv[1:]]
    if "-m" not in start:
        return ""
    command, told = [*start[: start.index("-m")], "-c", "import ipykernel"], {"encoding": "utf-8"}
    try:
        said = subprocess.run(command, capture_output=True, errors="replace", timeout=PATIENCE, **told)
    except subprocess.TimeoutExpired:
        return ""  # that it was waited for is said already
    return said.stderr.strip().rpartition("\n")[2] if said.returncode else ""


def _dead(manager: Any, why: str) -> UserError:
    python, place = _python(manager), manager.kernel_spec.resource_dir
    remedy = f"remove {place}, which names it, and the one of this environment is taken."
    if python == sys.executable:
        remedy = "try again, or install it anew: pip install --force-reinstall ipykernel."
    return UserError(f"kernel {manager.kernel_name} at {python} does not start ({why}): {remedy}")
