"""Folds of the training part of a task: what is fitted, and what is asked; a group is never on both sides."""

import numpy as np

from tlkit.errors import UserError
from tlkit.tasks import Task, splits

FOLDS = 5
ITEMS = 2000  # of a larger training set so many are drawn, and enough of every class
FEWEST = 2  # labels a class that a point of a learning curve needs
POINTS = 4  # of a learning curve, each of half the labels of the one before


class Folds:
    """Five folds of the training items, or of `rows` of them, balanced by class; by time where items have it.

    Each item has a rank within its class, drawn once; a pool is the items of the first so many ranks. What is
    drawn from a smaller pool, or of fewer labels, is part of what is drawn from a larger one. Raises
    UserError for a task without classes, or with fewer than five separate items or groups in one of them.
    """

    def __init__(self, task: Task, rows: np.ndarray | None = None):
        if not task.objective.by_class:
            raise UserError(f"task {task.name!r} has no classes, which advice needs: use tlkit compare.")
        targets, rng = np.asarray(task.targets), np.random.default_rng(0)
        order = rng.permutation(np.arange(len(targets)) if rows is None else np.asarray(rows))
        ranks = {int(c): order[targets[order] == c] for c in range(len(task.classes))}
        first = {int(row) for rows in ranks.values() for row in rows[: 2 * FOLDS]}
        kept = [row for n, row in enumerate(order) if n < ITEMS or int(row) in first]
        of = [task.train.digests[i] for i in kept], [task.train.groups[i] for i in kept if task.train.groups]
        owners, of_class = np.array(splits.owners(*of)), targets[kept]
        for c, name in enumerate(task.classes):
            if (count := len(set(owners[of_class == c]))) < FOLDS:
                raise UserError(
                    f"task {task.name!r}: class {name!r} has {count} separate training items or groups, and "
                    f"advice needs {FOLDS}, to fit on some and ask others: label more of them."
                )
        self.targets, self.counts = targets, np.bincount(targets[order])
        self.rank = {int(row): n for rows in ranks.values() for n, row in enumerate(rows)}
        self.largest = 1 + max(self.rank[int(row)] for row in kept)  # the pool that holds every item
        self.pairs = _pairs(task, np.array(kept), of_class, owners)

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
        some = [int(row) for row in rows if self.rank[int(row)] < pool]
        return np.array(sorted(some, key=self.rank.__getitem__), dtype=int)


def _pairs(task: Task, kept: np.ndarray, targets: np.ndarray, owners: np.ndarray) -> list[splits.Split]:
    from sklearn.model_selection import StratifiedGroupKFold

    if len(task.train.times):  # what was later is asked, whatever is drawn from what was before
        return [tuple(kept[side] for side in splits.by_time([task.train.times[i] for i in kept]))] * FOLDS
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(kept, targets, owners)
    return [(kept[rest], kept[held]) for rest, held in folds]
