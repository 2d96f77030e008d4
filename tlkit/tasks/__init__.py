"""Tasks: inputs, targets, an enforced train / test split, and an objective."""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from torch.utils.data import default_collate

from tlkit.errors import UserError, unknown, whole
from tlkit.tasks import splits
from tlkit.tasks.items import Items, array_items, content_digest, digest_of
from tlkit.tasks.metrics import Metric
from tlkit.tasks.objective import (
    LAST_VALUE,
    PIXELS,
    TFIDF,
    Baseline,
    Objective,
    classification,
    multilabel,
    picked,
    regression,
)
from tlkit.tasks.registry import load, names, register

__all__ = [
    "LAST_VALUE", "PIXELS", "TFIDF", "Baseline", "Evaluation", "Items", "LabelledSubset", "Metric",
    "Objective", "Task", "array_items", "classification", "load", "multilabel", "names",
    "picked", "register", "regression", "splits",
]  # fmt: skip

SELECT_FROM = 5  # labels a class from which a fifth of the budget is the selection split


@dataclass(frozen=True)
class LabelledSubset:
    """One seed's labelled items: `fit` for training, `select` for validation (empty below 5)."""

    fit: np.ndarray
    select: np.ndarray

    @property
    def all(self) -> np.ndarray:
        return np.concatenate([self.fit, self.select])


@dataclass(frozen=True)
class Evaluation:
    """What one reading of the test split gave: every metric, and what was kept and the target of every item.

    predicted: a prediction an item, or what `Objective.keep` made of it. scores: a number an item whose mean
    is the first metric, where there is one. scale: what records say of it. detail: what else must repeat.
    """

    metrics: dict[str, float]
    predicted: Any
    targets: Any
    scores: np.ndarray | None = None
    scale: dict[str, Any] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass
