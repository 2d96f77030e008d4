"""One block at a time: the ring, the titles and the guess of the figure of notebook 31."""

import matplotlib.pyplot as plt
import pytest

from tlkit.errors import UserError
from tlkit.stats import Verdict
from tlkit_lessons import nb31_blocks

NEAREST = {"images change": ("stem",), "labels change": ("block3",)}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def told(mean: float, half: float = 0.05) -> Verdict:
    return Verdict("better", mean, mean - half, mean + half, 10, 0.01, 10, 0.02)


GAINS = {
    "block:stem": [told(0.2), told(0.03)],
    "block:block3": [told(0.1), told(0.02)],
    "full": [told(0.3), told(0.1)],
}


def test_the_best_block_is_the_one_with_the_largest_mean_and_full_is_none():
    assert nb31_blocks.best(GAINS, 0) == "stem"
    with pytest.raises(UserError, match="no plan among full trains one block"):
        nb31_blocks.best({"full": GAINS["full"]}, 0)


def test_titles_rings_and_the_guess_say_what_was_given():
    figure = nb31_blocks.gain_by_block(GAINS, NEAREST, {"labels change": 1})
    left, right = figure.axes
    assert figure.get_suptitle().endswith("best one in 1 of 2 shifts")
    assert left.get_title(loc="left") == "images change:\nbest is stem"
    [ring] = [line for line in left.lines if line.get_markersize() == 16]
    assert list(ring.get_xydata()[0]) == pytest.approx([0, 20])
    assert [t.get_text() for t in right.texts] == ["your guess"] and not left.texts
    faces = [line.get_markerfacecolor() for line in right.lines if line.get_markersize() == 8]
    assert [face == "white" for face in faces] == [True, True, False]
    assert [t.get_text() for t in left.get_xticklabels()] == ["stem", "block3", "full"]
    with pytest.raises(UserError, match="block:stem lack verdicts: give one for each of 2 shifts"):
        nb31_blocks.gain_by_block(GAINS | {"block:stem": [told(0.1)]}, NEAREST)
