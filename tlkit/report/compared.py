"""The report of a comparison: means, verdicts, figures, and what was run."""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from tlkit import compare, recipe
from tlkit.compare import conclude
from tlkit.errors import UserError
from tlkit.records import PLAIN, Record, Store, scale
from tlkit.report.drawn import figures, harmed, helped
from tlkit.report.page import Group, licence, machine, thumbnail, write
from tlkit.saved_model import choose
from tlkit.tasks import Task


def compare_html(
    store_path: str | Path,
    out: str | Path,
    title: str,
    records: Iterable[Record] | None = None,
    facts: Mapping[str, str] | None = None,
    task: Task | None = None,
) -> Path:
    """Write the report of a comparison: means, verdicts, figures, and what was run. Returns `out`.

    records: those of the store to report (default: all); facts: more to say of what was run; task: theirs, to
    name its classes and show what was misclassified. Raises UserError if there is no record, or `out` cannot
    be written.
    """
    store = Store(store_path)
    records = store.read() if records is None else list(records)
    tests = [r for r in records if r.split == "test"]
    if not tests:
        raise UserError(f"{store.path} holds no finished fit: run the comparison first.")
    like = attrgetter("task", "data", "metric", "recipe", "backbone")
    keys = dict.fromkeys(like(r) for r in tests if r.status == "ok")
    groups = [_compared(store, [r for r in records if like(r) == key], task) for key in keys]
    lost = [f"{r.plan}, {r.labels} labels, seed {r.seed}: {r.status}. {r.detail.get('why', '')}"
            for r in tests if r.status != "ok"]  # fmt: skip
    told = dict(facts or {}) | _facts(store, tests) | machine()
    title, plans = f"Did transfer pay? {title}", list(dict.fromkeys(r.plan for r in tests))
    return write(out, title=title, groups=groups, failures=lost, facts=told, plans=plans)


def _compared(store: Store, records: list[Record], task: Task | None) -> Group:
    rows = [r for r in records if r.split == "test" and r.status == "ok"]
    pairs, how, first = compare.pairs(store, rows), scale(rows), rows[0]
    told, budgets = conclude(store, rows, pairs), len({r.labels for r in rows})
    ends = told if budgets < 3 else [told[0], *told[budgets - 1 :]]  # the smallest and the largest budget
    summary = [f"{said}." for said in (helped(pairs, how), harmed(pairs, how)) if said] + ends
    title = f"{first.task}, from {first.backbone}" + f", by {first.metric}" * (first.metric != PLAIN)
    known = task and (task.name, task.digest) == first.fit_key[:2]
    recalls = compare.recalls(store, rows, task) if known else []
    missed = _missed(store, records, task) if recalls else ()
    means = compare.means(store, rows)
    return Group(title, figures(rows, pairs), pairs, how, summary, means, recalls, missed)


def _missed(store: Store, records: list[Record], task: Task) -> Sequence[Any]:
    """What the plan of the saved model misclassifies; nothing where no model is saved."""
    if (choice := choose(records)) is None:
        return ()
    plan, labels = choice.record.plan, choice.record.labels
    rows = [r for r in records if (r.plan, r.labels, r.split, r.status) == (plan, labels, "test", "ok")]
    confusions, worst = compare.mistakes(store, rows, task)
    shown = [(task.test.names[i], *told, thumbnail(task.test.inputs[i])) for i, *told in worst]
    of = f"{len(rows)} fit{'s' * (len(rows) != 1)} of {plan}, {scale(rows).counted(labels)}"
    return of, confusions, shown, len(rows)


def _facts(store: Store, tests: list[Record]) -> dict[str, str]:
    """What was run, in pairs of name and text; a note where other versions are installed here."""
    seconds = sum(r.measured.get("seconds", 0) for r in tests)
    by_class = {r.detail.get("scale", {}).get("by_class", True) for r in tests} == {True}
    found = {"fits": f"{len(tests)}, which took {seconds:.0f} s of computing when they were run"}
    for name, field in (("labels" + " per class" * by_class, "labels"), ("seeds", "seed")):
        found[name] = ", ".join(map(str, sorted({getattr(r, field) for r in tests})))
    found["data"] = ", ".join(sorted({f"{r.task} ({r.data})" for r in tests}))
    found["recipe"] = "; ".join(_recipe(v) for v in sorted({r.recipe for r in tests}))
    found |= {f"backbone {name}": licence(name) for name in sorted({r.backbone for r in tests})}
    origins = compare.origins(store, tests)
    found["where the numbers come from"] = compare.whence(origins)
    return found | ({"note": note} if (note := compare.outdated(origins)) else {})


def _recipe(version: str) -> str:
    known = next((r for r in recipe.committed().values() if r.version == version), None)
    if known is None:
        return version
    rates, strengths = (", ".join(f"{x:g}" for x in of) for of in (known.rates, known.strengths))
    raced = "; settings are raced for a third of the passes" if known.race else ""
    return (
        f"{version}: at least {known.steps} steps and {known.epochs} epochs, batch {known.batch}; learning "
        f"rates {rates}; regularisation of a linear classifier, C = {strengths}{raced}"
    )
