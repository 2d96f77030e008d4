"""Weights: read as plain tensors, put into a model, and told apart by content."""

import hashlib
import json
import os
import re
import warnings
from argparse import Namespace
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch
from safetensors.torch import load, load_file
from torch import nn

from tlkit.errors import UserError
from tlkit.files import sha256_of, stamps

PATIENCE = 5.0  # seconds to wait for the answer of a host that holds weights
# how programs call the weights in a checkpoint; the first that is there counts
_NAMED = "state_dict", "model_state_dict", "model", "state_dict_ema", "model_ema", "ema"
_SCALAR = np.float64().__reduce__()[0]  # settings and best scores lie beside weights, and run no code
_HARMLESS = [Namespace, np.dtype, type(np.dtype(float)), _SCALAR, (_SCALAR, "numpy.core.multiarray.scalar")]
_KINDS = {  # how files begin that are called weights, and are not
    b"version https://git-lfs": "a pointer of Git LFS: run `git lfs pull` where it was cloned",
    b"<": "a web page, as a failed download leaves it: download the file itself",
    b"PK": "a zip archive, cut off or of other files: copy it again, or unpack it and name the weights",
    b"\x89HDF": "an HDF5 file, as Keras writes it: save the weights from PyTorch",
    b"\x80": "a pickle that is damaged or would run code: it was not opened; save the weights as safetensors",
}


def load_weights(model: nn.Module, path: Path, name: str) -> None:
    """Copy tensors from `path` into `model`, whose classifier becomes the file's if that has other outputs.

    Raises UserError when the file is absent, is no tensor file, is of another architecture, or holds what is
    not finite.
    """
    have = model.state_dict()
    state = _unwrapped(read_tensors(path), have, path)
    have, state = _as_wide(model, state).state_dict(), counted(model, state)
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
    if bad := [k for k, t in state.items() if t.is_floating_point() and not t.float().isfinite().all()]:
        why = f"numbers that are not finite ({bad[0]}), as a training that diverged leaves them"
        raise UserError(f"{path} holds {why}: give an earlier checkpoint.")
    model.load_state_dict(state)


def _unwrapped(state: dict, have: dict, path: Path) -> dict[str, torch.Tensor]:
    """By the network's own names, without what DataParallel, torch.compile or Lightning put before them."""
    state, first = {str(key).replace("_orig_mod.", ""): t for key, t in state.items()}, next(iter(have))
    fronts = {"", *(key.removesuffix(first) for key in state if key.endswith(f".{first}"))}
    fits = {front: sum(front + key in state for key in have) for front in sorted(fronts)}
    best, *others = [front for front, count in fits.items() if count == max(fits.values())]
    if best and others:
        raise UserError(f"{path} holds several networks ({', '.join([best, *others])}): save one of them.")
    return {key.removeprefix(best): t for key, t in state.items() if key.startswith(best)}


def _as_wide(model: nn.Module, state: dict) -> nn.Module:
    """The model, its classifier with as many outputs as the file's, as is any linear layer's."""
    for name, layer in model.named_modules():
        its = state.get(f"{name}.weight", torch.ones(0))
        if isinstance(layer, nn.Linear) and its.shape[1:] == (layer.in_features,) and len(its):
            layer.out_features = len(its)
            for tensor in layer.parameters():
                tensor.data = tensor.new_empty(len(its), *tensor.shape[1:])
    return model


def counted(model: nn.Module, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """With the counts of batches that a network is published without where its norms were frozen."""
    have = model.state_dict()
    if any(key.endswith("_tracked") for key in state.keys() & have.keys()):
        return state
    return {key: tensor for key, tensor in have.items() if key.endswith("_tracked")} | state


def _shape(state: dict[str, torch.Tensor], name: str) -> str:
    return "x".join(map(str, state[name].shape)) or "one number" if name in state else "absent"


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in a file of safetensors, or of torch.save (`weights_only=True`), also in a checkpoint.

    Raises UserError, which says what the file is instead.
    """
    if not path.is_file():
        raise UserError(f"there is no weights file at {path}: check the path.")
    start = b""
    try:
        with open(path, "rb") as file, warnings.catch_warnings():
            start = file.read(64)
            if start[8:9] == b"{":  # behind the length of its header
                # it opens no name of bytes that are no UTF-8
                return load_file(path) if str(path).isprintable() else load(path.read_bytes())
            warnings.simplefilter("ignore", UserWarning)  # a remark on the pickle's age, before it is refused
            file.seek(0)
            with torch.serialization.safe_globals(_HARMLESS):
                found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(f"{path} is {_kind(start, error)}.") from error
    parts = {"itself": found} | (found if isinstance(found, dict) else {})
    held = {name: part for name, part in parts.items() if isinstance(part, dict) and _plain(part.values())}
    wanted = [held[n] for n in ("itself", *_NAMED) if n in held][:1] or [*held.values()]
    if len(wanted) != 1:
        many = f"several state dicts ({', '.join(map(str, held))})" if held else "no state dict of tensors"
        raise UserError(f"{path} holds {many}: save model.state_dict() as safetensors.")
    return wanted[0]


def _plain(values: Collection[Any]) -> bool:
    """Whether there are tensors, and nothing else."""
    return {torch.is_tensor(t) and t.layout is torch.strided and not t.is_quantized for t in values} == {True}


def _kind(start: bytes, error: Exception) -> str:
    """What a file is that begins so and is not read, and what to do."""
    if code := re.search(r"GLOBAL (\S+)", str(error)):
        return f"a pickle that would run code ({code[1]}): it was not opened; save the weights as safetensors"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if named := [what for begin, what in _KINDS.items() if text.startswith(begin)]:
        return named[0]
    if text and all(byte > 31 or byte in b"\t\r\n" for byte in start):
        return "a text, which holds no tensors: name the weights themselves"
    why = getattr(error, "strerror", None) or "damaged, or no file of tensors" if start else "empty"
    return f"not read ({why}): copy or download it again"


def read_card(weights: str | None) -> dict:
    """The JSON card of the same stem beside a weights file, or nothing. Raises UserError if damaged."""
    path = Path(weights).with_suffix(".json") if weights else None
    if path is None or not path.is_file():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except Exception as error:
        raise UserError(f"the card {path} is not JSON ({error}): mend it or remove it.") from error
    if not isinstance(card, dict):
        raise UserError(f"the card {path} holds no object of settings: mend it or remove it.")
    return card


def file_digest(path: str | Path) -> str:
    """The first 12 hex digits of a file's sha256. Raises UserError when there is no such file."""
    if not Path(path).is_file():
        raise UserError(f"there is no weights file at {path}: check the path.")
    return _digest(str(path), stamps(path))


@lru_cache(maxsize=16)
def _digest(path: str, _stamps: tuple) -> str:
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
