"""Methods of adapting on each shift and seed, as records: plan = method, task = shift."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from tlkit import recipe as recipes
from tlkit import study
from tlkit.backbones import Backbone
from tlkit.errors import UserError
from tlkit.records import FitKey, Store
from tlkit.tasks import Evaluation
from tlkit_lessons import shifts
from tlkit_lessons.adapt import Adapted, adapt, select

CANDIDATES = ("source only", "coral", "linear ot", "ot", "mmd-tars", "pseudo-labels", "adabn", "tent")
CHOSEN = "chosen@"  # before the name of a criterion: the method it chooses
ONCE = "adabn@batch=none"  # statistics of all training inputs; no candidate: the choices are older
_WORDS = {"none": None}


def asked(text: str, shift: str, seed: int, backbone: Backbone) -> Adapted:
    """Run a method as it is written in records: `adabn`, `adabn@batch=8`, `source only@plan=full`.

    The word `none` stands for None: `adabn@batch=none` estimates statistics on all training inputs, once.

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


def record_adaptations(
    store: Store,
    shift: str,
    seed: int,
    backbone: Backbone,
    methods: Iterable[str] = CANDIDATES,
    choose: bool = False,
) -> int:
    """Run and record what the store lacks of one shift and seed; returns the number of new records.

    choose: also record what each criterion chooses among the methods. It needs all of them, so all are run
    unless nothing is missing.
    """
    begun, found = len(store.read()), {}

    def run(text: str) -> Evaluation:
        found[text] = asked(text, shift, seed, backbone)
        return replace(found[text].evaluation, detail=found[text].detail)

    methods = list(methods)
    for text in methods:
        study.measure(store, _key(text, shift, seed, backbone), partial(run, text))
    if choose and _key(f"{CHOSEN}oracle", shift, seed, backbone) not in store.finished():
        for text in methods:
            if text not in found:
                run(text)
        names = {id(adapted): text for text, adapted in found.items()}
        for criterion, best in select([found[text] for text in methods]).items():  # the oracle comes last
            kept = replace(best.evaluation, detail=best.detail | {"chosen": names[id(best)]})
            study.measure(store, _key(CHOSEN + criterion, shift, seed, backbone), lambda kept=kept: kept)
    return len(store.read()) - begun


def _key(plan: str, shift: str, seed: int, backbone: Backbone) -> FitKey:
    version = recipes.suited(backbone).version
    return FitKey(shift, shifts.digest(shift), backbone.name, backbone.digest, plan, 0, seed, version)
