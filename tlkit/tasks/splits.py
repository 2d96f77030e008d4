"""Which items are for training and which for testing: by time, by group, or as published.

A random split of what belongs together flatters: it tests on a patient or week seen in training. Each is
(train, test), two arrays of positions; `parted` makes the sides of a task of them.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.errors import UserError
from tlkit.tasks.objective import picked

FOLDS, TEST_FOLDS = 5, 2  # 40 % of the groups are the test
RECENT = 5  # what a seed learns ends in the latest fifth of the training items

Split = tuple[np.ndarray, np.ndarray]


def by_time(times: Sequence[Any], test: Any = 0.2, gap: Any = None) -> Split:
    """Learn from what was, be asked about what came then; both sides in the order of time.

    times: one an item, of any kind that can be compared (numbers, dates). test: the share of the latest
    items, a float between 0 and 1, or the moment at which the test begins. Items of one moment stay on one
    side. gap: a span before the test that is left out, where targets were known only later (purging; de Prado
    2018, section 7.4). Raises UserError for no times or such as do not compare, and a side without items.
    """
    times, order = list(times), in_order(times)
    share = isinstance(test, float) and 0 < test < 1
    border = times[order[len(order) - max(1, round(test * len(order)))]] if share else test
    try:
        last = border if gap is None else border - gap
        sides = [i for i in order if times[i] < last], [i for i in order if times[i] >= border]
    except TypeError as error:
        raise UserError(
            f"a test from {border!r} on, a gap of {gap!r}: times such as {times[0]!r} are of another kind."
        ) from error
    if not all(sides):
        raise UserError(
            f"a test from {border} on has {len(sides[1])} items and leaves {len(sides[0])} for training: "
            "move its beginning, or narrow the gap."
        )
    return np.array(sides[0]), np.array(sides[1])


def in_order(times: Sequence[Any]) -> np.ndarray:
    """Positions from the earliest item to the latest, equals as they stand. Raises UserError as `by_time`."""
    times = list(times)  # those of a table go by its index, not by place
    if not times:
        raise UserError("a split by time needs to know when each item was: give the items times.")
    try:
        order = sorted(range(len(times)), key=times.__getitem__)
        known = all(times[a] <= times[b] for a, b in pairwise([order[0], *order]))
    except TypeError:
        known = False
    if not known:
        raise UserError("the times cannot be put in order: give numbers alone, or dates, and none missing.")
    return np.array(order)


def refuse_later(task: str, train: Any, test: Any) -> None:
    """Raise UserError where Items have not a time each, or one of training is not before all of the test."""
    for side, items in (("train", train), ("test", test)):
        if len(items.times) != len(items):
            each = f"{len(items.times)} times for {len(items)} {side} items: give one for each, on both sides"
            raise UserError(f"task {task!r} has {each}, or none.")
    last, first = train.times[in_order(train.times)[-1]], test.times[in_order(test.times)[0]]
    if not last < first:
        raise UserError(
            f"task {task!r} trains on items up to {last}, its test begins at {first}: test on later ones."
        )


def until(times: Sequence[Any], seed: int) -> np.ndarray:
    """The positions of all items, in order, up to a moment in the latest fifth that the seed draws.

    The very last items would be the same for every seed: for a solved probe nothing at all would vary, and an
    interval over seeds would speak of no other labels.
    """
    order = in_order(times)
    later = np.random.default_rng(seed).integers(len(order) // RECENT + 1)
    return order[: len(order) - later]


def by_group(groups: Sequence[str], labels: Sequence[Any] | None = None) -> Split:
    """Two fifths of the groups are the test, balanced by label; the same everywhere. UserError below five."""
    from sklearn.model_selection import StratifiedGroupKFold

    if len(set(groups)) < FOLDS:
        raise UserError(
            f"a split by group needs {FOLDS} groups or more, there are {len(set(groups))}: name finer ones."
        )
    balanced = np.zeros(len(groups)) if labels is None else labels
    folds = list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(balanced, balanced, groups))
    test = np.sort(np.concatenate([rows for _, rows in folds[:TEST_FOLDS]]))
    return np.setdiff1d(np.arange(len(groups)), test), test


def held_out(labels: Sequence[str], owners: Sequence[str], where: Path) -> Split:
    """`by_group`, balanced by label. Raises UserError, which names `where`, for a class of too few groups."""
    sizes = {c: len({o for o, x in zip(owners, labels, strict=True) if x == c}) for c in sorted(set(labels))}
    smallest = min(sizes, key=sizes.__getitem__)
    if sizes[smallest] < FOLDS:
        raise UserError(
            f"{where}: class {smallest!r} has {sizes[smallest]} separate items or groups, a split needs "
            f"{FOLDS}: add some, or bring your own split."
        )
    return by_group(owners, labels)


def published(column: Sequence[Any], test: Collection[Any] = ("test",)) -> Split:
    """As its authors split it, so that numbers can stand beside theirs.

    column: what each item's place says of it, such as train, valid and test; those of another side than train
    and the words of `test` are left out. Raises UserError for a word that is not in the column.
    """
    column = list(column)
    said = ", ".join(sorted(map(str, set(column)))[:5])
    if missing := [word for word in (*test, "train") if word not in column]:
        raise UserError(f"no item belongs to the published split {missing[0]!r}; the items name {said}, ...")
    return np.flatnonzero(np.isin(column, ["train"])), np.flatnonzero(np.isin(column, list(test)))


def parted(items: Any, targets: Any, split: Split) -> tuple[Any, Any, Any, Any]:
    """Items and targets of both sides, in the order that a Task takes them."""
    return tuple(part for rows in split for part in (items.at(rows), picked(targets, rows)))


def owners(
    digests: Sequence[str], groups: Sequence[str] = (), pairs: Sequence[tuple[int, int]] = ()
) -> list[str]:
    """What each item must not be parted from: its copies, its group, what pairs link it with, and theirs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names, ends = list(groups) or list(digests), [np.array(pairs, int).reshape(-1, 2).T]
    for keys in (digests, names):
        _, first, at = np.unique(keys, return_index=True, return_inverse=True)
        ends.append(np.array([np.arange(len(at)), first[at]]))
    links = np.concatenate(ends, 1)
    links = coo_array((np.ones(links.shape[1]), tuple(links)), (len(names),) * 2)
    part, least = connected_components(links, directed=False)[1], {}
    for number, name in zip(part, names, strict=True):
        least[number] = min(name, least.get(number, name))
    return [least[number] for number in part]
