"""A network for series and sound: dilated causal convolutions in residual layers (Bai et al. 2018)."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tlkit import backbones
from tlkit.backbones.chain import Backbone, Chain
from tlkit.backbones.weights import file_digest, load_weights, read_card
from tlkit.errors import UserError

KERNEL = 3
WINDOW, HOP = 0.025, 0.01  # seconds of a spectrum, and between two
FAINT = 1e-6  # power below which all is silence


def register() -> None:
    """Register the network as `sequence`; an entry point of this package."""
    backbones.register("sequence", sequence)


@dataclass(frozen=True)
class Steps:
    """One raw item as C x T: a series of T numbers or of T x C, or a recording. Its `str` is its key.

    length: so many of the latest steps, with zeros before a shorter item; 0 takes items as they come, all of
    one length. mels: above 0 the item is a recording at `rate` samples a second, of which so many log-mel
    bands are seen a step of 10 ms, in standard units.
    """

    length: int
    mels: int
    rate: int
    takes = "series and recordings"

    def __call__(self, raw: Any) -> torch.Tensor:
        seen = torch.as_tensor(raw, dtype=torch.float32)
        seen = log_mel(seen, self.rate, self.mels) if self.mels else seen.reshape(len(seen), -1).T
        if not self.length:
            return seen.contiguous()
        seen = seen[:, -self.length :]
        return F.pad(seen, (self.length - seen.shape[1], 0))


def log_mel(samples: torch.Tensor, rate: int, bands: int) -> torch.Tensor:
    """N samples to the log power of `bands` x T in mel bands (O'Shaughnessy 1987), mean 0, deviation 1."""
    size = int(rate * WINDOW)
    padded = F.pad(samples, (0, max(0, size - len(samples))))
    window = torch.hann_window(size)
    power = torch.stft(padded, size, int(rate * HOP), window=window, return_complex=True).abs() ** 2
    mel = torch.linspace(0, 2595 * math.log10(1 + rate / 1400), bands + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    at = torch.linspace(0, rate / 2, len(power))
    triangles = torch.minimum((at - low) / (middle - low), (high - at) / (high - middle)).clamp(min=0)
    seen = (triangles @ power + FAINT).log()
    return (seen - seen.mean()) / seen.std().clamp(min=FAINT)


class Layer(nn.Module):
    """A convolution of this step and earlier ones, `apart` from each other, added to what comes in."""

    def __init__(self, channels: int, apart: int):
        super().__init__()
        self.before = (KERNEL - 1) * apart
        self.conv = nn.Conv1d(channels, channels, KERNEL, dilation=apart)
        self.norm, self.drop = nn.BatchNorm1d(channels), nn.Dropout(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.drop(F.relu(self.norm(self.conv(F.pad(x, (self.before, 0))))))


class Pool(nn.Module):
    """N x C x T to N x C: the last step, which has seen those before it, or the mean of all."""

    def __init__(self, last: bool):
        super().__init__()
        self.last = last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[..., -1] if self.last else x.mean(-1)


def sequence(
    *,
    spec: str,
    weights: str | None = None,
    channels: int = 16,
    layers: int = 4,
    inputs: int = 1,
    length: int = 0,
    mels: int = 0,
    rate: int = 16000,
) -> Backbone:
    """`sequence[,channels=16,layers=4]`: a network of series, or of sound with `mels=40,rate=8000`.

    Stages: stem, layer1, layer2, ..., each twice as far apart as the one before. Pooled: the last step of a
    series of `inputs` numbers a step, the mean of a sound's. weights: a file of the chain's tensors
    (`backbone.pretrained().state_dict()`), else untrained. Raises UserError for numbers that do not do.
    """
    given = {"channels": (channels, 1), "layers": (layers, 1), "inputs": (inputs, 1), "rate": (rate, 1000)}
    given |= {"length": (length, 0), "mels": (mels, 0)}
    for key, (value, least) in given.items():
        if type(value) is not int or value < least:
            raise UserError(f"{key} of backbone {spec}: give a whole number, {least} or more.")

    def build(pretrained: bool) -> tuple[Chain, nn.Module]:
        stages = {"stem": nn.Conv1d(mels or inputs, channels, 1)}
        chain = Chain(stages | {f"layer{i + 1}": Layer(channels, 2**i) for i in range(layers)})
        if weights and pretrained:
            load_weights(chain, Path(weights), spec)
        return chain, Pool(last=not mels)

    view, card = Steps(length, mels, rate if mels else 0), {"name": "sequence"} | read_card(weights)
    digest, name = (file_digest(weights), f"{spec}~{Path(weights).stem}") if weights else ("untrained", spec)
    return Backbone(name, digest, build, view, str(view), card, {"own": spec})
