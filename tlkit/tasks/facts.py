"""What is to be said of a task's data: its classes, its files, and what was set aside."""

from pathlib import Path
from typing import Any

import numpy as np

from tlkit.tasks import Task

LISTED = 12  # classes or files named one by one


def of(task: Task, store: Any) -> dict[str, str]:
    """What only the task knows: items a class on either side, files set aside."""
    facts = {}
    if task.objective.by_class:
        facts["training items per class"] = counts(task.targets, task.classes)
        facts["test items per class"] = counts(store.targets(task.name, task.digest), task.classes)
    facts["test split"] = f"{len(task.test)} items; {len(task.train)} in the training set"
    if "split" in task.card:
        facts["test split"] += f"; split: {task.card['split']}"
    facts |= noted(task)
    if left := aside(task):
        facts["set aside"] = "; ".join(left)
    return facts


def noted(task: Task) -> dict[str, str]:
    return {name: task.card[name] for name in ("sides", "groups", "files", "near") if name in task.card}


def counts(targets: np.ndarray, classes: tuple[str, ...]) -> str:
    counts = np.bincount(np.asarray(targets, dtype=int), minlength=len(classes))
    if len(classes) > LISTED:
        return f"{counts.min()} to {counts.max()}, {len(classes)} classes"
    return ", ".join(f"{name} {count}" for name, count in zip(classes, counts, strict=True))


def aside(task: Task) -> list[str]:
    """What was set aside and why, one by one; of more than a few of one kind how many, where not told yet."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for name, reason in task.set_aside.items():
        kinds.setdefault((reason, Path(name).suffix), []).append(name)
    few = [f"{n}: {why}" for (why, _), names in kinds.items() if len(names) <= LISTED for n in names]
    many = [
        f"{len(n)}: {why}" for (why, _), n in kinds.items() if len(n) > LISTED and "files" not in task.card
    ]
    return many + few
