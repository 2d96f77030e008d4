"""Weights: read as plain tensors, put into a model, and told apart by content."""

import hashlib
import json
import os
import struct
import warnings
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from tlkit.errors import UserError, unknown

# what the readers raise for damaged files; UnpicklingError also for a pickle that would run code
_READ_ERRORS = (
    OSError, RuntimeError, ValueError, EOFError, LookupError, TypeError, AttributeError, AssertionError,
    struct.error, UnpicklingError, SafetensorError,
)  # fmt: skip


def load_weights(model: nn.Module, path: Path, name: str) -> None:
    """Copy tensors from `path` into `model`; a pickle that would run code is refused, never opened.

    Raises UserError when the file is absent, is no tensor file, or is of another architecture.
    """
    state = read_tensors(path)
    have = model.state_dict()
    odd = sorted(
        k
        for k in have.keys() | state.keys()
        if k not in state or k not in have or state[k].shape != have[k].shape
    )
    if odd:
        raise UserError(
            f"{path} holds weights of another architecture than {name}: {len(odd)} tensors differ, "
            f"the first is {odd[0]}; name the architecture the file was saved from."
        )
    model.load_state_dict(state)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in a .safetensors or .pt file, tensors only (`weights_only=True`). Raises UserError."""
    if not path.is_file():
        raise UserError(f"there is no weights file at {path}: check the path.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
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
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def hub_digest(library: str, name: str) -> str:
    """Names the weights a library would fetch: a digest of their address, since nothing is fetched yet."""
    if library == "timm":
        known = timm_settings(name)
        address = f"{known.hf_hub_id} {known.tag} {known.url}" if known else name
    else:
        address = _torchvision_address(name) or name
    return f"hub-{hashlib.sha256(address.encode()).hexdigest()[:8]}"


def timm_settings(name: str) -> Any:
    """timm's settings of the weights called `name`, or None. Raises UserError for an unknown name.TAG."""
    from timm.models import get_pretrained_cfg, list_pretrained

    try:
        return get_pretrained_cfg(name, allow_unregistered=True)
    except RuntimeError as error:
        raise unknown("tag of timm weights", name, list_pretrained(f"{name.split('.')[0]}.*")) from error


def refuse_offline(library: str, name: str) -> None:
    """Raise ConnectionError where HF_HUB_OFFLINE is set: torchvision, which would fetch, does not heed it."""
    address = _torchvision_address(name) if library == "torchvision" else None
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    if address and offline and not Path(torch.hub.get_dir(), "checkpoints", Path(address).name).is_file():
        raise ConnectionError("offline")


def _torchvision_address(name: str) -> str | None:
    from torchvision import models

    if name not in models.list_models(module=models):
        return None
    return models.get_model_weights(name).DEFAULT.url
