"""How deep to tune: what each depth costs, what it gains at each budget, and how far every stage goes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from tlkit import features
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Suffix
from tlkit.errors import UserError
from tlkit.fit.cost import flops
from tlkit.forecast import fit_seconds, item_seconds, prefix_seconds, ready, repeated, solved
from tlkit.plans import Plan, refuse_unfit, set_modes
from tlkit.plots.curves import by_labels
from tlkit.plots.style import BLACK, BLUE, GREY, INK, PURPLE, VERMILION, canvas, legend
from tlkit.recipe import Recipe
from tlkit.records import Record
from tlkit.tasks import Task

_PRICED = {  # field of a price -> name, colour, marker, line
    "trained": ("parameters that move", BLUE, "o", "-"),
    "step": ("operations per step", VERMILION, "s", "--"),
    "memory": ("memory for training", BLACK, "^", ":"),
}


def price_by_depth(prices: Sequence[Any], ax: Axes | None = None) -> Axes:
    """Parameters, operations and memory of each price (of `forecast.price`), in percent of the last one's.

    Raises UserError for fewer than two.
    """
    if len(prices) < 2:
        raise UserError(f"{len(prices)} prices make no curve: give those of two or more plans, by depth.")
    ax = canvas(ax, 6.4, 3.4)
    for field, (name, colour, marker, line) in _PRICED.items():
        shares = [100 * getattr(one, field) / getattr(prices[-1], field) for one in prices]
        style = {"color": colour, "marker": marker, "linestyle": line, "label": name}
        ax.plot(range(len(prices)), shares, **style, linewidth=1.8, markersize=7, clip_on=False)
    ax.set_xticks(range(len(prices)), [one.plan for one in prices])
    ax.set(ylim=(0, 104), ylabel=f"% of {prices[-1].plan}")
    legend(ax, loc="lower right")
    return ax


def accuracy_by_depth(
    records: Iterable[Record],
    plans: Sequence[str],
    labels: Sequence[int],
    guesses: Mapping[int, int] | None = None,
) -> Figure:
    """A panel for each budget: what the plans, shallow to deep, gain on the first, draw by draw.

    Thin lines are seeds, thick ones their mean; a ring marks the highest mean, a dashed line the guess
    (labels -> position in `plans`). Raises UserError where a plan has no finished fit at a budget, or no seed
    was run with all plans.
    """
    records, guesses = list(records), guesses or {}
    figure, axes = plt.subplots(
        1, len(labels), figsize=(3.1 * len(labels), 3.6), layout="constrained", sharey=True, squeeze=False
    )
    for ax, n in zip(axes.flat, labels, strict=True):
        scores = _scores(records, plans, n)  # plans x seeds
        _panel(canvas(ax), scores - scores[0], plans, guesses.get(n))
        ax.set_title(f"{n} label{'s' * (n != 1)} a class\n({plans[0]}: {scores[0].mean():.2f})", loc="left")
    axes[0, 0].set_ylabel(f"gain in test accuracy over {plans[0]}")
    return figure


def _scores(records: list[Record], plans: Sequence[str], n: int) -> np.ndarray:
    """Test accuracies, plans x seeds: the seeds that were run with all of them."""
    found = [by_labels(records, plan).get(n, {}) for plan in plans]
    seeds = sorted(set.intersection(*map(set, found)))
    if not seeds:
        named = ", ".join(plans)
        raise UserError(f"at {n} labels no seed was run with all of {named}: run them on the same.")
    return np.array([[values[seed] for seed in seeds] for values in found])


def _panel(ax: Axes, gains: np.ndarray, plans: Sequence[str], guess: int | None) -> None:
    x, mean = range(len(plans)), gains.mean(1)
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.plot(x, gains, color=GREY, linewidth=0.7, alpha=0.7)
    ax.plot(x, mean, "o-", color=BLUE, linewidth=2.4, markersize=6)
    best = int(mean.argmax())
    ax.plot(best, mean[best], "o", markersize=14, markerfacecolor="none", markeredgecolor=BLACK, mew=1.6)
    if guess is not None:
        ax.axvline(guess, color=PURPLE, linestyle="--", linewidth=2, zorder=0)
        side = "right" if guess else "left"
        place = {"transform": ax.get_xaxis_transform(), "ha": side, "va": "bottom"}
        ax.text(guess, 0.01, " your guess ", color=INK, fontsize=9, **place)
    ax.set_xticks(x, plans, rotation=30, ha="right")


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
    (`held`); a solved head is counted as if it descended. seconds come from a short timed step, good
    to a factor of two. A gradual plan is priced at its last and dearest phase. Raises UserError for a plan
    without a network, one that does not fit the backbone, and too few items.
    """
    if plan.raw:
        raise UserError(f"plan {plan} has no network to price: choose another plan.")
    refuse_unfit(plan, task.objective, backbone)
    chain = ready(task, backbone, plan)
    at = features.example(features.Cut.of(backbone, plan), task.train)
    items = len(task.draw(labels, seed=0).all)
    batch = recipe.schedule(items)[1]
    prefix, suffix = flops(task, backbone, chain, plan)
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


def held(model: nn.Module, batch: Any) -> int:
    """Bytes of activations that one forward pass of `batch` leaves for the backward pass, the batch included.

    Counted as autograd packs them, each storage once; weights and buffers are not activations. The modules'
    modes and `requires_grad` matter, and are left as they are.
    """
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), torch.enable_grad():
        _output = model(batch)  # as long as it lives no storage is freed and its address used again
    return sum(kept.values())
