"""Fill the README's numbers from the records, its map from the notebooks, and draw its figures.

A number stands between `<!--{{...}}-->` and `<!--/-->`; the text between is replaced, so filling twice
changes nothing. `--check` exits 1 where the README is out of date.
"""

import json
import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import torch
from matplotlib.figure import Figure

from tlkit import compare, plots, tasks
from tlkit.env import data_dir
from tlkit.files import write_whole
from tlkit.records import Store
from tlkit_lessons import drawing, ledger, material
from tools.notebooks.listing import notebook_map

ROOT = Path(__file__).resolve().parent.parent
FIELD = re.compile(r"<!--(\{\{.*?\}\})-->.*?<!--/-->", re.DOTALL)
SELFTEST = re.compile(r"\{\{selftest (.+)/(.+)/(\d+)\}\}")
PLANS = ("pixels", "scratch", "frozen", "full")


def filled(text: str) -> str:
    """`text` with the content of every field computed anew."""
    return FIELD.sub(lambda found: f"<!--{found[1]}-->{_content(found[1])}<!--/-->", text)


def _content(placeholder: str) -> str:
    if found := SELFTEST.fullmatch(placeholder):
        return simulated(found[1], found[2], int(found[3]))
    if placeholder == "{{map}}":
        return f"\n{notebook_map(ROOT / 'notebooks', 'notebooks/')}\n"
    return ledger.fill(placeholder)


def simulated(check: str, data: str, n: int) -> str:
    """A share from the committed self-test of the intervals, in per cent; KeyError for a row it lacks."""
    rows = json.loads((data_dir() / "selftest.json").read_text("utf-8"))["rows"]
    return f"{100 * {(r['check'], r['data'], r['n']): r['value'] for r in rows}[check, data, n]:.0f} %"


def task() -> None:
    """What the network of notebook 11 was brought up on, what it is shown, and what it is asked."""
    digits, letters = tasks.load("digits"), material.glyphs("letters", 1, 0)
    ten = digits.draw(labels=1, seed=0).all
    images = [torch.tensor(letters.images[:40:4]), digits.train.inputs[ten], digits.test.inputs[:400:40]]
    names = [
        *[letters.classes[i] for i in letters.labels[:40:4]],
        *[digits.classes[i] for i in digits.targets[ten]],
        *["?"] * 10,
    ]
    rows = ("brought up on", "shown once,\nwith its name", "asked to name")
    save(drawing.gallery(torch.cat(images), names, 10, rows), "task.png")


def comparison() -> None:
    """Accuracy against labels, from the committed records of notebook 16."""
    store = Store(data_dir() / "records" / "16_digits.jsonl")
    axes = plots.accuracy_by_labels(store.read(), PLANS, pairs=compare.pairs(store))
    axes.set_title("handwritten digits from a network that knows printed letters", fontsize=10)
    save(axes.figure, "comparison.png")


def save(figure: Figure, name: str) -> None:
    """Into `book`, and the same bytes each time."""
    figure.savefig(ROOT / "book" / name, dpi=110, bbox_inches="tight", metadata={"Software": None})


def main() -> int:
    """Write README.md, or with `--check` compare it."""
    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    new = filled(text)
    if "--check" in sys.argv:
        return int(new != text)
    task()
    comparison()
    if new != text:
        write_whole(readme, new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
