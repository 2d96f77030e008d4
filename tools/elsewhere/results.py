"""What was tried already, under keys that change with what was tried, and the table of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Result:
    """One notebook in one place; `key` stands for the wheel, the environment and the notebook.

    error: one line, None where every cell ran. changed: packages that the set-up cell replaced; none may be.
    """

    place: str
    notebook: str
    key: str
    seconds: float
    error: str | None = None
    changed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether it ran and replaced nothing."""
        return self.error is None and not self.changed

    @property
    def says(self) -> str:
        """Its cell of the table."""
        if self.error is not None:
            return self.error.replace("|", "/")
        return f"replaced {', '.join(self.changed)}" if self.changed else f"ok, {self.seconds:.0f} s"


def read(file: Path) -> dict[str, Result]:
    """Key → the last result that a file holds under it; {} where there is no file."""
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    found = (Result(**json.loads(line)) for line in lines if line)
    return {each.key: each for each in found}


def keep(file: Path, result: Result) -> None:
    """Add a result to a file, at once, so that whoever is stopped goes on from there."""
    with file.open("a", encoding="utf-8", newline="\n") as out:
        out.write(json.dumps(asdict(result), ensure_ascii=False) + "\n")


def table(notebooks: Sequence[str], places: Mapping[str, str | None], results: Iterable[Result]) -> str:
    """Notebook × place in Markdown; `places`: name → why it is absent here, or None."""
    found = {(each.notebook, each.place): each.says for each in results}
    rows = [["notebook", *places], ["---"] * (len(places) + 1)]
    for name in notebooks:
        rows.append([name, *(absent or found.get((name, place), "–") for place, absent in places.items())])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
