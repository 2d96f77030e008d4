"""What a study is to fit: every plan at every budget and seed, and how each fit is identified."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tlkit.records import FitKey, Store

if TYPE_CHECKING:
    from tlkit.backbones import Backbone
    from tlkit.tasks import Task


@dataclass(frozen=True)
class Cell:
    """One fit to do: everything a worker needs, as plain strings and numbers."""

    task: str
    backbone: str
    weights: str | None
    plan: str
    labels: int
    seed: int
    recipe: Any

    def anywhere(self) -> "Cell":
        """The same with whole paths: a worker on another machine stands in another folder."""
        task, weights = self.task, self.weights
        if task.startswith("folder:"):
            paths = task.removeprefix("folder:").split("|")
            task = "folder:" + "|".join(map(os.path.abspath, paths))
        return replace(self, task=task, weights=weights and os.path.abspath(weights))


@dataclass(frozen=True)
class Grid:
    """Every plan at every label budget and seed, on one task from one backbone.

    task, backbone: names for `catalogue.load` and `backbones.load`; weights: a file, or None.
    """

    task: str
    backbone: str
    plans: tuple[str, ...]
    labels: tuple[int, ...]
    seeds: tuple[int, ...]
    recipe: Any
    weights: str | None = None

    @cached_property
    def parts(self) -> tuple["Task", "Backbone"]:
        """(Task, Backbone): loaded once; the network itself is not built yet."""
        from tlkit import backbones
        from tlkit.tasks import catalogue

        return catalogue.load(self.task), backbones.load(self.backbone, self.weights)

    def cells(self) -> Iterator[Cell]:
        """Seed by seed, so that a stopped run has whole seeds; canonical plan names."""
        from tlkit.plans import Plan

        names = list(dict.fromkeys(str(Plan.parse(plan)) for plan in self.plans))
        for seed in self.seeds:
            for labels in self.labels:
                for plan in names:
                    yield Cell(self.task, self.backbone, self.weights, plan, labels, seed, self.recipe)

    def key(self, cell: Cell) -> FitKey:
        """What identifies the cell's record."""
        return identify(cell, *self.parts)

    def without_fetching(self) -> "Grid":
        """This grid, untrained where the weights would come from a hub: enough to check and to time it."""
        from tlkit import backbones

        task, backbone = self.parts
        if not backbone.digest.startswith("hub-"):
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


def identify(cell: Cell, task: "Task", backbone: "Backbone") -> FitKey:
    """The key of the cell's record, by the files as they are here; baselines do not depend on weights."""
    from tlkit.plans import Plan

    weights = backbone.digest if Plan.parse(cell.plan).uses_weights else "none"
    version = cell.recipe.version
    return task.name, task.digest, backbone.name, weights, cell.plan, cell.labels, cell.seed, version


def todo(grid: Grid, store: Store) -> list[Cell]:
    """The cells without a finished fit in the store."""
    done = store.finished()
    return [cell for cell in grid.cells() if grid.key(cell) not in done]
