"""The figures of notebook 12: titles count what is drawn, and every feature has its letters and digits."""

import numpy as np
import pytest

from tlkit_lessons import ledger, legible
from tlkit_lessons.nb12_frozen import before_and_after, frozen_and_full, most_active, predictions_changed


@pytest.mark.parametrize("guess", [0, 5, 90])
def test_the_title_counts_the_last_change_and_the_guess_is_inside(guess):
    ax = predictions_changed([1, 4, 9], 50, guess)
    assert ax.get_title("left") == "Training mode alone changed 9 of 50 predictions"
    low, high = ax.get_ylim()
    assert low < 0 <= guess < high and ax.lines[-1].get_ydata()[0] == guess
    assert legible.faults(ax.figure) == []


def test_no_change_and_no_guess_are_drawn_too():
    ax = predictions_changed([0, 0], 50)
    assert (
        ax.get_title("left").endswith("0 of 50 predictions") and ax.get_ylim()[1] > 0 and len(ax.lines) == 1
    )


def test_before_and_after_are_named_with_the_true_label():
    figure = before_and_after(np.zeros((1, 16, 16)), 3, [0.7, 0.1, 0.1, 0.1], [0.1, 0.2, 0.1, 0.6])
    left, right = figure.axes
    assert (
        left.get_title() == "true label: 3"
        and right.get_title("left") == "Predicted class: 0 before, 3 after"
    )
    heights = [bar.get_height() for bar in right.patches]
    assert heights == [0.7, 0.1, 0.1, 0.1, 0.1, 0.2, 0.1, 0.6]
    assert legible.faults(figure) == []


def test_letters_stand_left_of_digits_in_every_row():
    letters, digits = np.zeros((4, 16, 16)), np.full((4, 16, 16), 0.5)
    figure = most_active((letters, digits), ("abcd", "0123"), ["feature 1", "feature 2"])
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["a", "b", "", "0", "1", "c", "d", "", "2", "3"]
    assert [ax.images[0].get_array().max() for ax in figure.axes[:5]] == [0, 0, 1, 0.5, 0.5]
    heads = {text.get_text() for ax in figure.axes for text in ax.texts}
    assert heads == {"letters", "digits", "feature 1", "feature 2"}
    assert figure.get_suptitle() == (
        "Each row: the 2 letters and the 2 digits with the highest value of one feature"
    )
    assert legible.faults(figure) == []


def test_every_panel_says_its_labels_and_draws_both_means():
    rows = ledger.shelf().store("16_digits").read()
    figure = frozen_and_full(rows)
    one, five = figure.axes
    assert one.get_title("left").startswith("1 label per class:\nfrozen is higher in")
    assert five.get_title("left").startswith("5 labels per class:\nfrozen is higher in")
    for ax in (one, five):
        bars = {line.get_xdata()[0]: line.get_ydata()[0] for line in ax.lines if line.get_marker() == "_"}
        dots = [line for line in ax.lines if len(line.get_xdata()) == 10]
        assert bars == {line.get_xdata()[0]: pytest.approx(np.mean(line.get_ydata())) for line in dots}
        assert len(dots) == 2 and sum("mean" in text.get_text() for text in ax.texts) == 2
    assert legible.faults(figure) == []
