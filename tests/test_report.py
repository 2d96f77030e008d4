"""Reports: one file that says everything in words, asks nothing of the network, and is whole or absent."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import made_up_records as made
import numpy as np
import pytest
from PIL import Image

from tlkit import compare, recipe, report, stats
from tlkit.errors import UserError
from tlkit.records import Store
from tlkit_lessons import ledger
from tlkit_lessons.notebooks import RunResult
from tlkit_lessons.notebooks.report import FIGURES, workbook_html

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
    rows = [row for row in page.rows if row[0] == "frozen" and len(row) == 7]
    pairs = compare.pairs(store)
    assert len(rows) == len(pairs) == 4
    for row, pair in zip(rows, pairs, strict=True):
        assert row[1:4] == [str(pair.labels), f"{pair.mean:.3f}", pair.against]
        assert row[4].endswith(pair.verdict.word) and row[5] == stats.signed(pair.verdict)
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
    assert len(page.images) == 2 and page.rows[0] == ["plan", "1 label"] and len(page.rows) == 2
    assert "nothing to compare it with" in page.text


def test_only_the_given_records_are_reported(store, tmp_path):
    only = [r for r in store.read() if r.labels == 5]
    page = Page(report.compare_html(store.path, tmp_path / "r.html", "x", records=only).read_text())
    assert {row[1] for row in page.rows if row[0] == "frozen" and len(row) == 7} == {"5"}
    assert len(page.images) == 3 and ["plan", "5 labels"] in page.rows


def test_the_means_of_all_plans_and_a_sentence_for_each_budget(store, page):
    rows = {row[0]: row[1:] for row in page.rows if len(row) == 3}
    assert rows["plan"] == ["1 label", "5 labels"]
    assert rows.keys() == {"plan", "pixels", "scratch", "frozen", "(chance: the commonest class)"}
    for s in compare.standings(store.read()):
        assert rows[s.plan][(1, 5).index(s.labels)] == f"{s.mean:.3f}"
    assert rows["(chance: the commonest class)"] == ["0.100"] * 2
    assert "With 1 label a class frozen has the highest mean" in page.text
    assert "better than scratch" in page.text


def _concluded(path, values: dict[str, float], seeds: int = 10) -> str:
    store = Store(path)
    for plan, value in values.items():
        noise = np.random.default_rng(made.PLANS.index(plan)).normal(0, 0.01, seeds)
        store.append([made.row(plan, 5, s, value + noise[s]) for s in range(seeds)])
    (said,) = compare.conclude(store, store.read(), compare.pairs(store))
    return said


def test_where_no_plan_reaches_chance_a_sentence_says_so(tmp_path):
    store, targets = Store(tmp_path / "r.jsonl"), np.array([0] * 90 + [1] * 10)
    for plan, right in (("scratch", 60), ("frozen", 80)):
        for seed in range(5):
            answers = np.where(np.arange(100) < right, targets, 1 - targets)
            store.append([made.row(plan, 5, seed, right / 100)], answers, targets)
    *_, last = compare.conclude(store, store.read(), compare.pairs(store))
    assert last == "No plan reaches what always giving the commonest class gets: 0.900."
    store.append([made.row("full", 5, 0, 0.95)], np.where(np.arange(100) < 95, targets, 1 - targets), targets)
    assert len(compare.conclude(store, store.read(), compare.pairs(store))) == 1


def test_the_sentence_says_which_plan_and_whether_it_can_be_told(tmp_path):
    near = {"pixels": 0.5, "scratch": 0.6, "last-1": 0.902, "full": 0.9, "frozen": 0.7}
    said = _concluded(tmp_path / "a.jsonl", near)
    assert "0.901: it is better than scratch and pixels; is equal within 0.02 to full, the next plan" in said
    assert "frozen" not in said
    said = _concluded(tmp_path / "b.jsonl", {"pixels": 0.5, "scratch": 0.9, "frozen": 0.7, "full": 0.8})
    assert said.startswith("With 5 labels a class scratch has the highest mean")
    assert "no plan that transfers reaches it. The best of them, full (0.7" in said
    assert (
        "is better than pixels and frozen, the next plan (0.7" in said and "; is worse than scratch." in said
    )
    said = _concluded(tmp_path / "c.jsonl", near, seeds=3)
    assert said.endswith("no verdict from 3 seeds, 5 are needed.")


def test_facts_of_the_caller_come_first(store, tmp_path):
    told = {"saved model": "frozen <1>", "set aside": "2 files"}
    text = report.compare_html(store.path, tmp_path / "r.html", "x", facts=told).read_text()
    assert "frozen &lt;1&gt;" in text and text.index("saved model") < text.index("<dt>fits")


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


def executed(path, figures: int, headline: int | None = None):
    """A notebook of so many figures, one of which may be its headline."""
    cells = [{"cell_type": "markdown", "source": ["## 2 · The result\n", "text"]}]
    for number in range(figures):
        buffer = io.BytesIO()
        Image.new("RGB", (4, 4)).save(buffer, "PNG")
        png = base64.b64encode(buffer.getvalue()).decode()
        data = {"image/png": png + "\n", "text/plain": [f"figure {number}"]}
        outputs = [{"output_type": "display_data", "data": data}]
        tags = ["headline"] if number == headline else []
        cells.append({"cell_type": "code", "source": "x", "metadata": {"tags": tags}, "outputs": outputs})
    path.write_text(json.dumps({"cells": cells}))
    return path


@pytest.fixture
def results(tmp_path):
    return [
        RunResult("11", "11_first_transfer", executed(tmp_path / "a.ipynb", 3), 12.4, None),
        RunResult("16", "16_comparison", executed(tmp_path / "b.ipynb", 0), 3.0, "cell 7: NameError: <x>"),
    ]


def test_the_workbook_has_claims_figures_times_and_failures(results, tmp_path):
    out = workbook_html(results, tmp_path / "build" / "report.html")
    text = out.read_text("utf-8")
    assert_self_contained(text)
    page = Page(text)
    assert [row[2].split(" ", 1)[1] for row in page.rows[1:]] == [row.verdict for row in ledger.table()]
    assert len(page.images) == FIGURES and "heading 2 · The result" in page.images[0]["alt"]
    assert "16: cell 7: NameError: <x>" in page.text and "FAILED in 3 s" in page.text
    assert "11 first transfer ran in 12 s" in page.text and "2 notebooks, 15 s" in page.text


@pytest.mark.parametrize(("headline", "shown"), [(None, ["1", "2"]), (0, ["0"])])
def test_a_notebook_shows_its_headline_or_its_last_figures(tmp_path, headline, shown):
    ran = RunResult("11", "11_first", executed(tmp_path / "a.ipynb", 3, headline), 1.0, None)
    page = Page(workbook_html([ran], tmp_path / "r.html").read_text())
    assert [image["alt"][-1] for image in page.images] == shown


def test_a_notebook_that_left_no_copy_is_still_told(tmp_path):
    lost = RunResult("12", "12_feature_extraction", tmp_path / "absent.ipynb", 1.0, "kernel died")
    page = Page(workbook_html([lost], tmp_path / "r.html").read_text())
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
        assert report.mark(word)
    assert len({report.mark(w) for w in ("better", "worse", "equal", "cannot tell")}) == 4
