"""Figures of adapting without labels: what they say is what they were given."""

import made_up_records as made
import numpy as np
import pytest

from tlkit import stats
from tlkit.errors import UserError
from tlkit_lessons import figures, nb25_adapting

SHIFTS = {"same": "unchanged", "noise": "noise"}


def texts(figure) -> list[str]:
    return [t.get_text() for ax in figure.axes for t in ax.texts]


def test_answers_count_what_is_right_and_strike_the_rest():
    images = np.random.default_rng(0).random((3, 1, 8, 8))
    figure = figures.answers(images, "abc", {"before": "axx", "after": "abc"})
    said = texts(figure)
    assert "before\n1 of 3 right" in said and "after\n3 of 3 right" in said
    assert sum(len(ax.lines) for ax in figure.axes) == 2, "two answers are struck out"
    assert [ax.get_title() for ax in figure.axes[:3]] == [*"abc"], "the truth stands above the images"
    with pytest.raises(UserError, match="after: 2 answers for 3"):
        figures.answers(images, "abc", {"after": "ab"})


def told(gain: float) -> stats.Verdict:
    return stats.verdict([0.5 + gain + d for d in (-0.004, 0.002, 0.001, -0.001, 0.002)], [0.5] * 5)


def test_the_table_marks_what_helps_and_what_harms():
    table = made.adapted({
        ("source only", "same"): 0.9, ("source only", "noise"): 0.5, ("coral", "same"): 0.8,
        ("coral", "noise"): 0.6, ("mmd", "same"): 0.9, ("mmd", "noise"): 0.4,
    })  # fmt: skip
    unsure = stats.verdict([0.9, 0.5, 0.9, 0.4, 0.9], [0.5, 0.9, 0.4, 0.9, 0.8])
    verdicts = {"coral": [told(-0.1), told(0.1)], "mmd": [told(0.0), unsure]}
    ax = nb25_adapting.methods_by_shift(table, verdicts, SHIFTS, {"mmd": "MMD"})
    assert [t.get_text() for t in ax.texts] == ["0.90", "0.50", "0.80 ▼", "0.60 ▲", "0.90 =", "0.40 ?"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["source only", "coral", "MMD"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["unchanged", "noise"]
    shades = ax.images[0].get_array()
    assert shades[1, 0] < 0 < shades[1, 1] and not shades[0].any() and not shades[2].any()
    with pytest.raises(UserError, match="'tent' on 'same'"):
        nb25_adapting.methods_by_shift(table, {"tent": [told(0.1)] * 2}, SHIFTS, {})


def test_what_a_choice_loses_stands_in_its_row():
    ax = nb25_adapting.lost_to_oracle({"entropy": [told(0), told(-0.3)], "none": [told(-0.1)] * 2}, "ab")
    assert [t.get_text() for t in ax.texts] == ["0.00", "0.30", "0.10", "0.10"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["entropy", "none"]


def test_clouds_are_seen_in_one_plane():
    chance = np.random.default_rng(0)
    source, target = chance.normal(size=(20, 5)), chance.normal(size=(30, 5)) + 4
    before, after = nb25_adapting.clouds(source, target[:20], target).axes
    points = [{line.get_label(): line.get_xydata() for line in ax.lines} for ax in (before, after)]
    assert np.allclose(points[0]["target"], points[1]["target"])
    assert np.allclose(points[1]["source"], points[1]["target"][:20])
    assert not np.allclose(points[0]["source"], points[1]["source"])


def test_sure_and_right_are_told_apart():
    ax = nb25_adapting.sure_and_right([0.5, 0.9], [0.6, 0.2], 0.1)
    assert [list(line.get_ydata()) for line in ax.lines] == [[0.5, 0.9], [0.6, 0.2], [0.1, 0.1]]
    assert len({line.get_linestyle() for line in ax.lines}) == 3
    assert ["confidence" in t for t in texts(ax.figure)] == [True, False, False]
