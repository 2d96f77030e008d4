"""Committed grids, their chosen settings trained again without the selection split and scored finer on it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from tlkit import backbones, study, tasks
from tlkit import recipe as recipes
from tlkit.errors import UserError
from tlkit.fit.job import Job
from tlkit.plans import Plan
from tlkit.records import FitKey, Record, Store
from tlkit.tasks import SELECT_FROM, Evaluation
from tlkit.tasks.items import digest_of
from tlkit_lessons import ledger
from tlkit_lessons.choosing.rules import FREE, TEMPERATURES, Scores, by_target

FOLDS = 5
JUDGED = "choosing"  # the task of the rows that say what the choices of a rule are worth


@dataclass(frozen=True)
class Asked:
    """A committed grid to be scored finer: `plans` of one file, task and backbone, at each of `labels`.

    folds: the budgets at which every fit is also cross-validated, which costs FOLDS more trainings.
    """

    file: str
    task: str
    backbone: str
    plans: tuple[str, ...]
    labels: tuple[int, ...]
    folds: tuple[int, ...] = ()


DEPTHS = ("frozen", "last-1", "last-2", "last-3", "full", "full@decay=0.5", "gradual", "norm", "bias")
BLOCKS = ("frozen", "block:stem", "block:block3", "full")
FIVE = ("scratch", "frozen", "last-1", "full", "lp-ft")
THREE = ("scratch", "frozen", "full")
LOOKED_AT = (  # the rule was chosen on these
    Asked("16_digits", "digits", "letters", FIVE, (2, 5, 10, 20), (2, 5)),
    Asked("14_depth", "digits", "letters", DEPTHS, (5,)),
    *(Asked(f"22_{kind}", f"dial:{kind}:{similarity}", "letters", THREE, (5,))
      for kind in ("background", "polarity", "strokes", "coarse", "manner") for similarity in (0, 0.5)),
)  # fmt: skip
HELD_OUT = (  # and judged on these
    *(Asked(f"16_{name}", task, "efficientnet_lite0,size=96", ("frozen", "last-1"), (5, 10, 20))
      for name, task in (("steel", "neu_steel"), ("wildlife", "caltech_wildlife"))),
    *(Asked("31_blocks", task, "letters", BLOCKS, (5, 20))
      for task in ("dial:background:0.25", "glyphs:symbols-a", "dial:coarse:0")),
    *(Asked("26_sources", task, source, THREE, (20,))
      for task in ("digits", "textures") for source in ("letters", "fractals")),
    *(Asked(f"23_{name}", task, source, THREE, (5,))
      for name, task in (("digits", "digits"), ("textures", "textures"), ("symbols", "glyphs:symbols-a"))
      for source in ("letters", "letters-ssl", "strokes")),
)  # fmt: skip


def scored(asked: Iterable[Asked], labels: int, store: Store | None = None) -> list[Scores]:
    """What has been recorded of the grids asked for at a budget; a grid without records is left out."""
    store = store or ledger.shelf().store("34_choosing")
    rows = {(r.plan, r.task, r.backbone, r.labels): r for r in (store.read() if store else ())}
    keys = [(one.file, one.task, one.backbone, labels) for one in asked if labels in one.labels]
    return [_scores(rows[key]) for key in keys if key in rows]


def _scores(row: Record) -> Scores:
    plans, names = row.detail["plans"], ("test", "accuracy", "losses", "folded")
    parts = {name: [of[name] for of in plans.values() if name in of] for name in names}
    arrays = {name: np.array(part) if part else None for name, part in parts.items()}
    cost = np.array([of["cost"] for of in plans.values()])
    return Scores(row.plan, row.task, row.backbone, row.labels, tuple(plans), **arrays, cost=cost)


def record(store: Store, asked: Iterable[Asked]) -> Iterator[tuple[int, int]]:
    """Score every grid that the store lacks, one row a grid and budget; yields (done, of how many)."""
    jobs = [(one, labels) for one in asked for labels in one.labels]
    for done, (one, labels) in enumerate(jobs, 1):
        rows = _committed(one, labels)
        first = rows[one.plans[0]][0]
        given = first.fit_key._replace(task=one.task, backbone=one.backbone, weights="", plan=one.file)
        study.measure(store, given, lambda one=one, rows=rows, n=labels: _measured(one, rows, n in one.folds))
        yield done, len(jobs)


def judge(store: Store, asked: Iterable[Asked] = HELD_OUT, rules: Iterable[str] = FREE) -> None:
    """What the choices of each rule are worth on the grids asked for: a row a rule, budget and target.

    In the records the rule stands as plan, and the number of the target as seed.
    """
    asked = list(asked)
    for labels in sorted({n for one in asked for n in one.labels}):
        found = scored(asked, labels, store)
        data = digest_of(*(repr((one.file, one.task, one.backbone)) for one in found))[:12]
        for rule in rules:
            for k, value in enumerate(by_target(rule, found)):
                given = FitKey(JUDGED, data, "several", "", rule, labels, k, "")
                study.measure(store, given, lambda value=value: float(value))


def _committed(one: Asked, labels: int) -> dict[str, list[Record]]:
    """The committed test rows of every plan, in the order of the seeds; scratch from whichever source."""
    rows = ledger.shelf().store(one.file).read()
    rows = [r for r in rows if (r.task, r.labels, r.split) == (one.task, labels, "test")]
    rows = sorted(
        (r for r in rows if one.backbone == r.backbone or r.weights == "none"), key=lambda r: r.seed
    )
    found = {plan: [r for r in rows if r.plan == plan] for plan in one.plans}
    seeds = {tuple(r.seed for r in several if r.status == "ok") for several in found.values()}
    if len(seeds) != 1 or not seeds.pop():
        raise UserError(
            f"{one.file}: the plans of {one.task} from {one.backbone} at {labels} have other seeds."
        )
    return found


def _measured(one: Asked, rows: Mapping[str, list[Record]], folds: bool) -> Evaluation:
    """One grid at one budget; its number is what today's rule would have chosen, on all seeds."""
    detail = {}
    for plan, several in rows.items():
        found = [_again(tuple(row.fit_key), row.detail["setting"], folds) for row in several]
        detail[plan] = {
            "cost": float(np.mean([row.operations for row in several])),
            "test": [round(row.value, 4) for row in several],
            **{name: [each[name] for each in found] for name in found[0]},
        }
    test = {plan: np.mean(of["test"]) for plan, of in detail.items()}
    today = max(detail, key=lambda plan: (np.mean(detail[plan]["accuracy"]), -detail[plan]["cost"]))
    return Evaluation({"accuracy": float(test[today])}, None, None, detail={"plans": detail})


