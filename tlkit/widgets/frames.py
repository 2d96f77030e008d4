"""Figures under a slider: all drawn beforehand, so that a page without a kernel slides too."""

import base64
import html
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import matplotlib.pyplot as plt
from ipywidgets import HTML, SelectionSlider, Stack, VBox, jslink
from matplotlib.figure import Figure
from PIL import Image

from tlkit.errors import UserError

DPI = 100
COLOURS = 96
_WIDE = {"description_width": "initial"}


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
