"""How long a grid will take on this machine, from a timed step of each plan."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from tlkit import features
from tlkit.backbones.chain import Chain, Suffix
from tlkit.plans import Plan, freeze
from tlkit.study import Cell, Grid


@dataclass(frozen=True)
class Forecast:
    """Fits and trainings to run, and the seconds they should take with `jobs` processes."""

    fits: int
    trainings: int
    seconds: float


def forecast(grid: Grid, cells: list[Cell], jobs: int = 1) -> Forecast:
    """Time one item forward and backward through each plan's suffix and multiply; good to a factor of two."""
    per_plan = {cell.plan: _item_seconds(grid, Plan.parse(cell.plan)) for cell in cells}
    trainings, seconds = 0, 0.0
    for cell in cells:
        tries = len(cell.recipe.tries(Plan.parse(cell.plan), cell.labels))
        task, _ = grid.parts
        items = cell.labels * (len(task.classes) if task.objective.by_class else 1)
        runs = 1 if tries == 1 else tries + 1
        forward, step = per_plan[cell.plan]
        trainings += runs
        seconds += runs * step * items * cell.recipe.schedule(items)[0] + forward * len(task.test)
    return Forecast(len(cells), trainings, seconds / jobs + _prefix_seconds(grid, cells))


def _item_seconds(grid: Grid, plan: Plan) -> tuple[float, float]:
    """(forward, forward and backward) seconds an item through what the plan does not keep."""
    task, backbone = grid.parts
    if plan.where in ("nothing", "head"):
        return 0.0, 0.0
    chain = freeze(_with_head(grid), plan)
    inputs = features.example(features.Cut(backbone, plan.cut(backbone.stages)), task.train)
    batch = torch.cat([inputs] * 4)
    suffix = Suffix(chain.eval(), plan.cut(backbone.stages))
    return _timed(suffix, batch, train=False), _timed(suffix, batch, train=True)


def _with_head(grid: Grid) -> Chain:
    task, backbone = grid.parts
    chain = backbone.fresh()
    end = features.Cut(backbone, len(backbone.stages))
    chain.head = task.objective.head(features.example(end, task.train), backbone.pool)
    return chain


def _timed(model: torch.nn.Module, batch: torch.Tensor, train: bool) -> float:
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        with torch.set_grad_enabled(train):
            output = model(batch)
        if train:
            output.sum().backward()
        best = min(best, time.perf_counter() - began)
    return best / len(batch)


def _prefix_seconds(grid: Grid, cells: Iterable[Cell]) -> float:
    """Every item once through the transform and, for the deepest cut, the frozen prefix."""
    task, backbone = grid.parts
    plans = [Plan.parse(plan) for plan in {cell.plan for cell in cells}]
    cut = max((p.cut(backbone.stages) for p in plans if p.where != "nothing"), default=0)
    began = time.perf_counter()
    features.Cut(backbone, cut).run([task.train.inputs[0]])
    return (time.perf_counter() - began) * (len(task.train) + len(task.test))
