"""What a grid will take."""

import timeit
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves, tree_map

from tlkit import env, features
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain, Suffix
from tlkit.fit.cost import run
from tlkit.plans import Plan, freeze, prepare
from tlkit.recipe import Recipe
from tlkit.study import Cell, Grid
from tlkit.tasks import Task, picked


@dataclass(frozen=True)
class Forecast:
    """Fits to run, and what they should take with `jobs` processes.

    each: (plan, labels) -> seconds of one fit, without the frozen prefix. seconds: of all, with that prefix
    run once for each item and kept; bytes: of what is kept.
    """

    fits: int
    each: dict[tuple[str, int], float]
    seconds: float
    bytes: int


def forecast(grid: Grid, cells: list[Cell], jobs: int = 1) -> Forecast:
    """Time a few items through each plan's prefix and suffix, and multiply; good to half as much again."""
    task, backbone = grid.parts
    plans = {cell.plan: Plan.parse(cell.plan) for cell in cells}
    places = {at.key: at for plan in plans.values() for at in _cuts(grid, plan)}
    prefix = {key: prefix_seconds(task, backbone, at.cut) for key, at in places.items()}
    each = _each(grid, plans, dict.fromkeys((cell.plan, cell.labels) for cell in cells))
    rows = {int(row) for cell in cells for row in task.draw(cell.labels, cell.seed).all}
    seen = len(rows) * max(1, grid.recipe.views) + len(task.test)
    once, seconds = sum(prefix.values()) * seen, sum(each[cell.plan, cell.labels] for cell in cells)
    kept = seen * sum(features.row_bytes(at, task.train) for at in places.values())
    return Forecast(len(cells), each, seconds / jobs + once, kept)


def _each(
    grid: Grid, plans: dict[str, Plan], asked: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], float]:
    """Seconds of a fit by plan and labels; what plans of one suffix take an item is timed once."""
    task, backbone = grid.parts
    each, timed = {}, {}
    for name, labels in asked:
        plan = plans[name]
        alike = plan.raw, plan.row.learners, plan.row.movable and name, plan.cut(backbone.stages)
        if alike not in timed:
            timed[alike] = item_seconds(task, backbone, plan, grid.recipe)
        each[name, labels] = fit_seconds(task, grid.recipe, plan, labels, timed[alike])
        if plan.raw or solved(task, grid.recipe, plan):
            each[name, labels] += _solving(grid, plan, labels)
    return each


def _solving(grid: Grid, plan: Plan, labels: int) -> float:
    """Seconds of all tries of a probe, on numbers of the right shape; without a network, of reading items."""
    task, backbone = grid.parts
    rows, ran = task.draw(labels, grid.seeds[0]).all, trainings(task, grid.recipe, plan, labels)
    if plan.raw:
        return prefix_seconds(task, backbone, 0) * (ran * len(rows) + len(task.test))
    width = features.example(features.Cut.end(backbone, pooled=True), task.train).shape[1]
    seen, targets = np.random.default_rng(0).normal(size=(len(rows), width)), picked(task.targets, rows)
    outputs, how = (
        len(task.classes) or int(np.prod(np.shape(targets)[1:])),
        grid.recipe.solver(task.objective),
    )
    return ran * timeit.timeit(lambda: features.probe(seen, targets, 1.0, outputs, how), number=1)


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
_RUNS, _LONG = 3, 0.2  # the quickest of so many counts, the first one warms up; of long ones the second


def solved(task: Task, recipe: Recipe, plan: Plan) -> bool:
    """Whether the plan's head is fitted by a solver, without gradient steps."""
    return plan.head_only and recipe.solver(task.objective) is not None


def trainings(task: Task, recipe: Recipe, plan: Plan, labels: int) -> int:
    """One for each setting that is tried, and a last one on all labelled items."""
    tries = len(recipe.tries(plan, labels, recipe.solver(task.objective) is not None))
    return 1 if tries == 1 else tries + 1


def fit_seconds(task: Task, recipe: Recipe, plan: Plan, labels: int, timed: tuple[float, float]) -> float:
    """All trainings of a fit and one look at the test, without the prefix."""
    forward, step = timed
    items = labels * (len(task.classes) if task.objective.by_class else 1)
    last, tried = (how.schedule(items)[0] for how in (recipe, recipe.trial(items)))
    passes = last + (trainings(task, recipe, plan, labels) - 1) * tried
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

    return _quickest(step) / _TIMED


def prefix_seconds(task: Task, backbone: Backbone, cut: int) -> float:
    """Seconds an item through the transform and the frozen prefix."""
    few = [task.train.inputs[i] for i in range(min(_TIMED, len(task.train)))]
    at = features.Cut(backbone, cut)
    features.example(at, task.train)  # which refuses inputs of another kind
    return _quickest(lambda: at.run(few)) / len(few)


def _quickest(run: Callable[[], Any]) -> float:
    """Seconds of one run."""
    warm = timeit.timeit(run, number=1)
    return min(timeit.repeat(run, number=1, repeat=1 if warm > _LONG else _RUNS))
