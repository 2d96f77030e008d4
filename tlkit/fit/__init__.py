"""Fitting a plan to a task: fastai's Learner for every gradient loop, a solver for every probe."""

import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves

from tlkit import env, features, plans
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain, Suffix
from tlkit.errors import UserError
from tlkit.fit.cost import flops
from tlkit.fit.loop import Diverged, descend
from tlkit.plans import Plan
from tlkit.recipe import Recipe
from tlkit.tasks import Draw, Evaluation, Items, Task


@dataclass
class Fit:
    """A finished fit: the whole recomposed model, what moved, and what it cost."""

    model: Chain | None
    audit: plans.Audit | None
    setting: str
    tried: dict[str, float]
    train: float
    select: float | None
    test: Evaluation | None
    measured: dict[str, float]
    detail: dict[str, Any]
    losses: list[float] = field(default_factory=list)


def fit(
    task: Task,
    backbone: Backbone,
    plan: Plan,
    labels: int,
    seed: int,
    recipe: Recipe,
    show: bool = False,
    test: bool = True,
) -> Fit:
    """One fit of `plan` at `labels` per class: choose a setting on the selection split, fit on all labels, read the test once.

    Below 5 labels the setting is `recipe.fixed`. `test=False` leaves the seal shut. Raises UserError for too few
    images or an unfit plan, Diverged when every setting diverges, NotFrozen if a frozen tensor moved.
    """
    began = time.perf_counter()
    job = _Job(task, backbone, plan, recipe, seed, task.draw(labels, seed), show)
    settings, tried = recipe.tries(plan, labels), {}
    if len(settings) > 1:
        tried = {setting: job.trial(setting) for setting in settings}
        sign = 1 if task.objective.higher_is_better else -1
        best = max(
            tried, key=lambda setting: sign * tried[setting] if math.isfinite(tried[setting]) else -math.inf
        )
    else:
        best = settings[0]
    model, predict, losses = job.train(best, job.draw.all)
    audit = None if model is None else plans.audit(job.before, model.state_dict(), plan)
    metric = task.objective.metrics[task.objective.metric]
    train = metric(predict(task.train, job.draw.all), np.asarray(task.targets)[job.draw.all])
    evaluation = (
        task.evaluate(lambda items: predict(items, np.arange(len(items))), f"{backbone.name} {plan} {seed}")
        if test
        else None
    )
    measured = {"seconds": time.perf_counter() - began, "process_peak_mb": _peak_mb()}
    detail = job.detail(model, best, len(settings), audit)
    return Fit(model, audit, best, tried, train, tried.get(best), evaluation, measured, detail, losses)


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


