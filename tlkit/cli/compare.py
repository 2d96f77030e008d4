"""`tlkit compare`: did transfer pay on this task, and the model that came of it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tlkit.cli import output, running
from tlkit.cli.saying import say
from tlkit.errors import UserError

if TYPE_CHECKING:
    from tlkit.recipe import Recipe
    from tlkit.study import Grid
    from tlkit.tasks import Task

PLANS = "scratch,frozen,last-1,full"  # and the task's own baseline on raw inputs, where none are named
VIEWS = 4  # of each item, where --augment does not say how many


def option(kind: type, help: str, **more):
    return Annotated[kind, typer.Option(help=help, **more)]


TaskName = option(str | None, "A task by name, such as digits or hymenoptera.")
Folder = option(Path | None, "Or a folder of your own, with a sub-folder of images for each class.")
Groups = option(Path | None, "CSV file,group: a group (patient, board, day) stays on one side of the split.")
Source = option(
    str | None,
    "A pretrained network by name, timm:NAME[,key=value] or torchvision:NAME[,key=value]; default: the one "
    "that the task suggests, for photographs efficientnet_lite0.",
)
Weights = option(Path | None, "A .safetensors or .pt file of weights for a timm or torchvision name.")
Plans = option(
    str | None,
    "scratch, frozen, last-K, full, lp-ft, block:NAME, each with @decay=0.5 if wanted; and the task's "
    f"baseline without a network, such as pixels. Default: that baseline and {PLANS}.",
)
Labels = option(str, "Numbers of labels per class.")
Seeds = option(str, "How many seeds, or which: 10-19, or 0,3,5. A verdict needs 5 or more.")
Jobs = option(int | None, "Parallel processes, one thread each; default 1, on a cluster all it has.", min=1)
Backend = option(str, "loky: processes of this machine; ray or dask (extra 'cluster'): other machines, too.")
Cluster = option(
    str | None,
    "HOST:PORT of a running cluster; default: one started here. Its machines need tlkit, and your folder "
    "under the same path; each downloads named data sets and weights itself.",
)
Out = option(Path | None, "Records (JSON lines); default build/TASK.jsonl, or in the folder TLKIT_RESULTS.")
ReportPath = option(Path | None, "File of the report; default: beside the records, as .html.")
Steps = option(int | None, "Steps of gradient descent in every training; default from the recipe.")
Rates = option(str | None, "Three learning rates, such as 1e-4,3e-4,1e-3; below 5 labels the middle one.")
Augment = option(
    str | None,
    f"Augmentation: photo (crops, mirror images) or shift (rotations, shifts); {VIEWS} views, or photo:8.",
)
Precision = option(str, "float32, or bfloat16: mixed precision, faster on a GPU (TLKIT_DEVICE=cuda).")
MetricName = option(str | None, "Metric of the verdicts: accuracy or balanced; default: the task's first.")
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would run and how long it takes.")]


def compare(
    task: TaskName = None,
    folder: Folder = None,
    groups: Groups = None,
    backbone: Source = None,
    weights: Weights = None,
    plans: Plans = None,
    labels: Labels = "5,10",
    seeds: Seeds = "10",
    jobs: Jobs = None,
    backend: Backend = "loky",
    cluster: Cluster = None,
    out: Out = None,
    report: ReportPath = None,
    steps: Steps = None,
    rates: Rates = None,
    augment: Augment = None,
    precision: Precision = "float32",
    metric: MetricName = None,
    dry_run: DryRun = False,
) -> None:
    """Compare transfer with training from scratch: same labels, same seeds, equally many settings tried."""
    from tlkit import env, files, study
    from tlkit.records import Store

    study.check(backend, cluster)
    asked = named(task, folder, groups, opened=not dry_run)
    grid = _augmented(_grid(asked, backbone, weights, plans, labels, seeds, steps, rates, precision), augment)
    grid = _judged(grid, metric)
    store = Store(out or env.results_dir() / f"{file_name(grid.parts[0].name)}.jsonl")
    report = report or files.beside(store.path, ".html")
    output.before(grid, store, report)
    if dry_run:
        return running.forecast(grid, store, jobs or 1)
    outcome = running.run(grid, store, report, jobs, backend, cluster)
    mine = running.of_grid(grid, store)
    output.after(store, mine, grid.parts[0])
    say(f"{outcome.ran} fits run, {outcome.found} found finished in {store.path}")
    output.save_and_report(grid, store, mine, report, outcome.ran)
    raise typer.Exit(running.failed(outcome.failed))


def file_name(task: str) -> str:
    """The name of a task as one of a file, on every system: `dial:noise:0.5` is dial-noise-0.5."""
    return re.sub(r'[<>:"/\\|?*]', "-", task)


def named(task: str | None, folder: Path | None, groups: Path | None, opened: bool) -> "str | Task":
    """The task by its name; a folder of which no file is to be opened as a task. Raises UserError."""
    from tlkit.tasks.images import from_folder

    if (task is None) == (folder is None):
        raise UserError(
            "give either --task NAME (see --help) or --folder PATH with a sub-folder for each class."
        )
    if folder is None:
        return task
    if not opened:
        return from_folder(folder, groups, opened=False)
    return f"folder:{folder.resolve()}" + (f"|{groups.resolve()}" if groups else "")


def _grid(task, backbone, weights, plans, labels, seeds, steps, rates, precision) -> "Grid":
    """The grid the options ask for, every name in it known. Raises UserError."""
    from tlkit import backbones
    from tlkit import recipe as recipes
    from tlkit.plans import Plan
    from tlkit.study import Grid

    names = tuple(name.strip() for name in (PLANS if plans is None else plans).split(",") if name.strip())
    budgets, repeats, file = tuple(_numbers(labels, int, "--labels")), _seeds(seeds), weights and str(weights)
    for name in names:
        Plan.parse(name)  # refused before data is read
    backbone = backbone or suggested(task)
    recipe = replace(recipes.suited(backbones.load(backbone, file)), precision=precision)
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    if rates is not None:
        recipe = _with_rates(recipe, rates)
    grid = Grid(task, backbone, names, budgets, repeats, recipe, file)
    for budget in budgets:
        grid.parts[0].draw(budget, 0)
    own = grid.parts[0].objective.raw_plan if plans is None else ""
    return replace(grid, plans=(own, *names)) if own else grid


def suggested(task: str) -> str:
    from tlkit import tasks

    if found := tasks.load(task).card.get("backbone"):
        return found
    raise UserError(f"task {task!r} suggests no network: choose one with --backbone, such as timm:resnet18.")


def _augmented(grid: "Grid", text: str | None) -> "Grid":
    """The grid learning from views of each item."""
    if text is None:
        return grid
    name, _, count = text.partition(":")
    if count and not count.isdecimal():
        raise UserError(f"--augment {text!r}: give a name, or a name and a number of views, such as photo:4.")
    return replace(grid, recipe=replace(grid.recipe, augment=name, views=int(count or VIEWS)))


def _judged(grid: "Grid", metric: str | None) -> "Grid":
    """The grid by another metric; the recipe names it, so that no fit is taken for one chosen otherwise."""
    name = grid.parts[0].judged(metric or "").objective.metric
    plain = name == grid.parts[0].objective.metric
    return grid if plain else replace(grid, recipe=replace(grid.recipe, metric=name))


def _with_rates(recipe: "Recipe", text: str) -> "Recipe":
    rates, tries = tuple(_numbers(text, float, "--rates")), len(recipe.rates)
    if len(rates) != tries:
        raise UserError(
            f"--rates {text!r} gives {len(rates)} number{'s' * (len(rates) != 1)}: give {tries}, such as "
            "1e-4,3e-4,1e-3, since every plan gets equally many tries."
        )
    probes = tuple(pair for pair in recipe.fixed if pair[0] in ("pixels", "frozen"))
    return replace(recipe, rates=rates, fixed=probes)


def _seeds(text: str) -> tuple[int, ...]:
    """'10' is a count, the seeds 0 to 9; '10-19' a range with both ends; '0,3,5' and '7,' lists."""
    text = text.strip()
    if re.fullmatch(r"\d+", text):
        seeds = tuple(range(int(text)))
    elif bounds := re.fullmatch(r"(\d+)\s*-\s*(\d+)", text):
        seeds = tuple(range(int(bounds[1]), int(bounds[2]) + 1))
    elif re.fullmatch(r"\d+(\s*,\s*\d+)*,?", text) and "," in text:
        seeds = tuple(dict.fromkeys(int(part) for part in text.split(",") if part.strip()))
    else:
        raise UserError(f"--seeds {text!r}: give how many, such as 10, or which: 10-19, or 0,3,5.")
    if not seeds:
        raise UserError(f"--seeds {text}: give at least 1, and 5 or more for a verdict.")
    return seeds


def _numbers(text: str, kind: type, option: str) -> list:
    try:
        return [kind(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise UserError(
            f"{option} {text!r}: give numbers with commas between them, such as 1,5,10."
        ) from error
