"""Things by name: those that come along, those of other packages, and those that are registered by hand."""

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from tlkit.errors import UserError, unknown

Factory = Callable[..., Any]


class Registry:
    """Factories under a name (`digits`) or a prefix that ends in a colon (`folder:`, with what follows it).

    kind: what they make, in a word. group: of the entry points by which other packages bring theirs, each a
    function without arguments that registers them; they and `own`, one of this package, are called when the
    first name is looked up. `added` are those that were registered by hand, which no other process knows of.
    """

    def __init__(self, kind: str, group: str, own: Callable[[], None] = lambda: None):
        self.kind, self.group, self.own = kind, group, own
        self.added: dict[str, Factory] = {}
        self._brought: dict[str, Factory] = {}
        self._listed: dict[str, Iterable[str]] = {}
        self._bringing, self._ready = False, False

    def register(self, name: str, factory: Factory, listed: Iterable[str] = ()) -> None:
        """Put a factory under a name, or anew under one that was given by hand.

        listed: names to offer for an unknown one, by default this one. Raises UserError for the name of an
        installed one.
        """
        if not self._bringing:
            self._bring()
        if name in self._brought:
            raise UserError(f"{self.kind} {name!r} comes with an installed package: give yours another name.")
        (self._brought if self._bringing else self.added)[name] = factory
        self._listed[name] = tuple(listed) or (f"{name}NAME" if name.endswith(":") else name,)

    def find(self, name: str) -> tuple[Factory, tuple[str, ...]]:
        """The factory for a name and what to give it: nothing, or what follows its prefix.

        Raises UserError, with the nearest match, where there is none.
        """
        known = self._known()
        if name in known and not name.endswith(":"):
            return known[name], ()
        prefix, colon, rest = name.partition(":")
        if rest and prefix + colon in known:
            return known[prefix + colon], (rest,)
        raise unknown(self.kind, name, self.names())

    def make(self, name: str) -> Any:
        """What its factory makes of a name. Raises UserError as `find` does."""
        factory, given = self.find(name)
        return factory(*given)

    def names(self) -> list[str]:
        """What can be asked for by name."""
        return sorted(name for entry in self._known() for name in self._listed[entry])

    def _known(self) -> dict[str, Factory]:
        self._bring()
        return self._brought | self.added

    def _loaded(self, point: EntryPoint) -> Callable[[], None]:
        try:
            return point.load()
        except (ImportError, AttributeError) as error:
            raise UserError(
                f"entry point {point.name} = {point.value} of {self.group} cannot be read ({error}): mend it "
                "in the package that brings it, or uninstall that."
            ) from error

    def _bring(self) -> None:
        if self._ready or self._bringing:
            return
        self._bringing, self._brought = True, {}  # afresh, where a package could not be imported before
        try:
            self.own()
            for point in entry_points(group=self.group):
                self._loaded(point)()
        finally:
            self._bringing = False
        self._ready = True
