"""tlkit as a contestant: the frozen prefix once, then the suffix on what was kept."""

import numpy as np
import sklearn.linear_model  # noqa: F401 (imports are not what is measured)

from benchmarks.networks import Look, described, nobody
from benchmarks.phases import Watch
from tlkit import features
from tlkit.fit import fit
from tlkit.fit.cost import flops
from tlkit.plans import Plan
from tlkit.recipe import Recipe
from tlkit.tasks.images import from_folder

STRENGTH = 0.1  # of a solved probe: the committed recipe's for frozen photographs


def fitted(
    watch: Watch, folder: str, network: str, weights: str, plan: str,
    epochs: int, batch: int, rate: float, solve: bool = True, look: Look = nobody,
) -> dict:  # fmt: skip
    """One fit of `plan` on all training pictures at one setting, so that there are no tries."""
    recipe = one_setting(epochs, batch, rate, solve)
    with watch("open"):
        task = from_folder(folder)
    with watch("build"):
        backbone = described(network, weights)
        backbone.pretrained()
    look(backbone.pretrained())
    labels = int(np.bincount(task.targets).min())
    with watch.on(features.Cut, "run", "prefix"), watch.on(task, "evaluate", "validate"), watch("fit"):
        done = fit(task, backbone, plan, labels, recipe=recipe)
    look(done.model)
    items = {"train": labels * len(task.classes), "valid": len(task.test)}
    return {"accuracy": done.test.metrics["accuracy"], "items": items, "steps": len(done.losses)}


def one_setting(epochs: int, batch: int, rate: float, solve: bool = True) -> Recipe:
    lists = {"rates": (rate,), "strengths": (STRENGTH,), "baselines": ("1-nn",)}
    return Recipe(steps=1, epochs=epochs, batch=batch, solve=solve, **lists)


def operations(
    watch: Watch, folder: str, network: str, weights: str, plans: list[str], epochs: int
) -> dict[str, dict]:
    """The law for each plan: operations without a kept prefix over those with it, counted, not timed.

    Both train `epochs` times on every training picture and validate once on every other; without, the frozen
    stages are run each time.
    """
    task, backbone = from_folder(folder), described(network, weights)
    chain = features.with_head(backbone, task)
    train, valid = len(task.train), len(task.test)
    found = {}
    for text in plans:
        plan = Plan.parse(text)
        prefix, suffix = flops(task, backbone, chain, plan)
        again = epochs * train * (prefix + suffix) + valid * prefix
        once = (train + valid) * prefix + epochs * train * suffix
        found[text] = {
            "prefix": prefix,
            "suffix": suffix,
            "whole": again / once,
            "apart": (prefix + suffix) / suffix,
        }
    return found
