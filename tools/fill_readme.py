"""Fill the numbers of the README and its pages from the records, the map from the notebooks; draw figures.

A number stands between `<!--{{...}}-->` and `<!--/-->`; the text between is replaced, so filling twice
changes nothing. `--check` exits 1 where a page is out of date.
"""

import json
import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")

from matplotlib.figure import Figure

from tlkit.env import data_dir
from tlkit.files import write_whole
from tlkit_lessons import ledger
from tools import readme_figures
from tools.notebooks.layout import Layout
from tools.notebooks.listing import notebook_map

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "book/how_we_measure.md")
TO_FILL_IN = " `ADDRESS` is the address of this page; in a downloaded copy, leave the first line out."
FIELD = re.compile(r"<!--(\{\{.*?\}\})-->.*?<!--/-->", re.DOTALL)
CLONE = re.compile(r"^git clone \S+", re.M)
SELFTEST = re.compile(r"\{\{selftest (.+)/(.+)/(\d+)\}\}")


def filled(text: str) -> str:
    """`text` with the content of every field computed anew, and the address to clone from."""
    text = FIELD.sub(lambda found: f"<!--{found[1]}-->{_content(found[1])}<!--/-->", text)
    return CLONE.sub(f"git clone {address()}", text)


def address() -> str:
    """Where the repository can be cloned from; ADDRESS as long as pyproject.toml has none."""
    there = Layout(ROOT).repository()
    return f"https://github.com/{there.name}" if there else "ADDRESS"


def _content(placeholder: str) -> str:
    if found := SELFTEST.fullmatch(placeholder):
        return simulated(found[1], found[2], int(found[3]))
    if placeholder == "{{address}}":
        return TO_FILL_IN if address() == "ADDRESS" else ""
    if placeholder == "{{map}}":
        return f"\n{notebook_map(ROOT / 'notebooks', 'notebooks/')}\n"
    return ledger.fill(placeholder)


def simulated(check: str, data: str, n: int) -> str:
    """A share from the committed self-test of the intervals, in per cent; KeyError for a row it lacks."""
    rows = json.loads((data_dir() / "selftest.json").read_text("utf-8"))["rows"]
    return f"{100 * {(r['check'], r['data'], r['n']): r['value'] for r in rows}[check, data, n]:.0f} %"


def save(figure: Figure, name: str) -> None:
    """Into `book`, and the same bytes each time."""
    figure.savefig(ROOT / "book" / name, dpi=110, bbox_inches="tight", metadata={"Software": None})


def main() -> int:
    """Write the pages and their figures, or with `--check` compare the pages."""
    new = {page: filled((ROOT / page).read_text("utf-8")) for page in PAGES}
    old = [page for page in PAGES if (ROOT / page).read_text("utf-8") != new[page]]
    if "--check" in sys.argv:
        return int(bool(old))
    save(readme_figures.task(), "task.png")
    save(readme_figures.comparison(), "comparison.png")
    for page in old:
        write_whole(ROOT / page, new[page])
    return 0


if __name__ == "__main__":
    sys.exit(main())
