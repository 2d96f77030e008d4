"""Fitting a plan to a task: fastai's Learner for every gradient loop, a solver for every probe."""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves

from tlkit import backbones, env, features, plans, tasks
from tlkit import recipe as recipes
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain
from tlkit.errors import UserError, whole
from tlkit.fit.cost import peak_mb
from tlkit.fit.job import Job
from tlkit.fit.loop import Diverged, descend
from tlkit.plans import NotFrozen, Plan
from tlkit.recipe import Recipe
from tlkit.tasks import Evaluation, Task

__all__ = ["Diverged", "Fit", "descend", "fit"]


@dataclass
class Fit:
    """A finished fit: the whole recomposed model, what changed, and what it cost.

    setting: what was chosen; tried: the score of every setting on the selection split (NaN: it diverged), in
    a race after its third of the passes; empty where the setting came from the recipe. train, select: the
    first metric on the labelled and the selection items. measured: seconds, memory, and the rows of
    activations that were computed, read, and not kept for want of room; detail: what must repeat. losses:
    one a step of the final training.
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
    task: Task | str,
    backbone: Backbone | str,
    plan: Plan | str,
    labels: int,
    seed: int = 0,
    recipe: Recipe | None = None,
    test: bool = True,
) -> Fit:
    """One fit of `plan` at `labels` a class: validate, fit on all labels, test once.

    task, backbone, plan: these or their names, such as "digits", "letters", "last-1". recipe: by default the
    committed one for a network of this kind. Below 5 labels the setting is `recipe.fixed`. `test=False` skips
    the test set. The network runs on `backbone.device`, and comes back. Raises UserError for too few items or
    an unfit plan, Diverged when every setting diverges, NotFrozen if a frozen tensor changed.
    """
    began, tally = time.perf_counter(), dict(features.CACHE_STATS)
    task, backbone = tasks.load(task), backbones.load(backbone)
    plan, labels, seed = Plan.parse(str(plan)), whole(labels, "--labels"), whole(seed, "seed")
    recipe = recipe or recipes.suited(backbone)
    task = task.judged(recipe.metric)
    job = Job(task, backbone, plan, recipe, seed, task.draw(labels, seed))
    solved = job.solver is not None
    settings = recipe.tries(plan, labels, solved)
    tried = {setting: job.trial(setting) for setting in settings} if len(settings) > 1 else {}
    best = _best(tried, task.objective.first.sign, recipe.usual(plan, solved)) if tried else settings[0]
    model, predict, losses = job.train(best, job.draw.all)
    audit = None if model is None else plans.audit(job.before, model, plan)
    if model is not None:
        verify_recomposed(job, model)
    detail = job.detail(model, best, len(settings), audit)
    if plan.row.merge:
        _merge(job, model)
    train = job.score(predict, job.draw.all)
    evaluation = None
    if test:
        who = f"{backbone.name} {plan}, {labels} labels, seed {seed}"
        evaluation = task.evaluate(lambda items: predict(items, np.arange(len(items))), who)
    measured = _measured(began, tally, backbone.device)
    return Fit(model, audit, best, tried, train, tried.get(best), evaluation, measured, detail, losses)


def _measured(began: float, tally: dict[str, float], where: torch.device) -> dict[str, Any]:
    """What need not repeat; the device where it is not the CPU."""
    found = {"seconds": time.perf_counter() - began, "process_peak_mb": peak_mb()}
    found |= {name: now - tally[name] for name, now in features.CACHE_STATS.items()}
    return found if where.type == "cpu" else found | {"device": env.process.device_name(where)}


def _best(tried: dict[str, float], sign: int, usual: str) -> str:
    """The setting with the best score; of equals the usual one, and one that diverged only if all did."""
    return max(tried, key=lambda s: (sign * tried[s] if math.isfinite(tried[s]) else -math.inf, s == usual))


ITEMS = 2
_TOLERANCE = 1e-3  # of the largest output; another company in the batch gives other last digits
_ASKED: set[tuple[str, ...]] = set()


def verify_recomposed(job: Job, chain: Chain) -> None:
    """Raise NotFrozen where the whole network does not give its head what its kept stages and the rest give.

    Tensors standing still does not prove that a stage does: it may count its calls, or drop at random in eval
    mode too. That is so, or is not, by how it is made: asked once for each task, weights and plan.
    """
    asked = job.task.digest, job.backbone.name, job.backbone.digest, str(job.plan)
    if asked in _ASKED or not job.cut.cut:
        return
    rows = job.draw.all[:ITEMS]
    at, _ = job.behind(chain.eval())
    raw = features.Cut(job.backbone, 0).run(job.task.train.inputs[int(i)] for i in rows)
    with torch.inference_mode():
        kept, whole = features.activations(at, job.task.train, rows), chain.run(raw)
        kept, whole = (kept, job.backbone.pool(whole)) if at.pooled else (chain.run(kept, at.cut), whole)
    if not _alike(kept, whole):
        raise NotFrozen(
            f"{job.plan} of {job.backbone.name}: run as a whole the network does not repeat what its "
            "kept stages gave; a frozen stage changes by what is no tensor, or draws at random."
        )
    _ASKED.add(asked)


def _alike(one: Any, other: Any) -> bool:
    pairs = zip(*(map(torch.Tensor.double, tree_leaves(side)) for side in (one, other)), strict=True)
    bound = lambda b: _TOLERANCE * max(1.0, float(b.abs().max()))  # noqa: E731
    return all(torch.allclose(a, b, rtol=0, atol=bound(b), equal_nan=True) for a, b in pairs)


def _merge(job: Job, chain: Chain) -> None:
    """Merge what the plan added into the weights. UserError where the network then answers otherwise."""
    raw = features.Cut(job.backbone, 0).run(job.task.train.inputs[int(i)] for i in job.draw.all[:ITEMS])
    with torch.inference_mode():
        before, _, after = chain(raw), job.plan.row.merge(chain, job.plan), chain(raw)
    if not _alike(after, before):
        raise UserError(
            f"plan {job.plan}: the adapters cannot be merged into {job.backbone.name}, where a layer does "
            "more with its weights than multiply; choose another plan."
        )
