"""Edits made to a built notebook: find them, take them back into the source, compare without executing."""

from difflib import SequenceMatcher
from itertools import zip_longest

import jupytext
from nbformat import NotebookNode

from tlkit.errors import UserError
from tools.notebooks import cells
from tools.notebooks.cells import Page
from tools.notebooks.execute import label
from tools.notebooks.layout import Layout, read_built, read_source, write


def take_back(layout: Layout, name: str, page: Page) -> str | None:
    """If somebody edited the .ipynb since its build, write the edits into the .py; returns what was done.

    Raises UserError when the .py changed as well, or when the .ipynb was never built from it.
    """
    path = layout.built(name)
    if not path.exists():
        return None
    built = read_built(path)
    known = built.metadata.get("tlkit", {})
    if "cells" not in known or "source" not in known:
        raise UserError(f"{path.name} was not written by this build: move it away, then build again.")
    if cells.fingerprint(built.cells) == known["cells"]:
        return None
    raw = cells.identify(read_source(layout.source(name)))
    if cells.fingerprint(raw.cells) != known["source"]:
        if cells.fingerprint(cells.assemble(raw, page).cells) == cells.fingerprint(built.cells):
            return None
        raise UserError(
            f"{path.name} was edited and source/{name}.py changed too since the last build. Keep one: "
            f"`git checkout notebooks/{path.name}` keeps the source, "
            f"`git checkout notebooks/source/{name}.py` and a new build keep the notebook."
        )
    _write_source(layout, name, _restored(raw, built, page))
    return f"{path.name} was edited since its build: took the edits back into source/{name}.py"


def _restored(raw: NotebookNode, built: NotebookNode, page: Page) -> NotebookNode:
    """The source that the edited notebook stands for; cells that nobody touched stay exactly as they were."""
    known = {cell.id: (i, cell) for i, cell in enumerate(raw.cells)}
    restored = []
    for cell in built.cells:
        if "colab" in cells.tags(cell):
            continue
        position, original = known.get(cell.id, (None, None))
        if original is None or original.cell_type != cell.cell_type:
            restored.append(_new(cell))
            continue
        if original.cell_type == "code":
            stub = original.source[len(cells.split_stub(original.source)[0]) :]
            original.source = cell.source + stub
        else:
            original.source = _unrendered(original, cell.source, page, position == 0)
        original.metadata["tags"] = cells.tags(cell)
        if not original.metadata["tags"]:
            del original.metadata["tags"]
        restored.append(original)
    raw.cells = restored
    return raw


def _new(cell: NotebookNode) -> NotebookNode:
    """A cell added in Lab, without what Lab notes in its metadata."""
    cell.metadata = {"tags": cells.tags(cell)} if cells.tags(cell) else {}
    return cell


def _unrendered(original: NotebookNode, edited: str, page: Page, first: bool) -> str:
    """The edited text with placeholders for their values, and without the lines that the build adds."""
    blocks = cells.rendered(original, page, first)
    built = [(line, block) for block in blocks for line in block[1]]
    lines = edited.split("\n")
    result: list[str] = []
    seen = None
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, [b[0] for b in built], lines, False).get_opcodes():
        touched = [block for _, block in built[i1:i2]]
        if kind != "equal":
            if made := [b for b in touched if b[1] != [b[0]]]:
                what = made[0][0] or made[0][1][0] or made[0][1][1]
                raise UserError(
                    f"{page.name}.ipynb was edited in a line that the build fills in ({what!r}), "
                    f"or that line has a new value now: make this edit in source/{page.name}.py."
                )
            result += lines[j1:j2]
            continue
        for block in touched:
            if block is not seen and block[0] is not None:
                result.append(block[0])
            seen = block
    return "\n".join(result)


def _write_source(layout: Layout, name: str, nb: NotebookNode) -> None:
    """As jupytext writes it, below the header that the file had."""
    path = layout.source(name)
    header, mark, _ = path.read_text("utf-8").partition("\n# %%")
    written = jupytext.writes(nb, fmt="py:percent").partition("\n# %%")
    write(path, header + mark + written[2])


def differences(fresh: NotebookNode, built: NotebookNode) -> list[str]:
    """Which cells, ids, tags or metadata differ, in words; outputs and widget state do not count."""
    found = []
    ids = [[c.get("id") for c in nb.cells] for nb in (fresh, built)]
    for _, i1, i2, j1, j2 in SequenceMatcher(None, *ids, autojunk=False).get_opcodes():
        for i, j in zip_longest(range(i1, i2), range(j1, j2)):
            if j is None:
                found.append(f"{label(fresh, i)} is missing")
            elif i is None:
                found.append(f"{label(built, j)} is not in the source")
            else:
                new, old = fresh.cells[i], built.cells[j]
                parts = [k for k in ("id", "cell_type", "source", "metadata") if new[k] != old.get(k)]
                found += [f"{label(fresh, i)} differs in {', '.join(parts)}"] if parts else []
    # the hashes in `tlkit` differ whenever a cell does
    keys = (fresh.metadata.keys() | built.metadata.keys()) - {"widgets", "tlkit" if found else "widgets"}
    changed = [k for k in sorted(keys) if fresh.metadata.get(k) != built.metadata.get(k)]
    return found + [f"metadata {key} differs" for key in changed]


def carry_outputs(old: NotebookNode, new: NotebookNode) -> bool:
    """Keep the outputs of `old` in `new` if all code is the same; returns whether it was.

    The set-up cell does not count: where tlkit is, it does nothing.
    """
    before, after = ([c for c in nb.cells if c.cell_type == "code"] for nb in (old, new))
    lesson = [[c for c in code if "colab" not in cells.tags(c)] for code in (before, after)]
    if len({cells.fingerprint(code) for code in lesson}) > 1:
        return False
    known = {cell.id: cell for cell in before}
    for cell in (c for c in after if c.id in known):
        cell.outputs, cell.execution_count = known[cell.id].outputs, known[cell.id].execution_count
    if "widgets" in old.metadata:
        new.metadata["widgets"] = old.metadata["widgets"]
    return True
