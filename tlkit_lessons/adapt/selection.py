"""Choosing a method without target labels: four criteria, and the oracle, which has the labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_softmax, softmax

from tlkit.errors import UserError
from tlkit.features import probe

if TYPE_CHECKING:
    from tlkit_lessons.adapt import Adapted

ORACLE = "oracle"  # uses the target's test labels: nobody without them can choose so


@dataclass(frozen=True)
class Evidence:
    """What a choice without target labels may use.

    target: scores on the target's training inputs, M x C. held, labels: scores on the held-out source items,
    H x C, and their labels, H. weights: how much likelier each of those is in the target, H.
    """

    target: np.ndarray
    held: np.ndarray
    labels: np.ndarray
    weights: np.ndarray


def density_ratio(
    source: np.ndarray, target: np.ndarray, at: np.ndarray, strength: float = 0.01
) -> np.ndarray:
    """p_target / p_source at features K x D, from a logistic classifier of the two (Bickel et al. 2009).

    Exact in the limit where the log ratio is linear, as for two Gaussians of one covariance. source, target:
    N x D, M x D. strength: that of the probe; a weak one keeps weights finite where domains do not overlap.
    """
    x = np.concatenate([source, target])
    solved = probe(x, np.repeat([0, 1], [len(source), len(target)]), strength, 2)
    odds = solved(np.asarray(at, dtype=np.float64))
    return len(source) / len(target) * np.exp(odds[:, 1] - odds[:, 0])


def importance_weighted(evidence: Evidence) -> float:
    """Accuracy on held-out source items, weighted by density ratios (Sugiyama et al. 2007, JMLR 8).

    The weights are normalised to sum to 1; higher is better.
    """
    right = evidence.held.argmax(1) == evidence.labels
    return float(np.average(right, weights=evidence.weights))


def certainty(evidence: Evidence) -> float:
    """Minus the mean entropy of the target's predictions, in nats: higher is better (Morerio et al. 2018)."""
    logs = log_softmax(evidence.target, 1)
    return float((np.exp(logs) * logs).sum(1).mean())


def neighbourhood(evidence: Evidence, temperature: float = 0.05) -> float:
    """Soft neighbourhood density of the target's predictions: higher is better (Saito et al. 2021, eq. 1-3).

    The mean entropy, in nats, of each item's softmax over its similarity to all others.
    """
    rows = softmax(evidence.target, 1)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    alike = rows @ rows.T / temperature
    np.fill_diagonal(alike, -np.inf)
    logs = log_softmax(alike, 1)
    np.fill_diagonal(logs, 0)  # no item is a neighbour of itself
    return float(-(softmax(alike, 1) * logs).sum(1).mean())


def nuclear_norm(evidence: Evidence) -> float:
    """Nuclear norm of the target's predictions over their count: certain, diverse (Cui et al. 2020, BNM)."""
    return float(np.linalg.norm(softmax(evidence.target, 1), "nuc") / len(evidence.target))


CRITERIA = {
    "importance-weighted": importance_weighted,
    "entropy": certainty,
    "neighbourhood density": neighbourhood,
    "nuclear norm": nuclear_norm,
}


def by_criterion(candidate: "Adapted") -> dict[str, float]:
    """The score of a candidate by each criterion, higher is better, and by the oracle: target accuracy."""
    found = {name: criterion(candidate.evidence) for name, criterion in CRITERIA.items()}
    return found | {ORACLE: candidate.accuracy}


def select(candidates: Sequence["Adapted"]) -> dict[str, "Adapted"]:
    """The candidate each criterion chooses, the first of equals, and under "oracle" the best one on test.

    The oracle uses the target's test labels: it is the upper limit for the others, no choice without labels.
    Raises UserError without candidates, or where they are not of one source, target, backbone and seed.
    """
    if not candidates:
        raise UserError("adapt.select has no candidates to choose from: give at least one.")
    if len({candidate.pair for candidate in candidates}) > 1:
        raise UserError("adapt.select: the candidates are of different tasks, backbones or seeds.")
    scored = [by_criterion(candidate) for candidate in candidates]
    return {name: candidates[int(np.argmax([row[name] for row in scored]))] for name in scored[0]}
