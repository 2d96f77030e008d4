"""The self-test: coverage of the intervals, error rate of a family of verdicts, and statistical power.

Rows marked PASS or FAIL are the guarantee; `reported` rows show its limits, `comparison` rows other methods.
"""

import json
import os
from collections.abc import Callable, Iterator
from zlib import crc32

import numpy as np

from tlkit.errors import UserError
from tlkit.files import write_whole
from tlkit.stats.intervals import limits
from tlkit.stats.verdicts import holm, words
from tlkit_lessons.savings import label_saving
from tlkit_lessons.selftest import samples

LONG = 20_000  # reps of the committed result
STRICT = 10_000  # from here on, coverage is tested without allowance for simulation error
SIZES = (5, 10, 20)
BAND = (0.93, 0.97)
CHUNK = 250  # samples at a time: 20 seeds x 100 items each fit into the cache

Row = tuple[
    str, str, int, str, tuple[float, float] | None, int, Callable[[np.random.Generator, int], np.ndarray]
]


def selftest(reps: int = LONG, seed: int = 0, progress: Callable[[int, int], None] | None = None) -> dict:
    """Simulate every row with `reps` samples; `progress(done, total)` is called after each row.

    Returns {"reps", "seed", "passed", "rows"}; a row has check, data, n (seeds), value (a rate), error (its
    simulation standard error), low, high (the band, or None) and status. Below 10,000 reps the band is
    widened by three simulation errors. Every row has its own random stream: adding one changes no other.
    Raises UserError for fewer than 200 reps.
    """
    if reps < 200:
        raise UserError(f"{reps} samples per row are too few for a coverage of 95 %: use 2000 or more.")
    rows, results = list(_rows()), []
    for check, data, n, status, band, share, hits in rows:
        rng = np.random.default_rng([seed, crc32(f"{check} {data} {n}".encode())])
        drawn = max(reps // share, 100)
        rate = float(np.mean(hits(rng, drawn)))
        error = float(np.sqrt(max(rate * (1 - rate), 1 / drawn) / drawn))
        row = {"check": check, "data": data, "n": n, "value": round(rate, 5), "error": round(error, 5)}
        if band:
            slack = 0 if reps >= STRICT else 3 * error
            status = "PASS" if band[0] - slack <= rate <= band[1] + slack else "FAIL"
        low, high = band or (None, None)
        results.append(row | {"low": low, "high": high, "status": status})
        if progress:
            progress(len(results), len(rows))
    passed = all(row["status"] != "FAIL" for row in results)
    return {"reps": reps, "seed": seed, "passed": passed, "rows": results}


def selftest_table(result: dict | None = None) -> str:
    """The result (of `selftest()`, run now if not given) as text, one line a row."""
    result = selftest() if result is None else result
    lines = [f"{'check':<24}{'data':<24}{'seeds':>5}{'rate':>8}{'+-':>7}  {'wanted':<12} status"]
    for r in result["rows"]:
        wanted = "" if r["low"] is None else f"{r['low']:.2f} - {r['high']:.2f}"
        rate = f"{r['value']:>8.3f}{r['error']:>7.3f}"
        lines.append(f"{r['check']:<24}{r['data']:<24}{r['n']:>5}{rate}  {wanted:<12} {r['status']}")
    verdict = "passed" if result["passed"] else "FAILED"
    lines.append(f"self-test {verdict}: {result['reps']} samples a row, seed {result['seed']}")
    return "\n".join(lines)


def write_selftest(result: dict, path: str | os.PathLike) -> None:
    """Write the result as JSON, one row a line, atomically."""
    head = {k: v for k, v in result.items() if k != "rows"}
    rows = ",\n".join(f"  {json.dumps(row)}" for row in result["rows"])
    text = f'{json.dumps(head)[:-1]}, "rows": [\n{rows}\n]}}\n'
    write_whole(path, text)


def _rows() -> Iterator[Row]:
    for name, draw in samples.ONE_LEVEL.items():
        band = BAND if name in ("normal", "skewness 1", "skewness 2") else None
        for n in SIZES:
            yield "coverage", name, n, "reported", band, 1, _covers(draw, n)
    for name, sds in samples.TWO_LEVEL.items():
        band = BAND if name != "neither" else None
        for n in SIZES:
            yield "coverage, items", name, n, "reported", band, 1, _covers_items(n, *sds)
    yield "coverage, items", "rare disagreements", 10, "reported", None, 1, _covers_rare(10)
    for n in SIZES:
        yield "family has a false one", "20 plans, normal", n, "", (0, 0.05), 1, _family_errs("normal", n)
    yield (
        "family has a false one",
        "20 plans, skewness 2",
        10,
        "",
        (0, 0.05),
        1,
        _family_errs("skewness 2", 10),
    )
    yield "family has a false one", "differences skewed 1", 10, "reported", None, 1, _family_errs_skewed(10)
    for n in SIZES:
        yield "false 'equal'", "normal, off by delta", n, "", (0, 0.05), 1, _false_equal(n)
    for effect in (0.5, 1.0, 2.0):
        for n in SIZES:
            yield "power", f"normal, {effect:g} sd", n, "reported", None, 1, _finds(effect, n)
    yield from _comparison_rows()


def _comparison_rows() -> Iterator[Row]:
    for name in ("normal", "skewness 1", "skewness 2"):
        for n in SIZES:
            draw = samples.ONE_LEVEL[name]
            yield "coverage, Student", name, n, "comparison", None, 1, _covers(draw, n, "student")
    for n in SIZES:
        yield "coverage, items ignored", "seeds and items", n, "comparison", None, 4, _covers_items_ignored(n)
    for n in (3, *SIZES):
        yield "coverage, scipy's BCa", "normal", n, "comparison", None, 10, _covers_bca(n)
    for n in SIZES:
        yield "coverage, label saving", "factor 4", n, "reported", None, 20, _covers_saving(n)


def _covers(draw: samples.Draw, n: int, method: str = "guarded"):
    def hits(rng, reps):
        low, high, _ = limits(draw(rng, reps, n), method=method)
        return (low <= 0) & (high >= 0)

    return hits


def _covers_items(n: int, seed_sd: float, item_sd: float):
    return _in_chunks(lambda rng, reps: _inside(*samples.two_level(rng, reps, n, seed_sd, item_sd)))


def _covers_rare(n: int):
    return _in_chunks(lambda rng, reps: _inside(*samples.rare(rng, reps, n)))


def _covers_items_ignored(n: int):
    def hits(rng, reps):
        items, truth = samples.two_level(rng, reps, n, *samples.TWO_LEVEL["seeds and items"])
        low, high, _ = limits(items.mean(axis=-1))
        return (low <= truth) & (truth <= high)

    return _in_chunks(hits)


def _inside(items: np.ndarray, truth: float) -> np.ndarray:
    low, high, _ = limits(items.mean(axis=-1), items)
    return (low <= truth) & (truth <= high)


def _in_chunks(hits):
    return lambda rng, reps: np.concatenate([hits(rng, min(CHUNK, reps - k)) for k in range(0, reps, CHUNK)])


def _family_errs(name: str, n: int):
    def hits(rng, reps):
        low, high, p = limits(samples.family(rng, reps, n, samples.ONE_LEVEL[name]))
        # The narrowest delta: no difference counts as "equal".
        found = words(low, high, holm(p), n, 1e-12)
        return np.isin(found, ("better", "worse")).any(axis=-1)

    return hits


def _family_errs_skewed(n: int):
    def hits(rng, reps):
        low, high, p = limits(samples.skewed(rng, reps * 20, n, 1.0).reshape(reps, 20, n))
        return np.isin(words(low, high, holm(p), n, 1e-12), ("better", "worse")).any(axis=-1)

    return hits


def _false_equal(n: int, delta: float = 0.02, sd: float = 0.01):
    def hits(rng, reps):
        return words(*limits(delta + sd * samples.normal(rng, reps, n)), n, delta) == "equal"

    return hits


def _finds(effect: float, n: int):
    def hits(rng, reps):
        return words(*limits(effect + samples.normal(rng, reps, n)), n, 1e-12) == "better"

    return hits


def _covers_bca(n: int):
    def hits(rng, reps):
        from scipy.stats import bootstrap

        x = samples.normal(rng, reps, n)
        found = bootstrap((x,), np.mean, axis=-1, n_resamples=999, batch=50, method="BCa", rng=rng)
        return (found.confidence_interval.low <= 0) & (found.confidence_interval.high >= 0)

    return hits


def _covers_saving(n: int):
    labels = np.array([1, 2, 5, 10, 20, 50])
    truth = np.array([0.40, 0.55, 0.70, 0.82, 0.90, 0.95])
    goal = np.interp(np.log(4), np.log(labels), truth)

    def covered(rng):
        shared = 0.02 * rng.standard_normal(n)
        scratch = truth[:, None] + shared + 0.05 * rng.standard_normal((6, n))
        transfer = goal + shared + 0.03 * rng.standard_normal((6, n))
        found = label_saving(labels, scratch, transfer, 1, draws=1000, seed=int(rng.integers(2**31)))
        return found.low <= 4 <= found.high

    return lambda rng, reps: np.array([covered(rng) for _ in range(reps)])
