"""What `tlkit compare` leaves behind: the saved model and the report, and what is said of them."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

if TYPE_CHECKING:
    from tlkit.records import Record, Store
    from tlkit.saved import Choice
    from tlkit.study import Grid
    from tlkit.tasks import Task

console = Console()
LISTED = 12  # classes or files named one by one


def keep(grid: "Grid", store: "Store", records: "list[Record]", report: Path, ran: int) -> None:
    """Save the model and write the report; left alone where nothing ran and they are of these fits."""
    from tlkit import saved

    folder = store.path.with_suffix(".model")
    choice = saved.choose(records) if grid.parts[0].classes else None
    about = _about(store, records, choice) if choice else None
    there = (folder / "model.json").is_file()
    stale = about is not None and (not there or saved.card(folder).get("fit") != about["fit"])
    if about and (ran or stale):
        _save(grid, choice, folder, about)
    if ran or stale or not report.exists():
        from tlkit.report import compare_html

        facts = _facts(grid.parts[0], store, about)
        compare_html(store.path, report, grid.parts[0].name, records, facts)
    if about:
        console.print(f"saved: {saved.told(about)}", soft_wrap=True, highlight=False)
        console.print(f"       chosen by {about['rule']}.", soft_wrap=True, highlight=False)
        if doubts := saved.doubts(about):
            console.print(f"[yellow]       {doubts}.[/]", soft_wrap=True, highlight=False)
        console.print(f"model:  {folder}   (use it: tlkit predict {folder} PHOTO...)", soft_wrap=True)
    console.print(f"report: {report}", soft_wrap=True)


def _about(store: "Store", records: "list[Record]", choice: "Choice") -> dict:
    """What the record says of the chosen fit, for `predict` and the report."""
    from tlkit import claims
    from tlkit.report import chance, standings

    row = choice.record
    means = {s.plan: s.mean for s in standings(records) if s.labels == row.labels}
    against = {  # scratch, where it is what was chosen, is compared with pixels by its mean alone
        name: {"mean": mean, "verdict": "better" if choice.mean > mean else "its mean is no lower"}
        for name, mean in means.items()
        if name in claims.BASELINES and name != row.plan
    }
    for p in claims.pairs(store, records):
        if (p.plan, p.labels) == (row.plan, row.labels):
            against[p.against]["verdict"] = p.verdict.word
    return {
        "task": row.task,
        "plan": row.plan,
        "labels": row.labels,
        "seed": row.seed,
        "fit": list(row.fit_key),
        "accuracy": row.value,
        "mean": choice.mean,
        "seeds": choice.seeds,
        "rule": choice.rule,
        "chance": chance(store, records),
        "test_items": len(store.targets(row.task, row.data)),
        "against": against,
    }


def _save(grid: "Grid", choice: "Choice", folder: Path, about: dict) -> None:
    """Fit the chosen plan again on the chosen seed's labels, and save it."""
    from tlkit import saved
    from tlkit.fit import fit
    from tlkit.plans import Plan

    task, backbone = grid.parts
    row = choice.record
    done = fit(task, backbone, Plan.parse(row.plan), row.labels, row.seed, grid.recipe, test=False)
    saved.save(folder, done.model, backbone.blueprint, task.classes, about | {"setting": done.setting})


def _facts(task: "Task", store: "Store", about: dict | None) -> dict[str, str]:
    """What only the task knows: the saved model, pictures a class on either side, files set aside."""
    from tlkit import saved

    facts = {}
    if about:
        doubts = saved.doubts(about)
        facts["saved model"] = f"{saved.told(about)}; chosen by {about['rule']}" + f"; {doubts}" * bool(
            doubts
        )
    if task.classes:
        facts["training items a class"] = _counts(task.targets, task.classes)
        facts["test items a class"] = _counts(store.targets(task.name, task.digest), task.classes)
    facts["test split"] = f"{len(task.test)} items, {len(task.train)} to learn from"
    if "split" in task.card:
        facts["test split"] += f"; {task.card['split']}"
    if task.set_aside:
        named = [f"{name} ({reason})" for name, reason in list(task.set_aside.items())[:LISTED]]
        more = f"; and {len(task.set_aside) - LISTED} more" if len(task.set_aside) > LISTED else ""
        facts["files set aside"] = f"{len(task.set_aside)}: {'; '.join(named)}{more}"
    return facts


def _counts(targets: np.ndarray, classes: tuple[str, ...]) -> str:
    counts = np.bincount(np.asarray(targets, dtype=int), minlength=len(classes))
    if len(classes) > LISTED:
        return f"{counts.min()} to {counts.max()}, {len(classes)} classes"
    return ", ".join(f"{name} {count}" for name, count in zip(classes, counts, strict=True))
