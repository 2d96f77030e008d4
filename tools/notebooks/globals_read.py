"""Which functions of a notebook read its variables instead of their arguments."""

import symtable
from collections.abc import Iterator

UNNAMED = ("lambda", "listcomp", "setcomp", "dictcomp", "genexpr")


def variables(source: str) -> set[str]:
    """Names that code assigns at its top level; imports, functions and classes are no variables."""
    try:
        top = symtable.symtable(source, "cell", "exec")
    except SyntaxError:
        return set()
    defined = {child.get_name() for child in top.get_children()}
    return {s.get_name() for s in top.get_symbols() if s.is_assigned() and not s.is_imported()} - defined


def globals_read(source: str, known: set[str]) -> Iterator[tuple[str, list[str]]]:
    """Each function defined in `source` with those names of `known` that it takes from outside."""
    yield from _inside(symtable.symtable(source, "cell", "exec"), known, "")


def _inside(table: symtable.SymbolTable, known: set[str], function: str) -> Iterator[tuple[str, list[str]]]:
    for child in table.get_children():
        named = child.get_type() == "function" and child.get_name() not in UNNAMED
        name = function or (child.get_name() if named else "")
        read = sorted(s.get_name() for s in child.get_symbols() if s.is_global() and s.get_name() in known)
        if name and read:
            yield name, read
        yield from _inside(child, known, name)
