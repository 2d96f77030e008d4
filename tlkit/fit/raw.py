"""The baseline on raw inputs: neighbours or a linear model, on what an objective's baseline makes of them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from tlkit.features import probe
from tlkit.tasks import Objective


def learn(
    objective: Objective, setting: str, inputs: Sequence[Any], targets: np.ndarray, outputs: int
) -> Callable[[Sequence[Any]], np.ndarray]:
    """A function of raw inputs to predictions, learnt from labelled ones.

    setting: "5-nn" for so many neighbours, "C=0.1" for a linear model of that strength; without a meaning
    where the baseline's features are its answers. outputs: classes, or numbers an item.
    """
    read = objective.baseline.learn(inputs)
    if objective.baseline.answers:
        return read
    if setting.endswith("-nn"):
        from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

        kind = KNeighborsClassifier if objective.by_class else KNeighborsRegressor
        model = kind(int(setting.partition("-")[0])).fit(read(inputs), targets)
        return lambda asked: model.predict(read(asked))
    solved = probe(read(inputs), targets, float(setting.removeprefix("C=")), outputs, objective.solver)
    return lambda asked: objective.decode(torch.from_numpy(solved(read(asked))))
