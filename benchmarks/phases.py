"""Where the seconds of one run go: named phases, one inside the other."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any


class Watch:
    """Wall seconds by phase; a phase inside another is called `outer/inner`, and counted in both."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Add the time of the block to `phase`."""
        self._open.append(phase)
        name, began = "/".join(self._open), time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
            self._open.pop()

    @contextmanager
    def on(self, owner: Any, method: str, phase: str) -> Iterator[None]:
        """Count every call of `owner.method` in this block as `phase`; what is called stays what it was."""
        was, own = getattr(owner, method), method in vars(owner)

        @wraps(was)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self(phase):
                return was(*args, **kwargs)

        setattr(owner, method, timed)
        try:
            yield
        finally:
            if own:
                setattr(owner, method, was)
            else:
                delattr(owner, method)

    def of(self, phase: str) -> float:
        """Seconds in `phase`, wherever it was entered."""
        return sum(s for name, s in self.seconds.items() if name.rpartition("/")[2] == phase)
