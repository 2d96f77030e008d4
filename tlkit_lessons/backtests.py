"""Do the adviser's forecasts come true? Each is made from a small labelled subset, by the adviser itself, and
compared with what twice and five times the labels give on the test set.
"""

import hashlib
from functools import cache, partial

import numpy as np
import pandas as pd

from tlkit import advise, backbones, env, study, tasks
from tlkit.backbones import Backbone
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.plans import FROZEN
from tlkit.recipe import suited
from tlkit.records import FitKey, Store
from tlkit.tasks import TFIDF, Evaluation, Items, Task, classification, splits
from tlkit.tasks.metrics import Metric
from tlkit_lessons.downloads.registry import cache_dir

LETTERS, LITE0, MINILM = "letters", "efficientnet_lite0,size=96", "minilm"
SEEDS = tuple(range(40, 50))  # that no record had been made of
TIMES = (2, 5)
# task -> (family, backbone, labels a class): of the first kind the width of the intervals is calibrated
CALIBRATED = {
    "textures": ("textures", LETTERS, 10),
    "dial:background:0.25": ("dials", LETTERS, 13),
    "dial:manner:0.5": ("dials", LETTERS, 13),
    "dial:coarse:0": ("dials", LETTERS, 13),
    "dial:noise:0.5": ("dials", LETTERS, 13),
    "dial:polarity:0.5": ("dials", LETTERS, 13),
}
FORETOLD = {
    "digits": ("digits", LETTERS, 20),
    "glyphs:symbols-a": ("glyphs", LETTERS, 13),
    "glyphs:greek-a": ("glyphs", LETTERS, 13),
    "glyphs:cyrillic-a": ("glyphs", LETTERS, 13),
    "neu_steel": ("photos", LITE0, 10),
    "caltech_wildlife": ("photos", LITE0, 8),  # has too few for five times as many
    "trec": ("words", MINILM, 10),
    "banking77": ("words", MINILM, 5),
}
INSIDE = Metric("inside", lambda kept, _: float(np.mean(kept)), "higher", 0.02)
TEXTS = {"trec": ("TREC.train.all", 200), "banking77": ("train.csv", 50)}  # file, texts a class


@cache
def task_of(name: str) -> Task:
    """A task by its name; those of words from the folder of sets on request."""
    return words(name) if name in TEXTS else tasks.load(name)


def words(name: str) -> Task:
    """Questions of six kinds (trec), banking questions of 77 intents: a selection. UserError if not here."""
    file, most = TEXTS[name]
    path = cache_dir() / name / file
    if not path.is_file():
        raise UserError(f"{path} is not here: put the set {name} into the folder of sets (TLKIT_CACHE).")
    if file.endswith(".csv"):
        table = pd.read_csv(path, names=["text", "label"], header=0, dtype=str)
    else:
        rows = [line.partition(" ") for line in path.read_text("latin-1").splitlines()]
        table = pd.DataFrame({"text": [text for *_, text in rows], "label": [label for label, *_ in rows]})
    table = table.drop_duplicates("text").sample(frac=1, random_state=0).groupby("label").head(most)
    digests = tuple(hashlib.sha256(text.encode()).hexdigest()[:16] for text in table["text"])
    classes, numbers = np.unique(table["label"].to_numpy(str), return_inverse=True)
    items = Items(list(table["text"]), [f"row {i}" for i in table.index], digests)
    sides = splits.held_out(list(table["label"]), splits.owners(digests), path)
    parts = splits.parted(items, numbers.astype(np.int64), sides)
    return Task(name, classification(len(classes), baseline=TFIDF), *parts, tuple(map(str, classes)))


def record_forecasts(store: Store, name: str, backbone: str, labels: int, seed: int) -> None:
    """Whether the accuracy with twice, and five times, the labels lies inside the forecast."""
    task, network = task_of(name), backbones.load(backbone)
    race = advise.Race(task, [network], folds_of(store), lambda: 1e9,
                       task.draw(labels, seed).all, plans=())  # fmt: skip
    for times in TIMES:
        if times * labels > np.bincount(task.targets).min():
            continue
        key = FitKey(
            name, task.digest, backbone, network.digest, f"x{times}", labels, seed, suited(network).version
        )
        study.measure(store, key, partial(_foretold, race, task, network, times * labels, seed), INSIDE)


def folds_of(store: Store) -> Store:
    """Where the adviser keeps its own scores, which are no records of the workbook."""
    return Store(env.results_dir() / "judging" / store.path.name)


def _foretold(race: advise.Race, task: Task, network: Backbone, labels: int, seed: int) -> Evaluation:
    if not race.pool:
        list(race.run())
    known = advise.advice(race)
    found = fit(task, network, FROZEN, labels, seed).test.metrics["accuracy"]
    expected, low, high = known.curve.at(labels)
    middle, spread = known.curve.told(labels)
    off = (np.log(1 - found + 0.5 / known.curve.items) - middle) / spread
    detail = {"found": found, "expected": expected, "low": low, "high": high, "off": float(off)}
    return Evaluation(
        {"inside": float(low <= found <= high)}, None, None, scale=INSIDE.declared(), detail=detail
    )


def quantile(store: Store, level: float = 0.95) -> float:
    """By how many standard errors intervals must reach out to hold a share `level` of the forecasts there.

    The conformal quantile of the absolute standardised errors (Vovk et al. 2005): the ceil((n + 1) level)-th.
    """
    off = sorted(abs(row.detail["off"]) for row in store.read())
    return off[min(len(off), int(np.ceil((len(off) + 1) * level))) - 1]
