"""One kind of error for everything a user can mend."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """One sentence: what was wrong, where, and what to do. The command line prints it and exits 2."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not in a list: the nearest match first, then the list."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UserError(f"unknown {kind} {name!r}: {hint}Known: {', '.join(known)}.")
