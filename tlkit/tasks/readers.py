"""What a saved model takes from its task, by name: how an argument is read, how an output is told."""

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tlkit.errors import UserError
from tlkit.registry import Registry
from tlkit.tasks.reading import read_picture

Told = tuple[str, float | None]  # an answer in words, and its probability where there is one


@dataclass(frozen=True)
class Reader:
    """read(argument): the raw input that a word of the command line stands for, such as a file's name.

    It raises UserError for what cannot be read. shown: such a word in a help text.
    """

    read: Callable[[str], Any]
    shown: str = "FILE"


def pooled_linear_of(pool: nn.Module, state: dict[str, torch.Tensor]) -> nn.Module:
    """The head of most tasks, as wide as its weights."""
    outputs, width = state["1.weight"].shape
    return nn.Sequential(pool, nn.Linear(width, outputs))


@dataclass(frozen=True)
class Decoder:
    """word(output, classes, unit): what the network says of a batch of one.

    head(pool, state): an empty head into which the tensors of `state`, by name, fit.
    """

    word: Callable[[Any, Sequence[str], str], Told]
    head: Callable[[nn.Module, dict[str, torch.Tensor]], nn.Module] = pooled_linear_of


def _row(columns: str) -> Reader:
    """Some columns of a row of a table as float32: FILE.csv:3 is its third row; or the numbers themselves."""
    names = columns.split(",")

    def read(text: str) -> torch.Tensor:
        path, _, number = text.rpartition(":")
        try:
            values = text.split(",")
            if os.path.isfile(path):
                with open(path, newline="", encoding="utf-8-sig") as file:
                    row = list(csv.DictReader(file))[int(number) - 1]
                values = [row[name] for name in names]
            return torch.tensor([float(value) for value in values]).reshape(len(names))
        except (OSError, ValueError, LookupError, TypeError, RuntimeError) as error:
            raise UserError(
                f"{text} is not a row of numbers ({error}): give {columns} with commas between them, or "
                "FILE.csv:3 for the third row of a table with these columns."
            ) from error

    return Reader(read, "FILE.csv:ROW")


def _read_text(text: str) -> str:
    if not os.path.isfile(text):
        return text
    try:
        return Path(text).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{text} is not a text in UTF-8 ({error}): save it in UTF-8.") from error


def _class(output: torch.Tensor, classes: Sequence[str], unit: str) -> Told:
    odds = output.softmax(-1)[0]
    return classes[int(odds.argmax())], float(odds.max())


def _number(output: torch.Tensor, classes: Sequence[str], unit: str) -> Told:
    return " ".join([", ".join(f"{float(x):.4g}" for x in output[0].flatten()), unit]).strip(), None


def _labels(output: torch.Tensor, classes: Sequence[str], unit: str) -> Told:
    odds = output.sigmoid()[0]
    named = [f"{classes[k] if classes else k} {float(p):.2f}" for k, p in enumerate(odds) if p >= 0.5]
    return ", ".join(named) or "none", None


def _own_readers() -> None:
    READERS.register("picture", lambda: Reader(lambda text: read_picture(Path(text)), "PHOTO"))
    READERS.register("text", lambda: Reader(_read_text, "TEXT"))
    READERS.register("row:", _row, ["row:COLUMN,COLUMN"])


def _own_decoders() -> None:
    for name, word in {"class": _class, "number": _number, "labels": _labels}.items():
        DECODERS.register(name, lambda word=word: Decoder(word))


READERS = Registry("reader", "tlkit.readers", _own_readers)
DECODERS = Registry("decoder", "tlkit.decoders", _own_decoders)
