"""The fits of `tlkit compare`: how long they will take, and how far they are."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

from tlkit import files
from tlkit.cli.saying import console

if TYPE_CHECKING:
    from tlkit.forecast import Forecast
    from tlkit.records import Store
    from tlkit.study import Grid, Outcome

PATIENCE = 60.0  # seconds between plain lines, where there is no terminal to draw a bar on
Told = Callable[[int, int], None]


def forecast(grid: "Grid", store: "Store", jobs: int) -> None:
    """Say what would run and for how long; nothing is fetched or written."""
    from tlkit import study
    from tlkit.forecast import forecast

    cells = study.todo(grid, store)
    if cells:
        light = grid.without_fetching()
        light.check()
        ahead = forecast(light, cells, jobs)
        wait = f"about {_span(ahead.seconds)}"
        fits = f"{ahead.fits} fit{'s' * (ahead.fits != 1)}"
        console.print(f"{fits} to run: {wait} with --jobs {jobs}.")
        if ahead.bytes:
            console.print(_kept(ahead), soft_wrap=True)
        if ahead.trainings > ahead.fits:
            tries = len(grid.recipe.rates)
            console.print(
                f"From 5 labels a class on a fit tries {tries} settings and trains once more with the best: "
                f"{ahead.trainings} trainings in all.",
                soft_wrap=True,
            )
    found = sum(1 for _ in grid.cells()) - len(cells)
    console.print(f"{found} fits are finished already; nothing was written.")


def _kept(ahead: "Forecast") -> str:
    """What keeping the frozen prefix takes and spares."""
    from tlkit import features

    size, room = ahead.bytes / 1e6, features.room()
    kept = f"{size:.0f} MB" if size >= 1 else "under 1 MB"
    text = f"Activations that are kept: {kept}; with nothing kept it would be about {_span(ahead.again)}."
    if ahead.bytes > room:
        text += (
            f" There is room for {room / 1e6:.0f} MB (TLKIT_BUDGET, in GB, says how much): the rest is "
            "computed whenever it is wanted."
        )
    return text


def run(grid: "Grid", store: "Store", jobs: int | None, backend: str, cluster: str | None) -> "Outcome":
    """Run what is not finished, with a bar, or plain lines where there is no terminal.

    Raises UserError where another process is running fits into the same file: both would do all the work.
    """
    from tlkit import study

    left, total = len(study.todo(grid, store)), sum(1 for _ in grid.cells())
    if not left:
        return study.run(grid, store)
    held = (
        f"another process is running fits into {store.path}: wait for it and give this command again (what "
        "it finished is then found), or name another --out."
    )
    with files.locked(store.path, ".run.lock", 0, held), progress(total - left, total) as told:
        return study.run(grid, store, jobs, told, backend, cluster)


@contextmanager
def progress(found: int, total: int, clock: Callable[[], float] = time.monotonic) -> Iterator[Told]:
    """To be called after every fit: a bar, and the time left at the rate of the fits run now.

    Where there is no terminal, a line at every tenth of the way, and a minute after the last one.
    """
    plain = not console.is_terminal
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    how = {"console": console, "transient": True, "get_time": clock, "speed_estimate_period": math.inf}
    with Progress("{task.description}", *columns, **how, disable=plain) as bar:
        fits = bar.add_task("fits", total=total, completed=found)
        task, last, tenth = bar.tasks[0], 0.0, 10 * found // total

        def told(done: int, total: int) -> None:
            nonlocal last, tenth
            bar.update(fits, completed=done)
            if plain and (10 * done // total > tenth or task.elapsed - last >= PATIENCE):
                last, tenth = task.elapsed, 10 * done // total
                left = f", {_span(task.time_remaining)} left" if task.time_remaining else ""
                console.print(f"{done} of {total} fits, {_span(last)}{left}", highlight=False)

        yield told


def _span(seconds: float) -> str:
    """About so long: '40 s', '12 min', '3.5 h'."""
    if seconds <= 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
