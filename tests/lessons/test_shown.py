"""Widgets under ipywidgets 7 and 8: what an output holds, and pages of which one is in view.

These run under whichever of the two is installed; under 8 the other one is made believe as well.
"""

import base64

import ipywidgets
import matplotlib.pyplot as plt
import pytest
import tiny
from IPython.core.formatters import DisplayFormatter
from ipywidgets import HTML, Tab, Widget
from nbformat.v4 import new_code_cell, new_notebook

from tlkit_lessons import widgets
from tlkit_lessons.widgets import shown
from tools.notebooks import execute

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
EIGHT = hasattr(ipywidgets, "Stack")
MAKE = """\
import matplotlib.pyplot as plt
from tlkit_lessons import widgets
display(widgets.drag(lambda n: plt.figure(figsize=(n, 1)), (1, 2), "labels"))
display(widgets.guess("How many?", 0.5))"""
BELIEVE_7 = """\
import ipywidgets
if hasattr(ipywidgets, "Stack"):
    del ipywidgets.Stack, ipywidgets.Widget._repr_mimebundle_"""


def frames():
    return widgets.drag(lambda n: plt.figure(figsize=(n, 1)), (1, 2, 3), "labels")


def guess():
    return widgets.guess("How many?", 0.5)


def board():
    return widgets.freeze_board(*tiny.classifier(), labels=4, recipe=tiny.QUICK)


KINDS = {frames: "image/png", guess: "text/html", board: "image/png"}
each = pytest.mark.parametrize(("make", "kind"), KINDS.items(), ids=[make.__name__ for make in KINDS])


@pytest.fixture
def seven(monkeypatch):
    monkeypatch.delattr(ipywidgets, "Stack", raising=False)
    monkeypatch.delattr(Widget, "_repr_mimebundle_", raising=False)


@pytest.fixture
def outputs(monkeypatch):
    """What IPython gets for a thing: what the thing puts on the page itself, and what it gives when asked."""
    by_itself = []
    monkeypatch.setattr(shown, "display", lambda data, raw: by_itself.append(data))

    def of(thing):
        asked, _ = DisplayFormatter().format(thing)
        return by_itself, [asked] if asked else []

    return of


def holds_view_and_still(output, widget, kind):
    assert output.keys() == {VIEW, "text/plain", kind}
    assert output[VIEW]["model_id"] == widget.model_id and output["text/plain"] == repr(widget)
    still = output[kind] if kind == "text/html" else base64.b64decode(output[kind])
    return still == widget.still


@each
def test_an_output_holds_view_and_still(outputs, make, kind):
    widget = make()
    by_itself, asked = outputs(widget)
    [output] = by_itself + asked
    assert holds_view_and_still(output, widget, kind)
    assert len(asked) == EIGHT


@each
def test_in_7_it_comes_from_the_widget_itself(seven, outputs, make, kind):
    widget = make()
    [output], asked = outputs(widget)
    assert holds_view_and_still(output, widget, kind)
    assert asked == []


def test_a_guess_is_kept_as_it_stands(seven, outputs):
    widget = guess()
    widget.slider.value = 0.7
    [output], _ = outputs(widget)
    assert output["text/html"].startswith("<b>How many?</b> 0.7 ")


def test_pages_are_a_stack_where_there_is_one():
    [stack, *style] = shown.stacked([HTML(), HTML()])
    assert isinstance(stack, ipywidgets.Stack if EIGHT else Tab) and stack.selected_index == 0
    assert len(style) == (not EIGHT)


def test_in_7_pages_are_tabs_without_their_bar_turned_in_the_browser(seven):
    widget = frames()
    slider, tabs, style = widget.children
    assert isinstance(tabs, Tab) and len(tabs.children) == 3
    assert widget.link.source == (slider, "index") and widget.link.target == (tabs, "selected_index")
    [name] = tabs._dom_classes
    assert f".{name} > .p-TabBar" in style.value and "display: none" in style.value


@pytest.mark.notebook
def test_a_saved_notebook_holds_state_view_and_still_under_both(tmp_path):
    nb = new_notebook(cells=[new_code_cell(MAKE), new_code_cell(BELIEVE_7), new_code_cell(MAKE)])
    execute.execute(nb, "made", tmp_path)
    state = nb.metadata["widgets"][STATE]["state"]
    for cell in (nb.cells[0], nb.cells[2]):
        assert [output.data.keys() - {VIEW, "text/plain"} for output in cell.outputs] == [
            {"image/png"},
            {"text/html"},
        ]
        assert {output.data[VIEW]["model_id"] for output in cell.outputs} <= state.keys()
    names = [model["model_name"] for model in state.values()]
    assert (names.count("StackModel"), names.count("TabModel")) == ((1, 1) if EIGHT else (0, 2))
    sliders = [m["state"] for m in state.values() if m["model_name"] == "SelectionSliderModel"]
    assert [slider["index"] for slider in sliders] == [0, 0]  # without it no page is in view at first
