"""A finished model adapts at test time: batch-norm statistics (AdaBN), and entropy (TENT)."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from tlkit import features, plans
from tlkit.backbones.chain import Chain, batch_norms, measuring
from tlkit.errors import UserError
from tlkit.features import Batches
from tlkit.fit import descend
from tlkit.fit.loop import recalibrate_batchnorm
from tlkit.plans import Plan
from tlkit.recipe import Recipe
from tlkit.tasks import Items
from tlkit_lessons.adapt import losses
from tlkit_lessons.adapt.domains import Domains
from tlkit_lessons.adapt.training import Trained, outputs

NORMS = Plan("norm")
AT_ONCE = 512  # items in one pass, where statistics are estimated on all
Answer = Callable[[Items, np.ndarray], np.ndarray]
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass
class Stream:
    """A source model that adapts while it predicts. before, free: for the audit, since the source model.

    answer(items, chosen): scores N x C, adapting batch by batch; outputs: scores of a model that stays
    unchanged. losses: the entropy before each of TENT's steps.
    """

    chain: Chain
    before: dict[str, torch.Tensor]
    free: set[str]
    answer: Answer
    outputs: Answer
    reads: str
    losses: list[float] = field(default_factory=list)


def adabn(pair: Domains, made: Trained, batch: int | None) -> Stream:
    """Batch-norm statistics of the target in place of the source's (Li et al. 2017, section 3).

    batch: test items come in random order, so many at a time, and each batch is classified with its own
    statistics, as in test-time batch norm (Nado et al. 2020); the model keeps those of the last batch. None:
    the statistics of all training inputs of the target, estimated once. Raises UserError where there is no
    batch norm, and where an item has one value per channel.
    """
    _at_least(1, batch)
    chain = made.chain
    if not batch_norms(chain):
        raise UserError(f"adabn: {pair.backbone.name} has no batch norm with statistics; choose another.")
    before, free = plans.state(chain), {name for name in made.before if name.endswith(_STATISTICS)}
    if batch is None:
        rows = _raw(pair, pair.target.train, np.arange(len(pair.target.train)))
        recalibrate_batchnorm(as_one_chain(chain), NORMS, rows, min(len(rows), AT_ONCE), pair.seed)
        answer = partial(outputs, pair, chain)
        return Stream(chain, before, free, answer, answer, "target training inputs")
    answer, aside = (partial(_by_batches, pair, model, batch) for model in (chain, copy.deepcopy(chain)))
    return Stream(chain, before, free, answer, aside, "target test inputs")


def _by_batches(pair: Domains, chain: Chain, batch: int, items: Items, chosen: np.ndarray) -> np.ndarray:
    rows, found = _raw(pair, items, chosen), np.empty((len(chosen), pair.classes), dtype=np.float32)
    order = np.random.default_rng(pair.seed).permutation(len(chosen))  # items may be sorted by class
    for part in np.array_split(order, -(-len(order) // batch)):
        found[part] = _by_own_statistics(chain, rows.take(part))
    return found


@torch.no_grad()
def _by_own_statistics(chain: Chain, seen: Any) -> np.ndarray:
    try:
        with measuring(batch_norms(chain.eval())):  # this batch alone
            return chain(seen).numpy()
    except ValueError as error:  # torch raises it for a channel of one value
        raise UserError(f"adabn: a batch of {len(seen)} gives no statistics ({error}): take more.") from error


def tent(pair: Domains, made: Trained, batch: int, rate: float, passes: int = 1) -> Stream:
    """Classify test items batch by batch; after each, one step on the entropy of its predictions (Wang 2021).

    Only scale and shift of the norm layers are trained; batch norms use the statistics of the batch. Adam
    with fastai's one-cycle schedule of largest rate `rate` (the paper's rate is constant), in random order,
    in batches of equal size. With more passes the predictions are the last pass's. The model keeps the
    statistics of all items. Raises UserError for a batch below 2 and where there is nothing to train.
    """
    _at_least(2, batch)
    if not 0 < rate < float("inf") or passes < 1:
        raise UserError(f"tent: rate={rate}, passes={passes}; give a rate above 0 and at least one pass.")
    chain = made.chain
    body = as_one_chain(chain)
    free = plans.movable(body, NORMS)  # stages have the names of the chain
    recipe = Recipe(steps=1, epochs=passes, batch=batch, weight_decay=0.0)
    entropies: list[float] = []

    def answer(items: Items, chosen: np.ndarray) -> np.ndarray:
        found = torch.empty(len(chosen), pair.classes)

        def loss(output: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
            found[features.moved(which, "cpu")] = features.moved(output.detach(), "cpu")
            return losses.entropy(output).mean()

        everyone = torch.arange(len(chosen))
        rows = _raw(pair, items, chosen)
        entropies.extend(descend(body, NORMS, rows, everyone, loss, rate, recipe, pair.seed,
                                 device=pair.backbone.device))  # fmt: skip
        return found.numpy()

    aside = partial(outputs, pair, chain)
    return Stream(chain, plans.state(chain), free, answer, aside, "target test inputs", entropies)


def as_one_chain(chain: Chain) -> Chain:
    """The same modules with the head as one more stage, so that a plan can freeze it."""
    return Chain({**chain.stages, "answer": chain.head})


def _raw(pair: Domains, items: Items, chosen: np.ndarray) -> Batches:
    return features.reading(features.Cut(pair.backbone, 0), [items], chosen, pair.seed)


def _at_least(least: int, batch: int | None) -> None:
    if batch is not None and batch < least:
        raise UserError(f"batch={batch}: give at least {least} items.")
