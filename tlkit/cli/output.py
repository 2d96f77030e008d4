"""What `tlkit compare` says and leaves: what cannot be answered, the answer, the saved model, the report."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.table import Table

from tlkit import files
from tlkit.cli.saying import console, quoted, say
from tlkit.errors import UserError

if TYPE_CHECKING:
    from tlkit.compare import Pair
    from tlkit.records import Record, Store
    from tlkit.saved_model import Choice
    from tlkit.study import Grid
    from tlkit.tasks import Task

ACROSS = 5  # budgets side by side: more do not fit a terminal of 80 columns
TITLE = "Did transfer pay?"  # of every report of a comparison


def before(grid: "Grid", store: "Store", report: Path) -> None:
    """The classes, the files set aside, and what this grid will not be able to say.

    Raises UserError, before anything runs, if the model there is of another folder, or another file is in the
    report's place.
    """
    from tlkit import saved_model
    from tlkit.compare import BASELINES, skewed
    from tlkit.stats import FEWEST_SEEDS
    from tlkit.tasks import facts

    folder, task = files.beside(store.path, ".model"), grid.parts[0]
    there = saved_model.there(folder).get("where")
    if there and there != task.card.get("where"):
        raise UserError(f"{folder} is the model of another data folder of this name: choose another --out.")
    if report.is_file() and TITLE not in report.read_text("utf-8", "replace"):
        raise UserError(f"{report} is not a report of a comparison, so it is kept: choose another --report.")
    if task.objective.by_class:
        say(f"training set: {facts.counts(task.targets, task.classes)}")
    for line in facts.noted(task).values():
        say(line)
    for line in facts.aside(task):
        say(line, "set aside:", "yellow")
    if told := skewed(task):
        _note(told)
    plans = {cell.plan for cell in grid.cells()}
    if not plans & set(BASELINES) or not plans - set(BASELINES):
        base = " or ".join(filter(None, ("scratch", task.objective.raw_plan)))
        missing = base if plans - set(BASELINES) else "a plan that transfers, such as frozen"
        _note(f"--plans leaves nothing to compare: add {missing} for a verdict. Only means are shown.")
    elif len(grid.seeds) < FEWEST_SEEDS:
        seeds = "1 seed gives" if len(grid.seeds) == 1 else f"{len(grid.seeds)} seeds give"
        _note(f"--seeds: {seeds} no verdict; {FEWEST_SEEDS} or more are needed. Only means are shown.")


def _note(text: str) -> None:
    say(text, "note:", "yellow")


def after(store: "Store", records: "list[Record]", task: "Task | None" = None) -> None:
    """The means of all plans, recall by class, the verdicts, and in words which plan to use."""
    from tlkit import compare
    from tlkit.records import scale
    from tlkit.tasks import facts

    if not any(r.split == "test" and r.status == "ok" for r in records):
        return
    _means(store, records)
    if found := task and compare.recalls(store, records, task):
        labels = max(s.labels for s in compare.standings(records))
        table = _table("recall by class", f"with {scale(records).counted(labels)}", "class")
        for plan in found[0][1:]:  # a long plan folds, and no number
            table.add_column(plan, justify="right", min_width=4)
        for row in found[1:] if len(task.classes) <= facts.LISTED else found[-2:]:
            table.add_row(*row)
        console.print(table)
    if pairs := compare.pairs(store, records):
        _verdicts(pairs, turned=scale(records).sign < 0)
    for sentence in compare.conclude(store, records, pairs):
        console.print(sentence)
    if note := compare.outdated(compare.origins(store, records)):
        _note(note)


def _means(store: "Store", records: "list[Record]") -> None:
    from tlkit import compare
    from tlkit.records import scale

    rows = [r for r in records if r.split == "test" and r.status == "ok"]
    found, items = compare.standings(rows), compare.count_items(store, rows[0])
    most, fewest = max(s.seeds for s in found), min(s.seeds for s in found)
    caption = f"{most} seed{'s' * (most != 1)}" + f"; {items} test items" * bool(items)
    caption += "; (n): mean of only n seeds, the other fits failed" * (fewest < most)
    head, *body = compare.means(store, rows)
    for first in range(1, len(head), ACROSS):
        table = _table(f"mean test {scale(rows).axis}", caption)
        for name in head[first : first + ACROSS]:
            table.add_column(name, justify="right", no_wrap=True)
        for plan, *values in body:
            some = values[first - 1 : first - 1 + ACROSS]
            table.add_row(plan, *some, style="dim" * plan.startswith("(chance"))
        console.print(table)


def _table(title: str, caption: str, first: str = "plan") -> Table:
    """One whose first column gives way where a terminal is narrow."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    table.caption, table.caption_justify = caption, "left"
    table.add_column(first)
    return table


