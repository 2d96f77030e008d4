"""What a saved model takes from its task, by name: how an argument is read, how an output is told."""

import csv
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
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


def _wav(rate: str) -> Reader:
    """A recording as N float32 samples in [-1, 1], its channels' mean, at `rate` samples a second."""

    def read(path: str) -> torch.Tensor:
        from scipy.io import wavfile
        from scipy.signal import resample_poly

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", wavfile.WavFileWarning)  # it is cut off
                warnings.filterwarnings("ignore", "Chunk", wavfile.WavFileWarning)  # notes beside the sound
                found, samples = wavfile.read(path)
            if not 0.01 <= found / int(rate) <= 100:  # in which no memory would suffice
                raise ValueError(f"{found} samples a second")
            if samples.dtype.kind in "iu":
                middle = 128 if samples.dtype == np.uint8 else 0
                samples = (samples.astype(np.float64) - middle) / 2.0 ** (8 * samples.dtype.itemsize - 1)
            mono = resample_poly(samples.reshape(len(samples), -1).mean(1), int(rate), found)
        except Exception as error:
            raise UserError(f"{path} does not open as a WAV file ({error}): save it again as one.") from error
        return torch.from_numpy(mono.astype(np.float32))

    return Reader(read, "FILE.wav")


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
                f"{text} is no row of numbers ({error}): give {columns} with commas between them, or "
                "FILE.csv:3 for the third row of a table with these columns."
            ) from error

    return Reader(read, "FILE.csv:ROW")


def _read_text(text: str) -> str:
    if not os.path.isfile(text):
        return text
    try:
        return Path(text).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{text} is no text in UTF-8 ({error}): save it again as one.") from error


def _class(output: torch.Tensor, classes: Sequence[str], unit: str) -> Told:
    odds = output.softmax(-1)[0]
    return classes[int(odds.argmax())], float(odds.max())


def _number(output: torch.Tensor, classes: Sequence[str], unit: str) -> Told:
    return " ".join([", ".join(f"{float(x):.4g}" for x in output[0].flatten()), unit]).strip(), None


def _labels(output: torch.Tensor, classes: Sequence[str], unit: str) -> Told:
    odds = output.sigmoid()[0]
    named = [f"{classes[k] if classes else k} {float(p):.2f}" for k, p in enumerate(odds) if p >= 0.5]
    return ", ".join(named) or "none", None


def boxes(output: list[dict], classes: Sequence[str], unit: str) -> Told:
    """What was found rather than not, as torchvision's detectors tell it: boxes k x 4, labels k, scores k."""
    found = zip(*(output[0][name].tolist() for name in ("boxes", "labels", "scores")), strict=True)
    sure = [f"{classes[k]} {p:.2f} at {' '.join(f'{x:.4g}' for x in box)}" for box, k, p in found if p >= 0.5]
    return ", ".join(sure) or "nothing", None


def _detector(classes: str) -> Decoder:
    return Decoder(boxes, lambda pool, state: pool.head(int(classes)))


def _own_readers() -> None:
    READERS.register("picture", lambda: Reader(lambda text: read_picture(Path(text)), "PHOTO"))
    READERS.register("text", lambda: Reader(_read_text, "TEXT"))
    READERS.register("wav:", _wav, ["wav:RATE"])
    READERS.register("row:", _row, ["row:COLUMN,COLUMN"])


def _own_decoders() -> None:
    for name, word in {"class": _class, "number": _number, "labels": _labels}.items():
        DECODERS.register(name, lambda word=word: Decoder(word))
    DECODERS.register("boxes:", _detector, ["boxes:CLASSES"])


READERS = Registry("reader", "tlkit.readers", _own_readers)
DECODERS = Registry("decoder", "tlkit.decoders", _own_decoders)
