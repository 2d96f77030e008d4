"""Choose the settings used below five labels a class, on sibling tasks, never on a task that is reported.

Every try is kept in data/records/siblings.jsonl; the best setting of each plan goes into data/recipes.json.
"""

import json
from collections import defaultdict
from dataclasses import replace

import numpy as np
import typer
from rich.progress import track

from tlkit import recipe as recipes
from tlkit import study
from tlkit.env import data_dir
from tlkit.plans import Plan
from tlkit.records import Store

TASKS = ("glyphs:greek-a", "glyphs:cyrillic-a", "glyphs:symbols-a")
PLANS = ("pixels", "scratch", "frozen", "last-1", "full", "lp-ft")
LABELS = (1, 2)


def main(seeds: int = 3, jobs: int = 1, backbone: str = "letters") -> None:
    """Run every setting of every plan on the sibling tasks, then write the winners."""
    store = Store(data_dir() / "records" / "siblings.jsonl")
    base = replace(recipes.default(), fixed=())
    for task, plan in track([(t, p) for t in TASKS for p in PLANS], "sibling tasks"):
        for setting in base.grid(Plan.parse(plan)):
            tried = replace(base, fixed=((plan, setting),))
            study.run(study.Grid(task, backbone, (plan,), LABELS, tuple(range(seeds)), tried), store, jobs)
    path = data_dir() / "recipes.json"
    content = json.loads(path.read_text())
    content["glyphs"]["fixed"] = winners(store)
    path.write_text(json.dumps(content, indent=2) + "\n")
    print(content["glyphs"]["fixed"])


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
