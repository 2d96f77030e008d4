"""The appendix on published tables says what its own code prints."""

import re
from pathlib import Path

import pytest

from tlkit_lessons import downloads

PAGE = Path(__file__).resolve().parents[2] / "book" / "published_scores.md"


@pytest.mark.real("published")
def test_two_sets_do_not_recompute_one_has_a_copied_column_and_no_pair_is_decided():
    code = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)[1]
    table = downloads.cache_dir() / "published" / "tllib_model_selection.csv"
    done = {}
    exec(code.replace('"tllib_model_selection.csv"', repr(str(table))), done)
    expected = [(name, score) for name in ("Aircraft", "OxfordIIITPets") for score in done["scores"]]
    assert sorted(done["off"]) == sorted([*expected, ("DTD", "nce")])
    assert done["decided"] == []
    texture = [row for row in done["rows"] if row["dataset"] == "DTD" and row["model"] != "Weighted Tau"]
    assert all(row["logme"] == row["nce"] for row in texture if row["model"] != "Pearson Corr")
