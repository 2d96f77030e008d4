"""Published tables of scores, recomputed: what the printed numbers say of themselves."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlkit.errors import UserError
from tlkit.scores.ranking import Agreement, agreement

TRUTH = "finetuned_acc"
PRINTED = {"Weighted Tau": "tau", "Pearson Corr": "pearson"}  # rows that hold correlations, not a model
TOLERANCE = 0.03  # scores are printed rounded: so far may a correlation move without anyone having erred


@dataclass(frozen=True)
class Recomputed:
    """One score on one set: correlations as printed beside those of the printed scores.

    `deviation`: recomputed tau less printed tau. `copies`: another score of the same set whose column is this
    one to the digit, or None. `scores`, `truth`: a number for each model, as printed.
    """

    dataset: str
    score: str
    printed_tau: float
    printed_pearson: float
    found: Agreement
    copies: str | None
    scores: tuple[float, ...] = ()
    truth: tuple[float, ...] = ()

    @property
    def deviation(self) -> float:
        return self.found.tau - self.printed_tau

    @property
    def reproduces(self) -> bool:
        """Whether the printed tau is what the printed scores give, but for rounding."""
        return abs(self.deviation) <= TOLERANCE


def recompute(path: str | os.PathLike, seed: int = 0) -> list[Recomputed]:
    """Every score on every set of a table such as TLLib's (examples/model_selection of that library).

    A CSV with the columns dataset, model, finetuned_acc and one for each score; a row a model, and a row
    "Weighted Tau" and one "Pearson Corr" a set with the correlations as printed. Raises UserError for a file
    that is absent or reads otherwise.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no table {path}: set TLKIT_CACHE to the folder that holds `published`.")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in (rows[0] if rows else ()) if name not in ("dataset", "model", TRUTH)]
    if not names or not {"dataset", "model", TRUTH} <= rows[0].keys():
        raise UserError(f"{path} is no table of scores: it needs dataset, model, {TRUTH} and the scores.")
    sets = dict.fromkeys(row["dataset"] for row in rows)
    try:
        return [
            line for name in sets for line in _one_set([r for r in rows if r["dataset"] == name], names, seed)
        ]
    except UserError:
        raise
    except (TypeError, ValueError, KeyError) as error:
        raise UserError(f"{path} has an entry missing or no number ({error}): mend that row.") from error


def _one_set(rows: list[dict[str, str]], names: list[str], seed: int) -> list[Recomputed]:
    models = [row for row in rows if row["model"] not in PRINTED]
    printed = {PRINTED[row["model"]]: row for row in rows if row["model"] in PRINTED}
    truth = [float(row[TRUTH]) for row in models]
    columns = {name: np.array([float(row[name]) for row in models]) for name in names}
    lines = []
    for name, column in columns.items():
        twins = [other for other in names if other != name and (columns[other] == column).all()]
        said = float(printed["tau"][name]), float(printed["pearson"][name])
        found = agreement(column, truth, seed)
        twin = twins[0] if twins else None
        values = tuple(column.tolist()), tuple(truth)
        lines.append(Recomputed(rows[0]["dataset"], name, *said, found, twin, *values))
    return lines
