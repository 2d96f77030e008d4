"""Four small worlds that stand for all: a classifier, a language model, a detector, a regression.

Each is a Task with its Objective and a Backbone whose chain takes milliseconds; three stages with batch norm
and dropout (the language model: layer norm, and a dictionary passed from stage to stage).
"""

import hashlib
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain
from tlkit.recipe import Recipe
from tlkit.tasks import Items, Objective, Task, classification, regression
from tlkit.tasks.metrics import accuracy, mean_of
from tlkit_lessons.language_modelling import perplexity

STAGES = ("stem", "mid", "top")
PLANS = ("scratch", "frozen", "last-1", "full", "lp-ft", "gradual", "block:mid", "norm", "bias")
ROWS = ("lora-2", "l2sp", "auto-rgn", "auto-snr")  # that use the hooks of the table
QUICK = Recipe(steps=4, epochs=1, batch=8, rates=(1e-3, 3e-3, 1e-2))
WIDTH, WORDS, LENGTH = 8, 7, 6
error_rate = mean_of(
    "error rate", lambda kept, targets: np.asarray(kept) != np.asarray(targets), "lower", 0.02,
    chance=lambda targets: 1 - accuracy.chance(targets),
)  # fmt: skip


def items(inputs, name: str, groups: tuple[str, ...] = ()) -> Items:
    digests = tuple(hashlib.sha256(np.asarray(x).tobytes()).hexdigest()[:16] for x in inputs)
    return Items(inputs, [f"{name} {i}" for i in range(len(inputs))], digests, groups)


def conv_stages() -> dict[str, nn.Module]:
    def stage(inputs: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(inputs, WIDTH, 3, padding=1), nn.BatchNorm2d(WIDTH), nn.ReLU(), nn.Dropout(0.2)
        )

    return {"stem": stage(1), "mid": stage(WIDTH), "top": stage(WIDTH)}


def backbone(
    stages: Callable[[], dict[str, nn.Module]] = conv_stages,
    pool: Callable[[], nn.Module] = lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    transform: Callable = lambda raw: raw * 2 - 1,
    name: str = "tiny",
    seed: int = 0,
) -> Backbone:
    """A source whose weights are those of `seed`, with statistics as if it had been trained."""

    def build(pretrained: bool) -> tuple[Chain, nn.Module]:
        if not pretrained:
            return Chain(stages()), pool()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            chain = Chain(stages())
            for module in chain.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.running_mean.normal_(std=0.1)
                    module.running_var.uniform_(0.5, 1.5)
        return chain, pool()

    return Backbone(name, f"seed{seed}", build, transform, f"{name}-input")


def pictures(n: int, seed: int, side: int = 8) -> tuple[torch.Tensor, np.ndarray]:
    """n x 1 x side x side in [0, 1] of three classes: where the bright rows are."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = rng.uniform(0, 0.4, (n, 1, side, side)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        image[0, 2 * label : 2 * label + 2] += 0.6
    return torch.from_numpy(images), labels.astype(np.int64)


def classifier(train: int = 36, test: int = 15, name: str = "tiny-classes") -> tuple[Task, Backbone]:
    (x, y), (tx, ty) = pictures(train, 0), pictures(test, 1)
    objective = classification(3)
    return Task(name, objective, items(x, "train"), y, items(tx, "test"), ty, ("a", "b", "c")), backbone()


def line(n: int = 30, test: int = 12) -> tuple[Task, Backbone]:
    """Regression: how bright a picture is; targets n, not n x 1."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.uniform(size=(n + test, 1, 8, 8)).astype(np.float32))
    x *= torch.linspace(0.2, 1, n + test)[
        torch.randperm(n + test, generator=torch.Generator().manual_seed(0))
    ][:, None, None, None]
    y = 10 * x.mean((1, 2, 3)).numpy()
    sides = items(x[:n], "train"), y[:n], items(x[n:], "test"), y[n:]
    return Task("tiny-line", regression(), *sides), backbone()


class Embed(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(WORDS, WIDTH)

    def forward(self, x: dict) -> dict:
        return {"h": self.table(x["words"]), "keep": x["keep"]}


class Mix(nn.Module):
    """Every word sees itself and the word before it."""

    def __init__(self):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: dict) -> dict:
        h = self.norm(x["h"])
        before = F.pad(h, (0, 0, 1, 0))[:, :-1]
        mixed = F.gelu(self.linear(torch.cat([h, before], -1)))
        return {"h": x["h"] + self.drop(mixed) * x["keep"][..., None], "keep": x["keep"]}


