"""Figures that can be read: each fault is found, and a good figure has none; the guess has one look."""

import matplotlib.pyplot as plt
import pytest

from tlkit import plots
from tlkit_lessons import legible, look


@pytest.fixture
def figure():
    """A data plot as it should be."""
    _, ax = plt.subplots(figsize=(5, 3))
    ax.plot([0, 1], [0, 1], **look.series(0), label="rises")
    ax.set_title("The line rises from left to right")
    ax.set(xlabel="x", ylabel="y")
    yield ax.figure
    plt.close("all")


def test_a_good_figure_has_no_fault(figure):
    look.guess_line(figure.axes[0], 0.5)
    look.guess_line(figure.axes[0], 0.5, along="x")
    look.guess_mark(figure.axes[0], 0.2, 0.8)
    assert legible.faults(figure) == []


FAULTS = {
    "title": (lambda ax: ax.set_title("digits"), "needs a title that says its message, not 'digits'"),
    "statistics": (lambda ax: ax.set_title("It gains 0.1 [0.0, 0.2] here"), "statistics stand in the title"),
    "wide": (lambda ax: ax.figure.set_figwidth(14), "14.0 inches wide, more than 11"),
    "small": (lambda ax: ax.set_xlabel("steps", fontsize=6), "'steps' is set in 6 points"),
    "pale": (lambda ax: ax.text(0.5, 0.5, "far end", color="#E69F00"), "'far end' has a contrast of 2.3"),
    "on a patch": (
        lambda ax: (ax.axhspan(0.4, 0.6, color="#333333"), ax.text(0.5, 0.5, "far end", va="center")),
        "'far end' has a contrast of 1.",
    ),
    "in a box": (
        lambda ax: ax.text(0.5, 0.5, "far end", bbox={"facecolor": "#333333"}), "'far end' has a contrast of"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "said"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_found(figure, spoil, said):
    spoil(figure.axes[0])
    assert [said in fault for fault in legible.faults(figure)] == [True]


def test_images_need_no_title_and_white_text_may_stand_on_dark(figure):
    _, ax = plt.subplots()
    ax.imshow([[0, 1]])
    ax.set_axis_off()
    assert legible.faults(ax.figure) == []
    figure.axes[0].axhspan(0.4, 0.6, color="#333333")
    figure.axes[0].text(0.5, 0.5, "far end", color="white", va="center")
    assert legible.faults(figure) == []


def test_contrast_is_that_of_the_guidelines():
    assert legible.contrast("black", "white") == pytest.approx(21)
    assert legible.contrast("#767676", "white") == pytest.approx(4.54, abs=0.01)


PLANS = ("pixels", "scratch", "frozen", "last-1", "last-2", "full", "lp-ft", "block:stem")


def test_what_is_no_plan_never_looks_like_one():
    taken = {plots.look(plan)["color"].lower() for plan in PLANS}
    own = {value.lower() for name, value in vars(look).items() if isinstance(value, str) and value[:1] == "#"}
    assert len(own) > 6 and not own & taken
    assert look.GUESS["color"].lower() not in taken
    assert len({look.series(k)["color"] for k in range(4)}) == 4
