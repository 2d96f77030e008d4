"""Run one notebook alone: an empty folder, a new home, the wheel and nothing else of ours."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter
from typing import Any

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from tlkit.errors import UserError
from tlkit_lessons.notebooks import kernels
from tools.elsewhere import overlay
from tools.notebooks.execute import label

LAUNCHER = Path(__file__).with_name("colab_kernel.py")


@dataclass
class Ended:
    """How a notebook ended: seconds, the error in one line (None: it ran), packages that came or changed."""

    seconds: float = 0.0
    error: str | None = None
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Trial:
    """A notebook to run: over the packages in `beneath`, in a kernel as Colab's or a plain one.

    cell_seconds: what one cell may take. log: a path without suffix; `.log` and `.ipynb` are written there.
    """

    notebook: Path
    wheel: Path
    python: Path
    beneath: Sequence[Path]
    colab: bool
    log: Path
    cell_seconds: int = 300
    keep: bool = False


def run(trial: Trial) -> Ended:
    """Lay an environment over what is there, run the notebook in it, and remove all of it but the log."""
    scratch = Path(mkdtemp(prefix="elsewhere-"))
    trial.log.parent.mkdir(parents=True, exist_ok=True)
    started = perf_counter()
    try:
        ended = _run(trial, scratch)
    except UserError as error:
        ended = Ended(error=str(error))
    ended.seconds = perf_counter() - started
    if not trial.keep:
        shutil.rmtree(scratch, ignore_errors=True)
    return ended


def _run(trial: Trial, scratch: Path) -> Ended:
    home, work = scratch / "Zoë Ng", scratch / "Mein Ordner é"  # as people's folders are called
    home.mkdir()
    work.mkdir()
    shutil.copy(trial.notebook, work)
    python = overlay.lay(scratch / "env", trial.python, trial.beneath)
    env = overlay.stranger(home, python) | {"TLKIT_WHEEL": str(trial.wheel)}
    nb = nbformat.read(work / trial.notebook.name, as_version=4)
    if trial.colab:
        start = [shutil.copy(LAUNCHER, scratch)]
    else:
        overlay.call(python, "-m", "pip", "install", "-q", str(trial.wheel), env=env)
        start = ["-m", "ipykernel_launcher"]
    kernel_spec(scratch / "env", python, start)
    ended = Ended()
    with trial.log.with_suffix(".log").open("w", encoding="utf-8", newline="\n") as log:
        before = overlay.listed(python, env) if trial.colab else {}
        ended.error = execute(nb, trial, scratch / "env", {"env": env, "cwd": str(work)}, log)
        after = overlay.listed(python, env) if trial.colab else {}
        ended.added, ended.changed = overlay.additions(before, after), overlay.exceptions(before, after)
        log.write(report(nb, ended))
    nbformat.write(nb, trial.log.with_suffix(".ipynb"))
    return ended


def kernel_spec(environment: Path, python: Path, start: Sequence[str]) -> None:
    """Write the kernelspec that starts a kernel in this environment."""
    folder = environment / "share" / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    argv = [str(python), *map(str, start), "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec), "utf-8", newline="\n")


def execute(
    nb: NotebookNode, trial: Trial, environment: Path, how: Mapping[str, Any], log: Any
) -> str | None:
    """Run every cell in place, in a kernel of that environment; the error in one line, None without one."""
    for cell in (c for c in nb.cells if c.cell_type == "code"):
        cell.outputs, cell.execution_count = [], None
    running = [0]

    def starts(cell: NotebookNode, cell_index: int) -> None:
        running[0] = cell_index

    places = [str(environment / "share" / "jupyter" / "kernels")]
    specs = KernelSpecManager(kernel_dirs=places, ensure_native_kernel=False)
    settings = {"timeout": trial.cell_seconds, "shutdown_kernel": "immediate", "kernel_name": "python3"}
    try:
        with kernels.sockets() as where:
            manager = AsyncKernelManager(kernel_spec_manager=specs, kernel_name="python3", **where)
            client = NotebookClient(nb, km=manager, on_cell_start=starts, **settings)
            client.execute(cleanup_kc=True, stdout=log, stderr=log, **how)
    except CellExecutionError as failure:
        return f"{label(nb, running[0])}: {one_line(f'{failure.ename}: {failure.evalue}')}"
    except (CellTimeoutError, DeadKernelError, RuntimeError) as failure:
        return f"{label(nb, running[0])}: {one_line(str(failure))}"
    return None


def one_line(text: str) -> str:
    """The first line of a message that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "?")[:200]


def report(nb: NotebookNode, ended: Ended) -> str:
    """What a log keeps: tracebacks, what was printed on stderr, and what the set-up changed."""
    lines = [f"error: {ended.error}", f"replaced: {ended.changed}", f"added: {ended.added}"]
    for position, cell in enumerate(nb.cells):
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                lines += [f"--- {label(nb, position)}", *output.traceback]
            elif output.get("name") == "stderr":
                lines += [f"--- stderr of {label(nb, position)}", output.text]
    return "\n".join(["", *lines, ""])
