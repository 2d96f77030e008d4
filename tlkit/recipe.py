"""How a fit is run: steps, batch, and the same number of configurations for every plan."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from functools import cache

from tlkit.backbones import Backbone
from tlkit.env import data_dir
from tlkit.errors import UserError, unknown
from tlkit.plans import Plan
from tlkit.tasks import SELECT_FROM, Objective
from tlkit.tasks.items import AUGMENTATIONS

PRECISIONS = ("float32", "bfloat16")
HEAT = 3  # a race gives each setting one in so many of the passes
VERSION = 3  # raise it when the meaning of a fit changes: finished fits of another version are run again


@dataclass(frozen=True)
class Recipe:
    """Settings of a fit; any change to them changes `version`, and with it the key of every record.

    steps, epochs: a descent takes at least so many steps and passes through the labelled items, in batches of
    about `batch`. rates: the largest learning rates of a one-cycle schedule (Adam) that descending plans try.
    strengths: scikit-learn's C, tried by probes. baselines: settings that `pixels` tries. The lists are
    equally long: equal tries for all. fixed: the setting per plan where labels are too few to choose, from
    sibling tasks. solve: false lets every probe descend at the rates instead, for those who ask what a solver
    spares.
    augment: learn from `views` views of each item (`tasks.items`), in each pass from the next one; a solved
    probe from all of them at once. precision: "bfloat16" lets every descent multiply in half the digits
    (weights, sums and what is kept stay float32); it pays on processors that are made for it.
    race: each setting that is tried descends for a third of the passes only, by a whole one-cycle schedule of
    its own, and the best learns anew from all labels (one round of successive halving, Jamieson & Talwalkar
    2016, arXiv:1502.07943). What a solver fits is not raced; one setting alone has nothing to race against.
    metric: of those of the task the one by which settings are chosen, and fits judged; "" for its own first.
    """

    steps: int = 60
    epochs: int = 6
    batch: int = 32
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    strengths: tuple[float, ...] = (0.01, 0.1, 1.0)
    baselines: tuple[str, ...] = ("1-nn", "C=0.1", "C=10")
    fixed: tuple[tuple[str, str], ...] = ()
    weight_decay: float = 0.01
    solve: bool = True
    augment: str = ""
    views: int = 1
    precision: str = "float32"
    metric: str = ""
    race: bool = False

    def __post_init__(self) -> None:
        if not 0 < len(self.rates) == len(self.strengths) == len(self.baselines):
            raise UserError(
                "a recipe gives every plan equally many tries: give as many rates as strengths and baselines."
            )
        for number in (*self.rates, *self.strengths):
            if not 0 < number < math.inf:
                raise UserError(f"{number} among rates and strengths: give numbers above 0.")
        if self.steps < 1 or self.batch < 2:
            raise UserError(
                f"steps={self.steps}, batch={self.batch}: give at least 1 step, and batches of 2 or more."
            )
        if (not self.augment and self.views != 1) or self.views < 1:
            raise UserError(
                f"views={self.views} with augment={self.augment!r}: give 1 or more views, and above 1 a name."
            )
        if self.augment and self.augment not in AUGMENTATIONS:
            raise unknown("augmentation", self.augment, AUGMENTATIONS)
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)

    def schedule(self, items: int) -> tuple[int, int]:
        """(epochs, batch size) for a descent on so many items: batches of even size, none of a single item.

        Batch norm cannot learn from one item; only a task of one item gets a batch of one.
        """
        size = math.ceil(items / math.ceil(items / self.batch))
        while items % size == 1 < items:
            size += 1
        return max(self.epochs, math.ceil(self.steps / math.ceil(items / size))), size

    def trial(self, items: int) -> "Recipe":
        """By what each setting is tried on so many items: raced, a third of the passes, one at least."""
        if not self.race:
            return self
        return replace(self, steps=1, epochs=max(1, round(self.schedule(items)[0] / HEAT)))

    @property
    def version(self) -> str:
        # left out as long as they change nothing
        names = "solve", "augment", "views", "precision", "metric", "race"
        later = {name: getattr(Recipe, name) for name in names}
        fields = {k: v for k, v in asdict(self).items() if (k, v) not in later.items()}
        text = json.dumps(fields, sort_keys=True)
        return f"r{VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"

    def tries(self, plan: Plan, labels: int, solved: bool = True) -> list[str]:
        """The settings this plan may try at this budget: one below 5 labels, all of its list from there.

        solved: whether the task's probe is a convex problem; if not, `frozen` descends and tries rates.
        """
        return self.grid(plan, solved) if labels >= SELECT_FROM else [self.usual(plan, solved)]

    def usual(self, plan: Plan, solved: bool = True) -> str:
        """The setting where labels cannot decide: too few of them, or a tie on the selection split."""
        grid = self.grid(plan, solved)
        return dict(self.fixed).get(str(plan).partition("@")[0], grid[len(grid) // 2])

    def grid(self, plan: Plan, solved: bool = True) -> list[str]:
        """All settings of a plan, as text: baselines, strengths or rates."""
        if plan.raw:
            return list(self.baselines)
        values = self.strengths if plan.head_only and solved and self.solve else self.rates
        return [f"{v:g}" if float(f"{v:g}") == v else repr(v) for v in values]

    def solver(self, objective: Objective) -> str | None:
        """Which solver fits the probe of such a task; None where it descends, by nature or by this recipe."""
        return objective.solver if self.solve else None


def suited(backbone: Backbone) -> Recipe:
    """The committed recipe that the backbone's card names under `recipe`, by default the first."""
    return default(backbone.card.get("recipe"))


def default(name: str | None = None) -> Recipe:
    """The committed recipe of that name, by default the first. Raises UserError for an unknown one."""
    known = committed()
    if name is not None and name not in [*known]:
        raise unknown("recipe", str(name), known)
    return known[name or next(iter(known))]


@cache
def committed() -> dict[str, Recipe]:
    """The recipes of `data/recipes.json` by name: one for each kind of network, and older ones of records.

    What a recipe does not give it takes from the one that it names under `as`.
    """
    content = json.loads((data_dir() / "recipes.json").read_text("utf-8"))
    return {name: _read(content.get(raw.pop("as", ""), {}) | raw) for name, raw in content.items()}


def _read(raw: dict) -> Recipe:
    lists = {key: tuple(raw[key]) for key in ("rates", "strengths", "baselines")}
    return Recipe(**raw | lists | {"fixed": tuple(sorted(raw["fixed"].items()))})