@dataclass
class _Job:
    """What the tries of one fit share."""

    task: Task
    backbone: Backbone
    plan: Plan
    recipe: Recipe
    seed: int
    draw: Draw
    show: bool
    before: dict[str, torch.Tensor] = field(default_factory=dict)

    def trial(self, setting: str) -> float:
        """Score on the selection split of a fit without it; NaN when it diverged."""
        try:
            _, predict, _ = self.train(setting, self.draw.fit)
        except Diverged:
            return math.nan
        objective = self.task.objective
        wanted = np.asarray(self.task.targets)[self.draw.select]
        return objective.metrics[objective.metric](predict(self.task.train, self.draw.select), wanted)

    def train(self, setting: str, rows: np.ndarray) -> tuple[Chain | None, Callable, list[float]]:
        """(model, predict, losses) of one training on `rows` of the training items."""
        targets = np.asarray(self.task.targets)[rows]
        if self.plan.where == "nothing":
            return None, self._pixels(setting, rows, targets), []
        env.seed_everything(self.seed)
        chain = self.backbone.fresh("random" if self.plan.start == "random" else "pretrained")
        objective = self.task.objective
        env.seed_everything(self.seed)  # every plan gets the same head, however many numbers its body drew
        chain.head = objective.head(features.example(self._end, self.task.train), self.backbone.pool)
        self.before = {name: tensor.clone() for name, tensor in chain.state_dict().items()}
        losses = []
        if self.plan.where == "head" or self.plan.start == "probe":
            strength = float(setting) if self.plan.where == "head" else self._probe_strength
            losses += self._solve(chain, rows, targets, strength)
        if self.plan.where != "head":
            inputs = features.activations(self._cut, self.task.train, rows)
            losses += descend(
                chain,
                self.plan,
                inputs,
                torch.as_tensor(targets),
                objective.loss,
                float(setting),
                self.recipe,
                self.seed,
                self.show,
            )
        return chain, self._predictor(chain), losses

    def _solve(self, chain: Chain, rows: np.ndarray, targets: np.ndarray, strength: float) -> list[float]:
        objective, head_only = self.task.objective, Plan("head")
        if objective.solver is None:  # no convex problem: the head alone descends, on activations run once
            inputs = features.activations(self._end, self.task.train, rows)
            rate = self.recipe.rates[len(self.recipe.rates) // 2]
            return descend(
                chain,
                head_only,
                inputs,
                torch.as_tensor(targets),
                objective.loss,
                rate,
                self.recipe,
                self.seed,
            )
        pooled = features.activations(self._pooled, self.task.train, rows).numpy()
        outputs = [m for m in chain.head.modules() if isinstance(m, torch.nn.Linear)][-1].out_features
        features.probe(pooled, targets, strength, outputs, objective.solver).into(chain.head)
        return []

    def _pixels(
        self, setting: str, rows: np.ndarray, targets: np.ndarray
    ) -> Callable[[Items, np.ndarray], np.ndarray]:
        x, objective = features.pixels(self.task.train, rows), self.task.objective
        if setting.endswith("-nn"):
            from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

            kind = KNeighborsClassifier if objective.by_class else KNeighborsRegressor
            model = kind(int(setting.partition("-")[0])).fit(x, targets)
            return lambda items, chosen: model.predict(features.pixels(items, chosen))
        if objective.solver is None:
            raise UserError(
                f"plan pixels has no baseline for a {objective.name} task: leave it out of --plans."
            )
        outputs = len(self.task.classes) or int(np.prod(targets.shape[1:]))
        solved = features.probe(x, targets, float(setting.removeprefix("C=")), outputs, objective.solver)
        return lambda items, chosen: objective.decode(
            torch.from_numpy(solved(features.pixels(items, chosen)))
        )

    def _predictor(self, chain: Chain) -> Callable[[Items, np.ndarray], np.ndarray]:
        @torch.inference_mode()
        def predict(items: Items, chosen: np.ndarray) -> np.ndarray:
            parts, at, model = [], *self._behind(chain.eval())
            for first in range(0, len(chosen), self.recipe.batch):
                output = model(features.activations(at, items, chosen[first : first + self.recipe.batch]))
                if not all(torch.isfinite(leaf).all() for leaf in tree_leaves(output)):
                    raise Diverged(
                        f"plan {self.plan} of {self.backbone.name} gives NaN outputs: try smaller --rates."
                    )
                parts.append(self.task.objective.decode(output))
            return np.concatenate(parts)

        return predict

    def _behind(self, chain: Chain) -> tuple[features.Cut, torch.nn.Module]:
        """Where kept activations are read, and what is left to run on them: a probe needs only the pooled vector."""
        if self.plan.where == "head" and self.task.objective.solver:
            return self._pooled, chain.head[1:]
        return self._cut, Suffix(chain, self._cut.cut)

    def _items_seen(self, tries: int) -> int:
        """Items that pass through the suffix, counted with repetition, over all tries and the final training."""
        final = self.recipe.schedule(len(self.draw.all))[0] * len(self.draw.all)
        trial = self.recipe.schedule(len(self.draw.fit))[0] * len(self.draw.fit)
        return final + (tries * trial if tries > 1 else 0)

    @property
    def _probe_strength(self) -> float:
        fixed = dict(self.recipe.fixed).get("frozen")
        return float(fixed) if fixed else self.recipe.strengths[len(self.recipe.strengths) // 2]

    @property
    def _cut(self) -> features.Cut:
        return features.Cut(self.backbone, self.plan.cut(self.backbone.stages))

    @property
    def _end(self) -> features.Cut:
        return features.Cut(self.backbone, len(self.backbone.stages))

    @property
    def _pooled(self) -> features.Cut:
        return features.Cut(self.backbone, len(self.backbone.stages), pooled=True)

    def detail(
        self, model: Chain | None, setting: str, tries: int, audit: plans.Audit | None
    ) -> dict[str, Any]:
        """What must repeat: the setting, the counts, the size of what moved and its FLOPs."""
        counts = {"fit": len(self.draw.fit), "select": len(self.draw.select), "test": len(self.task.test)}
        found = {"setting": setting, "tries": tries, "items": counts}
        if model is None:
            return found | {"trained_parameters": 0, "flops_prefix": 0, "flops_suffix": 0}
        example = features.example(self._cut, self.task.train)
        seen = (
            self.recipe.steps * min(self.recipe.batch, len(self.draw.all)) * (1 if tries == 1 else tries + 1)
        )
        prefix, suffix = flops(
            self.backbone, model, self.plan, example, features.raw_example(self._cut, self.task.train)
        )
        return found | {
            "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "parameters": sum(p.numel() for p in model.parameters()),
            "cut": self._cut.cut,
            "moved": len(audit.moved),
            "still": len(audit.still),
            "flops_prefix": prefix * len(self.draw.all),
            "flops_suffix": suffix * (0 if self.plan.where == "head" else seen),
        }
