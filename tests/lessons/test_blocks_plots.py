"""One block at a time: the ring, the titles and the guess of the figure of notebook 31."""

import pytest
from made_up_records import told

from tlkit.errors import UserError
from tlkit_lessons import nb31_blocks

NEAREST = {"images change": ("stem",), "labels change": ("block3",)}


GAINS = {
    "block:stem": [told(0.2), told(0.03)],
    "block:block3": [told(0.1), told(0.02)],
    "full": [told(0.3), told(0.1)],
}
BAD = [told(-0.2), told(-0.2)]


def test_the_best_plan_may_be_a_block_another_plan_or_the_baseline():
    assert nb31_blocks.best(GAINS, 0) == "full" and nb31_blocks.best(GAINS, 0, "") == "stem"
    worse = {plan: [told(-0.1), told(-0.2)] for plan in GAINS}
    assert nb31_blocks.best(worse, 1) == nb31_blocks.HEAD
    with pytest.raises(UserError, match="no plan among full trains one block"):
        nb31_blocks.best({"full": GAINS["full"]}, 0, "")


def test_titles_rings_and_the_guess_say_what_was_given():
    blocks = {plan: found for plan, found in GAINS.items() if plan != "full"}
    figure = nb31_blocks.gain_by_block({5: GAINS, 20: blocks | {"full": BAD}}, NEAREST, {"labels change": 1})
    first, _, second, last = figure.axes
    assert figure.get_suptitle().endswith("best plan in 1 of 4 cases")
    assert first.get_title(loc="left") == "images change:\nbest is full"
    assert second.get_title(loc="left") == "images change:\nbest is stem"
    [ring] = [line for line in second.lines if line.get_markersize() == 16]
    assert list(ring.get_xydata()[0]) == pytest.approx([0, 20])
    assert [t.get_text() for t in last.texts] == ["your guess"] and not second.texts
    faces = [line.get_markerfacecolor() for line in last.lines if line.get_markersize() == 8]
    assert [face == "white" for face in faces] == [True, True, False]
    assert [t.get_text() for t in last.get_xticklabels()] == ["stem", "block3", "full"]
    tint = [patch.get_x() for patch in second.patches]
    assert tint == [-0.5], "the block that the rule expects"
    with pytest.raises(UserError, match="block:stem: give a verdict for each of 2 shifts"):
        nb31_blocks.gain_by_block({5: GAINS | {"block:stem": [told(0.1)]}}, NEAREST)


def test_no_case_is_called_none():
    figure = nb31_blocks.gain_by_block(
        {5: {"block:stem": [told(-0.1)], "full": [told(0.2)]}}, {"a": ("stem",)}
    )
    assert figure.get_suptitle().endswith("in none of 1 cases")


def test_gains_over_the_head_alone_come_from_both_files():
    [plan] = nb31_blocks.over_head(["glyphs:symbols-a"], ["block:block3"], 5).values()
    assert len(plan) == 1 and plan[0].n == 10 and plan[0].low < plan[0].mean < plan[0].high
