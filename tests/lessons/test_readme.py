"""The README says what the records say."""

import re
import subprocess
import sys

import pytest
import yaml

import tlkit
from tools import fill_readme


def test_filling_the_readme_again_changes_nothing(root):
    done = subprocess.run([sys.executable, "tools/fill_readme.py", "--check"], cwd=root, timeout=120)
    assert done.returncode == 0, "README.md is out of date: run `python tools/fill_readme.py`"


def test_the_readme_names_both_commands_and_its_figure(root):
    text = (root / "README.md").read_text("utf-8")
    assert "make run" in text and "make test" in text
    for name in ("task", "comparison"):
        assert f"(book/{name}.png)" in text and (root / "book" / f"{name}.png").stat().st_size < 100_000


def test_the_readme_is_a_front_door(root):
    """What it is in the first lines, then the answer as a figure, then the commands; nothing is folded."""
    text = (root / "README.md").read_text("utf-8")
    title, _, first = text.splitlines()[:3]
    assert title == "# Transfer Learning Workbook" and first.startswith("Hands-on notebooks")
    places = [text.index(mark) for mark in ("(book/comparison.png)", "git clone", "make run", "## Contents")]
    assert places == sorted(places) and "<details>" not in text
    assert all(len(alt) > 100 for alt in re.findall(r"!\[(.*?)\]", text)), "a figure says what it shows"


def test_a_fork_with_an_address_says_where_to_clone_it(root, monkeypatch):
    text = (root / "README.md").read_text("utf-8")
    monkeypatch.setattr(fill_readme, "address", lambda: "https://github.com/some/where")
    new = fill_readme.filled(text)
    assert "git clone https://github.com/some/where workbook && cd" in new and "`ADDRESS`" not in new
    monkeypatch.setattr(fill_readme, "address", lambda: "ADDRESS")
    assert fill_readme.filled(new) == text


BOOK = ("your_own_data", "many_machines", "how_we_measure", "teaching")
PAGES = ("README.md", *(f"book/{page}.md" for page in BOOK))


@pytest.mark.parametrize("page", PAGES)
def test_no_line_of_code_and_no_table_is_wider_than_the_column(root, page):
    text = (root / page).read_text("utf-8")
    for block in re.findall(r"^```.*?^```", text, re.M | re.S):
        assert all(len(line) <= 100 for line in block.splitlines()), block
    assert all(row.count("|") <= 4 for row in re.findall(r"^\|--*.*$", text, re.M)), "at most three columns"


@pytest.mark.parametrize("page", PAGES)
def test_no_line_begins_with_a_field(root, page):
    """Markdown would take the whole line for HTML, and show its backticks."""
    assert not re.findall(r"^<!--.*?-->[^\n<]+", (root / page).read_text("utf-8"), re.M)


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_somewhere(root, page):
    text = (root / page).read_text("utf-8")
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert link.startswith("https://") or ((root / page).parent / link).exists(), link


def test_the_citation_is_of_this_version(root):
    cited = yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))
    assert cited["version"] == tlkit.__version__ and cited["cff-version"] == "1.2.0"
    assert cited["title"] and cited["authors"] and "CITATION.cff" in (root / "README.md").read_text("utf-8")
