"""The table of the notebooks, for the README and the first page."""

from pathlib import Path

from tlkit_lessons.notebooks import notebooks


def notebook_map(folder: Path, prefix: str = "") -> str:
    """The notebooks that are built, with the seconds each took; links start with `prefix`. 00 stands out."""
    rows = ["| notebook | question | run time (s) |", "|---|---|--:|"]
    for nb in notebooks(folder):
        seconds = nb.seconds if nb.seconds is not None else ""
        name = f"{nb.number} [{nb.title}]({prefix}{nb.path.name})"
        name = f"**{name}**" if nb.number == "00" else name
        rows.append(f"| {name} | {nb.question} | {seconds} |")
    return "\n".join(rows)