class Words(nn.Module):
    """The head: a score for every next word, at every place; nothing is pooled."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(WIDTH, WORDS)

    def forward(self, x: dict) -> torch.Tensor:
        return self.linear(x["h"])


def surprise(output: torch.Tensor, targets: np.ndarray) -> np.ndarray:
    """Kept of every sentence: its negative log-likelihood, its words, and how many were right."""
    odds, wanted = output.log_softmax(-1), torch.as_tensor(targets)
    told = -odds.gather(-1, wanted[..., None])[..., 0].sum(1)
    return torch.stack(
        [told, torch.full_like(told, wanted.shape[1]), (odds.argmax(-1) == wanted).sum(1)], 1
    ).numpy()


def language(n: int = 150, test: int = 16) -> tuple[Task, Backbone]:
    """Sentences in which each word but one in ten follows from the one before."""
    rng = np.random.default_rng(0)
    words = rng.integers(0, WORDS, (n + test, LENGTH + 1))
    for t in range(LENGTH):
        follows = rng.uniform(size=n + test) < 0.9
        words[follows, t + 1] = (3 * words[follows, t] + 1) % WORDS
    _, first = np.unique(words[:, :-1], axis=0, return_index=True)  # a sentence twice would be a leak
    words = words[np.sort(first)]
    n = len(words) - test
    objective = Objective(
        name="language",
        head=lambda features, pool: Words(),
        loss=lambda output, target: F.cross_entropy(output.flatten(0, 1), target.flatten()),
        decode=lambda output: output.argmax(-1).numpy(),
        keep=surprise,
        metrics={
            "perplexity": perplexity(0.1),
            "word accuracy": mean_of(
                "word accuracy", lambda kept, _: kept[:, 2] / kept[:, 1], "higher", 0.02
            ),
        },
    )
    x, y = torch.from_numpy(words[:, :-1].copy()), words[:, 1:].copy()
    source = backbone(
        lambda: {"stem": Embed(), "mid": Mix(), "top": Mix()},
        nn.Identity,
        lambda raw: {"words": raw, "keep": torch.ones(len(raw))},
        "tiny-words",
    )
    return Task("tiny-language", objective, items(x[:n], "train"), y[:n], items(x[n:], "test"), y[n:]), source


def boxes_of(output: torch.Tensor) -> np.ndarray:
    """The box and class of the cell that is surest: n x 5."""
    sure, box, kind = output[:, 0], output[:, 1:5].sigmoid(), output[:, 5:]
    cell = sure.flatten(1).argmax(1)[:, None, None]
    pick = lambda m: m.flatten(2).gather(2, cell.expand(-1, m.shape[1], 1))[..., 0]  # noqa: E731
    return torch.cat([pick(box), pick(kind).argmax(1, keepdim=True)], 1).numpy()


def box_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    side = output.shape[-1]
    centre = (target[:, :2] + target[:, 2:4]) / 2
    cell = (centre * side).long().clamp(0, side - 1)
    at = output[torch.arange(len(output)), :, cell[:, 1], cell[:, 0]]
    where = torch.zeros_like(output[:, 0]).index_put(
        (torch.arange(len(output)), cell[:, 1], cell[:, 0]), torch.tensor(1.0)
    )
    sure = F.binary_cross_entropy_with_logits(output[:, 0], where)
    return (
        sure
        + F.l1_loss(at[:, 1:5].sigmoid(), target[:, :4])
        + F.cross_entropy(at[:, 5:], target[:, 4].long())
    )


def iou(predicted: np.ndarray, targets: np.ndarray) -> np.ndarray:
    low, high = np.maximum(predicted[:, :2], targets[:, :2]), np.minimum(predicted[:, 2:4], targets[:, 2:4])
    inter = np.prod(np.clip(high - low, 0, None), 1)
    area = lambda b: np.prod(np.clip(b[:, 2:4] - b[:, :2], 0, None), 1)  # noqa: E731
    return inter / (area(predicted) + area(targets) - inter)


def detector(n: int = 30, test: int = 12) -> tuple[Task, Backbone]:
    """One square a picture, full or hollow: x0, y0, x1, y1 in shares of the side, and the class."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 0.2, (n + test, 1, 12, 12)).astype(np.float32)
    targets = np.zeros((n + test, 5), dtype=np.float32)
    for i, image in enumerate(images):
        size, kind = rng.integers(4, 7), i % 2
        x, y = rng.integers(0, 12 - size, 2)
        image[0, y : y + size, x : x + size] = 1
        if kind:
            image[0, y + 1 : y + size - 1, x + 1 : x + size - 1] = 0
        targets[i] = [x / 12, y / 12, (x + size) / 12, (y + size) / 12, kind]
    objective = Objective(
        name="detection",
        head=lambda features, pool: nn.Conv2d(features.shape[1], 1 + 4 + 2, 1),
        loss=box_loss,
        decode=boxes_of,
        metrics={"mean IoU": mean_of("mean IoU", iou, "higher", 0.02)},
    )
    x = torch.from_numpy(images)
    sides = items(x[:n], "train"), targets[:n], items(x[n:], "test"), targets[n:]
    return Task("tiny-boxes", objective, *sides), backbone()


WORLDS = {"classifier": classifier, "language": language, "detector": detector, "regression": line}
