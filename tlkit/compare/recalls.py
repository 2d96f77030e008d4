"""Which test items are answered wrong: recall by class, confusions, and the worst items."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from tlkit.records import BALANCED, PLAIN, Record, Store
from tlkit.tasks import Task

WORST = 10  # items
SKEWED = 3  # times as many items of one class as of another, from where accuracy says little of the rare one


def skewed(task: Task) -> str | None:
    """One sentence where classes are unbalanced, among the items to learn from, and accuracy counts."""
    if task.objective.metric != PLAIN or BALANCED not in task.objective.metrics:
        return None
    counts = np.bincount(task.targets)
    if counts.max() <= SKEWED * counts.min():
        return None
    always = f"always answering {task.classes[counts.argmax()]} gets {counts.max() / counts.sum():.3f}"
    return f"classes are unbalanced: {always}; --metric balanced judges every class alike."


def recalls(store: Store, records: Iterable[Record], classes: Sequence[str]) -> list[list[str]]:
    """Rows of text, plans across: the share of each class that is answered right, its mean, and accuracy.

    records: of one task, metric and backbone; the fits at the largest budget count, all seeds together.
    """
    rows = [r for r in records if r.split == "test" and store.predicted(r.fit_key)]
    rows = [r for r in rows if r.labels == max(r.labels for r in rows)]
    plans = list(dict.fromkeys(r.plan for r in rows))
    if not plans:
        return []
    answers = [_answers(store, [r for r in rows if r.plan == plan]) for plan in plans]
    right = np.array([(given == targets).mean(0) for given, targets in answers])
    there, of = np.unique(answers[0][1], return_inverse=True)
    shares = np.array([np.bincount(of, one) for one in right]) / np.bincount(of)
    told = [*zip([classes[k] for k in there], shares.T, strict=True), (BALANCED, shares.mean(1))]
    told += [(PLAIN, right.mean(1))]
    return [["class", *plans], *([name, *(f"{x:.2f}" for x in each)] for name, each in told)]


def confusions(store: Store, rows: Sequence[Record], classes: Sequence[str]) -> list[list[str]]:
    """Rows of text: a class, and the answers that all these fits of one plan gave it, with counts."""
    answers, targets = _answers(store, rows)
    of = {k: Counter(answers[:, targets == k].ravel().tolist()).most_common() for k in np.unique(targets)}
    told = ([classes[k], ", ".join(f"{classes[a]} {n}" for a, n in given)] for k, given in of.items())
    return [["class", "answers"], *told]


def worst(store: Store, rows: Sequence[Record], classes: Sequence[str]) -> list[tuple[int, str, str, int]]:
    """Items that most of these fits of one plan answer wrong: number, class, usual wrong answer, times."""
    answers, targets = _answers(store, rows)
    wrong = answers != targets
    times = wrong.sum(0)
    items = [int(i) for i in np.argsort(-times, kind="stable")[:WORST] if times[i]]
    usual = [np.bincount(answers[wrong[:, i], i]).argmax() for i in items]
    return [(i, classes[targets[i]], classes[k], int(times[i])) for i, k in zip(items, usual, strict=True)]


def _answers(store: Store, rows: Sequence[Record]) -> tuple[np.ndarray, np.ndarray]:
    """What these fits answered, fits x items, and the truth."""
    return np.array([store.items(r.fit_key) for r in rows]), store.targets(rows[0].task, rows[0].data)
