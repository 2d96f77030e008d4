"""The report of a comparison: means, verdicts, figures, and what was run."""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tlkit import compare, plots, recipe, stats
from tlkit.compare import conclude
from tlkit.errors import UserError
from tlkit.plots.style import GREY, canvas, look
from tlkit.records import PLAIN, Record, Scale, Store, scale
from tlkit.report.page import Figure, Group, figure, licence, machine, thumbnail, write
from tlkit.saved_model import choose
from tlkit.stats import interval
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

    records: those of the store to report (default: all); facts: more to say of what was run, such as the
    saved model; task: theirs, to name its classes and show what was answered wrong. Raises UserError where
    there is no record, or `out` cannot be written; it is then left as it was.
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
    told = dict(facts or {}) | _facts(tests) | _origins(store, tests) | machine()
    return write(out, title=f"Did transfer pay? {title}", groups=groups, failures=lost, facts=told)


def _compared(store: Store, records: list[Record], task: Task | None) -> Group:
    rows = [r for r in records if r.split == "test" and r.status == "ok"]
    pairs, how, first = compare.pairs(store, rows), scale(rows), rows[0]
    asked = "and new test items" if all(p.items for p in pairs) else "on this test set"
    caption = f"{len(pairs)} comparisons, one family; intervals speak of new seeds {asked}."
    caption += " Lower is better; differences are turned, so that + is better." * (how.sign < 0)
    text, means = " ".join(conclude(store, rows, pairs)), compare.means(store, rows)
    title = f"{first.task}, from {first.backbone}" + f", by {first.metric}" * (first.metric != PLAIN)
    known = task and (task.name, task.digest) == first.fit_key[:2]
    recalls = compare.recalls(store, rows, task) if known else []
    missed = _missed(store, records, task) if recalls else ()
    return Group(title, _drawn(rows, pairs), pairs, caption, how, text, means, recalls, missed)


def _missed(store: Store, records: list[Record], task: Task) -> Sequence[Any]:
    """What the plan gets wrong that is kept as a model; nothing where none is."""
    if (choice := choose(records)) is None:
        return ()
    plan, labels = choice.record.plan, choice.record.labels
    rows = [r for r in records if (r.plan, r.labels, r.split, r.status) == (plan, labels, "test", "ok")]
    confusions, worst = compare.mistakes(store, rows, task)
    shown = [(task.test.names[i], *told, thumbnail(task.test.inputs[i])) for i, *told in worst]
    return (
        f"{len(rows)} fit{'s' * (len(rows) != 1)} of {plan}, {scale(rows).counted(labels)}",
        confusions,
        shown,
    )


def _drawn(rows: list[Record], pairs: list[compare.Pair]) -> list[Figure]:
    plans = list(dict.fromkeys(r.plan for r in rows))
    gains, how = [p for p in pairs if p.against == "scratch"], scale(rows)
    said = "; ".join(f"{p.plan} at {p.labels}: {stats.signed(p.verdict)}, {p.verdict.word}" for p in gains)
    if len({r.labels for r in rows}) == 1:
        values = {plan: [r.value for r in rows if r.plan == plan] for plan in plans}
        means = dots_by_plan(values, how)
        drawn = [figure(means, "Every seed, and the mean with its 95 % interval over seeds", _means(rows))]
        if gains:
            ends = {p.plan: (p.verdict.mean, p.verdict.low, p.verdict.high) for p in gains}
            drawn.append(figure(intervals_by_plan(ends, how), "Gain over scratch", said))
    else:
        means = plots.accuracy_by_labels(rows, plans, pairs=pairs)
        drawn = [
            figure(means, f"{how.metric.capitalize()} by labels{' a class' * how.by_class}", _means(rows))
        ]
        if gains:
            tuned = [plan for plan in plans if plan not in compare.BASELINES]
            drawn.append(figure(plots.gain_by_labels(pairs, tuned, how), "Gain over scratch", said))
    if all({"flops_prefix", "flops_suffix"} <= r.detail.keys() for r in rows):
        caption = f"{how.metric.capitalize()} against operations (the solver of a probe is not counted)"
        drawn.append(figure(plots.accuracy_against_cost(rows), caption, f"{caption}. {_means(rows)}"))
    return drawn


