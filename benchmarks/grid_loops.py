"""The grid of notebook 16 as loops over fastai, twice: as its users write it, and as one would tune it."""
# ruff: noqa: E402 (fastai warns while it is imported; the filter must come first)

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

warnings.filterwarnings("ignore", message=".*torch.jit.*deprecated")

import numpy as np
import torch
from fastai.callback.schedule import Learner  # with fit_one_cycle patched in
from fastai.callback.training import BnFreeze
from fastai.data.block import CategoryBlock, DataBlock
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.data.transforms import IndexSplitter
from fastai.metrics import accuracy
from fastai.vision.augment import Resize
from fastai.vision.core import PILImageBW
from fastai.vision.data import ImageBlock
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torch.utils.data import TensorDataset

from benchmarks.fastai_loops import CPU, OnceAtTheEnd, by_stage
from benchmarks.phases import Watch
from tlkit import backbones, env, tasks
from tlkit.plans import Plan
from tlkit.recipe import Recipe, default
from tlkit.tasks import Task
from tlkit_lessons.material.glyphnet import FEATURES, INPUT_SIZE, glyph_input

MOVES = {"frozen": 0, "last-1": 1, "full": 4, "lp-ft": 4, "scratch": 4}  # stages beside the head
OTHER_SEED = 1000  # of a draw that no grid has
HEAD_RATE = 1e-2  # of the head's descent ahead of `lp-ft`, which is solved in ours


@dataclass
class Loops:
    """load(rows, scored, size): fastai's loaders of training rows, and of other items that are scored."""

    task: Task
    test: tuple[torch.Tensor, np.ndarray]
    recipe: Recipe
    load: Callable[["Loops", np.ndarray, np.ndarray | None, int], DataLoaders]
    tuned: bool

    def cell(self, plan: str, labels: int, seed: int) -> dict:
        """One fit as ours does it: tries on the selection split, training on all, one reading of the test."""
        draw, began = self.task.draw(labels, seed), time.perf_counter()
        settings = self.recipe.tries(Plan.parse(plan), labels, solved=plan == "pixels")
        tried = settings if len(settings) > 1 else []
        scores = {s: self.training(plan, s, draw.fit, draw.select, seed) for s in tried}
        best = max(scores, key=scores.__getitem__) if scores else settings[0]
        score = self.training(plan, best, draw.all, None, seed)
        return {"plan": plan, "labels": labels, "seconds": time.perf_counter() - began, "accuracy": score}

    def training(
        self, plan: str, setting: str, rows: np.ndarray, scored: np.ndarray | None, seed: int
    ) -> float:
        """Accuracy on the training items `scored`, or on the test, after one training."""
        if plan == "pixels":
            return self.pixels(setting, rows, scored)
        env.seed_everything(seed)
        epochs, size = self.recipe.schedule(len(rows))
        learn = self.learner(plan, self.load(self, rows, scored, size))
        with learn.no_bar(), learn.no_logging():
            if plan == "lp-ft":
                learn.freeze_to(-1)
                learn.fit_one_cycle(epochs, HEAD_RATE, cbs=OnceAtTheEnd())
            learn.freeze_to(-1 - MOVES[plan])
            learn.fit_one_cycle(epochs, float(setting), cbs=OnceAtTheEnd())
            _, score = learn.validate()
        return float(score)

    def learner(self, plan: str, dls: DataLoaders) -> Learner:
        """The letters network with a new head; a group a stage."""
        chain = backbones.load("letters").fresh("random" if plan == "scratch" else "pretrained")
        body = nn.Sequential(*chain.stages.values())
        head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(FEATURES, len(self.task.classes))
        )
        frozen = {"train_bn": False, "cbs": BnFreeze()} if self.tuned else {}
        return Learner(
            dls, nn.Sequential(body, head), nn.CrossEntropyLoss(), metrics=accuracy, splitter=by_stage,
            wd=self.recipe.weight_decay, **frozen,
        )  # fmt: skip

    def pixels(self, setting: str, rows: np.ndarray, scored: np.ndarray | None) -> float:
        """scikit-learn on the bare numbers."""
        if setting.endswith("-nn"):
            model = KNeighborsClassifier(int(setting.partition("-")[0]))
        else:
            model = LogisticRegression(C=float(setting.removeprefix("C=")), max_iter=2000)
        x, y = self.task.train.inputs, np.asarray(self.task.targets)
        model.fit(x[rows].flatten(1).numpy(), y[rows])
        inputs, targets = self.test if scored is None else (x[scored], y[scored])
        return float((model.predict(inputs.flatten(1).numpy()) == targets).mean())


def pictures(loops: Loops, rows: np.ndarray, scored: np.ndarray | None, size: int) -> DataLoaders:
    """A DataBlock of pictures, resized whenever they are shown."""
    inputs, targets = loops.task.train.inputs, np.asarray(loops.task.targets)
    more, labels = loops.test if scored is None else (inputs[scored], targets[scored])
    grey = (torch.cat([inputs[rows], more])[:, 0] * 255).round().to(torch.uint8).numpy()
    names = [int(label) for label in (*targets[rows], *labels)]
    block = DataBlock(
        blocks=(ImageBlock(PILImageBW), CategoryBlock(vocab=range(len(loops.task.classes)))),
        get_x=lambda i: grey[i], get_y=lambda i: names[i],
        splitter=IndexSplitter(range(len(rows), len(names))), item_tfms=Resize(INPUT_SIZE),
    )  # fmt: skip
    return block.dataloaders(range(len(names)), bs=size, num_workers=0, device=CPU, drop_last=False)


def tensors(loops: Loops, rows: np.ndarray, scored: np.ndarray | None, size: int) -> DataLoaders:
    """Rows of a tensor that holds every input as the network sees it."""
    inputs, targets = loops.task.train.inputs, torch.as_tensor(np.asarray(loops.task.targets))
    seen, labels = loops.test if scored is None else (inputs[scored], targets[scored])
    sets = (inputs[rows], targets[rows]), (seen, torch.as_tensor(labels))
    loads = [
        DataLoader(TensorDataset(glyph_input(x), y), bs=size, shuffle=i == 0) for i, (x, y) in enumerate(sets)
    ]
    return DataLoaders(*loads, device=CPU)


def as_written(watch: Watch, task: str, plans: list[str], labels: list[int], seeds: list[int]) -> dict:
    """Every cell by a DataBlock of pictures, batch norms that learn, and a loop over everything."""
    return looped(watch, task, plans, labels, seeds, pictures, tuned=False)


def tight(watch: Watch, task: str, plans: list[str], labels: list[int], seeds: list[int]) -> dict:
    """Every cell on tensors made once, frozen batch norms frozen; the frozen stages are run in every pass."""
    return looped(watch, task, plans, labels, seeds, tensors, tuned=True)


def looped(
    watch: Watch, name: str, plans: list[str], labels: list[int], seeds: list[int],
    load: Callable, tuned: bool, recipe: Recipe | None = None,
) -> dict:  # fmt: skip
    """The cells, one after the other; `cells` holds seconds and test accuracy of each."""
    with watch("open"):
        task = tasks.load(name)
        targets = task.evaluate(lambda items: np.zeros(len(items)), "the benchmark's loops").targets
        loops = Loops(task, (task.test.inputs, targets), recipe or default(), load, tuned)
        loops.cell("frozen", 1, OTHER_SEED)  # what happens once is over before the first cell
    with watch("cells"):
        cells = [loops.cell(p, n, seed) for seed in seeds for n in labels for p in plans]
    return {"cells": cells}
