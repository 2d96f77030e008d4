"""One gradient loop, by fastai's Learner. The only module that imports fastai."""
# ruff: noqa: E402 (fastai warns while it is imported; the filter must come first)

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_map
from torch.utils.data import default_collate

from tlkit import env, plans
from tlkit.backbones.chain import Chain, Suffix
from tlkit.errors import UserError
from tlkit.features import Rows
from tlkit.fit.settle import settle
from tlkit.plans import Plan
from tlkit.recipe import Recipe

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


def _batches(rows: Rows, targets: torch.Tensor, size: int, collate: Callable[[list], Any]) -> DataLoader:
    """Shuffled batches, each taken in one piece: fastai's own way takes item by item."""

    def batch(positions: list[int]) -> Any:
        inputs, wanted = rows.take(positions), targets[positions]
        if collate is default_collate:
            return inputs, wanted
        pairs = [(tree_map(lambda leaf, k=k: leaf[k], inputs), one) for k, one in enumerate(wanted)]
        return collate(pairs)

    # functions, not methods: those fastcore would bind to the loader
    ours = {"create_batch": batch, "retain": lambda made, _: made, "before_iter": lambda: rows.turn()}
    return DataLoader(range(len(rows)), bs=size, shuffle=True, num_workers=0, **ours)


def descend(
    chain: Chain,
    plan: Plan,
    inputs: Any,
    targets: torch.Tensor,
    loss: Callable,
    rate: float,
    recipe: Recipe,
    seed: int,
    show: bool = False,
    collate: Callable[[list], Any] = default_collate,
) -> list[float]:
    """Train `chain` in place by one one-cycle descent of Adam (Smith 2018); returns the loss of every step.

    inputs: activations at `plan.cut`, Rows or a pytree of N x ...; only the suffix behind the cut is run.
    Frozen tensors are in no optimiser group and their stages stay in eval mode; batch-norm averages that
    moved are settled at the end. collate: a list of (input, target) to a batch. Raises Diverged when the
    loss is no longer finite, NotFrozen when the optimiser holds a frozen tensor.
    """
    env.seed_everything(seed)
    plans.freeze(chain, plan)
    epochs, size = recipe.schedule(len(targets))
    rows = inputs if isinstance(inputs, Rows) else Rows.of(inputs)
    load = _batches(rows, targets, size, collate)
    groups, rates, decays = _groups(chain, plan, rate, recipe.weight_decay)
    _refuse_single(chain, plan, size)
    guard = _Guard(f"plan {plan}, rate {rate:g}")
    half = recipe.precision == "bfloat16"  # as wide as float32, so that no loss needs to be scaled
    with env.on_device(chain) as where, torch.autocast(where.type, torch.bfloat16, enabled=half):
        learn = _learner(chain, plan, load, groups, [_Modes(chain, plan), guard], loss)
        if not show:
            learn.remove_cbs(_FOR_SHOW)
        try:
            learn.fit_one_cycle(epochs, lr_max=np.array(rates), wd=decays)
        finally:
            chain.eval()
        settle(chain, plan, rows, size, seed)
    return guard.losses


def _refuse_single(chain: Chain, plan: Plan, size: int) -> None:
    modules = (m for part in plans.learners(chain, plan) for m in part.modules())
    if size == 1 and any(isinstance(m, _BatchNorm) for m in modules):
        raise UserError(
            f"plan {plan} has batch norm to train, which one item cannot teach: give more --labels."
        )


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
        DataLoaders(load, load, device=env.device()),
        Suffix(chain, plan.cut(chain.names)),
        loss_func=loss,
        opt_func=_ADAM,
        splitter=lambda _: groups,
        train_bn=False,
        cbs=callbacks,
    )
