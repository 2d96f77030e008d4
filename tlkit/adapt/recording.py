"""Methods on shifts, seed by seed, as records: the plan of a record is the method, its task the shift."""

import time
from collections.abc import Iterable

from tlkit import env
from tlkit import recipe as recipes
from tlkit.adapt import Adapted, adapt, select, shifts
from tlkit.backbones import Backbone
from tlkit.errors import UserError
from tlkit.records import Record, Store

CANDIDATES = ("source only", "coral", "linear ot", "ot", "mmd-tars", "pseudo-labels", "adabn", "tent")
CHOSEN = "chosen@"  # before the name of a criterion: the candidate it chooses
ONCE = "adabn@batch=none"  # measured once, on the training inputs; no candidate, since the choices are older
_WORDS = {"none": None}


def asked(text: str, shift: str, seed: int, backbone: Backbone) -> Adapted:
    """Run a method as it is written in records: `adabn`, `adabn@batch=8`, `source only@plan=full`.

    The word `none` stands for None: `adabn@batch=none`, no batch at a time but all training inputs, once.

    Raises UserError as `adapt` does, and for a setting that is not written `name=value`.
    """
    method, *changes = text.split("@")
    settings = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise UserError(f"{text!r}: write a setting as name=value, as in adabn@batch=8.")
        settings[name] = int(value) if value.isdecimal() else _WORDS.get(value, value)
    return adapt(*shifts.shifted(shift, seed), backbone, method, seed, **settings)


def keep(
    store: Store,
    shift: str,
    seed: int,
    backbone: Backbone,
    methods: Iterable[str] = CANDIDATES,
    choose: bool = False,
) -> int:
    """Run what the store lacks of one shift and seed, and write it down; how many records are new.

    choose: also what each criterion chooses among the methods. It needs all of them, so then all are run
    unless nothing is lacking.
    """
    done, found, new = store.finished(), {}, 0
    lacking = [text for text in methods if _key(text, shift, seed, backbone) not in done]
    chosen = choose and _key(f"{CHOSEN}oracle", shift, seed, backbone) not in done
    for text in methods if chosen else lacking:
        began = time.perf_counter()
        found[text] = asked(text, shift, seed, backbone)
        new += _write(store, text, shift, seed, backbone, found[text], time.perf_counter() - began)
    if chosen:
        names = {id(adapted): text for text, adapted in found.items()}
        for criterion, best in select([*found.values()]).items():  # the oracle comes last
            more = {"chosen": names[id(best)]}
            new += _write(store, CHOSEN + criterion, shift, seed, backbone, best, 0.0, more)
    return new


def _key(plan: str, shift: str, seed: int, backbone: Backbone) -> tuple:
    version = recipes.suited(backbone.name).version
    return shift, shifts.digest(shift), backbone.name, backbone.digest, plan, 0, seed, version


def _write(
    store: Store,
    plan: str,
    shift: str,
    seed: int,
    backbone: Backbone,
    adapted: Adapted,
    seconds: float,
    more: dict | None = None,
) -> int:
    result = adapted.evaluation
    row = Record(
        *_key(plan, shift, seed, backbone), "test", "accuracy", adapted.accuracy,
        measured={"seconds": round(seconds, 3)}, detail={**adapted.detail, **(more or {})},
    )  # fmt: skip
    return store.append([row], result.predicted, result.targets, env.origin())
