"""Figures under a slider or buttons: all drawn beforehand, so that a page without a kernel turns them too."""

import base64
import html
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import matplotlib.pyplot as plt
from ipywidgets import HTML, SelectionSlider, ToggleButtons, jslink
from matplotlib.figure import Figure
from PIL import Image

from tlkit.errors import UserError
from tlkit_lessons.widgets.shown import WithStill, stacked

DPI = 100
COLOURS = 96
_WIDE = {"description_width": "initial"}


class Frames(WithStill):
    """Images under a slider or a row of buttons, one in view.

    `slider.index` drives `stack.selected_index` in the browser.
    """

    def __init__(self, slider: SelectionSlider | ToggleButtons, pages: Sequence[HTML], still: bytes):
        self.slider, self.still = slider, still
        self.stack, *style = stacked(pages)
        self.link = jslink((self.slider, "index"), (self.stack, "selected_index"))
        super().__init__([self.slider, self.stack, *style])

    def __repr__(self) -> str:
        return f"Frames({self.slider.description}: {', '.join(label for label, _ in self.slider.options)})"


def drag(draw: Callable[[Any], Any], over: Sequence[Any], name: str, still: Figure | None = None) -> Frames:
    """A slider over the values `over`, and for each the figure (or its axes) that `draw(value)` returns.

    All figures are drawn now, so dragging needs no kernel; keep them small, they travel with the notebook.
    `still` is what a page without widgets shows instead (default: the last frame). The title of a figure
    becomes its alternative text. Raises UserError for fewer than two values, or where `draw` gives no figure.
    """
    if len(over) < 2:
        raise UserError(f"a slider over {list(over)} has nowhere to go: give at least two values.")
    slider = SelectionSlider(
        options=_options(over), description=name, style=_WIDE, layout={"width": "32em", "max_width": "100%"}
    )
    return _turned(slider, draw, over, still)


def click(draw: Callable[[Any], Any], over: Sequence[Any], name: str, still: Figure | None = None) -> Frames:
    """A row of buttons, one for each of the values `over`, and the figure that belongs to the one clicked.

    All else is as for `drag`. Raises UserError as `drag` does.
    """
    if len(over) < 2:
        raise UserError(f"buttons for {list(over)} have nothing to choose from: give at least two values.")
    style = _WIDE | {"button_width": "auto"}
    buttons = ToggleButtons(options=_options(over), description=name, style=style)
    return _turned(buttons, draw, over, still)


def _options(over: Sequence[Any]) -> list[tuple[str, Any]]:
    return [(f"{value:g}" if isinstance(value, float) else str(value), value) for value in over]


def _turned(
    slider: SelectionSlider | ToggleButtons,
    draw: Callable[[Any], Any],
    over: Sequence[Any],
    still: Figure | None,
) -> Frames:
    name = slider.description
    frames = [drawn(draw(value), f"draw({value!r})") for value in over]
    pages = [page(png, title or f"{name}: {value}") for value, (png, title) in zip(over, frames, strict=True)]
    last = frames[-1] if still is None else drawn(still, "still")
    return Frames(slider, pages, last[0])


def drawn(result: Any, what: str) -> tuple[bytes, str]:
    """A figure as PNG and its title; it is closed, so that the cell does not show it a second time."""
    figure = getattr(result, "figure", result)
    if not isinstance(figure, Figure):
        raise UserError(f"{what} gave {type(result).__name__}, not a figure: return the figure or its axes.")
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    plt.close(figure)
    small = BytesIO()  # few colours, a third of the bytes
    Image.open(buffer).convert("RGB").quantize(COLOURS, kmeans=2).save(small, format="png", optimize=True)
    return small.getvalue(), figure.get_suptitle() or next(
        (t for ax in figure.axes if (t := ax.get_title())), ""
    )


def page(picture: bytes, text: str) -> HTML:
    source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    return HTML(f'<img src="{source}" alt="{html.escape(text)}" style="max-width: 100%">')
