"""Weights: read as plain tensors, put into a model, and told apart by content."""

import hashlib
import json
import os
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from urllib.parse import urlsplit

import torch
from safetensors import SafetensorError
from torch import nn

from tlkit.downloads.registry import sha256_of
from tlkit.errors import UserError

PATIENCE = 5.0  # seconds to wait for the answer of a host that holds weights
# what the readers raise for damaged files; UnpicklingError also for a pickle that would run code
_READ_ERRORS = (
    OSError, RuntimeError, ValueError, EOFError, LookupError, TypeError, AttributeError, AssertionError,
    struct.error, UnpicklingError, SafetensorError,
)  # fmt: skip


def load_weights(model: nn.Module, path: Path, name: str, in_order: bool = False) -> None:
    """Copy tensors from `path` into `model`; a pickle that would run code is refused, never opened.

    in_order: the file calls them otherwise, and has them in the model's order. Raises UserError when the file
    is absent, is no tensor file, or is of another architecture.
    """
    have = model.state_dict()
    state = read_tensors(path)
    alike = in_order and len(have) == len(state)
    state = dict(zip(have, state.values(), strict=True)) if alike else counted(model, state)
    both = have.keys() & state.keys()
    odd = sorted(k for k in both if state[k].shape != have[k].shape) + sorted(have.keys() ^ state.keys())
    if odd:
        shapes = f"{_shape(state, odd[0])} in the file, {_shape(have, odd[0])} in {name}"
        card = path.with_suffix(".json")
        read = f"; its card {card.name} was read" if card.is_file() else ""
        raise UserError(
            f"{path} holds weights of another architecture than {name}: {len(odd)} tensors differ, the "
            f"first is {odd[0]} ({shapes}){read}; name the architecture that the file was saved from."
        )
    model.load_state_dict(state)


def counted(model: nn.Module, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """With the counts of batches that a network is published without where its norms were frozen."""
    have = model.state_dict()
    if any(key.endswith("_tracked") for key in state.keys() & have.keys()):
        return state
    return {key: tensor for key, tensor in have.items() if key.endswith("_tracked")} | state


def _shape(state: dict[str, torch.Tensor], name: str) -> str:
    return "x".join(map(str, state[name].shape)) or "one number" if name in state else "absent"


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in a .safetensors or .pt file, tensors only (`weights_only=True`). Raises UserError."""
    if not path.is_file():
        raise UserError(f"there is no weights file at {path}: check the path.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load, load_file

            odd = re.search("[\udc80-\udcff]", str(path))  # bytes that are no UTF-8: it opens no such name
            return load(path.read_bytes()) if odd else load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a remark on the pickle's age, before it is refused
            state = torch.load(path, map_location="cpu", weights_only=True)
    except _READ_ERRORS as error:
        kind = type(error).__name__
        raise UserError(
            f"{path} is not a file of plain tensors ({kind}), or is a pickle that would run code: "
            "it was not opened; save the weights as safetensors."
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(torch.is_tensor(v) for v in state.values()):
        raise UserError(f"{path} holds no state dict of tensors: save model.state_dict() as safetensors.")
    return state


def read_card(weights: str | None) -> dict:
    """The JSON card of the same stem beside a weights file, or nothing. Raises UserError if damaged."""
    path = Path(weights).with_suffix(".json") if weights else None
    if path is None or not path.is_file():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"the card {path} is not JSON ({error}): mend it or remove it.") from error
    if not isinstance(card, dict):
        raise UserError(f"the card {path} holds no object of settings: mend it or remove it.")
    return card


def stamp(path: str | None) -> tuple[int, int] | None:
    """(bytes, time of change in ns) of a file, by which a cache notices that it was written again."""
    if path is None or not os.path.isfile(path):
        return None
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def file_digest(path: str | Path) -> str:
    """The first 12 hex digits of a file's sha256. Raises UserError when there is no such file."""
    if not Path(path).is_file():
        raise UserError(f"there is no weights file at {path}: check the path.")
    return _digest(str(path), stamp(str(path)))


@lru_cache(maxsize=16)
def _digest(path: str, stamp: tuple[int, int]) -> str:
    return sha256_of(Path(path))[:12]


@dataclass(frozen=True)
class Source:
    """Where a library has its weights from: `told` tells them from others, `address` is asked for them.

    here: they are on this machine already.
    """

    told: str
    address: str | None = None
    here: bool = False

    @property
    def digest(self) -> str:
        """Names the weights, of which nothing is fetched for that."""
        return f"hub-{hashlib.sha256(self.told.encode()).hexdigest()[:8]}"


def hub_source(repository: str, *files: str, revision: str | None = None, told: str = "") -> Source:
    """A repository of the hub, of which any of `files` being here will do."""
    from huggingface_hub import constants, try_to_load_from_cache

    found = [try_to_load_from_cache(repository, file, revision=revision) for file in files]
    return Source(told or repository, constants.ENDPOINT, any(isinstance(path, str) for path in found))


class OutOfReach(ConnectionError):
    """Weights that are neither here nor can be fetched."""


@contextmanager
def from_hub(source: Source) -> Iterator[None]:
    """Fetch weights in this context; what is here already is used without asking the network.

    Raises OutOfReach, after `PATIENCE` seconds at most, where they are not here and their host does not
    answer: the hub's own client would try again for a minute. HF_HUB_OFFLINE is heeded for all libraries.
    """
    from huggingface_hub import constants

    if source.address and not source.here and (_wanted_offline() or not _answers(source.address)):
        host = urlsplit(source.address).netloc
        raise OutOfReach("HF_HUB_OFFLINE is set" if _wanted_offline() else f"{host} does not answer")
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or source.here
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _wanted_offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _answers(address: str) -> bool:
    """Whether the host of `address` gives any answer, by the proxy of the environment if there is one."""
    import requests

    try:
        requests.head(address, timeout=PATIENCE)
    except requests.exceptions.SSLError:
        return True  # it answers; the library that fetches may know other certificates
    except requests.RequestException:
        return False
    return True