@cache
def _again(row: tuple, setting: str, folds: bool) -> dict:
    """A committed fit's setting, trained without the selection split and scored on it."""
    key = FitKey(*row)
    task, network = tasks.load(key.task), backbones.load(key.backbone)
    recipe = recipes.suited(network)
    if (task.digest, recipe.version) != (key.data, key.recipe):
        raise UserError(f"{key.task} from {key.backbone}: the committed grid is of other data or settings.")
    job = Job(task, network, Plan.parse(key.plan), recipe, key.seed, task.draw(key.labels, key.seed))
    held = _folds(np.asarray(task.targets), job.draw.all, FOLDS if key.labels >= SELECT_FROM else key.labels)
    scores = [_on(job, setting, part) for part in (held if folds else held[:1])]
    found = {"accuracy": round(scores[0][0], 4), "losses": [round(x, 4) for x in scores[0][1]]}
    usual = [losses[TEMPERATURES.index(1.0)] for _, losses in scores]
    return found | ({"folded": round(float(np.mean(usual)), 4)} if folds else {})


def _on(job: Job, setting: str, held: np.ndarray) -> tuple[float, list[float]]:
    """(accuracy, log-loss at each temperature) on held-out labelled items of a training on the others."""
    _, predict, _ = job.train(setting, job.draw.all[~np.isin(job.draw.all, held)])
    outputs = torch.cat(list(predict(job.task.train, held))).double()
    wanted = torch.as_tensor(np.asarray(job.task.targets)[held])
    losses = [float(job.task.objective.loss(outputs / t, wanted)) for t in TEMPERATURES]
    return float((outputs.argmax(1) == wanted).double().mean()), losses


def _folds(targets: np.ndarray, rows: np.ndarray, count: int) -> list[np.ndarray]:
    """The labelled items in equal parts, each with its share of a class; first the selection split."""
    of_class = [rows[targets[rows] == one] for one in np.unique(targets[rows])]
    return [np.concatenate([np.array_split(of, count)[k] for of in of_class]) for k in range(-1, count - 1)]
