"""The report of a run of notebooks: the headlines of each, the claims they test, times and failures."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tlkit import backbones, compare, env
from tlkit.records import Record
from tlkit.report.page import Figure, Group, licence, machine, write
from tlkit_lessons import downloads, ledger
from tlkit_lessons.notebooks import RunResult, listing

FIGURES = 2  # of each notebook: those of cells tagged `headline`, else the last


def workbook_html(run_results: Iterable[RunResult], out: str | Path) -> Path:
    """Write the report of a run of notebooks: figures, claims, times, failures. Returns `out`.

    Only what these notebooks show is reported. Raises UserError where `out` cannot be written; it is then
    left as it was.
    """
    results = list(run_results)
    copies = {r: listing.read(r.path) if r.path.exists() else {"cells": []} for r in results}
    shown = _sayings({r.number for r in results})
    records = _records(shown)
    fits = [r for store in map(records.store, records.names) if store for r in store.read() if r.ends_fit]
    facts = {
        f"{r.number} {_title(r)}": f"{'ran' if r.ok else 'FAILED'} in {_time(r.seconds)}" for r in results
    }
    facts["in all"] = _counted(len(results), "notebook") + f", {_time(sum(r.seconds for r in results))}"
    names, ours = _networks(copies.values()), _committed()
    facts |= {f"network {name}": licence(name) for name in names} | machine()
    found = ledger.on_shelf(records)
    facts |= {"records behind the claims": compare.whence(found)} if found else {}
    facts |= {"note": note} if (note := compare.outdated(found)) else {}
    return write(
        out,
        title="Transfer Learning Workbook: report of this run",
        summary=_summary(results, shown, fits, [name for name in names if name in ours]),
        groups=[_notebook(r, copy) for r, copy in copies.items()],
        claims=shown,
        failures=[f"{r.number}: {r.error}" for r in results if not r.ok],
        facts=facts,
    )


def _summary(
    results: Sequence[RunResult], shown: Sequence[ledger.Saying], fits: Sequence[Record], names: Sequence[str]
) -> list[str]:
    """At most four sentences: what ran, how the claims came out, and what was not computed in this run."""
    ran, seconds = sum(r.ok for r in results), sum(r.seconds for r in results)
    found = [f"{ran} of {_counted(len(results), 'notebook')} ran to the end; this took {_time(seconds)}."]
    if shown:
        count = Counter(saying.word for saying in shown if saying.word)
        outcomes = ", ".join(f"{count[word]} {word}" for word in ledger.OUTCOMES if count[word])
        test = "They test" if len(results) > 1 else "It tests"
        earlier = _time(sum(r.measured.get("seconds", 0) for r in fits))
        found += [
            f"{test} {_counted(len(shown), 'common claim')} about transfer learning: {outcomes}.",
            f"These verdicts come from the committed records of {len(fits):,} fits ({earlier} of computing "
            "before this run); none of these fits was run again.",
        ]
    if names:
        cost = _time(sum(ledger.card(name)["seconds"] for name in names))
        were = "network was" if len(names) == 1 else "networks were"
        found.append(f"{len(names)} {were} pretrained before this run, too ({cost} on one thread).")
    return found


def _sayings(numbers: set[str]) -> list[ledger.Saying]:
    """The tested claims of these notebooks, each with the evidence that they show."""
    found = []
    for saying in ledger.sayings():
        rows = tuple(row for row in saying.evidence if numbers & set(row.claim.where))
        if rows and saying.word:
            found.append(replace(saying, evidence=rows))
    return found


def _records(shown: Iterable[ledger.Saying]) -> ledger.Shelf:
    """The files of records behind these claims."""
    claims = [row.claim for saying in shown for row in saying.evidence]
    names = {name for claim in claims for name in (claim.records, claim.against_records) if name}
    return ledger.Shelf(ledger.shelf().folder, tuple(sorted(names)))


def _networks(copies: Iterable[dict[str, Any]]) -> list[str]:
    """The committed and the registered networks that the code of these notebooks names."""
    registered = {info.name for info in downloads.listing()}  # sets of images and texts among them
    known = _committed() | (registered & {*backbones.names()})
    cells = (cell for copy in copies for cell in copy["cells"] if cell["cell_type"] == "code")
    quoted = {name for cell in cells for name in re.findall(r"[\"']([\w.-]+)[\"']", "".join(cell["source"]))}
    return sorted(known & quoted)


def _committed() -> set[str]:
    return {path.stem for path in (env.data_dir() / "backbones").glob("*.json")}


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"


def _title(result: RunResult) -> str:
    return result.name.partition("_")[2].replace("_", " ")


def _notebook(result: RunResult, copy: dict[str, Any]) -> Group:
    outcome = "Every cell ran" if result.ok else "It did not run to the end"
    prose = ("".join(cell["source"]) for cell in copy["cells"] if cell["cell_type"] == "markdown")
    heads = re.findall(r"^# (?:\d+ · )?(.+)$", "\n".join(prose), re.MULTILINE)
    title = f"{result.number} · {heads[0] if heads else _title(result)}"
    return Group(title, _drawn(copy, result), text=f"{outcome}, in {_time(result.seconds)}.")


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
    """The PNG outputs of a cell, with their alt text, or what the cell says of them."""
    found = []
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        if "image/png" in data:
            said = "".join(data.get("text/plain", ""))
            alt = f"Figure of notebook {number}, under the heading {heading}"
            alt += f": {said}" if said and not said.startswith("<") else ""
            alt = output.get("metadata", {}).get("image/png", {}).get("alt") or alt
            found.append(Figure("".join("".join(data["image/png"]).split()), alt, f"From “{heading}”"))
    return found
