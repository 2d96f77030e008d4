"""What a study is to fit: every plan at every budget and seed, and how each fit is identified."""

import pickle
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tlkit.errors import UserError, whole
from tlkit.records import FitKey, Store

if TYPE_CHECKING:
    from tlkit.backbones import Backbone
    from tlkit.tasks import Task


@dataclass(frozen=True)
class Cell:
    """One fit to do: everything a worker needs, as plain strings and numbers.

    given: the task and the backbone where they are objects, for this process alone; added: the factories that
    were registered by hand, packed for a worker that has not seen them.
    """

    task: str
    backbone: str
    weights: str | None
    plan: str
    labels: int
    seed: int
    recipe: Any
    given: "tuple[Task | None, Backbone | None]" = field(default=(None, None), compare=False, repr=False)
    added: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True)
class Grid:
    """Every plan at every label budget and seed, on one task from one backbone.

    task, backbone: names for `tasks.load` and `backbones.load`, or objects; weights: a file, or None.
    """

    task: "str | Task"
    backbone: "str | Backbone"
    plans: tuple[str, ...]
    labels: tuple[int, ...]
    seeds: tuple[int, ...]
    recipe: Any
    weights: str | None = None

    def __post_init__(self) -> None:
        for name, what in (("labels", "--labels"), ("seeds", "seed")):
            object.__setattr__(self, name, tuple(whole(value, what) for value in getattr(self, name)))

    @cached_property
    def parts(self) -> tuple["Task", "Backbone"]:
        """(Task, Backbone): loaded once; the network itself is not built yet."""
        from tlkit import backbones, tasks

        return tasks.load(self.task).judged(self.recipe.metric), backbones.load(self.backbone, self.weights)

    def cells(self) -> Iterator[Cell]:
        """Seed by seed, so that a stopped run has whole seeds; canonical plan names."""
        from tlkit.plans import Plan

        names = list(dict.fromkeys(str(Plan.parse(plan)) for plan in self.plans))
        objects = [None if isinstance(part, str) else part for part in (self.task, self.backbone)]
        task, backbone = (part if isinstance(part, str) else part.name for part in (self.task, self.backbone))
        for seed in self.seeds:
            for labels in self.labels:
                for plan in names:
                    yield Cell(task, backbone, self.weights, plan, labels, seed, self.recipe, tuple(objects))

    def packed(self, cells: list[Cell]) -> list[Cell]:
        """The cells for other processes, which make task and backbone again by their names.

        Raises UserError for an object that is not registered under its name, and for a factory that cannot be
        sent.
        """
        import cloudpickle

        from tlkit import backbones, tasks

        _refuse_nameless("task", self.task, tasks.load)
        _refuse_nameless("backbone", self.backbone, lambda name: backbones.load(name, self.weights))
        by_hand = tasks.registry.TASKS.added, backbones.BACKBONES.added
        try:
            added = cloudpickle.dumps(by_hand) if any(by_hand) else b""
        except (TypeError, pickle.PicklingError) as error:
            raise UserError(
                f"a registered factory cannot be sent to other processes ({error}): leave out what it holds "
                "open, or put it into a module."
            ) from error
        return [replace(cell, given=(None, None), added=added) for cell in cells]

    def key(self, cell: Cell) -> FitKey:
        """What identifies the cell's record."""
        return identify(cell, *self.parts)

    def without_fetching(self) -> "Grid":
        """This grid, untrained where weights may have to be fetched: enough to check and to time it."""
        from tlkit import backbones

        task, backbone = self.parts
        if not backbone.to_fetch:
            return self
        light = replace(self)
        light.__dict__["parts"] = task, backbones.from_blueprint(backbone.blueprint)
        return light

    def check(self) -> None:
        """Raise UserError, before anything runs, for what cannot: too few items, a stage not there."""
        from tlkit.plans import Plan, refuse_unfit

        task, backbone = self.parts
        for labels in self.labels:
            for seed in self.seeds:
                task.draw(labels, seed)
        for plan in map(Plan.parse, self.plans):
            refuse_unfit(plan, task.objective, backbone)


def _refuse_nameless(kind: str, part: Any, load: Callable[[str], Any]) -> None:
    if isinstance(part, str):
        return
    with suppress(UserError):
        if load(part.name).digest == part.digest:
            return
    raise UserError(
        f"{kind} {part.name!r} is an object that no other process can make again by its name: give a factory "
        f"to {kind}s.register, or run in one process of this machine."
    )


def identify(cell: Cell, task: "Task", backbone: "Backbone") -> FitKey:
    """The key of the cell's record, by the files as they are here; baselines do not depend on weights."""
    from tlkit.plans import Plan

    weights = backbone.digest if Plan.parse(cell.plan).weights == "pretrained" else "none"
    version = cell.recipe.version
    return FitKey(task.name, task.digest, backbone.name, weights, cell.plan, cell.labels, cell.seed, version)


def todo(grid: Grid, store: Store) -> list[Cell]:
    """The cells without a finished fit in the store."""
    done = store.finished()
    return [cell for cell in grid.cells() if grid.key(cell) not in done]
