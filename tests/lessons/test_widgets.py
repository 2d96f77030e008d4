"""The sliders, without a browser: what they hold, what a saved page gets of them, what they refuse."""

import base64
from io import BytesIO
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from ipywidgets.embed import dependency_state
from PIL import Image

from tlkit.errors import UserError
from tlkit.records import Record, Store
from tlkit.stats import verdict
from tlkit_lessons import nb13_stages, widgets
from tlkit_lessons.widgets import labels as slider

VIEW = "application/vnd.jupyter.widget-view+json"


def draw(n):
    _, ax = plt.subplots(figsize=(3, 2))
    ax.plot([0, n])
    ax.set_title(f'up to {n} "labels"')
    return ax


@pytest.fixture
def frames():
    return widgets.drag(draw, (1, 2, 5), "labels per class")


def picture(page):
    return base64.b64decode(page.value.partition("base64,")[2].partition('"')[0])


def test_a_guess_stands_where_it_was_put_and_moves():
    guess = widgets.guess("How accurate?", 0.5)
    assert guess.value == 0.5
    guess.slider.value = 0.73
    assert guess.value == 0.73


def test_whole_numbers_stay_whole():
    guess = widgets.guess("How many labels?", 10, low=1, high=50, step=1)
    guess.slider.value = 7
    assert guess.value == 7
    assert isinstance(guess.value, int)


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_a_guess_outside_of_the_slider_is_refused(value):
    with pytest.raises(UserError, match="give one from 0 to 1"):
        widgets.guess("How accurate?", value)


def test_a_guess_without_widgets_is_a_line_of_text():
    guess = widgets.guess("Is 1 < 2?", 0.5)
    bundle = guess._repr_mimebundle_()
    assert VIEW in bundle
    assert bundle["text/html"].startswith("<b>Is 1 &lt; 2?</b> 0.5")
    assert bundle["text/plain"] == "Guess(0.5)"


def test_a_frame_for_each_value_in_order(frames):
    assert frames.slider.options == (("1", 1), ("2", 2), ("5", 5))
    pages = frames.stack.children
    assert len({picture(page) for page in pages}) == 3
    assert [Image.open(BytesIO(picture(page))).size for page in pages] == [(300, 200)] * 3
    assert 'alt="up to 2 &quot;labels&quot;"' in pages[1].value


def test_the_slider_turns_the_pages_in_the_browser(frames):
    assert frames.link.source == (frames.slider, "index")
    assert frames.link.target == (frames.stack, "selected_index")
    assert frames.stack.selected_index == frames.slider.index == 0


def test_a_saved_page_has_all_that_moves(frames):
    state = dependency_state([frames])
    models = {model["model_name"] for model in state.values()}
    assert {"SelectionSliderModel", frames.stack.get_state()["_model_name"], "LinkModel"} <= models
    assert {page.model_id for page in frames.stack.children} <= state.keys()


def test_without_widgets_the_last_frame_is_shown(frames):
    bundle = frames._repr_mimebundle_()
    assert VIEW in bundle
    assert base64.b64decode(bundle["image/png"]) == picture(frames.stack.children[-1])
    assert bundle["text/plain"] == "Frames(labels per class: 1, 2, 5)"


def test_or_the_picture_that_was_given():
    frames = widgets.drag(draw, (1, 2), "labels", still=draw(50).figure)
    still = base64.b64decode(frames._repr_mimebundle_()["image/png"])
    assert still not in [picture(page) for page in frames.stack.children]


def test_no_figure_is_left_open_for_the_cell_to_show_again():
    before = plt.get_fignums()
    widgets.drag(draw, (1, 2), "labels")
    assert plt.get_fignums() == before


def test_a_figure_without_title_is_named_by_its_value():
    frames = widgets.drag(lambda n: plt.figure(figsize=(2, 1)), (1, 2.5), "labels")
    assert 'alt="labels: 2.5"' in frames.stack.children[1].value


