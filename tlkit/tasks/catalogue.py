"""Tasks by name."""

from functools import lru_cache

from tlkit.errors import unknown
from tlkit.simulate import SIBLINGS
from tlkit.tasks import Task, characters, images


def names() -> list[str]:
    """Every task that can be asked for by name."""
    return sorted([*characters.NAMED, *images.NAMED, *(f"glyphs:{alphabet}" for alphabet in SIBLINGS)])


@lru_cache(maxsize=4)
def load(name: str) -> Task:
    """The task of that name, or of `folder:PATH` or `folder:PATH|GROUPS.csv`. UserError names the nearest match."""
    if name.startswith("folder:"):
        folder, _, groups = name.removeprefix("folder:").partition("|")
        return images.from_folder(folder, groups=groups or None)
    task = characters.load(name) or images.load(name)
    if task is None:
        raise unknown("task", name, names())
    return task