def _verdicts(pairs: "list[Pair]", turned: bool = False) -> None:
    family = f"verdicts corrected for {len(pairs)} comparisons (Holm)" if len(pairs) > 1 else "1 comparison"
    reach = "and new" if all(p.items for p in pairs) else "on these"
    caption = f"{family}; 95 % intervals for new seeds {reach} test items"
    table = _table("compared with the baselines", caption + "; lower is better, so + means lower" * turned)
    table.add_column("labels", justify="right")
    for name in ("against", "verdict", "difference", "won"):
        table.add_column(name, no_wrap=True)
    for p in pairs:
        v = p.verdict
        difference = f"{v.mean:+.3f} [{v.low:+.3f}, {v.high:+.3f}]"
        table.add_row(p.plan, str(p.labels), p.against, v.word, difference, f"{v.wins} of {v.n}")
    console.print(table)


def save_and_report(grid: "Grid", store: "Store", records: "list[Record]", report: Path, ran: int) -> None:
    """Save the model and write the report; left alone where nothing ran and they are of these fits."""
    from tlkit import saved_model
    from tlkit.tasks import facts
    from tlkit.tasks.items import digest_of

    folder, task = files.beside(store.path, ".model"), grid.parts[0]
    kept = task.reader and task.objective.decoder
    choice = saved_model.choose(records) if kept else None
    about = _about(store, records, choice) if choice else {}
    about |= {"classes": list(task.classes), "where": task.card.get("where")} if about else {}
    there = saved_model.there(folder)
    stale = about and (ran or any(there.get(name) != about[name] for name in ("fit", "classes")))
    if stale:
        _make_room(folder, there, task, records)
        _save(grid, choice, folder, about)
    rows = digest_of(*sorted(map(repr, (record.key for record in records))))
    known = facts.of(task, store) | {"records": f"{len(records)} rows ({rows})"}
    if about:
        told, doubts = saved_model.told(about), saved_model.doubts(about)
        chosen = [f"chosen by {about['rule']}", *([doubts] if doubts else [])]
        known = {"saved model": "; ".join([told, *chosen])} | known
    if ran or stale or not report.exists() or rows not in report.read_text("utf-8", "replace"):
        from tlkit.report import compare_html

        compare_html(store.path, report, task.name, records, known, task)
    if not kept:
        _note(f"no model is saved: task {task.name} names no reader for its inputs.")
    if about:
        _tell_saved(grid, folder, told, chosen)
    say(f"report: {report}")


def _make_room(folder: Path, there: dict, task: "Task", records: "list[Record]") -> None:
    """Give the model of other fits on the same data another name: nobody asked for its end."""
    old = there.get("fit")
    if old and old[1] == task.digest and tuple(old) not in {record.fit_key for record in records}:
        _note(f"the model of an earlier comparison was renamed to {files.renamed(folder)}.")


def _tell_saved(grid: "Grid", folder: Path, told: str, chosen: list[str]) -> None:
    from tlkit.tasks.readers import READERS

    task = grid.parts[0]
    say(f"saved: {told}")
    for line, style in zip(chosen, ("", "yellow"), strict=False):
        console.print(f"       {line}.", soft_wrap=True, style=style)
    most = min(np.bincount(task.targets)) if task.objective.by_class else 0
    if most > max(grid.labels):
        _note(f"{most} labels per class are available: --labels {most} uses them all.")
    shown = READERS.make(task.reader).shown
    say(f"model:  {folder}   (use it: tlkit predict {quoted(folder)} {shown}...)")


def _about(store: "Store", records: "list[Record]", choice: "Choice") -> dict:
    """What the record says of the chosen fit, for `predict` and the report."""
    from tlkit import compare
    from tlkit.records import scale

    row = choice.record
    how, scores = scale([row]), store.scores(row.fit_key)
    means = {s.plan: s.mean for s in compare.standings(records) if s.labels == row.labels}
    against = {  # scratch, where it is what was chosen, is compared with pixels by its mean alone
        name: {"mean": mean, "verdict": "better" if how.sign * (choice.mean - mean) > 0 else "no worse"}
        for name, mean in means.items()
        if name in compare.BASELINES and name != row.plan
    }
    for p in compare.pairs(store, records):
        if (p.plan, p.labels) == (row.plan, row.labels):
            against[p.against]["verdict"] = p.verdict.word
    return {
        "task": row.task,
        "plan": row.plan,
        "labels": row.labels,
        "seed": row.seed,
        "fit": list(row.fit_key),
        "value": row.value,
        "scale": asdict(how),
        "luck": 0.0 if scores is None else float(2 * scores.std() / len(scores) ** 0.5),
        "mean": choice.mean,
        "seeds": choice.seeds,
        "rule": choice.rule,
        "chance": compare.chance(store, records),
        "test_items": compare.count_items(store, row),
        "against": against,
    }


def _save(grid: "Grid", choice: "Choice", folder: Path, about: dict) -> None:
    """Fit the chosen plan again on the chosen seed's labels, and save it."""
    from tlkit import saved_model
    from tlkit.fit import fit
    from tlkit.plans import Plan

    task, backbone = grid.parts
    row = choice.record
    done = fit(task, backbone, Plan.parse(row.plan), row.labels, row.seed, grid.recipe, test=False)
    about, asked = about | {"setting": done.setting}, task.objective
    how = {"reader": task.reader, "decoder": asked.decoder, "unit": asked.first.unit}
    saved_model.save(folder, done.model, backbone.blueprint, task.classes, about, **how)
