"""Execute a notebook in a fresh kernel, and refuse outputs that nobody wants to keep."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir, mkdtemp
from time import perf_counter

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat import writes as as_text

from tlkit.errors import UserError
from tlkit_lessons.notebooks import kernels
from tools.notebooks.cells import METADATA

CELL_SECONDS = 300
FIGURE_BYTES = 100_000
NOTEBOOK_BYTES = 1_000_000
# run in the kernel before the page: after each cell, before its figures are shown and closed, look at them
LOOK = """
def _look():
    import sys
    if "matplotlib.pyplot" in sys.modules:
        import json
        from matplotlib import pyplot
        from tlkit_lessons import legible
        found = [fault for n in pyplot.get_fignums() for fault in legible.faults(pyplot.figure(n))]
        if found:
            with open({path!r}, "a", encoding="utf-8") as file:
                file.write(json.dumps([get_ipython().execution_count - 1, found]) + chr(10))

get_ipython().events.register("post_execute", _look)
"""


def execute(nb: NotebookNode, name: str, folder: Path, cell_seconds: int = CELL_SECONDS) -> float:
    """Run every cell, in place, outputs and widget state kept; returns the seconds, kernel start included.

    Raises UserError, naming the cell, when one fails, and for a kernel that does not start.
    """
    settings = {"timeout": cell_seconds, "record_timing": False, "store_widget_state": True}
    settings["resources"] = {"metadata": {"path": str(folder)}}
    for cell in (c for c in nb.cells if c.cell_type == "code"):
        cell.outputs, cell.execution_count = [], None
    running: list[int] = [0]
    seen = Path(mkdtemp(prefix="tlkit-look-")) / "faults.jsonl"

    def starts(cell: NotebookNode, cell_index: int) -> None:
        running[0] = cell_index

    started = perf_counter()
    try:
        with kernels.fresh() as kernel:
            client = NotebookClient(nb, on_cell_start=starts, **settings, **kernel)
            with client.setup_kernel():  # `execute` leaves a call for the end where its kernel does not start
                client.kc.execute(LOOK.format(path=str(seen)), silent=True)
                client.execute(cleanup_kc=False)
    except CellExecutionError as failure:
        message = f"{failure.ename}: {failure.evalue}".strip().splitlines()[-1]
        raise UserError(f"{name}, {label(nb, running[0])}: {message}") from failure
    except (CellTimeoutError, DeadKernelError) as failure:
        raise UserError(f"{name}, {label(nb, running[0])}: {str(failure).splitlines()[0]}") from failure
    seconds = perf_counter() - started
    for output in (out for cell in nb.cells for out in cell.get("outputs", ()) if "traceback" in out):
        output["traceback"] = [line.replace(f"{folder.parent}{os.sep}", "") for line in output["traceback"]]
    _refuse_figures(nb, name, seen)
    for cell in nb.cells:
        if "record" in cell.metadata.get("tags", ()):
            cell.outputs = []  # for programs that run the page; a reader has no use for a raw dictionary
    nb.metadata["language_info"] = dict(METADATA["language_info"])  # without this machine's Python version
    return seconds


def _refuse_figures(nb: NotebookNode, name: str, seen: Path) -> None:
    """Raise UserError, naming the cells, for figures that a reader could not read."""
    lines = seen.read_text("utf-8").splitlines() if seen.exists() else []
    rmtree(seen.parent)
    counts = {cell.execution_count: i for i, cell in enumerate(nb.cells) if cell.get("execution_count")}
    found = [
        (label(nb, counts[count]), faults) for count, faults in map(json.loads, lines) if count in counts
    ]
    if found:
        raise UserError(
            f"{name}: " + "; ".join(f"{where}: {fault}" for where, all_ in found for fault in all_)
        )


def label(nb: NotebookNode, position: int) -> str:
    """How messages name a cell: its place, counted from 1, and its first line."""
    return f"cell {position + 1} ({(nb.cells[position].source.splitlines() or [''])[0]})"


def refuse(nb: NotebookNode, name: str, root: Path) -> None:
    """Raise UserError, naming the cell, for noise, paths of this machine, and what is too large to keep."""
    widgets = nb.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {})
    outputs = [(label(nb, i), out) for i, cell in enumerate(nb.cells) for out in cell.get("outputs", ())]
    for model in widgets.get("state", {}).values():
        outputs += [("a widget", out) for out in model.get("state", {}).get("outputs", ())]
    faults = [f"{where} {fault}" for where, out in outputs for fault in _faults(out, root)]
    size = len(as_text(nb).encode())
    if size > NOTEBOOK_BYTES:
        faults.append(f"it has {size / 1e6:.1f} MB, more than 1 MB: draw fewer or smaller figures")
    if faults:
        raise UserError(f"{name}: " + "; ".join(faults) + ".")


def _faults(output: dict, root: Path) -> Iterator[str]:
    if output["output_type"] == "stream" and output["name"] == "stderr":
        yield f"writes to stderr ({output['text'].strip().splitlines()[0]}): mend its cause"
    data = output.get("data", {})
    for kind in filter(lambda kind: kind.startswith("image/"), data):
        size = len(data[kind]) * (1 if "svg" in kind else 3 / 4)  # the others are base64
        if size > FIGURE_BYTES:
            yield f"draws a figure of {size / 1000:.0f} kB, more than 100 kB: lower its dpi or its size"
    shown = [output.get("text", ""), *(str(v) for k, v in data.items() if not k.startswith("image/"))]
    for place in {str(root), str(Path.home()), gettempdir()} - {os.sep}:
        if re.search(re.escape(place) + r"(?![\w.-])", "\n".join([*shown, *output.get("traceback", ())])):
            yield f"shows a path of this machine ({place})"
