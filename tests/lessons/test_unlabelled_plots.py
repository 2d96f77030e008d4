"""Sources with and without labels: the titles say what the verdicts say, the guess lies in its row."""

import matplotlib.pyplot as plt
import pytest

from tlkit import stats
from tlkit_lessons import nb26_unlabelled


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def told(mean: float) -> stats.Verdict:
    return stats.verdict([0.5 + mean + 0.002 * d for d in (-1, 0.3, 1, -0.4, 0.1)], [0.5] * 5)


def test_titles_follow_the_verdicts_and_the_guess_lies_in_its_row():
    each = {"letters": told(0.2), "letters-ssl": told(0.1), "random": told(-0.1)}
    gains = {t: {"frozen": each, "full": {"letters": told(0.3)}} for t in ("digits", "textures")}
    labelled = {"digits": told(0.1), "textures": told(-0.1)}
    figure = nb26_unlabelled.near_and_far(gains, labelled, 0.05)
    near, far = figure.axes
    assert near.get_title(loc="left") == "near (digits), full: labels help"
    assert far.get_title(loc="left") == "far (textures), full: no labels needed"
    [mark] = [line for line in near.lines if line.get_marker() == "$?$"]
    (x,), (y,) = mark.get_xdata(), mark.get_ydata()
    assert x == 0.05 and 0.5 < y < 1, "the row of letters-ssl is the second of three"
    assert not [line for line in far.lines if line.get_marker() == "$?$"]


def test_a_difference_that_is_undecided_is_called_so():
    unsure = stats.verdict([0.9, 0.1, 0.8, 0.2], [0.1, 0.9, 0.3, 0.6])
    gains = {"digits": {"frozen": {"letters-ssl": told(0.1)}}, "far": {"frozen": {"letters-ssl": told(0.1)}}}
    figure = nb26_unlabelled.near_and_far(gains, {"digits": unsure, "far": told(0.0)}, 0.0)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["near (digits), full: undecided", "far (far), full: no labels needed"]
