"""Methods on fixed features, fitted in closed form or by a convex solver: CORAL, and those of skada."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import softmax

from tlkit.errors import UserError
from tlkit.features import Probe, probe

Outputs = Callable[[np.ndarray], np.ndarray]
FAR = 50.0  # exp(-FAR) is negligible beside 1


@dataclass
class Solved:
    """outputs: target features N x D -> scores N x C. probe: the same as a linear head, where it is one."""

    outputs: Outputs
    probe: Probe | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def solve(
    method: str,
    x: np.ndarray,
    y: np.ndarray,
    target: np.ndarray,
    classes: int,
    strength: float = 0.1,
    seed: int = 0,
    **settings: Any,
) -> Solved:
    """A classifier for the target from labelled source features x (N x D), y (N) and target features (M x D).

    strength: that of the logistic probe (scikit-learn's C on features of unit scale). settings: those of
    METHODS[method], all of them. Raises UserError when the features of a side are all the same, when skada is
    needed and not installed, and when a covariance cannot be inverted.
    """
    x, target = np.asarray(x, dtype=np.float64), np.asarray(target, dtype=np.float64)
    for side, rows in (("source", x), ("target", target)):
        if not np.ptp(rows, axis=0).any():
            raise UserError(
                f"{method}: all {side} items have the same features: no classifier can separate them."
            )
    if method == "source only":
        solved = probe(x, y, strength, classes)
    elif method == "coral":
        solved = probe(coral(x, target, settings["reg"]), y, strength, classes)
    elif method == "pseudo-labels":
        solved, taken = pseudo_labels(x, y, target, strength, classes, **settings)
        return Solved(solved, solved, {"taken": taken})
    else:
        return _by_skada(method, x, y, target, classes, strength, seed, settings)
    return Solved(solved, solved)


def coral(source: np.ndarray, target: np.ndarray, reg: float = 1.0) -> np.ndarray:
    """Source features, N x D, with mean and covariance of the target's (Sun et al. 2016, algorithm 1).

    Whitened by their own covariance, coloured by the target's, each with `reg` times the source's mean
    variance added on its diagonal (the paper adds 1 to features of variance 1). With reg=0 the covariances
    become equal. The paper takes both sides as centred; here the target's mean is put back. Raises UserError
    for a negative reg, and for reg=0 where there are fewer items than features, or features without spread.
    """
    if reg < 0:
        raise UserError(f"coral: reg={reg}; give 0 or more.")
    ours, theirs = np.cov(source, rowvar=False), np.cov(target, rowvar=False)
    added = reg * np.trace(ours) / len(ours) * np.eye(len(ours))
    values, vectors = np.linalg.eigh(ours + added)
    if values[0] <= len(values) * np.finfo(float).eps * values[-1]:
        raise UserError(
            f"coral: the covariance of {len(source)} source items in {source.shape[1]} features cannot be "
            "inverted: give more items, or reg above 0."
        )
    whiten = (vectors / np.sqrt(values)) @ vectors.T
    values, vectors = np.linalg.eigh(theirs + added)
    colour = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    return (source - source.mean(0)) @ whiten @ colour + target.mean(0)


def pseudo_labels(
    x: np.ndarray,
    y: np.ndarray,
    target: np.ndarray,
    strength: float,
    classes: int,
    threshold: float = 0.9,
    rounds: int = 3,
) -> tuple[Probe, list[int]]:
    """(probe, items taken in each round): train again with the target items that the last probe is sure of.

    An item is taken when its largest probability reaches the threshold; its label is predicted (Lee 2013).
    Raises UserError for a threshold outside 0 ... 1 or fewer than one round.
    """
    if not 0 <= threshold <= 1 or rounds < 1:
        raise UserError(f"threshold={threshold}, rounds={rounds}: give 0 to 1, and at least 1 round.")
    solved, taken = probe(x, y, strength, classes), []
    for _ in range(rounds):
        sure = softmax(solved(target), 1)
        chosen = sure.max(1) >= threshold
        taken.append(int(chosen.sum()))
        both = np.concatenate([x, target[chosen]]), np.concatenate([y, sure.argmax(1)[chosen]])
        solved = probe(*both, strength, classes)
    return solved, taken


def width(source: np.ndarray, target: np.ndarray) -> float:
    """gamma of an RBF kernel by the median heuristic: one over the median squared distance of all pairs."""
    from scipy.spatial.distance import pdist

    return 1 / float(np.median(pdist(np.concatenate([source, target]), "sqeuclidean")))


def estimator(method: str, strength: float, seed: int, settings: dict[str, Any]) -> Any:
    """skada's estimator for a method; `components` and `gamma` are numbers here. UserError without skada."""
    try:
        import skada
    except ImportError as error:
        raise UserError(f"{method} needs skada: pip install 'tlkit[adapt]', or `make install`.") from error
    from sklearn.linear_model import LogisticRegression

    head = LogisticRegression(C=strength, max_iter=2000)
    if method == "tsl":
        parts = {"n_components": settings["components"], "max_iter": settings["iterations"]}
        return skada.TransferSubspaceLearning(head, **parts)
    adapters = {
        "linear ot": lambda: skada.LinearOTMappingAdapter(reg=settings["reg"]),
        "ot": lambda: skada.OTMappingAdapter(),
        "subspace": lambda: skada.SubspaceAlignmentAdapter(settings["components"], random_state=seed),
        "tca": lambda: skada.TransferComponentAnalysisAdapter(n_components=settings["components"]),
        "kliep": lambda: skada.KLIEPReweightAdapter(settings["gamma"], random_state=seed),
        "kmm": lambda: skada.KMMReweightAdapter(gamma=settings["gamma"]),
        "mmd-tars": lambda: skada.MMDTarSReweightAdapter(settings["gamma"]),
    }
    if "gamma" in settings:
        head.set_fit_request(sample_weight=True)
    return skada.make_da_pipeline(adapters[method](), head)


def _by_skada(
    method: str,
    x: np.ndarray,
    y: np.ndarray,
    target: np.ndarray,
    classes: int,
    strength: float,
    seed: int,
    settings: dict[str, Any],
) -> Solved:
    """skada's method on features of unit scale; `components` is at most what the items allow."""
    centre = x.mean(0)
    scale = float(np.sqrt(((x - centre) ** 2).mean()))
    x, target = (x - centre) / scale, (target - centre) / scale
    settings = dict(settings)
    if "components" in settings:
        settings["components"] = min(settings["components"], x.shape[1], len(x), len(target))
    if settings.get("gamma", 0) is None:
        settings["gamma"] = width(x, target)
    fitted, domain = estimator(method, strength, seed, settings), np.repeat([1, -2], [len(x), len(target)])
    labels = _apart(y, settings["gamma"]) if method == "mmd-tars" else y
    masked = np.concatenate([labels, np.full(len(target), -1)])  # skada's code for an unknown label
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fitted.fit(np.concatenate([x, target]), masked, sample_domain=domain)
        except np.linalg.LinAlgError as error:
            raise UserError(
                f"{method} cannot be fitted on {len(x)} source and {len(target)} target items of "
                f"{x.shape[1]} features ({error}): give more items or another method."
            ) from error

    def outputs(rows: np.ndarray) -> np.ndarray:
        found = np.full((len(rows), classes), -1e3)
        odds = fitted.predict_proba((rows - centre) / scale, sample_domain=np.full(len(rows), -2))
        found[:, np.unique(y)] = np.log(np.maximum(odds, 1e-300))
        return found

    heard = sorted({f"{w.category.__name__}: {str(w.message).splitlines()[0]}" for w in caught})
    return Solved(outputs, detail={"used": settings, "warnings": heard})


def _apart(y: np.ndarray, gamma: float) -> np.ndarray:
    """The same classes, numbered so far apart that an RBF kernel of that gamma is zero between them.

    skada's kernel of labels treats class numbers as points on a line, at the width of the features: a class
    between two others can be replaced by them, and gets no weight. Zhang's own code separates all classes.
    """
    return y * math.ceil(math.sqrt(FAR / gamma))
