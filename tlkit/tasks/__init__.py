"""Tasks: inputs, targets, an enforced train / test split, and an objective."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from tlkit.errors import UserError
from tlkit.tasks.objective import Objective, classification, regression

__all__ = ["Draw", "Evaluation", "Items", "Objective", "Task", "classification", "regression"]

SELECT_FROM = 5  # labels a class from which a fifth of the budget is the selection split


@dataclass(frozen=True)
class Items:
    """Raw inputs with what identifies them. `inputs[i]` is a tensor or a picture; `names[i]` says which.

    digests: a content hash an item, by which leaks across a split are found. groups: who or what each item is
    of (a writer, a board), or nothing.
    """

    inputs: Sequence[Any]
    names: Sequence[str]
    digests: tuple[str, ...]
    groups: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def digest(self) -> str:
        """Content hash of all items, in their order."""
        return _hash(*self.digests)


@dataclass(frozen=True)
class Draw:
    """One seed's labelled items: `fit` to learn from, `select` to choose a setting by (empty below 5)."""

    fit: np.ndarray
    select: np.ndarray

    @property
    def all(self) -> np.ndarray:
        return np.concatenate([self.fit, self.select])


@dataclass(frozen=True)
class Evaluation:
    """What one reading of the test split gave: every metric, and prediction and target of every item."""

    metrics: dict[str, float]
    predicted: np.ndarray
    targets: np.ndarray


@dataclass
class Task:
    """A named task. The test targets are sealed: only `evaluate` reads them, and every read is in `reads`.

    Targets are arrays, a row an item. `classes` are the names of the class numbers, empty for other tasks.
    `set_aside`: the files that were left out, and why. Raises UserError when a side is empty, a target is
    missing, there is one class, or an item is on both sides of the split, by content or by group.
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

    def __post_init__(self) -> None:
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
        if self.classes and len(self.classes) < 2:
            raise UserError(
                f"task {self.name!r} has one class ({self.classes[0]!r}): there is nothing to tell apart; "
                "add a second."
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
                    "a test on what was learnt proves nothing; remove one of them."
                )
        shared = set(self.train.groups) & set(self.test.groups)
        if shared:
            raise UserError(
                f"task {self.name!r}: group {min(shared)!r} is in train and test; keep a group on one side."
            )

    @property
    def targets(self) -> Any:
        """The training targets. Raises UserError in a label-free task."""
        if self.sealed:
            raise UserError(
                f"task {self.name!r} has no labels to give: its targets are sealed; adapt without them."
            )
        return self.__train

    @cached_property
    def digest(self) -> str:
        """Content hash of items, targets and split."""
        return _hash(self.train.digest, self.test.digest, _bytes(self.__train), _bytes(self.__test))[:12]

    def evaluate(self, predict: Callable[[Items], np.ndarray], who: str) -> Evaluation:
        """Open the seal once: `predict` gets the test items (no targets) and returns a prediction for each.

        Raises UserError when predictions are missing; notes `who` in `reads`.
        """
        predicted = np.asarray(predict(self.test))
        if len(predicted) != len(self.test):
            raise UserError(
                f"{who} gave {len(predicted)} predictions for {len(self.test)} test items: give one for each."
            )
        self.reads.append(who)
        metrics = {name: metric(predicted, self.__test) for name, metric in self.objective.metrics.items()}
        return Evaluation(metrics, predicted, np.asarray(self.__test))

    def draw(self, labels: int, seed: int) -> Draw:
        """`labels` training items (a class, where the objective counts so), the same for every plan.

        Draws of one seed are nested. From 5 up a fifth of them is the selection split. Raises UserError when
        there are too few items, and for fewer than one label or a negative seed.
        """
        if labels < 1:
            raise UserError(
                f"--labels {labels}: learning needs at least 1 labelled item a class; give 1 or more."
            )
        if seed < 0:
            raise UserError(f"seed {seed}: give a whole number from 0 up.")
        held = labels // 5 if labels >= SELECT_FROM else 0
        fit, select = [], []
        for number, (what, pool) in enumerate(self._pools()):
            if len(pool) < labels:
                raise UserError(
                    f"task {self.name!r}: {what} has {len(pool)} training items but --labels is {labels}: "
                    "ask for fewer labels or add items."
                )
            order = np.random.default_rng([seed, number]).permutation(pool)[:labels]
            select.append(order[:held])
            fit.append(order[held:])
        return Draw(np.concatenate(fit), np.concatenate(select))

    def _pools(self) -> list[tuple[str, np.ndarray]]:
        """What a budget is counted over, in words, and its training items: each class, or all at once."""
        targets = np.asarray(self.targets)  # a label-free task refuses here
        if not self.objective.by_class:
            return [("the task", np.arange(len(self.train)))]
        return [(f"class {c!r}", np.flatnonzero(targets == number)) for number, c in enumerate(self.classes)]


def array_items(inputs: torch.Tensor, name: str, groups: Sequence[str] = ()) -> Items:
    """Items held in one tensor, first axis the items; named `name 0`, `name 1`, ..."""
    digests = tuple(hashlib.sha256(row.numpy().tobytes()).hexdigest()[:16] for row in inputs)
    return Items(inputs, [f"{name} {i}" for i in range(len(inputs))], digests, tuple(groups))


def _bytes(targets: Any) -> str:
    array = np.ascontiguousarray(np.asarray(targets))
    return _hash(str(array.shape), array.tobytes().hex())


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
