"""The two figures of the README: what the workbook's first task is, and what came out."""

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tlkit import plots, tasks
from tlkit.env import data_dir
from tlkit.plots.style import INK
from tlkit.records import Store
from tlkit_lessons import drawing, ledger, material
from tlkit_lessons.material.glyphnet import glyph_input

ENDS = {  # plan -> what stands beside the end of its line, and how many points above it
    "full": ("full: all fine-tuned", 7),
    "scratch": ("scratch: no pretraining", -3),
    "frozen": ("frozen: only a new head", -2),
    "pixels": ("pixels: no network", -9),
}
TESTED = (
    "test digits, accuracy:\nfrozen {{accuracy 16_digits letters frozen 1}},\n"
    "scratch {{accuracy 16_digits letters scratch 1}}"
)
WHOLE = (
    "Accuracy on the whole test set, by new writers: mean over {{seeds 16_digits frozen 1}} labelled subsets."
)
TITLE = "Pretraining helps most when labels are few.\nWith more labels, frozen features fall behind scratch."
LOWEST = 0.55  # of the accuracies that are drawn


def task() -> Figure:
    """What notebook 11's network was pretrained on, the ten digits it gets, and how well it then does."""
    digits, letters = tasks.load("digits"), material.glyphs("letters", 1, 0)
    ten = digits.draw(labels=1, seed=0).all
    rows = [torch.tensor(letters.images[:40:4]), digits.train.inputs[ten], digits.test.inputs[:400:40]]
    images = glyph_input(torch.cat([row.reshape(-1, 1, 8, 8) for row in rows]))
    names = [letters.classes[i] for i in letters.labels[:40:4]]
    names += [digits.classes[i] for i in digits.targets[ten]]
    labels = ("pretrained on\n(letters)", "10 labelled digits", ledger.fill(TESTED))
    figure = drawing.gallery(images, [*names, *["?"] * 10], 10, labels)
    figure.text(0, 1.04, "With ten labels, pretraining on letters beats training from scratch", fontsize=12)
    figure.text(1, -0.02, ledger.fill(WHOLE), ha="right", va="top", fontsize=9, color=INK)
    return figure


def comparison() -> Figure:
    """Accuracy against labels, from the committed records of notebook 16; a name at the end of each line."""
    store, seeds = (
        Store(data_dir() / "records" / "16_digits.jsonl"),
        ledger.fill("{{seeds 16_digits frozen 1}}"),
    )
    figure, axes = plt.subplots(figsize=(7.2, 4.6), layout="constrained")
    plots.accuracy_by_labels(store.read(), tuple(ENDS), ax=axes)
    axes.get_legend().remove()
    for line in axes.get_lines():
        _named(axes, line)
    axes.set_xlim(right=axes.get_xlim()[1] * 3.2)
    axes.set_ylim(bottom=LOWEST)
    axes.set_title(TITLE, loc="left", fontsize=13, pad=10)
    axes.set_xlabel("labelled digits per class (log scale)", fontsize=11)
    axes.set_ylabel(f"test accuracy (axis starts at {LOWEST})", fontsize=11)
    axes.tick_params(labelsize=11)
    note = f"bands: 95 % interval of each plan over {seeds} labelled subsets"
    axes.annotate(note, (0.99, 0.03), xycoords="axes fraction", ha="right", fontsize=10, color=INK)
    return figure


def _named(axes: Axes, line: Line2D) -> None:
    """The plan beside the end of its line, joined to it."""
    said, up = ENDS[line.get_label()]
    place = {"xytext": (24, up), "textcoords": "offset points", "va": "center"}
    joined = {"arrowstyle": "-", "color": line.get_color(), "shrinkA": 1, "shrinkB": 4}
    axes.annotate(said, line.get_xydata()[-1], **place, arrowprops=joined, fontsize=11, color=INK)
