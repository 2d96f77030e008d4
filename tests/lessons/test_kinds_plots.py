"""The map of kinds and the sources beside their images: what they say is what they were given."""

import numpy as np
import pytest

from tlkit import stats
from tlkit.errors import UserError
from tlkit_lessons import drawing, look, nb21_kinds, nb21_sources
from tlkit_lessons.nb21_kinds import PLACES, Setting, Strip

IMAGES = np.random.default_rng(0).random((4, 1, 8, 8))


def strip(name: str, labels: str = "abcd") -> Strip:
    return Strip(name, IMAGES, labels)


def settings() -> list[Setting]:
    """One setting in each place, and a second one where everything differs."""
    found = [
        Setting(f"setting {k}", *place, strip("from"), strip("to", "??cd")) for k, place in enumerate(PLACES)
    ]
    return [*found, Setting("unsupervised", False, False, strip("from"), strip("to", "????"), "a note")]


def told(mean: float) -> stats.Verdict:
    return stats.verdict([0.5 + mean + 0.02 * d for d in (-1, 0.3, 1, -0.4, 0.1)], [0.5] * 5)


def places(figure, word: str) -> list[tuple[float, float]]:
    return [t.get_position() for ax in figure.axes for t in ax.texts if t.get_text() == word]


def test_every_kind_lies_in_its_place():
    figure = nb21_kinds.map_of_settings(settings())
    [(x0, y0)], [(x1, y1)], [(x2, y2)], [(x3, y3)] = (places(figure, f"setting {k}") for k in range(4))
    assert x0 == x2 < x1 == x3 and y0 == y1 < y2 == y3
    [(x4, y4)] = places(figure, "unsupervised")
    assert x4 == x3 and y4 > y3 and len(places(figure, "a note  ")) == 1
    assert len(figure.axes[0].images) == 5 * 2 * 4
    assert len(places(figure, "?")) == 4 * 2 + 4, "what is not seen is marked"
    for word in ("the same task", "another task", "the same domain", "another domain"):
        assert len(places(figure, word)) == 1


def test_an_image_stands_upright_above_its_label():
    ax = nb21_kinds.map_of_settings(settings()).axes[0]
    first = ax.images[0]
    left, right, bottom, top = first.get_extent()
    assert np.array_equal(first.get_array(), IMAGES[0, 0]) and bottom > top, "inches go downwards"
    x, y = places(ax.figure, "a")[0]
    assert left < x < right and y > bottom
    assert ax.get_xlim()[0] == 0 and ax.get_ylim()[1] == 0, "drawing images moves no limit"


def test_a_place_without_a_kind_and_an_image_without_a_label_are_refused():
    with pytest.raises(UserError, match="four boxes"):
        nb21_kinds.map_of_settings(settings()[:3])
    with pytest.raises(UserError, match="to: 3 labels for 4 images"):
        nb21_kinds.map_of_settings([*settings(), Setting("x", True, True, strip("from"), strip("to", "abc"))])


def test_sources_stand_by_their_gain_each_beside_its_images():
    gains = {
        "frozen": {"a": told(-0.2), "b": told(0.3), "c": told(0.0)},
        "full": {"a": told(0.1), "b": told(0.2), "c": told(0.0)},
    }
    strips = {name: strip(f"source {name}") for name in "abc"}
    taught = {"a": told(-0.1), "b": told(0.4), "c": told(0.1)}
    figure = nb21_sources.sources_and_gains(strips, gains, told(-0.1), taught, guess=1)
    left, frozen, full = figure.axes
    heights = [places(figure, f"source {name}")[0][1] for name in "bca"]
    assert heights == sorted(heights), "the best on top"
    titles = [ax.get_title(loc="left") for ax in (frozen, full)]
    assert titles == ["frozen: 1 of 3 worse than scratch,\n1 worse than random weights",
                      "full: 0 of 3 worse than scratch"]  # fmt: skip
    markers = [line for line in frozen.lines if len(line.get_xdata()) == 1 and line.get_marker() == "o"]
    assert [round(float(line.get_xdata()[0]), 2) for line in markers] == [-0.2, 0.0, 0.3]
    [x] = [line.get_xdata()[0] for line in frozen.lines if line.get_color() == look.SLATE]
    assert round(x, 2) == -0.1 and places(figure, "random weights,\nfrozen"), "the control"
    assert not [line for line in full.lines if line.get_color() == look.SLATE], "there it is scratch itself"
    [guessed] = [t for t in frozen.texts if t.get_text() == "your guess: 1 worse"]
    assert guessed.xy[1] == 0.5
    box = left.get_position().y0, left.get_position().y1
    assert np.allclose(box, (frozen.get_position().y0, frozen.get_position().y1)), "rows must be level"
    with pytest.raises(UserError, match="'a'"):
        nb21_sources.sources_and_gains({"b": strip("b"), "c": strip("c")}, gains, told(-0.1), taught)


def test_a_verdict_stands_behind_its_note_and_a_bad_one_in_the_colour_of_wrong():
    found = [setting._replace(note="a note", verdict="worse") for setting in settings()]
    ax = nb21_kinds.map_of_settings(found, "a title that says it").axes[0]
    words = [t for t in ax.texts if t.get_text() == "worse"]
    assert len(words) == 5 and {t.get_color() for t in words} == {look.WRONG}
    assert len(places(ax.figure, "a title that says it")) == 1


def test_only_wrong_images_are_marked():
    figure = drawing.gallery(IMAGES)
    drawing.mark_wrong(figure, [False, True, False, True])
    assert [bool(ax.patches) for ax in figure.axes] == [False, True, False, True]
    with pytest.raises(ValueError):
        drawing.mark_wrong(figure, [True])


def test_a_result_names_its_baseline_and_is_coloured_where_it_is_worse():
    low, high = [0.1, 0.12, 0.11, 0.1] * 3, [0.5, 0.52, 0.53, 0.5] * 3
    setting = nb21_kinds.compared(settings()[1], {"full": low, "scratch": high})
    assert setting.note == "full 0.11:" and setting.verdict == "worse than scratch (0.51)"
    assert nb21_kinds.compared(setting, {"a": high, "b": low}).verdict == "better than b (0.11)"
    near = [value + 0.001 * (k % 3) for k, value in enumerate(low)]
    assert nb21_kinds.compared(setting, {"a": low, "b": near}).verdict == "equal to b (0.11)"
    assert set(nb21_kinds.WORDS) == {"better", "worse", "equal", "cannot tell"}
    ax = nb21_kinds.map_of_settings([*settings(), setting]).axes[0]
    [word] = [t for t in ax.texts if t.get_text() == setting.verdict]
    assert word.get_color() == look.WRONG


def test_clusters_are_columns_below_their_digit():
    images = np.concatenate([IMAGES, IMAGES])
    figure = nb21_kinds.show_clusters(images, [False] * 7 + [True], "0123")
    assert [ax.get_title() for ax in figure.axes[:4]] == list("0123")
    assert [bool(ax.patches) for ax in figure.axes] == [False] * 7 + [True]
    assert "one cluster" in figure.get_suptitle()
