"""The fits of `tlkit compare`: how long they will take, and their run."""

from pathlib import Path
from typing import TYPE_CHECKING

from tlkit import files
from tlkit.cli import output
from tlkit.cli.live import UNSEEN, Pace, about, around, shown
from tlkit.cli.saying import console, say

if TYPE_CHECKING:
    from tlkit.forecast import Forecast
    from tlkit.records import Record, Store
    from tlkit.study import Cell, Grid, Outcome


def forecast(grid: "Grid", store: "Store", jobs: int) -> None:
    """Say what would run and for how long; nothing is fetched or written."""
    from tlkit import features, study

    cells = study.todo(grid, store)
    if cells:
        light = grid.without_fetching()
        light.check()
        needed, room = _ahead(light, cells, jobs).bytes, features.room()
        if needed > room:
            say(
                f"Frozen features take {needed / 1e6:.0f} MB; there is room for {room / 1e6:.0f} MB "
                "(TLKIT_BUDGET, in GB): the rest is computed again whenever it is needed."
            )
    found = sum(1 for _ in grid.cells()) - len(cells)
    console.print(f"{found} fits are already finished; nothing was written.")


def _ahead(grid: "Grid", cells: "list[Cell]", jobs: int) -> "Forecast":
    """The forecast of some fits, told in one line."""
    from tlkit.forecast import forecast

    ahead = forecast(grid, cells, jobs)
    wait = f"{ahead.fits} fit{'s' * (ahead.fits != 1)} to run: {about(around(ahead.seconds, UNSEEN))}"
    console.print(f"{wait} with --jobs {jobs}, if the machine is otherwise idle.", soft_wrap=True)
    return ahead


def run(grid: "Grid", store: "Store", report: Path, jobs: int | None, *where: str | None) -> "Outcome":
    """Run what is not finished, and show the whole time what is known so far and how long the rest takes.

    where: back end and cluster. What is known when it is stopped is told, and reported. Raises UserError
    where another process is running fits into the same file: both would do all the work.
    """
    from tlkit import study

    left = study.todo(grid, store)
    if not left:
        return study.run(grid, store)
    held = (
        f"another process is writing fits to {store.path}: wait for it and give this command again, which "
        "then finds what it finished, or choose another --out."
    )
    with files.locked(store.path, ".run.lock", 0, held):
        grid.check()
        pace = Pace(_ahead(grid, left, jobs or 1).each, left, jobs or 1)
        try:
            with shown(grid, store, pace) as told:
                return study.run(grid, store, jobs, told, *where)
        except KeyboardInterrupt:
            _stopped(grid, store, report)
            raise


def of_grid(grid: "Grid", store: "Store") -> "list[Record]":
    """Those of the store's records that the grid asked for."""
    keys = {grid.key(cell) for cell in grid.cells()}
    return [record for record in store.read() if record.fit_key in keys]


def _stopped(grid: "Grid", store: "Store", report: Path) -> None:
    from tlkit.report import compare_html
    from tlkit.tasks import facts

    records, task = of_grid(grid, store), grid.parts[0]
    if any(record.split == "test" for record in records):
        output.after(store, records, task)
        compare_html(store.path, report, task.name, records, facts.of(task, store), task)
        say(f"report so far: {report}")


def failed(reasons: tuple[str, ...]) -> int:
    """What came to nothing, and why; the exit status."""
    for reason in reasons:
        kind, _, why = reason.partition(": ")
        say(why, f"{kind}:", "bold red")
    return 1 if reasons else 0
