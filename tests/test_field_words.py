"""The field's words: what the table in CONTRIBUTING refuses stands in no page, figure, error or help text."""

import ast
import re
import tokenize
import tomllib
from io import StringIO
from pathlib import Path

import jupytext
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
TABLE = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Words\n")[2].partition("\n## ")[0]
ROW = re.compile(r"^\| ([^|]+) \| [^|]+ \| ✓ \|$", re.M)
OLD = [word.strip() for row in ROW.findall(TABLE) for word in row.split(",")]
ENDINGS = {
    "heap": r"heaps?",
    "picture": r"pictures?|pictured",
    "upbringing": r"upbringings?",
    "pupil": "pupils?",
}
CODE = re.compile(r"`[^`]*`|\]\([^)]*\)|\{\{.*?\}\}|https?://\S+")
DATA = {"picture", "pixels:picture"}  # words of stored files: the reader of a model's card


def refused(text: str) -> list[str]:
    """The old words in prose; code spans, links and placeholders are no prose."""
    words = "|".join(ENDINGS.get(word, re.escape(word)) for word in OLD)
    return re.findall(rf"\b(?:{words})\b", CODE.sub(" ", text), re.I)


def strings(source: str) -> list[str]:
    """Every string of Python source, docstrings and the words of f-strings too, and every comment."""
    tree = ast.parse(source)
    found = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    tokens = tokenize.generate_tokens(StringIO(source).readline)
    return [s for s in found if s not in DATA] + [t.string for t in tokens if t.type == tokenize.COMMENT]


def notebook(path: Path) -> str:
    """The prose of a source: Markdown, alternative texts, strings of its code and its comments."""
    nb = jupytext.reads(path.read_text("utf-8"), fmt="py:percent")
    told = [str(cell.metadata.get("alt", "")) for cell in nb.cells]
    prose = [cell.source for cell in nb.cells if cell.cell_type == "markdown"]
    code = [s for cell in nb.cells if cell.cell_type == "code" for s in strings(cell.source)]
    return "\n".join([*prose, *told, *code])


def outputs(path: Path) -> str:
    """What a page shows beside its source: printed text, tables, answers of a quiz."""
    shown = []
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            shown += [output.get("text", ""), data.get("text/markdown", ""), data.get("text/html", "")]
    return re.sub(r"<[^>]*>", " ", "\n".join(shown))


def claims(path: Path) -> str:
    rows = tomllib.loads(path.read_text("utf-8"))
    return "\n".join([*rows["records"].values(), *(row["text"] for row in rows["claim"])])


PLACES = {
    "notebooks/source/[0-9]*.py": notebook,
    "notebooks/[0-9]*.ipynb": outputs,
    "*.md": Path.read_text,
    "book/*.md": Path.read_text,
    "data/*.md": Path.read_text,
    "data/claims.toml": claims,
    "tlkit/**/*.py": lambda path: "\n".join(strings(path.read_text("utf-8"))),
    "tlkit/templates/*": Path.read_text,
    "tlkit_lessons/**/*.py": lambda path: "\n".join(strings(path.read_text("utf-8"))),
    "tlkit_lessons/quizzes/*.toml": Path.read_text,
}
HISTORY = {"CHANGELOG.md"}  # what was said then
FILES = [(path, read) for place, read in PLACES.items() for path in sorted(ROOT.glob(place))
         if path.name not in HISTORY]  # fmt: skip


@pytest.mark.parametrize(("path", "read"), FILES, ids=[p.relative_to(ROOT).as_posix() for p, _ in FILES])
def test_no_old_word(path, read):
    text = read(path)
    if path.name == "CONTRIBUTING.md":
        text = text.replace(TABLE, "")
    assert refused(text) == [], "CONTRIBUTING.md, section Words, has the field's word"


def test_the_table_is_read():
    assert len(OLD) > 12 and {"heap", "straw man", "brought up on", "picture"} <= set(OLD)


@pytest.mark.parametrize("old", OLD)
def test_each_old_word_is_refused(old):
    assert refused(f"What a {old} is, nobody knows.") == [old]


def test_code_is_no_prose():
    assert refused("`picture` and [a link](heap.md) and {{claim picture}}") == []
    assert strings('x = f"a heap of {n}"  # picture') == ["a heap of ", "# picture"]


def test_the_glossary_is_in_order_and_has_one_line_a_term():
    rows = (ROOT / "book" / "glossary.md").read_text("utf-8").splitlines()
    terms = [row.split("|")[1].strip().lower() for row in rows if row.startswith("| ")][1:]
    assert terms == sorted(set(terms), key=lambda term: term.replace("-", " ")) and len(terms) > 80
