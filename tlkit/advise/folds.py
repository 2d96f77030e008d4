"""Folds of the training part of a task: what is fitted, and what is asked; a group is never on both sides."""

import numpy as np

from tlkit.errors import UserError
from tlkit.tasks import Task, splits

FOLDS = 5
ITEMS = 2000  # of a larger training set so many are drawn, and enough of every class
FEWEST, POINTS = (
    2,
    4,
)  # labels a class, and points, of a learning curve; each has half those of the one before


class Folds:
    """Five folds of the training items, or of `rows` of them, balanced by class; by time where items have it.

    Each item has a rank within its class, drawn once; a pool is the items of the first so many ranks. What is
    drawn from a smaller pool, or of fewer labels, is part of what is drawn from a larger one. Raises
    UserError for a task without classes, or with fewer than five separate items or groups in one of them.
    """

    def __init__(self, task: Task, rows: np.ndarray | None = None):
        from sklearn.model_selection import StratifiedGroupKFold

        if not task.objective.by_class:
            raise UserError(f"task {task.name!r} has no classes, which advice needs: use tlkit compare.")
        self.targets = np.asarray(task.targets)
        order = np.random.default_rng(0).permutation(np.arange(len(self.targets)) if rows is None else rows)
        self.counts = np.bincount(self.targets[order], minlength=len(task.classes))
        self.rank = np.empty(len(self.targets), int)
        for c, count in enumerate(self.counts):
            self.rank[order[self.targets[order] == c]] = np.arange(count)
        kept = order[(np.arange(len(order)) < ITEMS) | (self.rank[order] < 2 * FOLDS)]
        items, classes = task.train.at(kept), self.targets[kept]
        owners = np.array(splits.owners(items.digests, items.groups))
        for c, name in enumerate(task.classes):
            if (count := len(set(owners[classes == c]))) < FOLDS:
                raise UserError(
                    f"task {task.name!r}: class {name!r} has {count} separate training items or groups, and "
                    f"advice needs {FOLDS}, to fit on some and ask others: label more of them."
                )
        self.largest = 1 + int(self.rank[kept].max())  # the pool that holds every item
        pairs = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(kept, classes, owners)
        if len(items.times):  # what was later is asked, whatever is drawn from what was before
            pairs = [splits.by_time(items.times)] * FOLDS
        by_rank = lambda rows: rows[np.argsort(self.rank[rows], kind="stable")]  # noqa: E731
        self.pairs = [tuple(by_rank(kept[side]) for side in pair) for pair in pairs]

    def rows(self, pool: int) -> np.ndarray:
        """All items of a pool."""
        return np.unique(np.concatenate([self._of(side, pool) for pair in self.pairs for side in pair]))

    def draw(self, fold: int, labels: int, pool: int) -> tuple[np.ndarray, np.ndarray]:
        """(fitted, asked): so many items a class of the other folds, and all of this fold, of a pool."""
        rest, held = (self._of(side, pool) for side in self.pairs[fold])
        of = [rest[self.targets[rest] == c][:labels] for c in range(len(self.counts))]
        return np.concatenate(of), held

    def sizes(self, pool: int) -> list[int]:
        """Labels a class of the points of a learning curve, the most that every fold has first."""
        rest = [self.targets[self._of(side, pool)] for side, _ in self.pairs]
        most = min(int(np.bincount(of, minlength=len(self.counts)).min()) for of in rest)
        return [n for k in range(POINTS) if (n := most >> k) >= FEWEST] or [1]

    def _of(self, rows: np.ndarray, pool: int) -> np.ndarray:
        return rows[self.rank[rows] < pool]
