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
from tlkit.plans import Audit, Plan
from tlkit.plots.style import GREY, INK
from tlkit.recipe import Recipe
from tlkit.tasks import Task
from tlkit_lessons import plan_strip
from tlkit_lessons.look import FROZEN, FROZEN_TILE, TRAINED, TRAINED_TILE
from tlkit_lessons.nb14_depth import Price, price
from tlkit_lessons.widgets.frames import drawn, page
from tlkit_lessons.widgets.shown import WithStill

_SHOWN = ("frozen", "last-1", "full")  # on a page without widgets
_WIDTH = {"width": "auto"}
_ROW = {"flex_flow": "row wrap"}  # on a phone one below the other
_LEFT = {"width": "100%", "max_width": "28em"}
_LEAST = 0.1  # the least span of the axis on which fits are compared
_STYLE = f"""<style>
.tlkit-board .widget-html-content, .tlkit-board td, .tlkit-board button {{
  font-family: system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }}
.tlkit-board .tlkit-stage, .tlkit-board .tlkit-stage:disabled {{
  background: {FROZEN_TILE}; color: {INK}; border: 2px solid {FROZEN}; opacity: 1; box-shadow: none; }}
.tlkit-board .tlkit-stage.mod-active {{ background: {TRAINED_TILE}; border-color: {TRAINED}; }}
.tlkit-board .tlkit-fit {{ background: {INK}; color: white; }}
.tlkit-board .tlkit-fit:disabled {{ background: {GREY}; }}
.tlkit-board .widget-html-content {{ line-height: 1.4; }}
.tlkit-board table {{ border-collapse: collapse; width: 100%; line-height: 1.35; font-size: 14px; }}
.tlkit-board td {{ padding: 0.25em 0.5em 0.25em 0; text-align: left; vertical-align: top; }}
.tlkit-board td + td {{ text-align: right; white-space: nowrap; }}
</style>"""


def choices(stages: Sequence[str]) -> dict[frozenset[str], Plan]:
    """The sets of stages that have a plan of their own, from none to all, then single stages."""
    depths = ["frozen", *(f"last-{k}" for k in range(1, len(stages))), "full"]
    plans = map(Plan.parse, [*depths, *(f"block:{name}" for name in stages)])
    found: dict[frozenset[str], Plan] = {}
    for plan in plans:
        found.setdefault(frozenset(plan.tuned(list(stages))), plan)
    return found


def nearest(stages: Sequence[str], trained: Collection[str]) -> tuple[Plan, int]:
    """The plan fewest clicks away from training exactly `trained`, and how many; of equals the first."""
    named = choices(stages)
    best = min(named, key=lambda chosen: len(chosen ^ set(trained)))
    return named[best], len(best ^ set(trained))


