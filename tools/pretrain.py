"""Make our own small backbones: weights and a card each in data/backbones.

    python tools/pretrain.py --all        what is finished is kept, what was interrupted goes on
    python tools/pretrain.py letters      one of them
    python tools/pretrain.py --check      do the weights have the checksums of their cards?

One thread, about five minutes each. Nothing here reads a digit: every image is drawn by tlkit.simulate.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import tlkit
from tlkit.backbones.own import STAGES, GlyphNet, glyph_input, load_glyph_net, save_glyph_net
from tlkit.simulate import ALPHABETS, FONTS, glyphs

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "data" / "backbones"
HELD_OUT_SEED = 10_000_000  # beyond every seed that a pool is drawn with
FONT_LICENCES = "DejaVu: Bitstream Vera; STIX: STIX Font License; Computer Modern: BaKoMa Fonts Licence"

LOOKED_AT = (
    "Stroke width and slimness of the glyphs were set beside a contact sheet of scikit-learn's digits and "
    "their mean ink. No digit entered training or the choice of a setting of the recipe; a probe on digits "
    "afterwards looked whether transfer happens at all."
)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, beside the versions of tlkit and torch."""

    alphabet: str
    seed: int
    steps: int = 2000
    stop_after: int | None = None  # leave the one-cycle schedule after so many steps
    batch: int = 128
    rate: float = 4e-3  # AdamW, top of the one-cycle schedule
    weight_decay: float = 0.02
    pool_per_class: int = 400  # a fresh pool is drawn each time one has been read through
    strength: float = 1.0
    memorise: int = 0  # learn this many fixed images with random labels instead of fresh pools

    @property
    def taken(self) -> int:
        return self.stop_after or self.steps


RECIPES = {
    "letters": Recipe("letters", seed=0),
    "letters-s1": Recipe("letters", seed=1),
    "letters-s2": Recipe("letters", seed=2),
    "letters-nolookalikes": Recipe("letters-nolookalikes", seed=0, pool_per_class=640),
    "letters-early": Recipe("letters", seed=0, stop_after=100),
    "memorised": Recipe("letters", seed=0, steps=1500, weight_decay=0.0, memorise=416),
}


class Run:
    """One pretraining: net, optimiser and schedule, saved whenever a pool has been read through."""

    def __init__(self, recipe: Recipe):
        torch.manual_seed(recipe.seed)
        self.recipe, self.step, self.seconds = recipe, 0, 0.0
        self.net = GlyphNet(len(ALPHABETS[recipe.alphabet])).to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), weight_decay=recipe.weight_decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimiser, recipe.rate, recipe.steps)

    def pool(self, number: int) -> tuple[Tensor, Tensor]:
        """Pool `number` in an order of its own, so that a resumed run draws what it would have drawn."""
        recipe = self.recipe
        classes = len(ALPHABETS[recipe.alphabet])
        rng = np.random.default_rng([recipe.seed, number])
        per_class = recipe.memorise // classes or recipe.pool_per_class
        drawn = 0 if recipe.memorise else number
        images, labels, *_ = glyphs(
            recipe.alphabet, per_class, recipe.seed * 1000 + drawn, strength=recipe.strength
        )
        if recipe.memorise:
            labels = np.random.default_rng(recipe.seed).permutation(labels)
        order = rng.permutation(len(labels))
        return glyph_input(images[order]), torch.from_numpy(labels[order])

    def train_on(self, images: Tensor, labels: Tensor) -> float:
        """One pass over a pool, as far as the recipe goes; the mean loss."""
        start, losses = time.process_time(), []
        for at in range(0, len(labels) - self.recipe.batch + 1, self.recipe.batch):
            if self.step == self.recipe.taken:
                break
            batch = slice(at, at + self.recipe.batch)
            loss = F.cross_entropy(self.net(images[batch]), labels[batch])
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.schedule.step()
            self.step += 1
            losses.append(loss.item())
        self.seconds += time.process_time() - start
        return float(np.mean(losses))

    def save(self, path: Path, number: int) -> None:
        state = {key: getattr(self, key).state_dict() for key in ("net", "optimiser", "schedule")}
        state |= {"recipe": asdict(self.recipe), "step": self.step, "seconds": self.seconds, "pool": number}
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, path.with_suffix(".part"))
        os.replace(path.with_suffix(".part"), path)

    def resume(self, path: Path) -> int:
        """Continue from `path` if it holds this very recipe; the number of the next pool."""
        state = torch.load(path, weights_only=True) if path.exists() else {}
        if state.get("recipe") != asdict(self.recipe):
            return 0
        for key in ("net", "optimiser", "schedule"):
            getattr(self, key).load_state_dict(state[key])
        self.step, self.seconds = state["step"], state["seconds"]
        return state["pool"]


