"""What a task asks of a network: its head, loss, metrics, and how outputs become predictions; and the
baseline without a network that every plan must beat."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves
from torch.utils.data import default_collate

from tlkit.errors import UserError
from tlkit.tasks.metrics import Metric, accuracy, balanced, rmse

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


@dataclass(frozen=True)
class Objective:
    """Everything about a task that is not data; the first metric is the one verdicts are about.

    head(features, pool): a new head for an example of the last stage's output and the backbone's pooling;
    with a solver, `pool` first and one linear layer behind it. loss(output, target): a scalar tensor, in eval
    mode too. decode(output): a prediction an item, a numpy array, or a list where items differ in shape.
    keep(output, targets): what is kept of a batch instead, an array of one row an item, where predictions are
    too large to keep (a score for each of 50,000 words). collate: a list of (input, target) to a batch;
    needed where targets differ in shape. metrics: name -> `Metric`. solver: how `frozen` finds its head
    ("logistic", "ridge"), or None to descend. by_class: whether a label budget is counted per class.
    baseline: what is fitted to raw inputs, without a network. source_head: whether plans from pretrained
    weights start from the head that came with them instead. decoder: how a saved model tells its answers, by
    name (`readers.DECODERS`). Raises UserError without a metric, or for one without direction.
    """

    name: str
    head: Callable[[Any, nn.Module], nn.Module]
    loss: Callable[[Any, Any], torch.Tensor]
    decode: Callable[[Any], Any]
    metrics: dict[str, Metric]
    collate: Callable[[list], Any] = default_collate
    keep: Callable[[Any, Any], np.ndarray] | None = None
    solver: str | None = None
    by_class: bool = False
    baseline: Baseline | None = None
    source_head: bool = False
    decoder: str = ""

    def __post_init__(self) -> None:
        if not self.metrics:
            raise UserError(f"objective {self.name!r} has no metric: give at least one.")
        for name, metric in self.metrics.items():
            if not isinstance(metric, Metric):
                raise UserError(
                    f"objective {self.name!r}: metric {name!r} does not say which way is better: give a "
                    "tlkit.tasks.Metric, with its direction and the difference that does not matter."
                )

    @property
    def metric(self) -> str:
        return next(iter(self.metrics))

    @property
    def first(self) -> Metric:
        """The metric that verdicts are about."""
        return self.metrics[self.metric]

    @property
    def raw_plan(self) -> str:
        """The plan without a network that such a task has; "" where it has none."""
        own = self.baseline
        return own.name if own and (self.solver or own.answers) else ""

    def collect(self, outputs: Iterable[Any], targets: Any, count: int) -> Any:
        """What is kept of `count` items, from outputs that come batch by batch in the order of the targets.

        One array for all, so that memory is not fragmented; a list where predictions differ in shape.
        """
        found, done = None, 0
        for output in outputs:
            if self.keep is None:
                part = self.decode(output)
            else:
                first = output if isinstance(output, list) else tree_leaves(output)[0]
                part = self.keep(output, picked(targets, range(done, done + len(first))))
            if isinstance(part, list):
                found = [*(found or []), *part]
            else:
                if found is None:
                    found = np.empty((count, *part.shape[1:]), part.dtype)
                found[done : done + len(part)] = part
            done += len(part)
            del output  # the next one needs its room
        return found


def picked(targets: Any, rows: Iterable[int]) -> Any:
    """The targets of some items: of an array or tensor the like, of a list (one entry an item) a list."""
    if isinstance(targets, list | tuple):
        return [targets[int(row)] for row in rows]
    return (targets if torch.is_tensor(targets) else np.asarray(targets))[np.asarray(rows)]


def _pooled(name: str, outputs: int, metrics: Iterable[Metric], **more: Any) -> Objective:
    """With a head that pools, then one linear layer from the pooled width to `outputs`."""

    def head(features: Any, pool: nn.Module) -> nn.Module:
        with torch.no_grad():
            width = pool(features).shape[-1]
        return nn.Sequential(pool, nn.Linear(width, outputs))

    return Objective(name=name, head=head, metrics={metric.name: metric for metric in metrics}, **more)


def classification(
    n_classes: int, metrics: Iterable[Metric] = (accuracy, balanced), baseline: Baseline | None = PIXELS
) -> Objective:
    """One of `n_classes`: pooled linear head, cross-entropy, accuracies; targets are int64 class numbers."""
    return _pooled(
        "classification",
        n_classes,
        metrics,
        loss=F.cross_entropy,
        decode=lambda output: output.argmax(-1).numpy(),
        solver="logistic",
        by_class=True,
        baseline=baseline,
        decoder="class",
    )


def regression(
    outputs: int = 1, metrics: Iterable[Metric] = (rmse(0.02),), baseline: Baseline | None = PIXELS
) -> Objective:
    """`outputs` numbers an item: pooled linear head, squared error; by default its root as metric.

    Targets are N (for one output) or N x `outputs`. The default's delta, 0.02, suits targets of unit scale:
    give `metrics` whose delta is a difference that does not matter in yours.
    """
    return _pooled(
        "regression",
        outputs,
        metrics,
        loss=lambda output, target: F.mse_loss(output, target.reshape(output.shape).to(output.dtype)),
        decode=lambda output: output.numpy(),
        solver="ridge",
        baseline=baseline,
        decoder="number",
    )


def multilabel(classes: int, metrics: Iterable[Metric], baseline: Baseline | None = PIXELS) -> Objective:
    """Any of `classes` at once: pooled linear head, binary cross-entropy; targets N x classes of 0 and 1.

    Predictions are the probabilities, N x classes; metrics threshold or rank them.
    """
    return _pooled(
        "multi-label",
        classes,
        metrics,
        loss=lambda output, target: F.binary_cross_entropy_with_logits(output, target.to(output.dtype)),
        decode=lambda output: output.sigmoid().numpy(),
        baseline=baseline,
        decoder="labels",
    )
