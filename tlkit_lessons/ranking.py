"""Whether a score ranks sources as their accuracies do: weighted Kendall tau, with its interval.

The interval is a percentile bootstrap over models. In a simulation with 8 to 20 models, scores and truth
correlated normals, it covered the expected tau about as often as it should, and excluded 0 falsely in about
one case in twenty. BCa did no better, the basic interval far worse, Fisher's z was too wide. With 5 models
and a high tau it is too short; below FEWEST_MODELS nothing is concluded.
"""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import pearsonr, weightedtau

from tlkit.errors import UserError
from tlkit.stats.intervals import as_finite

FEWEST_MODELS = 5
RESAMPLES = 4000
PAIRS = 2**19  # pairs of models in one step
CANNOT_TELL = "cannot tell"
NO_ORDER = "no order"


@dataclass(frozen=True)
class Agreement:
    """Weighted tau of a score with the truth over `models`, its interval, Pearson's r, and what follows.

    verdict: "agrees", "disagrees", "cannot tell" (undecided: the interval contains 0, or there are too few
    models), or "no order" (all scores or all accuracies are equal).
    """

    tau: float
    low: float
    high: float
    pearson: float
    models: int
    verdict: str


def weighted_taus(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Kendall's tau in which the best ranks weigh most (Vigna 2015), of each row of x and y (B x n).

    What scipy.stats.weightedtau gives by default, for many resamples at a time: a pair weighs
    1/(r + 1) + 1/(s + 1) by the ranks of its two, counted from 0; mean of ranking by x and by y. 0 where
    nothing is ranked.
    """
    above, right = (np.sign(v[:, :, None] - v[:, None, :]) for v in (x, y))
    taus = np.zeros(len(x))
    for first, second in ((x, y), (y, x)):
        places = np.argsort(np.lexsort((second, first))[:, ::-1])
        weight = 1 / (places + 1.0)
        pair = weight[:, :, None] + weight[:, None, :]
        agreed = (above * right * pair).sum((1, 2))
        ranked = np.sqrt((above**2 * pair).sum((1, 2)) * (right**2 * pair).sum((1, 2)))
        taus += np.divide(agreed, ranked, out=np.zeros(len(x)), where=ranked > 0) / 2
    return taus


def _tau(x: np.ndarray, y: np.ndarray) -> float:
    tau = float(weightedtau(x, y).statistic)
    return 0.0 if np.isnan(tau) else tau


def agreement(
    scores: ArrayLike, truth: ArrayLike, seed: int = 0, level: float = 0.95, resamples: int = RESAMPLES
) -> Agreement:
    """Does a score rank the models as their accuracies (the truth) do? Higher is better in both.

    scores: one number per model, or K x models, a row for each labelled subset; truth likewise (M x models).
    tau is the mean over the rows of the score, each against the mean truth; the interval resamples models
    and, where there are rows, the rows of both.

    Where the truth, or every row of the score, is the same for all models, nothing is ranked: tau and
    Pearson's r are 0, the interval is -1 ... 1 and the verdict "no order". Raises UserError for NaN (leave a
    model without the score out), unequal lengths, one model, and a level outside (0, 1).
    """
    s, t = (np.atleast_2d(rows) for rows in _columns(level, scores=scores, truth=truth))
    models, came = s.shape[1], t.mean(0)
    if np.ptp(s, axis=1).max() == 0 or np.ptp(came) == 0:
        return Agreement(0.0, -1.0, 1.0, 0.0, models, NO_ORDER)
    found = _by_models_and_draws(s, t, seed, resamples)
    low, high = map(float, np.quantile(found, [(1 - level) / 2, (1 + level) / 2]))
    ranked = [row for row in s if np.ptp(row) > 0]
    tau, r = (sum(each(row, came) for row in ranked) / len(s) for each in (_tau, _pearson))
    return Agreement(tau, low, high, r, models, _verdict(low, high, models))


def ahead(
    first: ArrayLike,
    second: ArrayLike,
    truth: ArrayLike,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> tuple[float, float, float]:
    """How far one score is ahead of another in weighted tau: the difference, and both ends of its interval.

    Arguments as for `agreement`. Each resample uses the same models and rows for both, so shared variation
    cancels: the interval may be far shorter than those of the two taus. Raises UserError as
    `agreement` does, and for scores of different shapes.
    """
    if np.shape(first) != np.shape(second):
        raise UserError(
            f"scores of shapes {np.shape(first)} and {np.shape(second)}: give both on the same subsets."
        )
    taus, wandered = [], []
    for scored in (first, second):
        s, t = (np.atleast_2d(rows) for rows in _columns(level, scores=scored, truth=truth))
        taus.append(np.mean([_tau(row, t.mean(0)) for row in s]))
        wandered.append(_by_models_and_draws(s, t, seed, resamples))
    low, high = np.quantile(wandered[0] - wandered[1], [(1 - level) / 2, (1 + level) / 2])
    return float(taus[0] - taus[1]), float(low), float(high)


def _by_models_and_draws(s: np.ndarray, t: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    """The mean weighted tau of each resample of the models, the rows of s and the rows of t."""
    rng, (draws, models) = np.random.default_rng(seed), s.shape
    sizes = ((models, models), (draws, draws), (len(t), len(t)))
    which, marked, came = (rng.integers(most, size=(resamples, count)) for most, count in sizes)
    found = []
    for part in np.array_split(np.arange(resamples), max(1, resamples * draws * models**2 // PAIRS)):
        truth = np.take_along_axis(t[came[part]].mean(1), which[part], 1)
        rows = s[marked[part][:, :, None], which[part][:, None, :]]
        taus = weighted_taus(rows.reshape(-1, models), np.repeat(truth, draws, axis=0))
        found.append(taus.reshape(-1, draws).mean(1))
    return np.concatenate(found)


def chance_kept(scores: ArrayLike, keep: int) -> np.ndarray:
    """The probability that each source is among the `keep` best of its row, ties broken at random.

    scores: rows x sources, higher is better; a source without a score (NaN) is the last. Each row sums to
    `keep`. Raises UserError for fewer than one to keep, or more than there are.
    """
    found = np.asarray(scores, dtype=float)
    found = np.where(np.isnan(found), -np.inf, found)
    if not 1 <= keep <= found.shape[-1]:
        raise UserError(f"{keep} of {found.shape[-1]} sources cannot be kept: give a number from 1 to that.")
    above = (found[..., None, :] > found[..., :, None]).sum(-1)
    equal = (found[..., None, :] == found[..., :, None]).sum(-1)
    return np.clip((keep - above) / equal, 0, 1)


def _columns(level: float, **columns: ArrayLike) -> tuple[np.ndarray, ...]:
    """Each as an array of one or two axes, one number per model along the last."""
    if not 0 < level < 1:
        raise UserError(f"level must lie between 0 and 1, not {level}: 0.95 is usual.")
    depths = [max(1, min(2, np.asarray(values, dtype=object).ndim)) for values in columns.values()]
    arrays = tuple(as_finite(name, v, n) for (name, v), n in zip(columns.items(), depths, strict=True))
    if len({array.shape[-1] for array in arrays}) > 1 or arrays[0].shape[-1] < 2:
        counts = ", ".join(f"{x.shape[-1]} in {name}" for name, x in zip(columns, arrays, strict=True))
        raise UserError(
            f"models do not match ({counts}): give two or more, and one number per model in each."
        )
    return arrays


def _verdict(low: float, high: float, models: int) -> str:
    if models < FEWEST_MODELS or low <= 0 <= high:
        return CANNOT_TELL
    return "agrees" if low > 0 else "disagrees"


def _pearson(x: np.ndarray, y: np.ndarray) -> float:
    return float(pearsonr(x, y).statistic)


TRUTH = "finetuned_acc"
PRINTED = {"Weighted Tau": "tau", "Pearson Corr": "pearson"}  # rows that hold correlations, not a model
TOLERANCE = 0.03  # printed scores are rounded: a correlation may differ by this much without an error


@dataclass(frozen=True)
class Recomputed:
    """One score on one set: correlations as printed beside those of the printed scores.

    `deviation`: recomputed tau less printed tau. `copies`: another score of the same set with an identical
    column, or None. `scores`, `truth`: a number for each model, as printed.
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
        """Whether the printed tau follows from the printed scores, up to rounding."""
        return abs(self.deviation) <= TOLERANCE


