"""One kind of error for everything a user can mend."""

from collections.abc import Iterable
from difflib import get_close_matches
from operator import index
from typing import Any


class UserError(ValueError):
    """One sentence: what was wrong, where, and what to do. The command line prints it and exits 2."""


def whole(value: Any, what: str) -> int:
    """A whole number of any library. Raises UserError, which names `what`, for anything else."""
    try:
        return index(value)
    except TypeError:
        raise UserError(f"{what} {value!r}: give a whole number.") from None


SHOWN = 60  # names listed in an error; of more, only similar ones


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not in a list: the nearest match first, then the list, if it is short."""
    known = sorted(known)
    spelt = {n.lower(): n for n in reversed(known)}
    near = [spelt[n] for n in get_close_matches(name.lower(), spelt, n=5, cutoff=0.5)]
    hint = f"did you mean {near[0]!r}? " if near else ""
    if len(known) <= SHOWN:
        return UserError(f"unknown {kind} {name!r}: {hint}Known: {', '.join(known)}.")
    like = f"Similar: {', '.join(near)}" if near else f"Known: {', '.join(known[:3])}"
    return UserError(f"unknown {kind} {name!r}: {hint}{like}, ... ({len(known)} in all).")