def _means(rows: list[Record]) -> str:
    """The figure in words, for those who cannot see it."""
    curves: dict[str, list[str]] = {}
    for s in compare.standings(rows):
        curves.setdefault(s.plan, []).append(f"{s.mean:.2f} at {s.labels}")
    return "; ".join(f"{plan}: {', '.join(told)}" for plan, told in curves.items())


def _facts(tests: list[Record]) -> dict[str, str]:
    """What was run, in pairs of name and text."""

    def listed(name: str) -> str:
        return ", ".join(str(v) for v in sorted({getattr(r, name) for r in tests}))

    seconds = sum(r.measured.get("seconds", 0) for r in tests)
    by_class = {r.detail.get("scale", {}).get("by_class", True) for r in tests} == {True}
    found = {
        "fits": f"{len(tests)}, in {seconds:.0f} s of computing",
        "plans": ", ".join(dict.fromkeys(r.plan for r in tests)),
        "labels a class" if by_class else "labels": listed("labels"),
        "seeds": listed("seed"),
        "data": ", ".join(sorted({f"{r.task} ({r.data})" for r in tests})),
        "recipe": "; ".join(_recipe(v) for v in sorted({r.recipe for r in tests})),
    }
    found |= {f"backbone {name}": licence(name) for name in sorted({r.backbone for r in tests})}
    return found


def _origins(store: Store, tests: list[Record]) -> dict[str, str]:
    """Where the numbers come from, and a note where that is not what is installed here."""
    found = compare.origins(store, tests)
    note = compare.outdated(found)
    return {"where the numbers come from": compare.whence(found)} | ({"note": note} if note else {})


def _recipe(version: str) -> str:
    for known in recipe.committed().values():
        if known.version == version:
            return (
                f"{version}: at least {known.steps} steps and {known.epochs} epochs, batch {known.batch}; "
                f"rates {_numbers(known.rates)}, probe strengths {_numbers(known.strengths)}"
            )
    return version


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def dots_by_plan(values: Mapping[str, Sequence[float]], how: Scale) -> Axes:
    """Each plan's seeds as small dots, and below them their mean with its 95 % interval over seeds."""
    ax = _rows(list(values), f"test {how.axis}")
    for y, (plan, seeds) in enumerate(values.items()):
        style = look(plan)
        ax.plot(seeds, np.full(len(seeds), y - 0.16), ".", color=style["color"], alpha=0.6, markersize=6)
        found = interval(seeds)
        low, high = (found.low, found.high) if len(set(seeds)) > 1 else (found.mean, found.mean)
        _interval(ax, y + 0.14, (found.mean, *how.within((low, high))), plan)
        ax.annotate(f"{found.mean:.3f}", (found.mean, y + 0.14), (0, -13), **_SMALL)
    return ax


def intervals_by_plan(ends: Mapping[str, tuple[float, float, float]], how: Scale) -> Axes:
    """(mean, low, high) of each plan's gain over scratch, and a line at zero."""
    ax = _rows(list(ends), how.gain("scratch"))
    ax.axvline(0, color=GREY, linewidth=1, zorder=1)
    for y, (plan, found) in enumerate(ends.items()):
        _interval(ax, y, found, plan)
        ax.annotate(f"{found[0]:+.3f}", (found[0], y), (0, -14), **_SMALL)
    return ax


_SMALL = {"textcoords": "offset points", "ha": "center", "fontsize": 8}


def _rows(plans: list[str], xlabel: str) -> Axes:
    ax = canvas(None, 7.0, 1.0 + 0.55 * len(plans))
    ax.set_yticks(range(len(plans)), plans)
    ax.set(ylim=(len(plans) - 0.4, -0.6), xlabel=xlabel)
    return ax


def _interval(ax: Axes, y: float, found: tuple[float, float, float], plan: str) -> None:
    mean, low, high = found
    kind = {key: look(plan)[key] for key in ("color", "marker", "markerfacecolor")}
    ax.errorbar(mean, y, xerr=[[mean - low], [high - mean]], **kind, markersize=8, elinewidth=2)
