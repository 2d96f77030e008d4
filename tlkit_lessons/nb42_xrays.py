"""Radiographs split by patient and by image, with lungs and without: AUROC, measured and drawn."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tlkit import backbones, recipe, study
from tlkit.backbones import Backbone
from tlkit.fit import fit
from tlkit.records import FitKey, Record, Store
from tlkit.tasks import Evaluation, Task
from tlkit.tasks.items import digest_of
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
    how = replace(recipe.suited(backbone), metric=task.objective.metric)
    data = digest_of(scene, str(patients.SIZE))[:12]  # of the whole set: each seed splits it anew
    key = FitKey(scene, data, backbone.name, backbone.digest, plan, labels, seed, how.version)

    def run() -> Evaluation:
        found = fit(task, backbone, plan.partition(",")[0], labels, seed, how)
        also = {name: round(value, 4) for name, value in found.test.metrics.items()}
        return Evaluation(found.test.metrics, None, None, detail={"metrics": also, "setting": found.setting})

    return study.measure(store, key, run, task.objective.first)