def recompute(path: str | os.PathLike, seed: int = 0) -> list[Recomputed]:
    """Every score on every set of a table such as TLLib's (examples/model_selection of that library).

    A CSV with the columns dataset, model, finetuned_acc and one for each score; a row per model, and for
    each set a row "Weighted Tau" and one "Pearson Corr" with the printed correlations. Raises UserError for a
    file that is missing or has another format.
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
        raise UserError(
            f"{path} has an entry that is missing or no number ({error}): correct that row."
        ) from error


def _one_set(rows: list[dict[str, str]], names: list[str], seed: int) -> list[Recomputed]:
    models = [row for row in rows if row["model"] not in PRINTED]
    printed = {PRINTED[row["model"]]: row for row in rows if row["model"] in PRINTED}
    truth = [float(row[TRUTH]) for row in models]
    columns = {name: np.array([float(row[name]) for row in models]) for name in names}
    lines = []
    for name, column in columns.items():
        copies = [other for other in names if other != name and (columns[other] == column).all()]
        printed_as = float(printed["tau"][name]), float(printed["pearson"][name])
        found = agreement(column, truth, seed)
        copy = copies[0] if copies else None
        values = tuple(column.tolist()), tuple(truth)
        lines.append(Recomputed(rows[0]["dataset"], name, *printed_as, found, copy, *values))
    return lines
