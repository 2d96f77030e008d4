"""Seconds of what a fit does, from a short timed step; good to a factor of two."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from tlkit import features
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain, Suffix
from tlkit.plans import Plan, freeze
from tlkit.recipe import Recipe
from tlkit.tasks import Task

_TIMED = 8  # items in a timed step


def solved(task: Task, recipe: Recipe, plan: Plan) -> bool:
    """Whether the plan's head is solved for, so that it takes no step."""
    return plan.where == "head" and recipe.solver(task.objective) is not None


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


def cut(backbone: Backbone, plan: Plan) -> features.Cut:
    """Where the plan's frozen prefix ends."""
    return features.Cut(backbone, plan.cut(backbone.stages))


def at_cut(task: Task, backbone: Backbone, plan: Plan) -> Any:
    """The first item's activations there, a batch of one."""
    return features.example(cut(backbone, plan), task.train)


def repeated(one: Any, times: int) -> Any:
    """A batch of one, `times` over."""
    return tree_map(lambda leaf: torch.cat([leaf] * times), one)


def item_seconds(task: Task, backbone: Backbone, plan: Plan, recipe: Recipe) -> tuple[float, float]:
    """(forward, forward and backward) seconds an item through what the plan does not keep."""
    if plan.where == "nothing" or solved(task, recipe, plan):
        return 0.0, 0.0
    chain = freeze(with_head(task, backbone), plan)
    batch = repeated(at_cut(task, backbone, plan), _TIMED)
    suffix = Suffix(chain.eval(), plan.cut(backbone.stages))
    return _timed(suffix, batch, train=False), _timed(suffix, batch, train=True)


def with_head(task: Task, backbone: Backbone) -> Chain:
    """A chain from the pretrained weights, with the task's head."""
    chain = backbone.fresh()
    end = features.Cut(backbone, len(backbone.stages))
    chain.head = task.objective.head(features.example(end, task.train), backbone.pool)
    return chain


def _timed(model: torch.nn.Module, batch: Any, train: bool) -> float:
    def step() -> None:
        with torch.set_grad_enabled(train):
            output = model(batch)
        if train:
            sum(leaf.sum() for leaf in tree_leaves(output)).backward()

    return _best(step) / _TIMED


def _best(run: Callable[[], Any]) -> float:
    """Seconds of the quickest of three runs: the first one warms up."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def prefix_seconds(task: Task, backbone: Backbone, cut: int) -> float:
    """Seconds an item through the transform and the frozen prefix."""
    few = [task.train.inputs[i] for i in range(min(_TIMED, len(task.train)))]
    return _best(lambda: features.Cut(backbone, cut).run(few)) / len(few)
