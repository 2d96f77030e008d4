"""The README says what the records say."""

import re
import subprocess
import sys

import yaml

import tlkit


def test_filling_the_readme_again_changes_nothing(root):
    done = subprocess.run([sys.executable, "tools/fill_readme.py", "--check"], cwd=root, timeout=120)
    assert done.returncode == 0, "README.md is out of date: run `python tools/fill_readme.py`"


def test_the_readme_names_both_commands_and_its_figure(root):
    text = (root / "README.md").read_text("utf-8")
    assert "make run" in text and "make test" in text
    for name in ("task", "comparison"):
        assert f"(book/{name}.png)" in text and (root / "book" / f"{name}.png").stat().st_size < 100_000


def test_what_the_notebooks_ask_for_a_guess_of_stands_below_the_map(root):
    above = (root / "README.md").read_text("utf-8").partition("## The map")[0]
    assert not re.search(r"\{\{(accuracy|gain|saving)", above) and "comparison.png" not in above


def test_the_citation_is_of_this_version(root):
    cited = yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))
    assert cited["version"] == tlkit.__version__ and cited["cff-version"] == "1.2.0"
    assert cited["title"] and cited["authors"] and "CITATION.cff" in (root / "README.md").read_text("utf-8")
