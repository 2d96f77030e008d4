"""`tlkit compare`: did transfer pay on this task, and the model that came of it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from tlkit.errors import UserError

if TYPE_CHECKING:
    from tlkit.records import Record, Store
    from tlkit.study import Grid

console = Console()
PLANS = "pixels,scratch,frozen,last-1,full"


def _option(kind: type, help: str, **more):
    return Annotated[kind, typer.Option(help=help, **more)]


TaskName = _option(str | None, "A task by name, such as digits or hymenoptera.")
Folder = _option(Path | None, "Or a folder of one's own: a sub-folder of pictures a class.")
Groups = _option(Path | None, "CSV file,group: keep a patient, board or day on one side.")
Source = _option(str, "letters, timm:NAME[,key=value] or torchvision:NAME[,key=value].")
Weights = _option(Path | None, "A .safetensors or .pt file for a timm or torchvision name.")
Plans = _option(str, "pixels, scratch, frozen, last-K, full, lp-ft, block:NAME; each may end in @decay=0.5.")
Labels = _option(str, "Label budgets, labels a class.")
Seeds = _option(int, "Repeats; a verdict needs at least 5.")
Jobs = _option(int, "Processes, one thread each.", min=1)
Out = _option(Path | None, "Records, a JSON object a line; default build/TASK.jsonl.")
ReportPath = _option(Path | None, "Report; default beside the records, as .html.")
Steps = _option(int | None, "Training steps of every descent; default from the recipe.")
Rates = _option(str | None, "Three learning rates, such as 1e-4,3e-4,1e-3; below 5 labels the middle one.")
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would run and how long it takes.")]


def compare(
    task: TaskName = None,
    folder: Folder = None,
    groups: Groups = None,
    backbone: Source = "letters",
    weights: Weights = None,
    plans: Plans = PLANS,
    labels: Labels = "5,10",
    seeds: Seeds = 10,
    jobs: Jobs = 1,
    out: Out = None,
    report: ReportPath = None,
    steps: Steps = None,
    rates: Rates = None,
    dry_run: DryRun = False,
) -> None:
    """Compare transferring with not transferring: same labels, same seeds, equal tries, one verdict each."""
    from tlkit.records import Store

    grid = _grid(task, folder, groups, backbone, weights, plans, labels, seeds, steps, rates)
    out = out or Path("build") / f"{grid.parts[0].name.replace(':', '-')}.jsonl"
    store = Store(out)
    _tell_set_aside(grid)
    if dry_run:
        return _forecast(grid, store, jobs)
    outcome = _run(grid, store, jobs)
    keys = {grid.key(cell) for cell in grid.cells()}
    mine = [record for record in store.read() if record.fit_key in keys]
    _print_verdicts(store, mine)
    console.print(f"{outcome.ran} fits run, {outcome.found} found finished in {out}", soft_wrap=True)
    _finish(grid, mine, out, report or out.with_suffix(".html"), outcome.ran)
    for reason in outcome.failed:
        console.print(f"[bold red]diverged:[/] {reason}", soft_wrap=True)
    raise typer.Exit(1 if outcome.failed else 0)


def _grid(task, folder, groups, backbone, weights, plans, labels, seeds, steps, rates) -> "Grid":
    """The grid the options ask for, every name in it known. Raises UserError."""
    from tlkit import recipe as recipes
    from tlkit.study import Grid

    if (task is None) == (folder is None):
        raise UserError(
            "name one thing to learn: --task NAME (see --help) or --folder PATH with a sub-folder a class."
        )
    if seeds < 1:
        raise UserError(f"--seeds {seeds}: give at least 1, and 5 or more for a verdict.")
    recipe = recipes.default(photos=":" in backbone)
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    if rates is not None:
        probes = tuple(pair for pair in recipe.fixed if pair[0] in ("pixels", "frozen"))
        recipe = replace(recipe, rates=tuple(_numbers(rates, float, "--rates")), fixed=probes)
    if folder is not None:
        task = f"folder:{folder.resolve()}" + (f"|{groups.resolve()}" if groups else "")
    names = tuple(name.strip() for name in plans.split(",") if name.strip())
    budgets = tuple(_numbers(labels, int, "--labels"))
    grid = Grid(
        task, backbone, names, budgets, tuple(range(seeds)), recipe, str(weights) if weights else None
    )
    list(grid.cells())  # refuses an unknown plan before data is read
    for budget in budgets:
        grid.parts[0].draw(budget, 0)
    return grid


def _numbers(text: str, kind: type, option: str) -> list:
    try:
        return [kind(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise UserError(
            f"{option} {text!r}: give numbers with commas between them, such as 1,5,10."
        ) from error


def _tell_set_aside(grid: "Grid") -> None:
    aside = grid.parts[0].set_aside
    if aside:
        console.print(f"[yellow]{len(aside)} files do not open as pictures and are set aside:[/]")
        for name, reason in aside.items():
            console.print(f"  {name}: {reason}", highlight=False, markup=False, soft_wrap=True)


def _forecast(grid: "Grid", store: "Store", jobs: int) -> None:
    from tlkit import study
    from tlkit.forecast import forecast

    cells = study.todo(grid, store)
    if cells:
        grid.check()
        ahead = forecast(grid, cells, jobs)
        wait = f"about {ahead.seconds / 60:.0f} min" if ahead.seconds > 90 else f"about {ahead.seconds:.0f} s"
        console.print(f"{ahead.fits} fits to run ({ahead.trainings} trainings): {wait} with --jobs {jobs}.")
    console.print(
        f"{sum(1 for _ in grid.cells()) - len(cells)} fits are finished already; nothing was written."
    )


def _run(grid: "Grid", store: "Store", jobs: int):
    from tlkit import study

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        fits = bar.add_task("fits", total=None)
        return study.run(grid, store, jobs, lambda done, total: bar.update(fits, completed=done, total=total))


def _print_verdicts(store: "Store", records: "list[Record]") -> None:
    from tlkit import claims

    table = Table("plan", "labels", "accuracy", "against", "verdict", "difference", "seeds won")
    for pair in claims.pairs(store, records):
        v = pair.verdict
        difference = f"{v.mean:+.3f} [{v.low:+.3f}, {v.high:+.3f}]"
        table.add_row(
            pair.plan,
            str(pair.labels),
            f"{pair.accuracy:.3f}",
            pair.against,
            v.word,
            difference,
            f"{v.wins} of {v.n}",
        )
    console.print(table)


def _finish(grid: "Grid", records: "list[Record]", out: Path, report: Path, ran: int) -> None:
    """The report and the saved model; both are left alone when nothing ran and they are there."""
    folder = out.with_suffix(".model")
    if ran or not report.exists():
        from tlkit.report import compare_html

        compare_html(out, report, title=grid.parts[0].name, records=records)
    if ran or not folder.exists():
        _save_best(grid, records, folder)
    console.print(f"report: {report}", soft_wrap=True)
    if folder.exists():
        console.print(f"model:  {folder}   (use it: tlkit predict {folder} PHOTO...)", soft_wrap=True)


def _save_best(grid: "Grid", records: "list[Record]", folder: Path) -> None:
    """Fit the plan again that the selection splits prefer, and save it; the test split has no say."""
    from tlkit import saved
    from tlkit.fit import fit
    from tlkit.plans import Plan

    chosen = best(records)
    if chosen is None or not grid.parts[0].classes:
        return
    task, backbone = grid.parts
    done = fit(task, backbone, Plan.parse(chosen.plan), chosen.labels, chosen.seed, grid.recipe, test=False)
    about = {
        "task": task.name,
        "plan": chosen.plan,
        "labels": chosen.labels,
        "seed": chosen.seed,
        "setting": done.setting,
    }
    saved.save(folder, done.model, backbone.blueprint, task.classes, about)


def best(records: "list[Record]") -> "Record | None":
    """The record to keep: the plan with the highest mean on the selection splits of the largest budget.

    Where no budget has a selection split, `frozen` (or else the first plan that gives a network) at seed 0.
    """
    networks = [r for r in records if r.plan != "pixels" and r.status == "ok"]
    if not networks:
        return None
    largest = max(r.labels for r in networks)
    rows = [r for r in networks if r.labels == largest and r.split == "select"]
    if not rows:
        rows = [r for r in networks if r.labels == largest and r.split == "test"]
        return min(rows, key=lambda r: (r.plan != "frozen", r.seed), default=None)
    mean = {
        plan: sum(r.value for r in rows if r.plan == plan) / sum(r.plan == plan for r in rows)
        for plan in {r.plan for r in rows}
    }
    return max(rows, key=lambda r: (mean[r.plan], r.plan, r.value, -r.seed))
