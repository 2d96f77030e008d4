"""The committed verdicts: what a recomputation must not change without somebody saying why."""

import json
from collections.abc import Iterable
from pathlib import Path

from tlkit import env
from tlkit.errors import UserError
from tlkit.files import write_whole
from tlkit_lessons.ledger.measures import Row, table


def write_verdicts(path: Path | None = None, rows: Iterable[Row] | None = None) -> Path:
    """Write `data/verdicts.json`: each claim, its verdict and every word behind it; returns the path."""
    path = path or env.data_dir() / "verdicts.json"
    text = json.dumps(_words(rows), indent=2, ensure_ascii=False) + "\n"
    return write_whole(path, text)


def changed(path: Path | None = None, rows: Iterable[Row] | None = None) -> list[str]:
    """One sentence for each verdict that is not the committed one; empty where all agree.

    Only words count: an effect may move within its interval, and no verdict is too disappointing. Raises
    UserError where there is no committed table, or it cannot be read.
    """
    path = path or env.data_dir() / "verdicts.json"
    try:
        committed = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path.name} cannot be read ({error}): write it with claims.write_verdicts()."
        ) from error
    now = _words(rows)
    return [
        f"claim {name}: committed {_said(committed.get(name))}, now {_said(now.get(name))}"
        for name in dict.fromkeys([*committed, *now])
        if committed.get(name) != now.get(name)
    ]


def _words(rows: Iterable[Row] | None) -> dict:
    rows = table() if rows is None else rows
    return {row.id: {"verdict": row.verdict, "at": dict(row.words)} for row in rows}


def _said(entry: dict | None) -> str:
    if entry is None:
        return "nothing"
    at = ", ".join(f"{budget} {word}" for budget, word in entry["at"].items())
    return f"{entry['verdict']!r}" + (f" ({at})" if at else "")
