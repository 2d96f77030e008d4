"""Reports: one file that says everything in words, asks nothing of the network, and is whole or absent."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import made_up_records as made
import pytest
from PIL import Image

from tlkit import claims, recipe, report
from tlkit.errors import UserError
from tlkit.workbook import RunResult

VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Tables, pictures, links and text of a page; fails where tags do not close."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.rows, self.images, self.asked, self.words = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.asked += [attrs[name] for name in ("src", "href", "action") if name in attrs]
        if tag == "img":
            self.images.append(attrs)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    version = recipe.default().version
    return made.digits(
        folder / "digits.jsonl", ("pixels", "scratch", "frozen"), (1, 5), items=60, recipe=version
    )


@pytest.fixture(scope="module")
def page(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "made" / "compare.html"
    assert report.compare_html(store.path, out, "digits <from> letters") == out
    return Page(out.read_text("utf-8"))


def assert_self_contained(text: str) -> None:
    page = Page(text)
    assert all(link.startswith("data:image/png;base64,") for link in page.asked)
    assert not re.search(r"https?://|<script|@import|url\(", text)
    for image in page.images:
        data = base64.b64decode(image["src"].partition(",")[2], validate=True)
        assert Image.open(io.BytesIO(data)).format == "PNG" and len(data) < 100_000
        assert len(image["alt"]) > 10


def test_the_comparison_is_one_file_that_asks_nothing(store, tmp_path):
    out = report.compare_html(store.path, tmp_path / "r.html", "digits")
    assert_self_contained(out.read_text("utf-8"))
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_every_pair_is_a_row_with_its_word(page, store):
    rows = [row for row in page.rows if row[0] == "frozen"]
    pairs = claims.pairs(store)
    assert len(rows) == len(pairs) == 4
    for row, pair in zip(rows, pairs, strict=True):
        assert row[1:4] == [str(pair.labels), f"{pair.accuracy:.3f}", pair.against]
        assert row[4].endswith(pair.verdict.word) and row[5] == claims.signed(pair.verdict)
        assert row[6] == f"{pair.verdict.wins} of {pair.verdict.n}"


def test_figures_have_alt_text_with_the_numbers(page):
    assert len(page.images) == 3
    assert "frozen: 0.7" in page.images[0]["alt"] and "frozen at 1: +0." in page.images[1]["alt"]


def test_what_was_run_is_told(page):
    for word in (
        "torch",
        "threads a process 1",
        "device",
        "60 steps",
        "licence",
        "letters",
        "seeds",
        "30 s of",
    ):
        assert word in page.text
    assert "Did transfer pay? digits <from> letters" in page.text  # escaped in the source, read as written


def test_how_to_read_it_takes_two_sentences():
    assert len(re.findall(r"\.(?: |$)", report.READING)) == 2


def test_a_diverged_fit_is_reported(tmp_path):
    store = made.digits(tmp_path / "a.jsonl", ("scratch", "frozen"), (1,), seeds=5, items=0)
    store.append([made.row("full", 1, 0, None, status="diverged", detail={"why": "the loss became NaN"})])
    text = report.compare_html(store.path, tmp_path / "r.html", "x").read_text()
    assert "full, 1 labels, seed 0: diverged. the loss became NaN" in Page(text).text


def test_a_comparison_without_scratch_or_pairs_still_reports(tmp_path):
    store = made.digits(tmp_path / "a.jsonl", ("frozen",), (1,), seeds=2, items=0)
    page = Page(report.compare_html(store.path, tmp_path / "r.html", "x").read_text())
    assert len(page.images) == 2 and page.rows == []


def test_only_the_given_records_are_reported(store, tmp_path):
    only = [r for r in store.read() if r.labels == 5]
    page = Page(report.compare_html(store.path, tmp_path / "r.html", "x", records=only).read_text())
    assert {row[1] for row in page.rows if row[0] == "frozen"} == {"5"}


def test_an_empty_store_or_a_bad_place_is_one_sentence(store, tmp_path):
    with pytest.raises(UserError, match="no finished fit"):
        report.compare_html(tmp_path / "absent.jsonl", tmp_path / "r.html", "x")
    (tmp_path / "file").write_text("kept")
    with pytest.raises(UserError, match="cannot be written"):
        report.compare_html(store.path, tmp_path / "file" / "r.html", "x")
    assert (
        sorted(p.name for p in tmp_path.iterdir()) == ["file"] and (tmp_path / "file").read_text() == "kept"
    )


# --- the workbook


def executed(path, figures: int):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    png = base64.b64encode(buffer.getvalue()).decode()
    outputs = [{"output_type": "display_data", "data": {"image/png": png + "\n", "text/plain": ["<Figure>"]}}]
    cells = [{"cell_type": "markdown", "source": ["## 2 · The result\n", "text"]}]
    cells += [{"cell_type": "code", "source": "x", "outputs": outputs}] * figures
    path.write_text(json.dumps({"cells": cells}))
    return path


@pytest.fixture
def results(tmp_path):
    return [
        RunResult("11", "11_first_transfer", executed(tmp_path / "a.ipynb", 3), 12.4, None),
        RunResult("16", "16_comparison", executed(tmp_path / "b.ipynb", 0), 3.0, "cell 7: NameError: <x>"),
    ]


def test_the_workbook_has_claims_figures_times_and_failures(results, tmp_path):
    out = report.workbook_html(results, tmp_path / "build" / "report.html")
    text = out.read_text("utf-8")
    assert_self_contained(text)
    page = Page(text)
    assert [row[2].split(" ", 1)[1] for row in page.rows[1:]] == [row.verdict for row in claims.table()]
    assert len(page.images) == report.FIGURES and "heading 2 · The result" in page.images[0]["alt"]
    assert "16: cell 7: NameError: <x>" in page.text and "FAILED in 3 s" in page.text
    assert "11 first transfer ran in 12 s" in page.text and "2 notebooks, 15 s" in page.text


def test_a_notebook_that_left_no_copy_is_still_told(tmp_path):
    lost = RunResult("12", "12_feature_extraction", tmp_path / "absent.ipynb", 1.0, "kernel died")
    page = Page(report.workbook_html([lost], tmp_path / "r.html").read_text())
    assert "12: kernel died" in page.text and "did not run to the end" in page.text


def test_a_verdict_is_never_told_by_colour_alone(page):
    for word in (
        "better",
        "worse",
        "equal",
        "cannot tell",
        "holds",
        "does not hold",
        "holds only when labels <= 5",
    ):
        assert report._mark(word)
    assert len({report._mark(w) for w in ("better", "worse", "equal", "cannot tell")}) == 4
