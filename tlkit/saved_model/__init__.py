"""A fitted model on disk: tensors as safetensors, the rest as JSON; loading runs none of the file's code."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.utils.data import default_collate

from tlkit import backbones, files
from tlkit.backbones.chain import Chain
from tlkit.backbones.weights import file_digest
from tlkit.compare.conclusion import constant
from tlkit.errors import UserError
from tlkit.records import PLAIN, Scale
from tlkit.saved_model.choice import Choice, choose
from tlkit.tasks.readers import DECODERS, READERS, Decoder, Reader

__all__ = [
    "Choice", "Prediction", "Saved", "card", "choose", "doubts", "load", "save", "there", "told",
]  # fmt: skip


@dataclass(frozen=True)
class Prediction:
    """What is said of one argument, and how probable it is where that is told; `error`: why nothing is."""

    file: str
    label: str | None
    probability: float | None
    error: str | None = None


@dataclass(frozen=True)
class Saved:
    """A network ready to be asked: its chain, how it reads and tells, its classes, what it was fitted on."""

    model: Chain
    transform: Any
    reader: Reader
    decoder: Decoder
    classes: tuple[str, ...]
    unit: str
    about: dict

    @torch.inference_mode()
    def predict(self, asked: str | Path | Iterable[str | Path]) -> Iterable[Prediction]:
        """One prediction an argument, or of the one; what is not read gets the reason instead."""
        for one in map(str, [asked] if isinstance(asked, str | Path) else asked):
            try:
                inputs = default_collate([self.transform(self.reader.read(one))])
            except UserError as error:
                yield Prediction(one, None, None, str(error))
                continue
            yield Prediction(one, *self.decoder.word(self.model(inputs), self.classes, self.unit))


def save(
    folder: Path, model: Chain, blueprint: dict, classes: Iterable[str], about: dict, **how: str
) -> Path:
    """Write the model to `folder`, replaced whole or not at all.

    how: the names of `reader` and `decoder`, as a task and its objective give them, and the `unit` of what it
    tells; by default those of images. Raises UserError for an unknown name, and where it cannot be written.
    """
    folder, how = Path(folder), {"reader": "picture", "decoder": "class", "unit": ""} | how
    READERS.find(how["reader"]), DECODERS.find(how["decoder"])
    try:
        with files.draft(folder) as part:
            part.mkdir()
            save_file({k: t.contiguous() for k, t in model.state_dict().items()}, part / "model.safetensors")
            content = {"blueprint": blueprint, "classes": list(classes), "about": about, **how}
            content["tensors"] = file_digest(part / "model.safetensors")
            files.write_whole(part / "model.json", json.dumps(content, indent=2))
    except OSError as error:
        raise UserError(
            f"the model cannot be saved to {folder} ({error.strerror}): free space or choose another --out."
        ) from error
    return folder


def load(folder: Path) -> Saved:
    """Read what `save` wrote. Raises UserError naming the folder when it holds no model that fits here."""
    folder = Path(folder).expanduser()
    if folder.suffix == ".jsonl":
        folder = files.beside(folder, ".model")
    content = _content(folder)
    try:
        reader, decoder = READERS.make(content["reader"]), DECODERS.make(content["decoder"])
        backbone = backbones.from_blueprint(content["blueprint"])
        chain, pool = backbone.build(False)
        state = backbones.read_tensors(folder / "model.safetensors")
        of_head = {name.removeprefix("head."): t for name, t in state.items() if name.startswith("head.")}
        chain.head = decoder.head(pool, of_head)
        chain.load_state_dict(state)
        how = tuple(map(str, content["classes"])), str(content["unit"]), content["about"]
        if how[0] and len(how[0]) != len(of_head.get("1.weight", how[0])):
            raise ValueError(f"{len(how[0])} classes, {len(of_head['1.weight'])} outputs")
    except UserError as error:
        raise UserError(f"the model in {folder} does not load here: {error}") from error
    except Exception as error:
        raise _damaged(folder, error) from error
    return Saved(chain.eval(), backbone.transform, reader, decoder, *how)


def card(folder: Path) -> dict:
    """The `about` of the model in `folder`. Raises UserError when it holds none."""
    return _content(Path(folder))["about"]


def there(folder: Path) -> dict:
    """The `about` of the model in `folder`, nothing where it holds none or a damaged one, to be replaced.

    Raises UserError for a folder of something else.
    """
    try:
        return card(folder)
    except UserError as error:
        ours = {"model.json", "model.safetensors"}.issuperset(p.name for p in folder.glob("[!.]*"))
        if folder.is_file() or not ours:
            raise UserError(
                f"{folder} is not a model and would be overwritten: choose another --out."
            ) from error
    return {}


def _content(folder: Path) -> dict:
    if not (folder / "model.json").is_file():
        raise UserError(f"{folder} holds no saved model: give the model folder that `tlkit compare` printed.")
    try:
        content = json.loads((folder / "model.json").read_text("utf-8"))
        told(content["about"]), doubts(content["about"])
        [content[name] for name in ("blueprint", "classes", "reader", "decoder", "unit")]
        if content.get("tensors", digest := file_digest(folder / "model.safetensors")) != digest:
            raise ValueError("its tensors are others")
    except Exception as error:
        raise _damaged(folder, error) from error
    return content


def _damaged(folder: Path, error: Exception) -> UserError:
    why = f"{type(error).__name__}: {error}".partition("\n")[0]
    return UserError(f"the model in {folder} is damaged ({why}): remove it and run `tlkit compare` again.")


def told(about: dict) -> str:
    """What the model is, in one line: plan, labels, seed, and what was measured on the test split."""
    if "seeds" not in about:  # kept by hand, without a comparison around it
        return about.get("plan", "a network")
    how = Scale(**about["scale"])
    line = f"{about['plan']}, {how.counted(about['labels'])}, seed {about['seed']}"
    seeds = f"{about['seeds']} seed{'s' * (about['seeds'] != 1)}"
    mean = f"mean of this plan over {seeds} {about['mean']:.3f}"
    return f"{line}, test {how.metric} {how.said(about['value'])} ({mean})"


def doubts(about: dict) -> str | None:
    """One line where the record does not show the model to be better than chance, or than a baseline."""
    if "seeds" not in about:
        return None
    found, how = [], Scale(**about["scale"])
    chance, items, luck = (about[key] for key in ("chance", "test_items", "luck"))
    if chance is not None and how.metric == PLAIN:
        luck = 2 * math.sqrt(chance * (1 - chance) / items)
    if chance is not None and how.sign * (about["value"] - chance) <= luck:
        found.append(f"the chance level, {constant(how)} ({chance:.2f} on {items} test items)")
    for name, other in about["against"].items():
        if other["verdict"] != "better":
            found.append(f"{name} (mean {other['mean']:.3f}: {other['verdict']})")
    return f"not shown to be better than {' or than '.join(found)}" if found else None
