"""Figures of adapting without labels: what they say is what they were given."""

import made_up_records as made
import matplotlib.pyplot as plt
import numpy as np
import pytest

from tlkit import stats
from tlkit.errors import UserError
from tlkit_lessons import adaptations, figures, nb25_adapting

SHIFTS = ("same", "noise")
CRITERIA = ("importance-weighted", "entropy", "neighbourhood density", "nuclear norm", "oracle")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [t.get_text() for ax in figure.axes for t in ax.texts]


def test_plans_are_spelt_as_the_records_have_them():
    """The figures do not import what runs the methods, so the spelling stands in both."""
    assert nb25_adapting.CHOSEN == adaptations.CHOSEN and nb25_adapting._ONCE == adaptations.ONCE


def test_answers_count_what_is_right_and_strike_the_rest():
    images = np.random.default_rng(0).random((3, 1, 8, 8))
    figure = figures.answers(images, "abc", {"before": "axx", "after": "abc"})
    said = texts(figure)
    assert "before\n1 of 3 right" in said and "after\n3 of 3 right" in said
    assert sum(len(ax.lines) for ax in figure.axes) == 2, "two answers are struck out"
    assert [ax.get_title() for ax in figure.axes[:3]] == [*"abc"], "the truth is on the pictures"
    with pytest.raises(UserError, match="after: 2 answers for 3"):
        figures.answers(images, "abc", {"after": "ab"})


def told(gain: float) -> stats.Verdict:
    return stats.verdict([0.5 + gain + d for d in (-0.004, 0.002, 0.001, -0.001, 0.002)], [0.5] * 5)


def test_the_table_marks_what_helps_and_what_harms():
    table = made.adapted({
        ("source only", "same"): 0.9, ("source only", "noise"): 0.5, ("coral", "same"): 0.8,
        ("coral", "noise"): 0.6, ("tuned", "noise"): 0.4, ("mmd", "noise"): 0.4,
    })  # fmt: skip
    verdicts = {
        "source only": {"coral": [told(-0.1), told(0.1)]},
        "tuned": {"mmd": [told(0.0)]},
    }
    ax = nb25_adapting.methods_by_shift(
        table, verdicts, {"source only": SHIFTS, "tuned": ["noise"]}, {"mmd": "MMD"}
    )
    assert [t.get_text() for t in ax.texts] == ["0.90", "0.50", "0.80 ▼", "0.60 ▲", "0.40", "0.40 ="]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["source only", "coral", "tuned", "MMD"]
    with pytest.raises(UserError, match="'tent' on 'same'"):
        nb25_adapting.methods_by_shift(
            table, {"source only": {"tent": [told(0.1)]}}, {"source only": ["same"]}
        )


def test_the_table_says_where_nothing_can_be_told():
    table = made.adapted({("source only", "same"): 0.9, ("coral", "same"): 0.8})
    unsure = stats.verdict([0.9, 0.5, 0.9, 0.4, 0.9], [0.5, 0.9, 0.4, 0.9, 0.8])
    ax = nb25_adapting.methods_by_shift(
        table, {"source only": {"coral": [unsure]}}, {"source only": ["same"]}
    )
    assert ax.texts[-1].get_text() == "0.80 ?"


def test_choices_stand_between_no_adapting_and_the_oracle():
    levels = {(f"chosen@{name}", shift): 0.4 + 0.1 * k for k, name in enumerate(CRITERIA) for shift in SHIFTS}
    table = made.adapted(levels | {("source only", shift): 0.3 for shift in SHIFTS})
    ax = nb25_adapting.selection_gap(table, SHIFTS)
    legend = [t.get_text() for t in ax.get_legend().get_texts()]
    assert legend == ["source only", "oracle: peeks", *CRITERIA[:-1]]
    stars = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "*"]
    assert sum(len(line.get_xdata()) == 6 for line in ax.lines) == 8, "every draw of every criterion"
    values = [{r.seed: r.value for r in table if (r.plan, r.task) == (plan, "same")} for plan in
              ("chosen@oracle", "source only", "chosen@entropy")]  # fmt: skip
    assert np.allclose(stars[0], np.mean([*values[0].values()]) - np.mean([*values[1].values()]))
    each = next(line for line in ax.lines if line.get_marker() == "X" and len(line.get_xdata()) == 6)
    assert np.allclose(each.get_xdata(), [v - values[1][seed] for seed, v in values[2].items()]), "in pairs"
    assert len({line.get_marker() for line in ax.lines}) == 7, "told apart in grey"


def test_batches_are_in_order_and_end_with_the_whole():
    levels = {(f"adabn@batch={n}", "noise"): 0.1 * k for k, n in enumerate((1, 8, 2, "none"))}
    table = made.adapted(levels | {("adabn", "noise"): 0.7, ("source only", "noise"): 0.5})
    ax = nb25_adapting.accuracy_by_batch(table, ["noise"])
    assert list(ax.lines[0].get_xdata()) == [1, 2, 8, 200]
    assert ax.lines[0].get_ydata()[1] > ax.lines[0].get_ydata()[2] and ax.lines[1].get_linestyle() == ":"
    assert sorted(ax.lines[2].get_ydata()) == sorted(r.value for r in table if r.plan == "adabn@batch=1"), (
        "every draw"
    )
    once = np.mean([r.value for r in table if r.plan == "adabn@batch=none"])
    assert np.isclose(ax.lines[-1].get_ydata()[0], once) and ax.lines[-1].get_linestyle() == "-"
    with pytest.raises(UserError, match="'same'"):
        nb25_adapting.accuracy_by_batch(table, ["same"])


def test_clouds_are_seen_in_one_plane():
    chance = np.random.default_rng(0)
    source, target = chance.normal(size=(20, 5)), chance.normal(size=(30, 5)) + 4
    figure = nb25_adapting.clouds(source, target[:20], target)
    before, after = figure.axes
    letters = {"E": (source[:3], target[:4]), "k": (source[3:5], target[4:9])}
    nearer = nb25_adapting.clouds(source, target[:20], target, letters).axes[2]
    assert [(len(line.get_xdata()), line.get_marker()) for line in nearer.lines] == [
        (3, "$E$"), (4, "$E$"), (2, "$k$"), (5, "$k$"),
    ]  # fmt: skip
    points = [{line.get_label(): line.get_xydata() for line in ax.lines} for ax in (before, after)]
    assert np.allclose(points[0]["target, sealed"], points[1]["target, sealed"])
    assert np.allclose(points[1]["source, labelled"], points[1]["target, sealed"][:20])


def test_sure_and_right_are_told_apart():
    ax = nb25_adapting.sure_and_right([0.5, 0.9], [0.6, 0.2])
    assert [list(line.get_ydata()) for line in ax.lines] == [[0.5, 0.9], [0.6, 0.2]]
    assert len({line.get_linestyle() for line in ax.lines}) == 2
    assert list(nb25_adapting.sure_and_right([0.5], [0.6], 0.1).lines[-1].get_ydata()) == [0.1, 0.1]
