"""What every report is made of: figures as text, sections, and the one template."""

import base64
import io
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from PIL import Image, ImageOps

from tlkit import backbones, compare, env, stats
from tlkit.errors import UserError
from tlkit.files import write_whole
from tlkit.records import Scale

MARKS = {"better": "▲", "worse": "▼", "equal": "=", "holds": "✓", "does not hold": "✗"}
MARKS |= {"confirmed": "✓", "refuted": "✗"}


@dataclass(frozen=True)
class Figure:
    """A PNG in base64 with its alt text and caption."""

    png: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Group:
    """One section of a report."""

    title: str
    figures: Sequence[Figure] = ()
    pairs: Sequence[compare.Pair] = ()
    scale: Scale | None = None
    summary: Sequence[str] = ()  # sentences, five at most
    means: Sequence[Sequence[str]] = ()  # a table of text, its first row the head
    recalls: Sequence[Sequence[str]] = ()
    missed: Sequence = ()  # fits of which plan; confusions; misclassified items; count of fits
    text: str = ""


def figure(ax: Axes, title: str, caption: str, alt: str) -> Figure:
    """What was drawn on `ax`, under a title that says its message, as a Figure; the drawing is closed."""
    ax.set_title(textwrap.fill(title, 52), loc="left")
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format="png", dpi=144, metadata={"Software": None})
    plt.close(ax.figure)
    return Figure(base64.b64encode(buffer.getvalue()).decode(), f"{title}. {alt}", caption)


def thumbnail(raw: Any) -> str:
    """An image within 96 x 96 pixels, as JPEG in base64; "" for any other input."""
    buffer = io.BytesIO()
    if isinstance(raw, Image.Image):
        ImageOps.contain(raw.convert("RGB"), (96, 96)).save(buffer, "JPEG")
    return base64.b64encode(buffer.getvalue()).decode()


def machine() -> dict[str, str]:
    """Versions, device and threads of the process that writes the report, as a fact."""
    versions = ", ".join(f"{name} {version}" for name, version in env.versions().items())
    threads = env.process.threads()
    on = f"on {env.device()}, {threads} thread{'s' * (threads != 1)} per process"
    return {"this report was written with": f"{versions}; {on}"}


def licence(name: str) -> str:
    """What may be done with the weights of a backbone, and what they cost, as its card says."""
    card = {}
    with suppress(UserError):  # a record may be of one that is not known here
        card = backbones.load(name).card if name.partition(",")[0] in backbones.names() else {}
    if {"seconds", "flops", "licence"} <= card.keys():
        cost = f"{card['seconds']:.0f} s on one thread and {card['flops']:.1e} operations"
        return f"pretrained once for this project, not in this run ({cost}); licence {card['licence']}"
    if {"title", "licence", "source"} <= card.keys():
        return f"{card['title']}; licence {card['licence']}; {card['source']}"
    return "not from this project: its publisher states the licence of the weights"


def write(out: str | Path, **content: Any) -> Path:
    """Fill the template and write it whole or not at all. Raises UserError where `out` cannot be written."""
    settings = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    template = settings.from_string(
        resources.files("tlkit").joinpath("templates/report.html").read_text("utf-8")
    )
    defaults = {"summary": (), "claims": (), "plans": (), "mark": mark, "signed": stats.signed}
    return write_whole(Path(out), template.render(**defaults | content))


def mark(word: str) -> str:
    """A sign for a verdict, which reads without colour."""
    return MARKS.get(word, "◐" if word.startswith(tuple(MARKS)) else "?")
