"""`tlkit data`: the registry and what of it is here."""

from typing import Annotated

import typer
from rich import box
from rich.table import Table

from tlkit.cli.output import console

cli = typer.Typer(
    help="Data sets and weights of the registry: list, get, check, clear.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="A name of `tlkit data list`.")]


@cli.command("list")
def listing() -> None:
    """Every set: its size, its licence, and whether it is here."""
    from tlkit import downloads, env

    sets = downloads.listing()
    places = ", then ".join(map(str, env.cache_dirs()))
    table = Table(box=box.SIMPLE_HEAD, title=f"in {places}", pad_edge=False)
    table.add_column("name", no_wrap=True, min_width=max((len(s.name) for s in sets), default=4))
    table.add_column("title", overflow="fold", min_width=12)
    for name in ("files", "MB"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("licence", overflow="fold", min_width=12)
    table.add_column("here", no_wrap=True)
    for s in sets:
        table.add_row(s.name, s.title, f"{s.files}", f"{s.bytes / 1e6:.1f}", s.licence, s.state)
    console.print(table)


@cli.command()
def get(names: Annotated[list[str], typer.Argument(help="Names of `tlkit data list`.")]) -> None:
    """Fetch sets once; every file is checked against its sha256, what is here is not fetched again."""
    from tlkit import downloads

    for name in names:
        console.print(f"{name}: {downloads.get(name)}", soft_wrap=True)


@cli.command()
def check(name: Name) -> None:
    """Compare every file with its registered size and sha256."""
    from tlkit import downloads

    report = downloads.check(name)
    bad = len(report.missing) + len(report.changed)
    console.print(
        f"{name}: {report.files - bad} good, {len(report.missing)} missing, {len(report.changed)} changed"
    )
    for file in (*report.missing, *report.changed):
        console.print(f"  {file}", highlight=False)
    raise typer.Exit(1 if report.missing or report.changed else 0)


@cli.command()
def clear(
    name: Annotated[str | None, typer.Argument(help="A set; without it, every set.")] = None,
    computed: Annotated[
        bool, typer.Option("--computed", help="What was computed here, instead of sets.")
    ] = False,
) -> None:
    """Delete fetched files, or with --computed the activations kept here; they are made again when needed."""
    from tlkit import downloads

    console.print(f"freed {downloads.clear(name, computed=computed) / 1e6:.1f} MB")
