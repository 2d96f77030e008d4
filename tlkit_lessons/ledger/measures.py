"""A claim and its records become a row: an effect in words and numbers, and a verdict."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tlkit import env
from tlkit.compare.pairs import compare
from tlkit.compare.samples import sample
from tlkit.errors import UserError, unknown
from tlkit.records import Store
from tlkit.stats import FEWEST_SEEDS, Verdict, interval, signed
from tlkit_lessons.ledger import contrasts, effort, in_words
from tlkit_lessons.ledger.budgets import over_budgets
from tlkit_lessons.ledger.claims import Claim, Shelf, criteria, shelf
from tlkit_lessons.ledger.power import detectable
from tlkit_lessons.savings import Saving, label_saving

ABSENT = "no records yet"


@dataclass(frozen=True)
class Row:
    """One line of the ledger. `words`: the outcome at each budget ("better", "equal", ..., or "saved").

    `effect` says all of it; `short` is what fits a sentence: at one budget, or at the two ends.
    """

    claim: Claim
    effect: str
    verdict: str
    words: Mapping[str, str] = field(default_factory=dict)
    interval: str = ""  # the first difference with its interval, where the effect is one
    detects: tuple[float, ...] = ()  # for each difference, the smallest that 8 in 10 such measurements tell
    short: str = ""

    @property
    def id(self) -> str:
        return self.claim.id

    @property
    def number(self) -> int:
        return self.claim.number

    @property
    def text(self) -> str:
        return self.claim.text

    @property
    def power(self) -> str:
        """What 8 in 10 measurements like these would have told from none: "0.03", "0.02 to 0.06" or ""."""
        ends = (min(self.detects), max(self.detects)) if self.detects else ()
        return " to ".join(dict.fromkeys(f"{x:.{2 if x >= 0.0095 else 3}f}" for x in ends))

    @property
    def said(self) -> str:
        """The verdict in words: "confirmed up to 2 labels per class, undecided at 5"."""
        return in_words.verdict_in_words(self.verdict, self.claim.labels)

    @property
    def sentence(self) -> str:
        """The claim, its verdict and its effect as Markdown."""
        if self.verdict == ABSENT:
            return in_words.sentence(self.text, "not tested yet", "")
        return in_words.sentence(self.text, self.said, self.short, self.claim.caveat)

    @property
    def where(self) -> str:
        """The notebooks that show it, such as "11, 16"."""
        return ", ".join(self.claim.where)


def table(where: Shelf | None = None) -> list[Row]:
    """Every claim with its effect and verdict, from the committed records (or another shelf)."""
    where = where or shelf()
    return [row(claim, where) for claim in criteria()]


def row(claim: Claim, where: Shelf | None = None) -> Row:
    """One claim, measured; "no records yet" while its grid is absent or incomplete."""
    where = where or shelf()
    store, base = where.store(claim.records), where.store(claim.against_records or claim.records)
    if store is None or base is None:
        return Row(claim, ABSENT, ABSENT)
    found = MEASURES[claim.kind](claim, store, base) or Row(claim, ABSENT, ABSENT)
    return replace(found, effect=f"{found.effect} (but {claim.caveat})") if claim.caveat else found


def _difference(claim: Claim, store: Store, base: Store) -> Row | None:
    jobs = [(n, against, *contrasts.sides(claim, store, base, n, against))
            for n in claim.labels for against in claim.against]  # fmt: skip
    if not all(a.seeds & b.seeds for *_, a, b in jobs):
        return None
    found = compare([(a, b) for *_, a, b in jobs], claim.delta, claim.differ)
    keyed = {(n, against): v for (n, against, *_), v in zip(jobs, found, strict=True)}
    words = {
        n: _all([keyed[n, against].word for against in claim.against], claim.accept) for n in claim.labels
    }
    verdict = over_budgets(words)
    of = {one: f" {in_words.against(one)}" * (len(claim.against) > 1) for one in claim.against}
    every = {n: [in_words.difference(keyed[n, one]) + of[one] for one in claim.against] for n in claim.labels}
    full = in_words.effects({n: " and ".join(several) for n, several in every.items()})
    first = {n: in_words.difference(keyed[n, claim.against[0]]) for n in claim.labels}
    short = in_words.short(first, verdict, unit=of[claim.against[0]])
    named = {f"{n} against {against}": v.word for (n, against), v in keyed.items()}
    detects = tuple(detectable(v) for v in found)
    return Row(claim, full, verdict, named, signed(found[0]), detects, short)


def _contrast(measure: Callable[..., dict[int, Verdict] | None], unit: str = "") -> Callable[..., Row | None]:
    def row(claim: Claim, store: Store, base: Store) -> Row | None:
        found = measure(claim, store, base)
        if found is None:
            return None
        words = {n: _all([v.word], claim.accept) for n, v in found.items()}
        verdict = over_budgets(words)
        said = {n: in_words.difference(v) for n, v in found.items()}
        if claim.kind == "by labels":
            said = {
                0: f"{said[claim.labels[-1]]} from {in_words.labels(claim.labels[0])} to {claim.labels[-1]}"
            }
        effect, short = in_words.effects(said, unit=unit), in_words.short(said, verdict, unit=unit)
        named = {str(n): v.word for n, v in found.items()}
        detects = tuple(detectable(v) for v in found.values())
        first = signed(next(iter(found.values())))
        return Row(claim, effect, verdict, named, first, detects, short)

    return row


def _saving(claim: Claim, store: Store, base: Store) -> Row | None:
    found = {n: saving(store, claim.plan, claim.against[0], n, base) for n in claim.labels}
    if any(s is None for s in found.values()):
        return None
    few = min(len(sample(side, p, n).rows) for side, p in ((store, claim.plan), (base, claim.against[0]))
              for n in claim.labels) < FEWEST_SEEDS  # fmt: skip
    words = {n: "cannot tell" if few else _side(s.low, s.high) for n, s in found.items()}
    factors = {n: str(s).replace("> ", "more than ") for n, s in found.items()}
    return _factors(claim, words, factors, "the labels")


def _factors(claim: Claim, words: Mapping[int, str], factors: Mapping[int, str], what: str) -> Row:
    verdict, lead = over_budgets(words), f"{claim.against[0]} needs "
    full = in_words.effects(factors, lead, f" {what}")
    short = in_words.short(factors, verdict, lead, f" {what}")
    return Row(claim, full, verdict, {str(n): word for n, word in words.items()}, short=short)


def saving(store: Store, plan: str, against: str, n: int, base: Store | None = None) -> Saving | None:
    """The label-saving factor of `plan` with n labels against `against`; None while records are missing."""
    base = base or store
    budgets = sorted({r.labels for r in store.read() if r.plan == plan and r.split == "test"})
    both = [(sample(base, against, k).rows, sample(store, plan, k).rows) for k in budgets]
    seeds = sorted(set.intersection(*(a.keys() & b.keys() for a, b in both))) if both else []
    if len(budgets) < 2 or n not in budgets or not seeds:
        return None
    curves = [[[rows[seed].value for seed in seeds] for rows in side] for side in zip(*both, strict=True)]
    return label_saving(budgets, *curves, n)


def _cost(claim: Claim, store: Store, base: Store) -> Row | None:
    against = claim.against[0]
    budgets = sorted({r.labels for r in base.read() if r.plan == against and r.split == "test"})
    plans = {n: sample(store, claim.plan, n) for n in claim.labels}
    if not budgets or not all(p.rows for p in plans.values()):
        return None
    found = {n: effort.to_equal_accuracy(base, against, budgets, plan) for n, plan in plans.items()}
    words = {n: r.word for n, r in found.items()}
    factors = {n: f"{r}{' (counted cautiously)' * r.bound}" for n, r in found.items()}
    return _factors(claim, words, factors, "the operations")


def _reached(claim: Claim, store: Store, base: Store) -> effort.Reached | None:
    n = claim.labels[0]
    courses = effort.course(base, claim.against[0], n), effort.course(store, claim.plan, n)
    return None if None in courses else effort.to_threshold(*courses, claim.delta)


def _steps(claim: Claim, store: Store, base: Store) -> Row | None:
    found = _reached(claim, store, base)
    if found is None:
        return None
    word = (found.steps if claim.unit == "steps" else found.flops).word
    effect, short = found.said(claim.plan, claim.against[0], claim.unit, claim.delta)
    return Row(claim, effect, over_budgets({claim.labels[0]: word}), {"threshold": word}, short=short)


def _break_even(claim: Claim, store: Store, base: Store) -> Row | None:
    found = _reached(claim, store, base)
    if found is None:
        return None
    spent = card(claim.backbone[0])["flops"]
    if not np.isfinite(found.saved).all():
        effect = f"in some seeds {claim.plan} never reaches the accuracy of {claim.against[0]}"
        return Row(claim, effect, "cannot tell", {"saved": "cannot tell"}, short=effect)
    mean = interval(found.saved)
    low, high = (mean.mean, mean.mean) if np.ptp(found.saved) == 0 else (mean.low, mean.high)
    word = "cannot tell" if mean.n < FEWEST_SEEDS else _side(low, high, 0)
    if word != "better":
        verdict = "does not hold" if word == "worse" else "cannot tell"
        effect = f"{mean.mean:.1e} [{low:.1e}, {high:.1e}] operations saved per task"
        return Row(claim, effect, verdict, {"saved": word}, short=effect)
    tasks, fewest, most = (math.ceil(spent / x) for x in (mean.mean, high, low))
    effect = f"repaid after {tasks} tasks [{fewest}, {most}] like this one"
    full = effect + ", counted cautiously" * found.flops.bound
    verdict = f"holds when tasks >= {most}, does not when tasks < {fewest}, else cannot tell"
    return Row(claim, full, verdict, {"saved": word}, short=effect)


MEASURES: dict[str, Callable[[Claim, Store, Store], Row | None]] = {
    "difference": _difference,
    "saving": _saving,
    "cost": _cost,
    "steps": _steps,
    "break-even": _break_even,
    "by labels": _contrast(contrasts.by_labels),
    "by task": _contrast(contrasts.by_task),
    "between": _contrast(contrasts.between),
    "gap": _contrast(contrasts.gap, " in the gap"),
    "level": _contrast(contrasts.level, " beyond the level"),
    "spread": _contrast(contrasts.spread_over_rates, " in standard deviation"),
}


def _all(words: list[str], accept: tuple[str, ...]) -> str:
    if all(word in accept for word in words):
        return "better"
    return "cannot tell" if all(word in (*accept, "cannot tell") for word in words) else "worse"


def _side(low: float, high: float, middle: float = 1) -> str:
    return "better" if low > middle else "worse" if high < middle else "cannot tell"


def card(name: str) -> dict:
    """The card of one of our own backbones. Raises UserError for an unknown name."""
    folder = env.data_dir() / "backbones"
    path = folder / f"{name}.json"
    if not path.is_file():
        raise unknown("backbone card", name, (p.stem for p in folder.glob("*.json")))
    found = json.loads(path.read_text("utf-8"))
    if "flops" not in found:
        raise UserError(
            f"the card of {name} counts no flops: make the backbone again with tools/pretrain.py."
        )
    return found
