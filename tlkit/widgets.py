"""Sliders that also work on a page without a kernel: a guess to store, and figures to drag through.

Everything that moves is linked in the browser, so a saved notebook or a static page slides too. Where no
widget is drawn at all (a notebook not yet trusted, a preview on the web) the same output shows a picture or a
line of text.
"""

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from typing import Any

import matplotlib.pyplot as plt
from ipywidgets import HTML, FloatSlider, IntSlider, SelectionSlider, Stack, VBox, jslink
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from tlkit import claims, plots
from tlkit.errors import UserError
from tlkit.records import Record, Store
from tlkit.stats import Verdict

DPI = 100
COLOURS = 96
_WIDE = {"description_width": "initial"}


class Guess(VBox):
    """A slider that keeps a guess; `value` is the number, whether or not anybody has moved it."""

    def __init__(self, slider: IntSlider | FloatSlider, question: str):
        self.slider, self.question = slider, question
        super().__init__([HTML(f"<b>{html.escape(question)}</b>"), slider])

    @property
    def value(self) -> float:
        """The guess as it stands."""
        return self.slider.value

    def __repr__(self) -> str:
        return f"Guess({self.value:g})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict:
        still = f"<b>{html.escape(self.question)}</b> {self.value:g} (a slider, once this cell has run)"
        return super()._repr_mimebundle_(**kwargs) | {"text/html": still}


def guess(question: str, value: float, low: float = 0, high: float = 1, step: float = 0.01) -> Guess:
    """A slider from `low` to `high` for a guess, standing at `value`; whole numbers where all four are whole.

    Draw `.value` on the figure that answers the question. Raises UserError for a value outside of the slider.
    """
    if not low <= value <= high:
        raise UserError(
            f"a guess of {value:g} lies outside of the slider: give one from {low:g} to {high:g}."
        )
    whole = all(isinstance(number, int) for number in (value, low, high, step))
    slider = (IntSlider if whole else FloatSlider)(
        value=value, min=low, max=high, step=step, layout={"width": "32em"}
    )
    return Guess(slider, question)


class Frames(VBox):
    """Pictures under a slider, one in view; `slider.index` drives `stack.selected_index` in the browser."""

    def __init__(self, name: str, values: Sequence[Any], pages: Sequence[HTML], still: bytes):
        self.still = still
        options = [(f"{value:g}" if isinstance(value, float) else str(value), value) for value in values]
        layout = {"width": "32em"}
        self.slider = SelectionSlider(options=options, description=name, style=_WIDE, layout=layout)
        self.stack = Stack(pages, selected_index=0)
        self.link = jslink((self.slider, "index"), (self.stack, "selected_index"))
        super().__init__([self.slider, self.stack])

    def __repr__(self) -> str:
        return f"Frames({self.slider.description}: {', '.join(label for label, _ in self.slider.options)})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict:
        still = base64.b64encode(self.still).decode()
        return super()._repr_mimebundle_(**kwargs) | {"image/png": still}


def drag(draw: Callable[[Any], Any], over: Sequence[Any], name: str, still: Figure | None = None) -> Frames:
    """A slider over the values `over`, and for each the figure (or its axes) that `draw(value)` returns.

    All figures are drawn now, so dragging needs no kernel; keep them small, they travel with the notebook.
    `still` is what a page without widgets shows instead (default: the last frame). The title of a figure
    becomes its alternative text. Raises UserError for fewer than two values, or where `draw` gives no figure.
    """
    if len(over) < 2:
        raise UserError(f"a slider over {list(over)} has nowhere to go: give at least two values.")
    frames = [_drawn(draw(value), f"draw({value!r})") for value in over]
    pages = [
        _page(png, title or f"{name}: {value}") for value, (png, title) in zip(over, frames, strict=True)
    ]
    last = frames[-1] if still is None else _drawn(still, "still")
    return Frames(name, over, pages, last[0])


def label_slider(store: Store, plans: Sequence[str], against: str = "scratch") -> Frames:
    """Drag the labels: the seeds of `plans` as dots, and what transferred plans gain over `against` so far.

    The verdicts that head the frames are one family: the comparisons shown, no others. A mark stands where
    the gain of a plan ends for good. Raises UserError where the store holds fewer than two budgets of them.
    """
    transferred = [plan for plan in plans if plan not in (*claims.BASELINES, against)]
    records = store.read()
    shown = [r for r in records if r.plan in (*transferred, against)]
    pairs = claims.pairs(store, shown, baselines=(against,))
    judged = {(p.plan, p.labels): p.verdict for p in pairs}
    budgets = sorted({n for _, n in judged})
    if len(budgets) < 2:
        raise UserError(
            f"{', '.join(transferred)} and {against} share {len(budgets)} budgets: run them at two or more."
        )
    stops = {plan: plots.stops_paying(shown, [plan], pairs, against) for plan in transferred}
    draw = partial(_frame, records=records, plans=plans, against=against, judged=judged, stops=stops)
    return drag(
        draw, budgets, "labels per class", plots.accuracy_by_labels(records, plans, pairs=pairs).figure
    )