class Board(WithStill):
    """A toggle for each stage (`value`: it is trained), the price, a button that fits, a dot for each fit.

    `plan` is the plan whose price is shown, `price` that price, `clicks` how far the choice is from it: none
    where the choice has a name. `fits`: what has been fitted, by plan.
    """

    def __init__(
        self, task: Task, backbone: Backbone, labels: int, seed: int, recipe: Recipe, start: frozenset[str]
    ):
        self.task, self.backbone, self.labels, self.seed, self.recipe = task, backbone, labels, seed, recipe
        self.fits: dict[str, Fit] = {}
        self._prices: dict[str, Price] = {}
        self.toggles = [ToggleButton(value=name in start, layout=_WIDTH) for name in backbone.stages]
        self.strip, self.words, self.table, self.result, self.dots = (HTML() for _ in range(5))
        self.button = Button(
            description="Fit", icon="play", layout=_WIDTH | {"align_self": "flex-start"}
        ).add_class("tlkit-fit")
        for toggle in self.toggles:
            toggle.observe(lambda _: self._show(), "value")
        self.button.on_click(lambda _: self._fit())
        self._show()
        self.still = _still(backbone.stages, [self.price_of(plan) for plan in _SHOWN])
        head = ToggleButton(
            value=True, description="head: trained", icon="fire", disabled=True, layout=_WIDTH
        )
        row = [toggle.add_class("tlkit-stage") for toggle in (*self.toggles, head)]
        left = VBox([self.words, self.table, self.button, self.result], layout=_LEFT)
        below = HBox([left, self.dots], layout=_ROW)
        super().__init__([HBox(row, layout=_ROW), self.strip, below, HTML(_STYLE)])
        self.add_class("tlkit-board")

    def price_of(self, plan: str) -> Price:
        """The price of a plan, found once."""
        if plan not in self._prices:
            parsed = Plan.parse(plan)
            self._prices[plan] = price(self.task, self.backbone, parsed, self.labels, self.recipe)
        return self._prices[plan]

    @property
    def price(self) -> Price:
        """The price on show."""
        return self.price_of(str(self.plan))

    def add(self, done: Fit) -> None:
        """Put a finished fit on the board: its accuracy, its audit, and a dot."""
        plan = done.audit.plan
        self.fits[plan] = done
        metric, value = self.task.objective.metric, done.test.metrics[self.task.objective.metric]
        lines = f"{plan}: {metric} {value:.3f} in {done.measured['seconds']:.1f} s.", _audited(done.audit)
        self.result.value = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
        said = f"Test {metric} over operations: {', '.join(self.fits)}"
        self.dots.value = page(drawn(_dots(self.fits, metric), "dots")[0], said).value

    def _show(self) -> None:
        trained = []
        for name, toggle in zip(self.backbone.stages, self.toggles, strict=True):
            trained += [name] * toggle.value
            toggle.description = f"{name}: {'trained' if toggle.value else 'frozen'}"
            toggle.icon = "fire" if toggle.value else "snowflake-o"
        self.plan, self.clicks = nearest(self.backbone.stages, trained)
        strip = plan_strip.chain(self.backbone.stages, self.plan)
        self.strip.value = page(drawn(strip, "strip")[0], f"What {self.plan} freezes and trains").value
        self.words.value = self._said(trained)
        self.table.value = _table(self.price, self.price_of("full"))
        self.button.description, self.button.disabled = f"Fit {self.plan}", self.clicks > 0

    def _said(self, trained: Sequence[str]) -> str:
        if not self.clicks:
            return f"This plan is called <b>{self.plan}</b>."
        away = f"{self.clicks} click{'s' * (self.clicks > 1)} away"
        return (
            f"No plan trains just {html.escape(', '.join(trained))}. The nearest one is <b>{self.plan}</b>, "
            f"{away}; strip and numbers belong to it."
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
    """The board for fits at `labels` a class and one seed, by the default recipe or yours, open at `plan`.

    `.toggles[i].value = True` and `.button.click()` do what a reader's clicks do. Every fit reads the test
    once. Raises UserError for a plan that is no choice of whole stages, and for too few items.
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
    """What a plan costs, and how much of what it costs to train every stage."""
    rows = {
        "trained parameters": (f"{one.trained:,}", one.trained / whole.trained),
        "operations of the frozen stages, once": (f"{one.once / 1e6:,.0f} million", None),
        "operations of each step": (_steps(one), one.step / whole.step if one.step else None),
        "memory for training": (f"{one.memory / 1e6:.1f} MB", one.memory / whole.memory),
        "predicted time of a fit": (f"{one.seconds:.1f} s", one.seconds / whole.seconds),
    }
    cells = (
        f"<tr><td>{name}</td><td>{number}</td><td>{'' if share is None else f'{share:.0%} of full'}</td></tr>"
        for name, (number, share) in rows.items()
    )
    return f"<table>{''.join(cells)}</table>"


def _steps(one: Price) -> str:
    return f"{one.step / 1e6:,.0f} million" if one.step else "none: fitted by a solver"


def _audited(audit: Audit) -> str:
    """What a fit changed, in a sentence; a fit that changes a frozen tensor raises, so it never gets here."""
    return f"{len(audit.moved)} tensors changed, {len(audit.still)} unchanged; no frozen one changed."


def _dots(fits: Mapping[str, Fit], metric: str) -> Figure:
    figure, ax = plt.subplots(figsize=(4.2, 2.9), layout="constrained")
    sides = cycle((1, -1))  # above and below in turn: the plans that cost alike stand close together
    for (plan, done), side in zip(fits.items(), sides, strict=False):
        cost, value = done.detail["flops_prefix"] + done.detail["flops_suffix"], done.test.metrics[metric]
        ax.plot(cost, value, **plots.look(plan) | {"linestyle": "none"}, markersize=9)
        ax.annotate(plan, (cost, value), (0, side * 13), textcoords="offset points", ha="center", va="center")
    ax.set_xscale("log")
    ax.margins(0.25)
    low, high = ax.get_ylim()
    room = max(0.0, _LEAST - (high - low)) / 2  # a hundredth must not look like a gulf
    ax.set_ylim(low - room, high + room)
    ax.set(xlabel="floating-point operations of the fit", ylabel=f"test {metric} (one seed)")
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def _still(stages: Sequence[str], prices: Sequence[Price]) -> bytes:
    """Strips and prices of a few plans, for a page on which nothing can be clicked."""
    figure, axes = plt.subplots(len(prices), 1, figsize=(6.5, 1.9 * len(prices)), layout="constrained")
    for ax, one in zip(axes, prices, strict=True):
        plan_strip.chain(stages, one.plan, ax).set_title(str(one), loc="left", fontsize=10)
    return drawn(figure, "still")[0]
