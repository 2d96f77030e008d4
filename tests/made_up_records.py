"""Records that look like those of a grid: plausible curves, through the store, always the same."""

from pathlib import Path

import numpy as np

from tlkit.records import Record, Store
from tlkit.stats import Verdict

PLANS = ("pixels", "scratch", "frozen", "last-1", "full", "lp-ft")
BUDGETS = (1, 2, 5, 10, 20, 50)
CURVES = {  # accuracy at the budgets
    "pixels": (0.60, 0.71, 0.83, 0.88, 0.92, 0.95),
    "scratch": (0.38, 0.52, 0.70, 0.85, 0.93, 0.972),
    "frozen": (0.73, 0.82, 0.92, 0.94, 0.955, 0.975),
    "last-1": (0.73, 0.83, 0.93, 0.945, 0.967, 0.982),
    "full": (0.70, 0.80, 0.93, 0.95, 0.969, 0.985),
    "lp-ft": (0.73, 0.83, 0.925, 0.95, 0.969, 0.985),
}
STEPS = (5, 10, 20, 40, 80, 160)
PER_ITEM = {"frozen": (17e6, 0), "last-1": (9e6, 25e6)}  # operations: prefix, suffix; the rest (0, 53e6)


def detail(plan: str, labels: int, steps: int = 60) -> dict:
    """Costs as the engine counts them."""
    tries = 1 if labels < 5 else 4
    prefix, suffix = (0, 0) if plan == "pixels" else PER_ITEM.get(plan, (0, 53e6))
    seen = steps * min(32, 10 * labels) * tries
    counts = {"fit": 10 * labels, "select": 0, "test": 100}
    found = {"setting": "1", "tries": tries, "items": counts, "steps": steps}
    return found | {"flops_prefix": int(prefix * 10 * labels), "flops_suffix": int(suffix * seen)}


def row(plan: str, labels: int, seed: int, value: float | None, **changes) -> Record:
    """The test row of one fit."""
    given = {
        "task": "digits", "data": "d1", "backbone": "letters", "plan": plan, "labels": labels, "seed": seed,
        "weights": "none" if plan in ("pixels", "scratch") else "w1", "recipe": "r1-abc", "split": "test",
        "metric": "accuracy", "value": value, "measured": {"seconds": 0.5, "process_peak_mb": 500.0},
        "detail": detail(plan, labels),
    }  # fmt: skip
    return Record(**(given | changes))


def adapted(levels: dict[tuple[str, str], float]) -> list[Record]:
    """levels: (method, shift) -> accuracy; six seeds each, a little apart, without a label."""
    return [
        row(
            plan,
            0,
            seed,
            level + 0.0002 * (seed - 2.5) * (1 + len(plan) % 4),
            task=shift,
            data=shift,
            weights="w",
        )
        for (plan, shift), level in levels.items()
        for seed in range(6)
    ]


def digits(path: Path, plans=PLANS, budgets=BUDGETS, seeds: int = 10, items: int = 997, **changes) -> Store:
    """A grid like 16_digits; `items` = 0 keeps no predictions."""
    store = Store(path)
    targets = np.arange(max(items, 1)) % 10
    for seed in range(seeds):
        for labels in budgets:
            for plan in plans:
                rng = np.random.default_rng([seed, labels, PLANS.index(plan)])
                rate = CURVES[plan][BUDGETS.index(labels)]
                rate = np.clip(rate + rng.normal(0, 0.15 * (1 - rate)), 0, 1)
                right = rng.random(len(targets)) < rate
                predicted = np.where(right, targets, (targets + 1) % 10)
                kept = (predicted, targets) if items else (None, None)
                store.append([row(plan, labels, seed, right.mean() if items else rate, **changes)], *kept)
    return store


def steps(path: Path, seeds: int = 10, scratch_end: float = 0.72) -> Store:
    """A grid like 11_steps: one recipe version for each number of steps."""
    store = Store(path)
    for seed in range(seeds):
        for k, count in enumerate(STEPS):
            rng = np.random.default_rng([seed, count])
            level = {
                "scratch": np.interp(k, [0, 5], [0.15, scratch_end]),
                "full": 0.7 + 0.045 * k,
                "frozen": 0.92,
            }
            for plan, rate in level.items():
                value = float(np.clip(rate + rng.normal(0, 0.02 if plan != "frozen" else 0.0), 0, 1))
                store.append(
                    [row(plan, 5, seed, value, recipe=f"r1-s{count}", detail=detail(plan, 5, count))]
                )
    return store


def workbook(folder: Path) -> Path:
    """Every file that the claims name, in `folder`."""
    digits(folder / "16_digits.jsonl")
    steps(folder / "11_steps.jsonl")
    digits(
        folder / "11_lookalikes.jsonl", ("frozen", "full"), (1,), items=997,
        backbone="letters-nolookalikes", weights="w2",
    )  # fmt: skip
    return folder


def told(mean: float, half: float = 0.05) -> Verdict:
    """A verdict of ten seeds with that mean, and an interval of that half width."""
    return Verdict("better", mean, mean - half, mean + half, 10, 0.01, 10, 0.02)
