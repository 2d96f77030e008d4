"""What a grid will take: with activations kept, and without; and how many views are worth keeping."""

from dataclasses import dataclass

import numpy as np

from tlkit import features
from tlkit.backbones import Backbone
from tlkit.fit.cost import flops
from tlkit.forecast.timings import fit_seconds, item_seconds, prefix_seconds, solved, trainings, with_head
from tlkit.plans import Plan, freeze
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
                found = min(found, _worth(task, backbone, plan, grid, items))
    return max(1, int(found))


def _worth(task: Task, backbone: Backbone, plan: Plan, grid: Grid, items: int) -> int:
    passes = grid.recipe.schedule(items)[0]
    chain = freeze(with_head(task, backbone), plan)
    ends = features.Cut(backbone, plan.cut(backbone.stages)), features.Cut(backbone, 0)
    prefix, suffix = flops(backbone, chain, plan, *(features.example(at, task.train) for at in ends))
    return passes if not prefix else min(passes, suffix * passes // prefix)


def _cuts(grid: Grid, plan: Plan) -> list[features.Cut]:
    """Where a fit of the plan reads what is kept."""
    task, backbone = grid.parts
    if plan.where == "nothing":
        return []
    whole = features.Cut(backbone, len(backbone.stages), pooled=True)
    if solved(task, grid.recipe, plan):
        return [whole]
    found = [features.Cut(backbone, phase.cut(backbone.stages)) for phase in plan.phases(backbone.stages)]
    return [*found, whole] if plan.start == "probe" else found
