"""An equal number of tries for every plan: a random search over its settings, with a ledger of the tries."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from tlkit import env
from tlkit import recipe as recipes
from tlkit.backbones import Backbone
from tlkit.errors import UserError
from tlkit.fit import Diverged, Fit, fit
from tlkit.fit.job import Job
from tlkit.plans import Plan
from tlkit.recipe import Recipe
from tlkit.records import FitKey, Record, Store
from tlkit.study.worker import small
from tlkit.tasks import SELECT_FROM, Task

PLANS = ("frozen", "last-1", "lora-4", "full", "lp-ft")  # of equals the first is chosen
TRIES = 8
RATES, STRENGTHS, STEPS = (1e-4, 1e-1), (1e-3, 10.0), (20, 80)  # ends of each range; drawn on a log scale
CHOSEN = "chosen"  # in the place of a plan's name: the one chosen among PLANS
BY_LOSS = "@by=loss"


class Setting(NamedTuple):
    """What a try may set: the learning rate (of `frozen` the strength C) and the number of steps."""

    value: float
    steps: int


class Try(NamedTuple):
    """A line of the ledger: a setting, what it scored on the validation set, and the CPU seconds it took."""

    setting: Setting
    accuracy: float
    loss: float
    seconds: float


def ask(trial: Any, plan: Plan, usual_steps: int) -> Setting:
    """The setting that an Optuna trial draws for the plan; the head alone takes no steps."""
    if plan.head_only:
        return Setting(_short(trial.suggest_float("strength", *STRENGTHS, log=True)), usual_steps)
    rate = trial.suggest_float("rate", *RATES, log=True)
    return Setting(_short(rate), trial.suggest_int("steps", *STEPS, log=True))


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def fitted_by(recipe: Recipe, setting: Setting) -> Recipe:
    """The recipe with this setting alone."""
    one = {"rates": (setting.value,), "strengths": (setting.value,), "baselines": recipe.baselines[:1]}
    return replace(recipe, **one, steps=setting.steps, epochs=1)


def attempt(task: Task, backbone: Backbone, plan: Plan, labels: int, seed: int, setting: Setting) -> Try:
    """Train on four fifths of the labelled items, score on the rest, the validation set.

    A training that diverges scores accuracy 0 and an infinite loss. Raises UserError where there are too few
    labels for a validation set, and as `fit` does.
    """
    if labels < SELECT_FROM:
        raise UserError(f"{labels} labels per class leave no validation set: give {SELECT_FROM} or more.")
    began, draw = time.process_time(), task.draw(labels, seed)
    job = Job(task, backbone, plan, fitted_by(recipes.suited(backbone), setting), seed, draw)
    try:
        _, predict, _ = job.train(f"{setting.value:g}", draw.fit)
        outputs, targets = torch.cat([*predict(task.train, draw.select)]), task.targets[draw.select]
        loss = float(cross_entropy(outputs.double(), torch.as_tensor(targets)))
        accuracy = float(np.mean(outputs.argmax(1).numpy() == targets))
    except Diverged:
        accuracy, loss = 0.0, math.inf
    return Try(setting, accuracy, loss, time.process_time() - began)


def search(
    task: Task, backbone: Backbone, plan: Plan | str, labels: int, seed: int, tries: int = TRIES
) -> list[Try]:
    """The ledger of so many random tries (Bergstra & Bengio 2012); plans that descend draw the same settings.

    Raises UserError where Optuna is absent, and as `attempt` does.
    """
    try:
        import optuna
    except ImportError as error:
        raise UserError("a search needs optuna: pip install 'tlkit[search]', or `make install`.") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plan, usual, ledger = Plan.parse(str(plan)), recipes.suited(backbone).steps, []

    def objective(trial: Any) -> float:
        ledger.append(attempt(task, backbone, plan, labels, seed, ask(trial, plan, usual)))
        return ledger[-1].accuracy

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed))
    study.optimize(objective, n_trials=tries)
    return ledger


def best(ledger: Sequence[Try], by_loss: bool = False) -> int:
    """The position of the try with the highest accuracy, or the lowest loss; the first of equals."""
    if by_loss:
        return min(range(len(ledger)), key=lambda i: ledger[i].loss)
    return max(range(len(ledger)), key=lambda i: ledger[i].accuracy)


def final(task: Task, backbone: Backbone, plan: Plan, labels: int, seed: int, setting: Setting | None) -> Fit:
    """Train with the setting (None: the committed one) on all labelled items, and read the test set once."""
    recipe = recipes.suited(backbone)
    if setting is None:
        setting = Setting(float(recipe.usual(plan)), recipe.steps)
        return fit(
            task, backbone, plan, labels, seed, replace(fitted_by(recipe, setting), epochs=recipe.epochs)
        )
    return fit(task, backbone, plan, labels, seed, fitted_by(recipe, setting))


def key(task: Task, backbone: Backbone, name: str, labels: int, seed: int) -> FitKey:
    """What identifies a row of these records; name: such as `full@tries=10`."""
    version = f"{recipes.suited(backbone).version}-search"
    return FitKey(task.name, task.digest, backbone.name, backbone.digest, name, labels, seed, version)


def record_search(store: Store, task: Task, backbone: Backbone, name: str, labels: int, seed: int) -> None:
    """Search and record what the store lacks of one plan, budget and seed; the ledger stands in the last row.

    Rows: the committed setting (`full@tries=0`), the first try, the best of TRIES by accuracy, and by loss.
    Every setting that was best at some moment is trained on all labels, so that the curve can be drawn.
    """
    last = f"{name}@tries={TRIES}"
    if key(task, backbone, last, labels, seed) in store.finished():
        return
    plan, fits = Plan.parse(name), {}

    def timed(at: int | None) -> Fit:
        if at not in fits:
            began = time.process_time()
            done = final(task, backbone, plan, labels, seed, None if at is None else ledger[at].setting)
            fits[at] = done, time.process_time() - began
        return fits[at][0]

    ledger = search(task, backbone, plan, labels, seed, TRIES)
    at = {f"{name}@tries=0": None, f"{name}@tries=1": 0, last + BY_LOSS: best(ledger, by_loss=True)}
    for count in range(1, TRIES):
        timed(best(ledger[:count]))
    for row, index in [*at.items(), (last, best(ledger))]:
        done, told = timed(index), {}
        if row == last:
            told = {"ledger": [[*t.setting, t.accuracy, round(t.loss, 4)] for t in ledger]}
            told["finals"] = {k: d.test.metrics["accuracy"] for k, (d, _) in fits.items() if k is not None}
            told["bytes"] = stored_bytes(done)
        seconds = {"seconds": round(fits[index][1], 3)}
        if row == last:
            seconds["tries"] = [round(t.seconds, 3) for t in ledger]
        validation = None if index is None else ledger[index].accuracy
        kept = small(done.test.predicted), small(done.test.targets)
        detail = {"setting": done.setting, **told}
        _write(store, key(task, backbone, row, labels, seed), validation, done.test.metrics["accuracy"],
               seconds, detail, kept)  # fmt: skip


def _write(
    store: Store,
    of: FitKey,
    validation: float | None,
    test: float,
    measured: dict[str, Any],
    detail: dict[str, Any],
    kept: tuple[Any, Any],
) -> None:
    rows = [Record(*of, "test", "accuracy", test, measured=measured, detail=detail)]
    if validation is not None:
        rows.append(Record(*of, "select", "accuracy", validation))
    store.append(rows, *kept, None, env.origin())


def stored_bytes(done: Fit) -> int:
    """What must be kept of a fit besides the pretrained network: its trained tensors, and changed buffers."""
    buffers = dict(done.model.named_buffers())
    extra = sum(buffers[name].nbytes for name in done.audit.moved if name in buffers)
    return 4 * done.detail["trained_parameters"] + extra


def record_choices(store: Store, task: Task, backbone: Backbone, labels: int, seed: int) -> None:
    """Record which of PLANS is chosen after one try each, and after TRIES by accuracy and by loss.

    Of equals the first plan. What was measured of the chosen fit is copied; nothing is trained. Raises
    UserError where a plan has not been searched.
    """
    rows = {
        (r.plan, r.split): r for r in store.read() if (r.task, r.labels, r.seed) == (task.name, labels, seed)
    }
    try:
        ledgers = {plan: ledger_of(rows[f"{plan}@tries={TRIES}", "test"]) for plan in PLANS}
    except KeyError as error:
        raise UserError(f"{error} was not searched at {labels} labels, seed {seed}: do so first.") from error
    for end, count, by_loss in (("@tries=1", 1, False), (f"@tries={TRIES}", TRIES, False),
                                (f"@tries={TRIES}{BY_LOSS}", TRIES, True)):  # fmt: skip
        heads = {p: one[best(one[:count], by_loss)] for p, one in ledgers.items()}
        ranks = {p: -h.loss if by_loss else h.accuracy for p, h in heads.items()}
        winner = max(PLANS, key=ranks.__getitem__)
        of, copied = key(task, backbone, CHOSEN + end, labels, seed), rows[winner + end, "test"]
        if of not in store.finished():
            kept = store.items(copied.fit_key), store.targets(task.name, task.digest)
            seconds = {"seconds": round(sum(t.seconds for one in ledgers.values() for t in one[:count]), 3)}
            _write(store, of, heads[winner].accuracy, copied.value, seconds, {"chosen": winner}, kept)


def ledger_of(row: Record) -> list[Try]:
    """The ledger that a row of TRIES tries holds. Raises KeyError for another row."""
    lines = zip(row.detail["ledger"], row.measured["tries"], strict=True)
    return [
        Try(Setting(value, steps), accuracy, math.inf if loss is None else loss, seconds)
        for (value, steps, accuracy, loss), seconds in lines
    ]
