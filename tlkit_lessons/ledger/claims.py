"""`data/claims.toml` as typed rows, and the files of records that they name."""

import tomllib
from dataclasses import MISSING, dataclass, fields
from functools import cache, lru_cache
from pathlib import Path
from typing import TypeVar

from tlkit import env
from tlkit.compare import origins
from tlkit.errors import UserError, unknown
from tlkit.records import Store

KINDS = (
    "difference", "saving", "cost", "steps", "break-even", "by labels", "by task", "between", "gap", "spread",
    "level",
)  # fmt: skip
UNITS = ("steps", "flops")
WORDS = ("better", "equal", "worse", "cannot tell")
MAY_DIFFER = ("recipe",)
SPLITS = ("train", "select")

T = TypeVar("T")


@dataclass(frozen=True)
class Claim:
    """One row of `claims.toml`: what is claimed, where it is shown, and what would count for it.

    `records` (and `against_records`, where baselines lie elsewhere) name files in `data/records`; `labels`
    are budgets a class; `task` that of the records where a file holds several (`against_task`: the second one
    of a claim by task); `accept` the verdict words that count for the claim at one budget; `backbone` (and
    `against_backbone`, if others) those the plans start from where a file holds several: a mean over them.
    `differ`: in what the two sides differ on purpose ("recipe", where the baseline trains longer). `split`:
    where a gap to the test begins ("select": at the validation set).
    `caveat` is what was found out later against the measurement; it is said with the effect and changes no
    verdict.
    """

    number: int
    id: str
    text: str
    where: tuple[str, ...]
    kind: str
    criterion: str
    records: str
    plan: str
    against: tuple[str, ...]
    labels: tuple[int, ...]
    delta: float = 0.02
    accept: tuple[str, ...] = ("better",)
    unit: str = "flops"
    backbone: tuple[str, ...] = ()
    against_backbone: tuple[str, ...] = ()
    against_records: str = ""
    task: str = ""
    against_task: str = ""
    differ: tuple[str, ...] = ()
    split: str = "train"
    caveat: str = ""
    bound: float = 0.0  # of a level

    def __post_init__(self) -> None:
        lists = ((self.accept, WORDS), (self.differ, MAY_DIFFER))
        listed = ((word, allowed) for words, allowed in lists for word in words)
        single = ((self.kind, KINDS), (self.unit, UNITS), (self.split, SPLITS))
        for value, allowed in (*single, *listed):
            if value not in allowed:
                raise unknown(f"word in claim {self.id!r} of claims.toml:", value, allowed)
        if not self.labels or not self.against:
            raise UserError(f"claim {self.id!r} of claims.toml: name at least one budget and one baseline.")


@dataclass(frozen=True)
class Common:
    """One of the common claims about transfer learning, and the id of the experiment that decides it.

    `headline` is "" where it has not been tested. It is chosen by meaning, never by outcome.
    """

    number: int
    text: str
    headline: str = ""


@cache
def common(path: Path | None = None) -> tuple[Common, ...]:
    """Every common claim, in the order of the file. Raises UserError for a bad row or an unknown headline."""
    path = path or env.data_dir() / "claims.toml"
    rows = tuple(_typed(Common, row, "saying", row.get("number")) for row in _read(path)["saying"])
    numbers = {claim.id: claim.number for claim in criteria(path)}
    for row in rows:
        if row.headline and numbers.get(row.headline) != row.number:
            raise UserError(
                f"saying {row.number} of {path.name}: headline {row.headline!r} is no claim of that number."
            )
    return rows


@cache
def criteria(path: Path | None = None) -> tuple[Claim, ...]:
    """Every claim, in the order of the file (default: the committed one). Raises UserError for a bad row."""
    path = path or env.data_dir() / "claims.toml"
    rows = tuple(_typed(Claim, row, "claim", row.get("id")) for row in _read(path)["claim"])
    twice = {row.id for row in rows if sum(other.id == row.id for other in rows) > 1}
    if twice:
        raise UserError(
            f"{path.name} has two claims called {', '.join(sorted(twice))}: give each its own id."
        )
    return rows


def one(name: str, path: Path | None = None) -> Claim:
    """The claim with this id. Raises UserError with the list and the nearest match."""
    rows = {row.id: row for row in criteria(path)}
    if name not in rows:
        raise unknown("claim", name, rows)
    return rows[name]


def _typed(kind: type[T], row: dict, what: str, name: object) -> T:
    needed = {f.name for f in fields(kind) if f.default is MISSING}
    odd = sorted(needed - row.keys()) + sorted(row.keys() - {f.name for f in fields(kind)})
    if odd:
        raise UserError(f"{what} {name or '?'!r} of claims.toml: missing or unknown {', '.join(odd)}.")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in row.items()})


def _read(path: Path) -> dict:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path.name} is not TOML ({error}): mend that line.") from error


@dataclass(frozen=True)
class Shelf:
    """The records of the workbook: `folder` with one file a grid, and the names such a file may have."""

    folder: Path
    names: tuple[str, ...]

    def store(self, name: str) -> Store | None:
        """The store of that name, None where it has no records yet. UserError for a name nobody gave."""
        path = self.folder / f"{name}.jsonl"
        if not path.exists():
            if name not in self.names:
                raise unknown("records file", name, self.names)
            return None
        return _open(path)


@lru_cache(maxsize=64)
def _open(path: Path) -> Store:
    return Store(path)  # a store reads only what was added since the last time


def shelf(folder: Path | None = None) -> Shelf:
    """The committed records, or those in another `folder`."""
    names = tuple(_read(env.data_dir() / "claims.toml")["records"])
    return Shelf(folder or env.data_dir() / "records", names)


def on_shelf(where: Shelf | None = None) -> list[tuple[dict | None, int]]:
    """`origins` of all records of the workbook, or of another shelf, file by file."""
    where = where or shelf()
    stores = filter(None, map(where.store, where.names))
    return [pair for store in stores for pair in origins(store, store.read())]
