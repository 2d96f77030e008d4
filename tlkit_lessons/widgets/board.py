"""The freeze board: click a stage to freeze or train it, see what that costs, and fit."""

import html
from collections.abc import Collection, Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
from ipywidgets import HTML, Button, HBox, ToggleButton, VBox
from matplotlib.figure import Figure

from tlkit import plots
from tlkit import recipe as recipes
from tlkit.backbones import Backbone
from tlkit.errors import UserError
from tlkit.fit import Fit, fit
from tlkit.plans import Plan
from tlkit.recipe import Recipe
from tlkit.tasks import Task
from tlkit_lessons import plan_strip
from tlkit_lessons.nb14_depth import Price, price
from tlkit_lessons.widgets.frames import drawn, page
from tlkit_lessons.widgets.shown import WithStill

_SHOWN = ("frozen", "last-1", "full")  # on a page without widgets
_WIDTH = {"width": "auto"}
_LEAST = 0.1  # the least span of the accuracy axis


def choices(stages: Sequence[str]) -> dict[frozenset[str], Plan]:
    """The sets of stages that some plan trains, from none to all, then single stages."""
    depths = ["frozen", *(f"last-{k}" for k in range(1, len(stages))), "full"]
    plans = map(Plan.parse, [*depths, *(f"block:{name}" for name in stages)])
    found: dict[frozenset[str], Plan] = {}
    for plan in plans:
        found.setdefault(frozenset(plan.tuned(list(stages))), plan)
    return found


def nearest(stages: Sequence[str], trained: Collection[str]) -> tuple[Plan, int]:
    """The plan fewest clicks away from training exactly `trained`, and how many; the first among ties."""
    named = choices(stages)
    best = min(named, key=lambda chosen: len(chosen ^ set(trained)))
    return named[best], len(best ^ set(trained))


class Board(WithStill):
    """A toggle for each stage (`value`: it is trained), its price, a button that fits, a dot for each fit.

    `plan` is the plan whose price is shown, `price` that price, `clicks` how far the choice is from it: none
    where some plan trains this choice. `fits`: what has been fitted, by plan.
    """

    def __init__(
        self, task: Task, backbone: Backbone, labels: int, seed: int, recipe: Recipe, start: frozenset[str]
    ):
        self.task, self.backbone, self.labels, self.seed, self.recipe = task, backbone, labels, seed, recipe
        self.fits: dict[str, Fit] = {}
        self._prices: dict[str, Price] = {}
        self.toggles = [ToggleButton(value=name in start, layout=_WIDTH) for name in backbone.stages]
        self.strip, self.words, self.table, self.result, self.dots = (HTML() for _ in range(5))
        self.button = Button(description="Fit", icon="play", button_style="success")
        for toggle in self.toggles:
            toggle.observe(lambda _: self._show(), "value")
        self.button.on_click(lambda _: self._fit())
        self._show()
        self.still = _still(backbone.stages, [self.price_of(plan) for plan in _SHOWN])
        shown = {"icon": "fire", "disabled": True, "layout": _WIDTH}
        head = ToggleButton(value=True, description="head: trained", **shown)
        left = VBox([self.words, self.table, self.button, self.result], layout={"max_width": "34em"})
        super().__init__([HBox([*self.toggles, head]), self.strip, HBox([left, self.dots])])

    def price_of(self, plan: str) -> Price:
        """The price of a plan, computed once."""
        if plan not in self._prices:
            parsed = Plan.parse(plan)
            self._prices[plan] = price(self.task, self.backbone, parsed, self.labels, self.recipe)
        return self._prices[plan]

    @property
    def price(self) -> Price:
        """The price shown."""
        return self.price_of(str(self.plan))

    def add(self, done: Fit) -> None:
        """Put a finished fit on the board: its accuracy, its audit, and a dot."""
        plan = done.audit.plan
        self.fits[plan] = done
        metric, value = self.task.objective.metric, done.test.metrics[self.task.objective.metric]
        lines = f"{plan}: {metric} {value:.3f} in {done.measured['seconds']:.1f} s.", str(done.audit)
        self.result.value = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
        self.dots.value = page(*drawn(_dots(self.fits, metric), "dots")).value

    def _show(self) -> None:
        trained = []
        for name, toggle in zip(self.backbone.stages, self.toggles, strict=True):
            on = toggle.value
            trained += [name] * on
            toggle.description = f"{name}: {'trained' if on else 'frozen'}"
            toggle.icon, toggle.button_style = ("fire", "warning") if on else ("snowflake-o", "info")
        self.plan, self.clicks = nearest(self.backbone.stages, trained)
        strip = plan_strip.chain(self.backbone.stages, self.plan)
        self.strip.value = page(*drawn(strip, "strip")).value
        self.words.value = self._said(trained)
        self.table.value = _table(self.price, self.price_of("full"))
        self.button.description, self.button.disabled = f"Fit {self.plan}", self.clicks > 0

    def _said(self, trained: Sequence[str]) -> str:
        if not self.clicks:
            return f"This is the plan <b>{self.plan}</b>."
        away = f"{self.clicks} click{'s' * (self.clicks > 1)} away"
        return (
            f"No plan trains just {html.escape(', '.join(trained))}. "
            f"The nearest is <b>{self.plan}</b>, {away}: the strip and the numbers are for it."
        )

    def _fit(self) -> None:
        self.button.disabled, self.result.value = True, "fitting …"
        try:
            self.add(fit(self.task, self.backbone, self.plan, self.labels, self.seed, self.recipe))
        except UserError as error:
            self.result.value = f"<p>{html.escape(str(error))}</p>"
        finally:
            self.button.disabled = self.clicks > 0

    def __repr__(self) -> str:
        return f"Board({self.price})"


