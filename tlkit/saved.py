"""A fitted model on disk: tensors as safetensors, the rest as JSON; loading runs none of the file's code."""

import json
import math
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from tlkit import backbones
from tlkit.backbones.chain import Chain
from tlkit.errors import UserError
from tlkit.files import replace_folder, write_whole
from tlkit.records import Record
from tlkit.tasks import SELECT_FROM
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
        write_whole(part / "model.json", json.dumps(content, indent=2))
        replace_folder(part, folder)
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
    content = _content(folder)
    backbone = backbones.from_blueprint(content["blueprint"])
    chain, pool = backbone.build(False)
    state = backbones.read_tensors(folder / "model.safetensors")
    outputs, width = state["head.1.weight"].shape
    chain.head = nn.Sequential(pool, nn.Linear(width, outputs))
    chain.load_state_dict(state)
    return Saved(chain.eval(), backbone.transform, tuple(content["classes"]), content["about"])


def card(folder: Path) -> dict:
    """The `about` of the model in `folder`. Raises UserError when it holds none."""
    return _content(Path(folder))["about"]


def _content(folder: Path) -> dict:
    if not (folder / "model.json").is_file():
        raise UserError(f"{folder} holds no saved model: give the folder that `tlkit compare` named.")
    return json.loads((folder / "model.json").read_text("utf-8"))


@dataclass(frozen=True)
class Choice:
    """The fit worth keeping: its test record, the mean test value of its plan over `seeds`, and the rule."""

    record: Record
    mean: float
    seeds: int
    rule: str


def choose(records: Iterable[Record]) -> Choice | None:
    """The fit to keep among those of one task and metric (higher is better); None where none is a network.

    At the largest budget: the plan with the highest mean over seeds on the selection splits, of equals the
    one of fewer operations, then the first; of its seeds that with the highest selection score, then the
    first. The test split has no say. Below 5 labels a class there is no selection split: `frozen`, or else
    the first plan, at its first seed.
    """
    rows = [r for r in records if r.plan != "pixels" and r.status == "ok"]
    tests = [r for r in rows if r.split == "test"]
    if not tests:
        return None
    largest = max(r.labels for r in tests)
    tests = [r for r in tests if r.labels == largest]
    selected = [r for r in rows if r.split == "select" and r.labels == largest]
    plan, rule = _plan(tests, selected)
    scores = {r.seed: r.value for r in selected if r.plan == plan}
    mine = [r for r in tests if r.plan == plan]
    record = min(mine, key=lambda r: (-scores.get(r.seed, 0.0), r.seed))
    return Choice(record, _mean(mine), len(mine), rule)


def _plan(tests: list[Record], selected: list[Record]) -> tuple[str, str]:
    plans = list(dict.fromkeys(r.plan for r in tests))
    if not selected:
        why = f"below {SELECT_FROM} labels a class nothing is held back to choose by"
        if "frozen" in plans:
            return "frozen", f"{why}, so frozen, at its first seed"
        return plans[0], f"{why}, and frozen was not run, so the first plan, at its first seed"
    plans = [plan for plan in plans if any(r.plan == plan for r in selected)]
    score = {plan: round(_mean([r for r in selected if r.plan == plan]), 9) for plan in plans}
    cost = {plan: _operations([r for r in tests if r.plan == plan]) for plan in plans}
    best = min(plans, key=lambda plan: (-score[plan], cost[plan]))  # min keeps the first of equals
    tied = [plan for plan in plans if plan != best and score[plan] == score[best]]
    why = f"the highest mean on the selection splits, {score[best]:.3f}; the test split had no say"
    return best, why + (f" (a tie with {', '.join(tied)}, of more operations)" if tied else "")


def _mean(rows: list[Record]) -> float:
    return float(np.mean([r.value for r in rows]))


def _operations(rows: list[Record]) -> float:
    keys = "flops_prefix", "flops_suffix"
    return float(np.mean([sum(r.detail.get(key, 0) for key in keys) for r in rows]))


def told(about: dict) -> str:
    """What the model is, in one line: plan, labels, seed, and what was measured on the test split."""
    if "accuracy" not in about:  # kept by hand, without a comparison around it
        return about["plan"]
    labels = f"{about['labels']} label{'s' * (about['labels'] != 1)} a class"
    line = f"{about['plan']}, {labels}, seed {about['seed']}"
    seeds = f"{about['seeds']} seed{'s' * (about['seeds'] != 1)}"
    return (
        f"{line}, test accuracy {about['accuracy']:.3f} (mean of this plan over {seeds} {about['mean']:.3f})"
    )


def doubts(about: dict) -> str | None:
    """One line where the record does not show the model to be better than chance, pixels or scratch."""
    found = []
    chance, items = about.get("chance"), about.get("test_items")
    if chance is not None and about["accuracy"] <= chance + 2 * math.sqrt(chance * (1 - chance) / items):
        found.append(f"always naming the commonest class ({chance:.2f} of {items} test items)")
    for name, other in about.get("against", {}).items():
        if other["verdict"] != "better":
            found.append(f"{name} (mean {other['mean']:.3f}: {other['verdict']})")
    return f"not shown to be better than {' or than '.join(found)}" if found else None
