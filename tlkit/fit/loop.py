"""One gradient loop, by fastai's Learner. The only module that imports fastai."""
# ruff: noqa: E402 (fastai warns while it is imported; the filter must come first)

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_map
from torch.utils.data import default_collate

from tlkit import env, plans
from tlkit.backbones.chain import Chain, Suffix, batch_norms, measuring
from tlkit.errors import UserError
from tlkit.features import Batches, moved
from tlkit.plans import Plan
from tlkit.plans.steering import WINDOW
from tlkit.recipe import Recipe
from tlkit.tasks import picked

# fastai's own import; nothing a reader can do
warnings.filterwarnings("ignore", message=".*torch.jit.*deprecated")

from fastai.callback.core import Callback, CancelValidException
from fastai.callback.progress import ProgressCallback
from fastai.callback.schedule import Learner  # the Learner with its one-cycle schedule patched in
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import CastToTensor, Recorder
from fastai.optimizer import OptimWrapper
from fastai.torch_core import norm_bias_params

# torch's own Adam, one call for all tensors, with fastai's numbers: fastai's does the same sums in Python,
# tensor by tensor, which took a seventh of a fit of ResNet-18's last stage
_ADAM = partial(OptimWrapper, opt=torch.optim.AdamW, betas=(0.9, 0.99), eps=1e-5, fused=True)
CPU = torch.device("cpu")
_FOR_SHOW = [CastToTensor, ProgressCallback, Recorder]  # a sixth of the time of a small step


class Diverged(UserError):
    """The loss became infinite or NaN."""


class _Modes(Callback):
    """Holds every frozen stage in eval mode, which fastai's own callback would undo each epoch."""

    order = 10  # behind TrainEvalCallback

    def __init__(self, chain: Chain, plan: Plan):
        self.chain, self.plan_ = chain, plan

    def before_fit(self) -> None:
        plans.refuse_frozen(self.chain, self.plan_, self.learn.opt.all_params().itemgot(0))

    def before_train(self) -> None:
        plans.set_modes(self.chain, self.plan_)

    def before_validate(self) -> None:
        raise CancelValidException  # the selection split is scored once, after training


class _Steering(Callback):
    """Multiplies the rates that the schedule sets by what the plan makes of the gradients before."""

    order = 61  # behind the schedule

    def __init__(self, chain: Chain, plan: Plan, groups: list[list]):
        self.weights = {name: list(stage.parameters()) for name, stage in chain.stages.items()}
        names = {id(p): name for name, weights in self.weights.items() for p in weights}
        self.stages = [names.get(id(group[0])) for group in groups]  # None: the head's
        self.rates, self.factors, self.sums, self.steps = plan.row.rates, {}, {}, 0

    def before_batch(self) -> None:
        pairs = zip(self.opt.hypers, self.stages, strict=True)
        self.opt.set_hyper("lr", [hyper["lr"] * self.factors.get(stage, 1.0) for hyper, stage in pairs])

    def after_backward(self) -> None:
        self.steps += 1
        for stage, weights in self.weights.items():
            if found := [p.grad.flatten() for p in weights if p.grad is not None]:
                gradient, (total, square) = torch.cat(found), self.sums.get(stage, (0, 0))
                self.sums[stage] = gradient + total, gradient.dot(gradient) + square

    def after_train(self) -> None:
        if self.steps >= WINDOW:
            size = [float(sum(p.detach().square().sum() for p in self.weights[name])) for name in self.sums]
            n, sums = self.steps, self.sums.values()
            means = [(float((total / n).square().sum()), float(square) / n) for total, square in sums]
            found = [(*mean, weights) for mean, weights in zip(means, size, strict=True)]
            self.factors = dict(zip(self.sums, self.rates(found), strict=True))
            self.sums, self.steps = {}, 0


class _Guard(Callback):
    """Keeps the loss of every step; stops at the first that is not finite."""

    def __init__(self, where: str):
        self.where, self.losses = where, []

    def after_loss(self) -> None:
        if not torch.isfinite(self.learn.loss):
            step = len(self.losses)
            raise Diverged(
                f"the loss of {self.where} became NaN or infinite at step {step}: try smaller --rates."
            )
        self.losses.append(self.learn.loss.item())


def _batches(
    rows: Batches, targets: torch.Tensor, size: int, collate: Callable[[list], Any], where: torch.device
) -> DataLoader:
    """Shuffled batches, each taken in one piece: fastai's own way takes item by item."""

    def batch(positions: list[int]) -> Any:
        inputs, wanted = rows.take(positions), picked(targets, positions)
        if collate is default_collate:
            return inputs, wanted
        pairs = [(tree_map(lambda leaf, k=k: leaf[k], inputs), one) for k, one in enumerate(wanted)]
        return collate(pairs)

    # functions, not methods: those fastcore would bind to the loader
    ours = {"create_batch": batch, "retain": lambda made, _: made, "before_iter": lambda: rows.turn()}
    return DataLoader(range(len(rows)), bs=size, shuffle=True, num_workers=0, device=where, **ours)


