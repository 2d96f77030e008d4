"""The fits of `tlkit compare`: how long they will take, and how far they are."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tlkit import files
from tlkit.cli.output import console

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
    text = (
        f"Activations that are kept: {size:.0f} MB" if size >= 1 else "Activations that are kept: under 1 MB"
    )
    text += f"; with nothing kept it would be about {_span(ahead.again)}."
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

    if not study.todo(grid, store):
        return study.run(grid, store)
    held = (
        f"another process is running fits into {store.path}: wait for it and give this command again (what it "
        "finished is then found), or name another --out."
    )
    with files.locked(store.path, ".run.lock", 0, held), _progress() as told:
        return study.run(grid, store, jobs, told, backend, cluster)


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
        TextColumn("{task.fields[pace]}"),
    )
    pace = Pace()
    with Progress(*columns, console=console, transient=True) as bar:
        fits = bar.add_task("fits", total=None, pace="")
        yield lambda done, total: bar.update(fits, completed=done, total=total, pace=pace.told(done, total))


class Pace:
    """How fast fits end, those found finished apart, and how long the rest will take at that rate."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.clock, self.found = clock, None
        self.began = self.now = clock()

    def told(self, done: int, total: int) -> str:
        """To be called after every fit: its rate, and the time left."""
        if self.found is None:
            self.found = done - 1
        self.now = self.clock()
        rate = (done - self.found) / max(self.now - self.began, 1e-3)
        a_minute = f"{60 * rate:.{1 if 60 * rate < 10 else 0}f} a minute"
        return f"{a_minute}, {_span((total - done) / rate)} left" if done < total else a_minute


def _span(seconds: float) -> str:
    """About so long: '40 s', '12 min', '3.5 h'."""
    if seconds <= 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def plain_lines(clock: Callable[[], float] = time.monotonic) -> Told:
    """A line at every tenth of the way, and at the first fit that ends a minute after the last line."""
    pace = Pace(clock)
    last, tenth = pace.began, 0

    def told(done: int, total: int) -> None:
        nonlocal last, tenth
        text, now = pace.told(done, total), pace.now
        if done * 10 // total > tenth or now - last >= PATIENCE:
            last, tenth = now, done * 10 // total
            console.print(f"{done} of {total} fits, {_span(now - pace.began)}; {text}", highlight=False)

    return told
