"""The report of a comparison: accuracies, verdicts, figures, and what was run."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from tlkit import claims, plots, recipe
from tlkit.errors import UserError
from tlkit.records import Record, Store
from tlkit.report.conclusion import chance, conclude, standings
from tlkit.report.dots import dots_by_plan, intervals_by_plan
from tlkit.report.page import Figure, Group, figure, licence, machine, write


def compare_html(
    store_path: str | Path,
    out: str | Path,
    title: str,
    records: Iterable[Record] | None = None,
    facts: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Write the report of a comparison: accuracies, verdicts, figures, and what was run. Returns `out`.

    records: those of the store to report (default: all); facts: more to say of what was run, such as the
    saved model. Raises UserError where there is no record, or `out` cannot be written; it is then left as it
    was.
    """
    store = Store(store_path)
    records = store.read() if records is None else list(records)
    tests = [r for r in records if r.split == "test"]
    if not tests:
        raise UserError(f"{store.path} holds no finished fit: run the comparison first.")
    pairs = claims.pairs(store, tests)
    keys = dict.fromkeys((r.task, r.data, r.metric, r.recipe, r.backbone) for r in tests if r.status == "ok")
    groups = [_compared(store, tests, pairs, key) for key in keys]
    lost = [f"{r.plan}, {r.labels} labels, seed {r.seed}: {r.status}. {r.detail.get('why', '')}"
            for r in tests if r.status != "ok"]  # fmt: skip
    told = dict(facts) | _facts(tests) | _origins(store, tests) | machine()
    return write(out, title=f"Did transfer pay? {title}", groups=groups, failures=lost, facts=told)


def _compared(store: Store, tests: list[Record], pairs: list[claims.Pair], key: tuple) -> Group:
    task, _, metric, version, backbone = key
    rows = [r for r in tests if (r.task, r.data, r.metric, r.recipe, r.backbone) == key and r.status == "ok"]
    plans = list(dict.fromkeys(r.plan for r in rows))
    mine = [p for p in pairs if (p.task, p.metric, p.recipe, p.backbone) == (task, metric, version, backbone)
            and p.plan in plans]  # fmt: skip
    means = _table(store, rows)
    drawn_from = (
        "new seeds and new test items" if all(p.items for p in mine) else "new seeds on this test set"
    )
    caption = f"{len(mine)} comparisons, one family; intervals speak of {drawn_from}."
    text = " ".join(conclude(store, rows, mine))
    return Group(f"{task}, from {backbone}", _drawn(rows, plans, mine), mine, caption, metric, text, means)


def _table(store: Store, rows: list[Record]) -> list[list[str]]:
    """Mean test values as rows of text: plans down, budgets across, chance last."""
    budgets = sorted({r.labels for r in rows})
    found: dict[str, dict[int, str]] = {}
    for s in standings(rows):
        found.setdefault(s.plan, {})[s.labels] = f"{s.mean:.3f}"
    if (floor := chance(store, rows)) is not None:
        found["(the commonest class)"] = dict.fromkeys(budgets, f"{floor:.3f}")
    head = ["plan", *(f"{n} label{'s' * (n != 1)}" for n in budgets)]
    return [head, *([plan, *(by.get(n, "") for n in budgets)] for plan, by in found.items())]


def _drawn(rows: list[Record], plans: list[str], pairs: list[claims.Pair]) -> list[Figure]:
    gains = [p for p in pairs if p.against == "scratch"]
    said = "; ".join(f"{p.plan} at {p.labels}: {claims.signed(p.verdict)}, {p.verdict.word}" for p in gains)
    if len({r.labels for r in rows}) == 1:
        values = {plan: [r.value for r in rows if r.plan == plan] for plan in plans}
        accuracy = dots_by_plan(values, f"test {rows[0].metric}")
        drawn = [figure(accuracy, "Every seed, and the mean with its 95 % interval over seeds", _means(rows))]
        if gains:
            ends = {p.plan: (p.verdict.mean, p.verdict.low, p.verdict.high) for p in gains}
            drawn.append(figure(intervals_by_plan(ends), "Gain over scratch", said))
    else:
        accuracy = plots.accuracy_by_labels(rows, plans, pairs=pairs)
        drawn = [figure(accuracy, "Accuracy by labels a class", _means(rows))]
        if gains:
            tuned = [plan for plan in plans if plan not in claims.BASELINES]
            drawn.append(figure(plots.gain_by_labels(rows, tuned, pairs=pairs), "Gain over scratch", said))
    if all({"flops_prefix", "flops_suffix"} <= r.detail.keys() for r in rows):
        caption = "Accuracy against operations (the solver of a probe is not counted)"
        drawn.append(figure(plots.accuracy_against_cost(rows), caption, f"{caption}. {_means(rows)}"))
    return drawn


def _means(rows: list[Record]) -> str:
    """The figure in words, for those who cannot see it."""
    plans = dict.fromkeys(r.plan for r in rows)
    curves = {plan: plots.by_labels(rows, plan) for plan in plans}
    return "; ".join(
        f"{plan}: " + ", ".join(f"{sum(s.values()) / len(s):.2f} at {n}" for n, s in curve.items())
        for plan, curve in curves.items()
    )


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
    found |= {f"backbone {name}": licence(name) for name in sorted({r.backbone for r in tests})}
    return found


def _origins(store: Store, tests: list[Record]) -> dict[str, str]:
    """Where the numbers come from, and a note where that is not what is installed here."""
    found = claims.origins(store, tests)
    note = claims.outdated(found)
    return {"where the numbers come from": claims.whence(found)} | ({"note": note} if note else {})


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
