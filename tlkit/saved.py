"""A fitted model on disk: tensors as safetensors, the rest as JSON; loading runs none of the file's code."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from tlkit import backbones
from tlkit.backbones.chain import Chain
from tlkit.errors import UserError
from tlkit.tasks.reading import Unreadable, read_picture


@dataclass(frozen=True)
class Prediction:
    """The likeliest class of one file and its probability; `error` says why there is none."""

    file: str
    label: str | None
    probability: float
    error: str | None = None


@dataclass(frozen=True)
class Saved:
    """A classifier ready to use: its chain, its input transform, its classes, and what it was fitted on."""

    model: Chain
    transform: Any
    classes: tuple[str, ...]
    about: dict

    @torch.inference_mode()
    def predict(self, files: Iterable[Path]) -> Iterable[Prediction]:
        """One prediction a file, in order; a file that does not open gets the reason instead."""
        for file in files:
            try:
                inputs = self.transform(read_picture(Path(file)))[None]
            except Unreadable as error:
                yield Prediction(str(file), None, 0.0, str(error))
                continue
            odds = self.model(inputs).softmax(-1)[0]
            yield Prediction(str(file), self.classes[int(odds.argmax())], float(odds.max()))


def save(folder: Path, model: Chain, blueprint: dict, classes: Iterable[str], about: dict) -> Path:
    """Write the model to `folder`, replaced whole or not at all. Raises UserError where it cannot."""
    folder = Path(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        save_file({k: t.contiguous() for k, t in model.state_dict().items()}, part / "model.safetensors")
        content = {"blueprint": blueprint, "classes": list(classes), "about": about}
        (part / "model.json").write_text(json.dumps(content, indent=2))
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(part, folder)
    except OSError as error:
        raise UserError(
            f"cannot save the model to {folder} ({error.strerror}): free space or name another --out."
        ) from error
    return folder


def load(folder: Path) -> Saved:
    """Read what `save` wrote. Raises UserError naming the folder when it holds no such model."""
    folder = Path(folder)
    if folder.suffix == ".jsonl":
        folder = folder.with_suffix(".model")
    if not (folder / "model.json").is_file():
        raise UserError(f"{folder} holds no saved model: give the folder that `tlkit compare` named.")
    content = json.loads((folder / "model.json").read_text())
    backbone = backbones.from_blueprint(content["blueprint"])
    chain, pool = backbone.build(False)
    state = backbones.read_tensors(folder / "model.safetensors")
    outputs, width = state["head.1.weight"].shape
    chain.head = nn.Sequential(pool, nn.Linear(width, outputs))
    chain.load_state_dict(state)
    return Saved(chain.eval(), backbone.transform, tuple(content["classes"]), content["about"])