def test_buttons_turn_the_pages_too():
    buttons = widgets.click(draw, (1, 2), "stage")
    assert buttons.slider.options == (("1", 1), ("2", 2)) and buttons.slider.description == "stage"
    assert buttons.link.source == (buttons.slider, "index")
    assert buttons.link.target == (buttons.stack, "selected_index")
    buttons.slider.value = 2
    assert buttons.slider.index == 1 and 'alt="up to 2' in buttons.stack.children[1].value
    models = {model["model_name"] for model in dependency_state([buttons]).values()}
    assert {"ToggleButtonsModel", buttons.stack.get_state()["_model_name"], "LinkModel"} <= models
    assert VIEW in buttons._repr_mimebundle_() and "image/png" in buttons._repr_mimebundle_()
    with pytest.raises(UserError, match="nothing to choose from"):
        widgets.click(draw, (1,), "stage")


def test_one_value_is_no_slider():
    with pytest.raises(UserError, match="at least two values"):
        widgets.drag(draw, (1,), "labels")


def test_a_drawing_without_figure_is_refused():
    with pytest.raises(UserError, match=r"draw\(1\) gave NoneType, not a figure"):
        widgets.drag(lambda n: None, (1, 2), "labels")


# accuracy at 1, 2 and 5 labels: the gain is large, then small, then nothing that matters
CURVES = {"pixels": (0.4, 0.5, 0.6), "scratch": (0.3, 0.7, 0.9), "frozen": (0.7, 0.8, 0.905)}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "made.jsonl")
    common = {"task": "t", "data": "d", "backbone": "b", "recipe": "r", "split": "test", "metric": "accuracy"}
    for k, (plan, curve) in enumerate(CURVES.items(), 1):
        weights = "w" if plan == "frozen" else "none"
        for labels, mean in zip((1, 2, 5), curve, strict=True):
            rows = [mean + 0.001 * (k * seed % 5 - 2) for seed in range(6)]
            store.append(
                Record(plan=plan, weights=weights, labels=labels, seed=seed, value=value, **common)
                for seed, value in enumerate(rows)
            )
    return store


def alternative(page):
    return page.value.partition('alt="')[2].partition('"')[0]


def test_the_label_slider_heads_each_budget_with_its_verdict(store):
    frames = widgets.label_slider(store, list(CURVES))
    heads = [alternative(page) for page in frames.stack.children]
    assert heads[:2] == [f"{n} per class: frozen is better than scratch" for n in ("1 label", "2 labels")]
    assert heads[2] == "5 labels per class: frozen is equal to scratch"
    assert all(len(picture(page)) < 100_000 for page in frames.stack.children)


def test_the_mark_stands_only_where_the_gain_has_ended(store, monkeypatch):
    drawn = []
    monkeypatch.setattr(slider, "drag", lambda draw, over, name: drawn.extend(map(draw, over)))
    widgets.label_slider(store, list(CURVES))
    marks = [[t.get_text() for t in figure.axes[1].texts] for figure in drawn]
    assert marks == [[], [], ["frozen:\nequal\nfrom here"]]
    widgets.label_slider(store, list(CURVES), against="pixels")
    assert [t.get_text() for figure in drawn[3:] for t in figure.axes[1].texts] == []
    dots = [len(line.get_xdata()) for line in drawn[0].axes[0].lines]
    assert dots == [6, 6, 6]
    plt.close("all")


def test_axes_stand_still_while_the_labels_move(store, monkeypatch):
    drawn = []
    monkeypatch.setattr(slider, "drag", lambda draw, over, name: drawn.extend(map(draw, over)))
    widgets.label_slider(store, list(CURVES))
    assert len({(*ax.get_xlim(), *ax.get_ylim()) for f in drawn for ax in f.axes[1:]}) == 1
    plt.close("all")


def test_a_comparison_that_is_not_in_the_records_is_refused(store):
    with pytest.raises(UserError, match="full and scratch share 0 budgets"):
        widgets.label_slider(store, ["scratch", "full"])


