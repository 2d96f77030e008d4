"""Figures of how good a source is, and of who can tell: what they say is what they were given."""

import itertools

import pytest
from matplotlib.colors import to_rgb

from tlkit import plots
from tlkit.errors import UserError
from tlkit.stats import Verdict
from tlkit_lessons import nb24_quality


def said(word: str, mean: float, half: float = 0.01) -> Verdict:
    return Verdict(word, mean, mean - half, mean + half, 10, 0.01, 10, 0.02)


WORDS = {5: ("better", 0.1), 20: ("equal", 0.005), 50: ("cannot tell", 0.02), 100: ("worse", -0.1)}
FOUND = {n: said(*word) for n, word in WORDS.items()}


def names(ax) -> list[str]:
    return [t.get_text() for t in ax.texts]


def test_gains_stand_at_their_counts_and_fill_where_the_interval_excludes_zero():
    ax = nb24_quality.gain_by_count({"full": FOUND}, "A message in words", guess=30)
    points = [line for line in ax.lines if len(line.get_xdata()) == 1]
    assert [line.get_ydata()[0] for line in points] == [v.mean for v in FOUND.values()]
    assert [line.get_xdata()[0] for line in points] == pytest.approx(list(FOUND))
    filled = [to_rgb(line.get_markerfacecolor()) != (1, 1, 1) for line in points]
    assert filled == [True, False, True, True]
    assert names(ax) == ["your guess: 30", "full"] and ax.get_title(loc="left") == "A message in words"
    [band] = ax.patches
    assert band.get_extents().transformed(ax.transData.inverted()).height == pytest.approx(0.04)


def test_series_that_are_no_plans_are_told_apart_in_grey():
    ax = nb24_quality.gain_by_count({"ours": FOUND, "longer": FOUND, "full": FOUND}, "A title", "steps")
    lines = [line for line in ax.lines if len(line.get_xdata()) == len(FOUND)]
    marks = {line.get_marker() for line in ax.lines if len(line.get_xdata()) == 1}
    assert len({str(line.get_linestyle()) for line in lines}) >= 2 and len(marks) == 3
    assert lines[2].get_color() == plots.look("full")["color"] and ax.get_xlabel().startswith("steps")
    with pytest.raises(UserError, match="one to 4 series"):
        nb24_quality.gain_by_count(dict.fromkeys("abcde", FOUND), "A title")
    with pytest.raises(UserError, match="at least"):
        nb24_quality.gain_by_count({"full": {}}, "A title")


def test_names_beside_the_lines_do_not_meet_and_the_control_is_one():
    ends = {name: {5: said("equal", 0.001 * k)} for k, name in enumerate("abc")}
    ax = nb24_quality.gain_by_count(ends, "A title", control=said("worse", -0.1))
    heights = [t.get_position()[1] for t in ax.texts]
    assert names(ax) == ["c", "b", "a", "frozen random weights"]
    assert all(a - b > 0.08 for a, b in itertools.pairwise(heights))
