"""Source cells to notebook cells: stable ids, filled placeholders, folded hints, Colab, student copies."""

import ast
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tlkit.errors import UserError
from tools.notebooks.hosting import Repository, linked, setup_cell

PLACEHOLDER = re.compile(r"\{\{([^{}\n]+)\}\}")
EXERCISE = re.compile(r"^#+ .*?\bExercise (\d+\.\d+)", re.M)
STUB = "# stub:"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
FOLDED = {"hint": "Hint", "answer": "An answer"}
HIDDEN = {"quiz": "# @title Quiz"}  # their code says the right answer: it is folded, and opens at a click
HIDDEN_FROM_STUDENTS = {**HIDDEN, "check": "# @title Check"}
SETUP = "# @title Set-up (does nothing where tlkit is installed)"
FOLD = {"jupyter": {"source_hidden": True}, "cellView": "form"}  # Colab reads the second, if a title is there
Block = tuple[str | None, list[str]]  # a line of the source (None: the build adds it), the lines it becomes


@dataclass(frozen=True)
class Page:
    """What one notebook needs besides its cells."""

    name: str
    repository: Repository | None = None
    seconds: int | None = None
    version: str = ""  # of tlkit, for the set-up cell
    extras: tuple[str, ...] = ()  # requirements beyond the core
    sets: tuple[str, ...] = ()  # data that the page reads
    listing: Callable[[], str] | None = None  # the table of all notebooks, for {{map}}
    fill: Callable[[str], str] | None = None  # '{{…}}' to text; None: ledger.fill, imported when needed


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def identify(nb: NotebookNode) -> NotebookNode:
    """Give every cell the hash of its text as id, so that a rebuild changes nothing; repeats are numbered."""
    seen: dict[str, int] = {}
    for cell in nb.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    return nb


def described(nb: NotebookNode) -> NotebookNode:
    """Give every image its alternative text, from the `alt` of its cell: one text, or one for each image."""
    for cell in nb.cells:
        texts = cell.metadata.get("alt", [])
        images = [out for out in cell.get("outputs", ()) if "image/png" in out.get("data", {})]
        for out, text in zip(images, [texts] if isinstance(texts, str) else texts, strict=False):
            out.metadata["image/png"] = {**out.metadata.get("image/png", {}), "alt": text}
    return nb


def fingerprint(cells: list[NotebookNode]) -> str:
    """One short hash of what a person edits in cells: kind, text, tags; ids and outputs do not count."""
    content = [[c.cell_type, untitled(c.source), sorted(tags(c))] for c in cells]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def untitled(source: str) -> str:
    """Code as a person wrote it, without the title that the build puts above what it folds."""
    first, _, rest = source.partition("\n")
    return rest if first in HIDDEN_FROM_STUDENTS.values() else source


def split_stub(source: str) -> tuple[str, str]:
    """A solution cell as solution and stub: the lines after `# stub:`, without their comment signs."""
    body, mark, rest = f"{source}\n".partition(f"{STUB}\n")
    stub = [re.sub("^# ?", "", line) for line in rest.splitlines()] if mark else []
    return body.rstrip(), "\n".join(stub).strip("\n")


def assemble(raw: NotebookNode, page: Page) -> NotebookNode:
    """The notebook of a source, without outputs."""
    cells = [_built(cell, page, first=i == 0) for i, cell in enumerate(identify(raw).cells)]
    return _notebook(_with_setup(cells, page), source=fingerprint(raw.cells))


def student(raw: NotebookNode, page: Page) -> NotebookNode:
    """The copy to work in: solutions become open cells, answers are left out, nothing has run."""
    cells, exercise = [], ""
    for i, cell in enumerate(identify(raw).cells):
        if found := EXERCISE.findall(cell.source if cell.cell_type == "markdown" else ""):
            exercise = found[-1]
        if "answer" in tags(cell):
            continue
        cells.append(_built(cell, page, i == 0, HIDDEN_FROM_STUDENTS))
        if cell.cell_type == "markdown":
            cells[-1].source = cells[-1].source.replace("](../", "](../../")  # a copy lies one folder deeper
        if "solution" in tags(cell):
            if not exercise:
                raise UserError(
                    f"{page.name}, cell {i + 1}: a solution before any '### Exercise NN.k' heading."
                )
            cells[-1].source = _open(cell.source, exercise)
    cells[0].source += (
        "\n\n**Your copy.** Write in the cells that say *Your code here*; "
        f"the [worked notebook](../{page.name}.ipynb) holds the solutions."
    )
    return _notebook(_with_setup(cells, page, "exercises/"))