def pretrain(name: str) -> None:
    """Train `name` by its recipe and write weights and card."""
    recipe, run, partial = RECIPES[name], Run(RECIPES[name]), ROOT / "build" / "pretrain" / f"{name}.pt"
    number = run.resume(partial)
    flops = step_flops(recipe)
    while run.step < recipe.taken:
        loss = run.train_on(*run.pool(number))
        number += 1
        # the few images of `memorised` make many short passes: save only now and then
        if not recipe.memorise or number % 100 == 0 or run.step == recipe.taken:
            run.save(partial, number)
            print(
                f"{name}: step {run.step} of {recipe.taken}, loss {loss:.3f}, {run.seconds:.0f} s", flush=True
            )
    weights = FOLDER / f"{name}.safetensors"
    FOLDER.mkdir(parents=True, exist_ok=True)
    save_glyph_net(run.net, weights, list(ALPHABETS[recipe.alphabet]))
    card = make_card(name, run, flops, weights)
    part = weights.with_suffix(".json.part")
    part.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, weights.with_suffix(".json"))
    partial.unlink()
    print(f"{name}: {card['source_accuracy']}", flush=True)


def step_flops(recipe: Recipe) -> int:
    """Floating-point operations of one training step (a multiplication and an addition are two)."""
    classes = len(ALPHABETS[recipe.alphabet])
    with FlopCounterMode(display=False) as counter:
        logits = GlyphNet(classes)(torch.zeros(recipe.batch, 1, 16, 16))
        F.cross_entropy(logits, torch.zeros(recipe.batch, dtype=torch.long)).backward()
    return counter.get_total_flops()


def make_card(name: str, run: Run, flops: int, weights: Path) -> dict:
    recipe = run.recipe
    net, classes = load_glyph_net(weights)
    fresh = glyphs(recipe.alphabet, 100, HELD_OUT_SEED, strength=recipe.strength)
    accuracy = {"fresh_glyphs": measure(net, glyph_input(fresh.images), torch.from_numpy(fresh.labels))}
    if recipe.memorise:
        accuracy["memorised_images_with_their_random_labels"] = measure(net, *run.pool(0))
    return {
        "name": name,
        "recipe": asdict(recipe) | {"optimiser": "AdamW", "schedule": "one-cycle", "loss": "cross-entropy"},
        "seed": recipe.seed,
        "steps": recipe.taken,
        "seconds": round(run.seconds, 1),
        "seconds_are": "processor time of one thread, training steps alone",
        "flops": flops * recipe.taken,
        "source_accuracy": accuracy,
        "source_chance": round(1 / len(classes), 4),
        "input": "1x16x16 in [0, 1], ink bright; from 1x8x8 by bilinear interpolation",
        "stages": list(STAGES),
        "classes": classes,
        "fonts": list(FONTS),
        "never_saw_a_digit": True,
        "looked_at": LOOKED_AT,
        "licence": "MIT",
        "font_licences": FONT_LICENCES,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "bytes": weights.stat().st_size,
        "tlkit": tlkit.__version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


@torch.no_grad()
def measure(net: GlyphNet, images: Tensor, labels: Tensor) -> float:
    hits = torch.cat([net(part).argmax(1) for part in images.split(512)]) == labels
    return round(hits.float().mean().item(), 4)


def fault(name: str) -> str | None:
    """What is wrong with the committed weights of `name`, in a few words; None if nothing is."""
    weights, card_path = FOLDER / f"{name}.safetensors", FOLDER / f"{name}.json"
    if not weights.exists() or not card_path.exists():
        return "not made yet"
    card = json.loads(card_path.read_text(encoding="utf-8"))
    if hashlib.sha256(weights.read_bytes()).hexdigest() != card["sha256"]:
        return "the weights do not have the checksum of the card"
    if any(card["recipe"].get(key) != value for key, value in asdict(RECIPES[name]).items()):
        return "made by another recipe"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[*RECIPES, []], metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--all", action="store_true", help="every recipe")
    parser.add_argument("--check", action="store_true", help="compare weights with cards, train nothing")
    parser.add_argument("--again", action="store_true", help="train even what is finished")
    args = parser.parse_args()
    torch.set_num_threads(1)
    names = list(RECIPES) if args.all or (args.check and not args.names) else args.names
    if not names:
        parser.error("name a recipe, or give --all or --check")
    faults = {name: fault(name) for name in names}
    if args.check:
        for name, text in faults.items():
            print(f"{name}: {text or 'as its card says'}")
        return int(any(faults.values()))
    for name in names:
        if faults[name] or args.again:
            pretrain(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
