"""What every figure owes its reader: a title that says the message, legible text, a width that fits."""

import re
from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.text import Text

CONTRAST = 4.5  # of text with what lies behind it: WCAG 2.1, level AA
POINTS = 7.5  # the smallest type
INCHES = 11.0  # a wider figure is shrunk by the page, and its type with it
WORDS = 3  # of a title that says something
STATISTICS = re.compile(r"\[[^\]]*\d[^\]]*\]|±|\bp [<=]")


def faults(figure: Figure) -> list[str]:
    """What this figure lacks, each as a phrase; [] where nothing. Draws it, to know where its text stands."""
    figure.canvas.draw()
    return [*_titles(figure), *_width(figure), *_texts(figure)]


def contrast(colour: str, behind: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.1, relative luminance)."""
    light, dark = sorted((_luminance(colour), _luminance(behind)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def title(figure: Figure) -> str:
    """The title of the figure, else those of its axes, in one string."""
    every = [ax.get_title(loc) for ax in figure.axes for loc in ("left", "center", "right")]
    return figure.get_suptitle() or " / ".join(filter(None, every))


def _titles(figure: Figure) -> Iterator[str]:
    said = title(figure)
    if any(map(_is_plot, figure.axes)) and len(said.split()) < WORDS:
        yield f"a data plot needs a title that says its message, not {said!r}"
    if STATISTICS.search(said):
        yield f"statistics stand in the title {said!r}: say the message, and leave them to the text"


def _is_plot(ax: Axes) -> bool:
    return ax.axison and bool(ax.lines or ax.collections or ax.containers)


def _width(figure: Figure) -> Iterator[str]:
    if figure.get_figwidth() > INCHES:
        yield f"{figure.get_figwidth():.1f} inches wide, more than {INCHES:g}: its type would be too small"


def _texts(figure: Figure) -> Iterator[str]:
    for text in figure.findobj(Text):
        if not text.get_visible() or not re.search(r"\w", text.get_text()) or not _shown(text):
            continue
        if text.get_fontsize() < POINTS:
            yield f"{text.get_text()!r} is set in {text.get_fontsize():g} points, less than {POINTS:g}"
        behind = _behind(text)
        if behind and (ratio := contrast(text.get_color(), behind)) < CONTRAST:
            yield f"{text.get_text()!r} has a contrast of {ratio:.1f} to 1, less than {CONTRAST:g}"


def _shown(text: Text) -> bool:
    """False for the labels of axes that are off."""
    ax = text.axes
    if ax is None or ax.axison:
        return True
    owned = {*ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label, ax.yaxis.label}
    return text not in owned


def _behind(text: Text) -> str | tuple | None:
    """The colour a text stands on; None where that is an image, or cannot be said."""
    box = text.get_bbox_patch()
    if box is not None and box.get_facecolor()[3] > 0.5:
        return box.get_facecolor()[:3]
    ax, middle = text.axes, text.get_window_extent()
    centre = ((middle.x0 + middle.x1) / 2, (middle.y0 + middle.y1) / 2)
    if ax is None or not ax.bbox.contains(*centre):
        return "white"
    if ax.images:
        return None
    below = [p for p in ax.patches if _covers(p, centre)]
    face = max(below, key=lambda p: p.get_zorder()).get_facecolor() if below else ax.get_facecolor()
    return _over_white(face)


def _covers(patch: Patch, point: tuple[float, float]) -> bool:
    shown = patch.get_visible() and patch.get_facecolor()[3] > 0
    return shown and patch.get_path().contains_point(point, patch.get_transform())


def _over_white(face: tuple[float, float, float, float]) -> tuple[float, ...]:
    *colour, alpha = face
    return tuple(alpha * c + 1 - alpha for c in colour)
