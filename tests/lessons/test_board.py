"""The freeze board, without a browser: what a click changes, what a fit puts on it, what a page gets."""

import base64
import re
from io import BytesIO

import numpy as np
import pytest
import tiny
from PIL import Image

from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.plans import Plan
from tlkit.plots import style
from tlkit_lessons import legible, look
from tlkit_lessons.nb14_depth import price
from tlkit_lessons.widgets.board import _dots, choices, freeze_board, nearest

STAGES = ["stem", "block1", "block2", "block3"]
WORLD = tiny.classifier()


@pytest.fixture
def board():
    return freeze_board(*WORLD, labels=4, recipe=tiny.QUICK)


def click(board, *names: str) -> None:
    for name in names:
        toggle = board.toggles[tiny.STAGES.index(name)]
        toggle.value = not toggle.value


def picture(page) -> bytes:
    return base64.b64decode(page.value.partition("base64,")[2].partition('"')[0])


# --- names of choices


def test_every_set_of_stages_that_a_plan_tunes_has_its_name():
    named = choices(STAGES)
    assert [str(plan) for plan in named.values()] == [
        "frozen", "last-1", "last-2", "last-3", "full", "block:stem", "block:block1", "block:block2",
    ]  # fmt: skip
    assert all(set(plan.tuned(STAGES)) == stages for stages, plan in named.items())


@pytest.mark.parametrize(
    ("trained", "plan", "clicks"),
    [
        ([], "frozen", 0),
        (["block3"], "last-1", 0),  # and not block:block3, which is the same
        (STAGES, "full", 0),
        (["block1"], "block:block1", 0),
        (["stem", "block3"], "last-1", 1),
        (["stem", "block1", "block3"], "full", 1),
        (["block1", "block3"], "last-1", 1),
        (["stem", "block1"], "block:stem", 1),
    ],
)
def test_the_nearest_name_is_the_fewest_clicks_away(trained, plan, clicks):
    assert nearest(STAGES, trained) == (Plan.parse(plan), clicks)


# --- clicks


def test_it_opens_where_it_is_told(board):
    assert [toggle.value for toggle in board.toggles] == [False, False, True]
    other = freeze_board(*WORLD, 4, recipe=tiny.QUICK, plan="block:mid")
    assert [toggle.description for toggle in other.toggles] == ["stem: frozen", "mid: trained", "top: frozen"]
    assert str(other.plan) == "block:mid"


def test_a_click_changes_name_strip_and_numbers(board):
    before, strip = board.table.value, picture(board.strip)
    click(board, "mid")
    task, backbone = WORLD
    expected = price(task, backbone, Plan.parse("last-2"), 4, tiny.QUICK)
    assert str(board.plan) == "last-2" and board.button.description == "Fit last-2"
    assert (board.price.trained, board.price.step) == (expected.trained, expected.step)
    assert f"{expected.trained:,}" in board.table.value and board.table.value != before
    assert picture(board.strip) != strip and "<b>last-2</b>" in board.words.value
    click(board, "mid")
    assert board.table.value == before, "the same choice has the same price"


def test_a_choice_without_a_name_says_so_and_cannot_be_fitted(board):
    click(board, "stem")
    assert "No plan trains just stem, top" in board.words.value
    assert "<b>last-1</b>, 1 click away" in board.words.value
    assert board.button.disabled and str(board.plan) == "last-1"
    click(board, "stem")
    assert not board.button.disabled and "No plan" not in board.words.value


def test_shares_are_of_full_and_a_solved_head_takes_no_step(board):
    assert f"{board.price.trained / board.price_of('full').trained:.0%} of full" in board.table.value
    click(board, "top")
    assert "none: fitted by a solver" in board.table.value
    click(board, *tiny.STAGES)
    assert board.table.value.count("100% of full") == 4


# --- fits


