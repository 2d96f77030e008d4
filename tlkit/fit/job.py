"""One fit from draw to predictions: what its tries share, and how each plan trains."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves

from tlkit import env, features, plans
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain, Suffix
from tlkit.fit.cost import flops
from tlkit.fit.loop import Diverged, descend
from tlkit.plans import Plan
from tlkit.recipe import Recipe
from tlkit.tasks import Draw, Items, Task
from tlkit.tasks.views import view

Predict = Callable[[Items, np.ndarray], np.ndarray]


@dataclass
class Job:
    """A plan on one seed's draw of a task. `before` is the state that the last training started from."""

    task: Task
    backbone: Backbone
    plan: Plan
    recipe: Recipe
    seed: int
    draw: Draw
    show: bool = False
    before: dict[str, torch.Tensor] = field(default_factory=dict)
    _chain: Chain | None = None

    def __post_init__(self) -> None:
        plans.refuse_unfit(self.plan, self.task.objective, self.backbone)

    def trial(self, setting: str) -> float:
        """Score on the selection split of a fit without it; NaN when it diverged."""
        objective = self.task.objective
        wanted = np.asarray(self.task.targets)[self.draw.select]
        try:
            _, predict, _ = self.train(setting, self.draw.fit)
            predicted = predict(self.task.train, self.draw.select)
        except Diverged:
            return math.nan
        return objective.metrics[objective.metric](predicted, wanted)

    def train(self, setting: str, rows: np.ndarray) -> tuple[Chain | None, Predict, list[float]]:
        """(model, predict, losses) of one training on `rows` of the training items."""
        targets = np.asarray(self.task.targets)[rows]
        if self.plan.where == "nothing":
            return None, self._pixels(setting, rows, targets), []
        chain, losses = self._start(), []
        self.before = plans.state(chain)
        if self.plan.where == "head":
            losses += self._head_alone(chain, rows, targets, float(setting))
        elif self.plan.start == "probe":
            losses += self._head_alone(chain, rows, targets, self._probe_setting)
        if self.plan.where != "head":
            for phase in self.phases:
                losses += self._descend(chain, phase, rows, targets, float(setting))
        return chain, self._predictor(chain), losses

    def _start(self) -> Chain:
        """The chain a training starts from; every plan gets the same head, whatever else drew numbers."""
        features_seen = features.example(self._end, self.task.train)
        if (
            self.plan.where != "head" or self._chain is None
        ):  # under a probe one copy will do: none else moves
            env.seed_everything(self.seed)
            self._chain = self.backbone.fresh("random" if self.plan.start == "random" else "pretrained")
        env.seed_everything(self.seed)
        self._chain.head = self.task.objective.head(features_seen, copy.deepcopy(self.backbone.pool))
        return self._chain

    def _head_alone(self, chain: Chain, rows: np.ndarray, targets: np.ndarray, setting: float) -> list[float]:
        """A solved probe (setting: its strength) or, where none can be, the head's descent (its rate)."""
        if self.solver is None:
            return self._descend(chain, Plan("head"), rows, targets, setting)
        pooled = [features.activations(self._pooled, view, rows).numpy() for view in self._views]
        pooled, targets = np.concatenate(pooled), np.concatenate([targets] * len(pooled))
        outputs = features.last_linear(chain.head).out_features
        keep = self._last_width if self.plan.start == "selected" else None
        features.probe(pooled, targets, setting, outputs, self.solver, keep).into(chain.head)
        plans.freeze(chain, self.plan)
        return []

    def _descend(
        self, chain: Chain, plan: Plan, rows: np.ndarray, targets: np.ndarray, rate: float
    ) -> list[float]:
        at, objective = features.Cut(self.backbone, plan.cut(self.backbone.stages)), self.task.objective
        inputs = features.reading(at, self._views, rows, self.seed)
        wanted = torch.as_tensor(targets)
        how = objective.loss, rate, self._part, self.seed, self.show, objective.collate
        return descend(chain, plan, inputs, wanted, *how)

    def _pixels(self, setting: str, rows: np.ndarray, targets: np.ndarray) -> Predict:
        x, objective = features.pixels(self.task.train, rows), self.task.objective
        if setting.endswith("-nn"):
            from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

            kind = KNeighborsClassifier if objective.by_class else KNeighborsRegressor
            model = kind(int(setting.partition("-")[0])).fit(x, targets)
            return lambda items, chosen: model.predict(features.pixels(items, chosen))
        outputs = len(self.task.classes) or int(np.prod(targets.shape[1:]))
        solved = features.probe(x, targets, float(setting.removeprefix("C=")), outputs, objective.solver)
        return lambda items, chosen: objective.decode(
            torch.from_numpy(solved(features.pixels(items, chosen)))
        )

    def _predictor(self, chain: Chain) -> Predict:
        at, model = self.behind(chain.eval())

        @torch.inference_mode()
        def predict(items: Items, chosen: np.ndarray) -> np.ndarray:
            found, done = None, 0
            with env.on_device(model) as where:
                for part in np.split(chosen, range(features.BATCH, len(chosen), features.BATCH)):
                    inputs = features.moved(features.activations(at, items, part), where)
                    output = features.moved(model(inputs), "cpu")
                    if not all(torch.isfinite(leaf).all() for leaf in tree_leaves(output)):
                        who = f"plan {self.plan} of {self.backbone.name}"
                        raise Diverged(f"{who} gives NaN outputs: try smaller --rates.")
                    decoded = self.task.objective.decode(output)
                    if found is None:  # one for all: small ones that stay, between large that go, hold memory
                        found = np.empty((len(chosen), *decoded.shape[1:]), decoded.dtype)
                    found[done : (done := done + len(part))] = decoded
            return found

        return predict

    def behind(self, chain: Chain) -> tuple[features.Cut, torch.nn.Module]:
        """Where kept activations are read, and what is left to run: a probe needs only the pooled vector."""
        if self.plan.where == "head" and self.solver:
            return self._pooled, chain.head[1:]
        return self.cut, Suffix(chain, self.cut.cut)

    @cached_property
    def _views(self) -> list[Items]:
        """What is learnt from: the items, or their views where the recipe augments."""
        numbers = range(1, self.recipe.views + 1) if self.recipe.augment else [0]
        return [view(self.task.train, self.recipe.augment, number) for number in numbers]

    @property
    def solver(self) -> str | None:
        """How the task's probe is solved; None where it descends."""
        return self.recipe.solver(self.task.objective)

    @property
    def phases(self) -> list[Plan]:
        return self.plan.phases(self.backbone.stages)

    @property
    def _part(self) -> Recipe:
        """The recipe of one phase: all phases together take as many steps as a plan at once."""
        n = len(self.phases)
        steps, epochs = (math.ceil(whole / n) for whole in (self.recipe.steps, self.recipe.epochs))
        return replace(self.recipe, steps=steps, epochs=epochs)

    @property
    def _probe_setting(self) -> float:
        """Strength (or rate) of the probe that LP-FT starts from: that of `frozen` below 5 labels."""
        return float(self.recipe.tries(Plan("head"), labels=1, solved=self.solver is not None)[0])

    @property
    def cut(self) -> features.Cut:
        return features.Cut(self.backbone, self.plan.cut(self.backbone.stages))

    @property
    def _end(self) -> features.Cut:
        return features.Cut(self.backbone, len(self.backbone.stages))

    @property
    def _last_width(self) -> int:
        """How many features the last stage gives, where those of all stages are read."""
        return tree_leaves(features.example(self._end, self.task.train))[-1].shape[1]

    @property
    def _pooled(self) -> features.Cut:
        return features.Cut(self.backbone, len(self.backbone.stages), pooled=True)

    def detail(
        self, model: Chain | None, setting: str, tries: int, audit: plans.Audit | None
    ) -> dict[str, Any]:
        """What must repeat: the setting, the counts, the size of what moved and its FLOPs.

        steps is the recipe's; epochs are those of the final gradient descent, 0 where a solver did it all.
        flops_prefix: the frozen stages once for every labelled item; flops_suffix: every pass of every try.
        """
        counts = {"fit": len(self.draw.fit), "select": len(self.draw.select), "test": len(self.task.test)}
        descends = model is not None and (self.plan.where != "head" or self.solver is None)
        epochs, seen = self._passes(tries) if descends else (0, 0)
        found = {
            "setting": setting,
            "tries": tries,
            "items": counts,
            "steps": self.recipe.steps,
            "epochs": epochs,
        }
        if model is None:
            return found | {"trained_parameters": 0, "flops_prefix": 0, "flops_suffix": 0}
        prefix, suffix = (
            sum(parts) for parts in zip(*map(partial(self._flops, model), self.phases), strict=True)
        )
        return found | {
            "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "parameters": sum(p.numel() for p in model.parameters()),
            "cut": self.cut.cut,
            "moved": len(audit.moved),
            "still": len(audit.still),
            "flops_prefix": prefix * len(self.draw.all),
            "flops_suffix": suffix * seen // len(self.phases),
        }

    def _passes(self, tries: int) -> tuple[int, int]:
        """(epochs of the final training, items through the suffix over all tries, with repetition)."""
        epochs, trial = (
            len(self.phases) * self._part.schedule(len(rows))[0] for rows in (self.draw.all, self.draw.fit)
        )
        return epochs, epochs * len(self.draw.all) + (tries * trial * len(self.draw.fit) if tries > 1 else 0)

    def _flops(self, model: Chain, phase: Plan) -> tuple[int, int]:
        cuts = features.Cut(self.backbone, phase.cut(self.backbone.stages)), features.Cut(self.backbone, 0)
        return flops(self.backbone, model, phase, *(features.example(at, self.task.train) for at in cuts))
