"""Run notebooks with other parameters, through papermill."""

import logging
import os
import re
import shutil
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter
from typing import Any

from tlkit import files
from tlkit.errors import UserError, unknown
from tlkit_lessons.notebooks import kernels, listing
from tlkit_lessons.notebooks.listing import NotebookInfo

CELL_SECONDS = 600  # at default size a cell that takes this long is stuck


@dataclass(frozen=True)
class RunResult:
    """One executed notebook: its copy, how long it took, and the error (None if it ran to the end)."""

    number: str
    name: str
    path: Path
    seconds: float
    error: str | None

    @property
    def ok(self) -> bool:
        """Whether every cell ran."""
        return self.error is None


def run(
    numbers: str | Iterable[str] = "core",
    parameters: Mapping[str, Any] | None = None,  # every chosen notebook must have each of them
    full: bool = False,  # the sizes of notebooks/full.toml instead of the defaults
    out: str | Path = "build",
    progress: Callable[[NotebookInfo | RunResult], None]
    | None = None,  # called before and after each notebook
    folder: Path | None = None,
) -> list[RunResult]:
    """Execute notebooks into `out`/notebooks, a fresh kernel each; one that fails does not stop the others.

    Raises UserError, before anything runs, for an unknown notebook, an unknown parameter or a value of
    another type than the default, and for a kernel that does not start. A copy appears only when its notebook
    has ended: a killed run leaves none.
    """
    if find_spec("papermill") is None:
        raise UserError("running notebooks needs papermill: pip install 'tlkit[lab]', or `make install`.")
    folder = folder or listing.home()
    chosen = [(info, _values(info, parameters or {}, full)) for info in listing.select(numbers, folder)]
    target = Path(out) / "notebooks"
    if target.resolve() == folder.resolve():
        raise UserError(f"executed copies in {target} would replace the notebooks: choose another folder.")
    try:
        target.mkdir(parents=True, exist_ok=True)
        _clear_dead(target)
    except OSError as error:
        raise UserError(f"cannot write to {target} ({error.strerror}): choose another folder.") from error
    results = []
    for info, values in chosen:
        if progress:
            progress(info)
        results.append(_execute(info, values, target, None if full else CELL_SECONDS))
        if progress:
            progress(results[-1])
    return results


def _values(info: NotebookInfo, given: Mapping[str, Any], full: bool) -> dict[str, Any]:
    """The parameters to inject, checked against the defaults and brought to their types."""
    table = info.path.parent / "full.toml"
    larger = tomllib.loads(table.read_text("utf-8")).get(info.number, {}) if full and table.exists() else {}
    defaults = listing.parameters(info)
    for name, value in {**larger, **given}.items():
        if name not in defaults:
            raise unknown(f"parameter of notebook {info.number}", name, defaults)
        if not _fits(value, defaults[name]):
            raise UserError(
                f"parameter {name!r} of notebook {info.number}: {value!r} is not of the type of its default "
                f"{defaults[name]!r}; give a {type(defaults[name]).__name__}."
            )
    return {name: _like(value, defaults[name]) for name, value in {**larger, **given}.items()}


def _fits(value: Any, default: Any) -> bool:
    if isinstance(default, list | tuple):
        if not isinstance(value, list | tuple):
            return False
        return not default or all(any(_fits(v, d) for d in default) for v in value)
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return default is None or type(value) is type(default)


def _like(value: Any, default: Any) -> Any:
    return value if default is None else type(default)(value)


def _clear_dead(target: Path) -> None:
    """Remove what killed runs left; the folders of runs still alive stay."""
    import psutil

    for left in target.glob(".running-[0-9]*-*"):
        if not psutil.pid_exists(int(left.name.split("-")[1])):
            shutil.rmtree(left)


def _execute(info: NotebookInfo, values: dict[str, Any], target: Path, seconds: int | None) -> RunResult:
    scratch = Path(mkdtemp(prefix=f".running-{os.getpid()}-", dir=target))
    copy, kept = scratch / info.path.name, target / info.path.name
    started = perf_counter()
    try:
        error = _papermill(info, copy, values, seconds)
        with copy.open("rb") as file:
            os.fsync(file.fileno())
        files.replace(copy, kept)
    finally:
        shutil.rmtree(scratch)
    return RunResult(info.number, info.name, kept, perf_counter() - started, error)


def _papermill(info: NotebookInfo, copy: Path, values: dict[str, Any], seconds: int | None) -> str | None:
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what it has to say is raised
    settings = {"progress_bar": False, "execution_timeout": seconds, "cwd": info.path.parent}
    try:
        with kernels.fresh() as kernel:
            papermill.execute_notebook(info.path, copy, values, **settings, **kernel)
    except papermill.PapermillExecutionError as failure:
        return _where(info, copy, f"{failure.ename}: {failure.evalue}")
    except (CellTimeoutError, DeadKernelError) as failure:
        return _where(info, copy, str(failure))
    return None


def _where(info: NotebookInfo, copy: Path, message: str) -> str:
    """Notebook, cell (counted from 1 in the original, with its first line), last line of the traceback."""
    last = re.sub(r"\x1b\[.*?m", "", message).strip().splitlines()[-1]
    status = {c["id"]: c["metadata"].get("papermill", {}).get("status") for c in listing.read(copy)["cells"]}
    # papermill calls a cell completed when its kernel dies in it: then the last one that was started is meant
    culprits = [i for i, s in status.items() if s == "failed"] or [
        i for i, s in status.items() if s == "completed"
    ]
    for position, cell in enumerate(listing.read(info.path)["cells"], start=1):
        if cell["id"] == culprits[-1]:
            return f"{info.name}, cell {position} ({''.join(cell['source']).splitlines()[0]}): {last}"
    return f"{info.name}, the cell of the given parameters: {last}"
