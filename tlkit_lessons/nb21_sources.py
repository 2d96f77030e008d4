"""Sources as a reader can compare them: the images they were pretrained on, beside what they are worth."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit import backbones
from tlkit.backbones import Backbone
from tlkit.errors import UserError
from tlkit.plots.style import GREY, PALE, canvas
from tlkit.stats import Verdict
from tlkit_lessons import look, material
from tlkit_lessons.figures import gain_rows
from tlkit_lessons.nb21_kinds import HIDDEN, NAME, STEP, TILE, Strip, draw_strip

RANDOM = ("random", "random,seed=1", "random,seed=2")  # the control: their mean
KEY = "Bar: 95 % interval; filled marker: it excludes 0. The panels have different scales."
KEY_GUESS = "\nDashed line: your guess; that many sources lie below it."
ROW, PANEL = 0.72, 2.3  # inches: a row of sources, and the width of a panel of gains


def sources_and_gains(
    strips: Mapping[str, Strip],
    gains: Mapping[str, Mapping[str, Verdict]],
    freezing: Verdict,
    taught: Mapping[str, Verdict],
    guess: int | None = None,
) -> Figure:
    """A row a source: what it was pretrained on, and its gain over scratch; each plan has its own axis.

    gains: plan -> source -> verdict against scratch; the best of the first plan stands on top. Filled: the
    interval excludes zero. freezing: random weights with the first plan, against scratch; taught: each source
    with it, against those. Tinted: where a source is worse than random weights. guess: how many sources the
    reader expects to be worse than scratch: a line above as many rows. Raises UserError for a source without
    a strip.
    """
    first = next(iter(gains))
    order = sorted(gains[first], key=lambda source: gains[first][source].mean)
    if missing := [source for source in order if source not in strips]:
        raise UserError(f"no images for source {missing[0]!r}: give a strip for each.")
    wide = NAME + STEP * max(len(strip.images) for strip in strips.values()) + 0.15
    width, tall = wide + (PANEL + 0.3) * len(gains), ROW * len(order)
    height = tall + 1.6
    figure = plt.figure(figsize=(width, height))
    left = canvas(figure.add_axes((0.2 / width, 1.0 / height, (wide - 0.2) / width, tall / height)))
    _pretrained_on(left, [strips[source] for source in reversed(order)], wide - 0.2)
    for k, (plan, found) in enumerate(gains.items()):
        place = ((wide + 0.1 + (PANEL + 0.3) * k) / width, 1.0 / height, PANEL / width, tall / height)
        ax = canvas(figure.add_axes(place))
        gain_rows(ax, {plan: found}, order)
        _control(ax, freezing.mean if plan == first else 0.0, len(order))
        ax.set(ylim=(-0.5, len(order) - 0.5), xlabel="gain in accuracy over scratch")
        title = f"{plan}: {_worse(found)} of {len(order)} worse than scratch"
        if plan == first:
            title += f",\n{_worse(taught)} worse than random weights"
        ax.set_title(title, loc="left", fontsize=10)
        if guess is not None and plan == first:
            look.guess_line(ax, guess - 0.5, text=f"your guess: {guess} worse")
    key = KEY + KEY_GUESS * (guess is not None)
    figure.text(1 - 0.3 / width, 0.06 / height, key, ha="right", va="bottom", fontsize=9)
    return figure


def _worse(found: Mapping[str, Verdict]) -> int:
    return sum(v.word == "worse" for v in found.values())


def _control(ax: Axes, control: float, rows: int) -> None:
    """A line for each row, and left of the gain of random weights a tint."""
    low, high = ax.get_xlim()
    low, high = min(low, -0.25 * high), max(high, -0.25 * low)
    ax.axvspan(low, control, color=PALE, alpha=0.6, linewidth=0, zorder=0)
    ax.hlines(range(rows), low, high, color=GREY, linewidth=0.4, linestyle=":", zorder=0)
    ax.set(xlim=(low, high), yticks=[])
    ax.locator_params(axis="x", nbins=4)
    if control < 0:
        ax.axvline(control, color=look.SLATE, linewidth=1.4, zorder=1)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85}
        style = {"textcoords": "offset points", "va": "center", "fontsize": 8.5, "zorder": 4}
        ax.annotate("random weights,\nfrozen", (control, 0), (4, 0), bbox=box, **style)


def _pretrained_on(ax: Axes, strips: Sequence[Strip], wide: float) -> None:
    """The strips from above, on axes in inches."""
    ax.set(xlim=(0, wide), ylim=(ROW * len(strips), 0), xticks=[], yticks=[])
    ax.set_xlabel("pretrained on, with these labels")
    ax.spines[:].set_visible(False)
    for k, strip in enumerate(strips):
        style = {"ha": "right", "va": "center", "fontsize": 9}
        ax.text(NAME - 0.1, ROW * k + 0.06 + TILE / 2, strip.name, **style)
        draw_strip(ax, NAME, ROW * k + 0.06, strip)


def strips(names: Sequence[str], count: int = 5, seed: int = 0) -> dict[str, Strip]:
    """For each source `count` pretraining images as it sees them, with the shortest labels."""
    found = {}
    for name in names:
        backbone = backbones.load(name)
        images, told = pretraining_samples(backbone, 20, seed)
        short = sorted(range(len(told)), key=lambda i, told=told: len(told[i]))[:count]
        below = [told[i].replace(" + ", "\n").replace(" ", "\n") or HIDDEN for i in short]
        found[name] = Strip(name, backbone.transform(images[short]), below)
    return found


def pretraining_samples(backbone: Backbone, count: int = 8, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Images (count x 1 x 8 x 8) of as many classes, rendered anew, and the pretraining label of each.

    The labels are empty where none were used; where they were random, they are random here as well. Of
    fewer classes than `count` there is one image each. Raises UserError for a network without such a card.
    """
    how = backbone.card.get("pretraining", {})
    classes = backbone.card.get("classes", ())
    if family := how.get("family"):
        if family not in material.FAMILIES:
            raise UserError(f"{backbone.name} was pretrained on {family}, of which this module draws none.")
        images, which = material.FAMILIES[family][0](1, seed)
    elif how.get("alphabet"):
        images, which, *_ = material.glyphs(how["alphabet"], 1, seed, strength=how["strength"])
    else:
        raise UserError(f"{backbone.name} has no recipe of ours: what it was pretrained on is not known.")
    which = which[:count]
    if how.get("contrast"):  # two views of an image, and no labels
        return images[:count], [""] * len(which)
    if how.get("memorise"):
        which = np.random.default_rng(seed).permutation(len(classes))[:count]
    return images[:count], [classes[i] for i in which]