Judged = Mapping[tuple[str, int], Verdict]  # by plan and labels


def _frame(
    labels: int,
    records: list[Record],
    plans: Sequence[str],
    against: str,
    judged: Judged,
    stops: Mapping[str, int | None],
) -> Figure:
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.7), layout="constrained")
    for x, plan in enumerate(plans):
        _dots(left, x, plan, plots.by_labels(records, plan).get(labels, {}))
    left.set_xticks(range(len(plans)), plans)
    lowest = min(r.value for r in records if r.plan in plans and r.split == "test" and r.status == "ok")
    left.set(
        xlim=(-0.6, len(plans) - 0.4), ylim=(lowest - 0.03, 1.01), ylabel="test accuracy, a dot per seed"
    )
    _gains(right, labels, judged)
    right.set_ylabel(f"gain over {against}")
    _marks(right, {plan: stop for plan, stop in stops.items() if stop is not None and stop <= labels})
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    heading = [v.sentence(plan, against) for (plan, n), v in judged.items() if n == labels]
    figure.suptitle("\n".join([f"{labels} label{'s' * (labels != 1)} per class", *heading]), fontsize=10)
    return figure


def _marks(ax: Axes, stops: Mapping[str, int]) -> None:
    for k, (plan, stop) in enumerate(stops.items()):
        ax.axvline(stop, color=plots.look(plan)["color"], linestyle=":", zorder=0)
        place, text = ax.get_xaxis_transform(), f"from here on no\ngain is shown: {plan}"
        note = ax.text(stop / 1.05, 0.99 - 0.16 * k, text, transform=place, ha="right", va="top", fontsize=9)
        note.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
        note.set_in_layout(False)


def _dots(ax: Axes, x: float, plan: str, seeds: Mapping[int, float]) -> None:
    """One column, the seeds side by side in their order, so that a seed stands at the same place in each."""
    offsets = [0.5 * (i / max(len(seeds) - 1, 1) - 0.5) for i in range(len(seeds))]
    values = [seeds[seed] for seed in sorted(seeds)]
    ax.plot([x + offset for offset in offsets], values, **plots.look(plan) | {"linestyle": "none"})
    if values:
        ax.hlines(sum(values) / len(values), x - 0.36, x + 0.36, color="black", linewidth=1.2)


def _gains(ax: Axes, labels: int, judged: Judged) -> None:
    """The gains up to `labels`, on axes that stay the same in every frame; an open marker: not better."""
    budgets = sorted({n for _, n in judged})
    ax.axhline(0, color="black", linewidth=1)
    for k, plan in enumerate(dict.fromkeys(plan for plan, _ in judged)):
        style, shown = plots.look(plan), [n for n in budgets if n <= labels and (plan, n) in judged]
        places = [n * 1.05**k for n in shown]  # side by side, so that intervals can be told apart
        means = [judged[plan, n].mean for n in shown]
        ax.plot(places, means, **style | {"marker": "", "label": None})
        ax.plot([], [], **style)
        for n, x in zip(shown, places, strict=True):
            v, size = judged[plan, n], 10 if n == labels else 6
            face = style["color"] if v.word == "better" else "white"
            ax.vlines(x, v.low, v.high, color=style["color"], linewidth=1.6)
            ax.plot(x, v.mean, **style | {"markerfacecolor": face, "label": None}, markersize=size)
    low, high = min(0, *(v.low for v in judged.values())), max(v.high for v in judged.values())
    ax.set_xscale("log")
    ax.set_xticks(budgets, [str(n) for n in budgets])
    ax.minorticks_off()
    ax.set(xlim=(budgets[0] / 1.3, budgets[-1] * 1.4), ylim=(low - 0.03, high + 0.35 * (high - low)))
    ax.set_xlabel("labels per class (open: not better)")
    ax.legend(handlelength=3, fontsize=9, loc="center right", framealpha=1, edgecolor="white")


def _drawn(result: Any, what: str) -> tuple[bytes, str]:
    """A figure as PNG and its title; it is closed, so that the cell does not show it a second time."""
    figure = getattr(result, "figure", result)
    if not isinstance(figure, Figure):
        raise UserError(f"{what} gave {type(result).__name__}, not a figure: return the figure or its axes.")
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    plt.close(figure)
    small = BytesIO()  # few colours, a third of the bytes
    Image.open(buffer).convert("RGB").quantize(COLOURS).save(small, format="png", optimize=True)
    return small.getvalue(), figure.get_suptitle() or next(
        (t for ax in figure.axes if (t := ax.get_title())), ""
    )


def _page(picture: bytes, text: str) -> HTML:
    source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    return HTML(f'<img src="{source}" alt="{html.escape(text)}" style="max-width: 100%">')
