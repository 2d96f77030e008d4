"""Language modelling as a task: the next token of a running text, from a decoder's own head."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tlkit.errors import UserError
from tlkit.tasks import Objective, Task, array_items
from tlkit.tasks.metrics import Metric
from tlkit.tasks.splits import parted


def from_text(path: Path | str, backbone: Any, length: int = 64, delta: float = 0.5) -> Task:
    """Language modelling: every next token of a text file in UTF-8, in blocks of `length`.

    backbone: a decoder, whose tokenizer makes the tokens; its own head is where plans from its weights start.
    The last fifth of the text is the test split, but for blocks that the training text has too
    (`task.set_aside`). delta: the difference in perplexity that does not matter. Raises UserError for a
    backbone that predicts no token, and for a text of fewer than five blocks.
    """
    path = Path(path)
    if not hasattr(backbone.transform, "ids") or isinstance(backbone.source_head(), nn.Identity):
        raise UserError(f"{backbone.name} predicts no next token: choose a decoder of text, such as smollm2.")
    try:
        ids = backbone.transform.ids(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not read as a text ({error}): give a file in UTF-8.") from error
    if len(ids) <= 5 * length:
        raise UserError(
            f"{path} has {len(ids)} tokens: give more than {5 * length}, five blocks of {length}."
        )
    blocks = ids.unfold(0, length + 1, length)  # the last token of a block is the first of the next
    items, border = array_items(blocks[:, :-1].contiguous(), "block"), len(blocks) - len(blocks) // 5
    known, asked = set(items.digests[:border]), range(border, len(blocks))
    aside = {items.names[i]: "stands in the training text too" for i in asked if items.digests[i] in known}
    sides = np.arange(border), np.array([i for i in asked if items.digests[i] not in known], dtype=np.int64)
    card, objective = {"split": "by place in the text"}, next_token(backbone, delta)
    parts = parted(items, blocks[:, 1:].numpy(), sides)
    return Task(f"text:{path.stem}", objective, *parts, card=card, set_aside=aside)


def next_token(backbone: Any, delta: float) -> Objective:
    """The objective of a decoder: targets N x T token numbers, cross-entropy, perplexity."""

    def empty(features: Any, pool: nn.Module) -> nn.Module:
        head = backbone.source_head()
        for module in head.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        return head

    return Objective(
        name="language modelling",
        head=empty,
        loss=lambda output, target: F.cross_entropy(output.flatten(0, 1), target.flatten()),
        decode=lambda output: output.argmax(-1).numpy(),
        keep=_surprise,
        metrics={"perplexity": perplexity(delta)},
        source_head=True,
    )


def _surprise(output: torch.Tensor, targets: np.ndarray) -> np.ndarray:
    """N x 2: of every block the negative log-likelihood, summed, and the number of tokens."""
    told = F.cross_entropy(output.transpose(1, 2), torch.as_tensor(targets), reduction="none").sum(1)
    return torch.stack([told, torch.full_like(told, output.shape[1])], 1).numpy()


def perplexity(delta: float) -> Metric:
    """exp of the mean negative log-likelihood a token; kept of each item: (its sum, its count of tokens)."""
    return Metric(
        "perplexity", lambda kept, _: float(np.exp(kept[:, 0].sum() / kept[:, 1].sum())), "lower", delta
    )
