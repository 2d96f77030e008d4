"""Figures of what is known before a fit: what they say is what they were given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from made_up_records import told

from tlkit.errors import UserError
from tlkit.records import values
from tlkit_lessons import ledger, nb22_similarity


def texts(ax) -> list[str]:
    return [t.get_text() for t in ax.texts]


IMAGES = ((0.5, 1.8, 2.0), [told(0.3), told(0.0), told(-0.1)])
LABELS = ((0.5, 0.5, 0.5), [told(0.3), told(0.1), told(-0.2)])


def test_one_family_falls_and_the_other_stands_upright():
    ax = nb22_similarity.gain_by_distance({"images": IMAGES, "labels": LABELS})
    lines = [line for line in ax.lines if len(line.get_xdata()) == 3]
    assert [np.ptp(line.get_xdata()) for line in lines] == [1.5, 0.0]
    marks = [line for line in ax.lines if len(line.get_xdata()) == 1 and line.get_marker() == "o"]
    assert [line.get_markerfacecolor() == "white" for line in marks] == [False, True, False]
    assert nb22_similarity.HARM in texts(ax) and texts(ax).count("least similar") == 2
    assert "proxy A-distance" in ax.get_xlabel() and "frozen over scratch" in ax.get_ylabel()
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["images", "labels"]
    with pytest.raises(UserError, match="images has 2 distances and 3 gains"):
        nb22_similarity.gain_by_distance({"images": ((0.5, 1.0), IMAGES[1])})
    with pytest.raises(UserError, match="0 families"):
        nb22_similarity.gain_by_distance({})


def test_harm_is_the_side_below_zero_on_either_axis():
    for along in "xy":
        ax = plt.figure().add_subplot()
        ax.set(xlim=(-1, 2), ylim=(-1, 2))
        nb22_similarity.harm(ax, along)
        box = ax.patches[0].get_extents().transformed(ax.transData.inverted())
        low, high = (box.x0, box.x1) if along == "x" else (box.y0, box.y1)
        assert np.allclose((low, high), (-1, 0)) and (ax.get_xlim(), ax.get_ylim()) == ((-1, 2), (-1, 2))
    above = plt.figure().add_subplot()
    above.set_ylim(0, 1)
    assert not nb22_similarity.harm(above).patches, "nothing is below zero"
    with pytest.raises(UserError, match="'x' or 'y', not 'z'"):
        nb22_similarity.harm(above, "z")


def test_accuracies_stand_above_chance():
    ax = nb22_similarity.accuracy_along((0.0, 1.0, 0.5), {"frozen": (0.2, 0.9, 0.5)}, chance=0.1, shown=2)
    near, dotted = ax.lines
    assert list(near.get_xdata()) == [1.0, 0.5] and list(near.get_ydata()) == [0.9, 0.5]
    assert set(dotted.get_ydata()) == {0.1} and ax.get_xlim() == (1.05, -0.05)
    with pytest.raises(UserError, match="frozen has 1 accuracies at 2"):
        nb22_similarity.accuracy_along((0.0, 1.0), {"frozen": (0.2,)})


def test_the_control_is_a_mean_over_random_networks_on_each_task():
    found = nb22_similarity.control(["dial:manner:0", "dial:manner:1"], "22_manner", 5)
    assert [v.n for v in found] == [10, 10] and found[1].high < 0, "freezing costs where labels are letters"
    store = ledger.shelf().store("22_random")
    rows = [r for r in store.read() if r.task == "dial:manner:0" and r.split == "test"]
    base = values(ledger.shelf().store("22_manner").read(), plan="scratch", labels=5, task="dial:manner:0")
    assert found[0].mean == pytest.approx(np.mean([r.value for r in rows]) - np.mean(list(base.values())))
