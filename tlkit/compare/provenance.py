"""Where records come from, in words, and whether other versions made them than are installed here."""

from collections import Counter
from collections.abc import Iterable

from tlkit import env
from tlkit.records import Record, Store

UNKNOWN = "by versions and on a machine that were not recorded"


def origins(store: Store, records: Iterable[Record]) -> list[tuple[dict | None, int]]:
    """Each origin (`env.origin`, or None) of the fits among `records`, and how many fits are of it."""
    known, counts = {}, Counter()
    for record in (r for r in records if r.ends_fit):
        found = store.origin(record)
        name = record.measured["origin"] if found else None
        known[name] = found
        counts[name] += 1
    return [(known[name], count) for name, count in counts.items()]


def whence(found: Iterable[tuple[dict | None, int]]) -> str:
    """Code, versions, machine and days of all fits, those of one code and machine together."""
    days: dict[str, list[str]] = {}
    fits = Counter()
    for origin, count in found:
        text = _told(origin) if origin else UNKNOWN
        fits[text] += count
        days.setdefault(text, []).extend([origin["date"]] if origin else [])
    return "; ".join(f"{_fits(n)} {text}{_span(days[text])}" for text, n in fits.items())


def outdated(found: Iterable[tuple[dict | None, int]]) -> str | None:
    """One sentence where fits were made with other versions than those installed here; else None."""
    here, fits, differ = env.versions(), 0, {}
    for origin, count in found:
        then = origin["versions"] if origin else {}
        other = {name: v for name, v in then.items() if here.get(name) != v}
        fits += count * bool(other)
        differ |= other
    if not fits:
        return None
    named = ", ".join(f"{name} {v} (here {here.get(name, 'absent')})" for name, v in differ.items())
    were = "was" if fits == 1 else "were"
    return f"{_fits(fits)} {were} made with {named}: run again here, numbers may differ."


def _fits(count: int) -> str:
    return f"{count} fit{'s' * (count != 1)}"


def _told(origin: dict) -> str:
    versions = dict(origin["versions"])
    commit = f" ({origin['commit']})" if origin["commit"] else ""
    code = f"by tlkit {versions.pop('tlkit', '?')}{commit}"
    with_ = ", ".join(f"{name} {version}" for name, version in versions.items())
    threads = f"{origin['threads']} thread{'s' * (origin['threads'] != 1)}"
    machine = ", ".join(dict.fromkeys([origin["processor"], origin["device"], threads, origin["system"]]))
    return f"{code}, {with_}, on {machine}"


def _span(days: list[str]) -> str:
    return f", {' to '.join(dict.fromkeys((min(days), max(days))))}" if days else ""
