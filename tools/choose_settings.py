"""Choose hyperparameters used below five labels per class, on sibling tasks, never on a reported task.

Every fit is recorded in data/records/siblings*.jsonl; the best setting of each plan goes into
data/recipes.json.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import typer
from rich.progress import track

from tlkit import recipe as recipes
from tlkit import study
from tlkit.env import data_dir
from tlkit.files import write_whole
from tlkit.plans import Plan
from tlkit.records import Store
from tools.make_records import PHOTO_NETWORK

LABELS = (1, 2)
GLYPHS = ("glyphs:greek-a", "glyphs:cyrillic-a", "glyphs:symbols-a")
PLANS = ("pixels", "scratch", "frozen", "last-1", "full", "lp-ft")
MORE = ("last-2", "last-3", "gradual", "norm", "bias", "select")
PHOTOS = ("hymenoptera",)
PHOTO_PLANS = PLANS[:-1]


def grids(kind: str, seeds: tuple[int, ...]) -> Iterator[study.Grid]:
    """Every setting of every plan on the sibling tasks of "glyphs" or "photos"."""
    photos = kind == "photos"
    base = replace(recipes.default(kind), fixed=())
    for plan in PHOTO_PLANS if photos else PLANS + MORE:
        ours = "letters,features=all" if plan == "select" else "letters"
        backbone = PHOTO_NETWORK if photos else ours
        for setting in base.grid(Plan.parse(plan)):
            tried = replace(base, fixed=((plan, setting),))
            for task in PHOTOS if photos else GLYPHS:
                yield study.Grid(task, backbone, (plan,), LABELS, seeds, tried)


def main(kind: str = "glyphs", seeds: int = 3, jobs: int = 1) -> None:
    """Run every setting of every plan on the sibling tasks, then write the best ones."""
    store = Store(
        data_dir() / "records" / ("siblings.jsonl" if kind == "glyphs" else f"siblings_{kind}.jsonl")
    )
    for grid in track(list(grids(kind, tuple(range(seeds)))), "sibling tasks"):
        study.run(grid, store, jobs)
    path = data_dir() / "recipes.json"
    content = json.loads(path.read_text("utf-8"))
    content[kind]["fixed"] = winners(store)
    write_whole(path, json.dumps(content, indent=2) + "\n")
    print(content[kind]["fixed"])


def winners(store: Store) -> dict[str, str]:
    """Per plan the setting with the highest mean test accuracy over sibling tasks, budgets and seeds."""
    scores = defaultdict(list)
    for row in store.read():
        if row.split == "test" and row.status == "ok":
            scores[row.plan, row.detail["setting"]].append(row.value)
    best: dict[str, str] = {}
    for (plan, setting), values in scores.items():
        if plan not in best or np.mean(values) > np.mean(scores[plan, best[plan]]):
            best[plan] = setting
    return best


if __name__ == "__main__":
    typer.run(main)
