"""The fits of `tlkit compare`: how long they will take, and how far they are."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from tlkit.errors import UserError

if TYPE_CHECKING:
    from tlkit.records import Store
    from tlkit.study import Grid, Outcome

console = Console()
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
        wait = f"about {ahead.seconds / 60:.0f} min" if ahead.seconds > 90 else f"about {ahead.seconds:.0f} s"
        fits = f"{ahead.fits} fit{'s' * (ahead.fits != 1)}"
        console.print(f"{fits} to run: {wait} with --jobs {jobs}.")
        if ahead.trainings > ahead.fits:
            tries = len(grid.recipe.rates)
            console.print(
                f"From 5 labels a class on a fit tries {tries} settings and trains once more with the best: "
                f"{ahead.trainings} trainings in all.",
                soft_wrap=True,
            )
    found = sum(1 for _ in grid.cells()) - len(cells)
    console.print(f"{found} fits are finished already; nothing was written.")


def run(grid: "Grid", store: "Store", jobs: int) -> "Outcome":
    """Run what is not finished, with a bar, or plain lines where there is no terminal.

    Raises UserError where another process is running fits into the same file: both would do all the work.
    """
    from tlkit import study

    if not study.todo(grid, store):
        return study.run(grid, store, jobs)
    with _alone(store.path), _progress() as told:
        return study.run(grid, store, jobs, told)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the file's run lock; the system lets go of it when the process ends, however it ends."""
    from filelock import FileLock, Timeout

    lock = FileLock(f"{path}.run.lock", timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise UserError(
            f"another process is running fits into {path}: wait for it and give this command again (what it "
            "finished is then found), or name another --out."
        ) from error
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): name another --out.") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _progress() -> Iterator[Told]:
    if not console.is_terminal:
        yield plain_lines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        fits = bar.add_task("fits", total=None)
        yield lambda done, total: bar.update(fits, completed=done, total=total)


def plain_lines(clock: Callable[[], float] = time.monotonic) -> Told:
    """A line at every tenth of the way, and at the first fit that ends a minute after the last line."""
    began = last = clock()
    tenth = 0

    def told(done: int, total: int) -> None:
        nonlocal last, tenth
        now = clock()
        if done * 10 // total > tenth or now - last >= PATIENCE:
            last, tenth = now, done * 10 // total
            console.print(f"{done} of {total} fits, {now - began:.0f} s", highlight=False)

    return told
