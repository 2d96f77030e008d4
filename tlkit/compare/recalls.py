"""Which test items are misclassified: recall by class, confusions, and the worst items."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from tlkit.records import BALANCED, PLAIN, Record, Store
from tlkit.tasks import Task

SKEWED = 3  # times as many items of one class as of another, from where accuracy says little of the rare one
WORST = 10  # items


def skewed(task: Task) -> str | None:
    """One sentence where accuracy is the metric, and classes are unbalanced among the items to learn from."""
    if task.objective.metric == PLAIN and BALANCED in task.objective.metrics:
        counts = np.bincount(task.targets)
        if counts.max() > SKEWED * counts.min():
            most, share = task.classes[counts.argmax()], counts.max() / counts.sum()
            always = f"the classes are unbalanced: always predicting {most} gets {share:.3f}"
            return f"{always}; --metric balanced weights every class equally."


def recalls(store: Store, records: Iterable[Record], task: Task) -> list[list[str]]:
    """Rows of text, plans across: the recall of each class, their mean, and accuracy.

    records: of the task, one metric and backbone; what finished at the largest budget counts, over all seeds.
    No row for a task that knows no balanced accuracy.
    """
    rows = [r for r in records if r.split == "test" and r.status == "ok"]
    rows = [r for r in rows if r.labels == max(r.labels for r in rows)]
    if BALANCED not in task.objective.metrics:
        return []
    plans = list(dict.fromkeys(r.plan for r in rows))
    found = [_answers(store, [r for r in rows if r.plan == plan]) for plan in plans]
    right = np.array([(answers == targets).mean(0) for answers, targets in found])
    there, of = np.unique(found[0][1], return_inverse=True)
    shares = np.array([np.bincount(of, one) for one in right]) / np.bincount(of)
    names = [*(task.classes[k] for k in there), BALANCED, PLAIN]
    told = zip(names, [*shares.T, shares.mean(1), right.mean(1)], strict=True)
    return [["class", *plans], *([name, *(f"{x:.2f}" for x in values)] for name, values in told)]


def mistakes(store: Store, rows: Sequence[Record], task: Task) -> tuple[list[list[str]], list[tuple]]:
    """Of fits of one plan: rows of text, what each class was predicted as; and the items wrong most often.

    Of an item its number, its class, the usual wrong answer, and how many fits are wrong.
    """
    (answers, targets), name = _answers(store, rows), task.classes
    of = {k: Counter(answers[:, targets == k].ravel().tolist()).most_common() for k in np.unique(targets)}
    given = ([name[k], ", ".join(f"{name[a]} ({n})" for a, n in counted)] for k, counted in of.items())
    wrong = answers != targets
    items = [i for i in np.argsort(-wrong.sum(0), kind="stable")[:WORST].tolist() if wrong[:, i].any()]
    usual = {i: name[np.bincount(answers[wrong[:, i], i]).argmax()] for i in items}
    return [["class", "predicted as"], *given], [
        (i, name[targets[i]], usual[i], wrong[:, i].sum()) for i in items
    ]


def _answers(store: Store, rows: Sequence[Record]) -> tuple[np.ndarray, np.ndarray]:
    """What these fits answered, fits x items, and the truth."""
    return np.array([store.items(r.fit_key) for r in rows]), store.targets(rows[0].task, rows[0].data)
