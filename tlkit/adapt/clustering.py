"""A target that nobody has labelled: its pictures in heaps by k-means, which get names at the very end."""

import time
from dataclasses import replace
from functools import partial

import numpy as np

from tlkit import env, features
from tlkit.adapt.pair import sealed
from tlkit.backbones import Backbone
from tlkit.errors import unknown
from tlkit.records import Record, Store
from tlkit.tasks import Evaluation, Task

PLANS = ("clusters", "clusters@pixels")  # k-means on the features of the source, or on no network
STARTS = 10  # of k-means, of which the tightest is kept


def named(found: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The class after which each item's heap is called: no two heaps after one, as many right as can be.

    A heap that is left without a class is called -1 (Kuhn 1955, the assignment problem).
    """
    from scipy.optimize import linear_sum_assignment

    both = np.zeros((found.max() + 1, targets.max() + 1), dtype=int)  # heap x class: how many items
    np.add.at(both, (found, targets), 1)
    names = np.full(len(both), -1)
    heap, after = linear_sum_assignment(both, maximize=True)
    names[heap] = after
    return names[found]


def clustered(task: Task, backbone: Backbone, plan: str = "clusters", seed: int = 0) -> Evaluation:
    """As many heaps as classes; k-means is shown half of the training pictures, which half says the seed.

    predicted: answers, once the heaps are named from the one reading of the test. metrics: accuracy of these,
    and the adjusted Rand index, which needs no names. Raises UserError for a plan that is not in PLANS.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    if plan not in PLANS:
        raise unknown("plan for clusters", plan, PLANS)
    task, end = sealed(task), features.Cut(backbone, len(backbone.stages), pooled=True)
    see = features.pixels if plan == PLANS[1] else partial(features.activations, end)
    half = np.random.default_rng(seed).permutation(len(task.train))[: len(task.train) // 2]
    model = KMeans(len(task.classes), n_init=STARTS, random_state=seed)
    model.fit(np.asarray(see(task.train, half), dtype=np.float64))
    seen = np.asarray(see(task.test, np.arange(len(task.test))), dtype=np.float64)
    marked = task.evaluate(lambda _: model.predict(seen), f"{plan}, {backbone.name}, seed {seed}")
    answers = named(marked.predicted, marked.targets)
    right = task.objective.metrics["accuracy"](answers, marked.targets)
    rand = adjusted_rand_score(marked.targets, marked.predicted)
    return replace(marked, metrics={"accuracy": right, "adjusted rand": rand}, predicted=answers)


def keep(store: Store, task: Task, backbone: Backbone, plan: str, seed: int) -> int:
    """Run one plan of one seed and write it down, unless the store has it; how many records are new."""
    key = (task.name, task.digest, backbone.name, backbone.digest, plan, 0, seed, f"k-means-{STARTS}")
    if key in store.finished():
        return 0
    began, found = time.perf_counter(), clustered(task, backbone, plan, seed)
    took, rand = round(time.perf_counter() - began, 3), found.metrics["adjusted rand"]
    row = Record(*key, "test", "accuracy", found.metrics["accuracy"], measured={"seconds": took},
                 detail={"adjusted rand": rand})  # fmt: skip
    return store.append([row], found.predicted, found.targets, env.origin())