def _open(source: str, exercise: str) -> str:
    """The open cell: the error comes first, so that an unfinished stub below it cannot raise another."""
    stub = split_stub(source)[1]
    try:
        ast.parse(stub)
    except SyntaxError as error:
        raise UserError(
            f"the stub of exercise {exercise} is no Python ({error}): write ... for a gap."
        ) from error
    if not stub:
        return _stop("# Your code here, in place of the next line.", exercise, "put your answer here instead")
    comment = "# Your code here: complete the lines below, then delete the next one."
    return _stop(comment, exercise, "complete the lines below, delete this one") + f"\n\n{stub}"


def _stop(comment: str, exercise: str, what: str) -> str:
    return f'{comment}\nraise NotImplementedError("exercise {exercise} is open: {what}, and run on")'


def _notebook(cells: list[NotebookNode], **hashes: str) -> NotebookNode:
    nb = new_notebook(cells=cells, metadata=deepcopy(METADATA))
    nb.metadata["tlkit"] = {**hashes, "cells": fingerprint(cells)}
    nb.nbformat_minor = 5
    return nb


def _built(cell: NotebookNode, page: Page, first: bool, hidden: Mapping[str, str] = HIDDEN) -> NotebookNode:
    metadata = {"tags": list(tags(cell))} if tags(cell) else {}
    if cell.cell_type == "code":
        titles = [hidden[tag] for tag in tags(cell) if tag in hidden]
        source = "\n".join([*titles, split_stub(cell.source)[0]])
        alt = {"alt": _alt(cell.metadata.alt, page)} if "alt" in cell.metadata else {}
        return new_code_cell(source, id=cell.id, metadata=metadata | alt | deepcopy(FOLD if titles else {}))
    lines = [line for _, built in rendered(cell, page, first) for line in built]
    return new_markdown_cell("\n".join(lines), id=cell.id, metadata=metadata)


def _alt(texts: str | list[str], page: Page) -> str | list[str]:
    return _filled(texts, page) if isinstance(texts, str) else [_filled(text, page) for text in texts]


def rendered(cell: NotebookNode, page: Page, first: bool) -> list[Block]:
    """A Markdown cell line by line, beside what each line becomes."""
    blocks: list[Block] = [(line, _filled(line, page).split("\n")) for line in cell.source.split("\n")]
    for tag in FOLDED.keys() & set(tags(cell)):
        opening = ["<details>", f"<summary>{FOLDED[tag]}</summary>", ""]
        blocks = [(None, opening), *blocks, (None, ["", "</details>"])]
    if first and page.repository:
        blocks.insert(1, (None, ["", page.repository.badge(f"notebooks/{page.name}.ipynb")]))
    return blocks


def _filled(line: str, page: Page) -> str:
    return linked(PLACEHOLDER.sub(partial(_value, page=page), line), page.repository)


def _value(found: re.Match, page: Page) -> str:
    name = found[1].strip()
    if name == "time":
        if page.seconds is None:
            raise UserError(
                f"{page.name} has no measured time for {{{{time}}}} yet: build it, executed, first."
            )
        return spoken(page.seconds)
    if name == "map" and page.listing:
        return page.listing()
    if page.fill is None:
        from tlkit_lessons.ledger import fill
    else:
        fill = page.fill
    try:
        text = fill(found[0])
    except (UserError, KeyError) as error:
        raise UserError(f"{page.name}, placeholder {found[0]}: {error.args[0]}") from error
    if text == found[0]:
        raise UserError(f"{page.name}, placeholder {found[0]}: nothing fills it; check its name.")
    return text


def spoken(seconds: int) -> str:
    """Seconds as people say them: 25 s, 1 min 5 s."""
    minutes, rest = divmod(seconds, 60)
    return " ".join(([f"{minutes} min"] if minutes else []) + ([f"{rest} s"] if rest or not minutes else []))


def _with_setup(cells: list[NotebookNode], page: Page, folder: str = "") -> list[NotebookNode]:
    """With the set-up cell second, and the badge pointing at this very copy."""
    if page.repository:
        badges = [page.repository.badge(f"notebooks/{inner}{page.name}.ipynb") for inner in ("", folder)]
        cells[0].source = cells[0].source.replace(*badges)
    setup = setup_cell(page.repository, page.version, page.extras, page.sets)
    setup.source, setup.metadata = f"{SETUP}\n{setup.source}", setup.metadata | deepcopy(FOLD)
    return [cells[0], setup, *cells[1:]]
