"""Tasks by name: folders, those of installed packages, and those that are registered."""

import os
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from tlkit.files import stamps
from tlkit.registry import Registry

if TYPE_CHECKING:
    from tlkit.tasks import Task


def _files() -> None:
    from tlkit.tasks import images, text  # they stand on tasks

    register("folder:", lambda rest: images.from_folder(*_split(rest)), ("folder:PATH",))
    register("csv:", lambda rest: text.from_csv(*rest.split("|")), ("csv:PATH",))


TASKS = Registry("task", "tlkit.tasks", _files)


def register(name: str, factory: "Callable[..., Task]", listed: Iterable[str] = ()) -> None:
    """Have `load(name)` give what the factory returns, also in the processes and on the clusters of a study.

    name: such as `reviews`, whose factory takes nothing, or a prefix such as `reviews:`, whose factory takes
    what follows it. listed: names to offer for an unknown one. A package registers its own in a function that
    it names as an entry point of the group `tlkit.tasks`. Raises UserError for the name of an installed one.
    """
    TASKS.register(name, factory, listed)
    _named.cache_clear()


def names() -> list[str]:
    """Every task that can be asked for by name."""
    return TASKS.names()


def load(name: "str | Task") -> "Task":
    """The task of that name, of `folder:PATH[|GROUPS.csv]` or of `csv:PATH[|TEXT|LABEL]`, which name columns.

    Kept until its files change. A task itself is given back. Raises UserError.
    """
    if not isinstance(name, str):
        return name
    rest = name.partition(":")[2]
    return _named(name, *map(stamps, dict.fromkeys([*_split(rest), *rest.split("|")])))


def _split(rest: str) -> list[str]:
    """A folder, and a table of groups; a name may hold the sign between them."""
    return [rest] if os.path.isdir(os.path.expanduser(rest)) else rest.rsplit("|", 1)


@lru_cache(maxsize=4)
def _named(name: str, *_stamps: tuple) -> "Task":
    return TASKS.make(name)
