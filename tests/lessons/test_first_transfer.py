"""The figure of notebook 11: its title and its lines are the ledger's numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tlkit_lessons import legible
from tlkit_lessons.ledger.effort import Course, to_threshold
from tlkit_lessons.nb11_transfer import learning_curves

STEPS = np.array([4.0, 10.0, 40.0])


def course(*accuracy: float) -> Course:
    """Three seeds, a little apart."""
    table = np.array(accuracy)[:, None] + np.array([-0.01, 0.0, 0.01])
    return Course(STEPS, (0, 1, 2), table, STEPS[:, None] * np.ones(3))


@pytest.fixture
def ax():
    courses = {"full": course(0.7, 0.95, 0.97), "scratch": course(0.4, 0.7, 0.92)}
    reached = to_threshold(courses["scratch"], courses["full"], delta=0.02)
    yield learning_curves(courses, reached, {"full": 0.95, "scratch": 0.7}, 10, 0.9, "Few labels"), reached
    plt.close("all")


def test_the_title_says_who_is_there_first(ax):
    ax, reached = ax
    assert reached.plan_steps < reached.base_steps
    steps = f"{reached.plan_steps:.0f} steps, scratch in {reached.base_steps:.0f}"
    assert ax.get_title("left") == f"Few labels: full reaches 0.90 in {steps}"
    assert legible.faults(ax.figure) == []


def test_lines_go_across_at_that_accuracy_and_down_where_each_plan_reaches_it(ax):
    ax, reached = ax
    [across] = [
        line for line in ax.lines if line.get_xdata()[-1] == reached.base_steps != line.get_xdata()[0]
    ]
    assert [*across.get_ydata()] == [reached.threshold] * 2
    down = [line for line in ax.lines if len(set(line.get_xdata())) == 1 < len(line.get_xdata())]
    assert [line.get_xdata()[0] for line in down] == [reached.plan_steps, reached.base_steps]
    assert [line.get_ydata()[1] for line in down] == [reached.threshold] * 2
    first, *others = (text.get_text() for text in ax.texts)
    assert first == "accuracy 0.90" and others == [f"{line.get_xdata()[0]:.0f} steps" for line in down]


def test_every_seed_every_mean_and_both_stars_are_drawn(ax):
    ax, _ = ax
    assert len(ax.lines) == 2 * (3 + 1 + 1) + 1 + 1 + 2
    assert [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "*"] == [10, 10]
