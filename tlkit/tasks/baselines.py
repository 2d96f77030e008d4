"""What is learnt from raw inputs, without a network: the baseline that every plan must beat."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

PIXEL_SIDE = 32  # images are shrunk to this, in pixels

Features = Callable[[Sequence[Any]], np.ndarray]


@dataclass(frozen=True)
class Baseline:
    """A plan without a network. `name` is that plan's.

    learn(inputs): from the raw inputs of the labelled items, a function of raw inputs to N x D features, on
    which nearest neighbours or a linear model are fitted. answers: those features are predictions already.
    """

    name: str
    learn: Callable[[Sequence[Any]], Features]
    answers: bool = False


def pixels(inputs: Sequence[Any]) -> np.ndarray:
    """Images or tensors as vectors, N x D; images in [0, 1], shrunk to 32 x 32 RGB first."""
    return np.stack([_vector(raw) for raw in inputs])


def _vector(raw: Any) -> np.ndarray:
    import torch

    if not torch.is_tensor(raw):
        small = raw.convert("RGB").resize((PIXEL_SIDE, PIXEL_SIDE))
        raw = torch.from_numpy(np.array(small, dtype=np.float32)) / 255
    return raw.flatten().numpy()


def _words(inputs: Sequence[str]) -> Features:
    """Counts of words and pairs of words, weighted by how rare they are among the labelled texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    table = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b").fit(inputs)
    return lambda texts: table.transform(texts).toarray()


def _last(inputs: Sequence[Any]) -> Features:
    return lambda series: np.stack([np.asarray(one, dtype=np.float32)[-1:].reshape(-1) for one in series])


PIXELS = Baseline("pixels", lambda inputs: pixels)
TFIDF = Baseline("tfidf", _words)
LAST_VALUE = Baseline("last-value", _last, answers=True)  # the naive forecast: the next value is the last one
