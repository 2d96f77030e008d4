"""Reports: one HTML file that needs nothing else, for a comparison or a run of the workbook."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from tlkit import claims, env, plots, recipe
from tlkit.claims.committed import write_whole
from tlkit.errors import UserError
from tlkit.records import Record, Store
from tlkit.workbook import RunResult, listing

READING = (
    "Each verdict compares a plan with not transferring (scratch: the same network from a random start; "
    "pixels: no network at all) on the same labels and seeds, and says better or worse only when the 95 % "
    "interval of the difference excludes zero and still does after correction for the number of comparisons. "
    "Equal means that the whole interval lies within the difference that does not matter; cannot tell means "
    "that more seeds, or more test items, are needed."
)
MARKS = {"better": "▲", "worse": "▼", "equal": "=", "holds": "✓", "does not hold": "✗"}
MOODS = {"better": "better", "worse": "worse", "holds": "holds", "does not hold": "fails"}
FIGURES = 2  # the first so many of each notebook


@dataclass(frozen=True)
class Figure:
    """A PNG in base64 with its alt text and caption."""

    png: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Group:
    """One section of a report."""

    title: str
    figures: Sequence[Figure] = ()
    pairs: Sequence[claims.Pair] = ()
    caption: str = ""
    metric: str = "accuracy"
    text: str = ""


def compare_html(
    store_path: str | Path, out: str | Path, title: str, records: Iterable[Record] | None = None
) -> Path:
    """Write the report of a comparison: verdicts, figures, and what was run. Returns `out`.

    records: those of the store to report (default: all). Raises UserError where there is none, or `out`
    cannot be written; it is then left as it was.
    """
    store = Store(store_path)
    records = store.read() if records is None else list(records)
    tests = [r for r in records if r.split == "test"]
    if not tests:
        raise UserError(f"{store.path} holds no finished fit: run the comparison first.")
    pairs = claims.pairs(store, tests)
    keys = dict.fromkeys((r.task, r.data, r.metric, r.recipe, r.backbone) for r in tests if r.status == "ok")
    groups = [_compared(tests, pairs, key) for key in keys]
    lost = [f"{r.plan}, {r.labels} labels, seed {r.seed}: {r.status}. {r.detail.get('why', '')}"
            for r in tests if r.status != "ok"]  # fmt: skip
    return _write(out, title=f"Did transfer pay? {title}", groups=groups, failures=lost, facts=_facts(tests))


def _compared(tests: list[Record], pairs: list[claims.Pair], key: tuple) -> Group:
    task, _, metric, version, backbone = key
    rows = [r for r in tests if (r.task, r.data, r.metric, r.recipe, r.backbone) == key and r.status == "ok"]
    plans = list(dict.fromkeys(r.plan for r in rows))
    mine = [p for p in pairs if (p.task, p.metric, p.recipe, p.backbone) == (task, metric, version, backbone)
            and p.plan in plans]  # fmt: skip
    drawn = [
        _figure(plots.accuracy_by_labels(rows, plans, pairs=mine), "Accuracy by labels a class", _means(rows))
    ]
    if any(p.against == "scratch" for p in mine):
        said = "; ".join(
            f"{p.plan} at {p.labels}: {claims.signed(p.verdict)}, {p.verdict.word}"
            for p in mine
            if p.against == "scratch"
        )
        tuned = [plan for plan in plans if plan not in claims.BASELINES]
        drawn.append(_figure(plots.gain_by_labels(rows, tuned, pairs=mine), "Gain over scratch", said))
    if all({"flops_prefix", "flops_suffix"} <= r.detail.keys() for r in rows):
        caption = "Accuracy against operations (the solver of a probe is not counted)"
        drawn.append(_figure(plots.accuracy_against_cost(rows), caption, f"{caption}. {_means(rows)}"))
    drawn_from = (
        "new seeds and new test items" if all(p.items for p in mine) else "new seeds on this test set"
    )
    caption = f"{len(mine)} comparisons, one family; intervals speak of {drawn_from}."
    return Group(f"{task}, from {backbone}", drawn, mine, caption, metric)


def _means(rows: list[Record]) -> str:
    """The figure in words, for those who cannot see it."""
    plans = dict.fromkeys(r.plan for r in rows)
    curves = {plan: plots.by_labels(rows, plan) for plan in plans}
    return "; ".join(
        f"{plan}: " + ", ".join(f"{sum(s.values()) / len(s):.2f} at {n}" for n, s in curve.items())
        for plan, curve in curves.items()
    )


def _figure(ax: Axes, caption: str, alt: str) -> Figure:
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format="png", metadata={"Software": None})
    plt.close(ax.figure)
    return Figure(base64.b64encode(buffer.getvalue()).decode(), alt, caption)


def _facts(tests: list[Record]) -> dict[str, str]:
    """What was run, in pairs of name and text."""

    def listed(name: str) -> str:
        return ", ".join(str(v) for v in sorted({getattr(r, name) for r in tests}))

    seconds = sum(r.measured.get("seconds", 0) for r in tests)
    found = {
        "fits": f"{len(tests)}, in {seconds:.0f} s of computing",
        "plans": ", ".join(dict.fromkeys(r.plan for r in tests)),
        "labels a class": listed("labels"),
        "seeds": listed("seed"),
        "data": ", ".join(sorted({f"{r.task} ({r.data})" for r in tests})),
        "recipe": "; ".join(_recipe(v) for v in sorted({r.recipe for r in tests})),
    }
    found |= {f"backbone {name}": _licence(name) for name in sorted({r.backbone for r in tests})}
    return found | _machine()


def _machine() -> dict[str, str]:
    versions = ", ".join(f"{name} {version}" for name, version in env.versions().items())
    return {"versions": versions, "device": str(env.device()), "threads a process": str(env.threads())}


def _recipe(version: str) -> str:
    for photos in (False, True):
        known = recipe.default(photos)
        if known.version == version:
            return (
                f"{version}: at least {known.steps} steps and {known.epochs} epochs, batch {known.batch}; "
                f"rates {_numbers(known.rates)}, probe strengths {_numbers(known.strengths)}"
            )
    return version


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _licence(name: str) -> str:
    if not (env.data_dir() / "backbones" / f"{name}.json").is_file():
        return "not one of ours: its publisher states the licence of the weights"
    card = claims.card(name)
    return f"made here in {card['seconds']:.0f} s, {card['flops']:.1e} operations; licence {card['licence']}"


def workbook_html(run_results: Iterable[RunResult], out: str | Path) -> Path:
    """Write the report of a run of notebooks: claims, first figures, times, failures. Returns `out`.

    Raises UserError where `out` cannot be written; it is then left as it was.
    """
    results = list(run_results)
    facts = {
        f"{r.number} {_title(r)}": f"{'ran' if r.ok else 'FAILED'} in {r.seconds:.0f} s" for r in results
    }
    facts["in all"] = f"{len(results)} notebooks, {sum(r.seconds for r in results):.0f} s"
    used = dict.fromkeys(name for claim in claims.criteria() for name in claim.backbone if "," not in name)
    facts |= {f"backbone {name}": _licence(name) for name in used} | _machine()
    return _write(
        out,
        title="The transfer learning workbook",
        ledger=claims.table(),
        groups=[_notebook(r) for r in results],
        failures=[f"{r.number}: {r.error}" for r in results if not r.ok],
        facts=facts,
    )


def _title(result: RunResult) -> str:
    return result.name.partition("_")[2].replace("_", " ")


def _notebook(result: RunResult) -> Group:
    figures = _drawn(listing.read(result.path), result) if result.path.exists() else []
    outcome = "Every cell ran" if result.ok else "It did not run to the end"
    return Group(
        f"{result.number} · {_title(result)}", figures[:FIGURES], text=f"{outcome}; {result.seconds:.0f} s."
    )


def _drawn(notebook: dict[str, Any], result: RunResult) -> list[Figure]:
    """The PNG outputs in order, each told by the heading above it and what the cell says of it in text."""
    found, heading = [], result.name
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heads = [line.lstrip("# ").strip() for line in source.splitlines() if line.startswith("#")]
            heading = heads[-1] if heads else heading
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                said = "".join(data.get("text/plain", ""))
                alt = f"Figure of notebook {result.number}, under the heading {heading}"
                alt += f": {said}" if said and not said.startswith("<") else ""
                found.append(Figure("".join("".join(data["image/png"]).split()), alt, heading))
    return found


def _write(out: str | Path, **content: Any) -> Path:
    settings = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    template = settings.from_string(
        resources.files("tlkit").joinpath("templates/report.html").read_text("utf-8")
    )
    defaults = {"ledger": (), "reading": READING, "mark": _mark, "mood": _mood, "signed": claims.signed}
    return write_whole(Path(out), template.render(**defaults | content))


def _mark(word: str) -> str:
    return MARKS.get(word, "◐" if word.startswith("holds only") else "?")


def _mood(word: str) -> str:
    return MOODS.get(word, "")
