"""One fixed rule of ours against fastai's `fine_tune`, the same labels, and at least as many seconds."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, lru_cache
from math import ceil
from tempfile import TemporaryDirectory

import numpy as np
from joblib import Parallel, delayed

from benchmarks.networks import described
from benchmarks.phases import Watch
from tlkit import env, tasks
from tlkit.fit import fit
from tlkit.tasks import Evaluation, Task

FROZEN_BELOW = 10  # labels a class; from there on lp-ft
BATCH = 64  # fastai's default; of fewer pictures than that its loaders would make no batch at all
WARM_LABELS, WARM_SEED = 2, 1000  # a draw that nobody counts
MORE = 6  # epochs by which fastai's pace is taken: of one alone too little is sure


def rule(labels: int) -> str:
    """The plan that is taken without looking at the task: what a tutorial could tell a beginner."""
    return "frozen" if labels < FROZEN_BELOW else "lp-ft"


def raced(
    watch: Watch, task: str, labels: list[int], seeds: list[int], network: str, weights: str, jobs: int = 2
) -> dict:
    """`cells`: a row for each budget and seed, with the seconds and the test accuracy of both.

    Processes of one thread each share the cells; both race in the same one, one after the other.
    """
    asked = [(task, n, seed, network, weights) for n in labels for seed in seeds]
    with watch("cells"):
        return {"cells": Parallel(jobs, "loky", batch_size=1)(delayed(cell)(*one) for one in asked)}


def cell(name: str, labels: int, seed: int, network: str, weights: str) -> dict:
    """Both on one draw; which of them goes first changes from seed to seed."""
    task = warm(name, network, weights)
    ours = ruled(task, labels, seed, network, weights)
    epochs = epochs_within(ours["seconds"], *paced(name, labels, network, weights))
    theirs = fine_tuned(task, labels, seed, network, weights, epochs)
    return {"labels": labels, "seed": seed, "ours": ours, "fastai": theirs}


@lru_cache(maxsize=1)
def warm(name: str, network: str, weights: str) -> Task:
    """The task, after both have fitted once in this process: what happens once is not raced.

    Nor is marking: test pictures are decoded once.
    """
    env.set_threads(1)
    task = tasks.load(name)
    task.test = replace(task.test, inputs=list(task.test.inputs))
    ruled(task, WARM_LABELS, WARM_SEED, network, weights)
    fine_tuned(task, WARM_LABELS, WARM_SEED, network, weights, 1)
    return task


def ruled(task: Task, labels: int, seed: int, network: str, weights: str) -> dict:
    """Our rule with the committed recipe, its tries included and with nothing kept from before."""
    watch, plan = Watch(), rule(labels)
    with nothing_kept(), watch("all"), watch.on(task, "evaluate", "test"):
        done = fit(task, described(network, weights), plan, labels, seed)
    seconds = watch.seconds["all"] - watch.of("test")
    return {"plan": plan, "seconds": seconds, "accuracy": done.test.metrics["accuracy"]}


@contextmanager
def nothing_kept() -> Iterator[None]:
    """An empty folder for kept activations."""
    before = os.environ.get("TLKIT_COMPUTED")
    with TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        os.environ["TLKIT_COMPUTED"] = folder
        try:
            yield
        finally:
            os.environ.pop("TLKIT_COMPUTED") if before is None else os.environ.update(TLKIT_COMPUTED=before)


@cache
def paced(name: str, labels: int, network: str, weights: str) -> tuple[float, float]:
    """Seconds of `fine_tune(1)` and of every further epoch in this process, on a draw that nobody counts."""
    task = warm(name, network, weights)
    one, many = (fine_tuned(task, labels, WARM_SEED, network, weights, n)["seconds"] for n in (1, 1 + MORE))
    return one, max(many - one, 1e-3) / MORE


def epochs_within(seconds: float, first: float, further: float) -> int:
    """The fewest epochs that take as long as `seconds`, by what the first and every further one takes."""
    return max(1, 1 + ceil((seconds - first) / further))


def fine_tuned(task: Task, labels: int, seed: int, network: str, weights: str, epochs: int) -> dict:
    """`vision_learner(...).fine_tune(epochs)`, all else as fastai has it; nothing held back to validate."""
    from benchmarks.fastai_loops import OnceAtTheEnd

    env.seed_everything(seed)
    began = time.perf_counter()
    learn = learner(task, labels, seed, network, weights)
    with learn.no_bar(), learn.no_logging():
        learn.fine_tune(epochs, cbs=OnceAtTheEnd())
        seconds = time.perf_counter() - began
        read = evaluated(task, learn, f"fastai, {labels} labels, seed {seed}")
    return {"epochs": epochs, "seconds": seconds, "accuracy": read.metrics["accuracy"]}


def learner(task: Task, labels: int, seed: int, network: str, weights: str):
    """As its tutorials write it: resized pictures, a head of two layers, the body in one group."""
    import torch
    from fastai.metrics import accuracy
    from fastai.vision.augment import Resize
    from fastai.vision.data import ImageDataLoaders
    from fastai.vision.learner import default_split, model_meta, vision_learner

    backbone, rows = described(network, weights), task.draw(labels, seed).all
    view = backbone.transform

    def body(pretrained: bool = True) -> torch.nn.Module:
        return torch.nn.Sequential(*backbone.fresh().stages.values())

    model_meta[body] = {"cut": lambda m: m, "split": default_split, "stats": (view.mean, view.std)}
    files, names = [task.train.names[i] for i in rows], [task.classes[n] for n in task.targets[rows]]
    dls = ImageDataLoaders.from_lists(
        ".", files, names, valid_pct=0.0, item_tfms=Resize(view.size), bs=min(BATCH, len(rows)),
        num_workers=0, device=torch.device("cpu"),
    )  # fmt: skip
    return vision_learner(dls, body, metrics=accuracy)


def evaluated(task: Task, learn, who: str) -> Evaluation:
    """The one reading of the test split, by the class names that the loaders have."""
    number = np.array([task.classes.index(name) for name in learn.dls.vocab])

    def predict(items) -> np.ndarray:
        outputs, _ = learn.get_preds(dl=learn.dls.test_dl(list(items.inputs), num_workers=0))
        return number[outputs.argmax(1).numpy()]

    return task.evaluate(predict, who)
