"""One fit from draw to predictions: what its tries share, and how each plan trains."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves
from torch.utils.data import default_collate

from tlkit import env, features, plans
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain, Suffix
from tlkit.fit.cost import flops
from tlkit.fit.loop import Diverged, descend
from tlkit.plans import FROZEN, Plan
from tlkit.recipe import Recipe
from tlkit.tasks import Items, LabelledSubset, Objective, Task, picked
from tlkit.tasks.items import augmented

Predict = Callable[[Items, np.ndarray], Any]  # predictions, or an iterator of outputs batch by batch
OUTPUT_BYTES = 2**25  # of one batch of outputs, at most: a language model's would fill the memory


@dataclass
class Job:
    """A plan on one seed's draw of a task. `before` is the state that the last training started from."""

    task: Task
    backbone: Backbone
    plan: Plan
    recipe: Recipe
    seed: int
    draw: LabelledSubset
    before: dict[str, torch.Tensor] = field(default_factory=dict)
    solver: str | None = field(init=False)  # of the task's probe; None where it descends
    losses: dict[str, float] = field(default_factory=dict)  # of each trial on the selection split, where told
    _chain: Chain | None = None
    _output_bytes: int | None = None  # of one item

    def __post_init__(self) -> None:
        plans.refuse_unfit(self.plan, self.task.objective, self.backbone)
        self.solver = self.recipe.solver(self.task.objective)

    def trial(self, setting: str) -> float:
        """Score on the selection split of a fit without it, which may be raced; NaN when it diverged."""
        try:
            _, predict, _ = self._tried.train(setting, self.draw.fit)
            return self.score(predict, self.draw.select, setting)
        except Diverged:
            return math.nan

    @cached_property
    def _tried(self) -> "Job":
        """This job by the recipe of its tries."""
        return replace(self, recipe=self.recipe.trial(len(self.draw.fit))) if self.recipe.race else self

    def score(self, predict: Predict, rows: np.ndarray, trial: str = "") -> float:
        """The first metric on `rows` of the training items; of a named trial `losses` gets the loss, too."""
        objective, wanted = self.task.objective, picked(self.task.targets, rows)
        found = predict(self.task.train, rows)
        if isinstance(found, Iterator):
            if trial and objective.collate is default_collate:  # others' losses need not take these targets
                found = self._weighed(found, wanted, trial)
            found = objective.collect(found, wanted, len(rows))
        return objective.first(found, wanted)

    def _weighed(self, outputs: Iterator[Any], wanted: Any, trial: str) -> Iterator[Any]:
        """The outputs, batch by batch; at their end `losses` holds the objective's mean loss an item."""
        total, done = 0.0, 0
        for output in outputs:
            count = len(output if isinstance(output, list) else tree_leaves(output)[0])
            part = torch.as_tensor(picked(wanted, range(done, done + count)))
            total, done = total + count * float(self.task.objective.loss(output, part)), done + count
            yield output
        self.losses[trial] = total / done

    def train(self, setting: str, rows: np.ndarray) -> tuple[Chain | None, Predict, list[float]]:
        """(model, predict, losses) of one training on `rows` of the training items."""
        targets = picked(self.task.targets, rows)
        if self.plan.raw:
            return None, self._raw(setting, rows, targets), []
        chain, losses = self._start(), []
        self.before = plans.state(chain)
        if self.plan.head_only:
            losses += self._head_alone(chain, rows, targets, float(setting))
        elif self.plan.from_probe:
            usual = self.recipe.tries(FROZEN, labels=1, solved=self.solver is not None)[0]
            losses += self._head_alone(chain, rows, targets, float(usual))  # as `frozen` below 5 labels
        if not self.plan.head_only:
            for phase in self.phases:
                losses += self._descend(chain, phase, rows, targets, float(setting))
        return chain, self._predictor(chain), losses

    def _start(self) -> Chain:
        """The chain a training starts from; under a probe one copy will do, since nothing else is trained."""
        on = self._chain if self.plan.head_only else None
        self._chain = features.with_head(self.backbone, self.task, self.plan.weights, self.seed, on=on)
        return plans.prepare(self._chain, self.plan)

    def _head_alone(self, chain: Chain, rows: np.ndarray, targets: np.ndarray, setting: float) -> list[float]:
        """A solved probe (setting: its strength) or, where none can be, the head's descent (its rate)."""
        if self.solver is None:
            return self._descend(chain, FROZEN, rows, targets, setting)
        pooled = [features.activations(self._pooled, seen, rows).numpy() for seen in self._views]
        pooled, targets = np.concatenate(pooled), np.concatenate([targets] * len(pooled))
        outputs = features.last_linear(chain.head).out_features
        last = features.example(features.Cut.end(self.backbone), self.task.train)
        keep = tree_leaves(last)[-1].shape[1] if self.plan.selects else None  # its width
        features.probe(pooled, targets, setting, outputs, self.solver, keep).into(chain.head)
        plans.freeze(chain, self.plan)
        return []

    def _descend(
        self, chain: Chain, plan: Plan, rows: np.ndarray, targets: np.ndarray, rate: float
    ) -> list[float]:
        at, objective = features.Cut.of(self.backbone, plan), self.task.objective
        inputs = features.reading(at, self._views, rows, self.seed)
        wanted = targets if isinstance(targets, list) else torch.as_tensor(targets)
        how = objective.loss, rate, self._part, self.seed, objective.collate
        return descend(chain, plan, inputs, wanted, *how, self.backbone.device)

    def _raw(self, setting: str, rows: np.ndarray, targets: np.ndarray) -> Predict:
        inputs = [self.task.train.inputs[int(i)] for i in rows]
        outputs = len(self.task.classes) or int(np.prod(targets.shape[1:]))
        read = self.task.objective.baseline.learn(inputs)
        answer = _raw_answer(self.task.objective, setting, read(inputs), targets, outputs)
        return lambda items, chosen: answer(read([items.inputs[int(i)] for i in chosen]))

    def _predictor(self, chain: Chain) -> Predict:
        at, model = self.behind(chain.eval())

        @torch.inference_mode()
        def outputs(items: Items, chosen: np.ndarray) -> Iterator[Any]:
            size = self._batch(model, at)
            with env.on_device(self.backbone.device, model) as where:
                for part in np.split(chosen, range(size, len(chosen), size)):
                    inputs = features.moved(features.activations(at, items, part), where)
                    output = features.moved(model(inputs), "cpu")
                    if not all(torch.isfinite(leaf).all() for leaf in tree_leaves(output)):
                        who = f"plan {self.plan} of {self.backbone.name}"
                        raise Diverged(f"{who} gives NaN outputs: try smaller --rates.")
                    yield output
                    del output  # the next one needs its room

        return outputs

    def _batch(self, model: torch.nn.Module, at: features.Cut) -> int:
        """Items of a batch whose outputs take no more than OUTPUT_BYTES."""
        if self._output_bytes is None:
            output = model(features.example(at, self.task.train))
            self._output_bytes = sum(leaf.nbytes for leaf in tree_leaves(output))
        return max(1, min(features.BATCH, OUTPUT_BYTES // max(1, self._output_bytes)))

    def behind(self, chain: Chain) -> tuple[features.Cut, torch.nn.Module]:
        """Where kept activations are read, and what is left to run: a probe needs only the pooled vector."""
        if self.plan.head_only and self.solver:
            return self._pooled, chain.head[1:]
        return self.cut, Suffix(chain, self.cut.cut)

    @cached_property
    def _views(self) -> list[Items]:
        """What is trained on: the items, or their views where the recipe augments."""
        numbers = range(1, self.recipe.views + 1) if self.recipe.augment else [0]
        return [augmented(self.task.train, self.recipe.augment, number) for number in numbers]

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
    def cut(self) -> features.Cut:
        return features.Cut.of(self.backbone, self.plan)

    @property
    def _pooled(self) -> features.Cut:
        return features.Cut.end(self.backbone, pooled=True)

    def detail(
        self, model: Chain | None, setting: str, tries: int, audit: plans.Audit | None
    ) -> dict[str, Any]:
        """What must repeat: the setting, the counts, the size of what was trained and its FLOPs.

        losses: the objective's loss of each setting on the selection split (lower is better), where told.
        steps is the recipe's; epochs are those of the final gradient descent, 0 where a solver did it all;
        raced, where the settings were, those of each try.
        flops_prefix: the frozen stages once for every labelled item; flops_suffix: every pass of every try.
        """
        counts = {"fit": len(self.draw.fit), "select": len(self.draw.select), "test": len(self.task.test)}
        descends = model is not None and (not self.plan.head_only or self.solver is None)
        found = {"setting": setting, "tries": tries, "items": counts, "steps": self.recipe.steps}
        found |= {"losses": dict(self.losses)} if self.losses else {}
        found["epochs"], raced, seen = self._passes(tries) if descends else (0, 0, 0)
        found |= {"raced": raced} if self.recipe.race and raced else {}
        if model is None:
            return found | {"trained_parameters": 0, "flops_prefix": 0, "flops_suffix": 0}
        counted = [flops(self.task, self.backbone, model, phase) for phase in self.phases]
        prefix, suffix = (sum(parts) for parts in zip(*counted, strict=True))
        return found | {
            "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "parameters": sum(p.numel() for p in model.parameters()),
            "cut": self.cut.cut,
            "moved": len(audit.moved),
            "still": len(audit.still),
            "flops_prefix": prefix * len(self.draw.all),
            "flops_suffix": suffix * seen // len(self.phases),
        }

    def _passes(self, tries: int) -> tuple[int, int, int]:
        """(epochs of the final training, of each try, items through the suffix in all, with repetition)."""
        jobs = (self, self.draw.all), (self._tried, self.draw.fit)
        epochs, trial = (len(job.phases) * job._part.schedule(len(rows))[0] for job, rows in jobs)
        if tries == 1:
            return epochs, 0, epochs * len(self.draw.all)
        return epochs, trial, epochs * len(self.draw.all) + tries * trial * len(self.draw.fit)


def _raw_answer(
    objective: Objective, setting: str, seen: np.ndarray, targets: np.ndarray, outputs: int
) -> Callable[[np.ndarray], np.ndarray]:
    """From a baseline's features to predictions: "5-nn" by so many neighbours, "C=0.1" by a linear model.

    A setting has no meaning where the features are the answers. outputs: classes, or numbers an item.
    """
    if objective.baseline.answers:
        return np.asarray
    if setting.endswith("-nn"):
        from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

        kind = KNeighborsClassifier if objective.by_class else KNeighborsRegressor
        return kind(int(setting.partition("-")[0])).fit(seen, targets).predict
    solved = features.probe(seen, targets, float(setting.removeprefix("C=")), outputs, objective.solver)
    return lambda asked: objective.decode(torch.from_numpy(solved(asked)))
