"""The grid of notebook 16 by tlkit's own study, and how much there is to do in it, counted."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import tlkit.fit  # noqa: F401 (imports are not what is measured, and the study puts this one off)
from benchmarks.phases import Watch
from tlkit import study
from tlkit.env import data_dir
from tlkit.plans import Plan
from tlkit.recipe import Recipe, default
from tlkit.records import Record, Store
from tlkit.study import Grid
from tlkit.tasks import SELECT_FROM

NETWORK, CLASSES = "letters", 10
OTHER_SEEDS = 1000  # draws for warming up, which no grid has
RECORDS = "16_digits.jsonl"
EVERYTHING_MOVES = ("scratch", "full", "lp-ft")


def studied(
    watch: Watch,
    task: str,
    plans: list[str],
    labels: list[int],
    seeds: list[int],
    jobs: int = 1,
    recipe: Recipe | None = None,
    race: bool = False,
) -> dict:
    """`study.run` into an empty store; `cells` as the loops give them, from the records.

    race: the settings of a fit are raced, which the loops know nothing of.

    Workers are started, and the network read, by a small grid of other draws ahead: that is opening.
    """
    recipe = replace(recipe or default(), race=race)
    with TemporaryDirectory() as folder, watch("open"):
        ahead = Grid(
            task, NETWORK, ("frozen",), (1,), tuple(range(OTHER_SEEDS, OTHER_SEEDS + 2 * jobs)), recipe
        )
        study.run(ahead, Store(Path(folder) / "ahead.jsonl"), jobs)
    with TemporaryDirectory() as folder:
        store = Store(Path(folder) / "grid.jsonl")
        with watch("cells"):
            study.run(Grid(task, NETWORK, tuple(plans), tuple(labels), tuple(seeds), recipe), store, jobs)
        records = [record for record in store.read() if record.split == "test"]
    return {"cells": [cell(record) for record in records]}


def cell(record: Record) -> dict:
    """One fit as a row."""
    seconds = record.measured["seconds"]
    return {"plan": record.plan, "labels": record.labels, "seconds": seconds, "accuracy": record.value}


def passes(plan: str, labels: int, recipe: Recipe) -> int:
    """Items that a fit by descent learns from, with repetition, those of its tries included."""
    tries, whole = len(recipe.tries(Plan.parse(plan), labels)), CLASSES * labels
    count = recipe.schedule(whole)[0] * whole
    if tries > 1:
        part = whole - CLASSES * (labels // 5 if labels >= SELECT_FROM else 0)
        count += tries * recipe.trial(part).schedule(part)[0] * part
    return count


def trainings(plan: str, labels: int, recipe: Recipe) -> int:
    """The tries of a fit and its final training."""
    tries = len(recipe.tries(Plan.parse(plan), labels))
    return tries + 1 if tries > 1 else 1


def counts(watch: Watch, grid: dict, stands: dict[str, list[int]], plans: dict[str, list[str]]) -> dict:
    """Fits, trainings and passes of the grid and of the cells that are run, and what each of these weighs.

    stands, plans: what is run -> what it stands for. "solved": weights where `frozen` is solved, "descended"
    where it descends, "raced" where it is solved and the others race; `pixels` is solved in all.
    """
    recipe = default()
    kinds = {
        "solved": (("pixels", "frozen"), recipe), "descended": (("pixels",), recipe),
        "raced": (("pixels", "frozen"), replace(recipe, race=True)),
    }  # fmt: skip
    full = [(plan, labels) for plan in grid["plans"] for labels in grid["labels"]]
    run = [(plan, int(labels)) for plan in plans for labels in stands]
    weights: dict[str, dict[str, float]] = {kind: {} for kind in kinds}
    for plan, labels in run:
        meant = [(p, n) for p in plans[plan] for n in stands[str(labels)]]
        by_fits = grid["seeds"] * len(meant)
        for kind, (solved, how) in kinds.items():
            by_passes = grid["seeds"] * sum(passes(*one, how) for one in meant) / passes(plan, labels, how)
            weights[kind][f"{plan} {labels}"] = by_fits if plan in solved else by_passes
    found = {}
    for name, cells, times in (("grid", full, grid["seeds"]), ("run", run, 1)):
        found[name] = {
            "fits": times * len(cells),
            "trainings": times * sum(trainings(*one, recipe) for one in cells),
            "passes": times * sum(passes(*one, recipe) for one in cells if one[0] != "pixels"),
        }
    return {**weights, **found, "operations": operations(recipe)}


def operations(recipe: Recipe) -> dict[str, int]:
    """What the committed records counted, and what loops would do that keep no prefix and solve no probe.

    Scoring is left out of both.
    """
    ours, loops, moving = 0, 0, 0
    for record in Store(data_dir() / "records" / RECORDS).read():
        if record.split != "test" or record.plan == "pixels":
            continue
        did = record.detail
        each = did["flops_prefix"] / (did["items"]["fit"] + did["items"]["select"])
        ours += did["flops_prefix"] + did["flops_suffix"]
        loops += did["flops_suffix"] + each * passes(record.plan, record.labels, recipe)
        if record.plan in EVERYTHING_MOVES:
            moving += did["flops_prefix"] + did["flops_suffix"]
    return {"ours": int(ours), "loops": int(loops), "everything moves": int(moving)}
