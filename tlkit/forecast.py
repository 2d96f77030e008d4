"""What a plan or a grid will cost on this machine: counted where it can be, else from a short timed step."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from tlkit import features
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain, Suffix
from tlkit.errors import UserError
from tlkit.fit.cost import flops, held
from tlkit.plans import Plan, freeze, refuse_unfit, set_modes
from tlkit.recipe import Recipe
from tlkit.study import Cell, Grid
from tlkit.tasks import Task

_TIMED = 8  # items in a timed step
MOMENTS = 2  # of Adam, kept beside the gradient of every trained parameter


@dataclass(frozen=True)
class Forecast:
    """Fits and trainings to run, and the seconds they should take with `jobs` processes."""

    fits: int
    trainings: int
    seconds: float


@dataclass(frozen=True)
class Price:
    """What one fit of a plan will take; `price` says how each number is found.

    trained: parameters that move, the head's among them. once: operations of the frozen prefix, for all
    labelled items. step: operations of one step of descent on one batch. memory: bytes. seconds: of the whole
    fit, all tries included.
    """

    plan: str
    trained: int
    once: int
    step: int
    memory: int
    seconds: float

    def __str__(self) -> str:
        steps = f"{self.step / 1e6:,.0f} million operations a step" if self.step else "no steps"
        costs = f"{steps}, {self.memory / 1e6:.1f} MB, {self.seconds:.1f} s"
        return f"{self.plan}: {self.trained:,} parameters, {costs}"


def price(task: Task, backbone: Backbone, plan: Plan, labels: int, recipe: Recipe) -> Price:
    """The price of fitting `plan` at `labels` a class, before anything is learnt.

    Operations are counted (`fit.cost.flops`): the prefix forward, once for each labelled item; the suffix
    forward and backward for one batch. A head that is solved for takes no step. memory is what training has
    to keep beside the weights, which all plans keep: 4 bytes for each trained parameter's gradient and for
    each of Adam's two moments, and the activations behind the cut that one batch leaves for the backward pass
    (`fit.cost.held`); a solved head is counted as if it descended. seconds come from a short timed step, good
    to a factor of two. A gradual plan is priced at its last and dearest phase. Raises UserError for a plan
    without a network, one that does not fit the backbone, and too few items.
    """
    if plan.where == "nothing":
        raise UserError(f"plan {plan} has no network to price: choose another plan.")
    refuse_unfit(plan, task.objective, backbone)
    chain, at = freeze(_with_head(task, backbone), plan), _example(task, backbone, plan)
    items = len(task.draw(labels, seed=0).all)
    batch = recipe.schedule(items)[1]
    prefix, suffix = flops(backbone, chain, plan, at, features.raw_example(_cut(backbone, plan), task.train))
    set_modes(chain, plan)
    trained = sum(p.numel() for p in chain.parameters() if p.requires_grad)
    activations = held(Suffix(chain, plan.cut(chain.names)), _repeated(at, batch))
    solved = _solved(task, recipe, plan)
    seconds = _fit_seconds(task, recipe, plan, labels, _item_seconds(task, backbone, plan, recipe))
    seconds += _prefix_seconds(task, backbone, plan.cut(backbone.stages)) * (items + len(task.test))
    memory = 4 * (1 + MOMENTS) * trained + activations
    return Price(str(plan), trained, prefix * items, 0 if solved else suffix * batch, memory, seconds)


def forecast(grid: Grid, cells: list[Cell], jobs: int = 1) -> Forecast:
    """Time a few items through each plan's suffix, both ways, and multiply; good to a factor of two."""
    task, backbone = grid.parts
    timed = {c.plan: _item_seconds(task, backbone, Plan.parse(c.plan), c.recipe) for c in cells}
    trainings, seconds = 0, 0.0
    for cell in cells:
        plan = Plan.parse(cell.plan)
        trainings += _trainings(task, cell.recipe, plan, cell.labels)
        seconds += _fit_seconds(task, cell.recipe, plan, cell.labels, timed[cell.plan])
    cut = _deepest(backbone, timed)
    prefix = _prefix_seconds(task, backbone, cut) * (len(task.train) + len(task.test))
    return Forecast(len(cells), trainings, seconds / jobs + prefix)


def _solved(task: Task, recipe: Recipe, plan: Plan) -> bool:
    return plan.where == "head" and recipe.solver(task.objective) is not None


def _trainings(task: Task, recipe: Recipe, plan: Plan, labels: int) -> int:
    """One for each setting that is tried, and a last one on all labelled items."""
    tries = len(recipe.tries(plan, labels, recipe.solver(task.objective) is not None))
    return 1 if tries == 1 else tries + 1


def _fit_seconds(task: Task, recipe: Recipe, plan: Plan, labels: int, timed: tuple[float, float]) -> float:
    """All trainings of a fit and one look at the test, without the prefix."""
    forward, step = timed
    items = labels * (len(task.classes) if task.objective.by_class else 1)
    passes = _trainings(task, recipe, plan, labels) * recipe.schedule(items)[0]
    return passes * items * step + forward * len(task.test)


def _cut(backbone: Backbone, plan: Plan) -> features.Cut:
    return features.Cut(backbone, plan.cut(backbone.stages))


def _example(task: Task, backbone: Backbone, plan: Plan) -> Any:
    return features.example(_cut(backbone, plan), task.train)


def _repeated(one: Any, times: int) -> Any:
    return tree_map(lambda leaf: torch.cat([leaf] * times), one)


def _item_seconds(task: Task, backbone: Backbone, plan: Plan, recipe: Recipe) -> tuple[float, float]:
    """(forward, forward and backward) seconds an item through what the plan does not keep."""
    if plan.where == "nothing" or _solved(task, recipe, plan):
        return 0.0, 0.0
    chain = freeze(_with_head(task, backbone), plan)
    batch = _repeated(_example(task, backbone, plan), _TIMED)
    suffix = Suffix(chain.eval(), plan.cut(backbone.stages))
    return _timed(suffix, batch, train=False), _timed(suffix, batch, train=True)


def _with_head(task: Task, backbone: Backbone) -> Chain:
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


def _deepest(backbone: Backbone, plans: Iterable[str]) -> int:
    """The longest prefix that any of the plans runs."""
    parsed = map(Plan.parse, plans)
    return max((plan.cut(backbone.stages) for plan in parsed if plan.where != "nothing"), default=0)


def _prefix_seconds(task: Task, backbone: Backbone, cut: int) -> float:
    """Seconds an item through the transform and the frozen prefix."""
    few = [task.train.inputs[i] for i in range(min(_TIMED, len(task.train)))]
    return _best(lambda: features.Cut(backbone, cut).run(few)) / len(few)
