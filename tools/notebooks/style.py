"""The style test: what a notebook source must have, and the limits it keeps to."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import groupby
from statistics import median

from nbformat import NotebookNode

from tools.notebooks.cells import EXERCISE, PLACEHOLDER, split_stub, tags
from tools.notebooks.globals_read import globals_read, variables
from tools.notebooks.prose import parentheses, typed_numbers, words

MAX_CELLS = 50
MAX_LINES = 25  # of one code cell
MAX_MEDIAN = 6  # lines of a code cell
MAX_CODE = 150  # lines of code in all
MAX_RUN = 3  # code cells with no prose between
MAX_WORDS = 1500  # of prose in all: half an hour of reading, with the code
MAX_PARENTHESES = 10
MAX_CLAIMS = 5  # from the records
CLAIM = re.compile(r"\{\{claim (\S+?)[ }]")
ONE_SENTENCE = "<summary><b>In one sentence</b>"
FINE_PRINT = "<summary>Fine print</summary>"
PARAMETERS = range(3, 9)
TAGS = {  # tag -> the kind of cell that may carry it; None: any
    "parameters": "code", "solution": "code", "check": "code", "record": "code", "colab": "code",
    "headline": "code", "quiz": "code",
    "raises-exception": "code", "nbval-ignore-output": "code", "nbval-check-output": "code",
    "hint": "markdown", "answer": "markdown", "predict": None,
}  # fmt: skip
OPENING = ("**Question", "**You will", "**Needs", "**Time", "{{time}}")
INSTALL = re.compile(r"(?:^|[\s!%\"'])(?:pip3?|conda|mamba|uv)\b[\"',\s]+(?:pip\s+)?install\b", re.M)


def problems(nb: NotebookNode) -> list[str]:
    """Everything in a notebook source that the house style refuses, each as one line; [] if it passes."""
    rules = (_opening, _parameters, _imports, _limits, _tags, _code, _prose, _length, _exercises, _ending)
    return [problem for rule in rules for problem in rule(nb)]


def code(cell: NotebookNode) -> str:
    """The Python of a code cell: magics blanked, the stub for students left out."""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", split_stub(cell.source)[0], flags=re.M)


def number(nb: NotebookNode) -> str | None:
    """The number in the title, like '11'."""
    title = re.match(r"# (\d\d) · \S", nb.cells[0].source) if nb.cells else None
    return title[1] if title else None


def _lesson(nb: NotebookNode) -> bool:
    """Notebook 00 welcomes; all others teach."""
    return number(nb) != "00"


def _code_cells(nb: NotebookNode) -> list[tuple[int, NotebookNode]]:
    return [(i, c) for i, c in enumerate(nb.cells, start=1) if c.cell_type == "code"]


def _headings(nb: NotebookNode, words: str) -> list[int]:
    pattern = re.compile(rf"^#+ .*{words}", re.M | re.I)
    return [
        i for i, c in enumerate(nb.cells, start=1) if c.cell_type == "markdown" and pattern.search(c.source)
    ]


def _opening(nb: NotebookNode) -> Iterator[str]:
    first = nb.cells[0] if nb.cells else None
    if first is None or first.cell_type != "markdown" or number(nb) is None:
        yield "cell 1: must be Markdown that begins with '# NN · Title'"
        return
    for part in OPENING:
        if part not in first.source:
            yield f"cell 1: has no {part.strip('*')}"
    if _lesson(nb) and ONE_SENTENCE not in first.source:
        yield f"cell 1: has no folded lesson: <details>{ONE_SENTENCE} (guess first)</summary>...</details>"


def _parameters(nb: NotebookNode) -> Iterator[str]:
    tagged = [i for i, c in enumerate(nb.cells, start=1) if "parameters" in tags(c)]
    if tagged != [2]:
        yield f"cell 2: must be the one cell tagged parameters (tagged: {tagged or 'none'})"
        return
    source = nb.cells[1].source
    try:
        lines = ast.parse(source).body
    except SyntaxError as error:
        yield f"cell 2: {error}"
        return
    if len(lines) not in PARAMETERS:
        yield f"cell 2: {len(lines)} parameters, not {PARAMETERS[0]} to {PARAMETERS[-1]}"
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    commented = {t.start[0] for t in tokens if t.type == tokenize.COMMENT and len(t.string) > 2}
    for line in lines:
        text = ast.unparse(line)
        if not _literal(line):
            yield f"cell 2: `{text}` is not `name = literal`"
        elif line.end_lineno not in commented:
            yield f"cell 2: `{text}` has no comment"


def _imports(nb: NotebookNode) -> Iterator[str]:
    after = [(i, c) for i, c in _code_cells(nb) if i > 2][:1]
    for i, cell in after:
        if not re.search(r"^(?:import|from) ", cell.source, re.M):
            yield f"cell {i}: the first code after the parameters must be the imports"
        elif _lesson(nb) and not re.search(r"\bseed\b", cell.source):
            yield f"cell {i}: the imports must be followed by setting the seed, env.setup(seed)"


def _literal(line: ast.stmt) -> bool:
    if not (
        isinstance(line, ast.Assign) and len(line.targets) == 1 and isinstance(line.targets[0], ast.Name)
    ):
        return False
    try:
        ast.literal_eval(line.value)
    except ValueError:
        return False
    return True


def _lines(source: str) -> int:
    """Lines that are not blank; an import is one, however many names the formatter gives a line each."""
    joined = re.sub(r"(?<=import \()[^)]*", "", source)
    return sum(map(bool, map(str.strip, joined.splitlines())))


def _limits(nb: NotebookNode) -> Iterator[str]:
    if len(nb.cells) > MAX_CELLS:
        yield f"{len(nb.cells)} cells, more than {MAX_CELLS}"
    # a quiz is prose that answers back
    taught = [(i, c) for i, c in _code_cells(nb) if "quiz" not in tags(c)]
    lines = {i: _lines(code(c)) for i, c in taught}
    yield from (
        f"cell {i}: {n} lines of code, more than {MAX_LINES}" for i, n in lines.items() if n > MAX_LINES
    )
    if lines and median(lines.values()) > MAX_MEDIAN:
        yield f"median of {median(lines.values())} lines a code cell, more than {MAX_MEDIAN}"
    if sum(lines.values()) > MAX_CODE:
        yield f"{sum(lines.values())} lines of code, more than {MAX_CODE}"
    for kind, run in groupby(enumerate(nb.cells, start=1), key=lambda pair: pair[1].cell_type):
        numbers = [i for i, _ in run]
        if kind == "code" and len(numbers) > MAX_RUN:
            yield f"cells {numbers[0]}-{numbers[-1]}: more than {MAX_RUN} code cells without prose"


def _tags(nb: NotebookNode) -> Iterator[str]:
    for i, cell in enumerate(nb.cells, start=1):
        for tag in tags(cell):
            if tag not in TAGS:
                near = get_close_matches(tag, TAGS, n=1)
                yield f"cell {i}: unknown tag {tag!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            elif TAGS[tag] not in (None, cell.cell_type):
                yield f"cell {i}: the tag {tag!r} is for {TAGS[tag]} cells"


def _code(nb: NotebookNode) -> Iterator[str]:
    known = set().union(*(variables(code(c)) for _, c in _code_cells(nb)))
    for i, cell in _code_cells(nb):
        try:
            tree = ast.parse(code(cell))
        except SyntaxError as error:
            yield f"cell {i}: {error}"
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                yield f"cell {i}: star import from {node.module}"
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path":
                yield f"cell {i}: touches sys.path"
        if tree.body and isinstance(tree.body[-1], ast.Expr) and _raw(tree.body[-1].value, cell):
            yield f"cell {i}: ends in a raw dictionary: print a line for each entry, or show a table"
        if INSTALL.search(cell.source) and "colab" not in tags(cell):
            yield f"cell {i}: installs something"
        for function, names in globals_read(code(cell), known):
            yield f"cell {i}: {function}() reads {', '.join(names)} of the notebook: pass it as an argument"


def _raw(value: ast.expr, cell: NotebookNode) -> bool:
    return isinstance(value, ast.Dict | ast.DictComp) and "record" not in tags(cell)


def _prose(nb: NotebookNode) -> Iterator[str]:
    for i, cell in enumerate(nb.cells, start=1):
        if cell.cell_type == "markdown":
            for typed in typed_numbers(PLACEHOLDER.sub("", cell.source)):
                yield f"cell {i}: the number {typed!r} is typed into prose: use a placeholder, or print it"


def _length(nb: NotebookNode) -> Iterator[str]:
    text = "\n\n".join(c.source for c in nb.cells if c.cell_type == "markdown")
    claims = set(CLAIM.findall(text))
    counts = {
        "words of prose": (words(text), MAX_WORDS),
        "parentheses": (parentheses(text), MAX_PARENTHESES),
        f"claims ({', '.join(sorted(claims))})": (len(claims), MAX_CLAIMS),
        "folded Fine print": (text.count(FINE_PRINT), 1),
    }
    yield from (f"{n} {what}, more than {most}" for what, (n, most) in counts.items() if n > most)


def _exercises(nb: NotebookNode) -> Iterator[str]:
    exercises: dict[str, list[str]] = {}
    current = None
    for i, cell in enumerate(nb.cells, start=1):
        if cell.cell_type == "markdown":
            if found := EXERCISE.search(cell.source):
                current = found[1]
                exercises[current] = []
                if not current.startswith(f"{int(number(nb) or 0)}.") and not current.startswith(
                    f"{number(nb)}."
                ):
                    yield f"cell {i}: exercise {current} is not numbered {number(nb)}.k"
            elif re.search("^## ", cell.source, re.M):
                current = None
        for tag in ("solution", "check", "hint"):
            if tag in tags(cell):
                if current is None:
                    yield f"cell {i}: a {tag} outside of an '### Exercise {number(nb)}.k' section"
                else:
                    exercises[current].append(tag)
    if not exercises:
        yield f"no exercise: none is headed '### Exercise {number(nb)}.k'"
    for exercise, found in exercises.items():
        for tag in ("solution", "check", "hint"):
            if tag not in found:
                yield f"exercise {exercise}: has no cell tagged {tag}"
        if {"solution", "check"} <= set(found) and found.index("check") < found.index("solution"):
            yield f"exercise {exercise}: its check comes before its solution"


def _ending(nb: NotebookNode) -> Iterator[str]:
    recap, exercises = _headings(nb, "Recap"), _headings(nb, r"\bExercise")
    if not recap:
        yield "has no heading 'Recap'"
    elif exercises and recap[-1] < exercises[-1]:
        yield "the recap comes before an exercise: exercises come last, they stop a run"
    if not _lesson(nb):
        return
    for heading in ("What we saw", "When this fails"):
        if not _headings(nb, heading):
            yield f"has no heading {heading!r}"
    for tag in ("predict", "answer"):
        if not any(tag in tags(c) for c in nb.cells):
            yield f"has no cell tagged {tag}"
