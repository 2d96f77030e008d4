"""Make our own small backbones: weights and a card each in data/backbones.

    python tools/pretrain.py --all        finished runs are kept, interrupted ones continue
    python tools/pretrain.py letters      one of them
    python tools/pretrain.py --check      check the weights against the checksums of their cards

One thread, two to five minutes each. No digit is used: every image is rendered by `tlkit_lessons.material`.
"""

import argparse
import hashlib
import json
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
from tlkit import files
from tlkit_lessons.material import ALPHABETS, FAMILIES, FONTS, glyphs
from tlkit_lessons.material.glyphnet import STAGES, GlyphNet, glyph_input, load_glyph_net, save_glyph_net
from tlkit_lessons.material.simclr import augmented, similarities

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "data" / "backbones"
HELD_OUT_SEED = 10_000_000  # larger than the seed of any pool
PROJECTION = 32  # width of the linear head of a contrastive source
FONT_LICENCES = "DejaVu: Bitstream Vera; STIX: STIX Font License; Computer Modern: BaKoMa Fonts Licence"

LOOKED_AT = (
    "Stroke width and slimness of the glyphs were set beside a contact sheet of scikit-learn's digits and "
    "their mean ink. No digit entered training or the choice of a setting of the recipe; a probe on digits "
    "afterwards looked whether transfer happens at all."
)