def test_a_quiz_says_why_to_every_choice_and_needs_no_kernel():
    quiz = widgets.quiz("2 < 3?", {"yes": "It is & was.", "no": "Count again."}, right="yes")
    page = quiz._repr_html_()
    assert page.count("<details") == 2 and "2 &lt; 3?" in page and "It is &amp; was." in page
    assert page.index("Right.") < page.index("Count again") and page.count("Right.") == 1
    assert repr(quiz).splitlines() == ["2 < 3?", "  ( ) yes", "  ( ) no"]


def test_a_quiz_that_cannot_be_answered_is_refused():
    with pytest.raises(UserError, match="unknown right answer 'maybe'"):
        widgets.quiz("?", {"yes": "a", "no": "b"}, right="maybe")
    with pytest.raises(UserError, match="a reason for each"):
        widgets.quiz("?", {"yes": "a", "no": ""}, right="yes")


@pytest.fixture
def alike():
    """Four items, of which 0 and 1 are labelled, of classes 0 and 1; item 3 gains its relative at the end."""
    task = SimpleNamespace(name="made", train=SimpleNamespace(inputs=np.arange(256).reshape(4, 8, 8) / 255))
    kinds = np.array([0, 1, 0, 1])
    found = {}
    for stage, where in {"pixels": [0, 1, 0, 0], "stem": [0, 1, 1, 0], "end": [0, 1, 0, 1]}.items():
        found[stage] = np.array(where)[:, None], (np.array(where) == kinds)[:, None]
    return task, {"made": found}


def test_a_stage_shows_what_it_finds_and_how_often_that_is_right(alike, monkeypatch):
    task, found = alike
    drawn = []
    kept = lambda blocks, cell=0: drawn.append(blocks) or plt.figure(figsize=(2, 1))  # noqa: E731
    monkeypatch.setattr(nb13_stages, "neighbours", kept)
    frames = widgets.neighbours_by_stage([task], found, "end", [task.train.inputs + 1])
    assert [label for label, _ in frames.slider.options] == ["pixels", "stem", "end"]
    still, *pages = drawn
    image, rows = still["made"]
    assert (image == task.train.inputs[3] + 1).all()
    assert [row.note for row in rows.values()] == ["1-NN 50%", "1-NN 0%", "1-NN 100%"]
    assert [list(page["made"][1]) for page in pages] == [["pixels"], ["stem"], ["end"]]
    last = pages[-1]["made"][1]["end"]
    assert (last.found[0] == task.train.inputs[1] + 1).all() and last.same.all()


def test_stages_that_differ_between_tasks_are_refused(alike):
    task, found = alike
    with pytest.raises(UserError, match="block1 among them"):
        widgets.neighbours_by_stage([task], found, "block1")
    with pytest.raises(UserError, match="same stages"):
        widgets.neighbours_by_stage([task], found | {"other": {"stem": found["made"]["stem"]}}, "stem")


def test_the_dial_shows_its_images_and_heads_each_turn_with_its_verdicts():
    def told(mean):
        return verdict([0.5 + mean + d for d in (-0.02, 0.01, 0.02, -0.01, 0.0)], [0.5] * 5)

    pictures = {s: [np.full((8, 8), s)] * 10 for s in (0.0, 1.0, 0.5)}
    gains = {"frozen": [told(-0.2), told(0.3), told(0.1)]}  # in the order of the pictures
    frames = widgets.dial(pictures, gains, guess=0.3)
    heads = [alternative(page) for page in frames.stack.children]
    assert heads == [
        "Similarity 1, against scratch – frozen: better",
        "Similarity 0.5, against scratch – frozen: better",
        "Similarity 0, against scratch – frozen: worse",
    ]
    assert all(len(picture(page)) < 100_000 for page in frames.stack.children)
    wanted = {s: [f"{s} {k}" for k in range(10)] for s in pictures}
    assert len(widgets.dial(pictures, gains, answers=wanted).stack.children) == 3
    with pytest.raises(UserError, match="frozen has no gain"):
        widgets.dial(pictures, {"frozen": [told(0.1)]})
