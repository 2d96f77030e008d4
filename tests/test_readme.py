"""The README says what the records say."""

import subprocess
import sys


def test_filling_the_readme_again_changes_nothing(root):
    done = subprocess.run([sys.executable, "tools/fill_readme.py", "--check"], cwd=root, timeout=120)
    assert done.returncode == 0, "README.md is out of date: run `python tools/fill_readme.py`"


def test_the_readme_names_both_commands_and_its_figure(root):
    text = (root / "README.md").read_text("utf-8")
    assert "make run" in text and "make test" in text
    assert (root / "book" / "comparison.png").stat().st_size < 100_000
