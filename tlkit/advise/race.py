"""What is measured, the cheapest and the most telling first, for as long as there is time."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tlkit import features, forecast, recipe, study
from tlkit.advise.folds import FOLDS, Folds
from tlkit.backbones import Backbone, load
from tlkit.errors import UserError
from tlkit.fit.job import Job
from tlkit.plans import Plan
from tlkit.records import FitKey, Store
from tlkit.tasks import LabelledSubset, Task
from tlkit.tasks.items import digest_of

PLANS = ("last-1", "lp-ft", "full")  # that descend, the cheapest first
POOL = 12  # items a class of the first round; every later one has twice as many
CHUNK = 32  # items between two looks at the clock
CAREFUL = 1.5  # a forecast is good to half as much again
STEP, OVERHEAD = 3, 0.01  # a step takes so many forward passes, and so many seconds at least
Place = tuple[str, str, int, int]  # backbone, plan, labels a class, pool


class Race:
    """Accuracies on folds, kept in a store, so that a second run goes on where the first one ended.

    backbones: or their names; left(): seconds that are left; rows: the training items to use. scores: place
    -> setting -> fold -> accuracy; dropped: backbones that do not run, and why; untried: plan -> seconds of a
    training; pool: of the last whole round; pools: those that descending plans are tried on.
    """

    def __init__(
        self, task: Task, backbones: Sequence[str | Backbone], store: Store, left: Callable[[], float],
        rows: np.ndarray | None = None, plans: Sequence[str] = PLANS,
    ):  # fmt: skip
        self.task, self.store, self.left, self.plans = task.judged("accuracy"), store, left, tuple(plans)
        self.folds, self.whole, self.pool, self.pools = Folds(self.task, rows), left(), 0, {}
        self.backbones, self.dropped, self.untried = {}, {}, {}
        for given in backbones:
            try:
                self.backbones[str(getattr(given, "name", given))] = load(given)
            except UserError as error:
                self.dropped[given] = str(error)
        self.scores: dict[Place, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
        self._jobs: dict[tuple[str, str], Job] = {}

    def run(self) -> Iterator[str]:
        """Measure until there is no time left; yields what ended. Raises UserError where no backbone runs."""
        alive = [*self.backbones]
        for kept in (self.whole / 2, 0):  # half of the time is for the descents
            self.kept = kept
            pool = self._larger(self.pool or POOL / 2)
            while alive and self.pool < pool and self._round(alive, pool):
                alive = self.standing(pool)[: -(-len(alive) // 2)]  # the better half goes on
                if alive:
                    self.pool, pool = pool, self._larger(pool)
                    yield f"{self.pool} items per class"
            if not self.backbones.keys() - self.dropped:
                reasons = "; ".join(map(": ".join, self.dropped.items()))
                raise UserError(f"no backbone can be used ({reasons}): name others.")
            if self.pool and kept:
                yield from self._descents(self.standing()[0])

    def known(self, name: str, plan: str, pool: int, labels: int = 0) -> dict[int, float]:
        """Fold -> accuracy, at the setting that is best on the other folds; labels: by default the most."""
        tried = self.scores[name, plan, labels or self.folds.sizes(pool)[0], pool]
        most = max(map(len, tried.values()), default=0)
        alive = [of for of in tried.values() if len(of) == most]  # the others have left the race
        folds = sorted(set.intersection(*map(set, alive))) if alive else []
        return {k: max(alive, key=lambda of: sum(of.values()) - of[k])[k] for k in folds}

    def gain(self, name: str, plan: str) -> dict[int, float]:
        """Fold -> how far a plan is above a linear head; the first fold only chose its setting."""
        pool = self.pools.get(plan, self.pool)
        found, head = self.known(name, plan, pool), self.known(name, "frozen", pool)
        return {k: v - head[k] for k, v in found.items() if k}

    def standing(self, pool: int = 0) -> list[str]:
        """Backbones measured in a round, by default the last whole one, the best first."""
        found = {name: self.known(name, "frozen", pool or self.pool) for name in self.backbones}
        means = {name: np.mean([*folds.values()]) for name, folds in found.items() if len(folds) == FOLDS}
        return sorted(means, key=means.__getitem__, reverse=True)

    def _larger(self, pool: float) -> int:
        """The pool of the next round; all items, where a further one would not be half as large again."""
        return int(2 * pool) if 3 * pool <= self.folds.largest else self.folds.largest

    def _round(self, alive: list[str], pool: int) -> bool:
        """Probes of frozen features at several sizes; whether there was time."""
        late = lambda: self.left() < (self.kept if self.pool else 0)  # noqa: E731
        rows = self.folds.rows(pool)
        for name in alive:
            try:
                at = features.Cut.end(self.backbones[name], pooled=True)
                for some in np.array_split(rows, -(-len(rows) // CHUNK)):
                    if late():
                        return False
                    features.activations(at, self.task.train, some)
            except UserError as error:
                self.dropped[name] = str(error)
                continue
            for labels in self.folds.sizes(pool):
                for fold in range(FOLDS):
                    for setting in self._settings(name, "frozen"):
                        if late():
                            return False
                        self._measure((name, "frozen", labels, pool), setting, fold)
        return True

    def _settings(self, name: str, plan: str) -> list[str]:
        how = recipe.suited(self.backbones[name])
        return list(dict.fromkeys([how.usual(Plan.parse(plan)), *how.grid(Plan.parse(plan))]))

    def _descents(self, name: str) -> Iterator[str]:
        """The first fold chooses a setting for each plan; after every later one the worst of three leaves."""
        best = {}
        for n, plan in enumerate(self.plans):
            if place := self._placed(name, plan, len(self.plans) - n):
                for setting in self._settings(name, plan):
                    self._try(place, setting, 0)
                tried = {setting: of[0] for setting, of in self.scores[place].items() if 0 in of}
                best |= {place: max(tried, key=tried.__getitem__)} if tried else {}
        for fold in range(1, FOLDS):
            best = {place: setting for place, setting in best.items() if self._try(place, setting, fold)}
            if best:
                yield f"fold {fold + 1} of {FOLDS}, {', '.join(place[1] for place in best)}"
            if len(best) > 2:
                del best[min(best, key=lambda place: np.mean([*self.gain(*place[:2]).values()]))]

    def _placed(self, name: str, plan: str, plans: int) -> Place | None:
        """On the largest pool where its trainings fit its share of the time, or on the smallest all of it."""
        backbone, parsed = self.backbones[name], Plan.parse(plan)
        how, cut = recipe.suited(backbone), parsed.cut(backbone.stages)
        once = forecast.prefix_seconds(self.task, backbone, cut)
        if cut:
            forward, step = forecast.item_seconds(self.task, backbone, parsed, how)
        else:  # a step of a whole network would cost too much of the time
            forward = forecast.prefix_seconds(self.task, backbone, len(backbone.stages)) - once
            step = STEP * forward
        for pool in sorted({p for b, _, _, p in self.scores if b == name and p <= self.pool}, reverse=True):
            fitted, held = self.folds.draw(0, labels := self.folds.sizes(pool)[0], pool)
            passes = how.schedule(len(fitted))[0] * len(fitted)
            seconds = passes * (step + OVERHEAD / how.batch) + len(held) * forward
            place, tries = (name, plan, labels, pool), self._settings(name, plan)
            there = [[self._key(place, s, k) in self.store.finished() for k in range(FOLDS)] for s in tries]
            trainings = len(tries) + FOLDS - 1 - sum(of[0] for of in there) - max(sum(of[1:]) for of in there)
            share = self.left() / CAREFUL / (plans if pool > self._larger(POOL / 2) else 1)
            if not trainings or trainings * seconds + once * len(self.folds.rows(pool)) < share:
                self.pools[plan] = pool
                return place
        self.untried[plan] = seconds
        return None

    def _try(self, place: Place, setting: str, fold: int) -> bool:
        """Measure if as much time is left as the longest training of the plan took; whether it is known."""
        took = [r.measured["seconds"] for r in self.store.read() if r.plan == f"{place[1]} {setting}"]
        if self.left() > max(took, default=0) or self._key(place, setting, fold) in self.store.finished():
            self._measure(place, setting, fold)
        return fold in self.scores[place][setting]

    def _key(self, place: Place, setting: str, fold: int) -> FitKey:
        """Names what is fitted and what is asked by content, since items of a folder come and go."""
        name, plan, labels, pool = place
        rows, backbone = np.concatenate(self.folds.draw(fold, labels, pool)), self.backbones[name]
        told = [f"{self.task.train.digests[i]} {self.folds.targets[i]}" for i in rows]
        which = f"{plan} {setting}", labels, fold, recipe.suited(backbone).version
        return FitKey(self.task.name, digest_of(*told), name, backbone.digest, *which)

    def _measure(self, place: Place, setting: str, fold: int) -> None:
        """The accuracy on a fold, from the store or by a training; one that diverged has none."""
        name, plan, labels, pool = place
        sides, backbone = LabelledSubset(*self.folds.draw(fold, labels, pool)), self.backbones[name]
        if (name, plan) not in self._jobs:
            how = self.task, backbone, Plan.parse(plan), recipe.suited(backbone), fold
            self._jobs[name, plan] = Job(*how, sides)
        job = self._jobs[name, plan]
        job.seed, job.draw = fold, sides
        key = self._key(place, setting, fold)
        value = study.measure(self.store, key, lambda: job.trial(setting)).value
        if value is not None:
            self.scores[place][setting][fold] = value
