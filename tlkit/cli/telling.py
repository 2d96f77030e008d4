"""What `tlkit compare` says before and after the fits: what cannot be answered, and what the answer is."""

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from tlkit.claims import Pair
    from tlkit.records import Record, Store
    from tlkit.study import Grid

console = Console()
ACROSS = 5  # budgets side by side: more do not fit a terminal of 80 columns


def before(grid: "Grid") -> None:
    """The files set aside, and what this grid will not be able to say."""
    from tlkit.claims import BASELINES
    from tlkit.stats import FEWEST_SEEDS

    aside = grid.parts[0].set_aside
    if aside:
        console.print(f"[yellow]{len(aside)} files do not open as pictures and are set aside:[/]")
        for name, reason in aside.items():
            console.print(f"  {name}: {reason}", highlight=False, markup=False, soft_wrap=True)
    plans = {cell.plan for cell in grid.cells()}
    if not plans & set(BASELINES) or not plans - set(BASELINES):
        missing = "scratch or pixels" if plans - set(BASELINES) else "a plan that transfers, such as frozen"
        _note(f"--plans has nothing to compare: a verdict needs {missing} beside it; accuracies are shown.")
    elif len(grid.seeds) < FEWEST_SEEDS:
        seeds = "1 seed gives" if len(grid.seeds) == 1 else f"{len(grid.seeds)} seeds give"
        _note(f"--seeds: {seeds} no verdict, {FEWEST_SEEDS} or more are needed; accuracies are shown.")


def _note(text: str) -> None:
    console.print(f"[yellow]note:[/] {text}", soft_wrap=True, highlight=False)


def after(store: "Store", records: "list[Record]") -> None:
    """Mean accuracies of all plans, the verdicts, and in words which plan to use."""
    from tlkit import claims
    from tlkit.report import conclude

    if not any(r.split == "test" and r.status == "ok" for r in records):
        return
    _means(store, records)
    pairs = claims.pairs(store, records)
    if pairs:
        _verdicts(pairs)
    for sentence in conclude(store, records, pairs):
        console.print(sentence, highlight=False)
    if note := claims.outdated(claims.origins(store, records)):
        _note(note)


def _means(store: "Store", records: "list[Record]") -> None:
    from tlkit.report import chance, standings

    found = standings(records)
    budgets, most = sorted({s.labels for s in found}), max(s.seeds for s in found)
    values = {(s.plan, s.labels): f"{s.mean:.3f}" + f" ({s.seeds})" * (s.seeds < most) for s in found}
    floor = chance(store, records)
    row = next(r for r in records if r.split == "test" and r.status == "ok")
    caption = f"{most} seed{'s' * (most != 1)}; {len(store.targets(row.task, row.data))} test items"
    fewer = any(s.seeds < most for s in found)
    for first in range(0, len(budgets), ACROSS):
        shown = budgets[first : first + ACROSS]
        table = Table(box=box.SIMPLE_HEAD, title=f"mean test {row.metric}", title_justify="left")
        table.caption = caption + "; (n): of so many seeds, the others came to nothing" * fewer
        table.caption_justify = "left"
        table.add_column("plan", overflow="fold")
        for n in shown:
            table.add_column(f"{n} label{'s' * (n != 1)}", justify="right", no_wrap=True)
        for plan in dict.fromkeys(s.plan for s in found):
            table.add_row(escape(plan), *(values.get((plan, n), "") for n in shown))
        if floor is not None:
            table.add_row("(chance: the commonest class)", *[f"{floor:.3f}"] * len(shown), style="dim")
        console.print(table)


def _verdicts(pairs: "list[Pair]") -> None:
    family = f"{len(pairs)} comparisons, corrected together (Holm)" if len(pairs) > 1 else "1 comparison"
    items = all(p.items for p in pairs)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left", caption_justify="left")
    table.title = "against not transferring"
    table.caption = f"{family}; intervals for new seeds{' and new test items' * items}"
    table.add_column("plan", overflow="fold")
    table.add_column("labels", justify="right")
    table.add_column("against", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("difference", no_wrap=True)
    table.add_column("won", no_wrap=True)
    for p in pairs:
        v = p.verdict
        difference = f"{v.mean:+.3f} [{v.low:+.3f}, {v.high:+.3f}]"
        won = f"{v.wins} of {v.n}"
        table.add_row(escape(p.plan), str(p.labels), p.against, v.word, escape(difference), won)
    console.print(table)


def failed(reasons: tuple[str, ...]) -> None:
    """What came to nothing, and why."""
    for reason in reasons:
        kind, _, why = reason.partition(": ")
        console.print(f"[bold red]{kind}:[/] {why}", soft_wrap=True)
