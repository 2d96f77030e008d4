"""What `tlkit compare` shows while fits run: what is known so far, and how long the rest takes."""

import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tlkit.cli.saying import console, say

if TYPE_CHECKING:
    from tlkit.records import Record, Store
    from tlkit.study import Cell, Grid

PATIENCE = 60.0  # seconds between plain lines, where there is no terminal to draw on
REDRAWN = 1.0  # seconds between two looks at what is known so far
SEEN, UNSEEN = (0.85, 1.2), (0.6, 1.6)  # how far off the time of a fit may be, where its like was run or not
LIKE = 5  # a fit foretold to take so many times less says nothing of how wrong a forecast is
Kind = tuple[str, int]  # plan and labels
Span = tuple[float, float]


class Pace:
    """The time left: of fits whose like has ended as those took, of others as foretold and as others took."""

    def __init__(self, each: Mapping[Kind, float], cells: "list[Cell]", jobs: int):
        self.each, self.jobs = each, jobs
        self.wanted = Counter((cell.plan, cell.labels) for cell in cells)
        self.took: dict[Kind, list[float]] = defaultdict(list)

    def ended(self, kind: Kind, seconds: float) -> None:
        """Note what a fit took."""
        self.took[kind].append(seconds)

    def left(self) -> Span:
        """The least and the most seconds that the others should take."""
        spans = [self._left(kind, count - len(self.took[kind])) for kind, count in self.wanted.items()]
        return tuple(sum(ends) / self.jobs for ends in zip(*spans, strict=True))

    def _left(self, kind: Kind, count: int) -> Span:
        if len(self.took[kind]) > 1:  # the first one may have run the frozen prefix for all of them
            return around(count * statistics.median(self.took[kind]), SEEN)
        rates = [statistics.median(self.took[k]) / self.each[k] for k in self.took if self._tells(k, kind)]
        return around(count * self.each[kind] * statistics.fmean(rates or [1.0]), UNSEEN)

    def _tells(self, ended: Kind, kind: Kind) -> bool:
        return bool(self.took[ended]) and self.each[ended] > self.each[kind] / LIKE


class Shown:
    """To be called after every fit: a table of what is known so far, and a bar with the time left.

    Where there is no terminal, lines: one for each plan that has all its seeds, with its verdicts, and one at
    every tenth of the way, or a minute after the last one.
    """

    def __init__(self, grid: "Grid", store: "Store", pace: Pace, clock: Callable[[], float]):
        self.store, self.pace, self.clock, self.seeds = store, pace, clock, len(grid.seeds)
        self.keys = {grid.key(cell) for cell in grid.cells()}
        self.known = {record.fit_key for record in store.read()}
        self.began = self.last = clock()
        self.said: set[Kind] = set()
        total = len(self.keys)
        found = total - pace.wanted.total()
        self.tenth = 10 * found // total
        columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[left]}")
        self.bar = Progress("fits", *columns, console=console, get_time=clock)
        self.bar.add_task("fits", total=total, completed=found, left="")
        self.live = Live(self.bar, console=console, transient=True, auto_refresh=console.is_terminal)

    def __call__(self, done: int, total: int) -> None:
        """So many of all fits are done."""
        records = [record for record in self.store.read() if record.fit_key in self.keys]
        for record in records:
            if record.ends_fit and record.fit_key not in self.known:
                self.known.add(record.fit_key)
                self.pace.ended((record.plan, record.labels), record.measured.get("seconds", 0.0))
        now, left = self.clock(), f"{about(self.pace.left())} left" if done < total else ""
        self.bar.update(self.bar.task_ids[0], completed=done, left=left)
        if not console.is_terminal:
            self._say_complete(records)
            if 10 * done // total > self.tenth or now - self.last >= PATIENCE:
                self.last, self.tenth = now, 10 * done // total
                text = f"{done} of {total} fits, {span(now - self.began)}"
                say(", ".join([text, left] if left else [text]))
        elif now - self.last >= REDRAWN:
            self.last = now
            self.live.update(Group(table(self.store, records), self.bar))

    def _say_complete(self, records: "list[Record]") -> None:
        """A line for each plan that has just got all its seeds."""
        from tlkit import compare
        from tlkit.records import scale

        ended = Counter((r.plan, r.labels) for r in records if r.split == "test" and r.status == "ok")
        fresh = {kind for kind, count in ended.items() if count == self.seeds} - self.said
        if not fresh:
            return
        self.said |= fresh
        how = scale(records)
        for s, words in compare.so_far(self.store, records):
            if (s.plan, s.labels) in fresh:
                text = f"{s.plan}, {how.counted(s.labels)}, {s.seeds} seed{'s' * (s.seeds != 1)}"
                said = f"{text}: {how.metric} {how.said(s.mean)}" + f"; it {words}" * bool(words)
                say(said)


def table(store: "Store", records: "list[Record]") -> Table:
    """What is known of every plan, while others run."""
    from tlkit import compare
    from tlkit.records import scale
    from tlkit.stats import interval

    found = compare.so_far(store, records)
    title = f"test {scale(records).axis} so far" if found else "nothing yet"
    drawn = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    drawn.add_column("plan", overflow="fold")
    for name in ("labels", "seeds", "mean", "95 % interval"):
        drawn.add_column(name, justify="right", no_wrap=True)
    drawn.add_column("so far it")
    for s, words in found:
        mine = [r.value for r in records if (r.plan, r.labels, r.split) == (s.plan, s.labels, "test")]
        known = interval([value for value in mine if value is not None])
        low, high = scale(records).within((known.low, known.high))
        ends = f"{low:.3f} to {high:.3f}" if known.p < 1 else ""  # else there is no spread to tell it by
        drawn.add_row(s.plan, str(s.labels), str(s.seeds), f"{s.mean:.3f}", ends, words)
    return drawn


@contextmanager
def shown(
    grid: "Grid", store: "Store", pace: Pace, clock: Callable[[], float] = time.monotonic
) -> Iterator[Shown]:
    """`Shown`, on the terminal as long as the block runs."""
    view = Shown(grid, store, pace, clock)
    with view.live:
        yield view


def around(seconds: float, off: Span) -> Span:
    """From that much less to that much more."""
    return seconds * off[0], seconds * off[1]


def about(ends: Span) -> str:
    """A range in words: "2 to 5 min", "about 1 s"."""
    low, high = (span(end) for end in ends)
    if low == high:
        return f"about {low}"
    number, unit = low.split()
    return f"{number if high.endswith(unit) else low} to {high}"


def span(seconds: float) -> str:
    """About so long: '40 s', '12 min', '3.5 h'."""
    if seconds <= 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
