"""Sources with and without labels: the titles say what the verdicts say, the guess lies in its row."""

import pytest

from tlkit import stats
from tlkit_lessons import nb26_unlabelled


def told(mean: float) -> stats.Verdict:
    return stats.verdict([0.5 + mean + 0.002 * d for d in (-1, 0.3, 1, -0.4, 0.1)], [0.5] * 5)


def test_titles_follow_the_verdicts_and_the_guess_lies_in_its_row():
    each = {"letters": told(0.2), "letters-ssl": told(0.1), "random": told(-0.1)}
    gains = {t: {"frozen": each, "full": {"letters": told(0.3)}} for t in ("digits", "textures")}
    labelled = {"digits": told(0.1), "textures": told(-0.1)}
    figure = nb26_unlabelled.near_and_far(gains, labelled, 0.05, {"digits": -0.1, "textures": -0.4})
    near, far = figure.axes
    assert near.get_title(loc="left") == "digits (near)\nfull: letters ahead"
    assert far.get_title(loc="left") == "textures (far)\nfull: letters-ssl ahead"
    [mark] = [line for line in near.lines if line.get_marker() == "$?$"]
    (x,), (y,) = mark.get_xdata(), mark.get_ydata()
    assert x == 0.05 and y == pytest.approx(1 - 0.11), (
        "at the marker of full from letters-ssl, the second of three"
    )
    assert not [line for line in far.lines if line.get_marker() == "$?$"]


def test_a_difference_that_is_undecided_is_called_so():
    unsure = stats.verdict([0.9, 0.1, 0.8, 0.2], [0.1, 0.9, 0.3, 0.6])
    gains = {"digits": {"frozen": {"letters-ssl": told(0.1)}}, "far": {"frozen": {"letters-ssl": told(0.1)}}}
    figure = nb26_unlabelled.near_and_far(
        gains, {"digits": unsure, "far": told(0.0)}, 0.0, dict.fromkeys(gains, -0.1)
    )
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["digits (near)\nfull: undecided", "far (far)\nfull: letters and letters-ssl equal"]


def test_frozen_sources_below_scratch_are_in_the_title_and_raw_pixels_are_a_line():
    gains = {
        t: {"frozen": {"letters": told(-0.1), "letters-ssl": told(m)}} for t, m in (("a", 0.1), ("b", -0.2))
    }
    figure = nb26_unlabelled.near_and_far(gains, dict.fromkeys(gains, told(0.1)), 0.0, {"a": 0.0, "b": -0.3})
    ends = [ax.get_title(loc="left").endswith("frozen: all below scratch") for ax in figure.axes]
    assert ends == [False, True]
    words = [text.get_text() for text in figure.axes[1].texts]
    assert words.count("full = scratch") == 2 and "raw pixels" in words
    assert any(line.get_linestyle() == ":" and line.get_xdata()[0] == -0.3 for line in figure.axes[1].lines)
