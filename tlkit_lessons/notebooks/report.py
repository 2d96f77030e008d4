"""The report of a run of notebooks: the claims, the headline of each notebook, times and failures."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tlkit import compare
from tlkit.report.page import Figure, Group, licence, machine, write
from tlkit_lessons import ledger
from tlkit_lessons.notebooks import RunResult, listing

FIGURES = 2  # of each notebook: those of cells tagged `headline`, else the last


def workbook_html(run_results: Iterable[RunResult], out: str | Path) -> Path:
    """Write the report of a run of notebooks: claims, results, times, failures. Returns `out`.

    Raises UserError where `out` cannot be written; it is then left as it was.
    """
    results = list(run_results)
    facts = {
        f"{r.number} {_title(r)}": f"{'ran' if r.ok else 'FAILED'} in {r.seconds:.0f} s" for r in results
    }
    facts["in all"] = f"{len(results)} notebooks, {sum(r.seconds for r in results):.0f} s"
    used = dict.fromkeys(name for claim in ledger.criteria() for name in claim.backbone if "," not in name)
    facts |= {f"backbone {name}": licence(name) for name in used} | machine()
    found = ledger.on_shelf()
    facts["where the records come from"] = compare.whence(found)
    facts |= {"note": note} if (note := compare.outdated(found)) else {}
    return write(
        out,
        title="The transfer learning workbook",
        ledger=ledger.table(),
        groups=[_notebook(r) for r in results],
        failures=[f"{r.number}: {r.error}" for r in results if not r.ok],
        facts=facts,
    )


def _title(result: RunResult) -> str:
    return result.name.partition("_")[2].replace("_", " ")


def _notebook(result: RunResult) -> Group:
    figures = _drawn(listing.read(result.path), result) if result.path.exists() else []
    outcome = "Every cell ran" if result.ok else "It did not run to the end"
    return Group(f"{result.number} · {_title(result)}", figures, text=f"{outcome}; {result.seconds:.0f} s.")


def _drawn(notebook: dict[str, Any], result: RunResult) -> list[Figure]:
    """The figures of cells tagged `headline`, else the last of all, each told by the heading above it."""
    headlines, others, heading = [], [], result.name
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heads = [line.lstrip("# ").strip() for line in source.splitlines() if line.startswith("#")]
            heading = heads[-1] if heads else heading
        tagged = "headline" in cell.get("metadata", {}).get("tags", ())
        (headlines if tagged else others).extend(_figures(cell, heading, result.number))
    return headlines[:FIGURES] or others[-FIGURES:]


def _figures(cell: dict[str, Any], heading: str, number: str) -> list[Figure]:
    """The PNG outputs of a cell, with what it says of them in text."""
    found = []
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        if "image/png" in data:
            said = "".join(data.get("text/plain", ""))
            alt = f"Figure of notebook {number}, under the heading {heading}"
            alt += f": {said}" if said and not said.startswith("<") else ""
            found.append(Figure("".join("".join(data["image/png"]).split()), alt, heading))
    return found
