"""The two figures of the README: what the workbook's first task is, and what came out."""

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit import plots, tasks
from tlkit.env import data_dir
from tlkit.plots.style import INK
from tlkit.records import Store
from tlkit_lessons import drawing, ledger, material
from tlkit_lessons.material.glyphnet import glyph_input

ENDS = {  # plan -> what stands at the end of its line, and how many points above it
    "full": ("fine-tuned (full)", 8),
    "scratch": ("from scratch", -2),
    "frozen": ("frozen features", -3),
    "pixels": ("raw pixels, no network", -11),
}
TESTED = (
    "test digits: accuracy\n{{accuracy 16_digits letters frozen 1}} with transfer,\n"
    "{{accuracy 16_digits letters scratch 1}} from scratch"
)


def task() -> Figure:
    """What notebook 11's network was pretrained on, the ten digits it gets, and how well it then does."""
    digits, letters = tasks.load("digits"), material.glyphs("letters", 1, 0)
    ten = digits.draw(labels=1, seed=0).all
    rows = [torch.tensor(letters.images[:40:4]), digits.train.inputs[ten], digits.test.inputs[:400:40]]
    images = glyph_input(torch.cat([row.reshape(-1, 1, 8, 8) for row in rows]))
    names = [letters.classes[i] for i in letters.labels[:40:4]]
    names += [digits.classes[i] for i in digits.targets[ten]]
    labels = ("pretrained on\n(letters)", "10 labelled digits", ledger.fill(TESTED))
    return drawing.gallery(images, [*names, *["?"] * 10], 10, labels)


def comparison() -> Figure:
    """Accuracy against labels, from the committed records of notebook 16; a name at the end of each line."""
    store, seeds = (
        Store(data_dir() / "records" / "16_digits.jsonl"),
        ledger.fill("{{seeds 16_digits frozen 1}}"),
    )
    figure, axes = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
    plots.accuracy_by_labels(store.read(), tuple(ENDS), ax=axes)
    axes.get_legend().remove()
    for line in axes.get_lines():
        _named(axes, line.get_label(), line.get_xdata()[-1], line.get_ydata()[-1])
    axes.set_xlim(right=axes.get_xlim()[1] * 3.2)
    axes.set_title("Pretraining helps most when labels are few", loc="left", fontsize=13)
    axes.set_xlabel("labelled digits per class", fontsize=11)
    axes.set_ylabel("test accuracy", fontsize=11)
    axes.tick_params(labelsize=11)
    note = f"bands: 95 % intervals over {seeds} labelled subsets"
    axes.annotate(note, (0.99, 0.03), xycoords="axes fraction", ha="right", fontsize=10, color=INK)
    return figure


def _named(axes: Axes, plan: str, x: float, y: float) -> None:
    said, up = ENDS[plan]
    place = {"xytext": (9, up), "textcoords": "offset points", "va": "center"}
    axes.annotate(said, (x, y), **place, fontsize=11, color=INK)
