"""Training on labelled source items together with unlabelled target items."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._pytree import tree_map

from tlkit import env, features, plans
from tlkit.backbones.chain import Chain, Suffix
from tlkit.errors import UserError
from tlkit.features import Batches
from tlkit.fit import Diverged, descend
from tlkit.plans import FROZEN, Plan
from tlkit.recipe import Recipe
from tlkit.tasks import Items
from tlkit_lessons.adapt import losses
from tlkit_lessons.adapt.domains import Domains

PENALTIES = {"deep coral": losses.coral_loss, "mmd": losses.mmd_loss}


@dataclass
class Trained:
    """A trained chain. before: its state at the start; free: the tensors that were trained."""

    chain: Chain
    before: dict[str, torch.Tensor]
    free: set[str]
    losses: list[float] = field(default_factory=list)
    detail: dict[str, float] = field(default_factory=dict)


class Beside(Batches):
    """Batches of source rows with as many target rows below them, the target's in random order.

    In every pass each source row comes once, with as many target rows; none repeats before all have come.
    """

    def __init__(self, source: Batches, target: Batches, seed: int):
        super().__init__(len(source), source.views, seed)
        self.source, self.target, self.chance = source, target, np.random.default_rng(seed)
        self.turn()

    def turn(self) -> None:
        super().turn()
        whole = -(-len(self.source) // len(self.target))
        order = [self.chance.permutation(len(self.target)) for _ in range(whole)]
        self.order = np.concatenate(order)[: len(self.source)]

    def take(self, positions: list[int]) -> torch.Tensor:
        at = np.asarray(positions)
        parts = self.source.take(at), self.target.take(self.order[at])
        return tree_map(lambda *leaves: torch.cat(leaves), *parts)


class Joint(nn.Module):
    """A head that returns its features too, and the domain's log-odds where there is a discriminator."""

    def __init__(self, head: nn.Sequential, domain: nn.Module | None):
        super().__init__()
        self.head, self.domain = head, domain

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        pooled = self.head[:-1](x)
        found = self.head[-1](pooled), pooled
        return found if self.domain is None else (*found, self.domain(pooled))


def start(pair: Domains, plan: Plan, recipe: Recipe) -> Trained:
    """A chain at the plan's start; for `frozen` and `lp-ft` its head is the probe fitted on the source.

    Raises UserError for a plan that trains nothing, in phases, or a selection.
    """
    if plan.raw or plan.in_phases or plan.selects:
        raise UserError(f"plan {plan} does not go with adapting: choose frozen, last-K, full, lp-ft, ...")
    if recipe.augment:
        raise UserError("adapting uses no augmentation: give a recipe without augment.")
    chain = features.with_head(pair.backbone, pair.source, plan.weights, pair.seed)
    before = plans.state(plans.prepare(chain, plan))
    if plan.head_only or plan.from_probe:
        x = pair.pooled(pair.source.train, pair.learn)
        features.probe(x, pair.labels[pair.learn], strength(recipe), pair.classes).into(chain.head)
    plans.freeze(chain, plan)
    return Trained(chain.eval(), before, plans.movable(chain, plan))


def strength(recipe: Recipe) -> float:
    """The probe's regularisation where no target label can choose it: the recipe's default."""
    return float(recipe.usual(FROZEN))


def learn(
    pair: Domains,
    plan: Plan,
    recipe: Recipe,
    method: str = "",
    weight: float = 1.0,
    rate: float | None = None,
) -> Trained:
    """Train on the source by `plan` and, with a method of the family "loss", match the target's features.

    The loss is the source's cross-entropy plus `weight` times the penalty on the pooled features (for "dann"
    the weight is the reversal's). Half of every batch is then the target's, in the batch norms too. rate: by
    default the recipe's for the plan. Raises UserError where the plan leaves a penalty nothing to train.
    """
    if method and not plan.tuned(pair.backbone.stages):
        raise UserError(f"{method} trains features, and plan {plan} freezes them: choose last-1, full, ...")
    if not 0 <= weight < float("inf"):
        raise UserError(f"{method}: weight={weight}; give a number of 0 or more.")
    made = start(pair, plan, recipe)
    if plan.head_only:
        return made
    chain, wanted = made.chain, torch.as_tensor(pair.labels[pair.learn])
    at, head = features.Cut.of(pair.backbone, plan), chain.head
    rows = features.reading(at, [pair.source.train], pair.learn, pair.seed)
    rate = float(recipe.usual(plan)) if rate is None else rate
    loss = pair.source.objective.loss
    if method:
        everyone = np.arange(len(pair.target.train))
        rows = Beside(rows, features.reading(at, [pair.target.train], everyone, pair.seed), pair.seed)
        epochs, size = recipe.schedule(len(wanted))
        domain = None
        if method == "dann":
            domain = losses.Discriminator(head[-1].in_features, weight, epochs * -(-len(wanted) // size))
        chain.head, loss = Joint(head, domain), _joint_loss(method, weight)
    made.losses = descend(
        chain, plan, rows, wanted, loss, rate, recipe, pair.seed, device=pair.backbone.device
    )
    chain.head = head
    made.detail = {"rate": rate, "steps": len(made.losses)}
    return made


def _joint_loss(method: str, weight: float):
    def loss(output: tuple[torch.Tensor, ...], wanted: torch.Tensor) -> torch.Tensor:
        n = len(wanted)
        task = F.cross_entropy(output[0][:n], wanted)
        if method == "dann":
            return task + losses.domains(output[2], n)
        return task + weight * PENALTIES[method](output[1][:n], output[1][n:])

    return loss


@torch.inference_mode()
def outputs(pair: Domains, chain: Chain, items: Items, chosen: np.ndarray, cut: int = 0) -> np.ndarray:
    """Scores of a chain in eval mode, N x C; the first `cut` stages are pretrained and their outputs cached.

    Raises Diverged when one is not finite.
    """
    at, model, parts = features.Cut(pair.backbone, cut), Suffix(chain.eval(), cut), []
    with env.on_device(pair.backbone.device, model) as where:
        for first in range(0, len(chosen), features.BATCH):
            inputs = features.activations(at, items, chosen[first : first + features.BATCH])
            parts.append(features.moved(model(features.moved(inputs, where)), "cpu"))
    found = torch.cat(parts).numpy()
    if not np.isfinite(found).all():
        raise Diverged(f"the adapted {pair.backbone.name} gives NaN outputs: try a smaller rate.")
    return found
