"""Adapting to a target with hidden labels: in closed form, by a term of the loss, and at test time.

A class that the target lacks harms only methods that assume equal class proportions. Between identical
domains there is nothing to adapt, and CORAL has the accuracy of the source alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from tlkit import plans
from tlkit import recipe as recipes
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain
from tlkit.errors import UserError
from tlkit.plans import Plan
from tlkit.recipe import Recipe
from tlkit.tasks import Evaluation, Items, Task
from tlkit_lessons.adapt import testtime
from tlkit_lessons.adapt.domains import Domains, sealed
from tlkit_lessons.adapt.feature_based import coral, solve
from tlkit_lessons.adapt.methods import METHODS, Method, known
from tlkit_lessons.adapt.selection import CRITERIA, ORACLE, Evidence, by_criterion, density_ratio, select
from tlkit_lessons.adapt.training import learn, outputs, start, strength

__all__ = [
    "CRITERIA", "METHODS", "ORACLE", "Adapted", "Evidence", "Method", "adapt", "by_criterion", "coral",
    "density_ratio", "sealed", "select", "solve",
]  # fmt: skip

Answer = Callable[[Items, np.ndarray], np.ndarray]


@dataclass
class Adapted:
    """A finished adaptation: its evaluation on the target's test items, what it used and what it updated.

    model, audit: the network and the check of what changed, for test-time methods since the source model;
    None for those of skada. pair: source, target, backbone and seed; detail: what a repetition must match.
    losses: one per step.
    """

    method: str
    evaluation: Evaluation
    model: Chain | None
    audit: plans.Audit | None
    read: tuple[str, ...]
    pair: tuple[str, str, str, int]
    detail: dict[str, Any]
    losses: list[float]
    _gather: Callable[[], Evidence] = field(repr=False, compare=False)

    @property
    def accuracy(self) -> float:
        """Share of the target's test items that are classified correctly."""
        return self.evaluation.metrics["accuracy"]

    @cached_property
    def evidence(self) -> Evidence:
        """What a choice without target labels may use; computed from the target's training inputs."""
        return self._gather()


@dataclass
class _Run:
    answer: Answer  # of the test items, once
    plan: Plan
    outputs: Answer  # of any items; the model stays unchanged
    chain: Chain | None = None
    before: dict[str, torch.Tensor] | None = None
    free: set[str] | None = None
    reads: tuple[str, ...] = ()
    losses: list[float] = field(default_factory=list)
    detail: dict[str, Any] = field(default_factory=dict)


def adapt(
    source: Task,
    target: Task,
    backbone: Backbone,
    method: str,
    seed: int = 0,
    recipe: Recipe | None = None,
    plan: Plan | str | None = None,
    **settings: Any,
) -> Adapted:
    """Learn from a labelled source and unlabelled target inputs; use the target's test labels once.

    method: a name in METHODS, which says what it uses and updates, its plan and its settings. plan: which
    stages are trained; closed forms take only `frozen`, a test-time method starts from the source model that
    the plan gives. recipe: by default the committed one for the backbone. A fifth of the source's training
    items is held out for `select`. Raises UserError for what `Domains` refuses, an unknown method or setting,
    and a plan that does not go with the method; Diverged, NotFrozen as `fit.fit` does.
    """
    how = known(method)
    used, pair = how.settled(settings), Domains(source, target, backbone, seed)
    recipe = recipe or recipes.suited(backbone)
    plan = Plan.parse(plan or how.plan) if not isinstance(plan, Plan) else plan
    plans.refuse_unfit(plan, source.objective, backbone)
    run = _FAMILIES[how.family](pair, how, plan, recipe, used)
    everyone = np.arange(len(target.test))
    evaluation = target.evaluate(
        lambda items: pair.to_target[run.answer(items, everyone).argmax(1)],
        f"adapt: {method} from {source.name}, {backbone.name}, seed {seed}",
    )
    audit = None
    if run.chain is not None:
        audit = plans.audit(run.before, run.chain, run.plan, free=run.free)
        if run.plan.row.merge:
            run.plan.row.merge(run.chain, run.plan)
    counts = {"learn": len(pair.learn), "held": len(pair.held), "target": len(target.train)}
    detail = {"plan": str(plan), "settings": used, "items": counts, **run.detail}
    named = source.name, target.name, backbone.name, seed
    gather = lambda: _evidence(pair, run.outputs)  # noqa: E731
    read = run.reads or how.reads
    return Adapted(method, evaluation, run.chain, audit, read, named, detail, run.losses, gather)


def _evidence(pair: Domains, outputs: Answer) -> Evidence:
    train, target = pair.source.train, pair.target.train
    sides = pair.pooled(train, pair.learn), pair.pooled(target)
    weights = density_ratio(*sides, pair.pooled(train, pair.held))
    seen = outputs(target, np.arange(len(target))), outputs(train, pair.held)
    return Evidence(*(scores.astype(np.float64) for scores in seen), pair.labels[pair.held], weights)


def _closed(pair: Domains, how: Method, plan: Plan, recipe: Recipe, used: dict) -> _Run:
    if not plan.head_only:
        raise UserError(f"{how.name} trains nothing but the head: leave plan {plan} out, or give frozen.")
    x, y = pair.pooled(pair.source.train, pair.learn), pair.labels[pair.learn]
    kept = {"strength": strength(recipe), "seed": pair.seed}
    solved = solve(how.name, x, y, pair.pooled(pair.target.train), pair.classes, **kept, **used)
    answer = lambda items, chosen: solved.outputs(pair.pooled(items, chosen))  # noqa: E731
    if solved.probe is None:
        return _Run(answer, plan, answer, detail=solved.detail)
    made = start(pair, plan, recipe)
    solved.probe.into(made.chain.head)
    return _Run(answer, plan, answer, made.chain, made.before, made.free, detail=solved.detail)


def _descended(pair: Domains, how: Method, plan: Plan, recipe: Recipe, used: dict) -> _Run:
    name = how.name if how.family == "loss" else ""
    made = learn(pair, plan, recipe, name, **used)
    cut = plan.cut(pair.backbone.stages)
    answer = lambda items, chosen: outputs(pair, made.chain, items, chosen, cut)  # noqa: E731
    moved = made.chain, made.before, made.free
    return _Run(answer, plan, answer, *moved, losses=made.losses, detail=made.detail)


def _at_test(pair: Domains, how: Method, plan: Plan, recipe: Recipe, used: dict) -> _Run:
    method = {"adabn": testtime.adabn, "tent": testtime.tent}[how.name]
    stream = method(pair, learn(pair, plan, recipe), **used)
    reads = (*how.reads[:-1], stream.reads)
    moved = stream.chain, stream.before, stream.free
    return _Run(stream.answer, testtime.NORMS, stream.outputs, *moved, reads, stream.losses)


_FAMILIES = {"none": _descended, "features": _closed, "loss": _descended, "test time": _at_test}
