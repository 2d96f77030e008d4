"""`Record`: one number with everything needed to believe it, and how records become arrays."""

import json
import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np

from tlkit.errors import UserError, unknown

STATUSES = ("ok", "diverged", "failed", "skipped")
_TEXT = ("task", "data", "backbone", "weights", "plan", "recipe", "split", "metric")


class FitKey(NamedTuple):
    """What names a fit, or whatever else gave a number; `data` and `weights` are content hashes."""

    task: str
    data: str
    backbone: str
    weights: str
    plan: str
    labels: int
    seed: int
    recipe: str


@dataclass(frozen=True)
class Record:
    """One number with everything needed to believe it.

    `data` and `weights` are content hashes; `labels` counts target labels per class, selection included;
    `measured` holds what need not repeat (seconds, memory, where it was computed), `detail` what must. A
    value that is not finite becomes None and its status 'diverged': `value` is None exactly where `status` is
    not 'ok'.
    Raises UserError for a field of the wrong type or an unknown status.
    """

    task: str
    data: str
    backbone: str
    weights: str
    plan: str
    labels: int
    seed: int
    recipe: str
    split: str
    metric: str
    value: float | None
    status: str = "ok"
    measured: dict[str, Any] = field(default_factory=dict, hash=False)
    detail: dict[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name in _TEXT:
            if not isinstance(getattr(self, name), str):
                raise UserError(f"{name} must be text, not {getattr(self, name)!r}")
        for name in ("labels", "seed"):
            object.__setattr__(self, name, _whole(name, getattr(self, name)))
        if self.status not in STATUSES:
            raise unknown("status", str(self.status), STATUSES)
        value = _finite(self.value)
        if value is None and self.value is not None and self.status == "ok":
            object.__setattr__(self, "status", "diverged")
        if (value is None) == (self.status == "ok"):
            raise UserError(f"value {self.value!r} with status {self.status!r}: 'ok' alone has a value")
        object.__setattr__(self, "value", value)
        for name in ("measured", "detail"):
            if not isinstance(getattr(self, name), dict):
                raise UserError(f"{name} must be an object, not {getattr(self, name)!r}")
            object.__setattr__(self, name, _plain(getattr(self, name)))

    @property
    def fit_key(self) -> FitKey:
        """What names the fit."""
        return FitKey(*(getattr(self, name) for name in FitKey._fields))

    @property
    def key(self) -> tuple:
        """What names the number: the fit, its split and its metric."""
        return (*self.fit_key, self.split, self.metric)

    @property
    def operations(self) -> int | None:
        """Floating-point operations of the fit, all tries; None where they were not counted."""
        counts = [self.detail.get(name) for name in ("flops_prefix", "flops_suffix")]
        return None if None in counts else sum(counts)

    @property
    def ends_fit(self) -> bool:
        """Whether its fit need not run again: a test row, or one that says why there is none."""
        return self.split == "test" or self.status != "ok"

    def to_json(self) -> str:
        """One line of JSON without its newline; never NaN."""
        return json.dumps(vars(self), allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "record") -> "Record":
        """The record of one line; `where` (file:line) begins the UserError for anything that is not one."""
        try:
            row = json.loads(text)
        except Exception as error:
            raise UserError(f"{where}: not JSON ({error}); mend or delete that line") from error
        if not isinstance(row, dict) or row.keys() != _NAMES:
            raise UserError(f"{where}: not a record ({_difference(row)}); mend or delete that line")
        try:
            return cls(**row)
        except UserError as error:
            raise UserError(f"{where}: {error}; mend or delete that line") from error


_NAMES = {f.name for f in fields(Record)}


def _difference(row: Any) -> str:
    if not isinstance(row, dict):
        return f"{type(row).__name__} instead of an object"
    named = {"missing": sorted(_NAMES - row.keys()), "unknown": sorted(row.keys() - _NAMES)}
    return ", ".join(f"{kind}: {' '.join(names)}" for kind, names in named.items() if names)


def _whole(name: str, value: Any) -> int:
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise UserError(f"{name} must be a whole number, not {value!r}")


def _finite(value: Any) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or isinstance(value, (str, bool)):
        raise UserError(f"value must be a number, not {value!r}")
    return number if math.isfinite(number) else None


def _plain(value: Any) -> Any:
    """`value` as JSON can keep it: numpy's types become Python's, tuples lists, what is not finite None."""
    if isinstance(value, dict):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def values(
    records: Iterable[Record],
    *,
    plan: str,
    labels: int,
    split: str = "test",
    metric: str | None = None,
    task: str | None = None,
    backbone: str | None = None,
) -> dict[int, float]:
    """Seed -> value of the finished ('ok') records that match; empty where none does.

    Raises UserError where the match is ambiguous, for instance two tasks and none named.
    """
    wanted = {"plan": plan, "labels": labels, "split": split}
    optional = {"metric": metric, "task": task, "backbone": backbone}
    wanted |= {name: value for name, value in optional.items() if value is not None}
    rows = [r for r in records if r.status == "ok" and all(getattr(r, n) == v for n, v in wanted.items())]
    for name in ("task", "backbone", "metric", "data", "weights", "recipe"):
        found = sorted({getattr(row, name) for row in rows})
        if len(found) > 1:
            told = f"records of {name} {', '.join(found)}"
            raise UserError(f"plan {plan!r} at {labels} labels has {told}: keep one")
    return {row.seed: row.value for row in rows}
