"""Any number as a record: a pipeline of another library, a soup, a score, a replication."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from numbers import Real

from tlkit import env
from tlkit.errors import UserError
from tlkit.records import FitKey, Record, Store
from tlkit.tasks import Evaluation, Metric
from tlkit.tasks.metrics import accuracy


def measure(
    store: Store, key: FitKey, run: Callable[[], Evaluation | float], metric: Metric = accuracy
) -> Record:
    """The test record of what is no fit: the one that the store has, else what `run` gives, written at once.

    key: what the number is of; numbers to be compared share task, data, backbone and recipe. run(): what
    `Task.evaluate` gave, whose predictions and scores are kept beside the record, and its `detail` in it; or
    a number, where there are no test items. A number that is not finite, and a fit inside that diverged, are
    recorded as such and not run again. What else `run` raises goes on, and nothing is written. Raises
    UserError, before anything runs, for a key of other types, and where `run` measured something else than
    `metric`.
    """
    from tlkit.fit import Diverged

    key = FitKey(*key)
    row = Record(*key, "test", metric.name, None, "skipped")
    if known := _there(store, row):
        return known
    began = time.perf_counter()
    try:
        found = run()
    except Diverged as error:
        found = Evaluation({metric.name: math.nan}, None, None, detail={"why": str(error)})
    if isinstance(found, Real):
        found = Evaluation({metric.name: float(found)}, None, None, scale=metric.declared())
    told = next(iter(found.metrics)) if isinstance(found, Evaluation) else type(found).__name__
    if told != metric.name:
        raise UserError(
            f"{key.plan} of {key.task}, seed {key.seed}, gave {told} where {metric.name} is measured: return "
            "a number or an Evaluation, and name its metric."
        )
    detail = found.detail | ({"scale": found.scale} if found.scale else {})
    took = {"seconds": round(time.perf_counter() - began, 3)}
    row = replace(row, value=found.metrics[told], status="ok", measured=took, detail=detail)
    beside = (None if isinstance(kept, list) else kept for kept in (found.predicted, found.targets))
    store.append([row], *beside, found.scores if found.scale else None, env.origin())
    return _there(store, row)


def _there(store: Store, row: Record) -> Record | None:
    return next((known for known in store.read() if known.key == row.key), None)
