"""What one fit of a plan will take, counted where it can be, before anything is learnt."""

from dataclasses import dataclass

from tlkit import features
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Suffix
from tlkit.errors import UserError
from tlkit.fit.cost import flops, held
from tlkit.forecast.timings import (
    at_cut,
    cut,
    fit_seconds,
    item_seconds,
    prefix_seconds,
    repeated,
    solved,
    with_head,
)
from tlkit.plans import Plan, freeze, refuse_unfit, set_modes
from tlkit.recipe import Recipe
from tlkit.tasks import Task

MOMENTS = 2  # of Adam, kept beside the gradient of every trained parameter


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
        steps = f"{self.step / 1e6:,.0f} million operations per step" if self.step else "no steps"
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
    chain, at = freeze(with_head(task, backbone), plan), at_cut(task, backbone, plan)
    items = len(task.draw(labels, seed=0).all)
    batch = recipe.schedule(items)[1]
    prefix, suffix = flops(backbone, chain, plan, at, features.raw_example(cut(backbone, plan), task.train))
    set_modes(chain, plan)
    trained = sum(p.numel() for p in chain.parameters() if p.requires_grad)
    activations = held(Suffix(chain, plan.cut(chain.names)), repeated(at, batch))
    seconds = fit_seconds(task, recipe, plan, labels, item_seconds(task, backbone, plan, recipe))
    seconds += prefix_seconds(task, backbone, plan.cut(backbone.stages)) * (items + len(task.test))
    memory = 4 * (1 + MOMENTS) * trained + activations
    return Price(
        str(plan),
        trained,
        prefix * items,
        0 if solved(task, recipe, plan) else suffix * batch,
        memory,
        seconds,
    )
