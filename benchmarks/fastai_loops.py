"""fastai as a contestant, twice: as its users write it, and as one would tune it."""
# ruff: noqa: E402 (fastai warns while it is imported; the filter must come first)

import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore", message=".*torch.jit.*deprecated")

import timm  # noqa: F401 (imports are not what is measured)
import torch
from fastai.callback.core import Callback, CancelValidException
from fastai.callback.schedule import Learner  # with fit_one_cycle patched in
from fastai.callback.training import BnFreeze
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.metrics import accuracy
from fastai.torch_core import params
from fastai.vision.augment import Resize
from fastai.vision.data import ImageDataLoaders
from fastai.vision.learner import vision_learner
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from benchmarks.networks import Look, classifier, described, nobody, plain, stages
from benchmarks.phases import Watch
from tlkit import env
from tlkit.tasks.reading import read_picture

CPU = torch.device("cpu")


class OnceAtTheEnd(Callback):
    """Leaves out the validation of every epoch: all contestants validate once, after training."""

    def before_validate(self) -> None:
        raise CancelValidException


def as_written(
    watch: Watch, folder: str, network: str, weights: str, plan: str,
    epochs: int, batch: int, rate: float, workers: int | None = None, look: Look = nobody,
) -> dict:  # fmt: skip
    """`from_folder`, `vision_learner`, `freeze_to`, `fit_one_cycle`: its head, its batch norms, its decoding.

    workers: processes that decode; None for fastai's default, one a core.
    """
    env.seed_everything(0)
    sketch = described(network, weights)
    view, loading = sketch.transform, {} if workers is None else {"num_workers": workers}
    with watch("open"):
        dls = ImageDataLoaders.from_folder(
            folder, item_tfms=Resize(view.size), bs=batch, device=CPU, **loading
        )
    with watch("build"):
        file = {"file": weights, "mean": view.mean, "std": view.std}
        learn = vision_learner(
            dls, sketch.blueprint["name"], metrics=accuracy, splitter=by_layer,
            pretrained_cfg_overlay=file, **sketch.blueprint["options"],
        )  # fmt: skip
        learn.freeze_to(-1 - tuned(plan))
    return trained(watch, learn, epochs, rate, look)


def by_layer(model: nn.Module) -> list[list[nn.Parameter]]:
    """The same of what `vision_learner` makes of a network of timm."""
    return [params(stage) for stage in (*stages(model[0].model), model[1])]


def tuned(plan: str) -> int:
    """How many stages beside the head a plan moves."""
    return 0 if plan == "frozen" else int(plan.removeprefix("last-"))


def tight(
    watch: Watch, folder: str, network: str, weights: str, plan: str,
    epochs: int, batch: int, rate: float, look: Look = nobody,
) -> dict:  # fmt: skip
    """Pictures decoded once, into tensors; batch norms frozen with their stages; a head as small as ours."""
    env.seed_everything(0)
    view = described(network, weights).transform
    with watch("open"):
        sides = [decoded(Path(folder) / side, view) for side in ("train", "valid")]
        loads = [DataLoader(TensorDataset(*s), bs=batch, shuffle=i == 0) for i, s in enumerate(sides)]
    with watch("build"):
        classes = int(sides[0][1].max()) + 1
        model = classifier(*plain(network, weights), classes, tuned(plan))
        learn = Learner(
            DataLoaders(*loads, device=CPU), model, F.cross_entropy, metrics=accuracy, train_bn=False,
            splitter=by_stage, cbs=BnFreeze(),
        )  # fmt: skip
        learn.freeze_to(-1 - tuned(plan))
    return trained(watch, learn, epochs, rate, look)


def by_stage(model: nn.Module) -> list[list[nn.Parameter]]:
    """A group a stage, the head the last."""
    return [params(part) for part in (*model[0], model[1])]


def decoded(root: Path, view: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """All pictures of one side (N x 3 x size x size) and their class numbers."""
    names = sorted(p.name for p in root.iterdir())
    files = [(f, number) for number, name in enumerate(names) for f in sorted((root / name).iterdir())]
    pictures = torch.stack([view(read_picture(file)) for file, _ in files])
    return pictures, torch.tensor([number for _, number in files])


def trained(watch: Watch, learn: Learner, epochs: int, rate: float, look: Look) -> dict:
    """Train, validate once, and say how it went."""
    look(learn.model)
    with learn.no_bar(), learn.no_logging():
        with watch("train"):
            learn.fit_one_cycle(epochs, rate, cbs=OnceAtTheEnd())
        with watch("validate"):
            _, score = learn.validate()
    look(learn.model)
    items = {"train": len(learn.dls.train_ds), "valid": len(learn.dls.valid_ds)}
    return {"accuracy": float(score), "items": items, "steps": epochs * len(learn.dls.train)}
