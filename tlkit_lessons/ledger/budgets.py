"""One verdict from the words at several budgets of labels."""

from collections.abc import Mapping


def over_budgets(words: Mapping[int, str]) -> str:
    """The verdict over budgets. At each, "better" counts for the claim, "cannot tell" for neither side."""
    good = [n for n, word in words.items() if word == "better"]
    bad = [n for n, word in words.items() if word not in ("better", "cannot tell")]
    if len(good) == len(words):
        return "holds"
    if len(bad) == len(words):
        return "does not hold"
    if not good and not bad:
        return "cannot tell"
    if len(good) + len(bad) == len(words):
        return f"holds only when {_among(sorted(words), sorted(good))}"
    found = []
    if good:
        found.append(f"holds when {_among(sorted(words), sorted(good))}")
    if bad:
        found.append(f"{'does not' if good else 'does not hold'} when {_among(sorted(words), sorted(bad))}")
    return ", ".join([*found, "else cannot tell"])


def _among(budgets: list[int], chosen: list[int]) -> str:
    """Some of the budgets as a condition: one, up to one, from one on, between two, or a list."""
    first, last = budgets.index(chosen[0]), budgets.index(chosen[-1])
    if last - first + 1 != len(chosen) or first == last:
        return f"labels = {', '.join(map(str, chosen))}"
    if first == 0:
        return f"labels <= {chosen[-1]}"
    return f"labels >= {chosen[0]}" if last == len(budgets) - 1 else f"{chosen[0]} <= labels <= {chosen[-1]}"
