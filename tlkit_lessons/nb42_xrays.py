"""Radiographs split by patient and by image, with lungs and without: AUROC, measured and drawn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.figure import Figure
from matplotlib.pyplot import subplots

from tlkit import backbones, recipe, study
from tlkit.backbones import Backbone
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.plots.style import GREY, canvas
from tlkit.records import FitKey, Record, Store, values
from tlkit.tasks import Evaluation, Task
from tlkit.tasks.items import digest_of
from tlkit_lessons import paired
from tlkit_lessons.look import chance_line, guess_line, series
from tlkit_lessons.material import patients
from tlkit_lessons.material.patients import children, films, middle_out
from tlkit_lessons.screening import focal, screening, weighted

NETWORK = "efficientnet_lite0,size=96"
LABELS = 50  # per class
SEEDS = tuple(range(60, 70))  # each with patients, a split and labels of its own
RANDOM = "frozen, random weights"
SHUFFLED = "frozen, shuffled labels"
RARE, RARE_LABELS = 0.1, 150  # share of ill patients; labelled images, as rare as all are
LOSSES = {"last-1": None, "last-1, weighted": weighted(RARE), "last-1, focal": focal}


@dataclass(frozen=True)
class Scene:
    """A set as it is asked about: name, as records say it; make(seed): the task with a split of its own."""

    name: str
    make: Callable[..., Task]


def _scene(name: str, make: Callable[..., Task], *given, **options) -> Scene:
    return Scene(name, lambda seed, **more: make(*given, seed=seed, **options, **more))


DRAWN = {
    "no shortcut, by patient": _scene("radiographs:0 by patient", films, 0),
    "no shortcut, by image": _scene("radiographs:0 by image", films, 0, how="image"),
    "no shortcut, no lungs": _scene("radiographs:0 by patient, no lungs", films, 0, lungs=False),
    "shortcut, by patient": _scene("radiographs:0.8 by patient", films, 0.8),
    "shortcut, no lungs": _scene("radiographs:0.8 by patient, no lungs", films, 0.8, lungs=False),
}
REAL = {
    "by patient": _scene("pneumonia_kids by patient", children),
    "by image": _scene("pneumonia_kids by image", children, how="image"),
    "no lungs": _scene("pneumonia_kids by patient, no lungs", children, change=middle_out),
}
COMPARED = ("frozen", RANDOM, "pixels")
CONTROLLED = DRAWN["no shortcut, by patient"], REAL["by patient"]
JOBS = [
    *((scene, "frozen") for scene in (*DRAWN.values(), *REAL.values())),
    *((scene, plan) for scene in CONTROLLED for plan in (RANDOM, "pixels")),
    (REAL["no lungs"], SHUFFLED),
]


def record(store: Store, scene: Scene, plan: str, seed: int, backbone: Backbone) -> Record:
    """The test AUROC of a plan on one seed's split; what else was measured stands in the detail.

    `frozen, random weights` has the network without its training; `frozen, shuffled labels` learns from
    labels in random order: what remains is no knowledge of the disease.
    """
    task = scene.make(seed, shuffled=True) if plan == SHUFFLED else scene.make(seed)
    used = backbones.from_blueprint(backbone.blueprint) if plan == RANDOM else backbone
    return _measure(store, scene.name, task, plan, seed, used, LABELS)


def record_rare(store: Store, name: str, seed: int, backbone: Backbone) -> Record:
    """The sensitivity of the last stage tuned on a rare class, with one of LOSSES."""
    loss = LOSSES[name]
    objective = screening(loss, by_class=False) if loss else screening(by_class=False)
    task = films(0, seed=seed, objective=objective, rare=RARE).judged("sensitivity")
    return _measure(store, "radiographs:0 rare", task, name, seed, backbone, RARE_LABELS)


def _measure(
    store: Store, scene: str, task: Task, plan: str, seed: int, backbone: Backbone, labels: int
) -> Record:
    how = replace(recipe.default("photos"), metric=task.objective.metric)
    data = digest_of(scene, str(patients.SIZE))[:12]  # of the whole set: each seed splits it anew
    key = FitKey(scene, data, backbone.name, backbone.digest, plan, labels, seed, how.version)

    def run() -> Evaluation:
        found = fit(task, backbone, plan.partition(",")[0], labels, seed, how)
        also = {name: round(value, 4) for name, value in found.test.metrics.items()}
        told = {"metrics": also, "setting": found.setting}
        return Evaluation(found.test.metrics, None, None, scale=found.test.scale, detail=told)

    return study.measure(store, key, run, task.objective.first)


def aurocs(store: Store, scene: Scene, plan: str = "frozen") -> np.ndarray:
    """The AUROC of every recorded seed, in their order. UserError where a seed is absent."""
    found = values(store.read(), plan=plan, labels=LABELS, task=scene.name)
    if missing := set(SEEDS) - found.keys():
        raise UserError(f"{scene.name}: no record of {plan}, seed {min(missing)}: run tools/make_records.py.")
    return np.array([found[seed] for seed in SEEDS])


def brighter_where_ill(tasks: Mapping[str, Task]) -> Figure:
    """For each task the mean training image of class 1 less that of class 0; orange: brighter."""
    figure, axes = subplots(
        1, len(tasks), figsize=(2.9 * len(tasks), 3.1), layout="constrained", squeeze=False
    )
    for ax, (name, task) in zip(axes[0], tasks.items(), strict=True):
        films = np.stack([np.asarray(one.convert("L"), float) / 255 for one in task.train.inputs])
        ill = np.asarray(task.targets) == 1
        shown = ax.imshow(films[ill].mean(0) - films[~ill].mean(0), cmap="PuOr_r", vmin=-0.3, vmax=0.3)
        ax.set_title(name, loc="left", fontsize=11)
        ax.set_axis_off()
    figure.colorbar(shown, ax=axes[0], shrink=0.8, label="mean of the ill less mean of the healthy")
    return figure


def whole_and_blacked_out(
    found: Mapping[str, tuple[np.ndarray, np.ndarray]], guess: float | None = None
) -> Figure:
    """A panel a set: AUROC of each seed on whole images and with the lungs blacked out.

    found: title -> (whole, blacked out), a number a seed each. guess: the reader's, for the last set but one.
    """
    figure, axes = subplots(1, len(found), figsize=(2.7 * len(found), 3.5), sharey=True, layout="constrained")
    for k, (ax, (name, pair)) in enumerate(zip(np.atleast_1d(axes), found.items(), strict=True)):
        canvas(ax)
        for whole, out in zip(*pair, strict=True):
            ax.plot([0, 1], [whole, out], color=GREY, linewidth=1, zorder=1)
        for x, each in enumerate(pair):
            look = {key: series(x)[key] for key in ("color", "marker")}
            ax.plot(np.full(len(each), x), each, **look, linestyle="none", markersize=7, zorder=2)
        chance_line(ax, 0.5)
        if guess is not None and k == len(found) - 2:
            guess_line(ax, guess)
        ax.set(xlim=(-0.4, 1.4), ylim=(0.3, 1.02))
        ax.set_xticks([0, 1], ["whole", "no lungs"])
        ax.set_title(f"{name}:\n{pair[1].mean():.2f} without lungs", loc="left", fontsize=11)
    np.atleast_1d(axes)[0].set_ylabel("AUROC, one dot per seed")
    return figure


def two_splits(found: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """A panel a set: AUROC of each seed by split; found: set -> (by image, by patient)."""
    figure, axes = subplots(1, len(found), figsize=(3.4 * len(found), 3.6), layout="constrained")
    for ax, (name, (image, patient)) in zip(np.atleast_1d(axes), found.items(), strict=True):
        paired.paired_dots(image, patient, ("by image", "by patient"), ax, "AUROC", ("frozen", "frozen"))
        higher = int((image > patient).sum())
        ax.set_title(f"{name}: by image higher\nin {higher} of {len(image)} seeds", loc="left", fontsize=11)
    return figure
