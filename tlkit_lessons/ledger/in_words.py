"""Verdicts and effects as a person would say them. The words of `verdicts.json` stay; these render them."""

import re
from collections.abc import Mapping, Sequence

from tlkit.stats import Verdict, signed

WHOLE = {"holds": "confirmed", "does not hold": "refuted", "cannot tell": "undecided"}
BASELINES = {
    "pixels": "raw pixels",
    "source only": "no adaptation",
    "source only@plan=full": "the same without the penalty",
    "clusters@pixels": "clusters of raw pixels",
    "adabn": "batches of 200",
}
HOLDS = re.compile(r"holds (only )?when (.*?)(?:, does not when (.*?))?(?:, else cannot tell)?")
FAILS = re.compile(r"does not hold when (.*?), else cannot tell")
TASKS = re.compile(r"holds when tasks >= (\d+), does not when tasks < (\d+), else cannot tell")


def headline(verdict: str) -> str:
    """The verdict without its condition: one of five outcomes, or "" where there are no records yet."""
    if verdict in WHOLE:
        return WHOLE[verdict]
    if verdict.startswith("holds"):
        return "confirmed only under a condition"
    return "refuted only under a condition" if verdict.startswith("does not hold") else ""


def verdict_in_words(verdict: str, budgets: Sequence[int]) -> str:
    """Confirmed, refuted or undecided, and at which of the tested `budgets` (labels a class).

    "holds when labels <= 2, does not when labels >= 20, else cannot tell" becomes "confirmed up to 2 labels
    per class, refuted from 20 on, undecided between". A text that is no verdict comes back as it is.
    """
    if verdict in WHOLE:
        return WHOLE[verdict]
    if tasks := TASKS.fullmatch(verdict):
        return f"confirmed from {tasks[1]} tasks on, refuted below {tasks[2]}, undecided between"
    return _said(decided(verdict, budgets), budgets) or verdict


def decided(verdict: str, budgets: Sequence[int]) -> dict[str, list[int]]:
    """The budgets at which a verdict with a condition is confirmed, and those at which it is refuted."""
    if found := HOLDS.fullmatch(verdict):
        only, good, bad = found.groups()
    elif found := FAILS.fullmatch(verdict):
        only, good, bad = None, None, found[1]
    else:
        return {}
    yes = _meant(good, budgets)
    no = [n for n in budgets if n not in yes] if only else _meant(bad, budgets)
    return {"confirmed": yes, "refuted": no}


def _meant(condition: str | None, budgets: Sequence[int]) -> list[int]:
    """The budgets that a condition such as "labels <= 2" or "labels = 1, 5" names."""
    if condition is None:
        return []
    numbers = [int(n) for n in re.findall(r"\d+", condition)]
    if " = " in condition:
        return numbers
    low, high = (numbers * 2)[:2]
    if condition.startswith("labels"):
        low, high = (low, max(budgets)) if ">=" in condition else (min(budgets), high)
    return [n for n in budgets if low <= n <= high]


def _said(outcomes: Mapping[str, list[int]], budgets: Sequence[int]) -> str:
    if not outcomes:
        return ""
    parts = []
    for word, chosen in outcomes.items():
        if chosen:
            parts.append(f"{word} {_where(chosen, budgets, named=not parts)}")
    rest = [n for n in budgets if all(n not in chosen for chosen in outcomes.values())]
    if rest:
        between = all(outcomes.values()) and len(rest) > 1 and _together(rest, budgets)
        parts.append("undecided " + ("between" if between else _where(rest, budgets, named=False)))
    return ", ".join(parts)


def _together(chosen: Sequence[int], budgets: Sequence[int]) -> bool:
    return budgets.index(chosen[-1]) - budgets.index(chosen[0]) + 1 == len(chosen)


def _where(chosen: Sequence[int], budgets: Sequence[int], named: bool) -> str:
    """Some budgets in words: at one, up to one, from one on, from one to another, or a list."""
    first, last = chosen[0], labels(chosen[-1]) if named else str(chosen[-1])
    if len(chosen) == 1:
        return f"at {last}"
    if not _together(chosen, budgets):
        return f"at {', '.join(map(str, chosen[:-1]))} and {last}"
    if first == budgets[0]:
        return f"up to {last}"
    if chosen[-1] == budgets[-1]:
        return f"from {labels(first) if named else first} on"
    return f"from {first} to {last}"


def labels(n: int) -> str:
    """1 label per class, 5 labels per class."""
    return f"{n} label{'s' * (n != 1)} per class"


def at_budgets(found: Mapping[int, str], lead: str = "", unit: str = "") -> str:
    """What was found at each budget, in one row of words; no labels at all go without saying."""
    parts = []
    for n, said in found.items():
        where = (f" at {n}" if parts else f" at {labels(n)}") if n else ""
        parts.append(f"{said}{'' if parts else unit}{where}")
    return lead + ", ".join(parts)


def effects(found: Mapping[int, str], lead: str = "", unit: str = "") -> str:
    """What was found at up to three budgets, of more at the two ends."""
    ends = {n: found[n] for n in (min(found), max(found))}
    return at_budgets(found if len(found) <= 3 else ends, lead, unit)


def short(found: Mapping[int, str], verdict: str, lead: str = "", unit: str = "") -> str:
    """As `effects`, for a sentence: where a condition was decided, at the first budget of each side."""
    sides = decided(verdict, list(found)).values()
    chosen = sorted(side[0] for side in sides if side) or list(found)[:1]
    return at_budgets({n: found[n] for n in chosen}, lead, unit)


def difference(v: Verdict) -> str:
    """A difference with its interval, and whether it is too small to matter."""
    return signed(v) + f" (equal within {v.delta:g})" * (v.word == "equal")


def against(baseline: str) -> str:
    """What a plan is compared with, in words: "against raw pixels"."""
    return f"against {BASELINES.get(baseline, baseline)}"


def sentence(text: str, verdict: str, effect: str, caveat: str = "") -> str:
    """A claim in Markdown: its text in italics, then verdict, condition and effect, then its caveat."""
    if " per class" in verdict:  # said once
        effect = re.sub(r" labels? per class", "", effect)
    said = f"*{text}.* {verdict[0].upper()}{verdict[1:]}"
    return said + (f": {effect}." if effect else ".") + (f" But {caveat}." if caveat else "")
