"""Reports: one file that says everything in words, asks nothing of the network, and is whole or absent."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from importlib import resources

import made_up_records as made
import numpy as np
import pytest
from PIL import Image

from tlkit import compare, env, recipe, report, stats
from tlkit.errors import UserError
from tlkit.records import Store
from tlkit.report.page import licence
from tlkit_lessons import ledger
from tlkit_lessons.notebooks import RunResult
from tlkit_lessons.notebooks.report import FIGURES, workbook_html

VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Tables, images, links and text of a page; fails where tags do not close."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.rows, self.images, self.asked, self.words = [], [], [], [], []
        self.order, self.summaries, self.captions = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.asked += [attrs[name] for name in ("src", "href", "action") if name in attrs]
        if tag in ("img", "table"):
            self.order.append(tag)
        if tag == "img":
            self.images.append(attrs)
        if tag == "ul" and attrs.get("class") == "summary":
            self.summaries.append([])
        if tag == "caption":
            self.captions.append("")
        if tag == "li" and self.open[-1] == "ul" and self.summaries:
            self.summaries[-1].append("")
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
        if self.open[-1:] == ["li"] and self.summaries:
            self.summaries[-1][-1] += data
        if self.open[-1:] == ["caption"]:
            self.captions[-1] += data
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


def test_every_pair_is_a_sentence_under_its_budget(page, store):
    start = page.rows.index(["verdict", "difference", "seeds won"]) + 1
    rows, pairs = page.rows[start : start + 6], compare.pairs(store)
    assert [rows[0], rows[3]] == [["1 label per class"], ["5 labels per class"]]
    assert len(pairs) == 4
    for row, pair in zip(rows[1:3] + rows[4:], pairs, strict=True):
        assert pair.verdict.word == "better"
        assert row == [
            f"▲ frozen is better than {pair.against}",
            stats.signed(pair.verdict).replace(", ", ",\xa0"),
            f"{pair.verdict.wins} of {pair.verdict.n}",
        ]
    assert "4 comparisons with a baseline: 4 better" in page.text


def test_a_page_begins_with_a_short_summary_then_figures_then_tables(page):
    (summary,) = page.summaries
    assert 1 <= len(summary) <= 5 and all(re.fullmatch(r"[^.]+(\.\d[^.]*)*\.", said) for said in summary)
    assert summary[0] == "Transfer beats scratch with 1 and 5 labels per class."
    assert page.order[:4] == ["img"] * 3 + ["table"]


def test_six_budgets_are_summed_up_in_five_sentences(tmp_path):
    store = made.digits(tmp_path / "a.jsonl", made.PLANS, made.BUDGETS, items=60)
    page = Page(report.compare_html(store.path, tmp_path / "r.html", "x").read_text("utf-8"))
    (summary,) = page.summaries
    assert len(summary) <= 5 and "With 1 label per class" in summary[1] and "With 50 labels" in summary[2]


def test_the_title_of_a_figure_is_its_message(page):
    titles = [image["alt"].partition(". ")[0] for image in page.images]
    assert titles[0].startswith("frozen scores highest with 1 and 5 labels per class (0.7")
    assert titles[1] == "Transfer beats scratch with 1 and 5 labels per class"
    assert titles[2] == "With 5 labels per class, no cheaper network comes within 0.02 of frozen"


def test_no_text_is_kept_from_breaking_and_no_width_is_fixed():
    style = resources.files("tlkit").joinpath("templates/report.html").read_text("utf-8")
    rules = re.findall(r"([^{}]+)\{([^{}]*nowrap[^{}]*)\}", style.partition("</style>")[0])
    assert [rule.strip() for rule, _ in rules] == ["td.figure"], "numbers alone stay on a line"
    assert style.count("<table>") == style.count('<div class="wide" tabindex="0"><table>')
    assert "overflow-x: auto" in style and not re.search(r"(?<!-)\bwidth: *\d+(px|rem)", style)


def _contrast(one: str, other: str) -> float:
    """WCAG 2's contrast of two colours such as #1a1a1a or #fff."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
        parts = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_text_can_be_read_light_and_dark():
    style = resources.files("tlkit").joinpath("templates/report.html").read_text("utf-8")
    schemes = [dict(re.findall(r"--(\w+): (#\w+)", rule)) for rule in re.findall(r":root \{([^}]*)\}", style)]
    assert len(schemes) == 2 and "prefers-color-scheme: dark" in style
    for colours in schemes:
        for text in ("ink", "soft", "good", "bad", "link"):
            for ground in ("paper", "card"):
                assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert not re.search(r"[; {]color: *#", style), "a colour outside the two schemes"


def test_figures_have_alt_text_with_the_numbers(page):
    assert len(page.images) == 3
    assert "frozen: 0.7" in page.images[0]["alt"] and "frozen at 1: +0." in page.images[1]["alt"]
    assert "pixels: 0." in page.images[2]["alt"]


def test_what_was_run_is_told(page):
    for word in (
        "torch",
        "on cpu, 1 thread per process",
        "60 steps",
        "licence",
        "letters",
        "seeds",
        "30 s of computing when they were run",
    ):
        assert word in page.text
    assert "Did transfer pay? digits <from> letters" in page.text  # escaped in the source, read as written


def test_plans_and_verdicts_are_explained_and_only_those_that_ran(page):
    assert "randomly initialised, all weights trained" in page.text and "raw pixels" in page.text
    assert "lp-ft" not in page.text and "LP" not in page.text and "confirmed" not in page.text
    assert "cannot tell" in page.text, "the word of the records is explained"


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
    assert ["5 labels per class"] in page.rows and ["1 label per class"] not in page.rows
    assert len(page.images) == 3 and ["plan", "5 labels"] in page.rows


