"""Fitting a plan to a task: fastai's Learner for every gradient loop, a solver for every probe."""

import math
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tlkit import env, features, plans
from tlkit import recipe as recipes
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain
from tlkit.fit import whole
from tlkit.fit.cost import peak_mb
from tlkit.fit.job import Job
from tlkit.fit.loop import Diverged, descend
from tlkit.plans import Plan
from tlkit.recipe import Recipe
from tlkit.tasks import Evaluation, Task

__all__ = ["Diverged", "Fit", "descend", "fit"]


@dataclass
class Fit:
    """A finished fit: the whole recomposed model, what moved, and what it cost.

    setting: what was chosen; tried: the score of every setting on the selection split (NaN: it diverged),
    empty where the setting came from the recipe. train, select: the first metric on the labelled and the
    selection items. measured: seconds, memory, and the rows of activations that were computed, read, and not
    kept for want of room; detail: what must repeat. losses: one a step of the final training.
    """

    model: Chain | None
    audit: plans.Audit | None
    setting: str
    tried: dict[str, float]
    train: float
    select: float | None
    test: Evaluation | None
    measured: dict[str, Any]
    detail: dict[str, Any]
    losses: list[float] = field(default_factory=list)


def fit(
    task: Task,
    backbone: Backbone,
    plan: Plan | str,
    labels: int,
    seed: int = 0,
    recipe: Recipe | None = None,
    show: bool = False,
    test: bool = True,
) -> Fit:
    """One fit of `plan` at `labels` a class: choose on the selection split, fit on all, read the test once.

    plan: a Plan or its string, such as "last-1". recipe: by default the committed one for a network of this
    kind. Below 5 labels the setting is `recipe.fixed`. `test=False` leaves the seal shut. Networks run
    on `env.device()`, the CPU unless TLKIT_DEVICE says otherwise. Raises UserError for too few items or an
    unfit plan, Diverged when every setting diverges, NotFrozen if a frozen tensor moved.
    """
    began, tally = time.perf_counter(), replace(features.TALLY)
    plan = Plan.parse(plan) if isinstance(plan, str) else plan
    recipe = recipe or recipes.suited(backbone.name)
    job = Job(task, backbone, plan, recipe, seed, task.draw(labels, seed), show)
    solved = job.solver is not None
    settings = recipe.tries(plan, labels, solved)
    tried = {setting: job.trial(setting) for setting in settings} if len(settings) > 1 else {}
    best = _best(tried, task.objective.higher_is_better, recipe.usual(plan, solved)) if tried else settings[0]
    model, predict, losses = job.train(best, job.draw.all)
    audit = None
    if model is not None:
        audit = plans.audit(job.before, plans.state(model), plan, free=plans.movable(model, plan))
        whole.check(job, model)
    metric = task.objective.metrics[task.objective.metric]
    train = metric(predict(task.train, job.draw.all), np.asarray(task.targets)[job.draw.all])
    evaluation = None
    if test:
        who = f"{backbone.name} {plan}, {labels} labels, seed {seed}"
        evaluation = task.evaluate(lambda items: predict(items, np.arange(len(items))), who)
    measured = _measured(began, tally)
    detail = job.detail(model, best, len(settings), audit)
    return Fit(model, audit, best, tried, train, tried.get(best), evaluation, measured, detail, losses)


def _measured(began: float, tally: features.Tally) -> dict[str, Any]:
    """What need not repeat; the device where it is not the CPU."""
    found = {"seconds": time.perf_counter() - began, "process_peak_mb": peak_mb(), **tally.since()}
    return found if env.device().type == "cpu" else found | {"device": env.device_name()}


def _best(tried: dict[str, float], higher_is_better: bool, usual: str) -> str:
    """The setting with the best score; of equals the usual one, and one that diverged only if all did."""
    sign = 1 if higher_is_better else -1
    return max(tried, key=lambda s: (sign * tried[s] if math.isfinite(tried[s]) else -math.inf, s == usual))
