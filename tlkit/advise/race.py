"""What is measured, the cheapest and the most telling first, for as long as there is time."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import product

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
CAREFUL, OVERHEAD = 1.5, 0.01  # a forecast is good to half as much again; seconds a step takes besides
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
        self.folds, self.pool, self.pools = Folds(self.task, rows), 0, {}
        self.backbones, self.dropped, self.untried = {}, {}, {}
        for given in backbones:
            try:
                self.backbones[str(getattr(given, "name", given))] = load(given)
            except UserError as error:
                self.dropped[given] = str(error)
        self.alive = [*self.backbones]
        self.scores: dict[Place, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
        self._jobs: dict[tuple[str, str], Job] = {}

    def run(self) -> Iterator[str]:
        """Measure until there is no time left; yields what ended. Raises UserError where no backbone runs."""
        yield from self._rounds(self.left() / 2)  # half of the time is for the descents
        if not self.backbones.keys() - self.dropped:
            reasons = "; ".join(map(": ".join, self.dropped.items()))
            raise UserError(f"no backbone can be used ({reasons}): name others.")
        if self.pool:
            yield from self._descents(self.standing()[0])
        yield from self._rounds(0)

    def known(self, name: str, plan: str, pool: int, labels: int = 0) -> dict[int, float]:
        """Fold -> accuracy, at the setting that is best on the other folds; labels: by default the most."""
        tried = self.scores[name, plan, labels or self.folds.sizes(pool)[0], pool].values()
        alive = [of for of in tried if len(of) == max(map(len, tried))]  # the others have left the race
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

    def _rounds(self, kept: float) -> Iterator[str]:
        """Linear heads, for more and more items, as long as more than `kept` seconds are left."""
        while self.alive and self.pool < self.folds.largest:
            twice = 2 * self.pool or POOL  # or all items, where a further round had not half as many again
            pool = twice if 1.5 * twice <= self.folds.largest else self.folds.largest
            if not all(self._probed(name, pool, kept if self.pool else 0) for name in self.alive):
                return
            self.alive = self.standing(pool)[: -(-len(self.alive) // 2)]  # the better half goes on
            if self.alive:
                self.pool = pool
                yield f"{pool} items per class"

    def _probed(self, name: str, pool: int, kept: float) -> bool:
        """Heads on the features of one backbone, at several sizes; whether there was time."""
        rows = self.folds.rows(pool)
        try:
            at = features.Cut.end(self.backbones[name], pooled=True)
            for some in np.array_split(rows, -(-len(rows) // CHUNK)):
                if self.left() < kept:
                    return False
                features.activations(at, self.task.train, some)
        except UserError as error:
            self.dropped[name] = str(error)
            return True
        each = product(self.folds.sizes(pool), range(FOLDS), self._settings(name, "frozen"))
        return all(self._measured((name, "frozen", n, pool), setting, k, kept) for n, k, setting in each)

    def _settings(self, name: str, plan: str) -> list[str]:
        how = recipe.suited(self.backbones[name])
        return list(dict.fromkeys([how.usual(Plan.parse(plan)), *how.grid(Plan.parse(plan))]))

    def _descents(self, name: str) -> Iterator[str]:
        """The first fold chooses a setting for each plan; after every later one the worst of three leaves."""
        best = {}
        for n, plan in enumerate(self.plans):
            if place := self._placed(name, plan, len(self.plans) - n):
                tried = [s for s in self._settings(name, plan) if self._try(place, s, 0)]
                found = {s: self.scores[place][s][0] for s in tried}
                best |= {place: max(found, key=found.__getitem__)} if found else {}
        for fold in range(1, FOLDS):
            best = {place: setting for place, setting in best.items() if self._try(place, setting, fold)}
            if best:
                yield f"fold {fold + 1} of {FOLDS}, {', '.join(place[1] for place in best)}"
            if len(best) > 2:
                del best[min(best, key=lambda place: np.mean([*self.gain(*place[:2]).values()]))]

    def _placed(self, name: str, plan: str, plans: int) -> Place | None:
        """On the largest pool where it was begun or fits its share of the time; on the smallest, in all."""
        task, backbone, parsed = self.task, self.backbones[name], Plan.parse(plan)
        how, settings = recipe.suited(backbone), self._settings(name, plan)
        once = forecast.prefix_seconds(task, backbone, parsed.cut(backbone.stages))
        forward, step = forecast.item_seconds(task, backbone, parsed, how)
        pools = sorted({p for b, _, _, p in self.scores if b == name and p <= self.pool})
        for pool in reversed(pools):
            place = name, plan, (labels := self.folds.sizes(pool)[0]), pool
            fit = forecast.fit_seconds(task, how, parsed, labels, (forward, step + OVERHEAD / how.batch))
            seconds = fit / forecast.trainings(task, how, parsed, labels)
            whole = (len(settings) + FOLDS - 1) * seconds + once * len(self.folds.rows(pool))
            share = self.left() / CAREFUL / (plans if pool > pools[0] else 1)
            if whole < share or self._measured(place, settings[0], 0, np.inf):
                self.pools[plan] = pool
                return place
        self.untried[plan] = seconds
        return None

    def _try(self, place: Place, setting: str, fold: int) -> bool:
        """`_measured`, if as much time is left as the longest training of the plan took."""
        took = [r.measured["seconds"] for r in self.store.read() if r.plan == f"{place[1]} {setting}"]
        return self._measured(place, setting, fold, max(took, default=0))

    def _measured(self, place: Place, setting: str, fold: int, kept: float) -> bool:
        """Whether an accuracy is in the store, or found now if more than `kept` seconds are left.

        One that diverged has none. The key names items by content, since those of a folder come and go.
        """
        name, plan, labels, pool = place
        backbone, sides = self.backbones[name], LabelledSubset(*self.folds.draw(fold, labels, pool))
        told = [f"{self.task.train.digests[i]} {self.folds.targets[i]}" for i in sides.all]
        how = recipe.suited(backbone)
        which = digest_of(*told), name, backbone.digest, f"{plan} {setting}", labels, fold, how.version
        key = FitKey(self.task.name, *which)
        if self.left() <= kept and key not in self.store.finished():
            return False
        new = Job(self.task, backbone, Plan.parse(plan), how, fold, sides)
        job = self._jobs.setdefault((name, plan), new)  # which keeps its network
        job.seed, job.draw = fold, sides
        value = study.measure(self.store, key, lambda: job.trial(setting)).value
        self.scores[place][setting] |= {} if value is None else {fold: value}
        return value is not None