def freeze_board(
    task: Task,
    backbone: Backbone,
    labels: int,
    seed: int = 0,
    recipe: Recipe | None = None,
    plan: str = "last-1",
) -> Board:
    """The board for fits at `labels` per class and one seed, by the default recipe or yours, open at `plan`.

    `.toggles[i].value = True` and `.button.click()` do what a reader's clicks do. Every fit is evaluated on
    the test set once. Raises UserError for a plan that is no choice of whole stages, and for too few items.
    """
    named = choices(backbone.stages)
    opens = next((stages for stages, one in named.items() if one == Plan.parse(plan)), None)
    if opens is None:
        known = ", ".join(map(str, named.values()))
        raise UserError(
            f"plan {plan} is no choice of whole stages to open the board at: give one of {known}."
        )
    return Board(task, backbone, labels, seed, recipe or recipes.default(), opens)


def _table(one: Price, whole: Price) -> str:
    """What a plan costs, and its share of the cost of training every stage."""
    rows = {
        "trained parameters": (f"{one.trained:,}", one.trained / whole.trained),
        "operations of the frozen prefix, run once": (f"{one.once / 1e6:,.0f} million", None),
        "operations of each training step": (_steps(one), one.step / whole.step if one.step else None),
        "memory for training": (f"{one.memory / 1e6:.1f} MB", one.memory / whole.memory),
        "predicted time of a fit": (f"{one.seconds:.1f} s", one.seconds / whole.seconds),
    }
    cells = (
        f"<tr><td>{name}</td><td style='text-align: right; padding: 0 1em'>{number}</td>"
        f"<td style='text-align: right'>{'' if share is None else f'{share:.0%} of full'}</td></tr>"
        for name, (number, share) in rows.items()
    )
    return f"<table style='white-space: nowrap; line-height: 1.6'>{''.join(cells)}</table>"


def _steps(one: Price) -> str:
    return f"{one.step / 1e6:,.0f} million" if one.step else "none: the head is fitted by a solver"


def _dots(fits: Mapping[str, Fit], metric: str) -> Figure:
    figure, ax = plt.subplots(figsize=(4.2, 2.9), layout="constrained")
    sides = cycle((1, -1))  # above and below in turn: plans of similar cost are close together
    for (plan, done), side in zip(fits.items(), sides, strict=False):
        cost, value = done.detail["flops_prefix"] + done.detail["flops_suffix"], done.test.metrics[metric]
        ax.plot(cost, value, **plots.look(plan) | {"linestyle": "none"}, markersize=9)
        ax.annotate(plan, (cost, value), (0, side * 13), textcoords="offset points", ha="center", va="center")
    ax.set_xscale("log")
    ax.margins(0.25)
    low, high = ax.get_ylim()
    room = max(0.0, _LEAST - (high - low)) / 2  # a difference of 0.01 must look small
    ax.set_ylim(low - room, high + room)
    ax.set(xlabel="floating-point operations of the fit", ylabel=f"test {metric}")
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def _still(stages: Sequence[str], prices: Sequence[Price]) -> bytes:
    """Strips and prices of a few plans, for a page on which nothing can be clicked."""
    figure, axes = plt.subplots(len(prices), 1, figsize=(6.5, 1.9 * len(prices)), layout="constrained")
    for ax, one in zip(axes, prices, strict=True):
        plan_strip.chain(stages, one.plan, ax).set_title(str(one), loc="left", fontsize=10)
    return drawn(figure, "still")[0]