def test_the_button_fits_and_shows_accuracy_audit_and_a_dot(board):
    board.button.click()
    done = fit(*WORLD, Plan.parse("last-1"), 4, 0, tiny.QUICK)
    shown = board.fits["last-1"]
    assert shown.test.metrics == done.test.metrics and shown.detail == done.detail
    assert f"accuracy {done.test.metrics['accuracy']:.3f}" in board.result.value
    changed = f"{len(done.audit.moved)} tensors changed, {len(done.audit.still)} unchanged"
    assert changed in board.result.value and not board.button.disabled
    one = picture(board.dots)
    click(board, "top")
    board.button.click()
    assert list(board.fits) == ["last-1", "frozen"] and picture(board.dots) != one


def test_a_small_difference_looks_small(board):
    for plan in ("last-1", "last-2"):
        board.add(fit(*WORLD, Plan.parse(plan), 4, 0, tiny.QUICK))
    one = board.fits["last-1"].test.metrics
    board.fits["last-2"].test.metrics["accuracy"] = one["accuracy"] + 0.001
    [ax] = _dots(board.fits, "accuracy").axes
    assert np.ptp(ax.get_ylim()) == pytest.approx(0.1)
    assert [text.get_text() for text in ax.texts] == ["last-1", "last-2"]


def test_a_fit_from_elsewhere_can_be_put_on_it(board):
    board.add(fit(*WORLD, Plan.parse("full"), 4, 0, tiny.QUICK))
    assert list(board.fits) == ["full"] and "full: accuracy" in board.result.value


def test_what_a_fit_refuses_is_said_on_the_board(board, monkeypatch):
    def refuse(*args):
        raise UserError("too <few>")

    monkeypatch.setattr("tlkit_lessons.widgets.board.fit", refuse)
    board.button.click()
    assert board.result.value == "<p>too &lt;few&gt;</p>" and not board.button.disabled


@pytest.mark.parametrize("plan", ["norm", "lp-ft", "full@decay=0.5", "block:block9"])
def test_a_plan_that_is_no_choice_of_whole_stages_is_refused(plan):
    with pytest.raises(UserError, match="give one of frozen, last-1, last-2, full, block:stem"):
        freeze_board(*WORLD, 4, recipe=tiny.QUICK, plan=plan)


# --- in a browser


def test_its_colours_are_those_of_the_strips_and_its_rows_wrap_on_a_phone(board):
    stages, _, below, sheet = board.children
    assert (
        all("tlkit-stage" in toggle._dom_classes for toggle in stages.children) and len(stages.children) == 4
    )
    for colour in (look.FROZEN_TILE, look.FROZEN, look.TRAINED_TILE, look.TRAINED):
        assert colour in sheet.value
    assert not any(toggle.button_style for toggle in board.toggles)
    assert stages.layout.flex_flow == below.layout.flex_flow == "row wrap"
    assert "sans-serif" in sheet.value and "tlkit-board" in board._dom_classes


@pytest.mark.parametrize(("text", "behind"), [("INK", "FROZEN_TILE"), ("INK", "TRAINED_TILE")])
def test_words_on_its_switches_have_contrast(text, behind):
    assert legible.contrast(getattr(style, text), getattr(look, behind)) >= legible.CONTRAST


def test_every_image_on_it_has_its_alternative_text(board):
    board.add(fit(*WORLD, Plan.parse("full"), 4, 0, tiny.QUICK))
    assert 'alt="What last-1 freezes and trains"' in board.strip.value
    assert 'alt="Test accuracy over operations: full"' in board.dots.value


# --- without a browser, without a kernel


def test_a_page_without_widgets_shows_strips_and_prices(board):
    bundle = board._repr_mimebundle_()
    still = base64.b64decode(bundle["image/png"])
    assert Image.open(BytesIO(still)).format == "PNG" and len(still) < 100_000
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert re.match(r"Board\(last-1: [\d,]+ parameters, .* MB, .* s\)", bundle["text/plain"])
