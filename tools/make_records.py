"""Run the full grids whose records the notebooks read; what is finished is never run again."""

from dataclasses import replace
from typing import Annotated

import typer
from rich.progress import Progress

from tlkit import recipe as recipes
from tlkit import study
from tlkit.env import data_dir
from tlkit.records import Store
from tlkit.study import Grid

PLANS = ("pixels", "scratch", "frozen", "last-1", "full", "lp-ft")
SEEDS = tuple(range(10))
STEPS = (4, 10, 20, 40, 80, 160)  # even: 50 items make two batches, so that whole epochs give exactly these


def grids() -> dict[str, list[Grid]]:
    """Records file -> the grids in it."""
    recipe = recipes.default()
    short = [replace(recipe, steps=steps, epochs=1) for steps in STEPS]
    return {
        "16_digits": [Grid("digits", "letters", PLANS, (1, 2, 5, 10, 20, 50), SEEDS, recipe)],
        "11_lookalikes": [
            Grid(
                "digits", "letters-nolookalikes", ("pixels", "scratch", "frozen", "full"), (1,), SEEDS, recipe
            )
        ],
        "11_steps": [
            Grid("digits", "letters", ("scratch", "frozen", "full"), (5,), SEEDS, one) for one in short
        ],
    }


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help="Records to make; all of them by default.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes, one thread each.")] = 2,
) -> None:
    """Make data/records/NAME.jsonl."""
    for name, parts in grids().items():
        if names and name not in names:
            continue
        store = Store(data_dir() / "records" / f"{name}.jsonl")
        with Progress() as bar:
            for grid in parts:
                shown = bar.add_task(f"{name} {grid.recipe.version}", total=None)
                study.run(
                    grid, store, jobs, lambda done, total, t=shown: bar.update(t, completed=done, total=total)
                )


if __name__ == "__main__":
    typer.run(main)
