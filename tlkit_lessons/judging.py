"""What is lost by following the adviser? Regret: accuracy of the plan that is best in hindsight less its own.

The best plan is chosen on half of the seeds and scored on the other half, since a mean for which a plan was
chosen flatters it (winner's curse).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import torch

from tlkit import advise, backbones, study
from tlkit.backbones import Backbone
from tlkit.features import Batches, Cut, activations, with_head
from tlkit.fit import descend
from tlkit.plans import FROZEN, Plan
from tlkit.recipe import suited
from tlkit.records import FitKey, Store
from tlkit.tasks import Evaluation, Task
from tlkit.tasks.metrics import Metric
from tlkit_lessons import ledger
from tlkit_lessons.backtests import LETTERS, LITE0, MINILM, SEEDS, folds_of, task_of

# task -> (family, backbone, labels a class, seeds with fits, plans the adviser may choose from)
RACED, WORD_PLANS = ("last-1", "full"), ("last-1",)
LATEST = tuple(range(30, 40))
JUDGED = {
    "digits": ("digits", LETTERS, 20, tuple(range(10)), RACED),
    "glyphs:symbols-a": ("glyphs", LETTERS, 20, LATEST, RACED),
    "glyphs:greek-a": ("glyphs", LETTERS, 20, SEEDS, RACED),
    "textures": ("textures", LETTERS, 20, tuple(range(20, 30)), RACED),
    "dial:background:0.25": ("dials", LETTERS, 20, LATEST, RACED),
    "dial:coarse:0": ("dials", LETTERS, 20, LATEST, RACED),
    "dial:manner:0.5": ("dials", LETTERS, 20, SEEDS, RACED),
    "dial:noise:0.5": ("dials", LETTERS, 20, SEEDS, RACED),
    "neu_steel": ("photos", LITE0, 10, tuple(range(10)), RACED),
    "caltech_wildlife": ("photos", LITE0, 10, tuple(range(10)), RACED),
    "trec": ("words", MINILM, 10, SEEDS, WORD_PLANS),
    "banking77": ("words", MINILM, 5, SEEDS, WORD_PLANS),
}
REAL = ("neu_steel", "caltech_wildlife", "trec", "banking77")
FILES = (
    "34_plans",
    "34_tuned",
    "16_digits",
    "31_blocks",
    "26_sources",
    "16_steel",
    "16_wildlife",
)  # with their fits
TUNE = "fine-tune"  # fastai's
FIXED = ("frozen", "last-1", "full", "lp-ft", TUNE)
ADVISER, EQUALLY, ELSEWHERE = "adviser", "everything equally", "best elsewhere"
SAME = {"block:block3": "last-1"}  # of a network of four stages
SECONDS = 20  # of one advice, of the processor: other work on the machine does not count
REGRET = Metric("regret", lambda kept, _: float(np.mean(kept)), "lower", 0.01)
Regrets = Mapping[str, Mapping[str, float]]  # policy -> task -> regret


def grids() -> Iterator[study.Grid]:
    """The fits that other files lack."""
    known = {"digits": (), "neu_steel": (), "caltech_wildlife": (), "textures": ("last-1", "lp-ft")}
    known |= dict.fromkeys(("glyphs:symbols-a", "dial:background:0.25", "dial:coarse:0"), ("lp-ft",))
    for name, (_, backbone, labels, seeds, plans) in JUDGED.items():
        if plans := known.get(name, ("frozen", *plans)):
            yield study.Grid(
                task_of(name), backbone, plans, (labels,), seeds, suited(backbones.load(backbone))
            )


def record_tuned(store: Store, name: str, seed: int) -> None:
    """fastai's `fine_tune`: an epoch of the head, then all stages at half the rate, down to a hundredth.

    Not of words, where it takes a minute and more.
    """
    _, backbone, labels, *_ = JUDGED[name]
    if backbone == MINILM:
        return
    task, network = task_of(name), backbones.load(backbone)
    key = FitKey(name, task.digest, backbone, network.digest, TUNE, labels, seed, suited(network).version)
    study.measure(store, key, partial(_tuned, task, network, labels, seed))


def _tuned(task: Task, network: Backbone, labels: int, seed: int, rate: float = 2e-3) -> Evaluation:
    rows, how = task.draw(labels, seed).all, suited(network)
    chain, wanted = with_head(network, task, seed=seed), np.asarray(task.targets)[rows]
    plan = Plan.parse(f"full@decay={0.01 ** (1 / len(network.stages)):.4f}")
    for phase, lr, short in ((FROZEN, rate, {"steps": 1, "epochs": 1}), (plan, rate / 2, {})):
        seen = Batches.of(activations(Cut.of(network, phase), task.train, rows))
        inputs = chain, phase, seen, torch.as_tensor(wanted), task.objective.loss, lr
        descend(*inputs, replace(how, **short), seed, device=network.device)
    raw = lambda items: Cut(network, 0).run(items.inputs[i] for i in range(len(items)))  # noqa: E731
    with torch.inference_mode():
        answer = lambda items: task.objective.decode(torch.cat([chain(b) for b in raw(items).split(32)]))  # noqa: E731
        return task.evaluate(answer, f"{network.name} {TUNE}, seed {seed}")


def record_advice(store: Store, name: str, seed: int) -> None:
    """The plan advised from a labelled subset, and the accuracy expected of it; see `detail`."""
    _, backbone, labels, _, plans = JUDGED[name]
    task, network = task_of(name), backbones.load(backbone)
    key = FitKey(name, task.digest, backbone, network.digest, ADVISER, labels, seed, suited(network).version)
    study.measure(store, key, partial(_advised, task, network, labels, seed, plans, folds_of(store)))


def _advised(
    task: Task, network: Backbone, labels: int, seed: int, plans: Sequence[str], folds: Store
) -> Evaluation:
    end = time.process_time() + SECONDS
    race = advise.Race(
        task, [network], folds, lambda: end - time.process_time(), task.draw(labels, seed).all, plans
    )
    list(race.run())
    known = advise.advice(race)
    detail = {"plan": known.plan, "expected": known.expected, "untried": sorted(known.untried)}
    return Evaluation({"accuracy": known.expected[0]}, None, None, detail=detail)


def measured(name: str) -> dict[str, dict[int, float]]:
    """Plan -> seed -> test accuracy on a task, from the committed fits; what was advised under `ADVISER`.

    `EQUALLY` is the plan that is best on the validation set when every plan gets as many tries.
    """
    _, backbone, labels, seeds, _ = JUDGED[name]
    stores = [ledger.shelf().store(file) for file in (*FILES, "34_adviser")]
    like = name, backbone, labels, "ok"
    rows = [r for store in filter(None, stores) for r in store.read()]
    rows = [r for r in rows if (r.task, r.backbone, r.labels, r.status) == like and r.seed in seeds]
    found: dict[str, dict[int, float]] = {}
    select: dict[int, dict[str, float]] = {}
    for row in rows:
        plan = SAME.get(row.plan, row.plan)
        if plan in FIXED and row.split == "test":
            found.setdefault(plan, {})[row.seed] = row.value
        if plan in FIXED and row.split == "select":
            select.setdefault(row.seed, {})[plan] = row.value
    order = [plan for plan in FIXED if plan in found]
    chosen = {
        EQUALLY: {s: max((p for p in order if p in of), key=of.__getitem__) for s, of in select.items()}
    }
    chosen[ADVISER] = {r.seed: r.detail["plan"] for r in rows if r.plan == ADVISER}
    for policy, plans in chosen.items():
        values = {s: found[p].get(s, float(np.mean([*found[p].values()]))) for s, p in plans.items()}
        found |= {policy: values} if values else {}
    return found


def regrets(names: Sequence[str] = tuple(JUDGED)) -> Regrets:
    """Policy -> task -> regret, over the two ways to halve the seeds; `ELSEWHERE` is the fixed plan that
    regrets least on the other families of tasks."""
    found: dict[str, dict[str, float]] = {}
    for name in names:
        for policy, value in _regrets(measured(name), JUDGED[name][3]).items():
            found.setdefault(policy, {})[name] = value
    everywhere = [plan for plan in FIXED if set(found.get(plan, ())) == set(names)]
    found[ELSEWHERE] = {}
    for name in names:
        others = [other for other in names if JUDGED[other][0] != JUDGED[name][0]]
        if others:
            best = min(everywhere, key=lambda plan: np.mean([found[plan][other] for other in others]))
            found[ELSEWHERE][name] = found[best][name]
    return found


def _regrets(found: Mapping[str, Mapping[int, float]], seeds: Sequence[int]) -> dict[str, float]:
    def mean(policy: str, half: Sequence[int]) -> float:
        values = [found[policy][s] for s in half if s in found[policy]]
        return float(np.mean(values)) if values else float("nan")

    total: dict[str, list[float]] = {}
    for chosen, scored in ((seeds[::2], seeds[1::2]), (seeds[1::2], seeds[::2])):
        best = max((plan for plan in FIXED if plan in found), key=lambda plan: mean(plan, chosen))
        for policy in found:
            total.setdefault(policy, []).append(mean(best, scored) - mean(policy, scored))
    return {policy: float(np.mean(values)) for policy, values in total.items()}


def record_regrets(store: Store) -> None:
    """A record for each policy and task, numbered, and again those of the adviser on real data."""
    for policy, of in regrets().items():
        for number, name in enumerate(JUDGED):
            sets = ["tasks"] * (name in of) + ["real tasks"] * (name in of and name in REAL)
            for which in sets:
                key = FitKey(which, "34_plans", "each its own", "each its own", policy, 0, number, "adviser")
                study.measure(store, key, lambda value=of[name]: value, REGRET)


def table(names: Sequence[str] = tuple(JUDGED)) -> pd.DataFrame:
    """Mean regret of every policy by family of tasks and over all tasks, the adviser first."""
    found = regrets(names)
    families = {name: JUDGED[name][0] for name in names}
    found = {policy: of for policy, of in found.items() if of}
    rows = {policy: pd.Series(of).groupby(families).mean() for policy, of in found.items()}
    frame = pd.DataFrame(rows).T.reindex(columns=list(dict.fromkeys(families.values())))
    frame["all tasks"] = [float(np.mean([*found[policy].values()])) for policy in frame.index]
    frame["tasks"] = [len(found[policy]) for policy in frame.index]
    first = [policy for policy in (ADVISER, ELSEWHERE, EQUALLY, *FIXED) if found.get(policy)]
    return frame.loc[first]