def descend(
    chain: Chain,
    plan: Plan,
    inputs: Batches,
    targets: torch.Tensor | list,
    loss: Callable,
    rate: float,
    recipe: Recipe,
    seed: int,
    collate: Callable[[list], Any] = default_collate,
    device: torch.device = CPU,
) -> list[float]:
    """Train `chain` in place by one one-cycle descent of Adam (Smith 2018); returns the loss of every step.

    inputs: activations at `plan.cut`; only the suffix behind the cut is run. Frozen tensors are in no
    optimiser group and their stages stay in eval mode; batch-norm statistics are re-estimated at the end.
    collate: a list of (input, target) to a batch. device: where the chain goes meanwhile. Raises Diverged
    when the loss is no longer finite, NotFrozen when the optimiser holds a frozen tensor.
    """
    env.seed_everything(seed)
    plans.freeze(chain, plan)
    epochs, size = recipe.schedule(len(targets))
    load = _batches(inputs, targets, size, collate, device)
    _refuse_single(chain, plan, size)
    guard = _Guard(f"plan {plan}, rate {rate:g}")
    half = recipe.precision == "bfloat16"  # as wide as float32, so that no loss needs to be scaled
    with env.on_device(device, chain), torch.autocast(device.type, torch.bfloat16) if half else nullcontext():
        groups, rates, decays = _groups(chain, plan, rate, 0 if plan.row.penalty else recipe.weight_decay)
        learn = _learner(chain, plan, load, groups, [guard], _penalised(chain, plan, loss))
        learn.add_cbs([_Steering(chain, plan, groups)] if plan.row.rates else [])
        learn.remove_cbs(_FOR_SHOW)
        try:
            learn.fit_one_cycle(epochs, lr_max=np.array(rates), wd=decays)
        finally:
            chain.eval()
        recalibrate_batchnorm(chain, plan, inputs, size, seed)
    return guard.losses


def _penalised(chain: Chain, plan: Plan, loss: Callable) -> Callable:
    """The loss with what the plan adds to it, which is asked where the chain is now."""
    if not plan.row.penalty:
        return loss
    extra = plan.row.penalty(chain, plan)
    return lambda output, target: loss(output, target) + extra()


def _refuse_single(chain: Chain, plan: Plan, size: int) -> None:
    modules = (m for part in plans.learners(chain, plan) for m in part.modules())
    if size == 1 and any(isinstance(m, _BatchNorm) for m in modules):
        raise UserError(f"plan {plan} trains batch norm, which needs more than one item: give more --labels.")


def _groups(chain: Chain, plan: Plan, rate: float, decay: float) -> tuple[list, list[float], list[float]]:
    """Groups of parameters, the rate and the weight decay of each: as in fastai none of biases and norms."""
    spared = {id(p) for p in norm_bias_params(chain)}
    found = []
    for parameters, lr in zip(*plans.groups(chain, plan, rate), strict=True):
        for alike, wd in ((False, decay), (True, 0.0)):
            some = [p for p in parameters if (id(p) in spared) == alike]
            found += [(some, lr, wd)] if some else []
    return tuple(map(list, zip(*found, strict=True)))


def _learner(
    chain: Chain, plan: Plan, load: DataLoader, groups: list, callbacks: list, loss: Callable
) -> Learner:
    """fastai's Learner on the suffix; its validation, which `_Modes` cancels, is given the same batches."""
    return Learner(
        DataLoaders(load, load, device=load.device),
        Suffix(chain, plan.cut(chain.names)),
        loss_func=loss,
        opt_func=_ADAM,
        splitter=lambda _: groups,
        train_bn=False,
        cbs=[_Modes(chain, plan), *callbacks],
    )


@torch.no_grad()
def recalibrate_batchnorm(chain: Chain, plan: Plan, inputs: Batches, size: int, seed: int) -> None:
    """Re-estimate the statistics of the trained batch norms from the training items.

    Running averages trail the weights by some ten steps. After a short training from random weights they
    belong to another network, and eval mode is at chance level; every plan that trains stages gets the same
    remedy (precise batch norm; Wu & Johnson 2021, arXiv:2105.07576, section 3). Frozen stages keep theirs.
    inputs: activations at the plan's cut; size: items in a batch, as in training. Ends in eval mode.
    """
    norms = [norm for part in plans.learners(chain, plan) for norm in batch_norms(part)]
    chain.eval()
    if not norms:
        return
    shuffled = torch.Generator().manual_seed(seed)  # items come sorted by class
    order = torch.randperm(len(inputs), generator=shuffled)
    suffix, device = Suffix(chain, plan.cut(chain.names)), next(chain.parameters()).device
    with measuring(norms):
        for rows in order.split(size):
            suffix(moved(inputs.take(rows), device))
