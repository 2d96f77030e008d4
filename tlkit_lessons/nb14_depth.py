"""How deep to fine-tune: what each depth costs, and what it gains at each budget."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import nn

from tlkit import features
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Suffix
from tlkit.errors import UserError
from tlkit.fit.cost import flops
from tlkit.forecast import fit_seconds, item_seconds, prefix_seconds, ready, repeated, solved
from tlkit.plans import Plan, refuse_unfit, set_modes
from tlkit.plots.curves import by_labels
from tlkit.plots.style import GREY, INK, canvas, look
from tlkit.recipe import Recipe
from tlkit.records import Record
from tlkit.tasks import Task
from tlkit_lessons.look import guess_line, series

_PRICED = {  # field of a price -> name, and where it stands: beside which plan, offset in points, side
    "trained": ("parameters", 1, (-9, 3), "right"),
    "step": ("operations", 2, (-11, -1), "right"),
    "memory": ("memory", 2, (9, -10), "left"),
}


def price_by_depth(prices: Sequence[Any], ax: Axes | None = None) -> Axes:
    """Parameters, operations and memory of each price, in percent of the last one's.

    Raises UserError for fewer than two.
    """
    if len(prices) < 2:
        raise UserError(f"{len(prices)} prices make no curve: give those of two or more plans, by depth.")
    ax, first = canvas(ax, 6.8, 3.7), next(one for one in prices if one.step)
    shares = {
        field: [100 * getattr(one, field) / getattr(prices[-1], field) for one in prices] for field in _PRICED
    }
    for k, (field, (name, at, offset, side)) in enumerate(_PRICED.items()):
        ax.plot(range(len(prices)), shares[field], **series(k), linewidth=1.8, markersize=7, clip_on=False)
        at = min(at, len(prices) - 1)
        words = {"textcoords": "offset points", "fontsize": 9, "color": series(k)["color"], "ha": side}
        ax.annotate(name, (at, shares[field][at]), offset, **words)
    ax.set_xticks(range(len(prices)), [one.plan for one in prices])
    ax.set(ylim=(0, 106), ylabel=f"in training, % of {prices[-1].plan}")
    parameters, operations = (shares[field][prices.index(first)] for field in ("trained", "step"))
    said = f"{first.plan}: {parameters:.0f} % of the parameters, {operations:.0f} % of the operations"
    ax.set_title(said, loc="left", fontsize=11, pad=10)
    return ax


def accuracy_by_depth(
    records: Iterable[Record],
    plans: Sequence[str],
    labels: Sequence[int],
    guesses: Mapping[int, int] | None = None,
) -> Figure:
    """A panel for each budget: what the plans, shallow to deep, gain over the first, seed by seed, in points.

    Thin lines are seeds, the thick one their mean; a ring marks the best mean, a dashed line the guess
    (labels -> position in `plans`). Raises UserError where a plan has no finished fit at a budget, or no seed
    was run with all plans.
    """
    records, guesses = list(records), guesses or {}
    figure, axes = plt.subplots(
        1, len(labels), figsize=(2.9 * len(labels), 3.9), layout="constrained", sharey=True, squeeze=False
    )
    for ax, n in zip(axes.flat, labels, strict=True):
        scores = _scores(records, plans, n)  # plans x seeds
        best = _panel(canvas(ax), 100 * (scores - scores[0]), plans)
        if n in guesses:
            guess_line(ax, guesses[n], "x")
        ax.set_title(f"{n} label{'s' * (n != 1)} per class:\nbest is {plans[best]}", loc="left", fontsize=11)
        ax.set_xlabel(f"accuracy of {plans[0]}: {scores[0].mean():.2f}")
    low, high = axes[0, 0].get_ylim()
    axes[0, 0].set_ylim(low, high + 0.1 * (high - low))  # room for the guess
    axes[0, 0].set_ylabel(f"gain over {plans[0]}, points of test accuracy")
    return figure


def _scores(records: list[Record], plans: Sequence[str], n: int) -> np.ndarray:
    """Test accuracies, plans x seeds: the seeds that were run with all of them."""
    found = [by_labels(records, plan).get(n, {}) for plan in plans]
    seeds = sorted(set.intersection(*map(set, found)))
    if not seeds:
        named = ", ".join(plans)
        raise UserError(f"at {n} labels no seed was run with all of {named}: run them on the same.")
    return np.array([[values[seed] for seed in seeds] for values in found])


def _panel(ax: Axes, gains: np.ndarray, plans: Sequence[str]) -> int:
    """Draw the gains, plans x seeds, and say where the ring is."""
    x, mean = range(len(plans)), gains.mean(1)
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.plot(x, gains, color=GREY, linewidth=0.7, alpha=0.7)
    ax.plot(x, mean, color=series(0)["color"], linewidth=2.4)
    best = int(mean.argmax())
    ax.plot(best, mean[best], "o", markersize=14, markerfacecolor="none", markeredgecolor=INK, mew=1.6)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.85}
    words = {"textcoords": "offset points", "ha": "center", "fontsize": 9, "bbox": box}
    ax.annotate("best mean", (best, mean[best]), (0, 13), **words)
    ax.set_xticks(x, plans, fontsize=9)
    return best


def gain_by_seed(gains: Mapping[int, ArrayLike], plan: str, against: str, ax: Axes | None = None) -> Axes:
    """What `plan` gains over `against`, (n_seeds,) at each budget, in points.

    Thin lines are seeds, the thick one their mean. The title counts the seeds that gain more at the last
    budget than at the first. Raises UserError for budgets with different numbers of seeds.
    """
    if len({np.size(each) for each in gains.values()}) != 1:
        raise UserError("gains by seed need the same seeds at every budget.")
    ax, x = canvas(ax, 4.0, 3.8), range(len(gains))
    points = 100 * np.array([np.asarray(each, float) for each in gains.values()])  # budgets x seeds
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.plot(x, points, color=GREY, linewidth=0.8)
    ax.plot(x, points.mean(1), color=look(plan)["color"], linewidth=2.8)
    ax.annotate(
        "mean", (x[-1], points[-1].mean()), (9, 0), textcoords="offset points", va="center", fontsize=9
    )
    ax.set_xticks(x, [f"{n} label{'s' * (n != 1)}" for n in gains])
    ax.set(xlim=(-0.3, len(gains) - 0.5), ylabel=f"gain of {plan}, points of test accuracy")
    rising = int((points[-1] > points[0]).sum())
    ax.set_title(
        f"gain over {against}: higher with\n{list(gains)[-1]} labels in {rising} of {points.shape[1]} seeds",
        loc="left", fontsize=11,
    )  # fmt: skip
    return ax


MOMENTS = 2  # of Adam, kept beside the gradient of every trained parameter


@dataclass(frozen=True)
class Price:
    """What one fit of a plan will take; `price` says how each number is found.

    trained: trained parameters, the head's among them. once: operations of the frozen prefix, for all
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
    """The price of fitting `plan` at `labels` a class, before any training.

    Operations are counted (`fit.cost.flops`): the prefix forward, once for each labelled item; the suffix
    forward and backward for one batch. A head that is solved for takes no step. memory is what training has
    to keep beside the weights, which all plans keep: 4 bytes for each trained parameter's gradient and for
    each of Adam's two moments, and the activations behind the cut that one batch leaves for the backward pass
    (`held`); a fitted head is counted as if it descended. seconds come from a short timed step, good
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
