"""How everything is said on a terminal or a pipe: whole, and as it is, whatever a name is made of."""

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

# what a terminal would obey: control characters, and those that turn the direction of writing
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Plain(Console):
    """One to which no text is markup; a cell that is too long is folded, and what cannot be shown escaped."""

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(shown(text, self.encoding), **how)

    def print(self, *things: Any, **how: Any) -> None:
        for column in (column for table in things if isinstance(table, Table) for column in table.columns):
            column.overflow = "fold"
        super().print(*things, **how)


console = Plain(markup=False, highlight=False, emoji=False)
wide = Plain(markup=False, highlight=False, emoji=False, width=10_000)  # a pipe takes whole lines
errors = Plain(markup=False, highlight=False, emoji=False, stderr=True)


def say(text: str, word: str = "", style: str = "", to: Console = console) -> None:
    """A line that only the terminal breaks, so that it can be copied; `word`, in a style, in front."""
    if word:
        to.print(word, style=style, end=" ")
    to.print(text, soft_wrap=True)


def shown(text: str, encoding: str) -> str:
    """A text of which every character can be written and none is obeyed."""
    text = text.encode(encoding, "backslashreplace").decode(encoding)
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def quoted(path: Path) -> str:
    """A path as a shell takes it back."""
    text = str(path)
    if os.name == "nt":
        return subprocess.list2cmdline([text])
    if shown(text, console.encoding) == text:
        return shlex.quote(text)
    escaped = re.sub(rb"[^\w/. -]", lambda found: b"\\x%02x" % found[0][0], os.fsencode(text))
    return f"$'{escaped.decode()}'"
