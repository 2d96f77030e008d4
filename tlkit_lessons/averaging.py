"""Models derived from finished fits by averaging their tensors: no training, and no more cost to run.

Batch-norm statistics are averaged like weights, so that a path ends at the two models. Re-estimated on the
labelled items, they would be those of the target even where no weight has changed.
"""

import copy
from collections.abc import Callable, Iterator, Sequence

import torch

from tlkit import env, features
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain
from tlkit.errors import UserError
from tlkit.plans import state
from tlkit.tasks import Evaluation, Items, Task


def wise(start: Chain, tuned: Chain, alpha: float) -> Chain:
    """`wise-A`, WiSE-FT (Wortsman et al. 2022, arXiv:2109.01903): (1 - alpha) start + alpha tuned.

    Where the head is new: start = the model of `frozen`, tuned = that of `lp-ft`. What is equal in both stays
    so, bit by bit. UserError for an alpha outside 0 ... 1, and for models of different networks or heads.
    """
    if not 0 <= alpha <= 1:
        raise UserError(f"wise-{alpha}: give an alpha from 0, the start, to 1, the fine-tuned model.")
    return _filled(start, tuned, by=lambda first, last: torch.lerp(first, last, float(alpha)))


def soup(models: Sequence[Chain]) -> Chain:
    """The mean of models tuned from one start, head included: a uniform soup (Wortsman et al. 2022,
    arXiv:2203.05482). Raises UserError for none, and for models of different networks or heads."""
    if not models:
        raise UserError("a soup of no models: give the models of at least one fit.")
    return _filled(*models, by=lambda first, *others: first + sum(o - first for o in others) / len(models))


def greedy_soup(models: Sequence[Chain], score: Callable[[Chain], float]) -> tuple[Chain, list[int]]:
    """(soup, positions of what is in it): best first, kept if the mean scores no less (their algorithm 1).

    score(model): on held-out items, higher is better; of equals the earlier is first. UserError as `soup`.
    """
    alone = [score(one) for one in models]
    kept, best = [], max(alone, default=0.0)
    for k in sorted(range(len(models)), key=lambda k: -alone[k]):
        if not kept or (found := score(soup([models[i] for i in [*kept, k]]))) >= best:
            kept, best = [*kept, k], found if kept else best
    return soup([models[i] for i in kept]), kept


def evaluate(model: Chain, task: Task, backbone: Backbone, who: str) -> Evaluation:
    """One test of a whole model by `Task.evaluate`, which notes `who`."""

    @torch.inference_mode()
    def outputs(items: Items) -> Iterator:
        for at in torch.arange(len(items)).split(features.BATCH):
            seen = features.Cut(backbone, 0).run(items.inputs[int(i)] for i in at)
            with env.on_device(backbone.device, model.eval()) as where:
                yield features.moved(model(features.moved(seen, where)), "cpu")

    return task.evaluate(outputs, who)


@torch.no_grad()
def _filled(*models: Chain, by: Callable[..., torch.Tensor]) -> Chain:
    """A copy of the last model, its tensors averaged `by`; whole numbers, such as counts, are the last's."""
    states = [state(model) for model in models]
    shapes = [{(name, tensor.shape) for name, tensor in one.items()} for one in states]
    if odd := sorted(set.union(*shapes) - set.intersection(*shapes)):
        raise UserError(f"models of different networks or heads ({odd[0][0]}): average those of one task.")
    made = copy.deepcopy(models[-1]).eval()
    for name, tensor in [*made.named_parameters(), *made.named_buffers()]:
        if tensor.is_floating_point():
            tensor.copy_(by(*(one[name] for one in states)))
    return made