NOT_LOOKED_AT = "No digit entered the pictures, the training or the choice of a setting."
PROJECTION_IS = (
    "A linear projection to as many numbers as it has outputs, in which two views of a picture are made "
    "alike and views of different pictures unlike. Its outputs are no classes and mean nothing one by one. "
    "No label was read; those of linear_probe were, afterwards, for that number alone."
)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, apart from the versions of tlkit and torch."""

    alphabet: str | None
    seed: int
    steps: int = 2000
    stop_after: int | None = None  # stop the one-cycle schedule after so many steps
    batch: int = 128
    rate: float = 4e-3  # AdamW, top of the one-cycle schedule
    weight_decay: float = 0.02
    pool_per_class: int = 400  # a new pool is rendered after each pass
    strength: float = 1.0
    memorise: int = 0  # memorise this many fixed images with random labels instead of new pools
    # later settings are None where unused, so that the recipes in older cards are still valid
    family: str | None = None  # instead of an alphabet: a name in FAMILIES
    contrast: float | None = None  # temperature of a contrastive loss, without labels
    settled: bool | None = None  # at the end re-estimate the batch-norm statistics on one pool
    stored: str | None = None  # "float16": weights are rounded to half precision in the file

    @property
    def taken(self) -> int:
        return self.stop_after or self.steps

    @property
    def classes(self) -> list[str]:
        """What the head's outputs are called."""
        if self.contrast:
            return [f"projection {number}" for number in range(PROJECTION)]
        return list(ALPHABETS[self.alphabet] if self.alphabet else FAMILIES[self.family][1])

    def draw(self, n_per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Images and the true class of each."""
        if self.alphabet:
            drawn = glyphs(self.alphabet, n_per_class, seed, strength=self.strength)
            return drawn.images, drawn.labels
        return FAMILIES[self.family][0](n_per_class, seed)


SHORT = {"seed": 0, "steps": 1000, "stored": "float16"}
RECIPES = {
    "letters": Recipe("letters", seed=0),
    "letters-s1": Recipe("letters", seed=1),
    "letters-s2": Recipe("letters", seed=2),
    "letters-nolookalikes": Recipe("letters-nolookalikes", seed=0, pool_per_class=640),
    "letters-early": Recipe("letters", seed=0, stop_after=100),
    "memorised": Recipe("letters", seed=0, steps=1500, weight_decay=0.0, memorise=416),
    "greek": Recipe("greek", **SHORT),
    "cyrillic": Recipe("cyrillic", **SHORT),
    "symbols": Recipe("symbols", **SHORT),
    "textures": Recipe(None, family="textures", **SHORT),
    "strokes": Recipe(None, family="strokes", **SHORT),
    "fractals": Recipe(None, family="fractals", pool_per_class=160, **SHORT),
    "letters-ssl": Recipe("letters", contrast=0.2, **SHORT),
    # checkpoints up to letters, at 2000; running statistics lag the weights by about ten steps
    **{
        f"letters-at-{step}": Recipe("letters", seed=0, stop_after=step, settled=True, stored="float16")
        for step in (10, 30, 100, 300, 1000)
    },
}


class Run:
    """One pretraining run: net, optimiser and schedule, saved after each pool."""

    def __init__(self, recipe: Recipe):
        torch.manual_seed(recipe.seed)
        self.recipe, self.step, self.seconds = recipe, 0, 0.0
        self.net = GlyphNet(len(recipe.classes)).to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), weight_decay=recipe.weight_decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimiser, recipe.rate, recipe.steps)

    def pool(self, number: int) -> tuple[Tensor, Tensor]:
        """Pool `number` in its own order, so that a resumed run continues identically."""
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, number])
        per_class = recipe.memorise // len(recipe.classes) or recipe.pool_per_class
        drawn = 0 if recipe.memorise else number
        images, labels = recipe.draw(per_class, recipe.seed * 1000 + drawn)
        if recipe.memorise:
            labels = np.random.default_rng(recipe.seed).permutation(labels)
        order = rng.permutation(len(labels))
        return glyph_input(images[order]), torch.from_numpy(labels[order])

    def train_on(self, images: Tensor, labels: Tensor) -> float:
        """One pass over a pool, or up to the last step of the recipe; returns the mean loss."""
        start, losses = time.process_time(), []
        for at in range(0, len(labels) - self.recipe.batch + 1, self.recipe.batch):
            if self.step == self.recipe.taken:
                break
            batch = slice(at, at + self.recipe.batch)
            loss = self.loss(images[batch], labels[batch])
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.schedule.step()
            self.step += 1
            losses.append(loss.item())
        self.seconds += time.process_time() - start
        return float(np.mean(losses))

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        if not self.recipe.contrast:
            return F.cross_entropy(self.net(images), labels)
        # seeded by the step, so that a resumed run has the same views
        rng = torch.Generator().manual_seed(1_000_003 * self.recipe.seed + self.step)
        logits, positive = similarities(self.net, torch.cat([augmented(images, rng), augmented(images, rng)]))
        return F.cross_entropy(logits / self.recipe.contrast, positive)

    def save(self, path: Path, number: int) -> None:
        state = {key: getattr(self, key).state_dict() for key in ("net", "optimiser", "schedule")}
        state |= {"recipe": asdict(self.recipe), "step": self.step, "seconds": self.seconds, "pool": number}
        with files.draft(path) as part:
            torch.save(state, part)

    def resume(self, path: Path) -> int:
        """Continue from `path` if it has the same recipe; returns the number of the next pool."""
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
        # the few images of `memorised` make many short passes: save only sometimes
        if not recipe.memorise or number % 100 == 0 or run.step == recipe.taken:
            run.save(partial, number)
            print(
                f"{name}: step {run.step} of {recipe.taken}, loss {loss:.3f}, {run.seconds:.0f} s", flush=True
            )
    if recipe.settled:
        torch.optim.swa_utils.update_bn(run.pool(0)[0].split(recipe.batch), run.net)
    weights = FOLDER / f"{name}.safetensors"
    FOLDER.mkdir(parents=True, exist_ok=True)
    save_glyph_net(run.net, weights, recipe.classes, half=recipe.stored == "float16")
    card = make_card(name, run, flops, weights)
    files.write_whole(weights.with_suffix(".json"), json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    partial.unlink()
    print(f"{name}: {card['source_accuracy']}", flush=True)


def step_flops(recipe: Recipe) -> int:
    """Floating-point operations of one training step (a multiplication and an addition are two)."""
    run = Run(recipe)
    with FlopCounterMode(display=False) as counter:
        run.loss(torch.zeros(recipe.batch, 1, 16, 16), torch.zeros(recipe.batch, dtype=torch.long)).backward()
    return counter.get_total_flops()


def make_card(name: str, run: Run, flops: int, weights: Path) -> dict:
    recipe = run.recipe
    net, classes = load_glyph_net(weights)
    drawn, truth = recipe.draw(100, HELD_OUT_SEED)
    images, labels = glyph_input(drawn), torch.from_numpy(truth)
    if recipe.contrast:
        accuracy, chance = asked_afterwards(net, images, labels), 1 / (2 * recipe.batch - 1)
    else:
        fresh = "fresh_glyphs" if recipe.alphabet else "fresh_pictures"
        accuracy, chance = {fresh: measure(net, images, labels)}, 1 / len(classes)
    if recipe.memorise:
        accuracy["memorised_images_with_their_random_labels"] = measure(net, *run.pool(0))
    loss = "NT-Xent (SimCLR), linear projection" if recipe.contrast else "cross-entropy"
    return {
        "name": name,
        "pretraining": asdict(recipe) | {"optimiser": "AdamW", "schedule": "one-cycle", "loss": loss},
        "seed": recipe.seed,
        "steps": recipe.taken,
        "seconds": round(run.seconds, 1),
        "seconds_are": "processor time of one thread, training steps alone",
        "flops": flops * recipe.taken,
        "source_accuracy": accuracy,
        "source_chance": round(chance, 4),
        "input": "1x16x16 in [0, 1], ink bright; from 1x8x8 by bilinear interpolation",
        "stages": list(STAGES),
        "classes": classes,
        **({"head": PROJECTION_IS} if recipe.contrast else {}),
        "fonts": list(FONTS) if recipe.alphabet else [],
        "never_saw_a_digit": True,
        "looked_at": LOOKED_AT if recipe.alphabet else NOT_LOOKED_AT,
        "licence": "MIT",
        "font_licences": FONT_LICENCES if recipe.alphabet else "none: no font is drawn",
        **(stored_as(run.net, net, images) if recipe.stored else {}),
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "bytes": weights.stat().st_size,
        "tlkit": tlkit.__version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


def stored_as(trained: GlyphNet, loaded: GlyphNet, images: Tensor) -> dict:
    """What rounding changed: the share of predictions that equal those of the trained net."""
    same = measure(loaded, images, answers(trained.eval(), images))
    return {"stored": "float16, computed with as float32", "same_answers_as_before_rounding": same}


def asked_afterwards(net: GlyphNet, images: Tensor, labels: Tensor) -> dict[str, float]:
    """Accuracy of a source without labels: of finding positives among 2N views, and of a linear probe."""
    from sklearn.linear_model import LogisticRegression

    rng = torch.Generator().manual_seed(HELD_OUT_SEED)
    with torch.no_grad():
        hits = [
            similarities(net, torch.cat([augmented(part, rng), augmented(part, rng)]))
            for part in images.split(128)
            if len(part) == 128
        ]
        rows = torch.cat([net.features(part) for part in images.split(512)])
    found = torch.cat([cosines.argmax(1) == positive for cosines, positive in hits]).float().mean().item()
    rows = ((rows - rows.mean(0)) / (rows.std(0) + 1e-6)).numpy()
    half = len(rows) // 2
    probe = LogisticRegression(max_iter=2000, C=0.1).fit(rows[:half], labels[:half])
    return {"twin_found": round(found, 4), "linear_probe": round(probe.score(rows[half:], labels[half:]), 4)}


@torch.no_grad()
def answers(net: GlyphNet, images: Tensor) -> Tensor:
    return torch.cat([net(part).argmax(1) for part in images.split(512)])


def measure(net: GlyphNet, images: Tensor, labels: Tensor) -> float:
    """Share of the images that are classified with these labels."""
    return round((answers(net, images) == labels).float().mean().item(), 4)


def fault(name: str) -> str | None:
    """What is wrong with the committed weights of `name`, in a few words; None if nothing."""
    weights, card_path = FOLDER / f"{name}.safetensors", FOLDER / f"{name}.json"
    if not weights.exists() or not card_path.exists():
        return "not made yet"
    card = json.loads(card_path.read_text(encoding="utf-8"))
    if hashlib.sha256(weights.read_bytes()).hexdigest() != card["sha256"]:
        return "the weights do not have the checksum of the card"
    if any(card["pretraining"].get(key) != value for key, value in asdict(RECIPES[name]).items()):
        return "made by another recipe"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[*RECIPES, []], metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--all", action="store_true", help="every recipe")
    parser.add_argument("--check", action="store_true", help="compare weights with cards; no training")
    parser.add_argument("--again", action="store_true", help="repeat finished runs too")
    args = parser.parse_args()
    torch.set_num_threads(1)
    names = list(RECIPES) if args.all or (args.check and not args.names) else args.names
    if not names:
        parser.error("name a recipe, or give --all or --check")
    faults = {name: fault(name) for name in names}
    if args.check:
        for name, text in faults.items():
            print(f"{name}: {text or 'matches its card'}")
        return int(any(faults.values()))
    for name in names:
        if faults[name] or args.again:
            pretrain(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
