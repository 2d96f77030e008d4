"""What a grid will take: with activations kept, and without; and how many views are worth keeping."""

import timeit
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves, tree_map

from tlkit import env, features
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain, Suffix
from tlkit.fit.cost import flops, run
from tlkit.plans import Plan, freeze, prepare
from tlkit.recipe import Recipe
from tlkit.study import Cell, Grid
from tlkit.tasks import Task

MOST_VIEWS = 8  # of each item: a solved probe sees all of them at once, in one table


@dataclass(frozen=True)
class Forecast:
    """Fits and trainings to run, and what they should take with `jobs` processes.

    seconds: with the frozen prefix run once for each item and kept; again: with the prefix run anew whenever
    an item is looked at; bytes: of what is kept.
    """

    fits: int
    trainings: int
    seconds: float
    again: float
    bytes: int


def forecast(grid: Grid, cells: list[Cell], jobs: int = 1) -> Forecast:
    """Time a few items through each plan's prefix and suffix, and multiply; good to a factor of two."""
    task, backbone = grid.parts
    cells = [(cell, Plan.parse(cell.plan)) for cell in cells]
    timed = {c.plan: item_seconds(task, backbone, plan, c.recipe) for c, plan in cells}
    places = {at.key: at for _, plan in cells for at in _cuts(grid, plan)}
    prefix = {key: prefix_seconds(task, backbone, at.cut) for key, at in places.items()}
    count, seconds, again = 0, 0.0, 0.0
    for cell, plan in cells:
        ran = trainings(task, cell.recipe, plan, cell.labels)
        count += ran
        seconds += fit_seconds(task, cell.recipe, plan, cell.labels, timed[cell.plan])
        items = len(task.draw(cell.labels, cell.seed).all)
        looks = 1 if solved(task, cell.recipe, plan) else cell.recipe.schedule(items)[0]
        for at in _cuts(grid, plan):
            again += prefix[at.key] * (ran * looks * items + len(task.test))
    labelled = np.unique(np.concatenate([task.draw(c.labels, c.seed).all for c, _ in cells]))
    rows = len(labelled) * max(1, grid.recipe.views) + len(task.test)
    once = sum(prefix.values()) * rows
    kept = rows * sum(features.row_bytes(at, task.train) for at in places.values())
    return Forecast(len(cells), count, seconds / jobs + once, (seconds + again) / jobs, kept)


def views(grid: Grid) -> int:
    """How many views of each item are worth keeping under `grid.recipe`: the fewest that any plan can use.

    A plan that descends sees no more views than it makes passes, and running the frozen prefix on all of
    them should take no more operations than the descent itself; all together must fit into the budget for
    kept activations. Counted, not timed, so that the number does not depend on the machine.
    """
    task, backbone = grid.parts
    labels, found = max(grid.labels), MOST_VIEWS
    items = len(task.draw(labels, grid.seeds[0]).all)
    room = features.room()
    for plan in map(Plan.parse, grid.plans):
        for at in _cuts(grid, plan):
            found = min(found, room // (len(grid.plans) * items * features.row_bytes(at, task.train)))
            if not solved(task, grid.recipe, plan):
                passes = grid.recipe.schedule(items)[0]
                prefix, suffix = flops(task, backbone, ready(task, backbone, plan), plan)
                found = min(found, suffix * passes // prefix if prefix else passes, passes)
    return max(1, int(found))


def _cuts(grid: Grid, plan: Plan) -> list[features.Cut]:
    """All places where a fit of the plan reads what is kept."""
    task, backbone = grid.parts
    if plan.raw:
        return []
    end = [features.Cut.end(backbone, pooled=True)]
    if solved(task, grid.recipe, plan):
        return end
    found = [features.Cut.of(backbone, phase) for phase in plan.phases(backbone.stages)]
    return found + end if plan.from_probe else found


def ready(task: Task, backbone: Backbone, plan: Plan) -> Chain:
    """A chain from the pretrained weights, with the task's head, as the plan trains it."""
    return freeze(prepare(features.with_head(backbone, task), plan), plan)


_TIMED = 8  # items in a timed step
_RUNS = 3  # of which the quickest counts: the first one warms up


def solved(task: Task, recipe: Recipe, plan: Plan) -> bool:
    """Whether the plan's head is solved for, so that it takes no step."""
    return plan.head_only and recipe.solver(task.objective) is not None


def trainings(task: Task, recipe: Recipe, plan: Plan, labels: int) -> int:
    """One for each setting that is tried, and a last one on all labelled items."""
    tries = len(recipe.tries(plan, labels, recipe.solver(task.objective) is not None))
    return 1 if tries == 1 else tries + 1


def fit_seconds(task: Task, recipe: Recipe, plan: Plan, labels: int, timed: tuple[float, float]) -> float:
    """All trainings of a fit and one look at the test, without the prefix."""
    forward, step = timed
    items = labels * (len(task.classes) if task.objective.by_class else 1)
    passes = trainings(task, recipe, plan, labels) * recipe.schedule(items)[0]
    return passes * items * step + forward * len(task.test)


def repeated(one: Any, times: int) -> Any:
    """A batch of one, `times` over."""
    return tree_map(lambda leaf: torch.cat([leaf] * times), one)


def item_seconds(task: Task, backbone: Backbone, plan: Plan, recipe: Recipe) -> tuple[float, float]:
    """(forward, forward and backward) seconds an item through what the plan does not keep."""
    if plan.raw or solved(task, recipe, plan):
        return 0.0, 0.0
    chain = ready(task, backbone, plan)
    batch = repeated(features.example(features.Cut.of(backbone, plan), task.train), _TIMED)
    suffix = Suffix(chain.eval(), plan.cut(backbone.stages))
    with env.on_device(backbone.device, suffix) as where:
        batch = features.moved(batch, where)
        return _timed(suffix, batch, train=False), _timed(suffix, batch, train=True)


def _timed(model: torch.nn.Module, batch: Any, train: bool) -> float:
    def step() -> None:
        output = run(model, batch, train)
        if tree_leaves(output)[0].device.type != "cpu":
            torch.accelerator.synchronize()  # it goes on while the CPU is ahead

    return min(timeit.repeat(step, number=1, repeat=_RUNS)) / _TIMED


def prefix_seconds(task: Task, backbone: Backbone, cut: int) -> float:
    """Seconds an item through the transform and the frozen prefix."""
    few = [task.train.inputs[i] for i in range(min(_TIMED, len(task.train)))]
    at = features.Cut(backbone, cut)
    features.example(at, task.train)  # which refuses inputs of another kind
    return min(timeit.repeat(lambda: at.run(few), number=1, repeat=_RUNS)) / len(few)
