"""`{{...}}` in notebooks and the README: the numbers in prose come from the records.

{{claim ID sentence}}                     the claim, its verdict and its effect, as a person would say it
{{claim ID}}                              confirmed up to 2 labels per class, undecided at 5
{{claim ID effect}}                       +0.15 [0.11, 0.19] at 1 label per class, ...    {{claim ID text}}
{{claim ID interval}}                     +0.31 [0.25, 0.36]: the first difference of its effect, by itself
{{claim ID power}}                        0.03: what 8 in 10 measurements like it would have told from none
{{accuracy FILE BACKBONE PLAN LABELS [TASK]}}   0.73
{{gain FILE PLAN AGAINST LABELS}}         +0.31 [0.25, 0.36]
{{wins FILE PLAN AGAINST LABELS}}         10 of 10
{{ahead FILE BACKBONE AGAINST PLAN LABELS}}   10 of 10: a plan from one backbone, or place, and another
{{saving FILE PLAN LABELS}}               4.0x [3.1x, 4.9x], against scratch
{{seeds FILE PLAN LABELS}}                10
{{ledger}}                                Of 36 common claims ..., 19 have been tested so far: ...
{{card BACKBONE flops|seconds|source_accuracy|...}}
"""

import re
from collections.abc import Callable

from tlkit.compare.pairs import compare
from tlkit.compare.samples import Sample, sample
from tlkit.errors import UserError, unknown
from tlkit.records import Store
from tlkit.stats import Verdict, signed
from tlkit_lessons.ledger.claims import Shelf, one, shelf
from tlkit_lessons.ledger.headlines import counted, sayings
from tlkit_lessons.ledger.measures import ABSENT, card, row, saving

PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")


def fill(text: str, where: Shelf | None = None) -> str:
    """`text` with every placeholder replaced; "no records yet" where its file of records is not there yet.

    Raises UserError, naming the placeholder, for an unknown word, claim, file, plan or budget.
    """
    where = where or shelf()
    return PLACEHOLDER.sub(lambda found: _value(found[0], found[1].split(), where), text)


def _value(whole: str, words: list[str], where: Shelf) -> str:
    name, *given = words or [""]
    if name not in FILLERS:
        raise unknown("placeholder", whole, (form for form, _ in FILLERS.values()))
    form, filler = FILLERS[name]
    if len(given) not in _counts(form):
        raise UserError(f"placeholder {whole}: write it as {form}.")
    try:
        return filler(where, *given)
    except UserError as error:
        raise UserError(f"placeholder {whole}: {error}") from error


def _counts(form: str) -> tuple[int, ...]:
    words = form.strip("{}").split()[1:]
    return (len(words) - sum(word.startswith("[") for word in words), len(words))


def _claim(where: Shelf, name: str, part: str = "said") -> str:
    if part not in (parts := ("sentence", "said", "effect", "interval", "power", "text")):
        raise unknown("part of a claim", part, parts)
    claim = one(name)
    if part == "text":
        return claim.text
    found = row(claim, where)
    if found.effect == ABSENT:
        return ABSENT
    if part in ("interval", "power") and not found.interval:
        raise UserError(f"the effect of claim {name} is no difference: {found.effect}.")
    return getattr(found, part)


def _ledger(where: Shelf) -> str:
    """How many of the common claims were tested, and how they came out."""
    return counted(sayings(where))


def _stored(filler: Callable[..., str]) -> Callable[..., str]:
    """Open the file first: a grid that has not been run says so, and nothing else is asked of it."""

    def opened(where: Shelf, file: str, *given: str) -> str:
        store = where.store(file)
        return ABSENT if store is None else filler(store, *given)

    return opened


def _whole(labels: str) -> int:
    if not labels.isdecimal():
        raise UserError(f"labels a class are a whole number, not {labels!r}.")
    return int(labels)


def _from(store: Store, backbone: str, plan: str, labels: str, task: str = "") -> Sample:
    every = store.read()
    rows = [r for r in every if r.backbone == backbone and task in ("", r.task)]
    if not rows and task not in {"", *(r.task for r in every)}:
        raise unknown("task", task, {r.task for r in every})
    if not rows:
        raise unknown("backbone", backbone, {r.backbone for r in every})
    found = sample(store, plan, _whole(labels), rows)
    if not found.rows:
        raise _nothing(store, plan, labels)
    return found


def _accuracy(store: Store, *given: str) -> str:
    return f"{_from(store, *given).mean:.2f}"


def _ahead(store: Store, backbone: str, against: str, plan: str, labels: str) -> str:
    found = compare([(_from(store, backbone, plan, labels), _from(store, against, plan, labels))])[0]
    return f"{found.wins} of {found.n}"


def _verdict(store: Store, plan: str, against: str, labels: str) -> Verdict:
    a, b = (sample(store, side, _whole(labels)) for side in (plan, against))
    for side, name in ((a, plan), (b, against)):
        if not side.rows:
            raise _nothing(store, name, labels)
    return compare([(a, b)])[0]


def _gain(store: Store, *given: str) -> str:
    return signed(_verdict(store, *given))


def _wins(store: Store, *given: str) -> str:
    found = _verdict(store, *given)
    return f"{found.wins} of {found.n}"


def _saving(store: Store, plan: str, labels: str) -> str:
    found = saving(store, plan, "scratch", _whole(labels))
    if found is None:
        raise _nothing(store, plan, labels)
    return str(found)


def _seeds(store: Store, plan: str, labels: str) -> str:
    found = sample(store, plan, _whole(labels)).rows
    if not found:
        raise _nothing(store, plan, labels)
    return str(len(found))


def _card(where: Shelf, name: str, entry: str) -> str:
    found = card(name)
    if entry not in found:
        raise unknown(f"entry in the card of {name}", entry, found)
    value = found[entry]
    if isinstance(value, dict):  # accuracy by the split it was measured on: the first is the headline
        value = next(iter(value.values()))
    if isinstance(value, list):  # classes: how many
        value = len(value)
    if entry == "flops":
        digits, power = f"{value:.1e}".split("e")
        return f"{digits} × 10^{int(power)}"
    return (
        f"{value:.2f}"
        if isinstance(value, float) and value < 10
        else f"{value:.0f}"
        if isinstance(value, float)
        else str(value)
    )


def _nothing(store: Store, plan: str, labels: str) -> UserError:
    rows = [r for r in store.read() if r.split == "test"]
    plans, budgets = sorted({r.plan for r in rows}), sorted({r.labels for r in rows})
    return UserError(
        f"{store.path.name} has no finished fit of plan {plan!r} at {labels} labels "
        f"(plans {', '.join(plans)}; labels {', '.join(map(str, budgets))})."
    )


FILLERS: dict[str, tuple[str, Callable[..., str]]] = {
    "claim": ("{{claim ID [PART]}}", _claim),
    "accuracy": ("{{accuracy FILE BACKBONE PLAN LABELS [TASK]}}", _stored(_accuracy)),
    "gain": ("{{gain FILE PLAN AGAINST LABELS}}", _stored(_gain)),
    "wins": ("{{wins FILE PLAN AGAINST LABELS}}", _stored(_wins)),
    "ahead": ("{{ahead FILE BACKBONE AGAINST PLAN LABELS}}", _stored(_ahead)),
    "saving": ("{{saving FILE PLAN LABELS}}", _stored(_saving)),
    "seeds": ("{{seeds FILE PLAN LABELS}}", _stored(_seeds)),
    "ledger": ("{{ledger}}", _ledger),
    "card": ("{{card BACKBONE ENTRY}}", _card),
}
