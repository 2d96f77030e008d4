"""Fill the README's numbers from the records, its map from the notebooks, and draw its figure.

A number stands between `<!--{{...}}-->` and `<!--/-->`; the text between is replaced, so filling twice
changes nothing. `--check` exits 1 where the README is out of date.
"""

import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")

from tlkit import claims, plots, workbook
from tlkit.env import data_dir
from tlkit.records import Store

ROOT = Path(__file__).resolve().parent.parent
FIELD = re.compile(r"<!--(\{\{.*?\}\})-->.*?<!--/-->", re.DOTALL)
FIGURE = ROOT / "book" / "comparison.png"
PLANS = ("pixels", "scratch", "frozen", "full")


def filled(text: str) -> str:
    """`text` with the content of every field computed anew."""
    return FIELD.sub(lambda found: f"<!--{found[1]}-->{_content(found[1])}<!--/-->", text)


def _content(placeholder: str) -> str:
    return notebook_map() if placeholder == "{{map}}" else claims.fill(placeholder)


def notebook_map() -> str:
    """The table of the notebooks that exist, with the seconds they took when they were built."""
    rows = ["", "| | notebook | question | seconds |", "|--|--|--|--:|"]
    for nb in workbook.notebooks():
        link = f"[{nb.title}](notebooks/{nb.path.name})"
        rows.append(
            f"| {nb.number} | {link} | {nb.question} | {nb.seconds if nb.seconds is not None else ''} |"
        )
    return "\n".join([*rows, ""])


def draw() -> None:
    """Accuracy against labels, from the committed records of notebook 16."""
    store = Store(data_dir() / "records" / "16_digits.jsonl")
    axes = plots.accuracy_by_labels(store.read(), PLANS, pairs=claims.pairs(store))
    axes.set_title("handwritten digits from a network that knows printed letters", fontsize=10)
    axes.figure.savefig(FIGURE, dpi=110, bbox_inches="tight", metadata={"Software": None})


def main() -> int:
    """Write README.md, or with `--check` compare it."""
    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    new = filled(text)
    if "--check" in sys.argv:
        return int(new != text)
    draw()
    if new != text:
        readme.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