class Task:
    """A named task. The test targets are hidden: only `evaluate` reads them, and every read is in `reads`.

    Targets are arrays, a row an item, or lists of what differs in shape. `classes` are the names of the class
    numbers, empty for other tasks. `set_aside`: the files that were left out, and why. `reader`: how a saved
    model reads what it is asked about, by name (`readers.READERS`). Raises UserError when
    a side is empty, a target is missing, there is one class, or an item is on both sides of the split, by
    content or by group, or not later in the test than in training, where items have times.
    """

    name: str
    objective: Objective
    train: Items
    train_targets: Any
    test: Items
    test_targets: Any
    classes: tuple[str, ...] = ()
    card: dict = field(default_factory=dict)
    set_aside: dict[str, str] = field(default_factory=dict)
    sealed: bool = False  # a label-free task: its training targets may not be read either
    reader: str = ""

    def __post_init__(self) -> None:
        if self.classes and len(self.classes) < 2:
            raise UserError(
                f"task {self.name!r} has one class ({self.classes[0]!r}): there is nothing to tell apart; "
                "add a second."
            )
        for side, items, targets in (
            ("train", self.train, self.train_targets),
            ("test", self.test, self.test_targets),
        ):
            count = 0 if targets is None else len(targets)
            if not len(items) or count != len(items):
                raise UserError(
                    f"task {self.name!r} has {len(items)} {side} items and {count} targets for them: "
                    "give at least one item a side and one target an item."
                )
            if isinstance(targets, list) and self.objective.collate is default_collate and _ragged(targets):
                raise UserError(
                    f"task {self.name!r}: its targets differ in shape: give the objective a collate that "
                    "makes a batch of them."
                )
            if self.classes and self.objective.by_class and not isinstance(targets, list):
                odd = np.setdiff1d(targets, range(len(self.classes)))
                if odd.size or np.asarray(targets).dtype.kind not in "iu":
                    raise UserError(
                        f"task {self.name!r}: a {side} target is {[*odd, *targets][0]}, and there are "
                        f"{len(self.classes)} classes: number them from 0, in whole numbers."
                    )
        self.__test, self.test_targets = self.test_targets, None
        self.__train, self.train_targets = self.train_targets, None
        self.reads: list[str] = []
        self._refuse_leaks()

    def _refuse_leaks(self) -> None:
        seen = dict(zip(self.train.digests, self.train.names, strict=True))
        for digest, name in zip(self.test.digests, self.test.names, strict=True):
            if digest in seen:
                raise UserError(
                    f"task {self.name!r}: {name} (test) is the same item as {seen[digest]} (train): "
                    "a test on training items proves nothing; remove one."
                )
        shared = set(self.train.groups) & set(self.test.groups)
        if shared:
            raise UserError(
                f"task {self.name!r}: group {min(shared)!r} is in train and test; keep a group on one side."
            )
        if len(self.train.times) or len(self.test.times):
            splits.refuse_later(self.name, self.train, self.test)

    def __repr__(self) -> str:
        """One line: what is predicted, from how many items, asked on how many."""
        kinds = f" of {len(self.classes)} classes" if self.classes else ""
        sides = f"{len(self.train)} for training, {len(self.test)} for testing"
        return f"Task({self.name!r}: {self.objective.name}{kinds}, {sides})"

    @property
    def targets(self) -> Any:
        """The training targets. Raises UserError in a label-free task."""
        if self.sealed:
            raise UserError(
                f"task {self.name!r} has no training labels: its targets are hidden; adapt without them."
            )
        return self.__train

    @cached_property
    def digest(self) -> str:
        """Content hash of items, targets, split and times."""
        parts = self.train.digest, self.test.digest, content_digest(self.__train), content_digest(self.__test)
        return digest_of(*parts, *map(str, (*self.train.times, *self.test.times)))[:12]

    def evaluate(self, predict: Callable[[Items], Any], who: str) -> Evaluation:
        """One test: `predict` gets the test items without their targets and returns a prediction for each.

        It may return an iterator of outputs instead, batch by batch in the order of the items: what is kept
        of each is decided here. Raises UserError for missing predictions; notes `who` in `reads`.
        """
        predicted = predict(self.test)
        if isinstance(predicted, Iterator):
            predicted = self.objective.collect(predicted, self.__test, len(self.test))
        predicted = predicted if isinstance(predicted, list) else np.asarray(predicted)
        if len(predicted) != len(self.test):
            raise UserError(
                f"{who} gave {len(predicted)} predictions for {len(self.test)} test items: give one for each."
            )
        self.reads.append(who)
        metrics = {name: metric(predicted, self.__test) for name, metric in self.objective.metrics.items()}
        first = self.objective.first
        scores = first.by_item and first.by_item(predicted, self.__test)
        scale = first.declared(self.__test, self.objective.by_class)
        return Evaluation(metrics, predicted, _whole(self.__test), scores, scale)

    def judged(self, metric: str) -> "Task":
        """This task with verdicts about the first metric of that name (or beginning); `reads` is shared."""
        own = self.objective.metrics
        name = metric if metric in own else next((name for name in own if name.startswith(metric)), None)
        if name is None:
            raise unknown("metric", metric, own)
        if name == self.objective.metric:
            return self
        other = copy(self)
        other.objective = replace(self.objective, metrics={name: own[name], **own})
        return other

    def draw(self, labels: int, seed: int) -> LabelledSubset:
        """`labels` training items (a class, where the objective counts so), the same for every plan.

        Draws of one seed are nested. From 5 up a fifth of them is the selection split. Where items have
        times, a seed's are the latest before a moment that it draws (`splits.until`), and the selection split
        is the latest fifth of those: what was later chooses no less than it tests. Raises UserError when
        there are too few items, and for fewer than one label or a negative seed.
        """
        labels, seed = whole(labels, "--labels"), whole(seed, "seed")
        if labels < 1:
            raise UserError(f"--labels {labels}: training needs at least 1 label per class; give 1 or more.")
        if seed < 0:
            raise UserError(f"seed {seed}: give a whole number from 0 up.")
        held = labels // 5 if labels >= SELECT_FROM else 0
        pools, timed = self._pools(), len(self.train.times) > 0
        if timed:
            order = splits.until(self.train.times, seed)
            pools = [(what, order[np.isin(order, pool)]) for what, pool in pools]
        for what, pool in pools:
            if len(pool) < labels:
                until = " up to the moment where this seed's end" * timed
                raise UserError(
                    f"task {self.name!r}: {what} has {len(pool)} training items{until} but --labels is "
                    f"{labels}: ask for {len(pool)} or fewer, or add items."
                )
        if timed:
            latest = order[np.isin(order, [row for _, pool in pools for row in pool[-labels:]])]
            first = len(latest) - held * len(pools)
            return LabelledSubset(latest[:first], latest[first:])
        drawn = [np.random.default_rng([seed, n]).permutation(pool) for n, (_, pool) in enumerate(pools)]
        parts = [rows[held:labels] for rows in drawn], [rows[:held] for rows in drawn]
        return LabelledSubset(*map(np.concatenate, parts))

    def _pools(self) -> list[tuple[str, np.ndarray]]:
        """What a budget is counted over, in words, and its training items: each class, or all at once."""
        targets = self.targets  # a label-free task refuses here
        if not self.objective.by_class:
            return [("the task", np.arange(len(self.train)))]
        targets = np.asarray(targets)
        return [(f"class {c!r}", np.flatnonzero(targets == number)) for number, c in enumerate(self.classes)]


def _ragged(targets: list) -> bool:
    return any(isinstance(one, dict) for one in targets) or len({np.shape(one) for one in targets}) > 1


def _whole(targets: Any) -> Any:
    return list(targets) if isinstance(targets, list | tuple) else np.asarray(targets)
