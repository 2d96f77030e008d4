"""`Store`: an append-only file of records, one writer at a time, with the predictions beside it."""

import base64
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tlkit import files
from tlkit.errors import UserError
from tlkit.records.lines import Lines
from tlkit.records.record import FitKey, Record

LOCK_SECONDS = 60.0  # an append takes milliseconds: whoever holds the lock this long is stuck


class Store:
    """Records in `path` (JSON lines), predictions beside it; several processes may append at once."""

    def __init__(self, path: str | Path):
        self.path = Path(path).expanduser()
        self._records = Lines(self.path, _parse_record)
        items, origins = (files.beside(self.path, f".{name}.jsonl") for name in ("items", "origins"))
        self._items = Lines(items, partial(_parse, "predictions", _items_key))
        self._origins = Lines(origins, partial(_parse, "origins", lambda row: row.pop("origin")))

    def append(
        self,
        records: Iterable[Record],
        items: Any = None,
        targets: Any = None,
        scores: Any = None,
        origin: dict | None = None,
    ) -> int:
        """Add the records whose key is not in the file yet, as one block; how many were added.

        `items` (n, ...) are the predictions of the one fit for its n test items, `targets` (n, ...) the
        truth, kept once per task and data, both where they are arrays; `scores` (n) a number an item whose
        mean is the metric, kept where accuracy's comparison of the two would not give it; `origin`
        (`env.origin`) is where the numbers were computed, kept once and referred to by the rows that end a
        fit. All are written before their records and test rows last, so a kill at any moment leaves either a
        finished fit or one that will be run again. Raises UserError if the file or its lock cannot be written
        (it is then left as it was), or if the targets are not those kept under the same data hash.
        """
        records = sorted(records, key=lambda record: record.split == "test")
        fits = {record.fit_key for record in records}
        if len(fits) > 1 and (items is not None or targets is not None):
            raise ValueError(f"predictions belong to one fit, but these records are of {len(fits)}")
        held = f"{self.path} is held by another process: end it, or name another file"
        with files.locked(self.path, ".lock", LOCK_SECONDS, held):
            self._records.refresh()
            fresh = {record.key: record for record in records if record.key not in self._records.rows}
            if fresh:
                self._keep_beside(records[0], items, targets, scores)
                rows = self._signed(fresh.values(), origin) if origin else fresh.values()
                self._records.append([record.to_json() for record in rows])
        return len(fresh)

    def _signed(self, records: Iterable[Record], origin: dict) -> list[Record]:
        """The records, those that end a fit with the name of their origin, which is kept beside them."""
        name = _name(origin)
        self._origins.refresh()
        if name not in self._origins.rows:
            self._origins.append([json.dumps({"origin": name, **origin})])
        return [replace(r, measured=r.measured | {"origin": name}) if r.ends_fit else r for r in records]

    def _keep_beside(self, record: Record, items: Any, targets: Any, scores: Any) -> None:
        self._items.refresh()
        rows = []
        if targets is not None and not self._knows(record, targets):
            rows.append({"task": record.task, "data": record.data, "targets": _pack(targets)})
        kept = {"predicted": items, "scores": scores}
        packed = {name: _pack(array) for name, array in kept.items() if array is not None}
        if packed:
            rows.append({"fit": _digest(record.fit_key), **packed})
        # predictions that a kill left without their record are not written twice
        rows = [row for row in rows if self._items.rows.get(_items_key(row)) != row]
        if rows:
            self._items.append([json.dumps(row) for row in rows])

    def _knows(self, record: Record, targets: Any) -> bool:
        if (record.task, record.data) not in self._items.rows:
            return False
        if not np.array_equal(self.targets(record.task, record.data), targets):
            raise UserError(
                f"{self._items.path} keeps other targets for task {record.task!r} under the same data hash: "
                "start a new records file, the old predictions cannot be compared with the new"
            )
        return True

    def read(self) -> list[Record]:
        """Every record once, in the order written. A missing file has none; a torn last line is not one.

        Raises UserError naming file and line where a line is not a record.
        """
        self._records.refresh()
        return list(self._records.rows.values())

    def finished(self) -> set[FitKey]:
        """The fits that need not run again: those with a test row, or a row that says why there is none."""
        return {record.fit_key for record in self.read() if record.ends_fit}

    def origin(self, record: Record) -> dict | None:
        """Where a record that ends a fit was computed, as `env.origin` said; None where that was not kept."""
        self._origins.refresh()
        return self._origins.rows.get(record.measured.get("origin"))

    def items(self, fit_key: FitKey) -> np.ndarray:
        """What that fit predicted for each test item, in the shape it was given. UserError if not kept."""
        return self._array(_digest(fit_key), "predicted", f"predictions of fit {fit_key}")

    def predicted(self, fit_key: FitKey) -> bool:
        """Whether what that fit predicted was kept."""
        self._items.refresh()
        return "predicted" in self._items.rows.get(_digest(fit_key), {})

    def scores(self, fit_key: FitKey) -> np.ndarray | None:
        """A number for each test item whose mean is the metric; None where none was kept."""
        self._items.refresh()
        key = _digest(fit_key)
        return self._array(key, "scores", "") if "scores" in self._items.rows.get(key, {}) else None

    def targets(self, task: str, data: str) -> np.ndarray:
        """The true targets of the test items of `task` with data hash `data`. UserError if not kept."""
        return self._array((task, data), "targets", f"targets of task {task!r} with data {data!r}")

    def _array(self, key: Any, name: str, title: str) -> np.ndarray:
        self._items.refresh()
        if key not in self._items.rows:
            raise UserError(f"{self._items.path} holds no {title}: run the fit again to have them")
        try:
            return _unpack(self._items.rows[key][name])
        except Exception as error:
            raise UserError(
                f"{self._items.path} holds damaged {title} ({error}): delete that line"
            ) from error


def _parse_record(line: bytes, where: str) -> tuple[tuple, Record]:
    record = Record.from_json(line, where)
    return record.key, record


def _parse(what: str, key: Callable[[dict], Any], line: bytes, where: str) -> tuple[Any, dict]:
    try:
        row = json.loads(line)
        return {key(row): row}.popitem()  # a key that cannot be one is none
    except Exception as error:
        raise UserError(f"{where}: not a line of {what} ({error}); delete that line") from error


def _name(origin: dict) -> str:
    return hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()[:8]


def _items_key(row: dict) -> Any:
    return row["fit"] if "fit" in row else (row["task"], row["data"])


def _digest(fit_key: FitKey) -> str:
    return hashlib.sha256(json.dumps(fit_key).encode()).hexdigest()[:16]


def _pack(array: Any) -> dict:
    """An array as JSON: its bytes compressed and in base64, with dtype and shape."""
    array = np.ascontiguousarray(array)
    if array.dtype.hasobject:
        raise ValueError("predictions must be an array of numbers or of fixed-length text, not of objects")
    packed = base64.b64encode(zlib.compress(array.tobytes(), 9)).decode()
    return {"dtype": array.dtype.str, "shape": list(array.shape), "zlib": packed}


def _unpack(packed: dict) -> np.ndarray:
    raw = zlib.decompress(base64.b64decode(packed["zlib"], validate=True))
    return np.frombuffer(raw, dtype=np.dtype(packed["dtype"])).reshape(packed["shape"]).copy()
