"""What the workbook adds to the command line: notebooks, claims, data sets, doctor, export, a self-test."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tlkit import files
from tlkit.cli.saying import console, quoted, say
from tlkit.errors import unknown

if TYPE_CHECKING:
    from tlkit_lessons.ledger import Row, Saying

SAYING = 61  # columns that the longest claim takes


def run(
    numbers: Annotated[str, typer.Argument(help="Notebooks: 11, 11-12,16, core or all.")] = "core",
    full: Annotated[
        bool, typer.Option("--full", help="Full size, as in the committed results (notebooks/full.toml).")
    ] = False,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", help="Set a parameter: name=value; repeatable.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the executed copies and the report; default build, or TLKIT_RESULTS."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="File of the report; default report.html in that folder.")
    ] = None,
) -> None:
    """Run notebooks in fresh kernels and write a report."""
    from tlkit import env
    from tlkit_lessons import notebooks

    out = out or env.results_dir()

    def told(event: notebooks.NotebookInfo | notebooks.RunResult) -> None:
        if isinstance(event, notebooks.NotebookInfo):
            console.print(f"{event.number}  {event.title} ...")
        else:
            console.print(f"    {'done' if event.ok else 'FAILED'} in {event.seconds:.0f} s")

    results = notebooks.run(numbers, notebooks.parse(parameter or []), full, out, told)
    from tlkit_lessons.notebooks.report import workbook_html

    written = workbook_html(results, report or out / "report.html")
    failed = [result for result in results if not result.ok]
    for result in failed:
        say(f"{result.number}: {result.error}", "failed:", "bold red")
    for sentence in notebooks.ending(results, written):
        say(sentence)
    raise typer.Exit(1 if failed else 0)


def claims(
    every: Annotated[
        bool, typer.Option("--all", help="Every experiment, with its effect, power and notebooks.")
    ] = False,
    write: Annotated[bool, typer.Option(help="Write data/verdicts.json, which CI compares with.")] = False,
) -> None:
    """The verdict on every claim tested, from the committed records; --all: the evidence for each."""
    from tlkit import compare
    from tlkit_lessons import ledger

    rows = ledger.table()
    found = ledger.sayings(rows=rows)
    console.print(_evidence(found, rows) if every else _headlines(found))
    console.print(f"{ledger.counted(found)}.")
    if every:
        if waiting := [row.id for row in rows if row.verdict == ledger.ABSENT]:
            console.print(f"Not tested yet: {', '.join(waiting)}.")
        console.print(
            "In brackets: 95 % intervals. Detectable: the true difference that 8 in 10 such measurements "
            "would find (statistical power 0.8), each experiment taken by itself."
        )
    else:
        console.print(
            "Refuted: the opposite was found, or no difference that matters. Undecided: we cannot tell.\n"
            f"`tlkit claims --all` prints the evidence, {sum(row.verdict != ledger.ABSENT for row in rows)} "
            "experiments with their effects."
        )
    if note := compare.outdated(ledger.on_shelf()):
        say(note, "note:", "yellow")
    if write:
        say(f"wrote {ledger.write_verdicts(rows=rows)}")


def _headlines(found: list["Saying"]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    saying_width = max(20, min(SAYING, console.width - 39))
    table.add_column("claim", min_width=saying_width)
    table.add_column("verdict", max_width=console.width - saying_width - 6)
    for saying in found:
        if saying.word:
            table.add_row(str(saying.number), saying.text, saying.verdict)
    return table


def _evidence(found: list["Saying"], rows: list["Row"]) -> Table:
    """The experiments beneath each common claim, then those beneath none, which have the number 0."""
    from tlkit_lessons import ledger

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    other = [row for row in rows if not row.number and row.verdict != ledger.ABSENT]
    titled = [(str(saying.number), saying.text.upper(), saying.evidence) for saying in found]
    for number, text, evidence in [*titled, ("", "BEYOND THE COMMON CLAIMS", other)]:
        if not evidence:
            continue
        table.add_row(number, text)
        for row in evidence:
            power = f" Detectable {row.power}." if row.power else ""
            found_in = f"Experiment {row.id}, notebook{'s' * (len(row.claim.where) > 1)} {row.where}."
            table.add_row("", f"{row.text}: {row.said}.")
            table.add_row("", Padding(f"{row.effect}.{power} {found_in}", (0, 0, 0, 3)))
    return table


def doctor() -> None:
    """Say what is installed and ready here, and how to get what is missing."""
    from tlkit_lessons.doctor import checks

    for check in checks():
        mark = ("ok", "green") if check.ok else ("--", "yellow")
        remedy = f" (else {check.remedy})" if check.ok else f"; remedy: {check.remedy}"
        line = Text.assemble(
            mark, f"  {check.name}: {check.found}", (remedy * bool(check.remedy), "dim" * check.ok)
        )
        console.print(line, soft_wrap=True)  # a command that is to be copied is not to be broken


def selftest(
    reps: Annotated[int, typer.Option(min=100, help="Simulated experiments per row.")] = 2000,
) -> None:
    """Check the intervals on simulated data: coverage, false verdicts and statistical power."""
    from tlkit_lessons import selftest as simulated

    print(simulated.selftest_table(simulated.selftest(reps)))


data = typer.Typer(
    help="Data sets and weights that can be fetched: list, get, check, clear.", no_args_is_help=True
)


@data.command("list")
def listing() -> None:
    """List every data set: its size, its licence, and whether it is on this machine."""
    from tlkit_lessons import downloads

    sets = downloads.listing()
    places = ", then ".join(map(str, downloads.cache_dirs()))
    table = Table(box=box.SIMPLE_HEAD, title=f"in {places}", pad_edge=False)
    table.add_column("name", no_wrap=True, min_width=max((len(s.name) for s in sets), default=4))
    table.add_column("title", min_width=12)
    for name in ("files", "MB"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("licence", min_width=12)
    table.add_column("here", no_wrap=True)
    for s in sets:
        table.add_row(s.name, s.title, f"{s.files}", f"{s.bytes / 1e6:.1f}", s.licence, s.state)
    console.print(table)


@data.command()
def get(names: Annotated[list[str], typer.Argument(help="Names of `tlkit data list`.")]) -> None:
    """Fetch data sets once. Every file is checked against its sha256; what is here is not fetched again."""
    from tlkit_lessons import downloads

    for name in names:
        say(f"{name}: {downloads.get(name)}")


@data.command()
def check(name: Annotated[str, typer.Argument(help="A name of `tlkit data list`.")]) -> None:
    """Compare every file of a set with its registered size and sha256."""
    from tlkit_lessons.data import check_set

    report = check_set(name)
    bad = (*report.missing, *report.changed)
    counts = f"{len(report.missing)} missing, {len(report.changed)} changed"
    console.print(f"{name}: {report.files - len(bad)} good, {counts}")
    for file in bad:
        say(f"  {file}")
    raise typer.Exit(1 if bad else 0)


@data.command()
def clear(
    name: Annotated[str | None, typer.Argument(help="Name of a set; without it, every set.")] = None,
    computed: Annotated[
        bool, typer.Option("--computed", help="Delete what was computed here (kept activations), not sets.")
    ] = False,
) -> None:
    """Delete fetched files, or with --computed the kept activations. They are made again when needed."""
    from tlkit_lessons.data import clear_sets

    console.print(f"freed {clear_sets(name, computed=computed) / 1e6:.1f} MB")


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a saved model, or the .jsonl of its comparison.")],
    to: Annotated[str, typer.Option(help="The format: onnx.")] = "onnx",
    out: Annotated[Path | None, typer.Option(help="A new folder; by default beside RUN.")] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Photos, labels not needed, to calibrate 8 bits on.")
    ] = None,
) -> None:
    """Export a saved image classifier to ONNX, in float32 and int8, with a page and a script that ask it."""
    from tlkit import env, saved_model
    from tlkit_lessons import export as exporting

    if to != "onnx":
        raise unknown("format", to, ["onnx"])
    env.set_threads(1)
    stem = run.with_suffix("") if run.suffix in (".jsonl", ".model") else run
    out = out or stem.with_name(f"{stem.name}.onnx")
    folder = files.beside(run, ".model") if run.suffix == ".jsonl" else run
    seen = exporting.photos_of(photos, saved_model.card(folder).get("task", ""))
    for one in exporting.export(folder, out, seen):
        say(f"{out / one.file}: {one.bytes / 1e6:.1f} MB, {1e3 * one.seconds:.1f} ms a photo on one thread")
    if not seen:
        say(
            "no int8 file: give --photos FOLDER, some photos like those it will meet, to calibrate it on.",
            "note:",
        )
    say("The exported file is another model: measure it again before it is used.")
    say(f"use it: python {quoted(out / 'ask.py')} PHOTO...")
