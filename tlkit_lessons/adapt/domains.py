"""A labelled source and a target with hidden labels: what a method may use of each, and what not."""

import copy
from dataclasses import dataclass, field

import numpy as np

from tlkit import features
from tlkit.backbones import Backbone
from tlkit.errors import UserError
from tlkit.tasks import Items, Task

HELD = 5  # one in so many labelled source items of a class is held out, for choosing between methods


def sealed(task: Task) -> Task:
    """The same task with hidden training labels and an empty log; the one given stays unchanged."""
    hidden = copy.copy(task)
    hidden.sealed, hidden.reads = True, []
    return hidden


@dataclass
class Domains:
    """What every method gets: labelled source items, and the inputs of a target with hidden labels.

    learn, held: positions among the source's training items; a fifth of each class (at least one item, none
    of a class of one) is held out for importance-weighted validation. to_target: for each source class its
    number in the target, -1 where the target has no such class: a prediction that is never right. The target
    may lack classes; it may not have one that the source lacks.

    Raises UserError where the target's labels are not hidden, the source's are, a task is no classification,
    the classes do not fit, a target test item is among the source's, there is one source class or too few
    items of each, or the target has fewer than two training items.
    """

    source: Task
    target: Task
    backbone: Backbone
    seed: int = 0
    learn: np.ndarray = field(init=False)
    held: np.ndarray = field(init=False)
    to_target: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self._refuse_kinds()
        self._refuse_seen()
        self.labels = np.asarray(self.source.targets)  # raises where the source's labels are hidden
        self.learn, self.held = hold_back(self.labels, self.seed)
        if len(np.unique(self.labels)) < 2 or not len(self.held):
            raise UserError(
                f"source {self.source.name!r} has labelled items of one class, or one of each: give two or "
                "more items of two or more classes."
            )
        numbers = {name: number for number, name in enumerate(self.target.classes)}
        self.to_target = np.array([numbers.get(name, -1) for name in self.source.classes])

    def _refuse_kinds(self) -> None:
        if not self.target.sealed:
            raise UserError(
                f"labels of target {self.target.name!r} are not hidden: give adapt.sealed(task), so that no "
                "method can use them."
            )
        for task in (self.source, self.target):
            if not task.objective.by_class or task.objective.solver is None:
                raise UserError(f"task {task.name!r} is no classification: adapting is for classes only.")
        strange = sorted({*self.target.classes} - {*self.source.classes})
        if strange:
            raise UserError(
                f"target {self.target.name!r} has classes that source {self.source.name!r} lacks "
                f"({', '.join(strange[:5])}): adapting needs the same classes on both sides."
            )
        if len(self.target.train) < 2:
            raise UserError(f"target {self.target.name!r} has one training item: give two or more.")

    def _refuse_seen(self) -> None:
        seen = {*self.source.train.digests} & {*self.target.test.digests}
        if seen:
            raise UserError(
                f"{len(seen)} test items of target {self.target.name!r} are labelled training items of "
                f"{self.source.name!r}: such a test overestimates accuracy; remove them from one."
            )

    @property
    def classes(self) -> int:
        """How many classes the source has: the width of every output."""
        return len(self.source.classes)

    @property
    def end(self) -> features.Cut:
        """Where features are taken: after the last stage, pooled."""
        return features.Cut.end(self.backbone, pooled=True)

    def pooled(self, items: Items, chosen: np.ndarray | None = None) -> np.ndarray:
        """Features of the pretrained network, N x D float64, cached; of all items where none are chosen."""
        chosen = np.arange(len(items)) if chosen is None else chosen
        return features.activations(self.end, items, chosen).numpy().astype(np.float64)


def hold_back(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(learn, held): positions, a fifth of every class held out; depends on the seed and the class only."""
    learn, held = [], []
    for number in np.unique(labels):
        pool = np.flatnonzero(labels == number)
        order = np.random.default_rng([seed, int(number)]).permutation(pool)
        count = max(1, len(pool) // HELD) if len(pool) > 1 else 0
        held.append(order[:count])
        learn.append(order[count:])
    return np.concatenate(learn), np.concatenate(held)
