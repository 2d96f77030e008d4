"""Figures of how good a source is, and of who can tell: what they say is what they were given."""

import itertools

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_rgb

from tlkit import plots
from tlkit.errors import UserError
from tlkit.stats import Verdict
from tlkit_lessons import nb23_scores, nb24_quality, ranking


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def said(word: str, mean: float, half: float = 0.01) -> Verdict:
    return Verdict(word, mean, mean - half, mean + half, 10, 0.01, 10, 0.02)


WORDS = {5: ("better", 0.1), 20: ("equal", 0.005), 50: ("cannot tell", 0.02), 100: ("worse", -0.1)}
FOUND = {n: said(*word) for n, word in WORDS.items()}


def names(ax) -> list[str]:
    return [t.get_text() for t in ax.get_legend().get_texts()]


def test_gains_stand_at_their_counts_and_fill_where_they_matter():
    ax = nb24_quality.gain_by_count({"full": FOUND}, guess=30)
    points = [line for line in ax.lines if len(line.get_xdata()) == 1]
    assert [line.get_ydata()[0] for line in points] == [v.mean for v in FOUND.values()]
    assert [line.get_xdata()[0] for line in points] == pytest.approx(list(FOUND))
    filled = [to_rgb(line.get_markerfacecolor()) != (1, 1, 1) for line in points]
    assert filled == [True, False, False, True]
    dotted = [each.get_linestyle()[0][1] is not None for each in ax.collections]
    assert dotted == [False, False, True, False], "what cannot be told is dotted"
    assert names(ax) == ["full", "your guess: 30"]
    [band] = ax.patches
    assert band.get_extents().transformed(ax.transData.inverted()).height == pytest.approx(0.04)


def test_series_that_are_no_plans_are_told_apart_in_grey():
    ax = nb24_quality.gain_by_count({"ours": FOUND, "longer": FOUND, "full": FOUND}, "steps")
    shown = [line for line in ax.lines if line.get_label() in ("ours", "longer", "full")]
    assert len({(line.get_marker(), line.get_linestyle()) for line in shown}) == 3
    assert shown[2].get_color() == plots.look("full")["color"] and ax.get_xlabel() == "steps"
    with pytest.raises(UserError, match="one to 3 series"):
        nb24_quality.gain_by_count(dict.fromkeys("abcd", FOUND))
    with pytest.raises(UserError, match="at least"):
        nb24_quality.gain_by_count({"full": {}})


def test_a_ladder_is_joined_and_stands_among_the_others():
    ladder, others = {"10": (0.1, 0.7), "300": (0.7, 0.9)}, {"a": (0.99, 0.6), "b": (0.5, 0.5)}
    ax = nb24_quality.target_by_source_accuracy(ladder, others, "frozen", 0.8, ["a"])
    scratch, lone, joined = ax.lines
    assert joined.get_xydata().tolist() == [[0.1, 0.7], [0.7, 0.9]] and scratch.get_ydata()[0] == 0.8
    assert lone.get_xydata().tolist() == [[0.99, 0.6], [0.5, 0.5]] and lone.get_linestyle() == "None"
    assert [t.get_text() for t in ax.texts] == ["10", "300", "a", "b"]
    below, right = ax.texts[2:]
    assert below.xy == others["a"] and right.xy == others["b"] and right.get_position()[0] > 1
    with pytest.raises(UserError, match="ladder"):
        nb24_quality.target_by_source_accuracy({"10": (0.1, 0.7)}, others, "full")
    with pytest.raises(UserError, match="name only"):
        nb24_quality.target_by_source_accuracy(ladder, others, "full", named=["c"])


def test_names_on_the_right_do_not_meet():
    crowd = {name: (0.9, 0.9 - 0.001 * k) for k, name in enumerate("abcde")}
    ax = nb24_quality.target_by_source_accuracy({"10": (0.1, 0.5), "300": (0.7, 0.9)}, crowd, "full")
    heights = [t.get_position()[1] for t in ax.texts[2:]]
    assert [t.get_text() for t in ax.texts[2:]] == list("abcde")
    assert all(a - b > 0.07 for a, b in itertools.pairwise(heights))


def test_what_is_lost_stands_within_its_own_panel():
    found = {"kNN": ranking.agreement([1, 2, 3, 5, 4], [1, 2, 3, 4, 5], resamples=50)}
    lost = {"near": {"kNN": 0.01}, "far": {"kNN": 0.2}}
    for ax, said in zip(
        nb23_scores.agreements(dict.fromkeys(lost, found), lost).axes, ("0.010", "0.200"), strict=True
    ):
        assert [t.get_text() for t in ax.texts] == [said, "lost"]
        assert all(1 < t.get_position()[0] < ax.get_xlim()[1] for t in ax.texts)
