"""How to race the settings of a fit: four designs beside trying every setting in full, paired by seed.

Written before the run. In every design each setting learns for a third of the passes (rounded, at least one)
on the labelled items without the selection split, and the best on that split goes on:

  short            by a whole one-cycle schedule of its own; the last training begins anew, on all labels
  short, goes on   the same; the last training goes on from the best network, by a one-cycle of what is left
  cut              by the first third of the full schedule; the last training begins anew
  cut, goes on     the same; the last training goes on where it stands, optimiser included, on all labels

Rule: a design is out whose mean test accuracy lies more than .01 below trying in full in any cell, or more
than .005 below it over all cells. Of those left the cheapest is built; of equal cost the one of the higher
mean. Whether it then costs accuracy is another claim's question, on other seeds (`race` in data/claims.toml).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from fastai.callback.core import Callback, CancelFitException
from fastai.callback.schedule import Learner

from tlkit import backbones, study, tasks
from tlkit import recipe as recipes
from tlkit.fit import _best
from tlkit.fit.job import Job
from tlkit.plans import Plan
from tlkit.records import FitKey, Store
from tlkit.tasks import Evaluation

SHARE = 3
DESIGNS = ("in full", "short", "short, goes on", "cut", "cut, goes on")
PHOTOS = "efficientnet_lite0,size=96"
SEEDS = tuple(range(40, 45))  # that nobody had looked at
CELLS = (  # task, backbone, plan, labels, seeds
    *(("digits", "letters", plan, n, SEEDS) for plan in ("last-1", "full") for n in (5, 20)),
    *((task, PHOTOS, "last-1", n, SEEDS) for task in ("caltech_wildlife", "neu_steel") for n in (5, 10)),
    ("neu_steel", PHOTOS, "full", 5, SEEDS[:3]),
)


class _Stop(Callback):
    """Ends a training after so many passes of its schedule."""

    def __init__(self, passes: int):
        self.passes = passes

    def before_epoch(self) -> None:
        if self.epoch == self.passes:
            raise CancelFitException


@contextmanager
def scheduled(how: Callable[..., None]) -> Iterator[None]:
    """Inside, `how(plain, learner, passes, **options)` is what runs a one-cycle schedule."""
    plain = Learner.fit_one_cycle
    Learner.fit_one_cycle = lambda learner, passes, **options: how(plain, learner, passes, **options)
    try:
        yield
    finally:
        Learner.fit_one_cycle = plain


def third(passes: int) -> int:
    return max(1, round(passes / SHARE))


class Race:
    """The designs on one draw: what two of them share is trained once."""

    def __init__(self, task: str, backbone: str, plan: str, labels: int, seed: int):
        task, backbone = tasks.load(task), backbones.load(backbone)
        recipe = replace(recipes.suited(backbone), race=False)
        self.job = Job(task, backbone, Plan.parse(plan), recipe, seed, task.draw(labels, seed))
        self.settings = recipe.tries(self.job.plan, labels)
        self.usual, self.heats = recipe.usual(self.job.plan), {}
        weights = backbone.digest
        self.key = FitKey(task.name, task.digest, backbone.name, weights, plan, labels, seed, recipe.version)

    def heat(self, kind: str) -> tuple[dict, dict]:
        """Scores and (chain, learner) of every setting after its third, of schedule `kind`; once."""
        if kind not in self.heats:
            scores, stand = {}, {}
            for setting in self.settings:
                learners = []

                def run(plain: Callable, learner: Learner, passes: int, learners=learners, **options) -> None:
                    learners.append(learner)
                    if kind == "short":
                        return plain(learner, third(passes), **options)
                    return plain(learner, passes, cbs=[_Stop(third(passes))], **options)

                with scheduled(run):
                    chain, predict, _ = self.job.train(setting, self.job.draw.fit)
                scores[setting], stand[setting] = (
                    self.job.score(predict, self.job.draw.select),
                    (chain, *learners),
                )
            self.heats[kind] = scores, stand
        return self.heats[kind]

    def run(self, design: str) -> Evaluation:
        job, (kind, _, goes_on) = self.job, design.partition(", ")
        if kind == "in full":
            scores = {setting: job.trial(setting) for setting in self.settings}
        else:
            scores, stand = self.heat(kind)
        best = _best(scores, 1, self.usual)
        if not goes_on:
            _, predict, _ = job.train(best, job.draw.all)
        else:
            chain, before = stand[best]

            def run(plain: Callable, learner: Learner, passes: int, **options) -> None:
                if kind == "short":
                    return plain(learner, passes - third(passes), **options)
                learner.create_opt()
                learner.opt.opt.load_state_dict(before.opt.opt.state_dict())
                return plain(learner, passes, start_epoch=third(passes), **options)

            with scheduled(run):
                job._descend(
                    chain, job.plan, job.draw.all, np.asarray(job.task.targets)[job.draw.all], float(best)
                )
            predict = job._predictor(chain)
        found = job.task.evaluate(lambda items: predict(items, np.arange(len(items))), design)
        return replace(found, detail={"setting": best, "tried": scores})


def record(store: Store, show: Callable[[int, int], None]) -> None:
    """All designs on all cells, by `study.measure`: the design stands behind the recipe's version."""
    draws = [(cell[:4], seed) for cell in CELLS for seed in cell[4]]
    for done, (cell, seed) in enumerate(draws, 1):
        race = Race(*cell, seed)
        for design in DESIGNS:
            key = race.key._replace(recipe=f"{race.key.recipe} {design}")
            study.measure(store, key, lambda race=race, design=design: race.run(design))
        show(done, len(draws))


def told(store: Store) -> None:
    """Mean difference from trying in full, cell by cell and over all."""
    rows = {(*row[:7],): {} for row in map(_key, store.read())}
    for row in store.read():
        rows[_key(row)[:7]][row.recipe.partition(" ")[2]] = row.value
    cells: dict[tuple, list[dict]] = {}
    for key, found in rows.items():
        cells.setdefault((key[0], key[4], key[5]), []).append(found)
    for design in DESIGNS[1:]:
        gain = {cell: np.mean([d[design] - d["in full"] for d in found]) for cell, found in cells.items()}
        print(design, f"{np.mean([*gain.values()]):+.4f}", {c: f"{v:+.3f}" for c, v in gain.items()})


def _key(row) -> tuple:
    return row.task, row.data, row.backbone, row.weights, row.plan, row.labels, row.seed
