"""Hugging Face's Trainer as a contestant."""

from tempfile import TemporaryDirectory

import timm  # noqa: F401 (imports are not what is measured)
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset
from torchvision.datasets import ImageFolder
from transformers import Trainer, TrainingArguments

from benchmarks.networks import Look, classifier, nobody, plain
from benchmarks.phases import Watch
from benchmarks.plain_loops import sides, sizes
from tlkit import env


class Named(Dataset):
    """Pictures under the names by which the Trainer asks for them."""

    def __init__(self, pictures: ImageFolder):
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, i: int) -> dict:
        picture, label = self.pictures[i]
        return {"pixel_values": picture, "labels": label}


class Model(nn.Module):
    """A classifier that gives what the Trainer takes: the loss, and the scores."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, pixel_values: torch.Tensor, labels: torch.Tensor | None = None) -> dict:
        logits = self.network(pixel_values)
        return (
            {"logits": logits}
            if labels is None
            else {"loss": F.cross_entropy(logits, labels), "logits": logits}
        )


def trainer(
    watch: Watch, folder: str, network: str, weights: str,
    epochs: int, batch: int, rate: float, look: Look = nobody,
) -> dict:  # fmt: skip
    """Hugging Face's Trainer; the body wants no gradient. Its batch norms follow the data, as by default."""
    env.seed_everything(0)
    with watch("open"):
        train, valid = (Named(side) for side in sides(folder, network, weights))
    with watch("build"), TemporaryDirectory() as out:
        model = Model(classifier(*plain(network, weights), len(train.pictures.classes), tuned=0))
        settings = TrainingArguments(
            out, num_train_epochs=epochs, learning_rate=rate, per_device_train_batch_size=batch,
            per_device_eval_batch_size=batch, use_cpu=True, report_to=[], save_strategy="no",
            logging_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        hugging = Trainer(
            model, settings, train_dataset=train, eval_dataset=valid,
            compute_metrics=lambda p: {"accuracy": float((p.predictions.argmax(-1) == p.label_ids).mean())},
        )  # fmt: skip
    look(model.network)
    with watch("train"):
        hugging.train()
    with watch("validate"):
        score = hugging.evaluate()["eval_accuracy"]
    look(model.network)
    return {"accuracy": score, "items": sizes(train, valid), "steps": hugging.state.global_step}