def test_the_means_of_all_plans_and_a_sentence_for_each_budget(store, page):
    rows = {row[0]: row[1:] for row in page.rows if len(row) == 3 and "of" not in row[2]}
    del rows["verdict"]
    assert rows["plan"] == ["1 label", "5 labels"]
    assert rows.keys() == {"plan", "pixels", "scratch", "frozen", "(chance level: the commonest class)"}
    for s in compare.standings(store.read()):
        assert rows[s.plan][(1, 5).index(s.labels)] == f"{s.mean:.3f}"
    assert rows["(chance level: the commonest class)"] == ["0.100"] * 2
    assert "With 1 label per class, frozen has the highest mean" in page.text
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
    assert last == "No plan reaches the chance level, always giving the commonest class: 0.900."
    store.append([made.row("full", 5, 0, 0.95)], np.where(np.arange(100) < 95, targets, 1 - targets), targets)
    assert len(compare.conclude(store, store.read(), compare.pairs(store))) == 1


def test_the_sentence_says_which_plan_and_whether_it_can_be_told(tmp_path):
    near = {"pixels": 0.5, "scratch": 0.6, "last-1": 0.902, "full": 0.9, "frozen": 0.7}
    said = _concluded(tmp_path / "a.jsonl", near)
    assert "0.901: it is better than scratch and pixels; is equal within 0.02 to full, the next plan" in said
    assert "frozen" not in said
    said = _concluded(tmp_path / "b.jsonl", {"pixels": 0.5, "scratch": 0.9, "frozen": 0.7, "full": 0.8})
    assert said.startswith("With 5 labels per class, scratch has the highest mean")
    assert "no plan that transfers reaches it; the best of them, full (0.7" in said
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
    assert len(page.images) == FIGURES and "heading 2 · The result" in page.images[0]["alt"]
    assert "16: cell 7: NameError: <x>" in page.text and "FAILED in 3 s" in page.text
    assert "11 first transfer ran in 12 s" in page.text and "2 notebooks, 15 s" in page.text
    (summary,) = page.summaries
    assert summary[0] == "1 of 2 notebooks ran to the end; this took 15 s." and len(summary) <= 5


def test_the_sayings_of_the_notebooks_that_ran_are_folded_in_two_tiers(results, tmp_path):
    text = workbook_html(results, tmp_path / "r.html").read_text("utf-8")
    page, numbers = Page(text), {"11", "16"}
    shown = {s.number: s for s in ledger.sayings() if s.word and numbers & set(s.where.split(", "))}
    assert re.findall(r'<details class="claim"><summary>(\d+) ·', text) == [str(n) for n in shown]
    assert len(shown) < sum(bool(s.word) for s in ledger.sayings()), "only what ran"
    for saying in shown.values():
        assert f"{saying.number} · {saying.text}: {report.mark(saying.word)} {saying.verdict}" in page.text
        for row in saying.evidence:
            told = f"{row.text}: {report.mark(row.verdict)} {row.said} ." in page.text
            assert told == bool(numbers & set(row.claim.where)), row.id
    assert "holds" not in page.text and "cannot tell" not in page.text, "verdicts are sentences"
    assert "none of these fits was run again" in page.summaries[0][2]


def test_the_licence_of_weights_is_what_their_card_says():
    assert licence("letters").startswith("pretrained once for this project, not in this run (202 s on")
    assert re.search(r"licence Apache-2\.0.*; https://", licence("efficientnet_lite0,size=96"))
    for name in ("random", "timm:resnet18", "nowhere"):
        assert licence(name).startswith("not from this project")


def test_the_licence_of_a_network_is_told_where_a_notebook_that_ran_names_it(tmp_path):
    path = executed(tmp_path / "a.ipynb", 1)
    ran = RunResult("11", "11_first", path, 1.0, None)
    before = Page(workbook_html([ran], tmp_path / "r.html").read_text("utf-8")).text
    assert "network letters" not in before and "pretrained before this run" not in before
    notebook = json.loads(path.read_text())
    notebook["cells"].append({"cell_type": "code", "source": 'load("letters")', "outputs": []})
    path.write_text(json.dumps(notebook))
    page = Page(workbook_html([ran], tmp_path / "r.html").read_text("utf-8"))
    assert "network letters pretrained once for this project, not in this run" in page.text
    assert page.summaries[0][-1].startswith("1 network was pretrained before this run, too (3 min")
    assert "network textures" not in page.text


def test_the_report_of_all_notebooks_is_small_and_soon_there(tmp_path):
    """The committed notebooks stand for a run; 3 MB and 1 s to open are what the project promises."""
    pages = sorted((env.data_dir().parent / "notebooks").glob("[0-9]*.ipynb"))
    ran = [RunResult(path.stem[:2], path.stem, path, 1.0, None) for path in pages]
    text = workbook_html(ran, tmp_path / "r.html").read_text("utf-8")
    assert len(pages) > 10 and len(text.encode()) < 3_000_000
    page = Page(text)
    assert all(len(image["alt"]) > 10 for image in page.images) and len(page.summaries[0]) <= 5
    assert page.order.count("img") == len(page.images) > 10 and "table" not in page.order


def test_a_figure_keeps_the_alt_text_of_its_notebook(tmp_path):
    path = executed(tmp_path / "a.ipynb", 1)
    notebook = json.loads(path.read_text())
    notebook["cells"][1]["outputs"][0]["metadata"] = {"image/png": {"alt": "ten digits & their labels"}}
    path.write_text(json.dumps(notebook))
    page = Page(
        workbook_html([RunResult("11", "11_first", path, 1.0, None)], tmp_path / "r.html").read_text()
    )
    assert [image["alt"] for image in page.images] == ["ten digits & their labels"]


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
