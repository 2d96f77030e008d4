"""Which plan to use, in words: means on the test split, chance, and one sentence a budget."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.compare.pairs import BASELINES, Pair, compare
from tlkit.compare.pairs import pairs as paired
from tlkit.compare.samples import sample
from tlkit.records import PLAIN, Record, Scale, Store, scale
from tlkit.stats import FEWEST_SEEDS, Verdict


@dataclass(frozen=True)
class Standing:
    """A plan at one budget: its mean on the test split over `seeds` finished fits."""

    plan: str
    labels: int
    mean: float
    seeds: int


def standings(records: Iterable[Record]) -> list[Standing]:
    """Every plan at every budget, the baselines first, the others as they were run; without what diverged."""
    rows = [r for r in records if r.split == "test" and r.status == "ok"]
    found = []
    for plan in sorted(dict.fromkeys(r.plan for r in rows), key=lambda plan: plan not in BASELINES):
        for labels in sorted({r.labels for r in rows}):
            values = [r.value for r in rows if (r.plan, r.labels) == (plan, labels)]
            if values:
                found.append(Standing(plan, labels, float(np.mean(values)), len(values)))
    return found


def so_far(store: Store, records: Iterable[Record]) -> list[tuple[Standing, str]]:
    """`standings` of a run that may go on, and what the seeds so far say of each against the baselines.

    Such as "is better than pixels"; "" for a baseline, and below 5 seeds on both sides.
    """
    rows = [r for r in records if r.split == "test" and r.status == "ok"]
    words: dict[tuple[str, int], dict[str, Verdict]] = {}
    for p in paired(store, rows):
        if p.verdict.n >= FEWEST_SEEDS:
            words.setdefault((p.plan, p.labels), {})[p.against] = p.verdict
    found = [(s, words.get((s.plan, s.labels))) for s in standings(rows)]
    return [(s, _said(scale(rows), verdicts) if verdicts else "") for s, verdicts in found]


def chance(store: Store, records: Iterable[Record]) -> float | None:
    """What one constant answer gets on the test split, such as its commonest class; None if not known."""
    rows = [r for r in records if r.split == "test" and r.status == "ok"]
    if not rows or (told := scale(rows)).chance is not None or told.metric != PLAIN:
        return told.chance if rows else None
    if not store.predicted(rows[0].fit_key):
        return None
    targets = store.targets(rows[0].task, rows[0].data)
    return float(np.unique(targets, return_counts=True)[1].max() / len(targets))


def means(store: Store, records: Iterable[Record]) -> list[list[str]]:
    """Mean test values as rows of text: budgets across, plans down, chance last.

    (n) behind a mean: of so many seeds, where others have more.
    """
    rows = [r for r in records if r.split == "test" and r.status == "ok"]
    found, how, floor = standings(rows), scale(rows), chance(store, rows)
    budgets, most = sorted({s.labels for s in found}), max(s.seeds for s in found)
    told: dict[str, dict[int, str]] = {}
    for s in found:
        told.setdefault(s.plan, {})[s.labels] = f"{s.mean:.3f}" + f" ({s.seeds})" * (s.seeds < most)
    if floor is not None:
        told[f"(chance level: {constant(how)})"] = dict.fromkeys(budgets, f"{floor:.3f}")
    head = ["plan", *(f"{n} label{'s' * (n != 1)}" for n in budgets)]
    return [head, *([plan, *(by.get(n, "") for n in budgets)] for plan, by in told.items())]


def constant(how: Scale) -> str:
    """What gets `chance`, in words."""
    return "the commonest class" if how.metric == PLAIN else "one constant answer"


def count_items(store: Store, row: Record) -> int | None:
    """How many test items there are; None where nobody counted them."""
    if store.predicted(row.fit_key):
        return len(store.items(row.fit_key))
    return row.detail.get("items", {}).get("test")


def conclude(store: Store, records: Iterable[Record], pairs: Sequence[Pair]) -> list[str]:
    """A sentence a budget: the best plan by mean, what `pairs` says of it, and how it stands to the next.

    pairs: those of `pairs` on these records, of one task, metric, recipe and backbone. The best
    against the next is one comparison a budget; they are a Holm family of their own.
    """
    rows = [r for r in records if r.split == "test" and r.status == "ok"]
    if not rows:
        return []
    how = scale(rows)
    ordered: dict[int, list[Standing]] = {}
    for standing in sorted(standings(rows), key=lambda s: (s.labels, -how.sign * s.mean)):
        ordered.setdefault(standing.labels, []).append(standing)
    first_two = {
        n: (sample(store, one.plan, n, rows), sample(store, two.plan, n, rows))
        for n, (one, two) in ((n, _rivals(found)) for n, found in ordered.items())
        if two
    }
    shared = {n: both for n, both in first_two.items() if both[0].rows.keys() & both[1].rows.keys()}
    against = dict(zip(shared, compare(list(shared.values())), strict=True)) if shared else {}
    words, floor = {(p.plan, p.labels, p.against): p.verdict for p in pairs}, chance(store, rows)
    told = [_sentence(how, found, words, against.get(n)) for n, found in ordered.items()]
    if floor is not None and all(how.sign * (found[0].mean - floor) < 0 for found in ordered.values()):
        told.append(f"No plan reaches the chance level, always giving {constant(how)}: {how.said(floor)}.")
    return told


def _rivals(found: list[Standing]) -> tuple[Standing, Standing | None]:
    """The best plan by mean and the next; baselines are compared in the table."""
    plans = [s for s in found if s.plan not in BASELINES]
    return (plans[0], plans[1]) if len(plans) > 1 else (found[0], None)


def _sentence(
    how: Scale, found: list[Standing], words: dict[tuple[str, int, str], Verdict], next_one: Verdict | None
) -> str:
    best, labels = found[0], found[0].labels
    end = "highest" if how.sign > 0 else "lowest"
    lead = f"With {how.counted(labels)}, {best.plan} has the {end} mean, {how.said(best.mean)}"
    plans = [s for s in found if s.plan not in BASELINES]
    if not plans or len(found) == 1:
        return f"{lead}; there is nothing to compare it with."
    top = plans[0]
    seeds = min(s.seeds for s in found)
    if seeds < FEWEST_SEEDS:
        return f"{lead}; no verdict from {seeds} seed{'s' * (seeds != 1)}, {FEWEST_SEEDS} are needed."
    verdicts = {name: words[key] for name in BASELINES if (key := (top.plan, labels, name)) in words}
    if next_one:
        verdicts[f"{plans[1].plan}, the next plan ({plans[1].mean:.3f})"] = next_one
    if not verdicts:
        return f"{lead}."
    if best is not top:
        lead += f": no plan that transfers reaches it; the best of them, {top.plan} ({top.mean:.3f}),"
        return f"{lead} {_said(how, verdicts)}."
    return f"{lead}: it {_said(how, verdicts)}."


def _said(how: Scale, verdicts: dict[str, Verdict]) -> str:
    """Such as "is better than scratch and pixels; is not shown to differ from full, the next plan"."""
    delta = next(iter(verdicts.values())).delta
    phrases = {
        "better": "is better than {}",
        "equal": f"is equal within {f'{delta:g} {how.unit}'.strip()} to {{}}",
        "worse": "is worse than {}",
        "cannot tell": "is not shown to differ from {}",
    }
    parts = []
    for word, phrase in phrases.items():
        names = [name for name, verdict in verdicts.items() if verdict.word == word]
        if names:
            parts.append(phrase.format((" or " if word == "cannot tell" else " and ").join(names)))
    return "; ".join(parts)
