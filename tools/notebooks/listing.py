"""The table of the notebooks, for the README and the first page."""

from pathlib import Path

from tlkit_lessons.notebooks import notebooks


def notebook_map(folder: Path, prefix: str = "") -> str:
    """The notebooks that are built, with the seconds each took; links start with `prefix`."""
    rows = ["| notebook | question | seconds |", "|---|---|--:|"]
    for nb in notebooks(folder):
        seconds = nb.seconds if nb.seconds is not None else ""
        rows.append(f"| {nb.number} [{nb.title}]({prefix}{nb.path.name}) | {nb.question} | {seconds} |")
    return "\n".join(rows)
