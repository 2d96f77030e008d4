"""Texts as tasks: a table of texts and classes."""

import codecs
import hashlib
import re
import warnings
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tlkit.errors import UserError
from tlkit.tasks import TFIDF, Items, Task, classification
from tlkit.tasks.splits import held_out, owners, parted, published

if TYPE_CHECKING:
    import pandas as pd

TEST = ("test", "valid", "val", "dev")  # how a published test split is called; the first that there is


def from_csv(
    path: Path | str, text: str = "text", label: str = "label", groups: str = "", split: str = ""
) -> Task:
    """A task of classes from a table with a header (`table_rows`): a text and its class a row.

    text, label, groups, split: names of columns. groups: who or what a text is of, which stays on one side of
    the split, as copies of a text do. split: the published one, train and test (or valid, val, dev); without
    it two fifths of the texts are the test split. Rows without text or class are not used (`task.set_aside`).
    The baseline is `tfidf`. Raises UserError for a table that cannot be read, a column that is not there, too
    few texts of a class to split, and a leak in a given split.
    """
    path = Path(path).expanduser()
    table, aside = table_rows(path, [column for column in (text, label, groups, split) if column])
    if table.empty:
        raise UserError(f"{path} has no row with {text} and {label}: give a table that has some.")
    digests = tuple(hashlib.sha256(one.encode()).hexdigest()[:16] for one in table[text])
    named = tuple(table[groups]) if groups else ()
    items = Items(list(table[text]), [f"row {row + 1}" for row in table.index], digests, named)
    classes, numbers = np.unique(table[label].to_numpy(str), return_inverse=True)
    if split:
        column = list(table[split])
        sides = published(column, [next((word for word in TEST if word in column), "test")])
    else:
        sides = held_out(list(table[label]), owners(digests, named), path)
    card = {"split": "given" if split else "by group" if groups else "by text"}
    parts = parted(items, numbers.astype(np.int64), sides)
    objective, classes = classification(len(classes), baseline=TFIDF), tuple(map(str, classes))
    return Task(f"csv:{path.stem}", objective, *parts, classes, card, aside, reader="text")


def table_rows(path: Path, columns: list[str], west: bool = False) -> "tuple[pd.DataFrame, dict[str, str]]":
    """The rows in which every one of the columns says something, and of the others why not.

    As spreadsheets write it: UTF-8 or marked UTF-16; commas, semicolons or tabs; names of columns in any
    case. west: what is no UTF-8 is Windows' cp1252. Raises UserError for what is no table with the columns.
    """
    import pandas as pd

    how = {"dtype": str, "keep_default_na": False, "index_col": False, "skipinitialspace": True}
    try:
        text = re.sub("^sep=.\r?\n", "", _decoded(path.read_bytes(), west))
        between = max(",;\t", key=text.partition("\n")[0].count)  # a text may hold more of another kind
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row is longer than the header
            table = pd.read_csv(StringIO(text), sep=between, **how)
    except (OSError, ValueError, pd.errors.ParserWarning) as error:  # of the second kind are pandas' own
        raise UserError(
            f"{path} cannot be read as a table ({error}): give a CSV file in UTF-8 with a header."
        ) from error
    spelt = {column.casefold(): column for column in columns if column not in table}
    table.columns = [spelt.pop(name.strip().casefold(), name) for name in table.columns]
    absent = [column for column in columns if column not in table]
    if absent:
        raise UserError(
            f"{path} has no column {absent[0]!r}: it has {', '.join(table.columns)}; name one of these."
        )
    table = table[columns].apply(lambda column: column.str.strip())
    empty = {f"row {i + 1}": f"no {column}" for column in columns for i in table.index[table[column] == ""]}
    return table[(table != "").all(axis=1)], empty


def _decoded(data: bytes, west: bool) -> str:
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if marked else "utf-8-sig").replace("\0", "")
    except UnicodeDecodeError:
        if not west:  # a guess that is no harm to names of files would be one to texts
            raise
        return data.decode("cp1252")
