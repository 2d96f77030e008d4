"""Run the full grids whose records the notebooks use; finished fits are never run again."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Annotated

import typer
from rich.progress import Progress

from tlkit import backbones, study, tasks
from tlkit import recipe as recipes
from tlkit.env import data_dir
from tlkit.errors import UserError
from tlkit.recipe import Recipe
from tlkit.records import Store
from tlkit.study import Grid
from tlkit_lessons import (
    adaptations,
    backtests,
    choosing,
    costs,
    judging,
    ledger,
    nb21_kinds,
    nb33_close,
    nb34_search,
    nb41_phone,
    nb42_xrays,
    shifts,
)
from tools import race_designs

PLANS = ("pixels", "scratch", "frozen", "last-1", "full", "lp-ft")
SEEDS = tuple(range(10))
STEPS = (4, 10, 20, 40, 80, 160)  # even: 50 items make two batches, so whole epochs give exactly these


SOURCES = ("letters", "letters-s1", "letters-s2")
STAGES = ("stem", "block1", "block2", "block3")
DEPTHS = ("frozen", "last-1", "last-2", "last-3", "full", "full@decay=0.5", "gradual", "norm", "bias")
FRESH = tuple(range(10, 20))  # seeds that nobody had looked at when the criteria were written
UNSEEN = tuple(range(20, 30))  # for the thirteen sources the seeds above had been looked at
LATEST = tuple(range(30, 40))  # as above, for one block at a time
NEW = tuple(range(40, 50))  # as above, for staying close and for plans of few parameters
SEARCHED = tuple(range(50, 60))  # as above, for the search over settings
UNTAUGHT = ("random", "random,seed=1", "random,seed=2")
SETTLED = tuple(f"{name},settled=fractals" for name in UNTAUGHT)
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
PATIENT = 5  # times the recipe, in steps and in epochs
LADDER = (*(f"letters-at-{step}" for step in (10, 30, 100, 300, 1000)), "letters")
EVERY_SOURCE = (
    *SOURCES, "letters-nolookalikes", "letters-early", "letters-ssl", "memorised", "greek", "cyrillic",
    "symbols", "textures", "strokes", "fractals",
)  # fmt: skip
BATCHES = tuple(f"adabn@batch={size}" for size in (1, 2, 4, 8, 16, 32))
TUNED = ("source only@plan=full", "mmd", "dann")  # every stage is trained: six seconds each
PHOTOS = {"wildlife": "caltech_wildlife", "steel": "neu_steel"}
PHOTO_NETWORK, PHOTO_LABELS = "efficientnet_lite0,size=96", (1, 2, 5, 10, 20)
TASKS = {"symbols": "glyphs:symbols-a"}  # where a task's name is not the file's
PHOTO_ENDS = ("stem", "conv_head")  # of nine stages; those between took too long
CHANGED_PHOTOS = "photos:noise", "photos:regrouped"  # images, labels
CHANGED = "dial:background:0.25", TASKS["symbols"], "dial:coarse:0"  # images, shapes, labels
FIRST = {  # from the first network, by the recipe as it stands
    "11_lookalikes": ("digits", "letters-nolookalikes", ("pixels", "scratch", "frozen", "full"), (1,), SEEDS),
    "32_fits": ("digits", "letters", ("frozen", "norm", "lora-4", "full"), (5, 20), NEW),
    "14_depth": ("digits", "letters", DEPTHS, (1, 5, 20), FRESH),
    "15_shifted": ("digits-shifted", "letters", ("scratch", "frozen", "full", "lp-ft"), (1, 5, 20), FRESH),
    "16_digits": ("digits", "letters", PLANS, (1, 2, 5, 10, 20, 50), SEEDS),
}


def grids(name: str) -> list[Grid]:
    """The grids whose records are in the file `name`. KeyError for a name that has none."""
    recipe = recipes.default()
    if name in FIRST:
        return [Grid(*FIRST[name], recipe)]
    notebook, _, of = name.partition("_")
    return list((ASKED.get(name) or ASKED[notebook])(of, recipe))


def _photos(name: str, _: Recipe) -> Iterator[Grid]:
    shared = PHOTOS[name], PHOTO_NETWORK
    recipe = recipes.default("photos")
    yield Grid(*shared, ("pixels", "frozen", "last-1"), PHOTO_LABELS, SEEDS, recipe)
    yield Grid(*shared, ("scratch", "full"), PHOTO_LABELS, SEEDS[:5], recipe)  # a minute a fit


def _steps(_: str, recipe: Recipe) -> Iterator[Grid]:
    for steps in STEPS:
        short = replace(recipe, steps=steps, epochs=1)
        yield Grid("digits", "letters", ("scratch", "frozen", "full"), (5,), SEEDS, short)


def _rates(_: str, recipe: Recipe) -> Iterator[Grid]:
    """One rate each, also for the head of `frozen`; `lp-ft` starts from a head fitted by the solver."""
    head = tuple((plan, setting) for plan, setting in recipe.fixed if plan == "frozen")
    for rate in RATES:
        fitted = replace(recipe, rates=(rate,), strengths=(0.1,), baselines=("1-nn",), fixed=head)
        yield Grid("digits", "letters", ("full", "lp-ft"), (5,), FRESH, fitted)
        descended = replace(fitted, solve=False, fixed=())
        yield Grid("digits", "letters", ("frozen", "last-1", "full"), (5,), FRESH, descended)


def _dialled(kind: str, recipe: Recipe) -> Iterator[Grid]:
    """The same plans on tasks less and less similar to the source."""
    for similarity in (0, 0.25, 0.5, 0.75, 1):
        plans = ("pixels", "scratch", "frozen", "full")
        yield Grid(f"dial:{kind}:{similarity}", "letters", plans, (5,), FRESH, recipe)


def _controls(_: str, recipe: Recipe) -> Iterator[Grid]:
    """What freezing costs by itself: random weights on the tasks of 22, and on those of 23."""
    dialled = [f"dial:{kind}:{s}" for kind in ("background", "manner") for s in (0, 0.25, 0.5, 0.75, 1)]
    for task in (*dialled, "digits", "textures", TASKS["symbols"]):
        for source in UNTAUGHT:
            yield Grid(task, source, ("frozen",), (5,), FRESH, recipe)


def _sources(name: str, recipe: Recipe) -> Iterator[Grid]:
    """One task from every source; plans that need no source are run once."""
    task = TASKS.get(name, name)
    yield Grid(task, "letters", ("pixels", "scratch"), (5,), FRESH, recipe)
    for source in EVERY_SOURCE:
        yield Grid(task, source, ("frozen", "full"), (5,), FRESH, recipe)


def _quality(_: str, recipe: Recipe) -> Iterator[Grid]:
    """Checkpoints of one pretraining run."""
    for source in LADDER:
        yield Grid("digits", source, ("frozen", "full"), (5, 20), FRESH, recipe)


def _budgets(name: str, recipe: Recipe) -> Iterator[Grid]:
    """Up to nearly all labels; for scratch also with a schedule five times as long.

    At 100 labels per class two labelled subsets share nearly all items, so fewer seeds are enough.
    """
    longer = replace(recipe, steps=PATIENT * recipe.steps, epochs=PATIENT * recipe.epochs)
    plans, used = (("scratch",), longer) if name == "long" else (("scratch", "frozen", "full"), recipe)
    yield Grid("digits", "letters", plans, (5, 20, 50), FRESH, used)
    yield Grid("digits", "letters", plans, (100,), FRESH[:5], used)
    if name == "budgets":
        yield Grid("digits", "letters", ("scratch",), (10,), FRESH, used)  # for the label saving


def _unlabelled(_: str, recipe: Recipe) -> Iterator[Grid]:
    """Sources with labels, without, of fractals, and untrained; fine-tuned, the last is scratch."""
    for task in ("digits", "textures"):
        yield Grid(task, "letters", ("pixels", "scratch"), (5, 20), UNSEEN, recipe)
        for source in ("letters", "letters-ssl", "fractals"):
            yield Grid(task, source, ("frozen", "full"), (5, 20), UNSEEN, recipe)
        for source in (*UNTAUGHT, *SETTLED):
            yield Grid(task, source, ("frozen",), (5, 20), UNSEEN, recipe)


def _blocks(_: str, recipe: Recipe) -> Iterator[Grid]:
    """One stage at a time where the images, the shapes or the labels differ from the source's."""
    plans = ("frozen", *(f"block:{stage}" for stage in STAGES), "full")
    for task in CHANGED:
        yield Grid(task, "letters", plans, (5, 20), LATEST, recipe)


def _steered(_: str, recipe: Recipe) -> Iterator[Grid]:
    """Every stage, at rates that its gradients set, on the tasks of `_blocks`."""
    for task in CHANGED:
        yield Grid(task, "letters", ("auto-rgn", "auto-snr"), (5, 20), LATEST, recipe)


def _head_alone(_: str, recipe: Recipe) -> Iterator[Grid]:
    """The head trained as those of `_blocks` are, by descent with a rate chosen on the validation set."""
    descended = replace(recipe, solve=False, fixed=())
    for task in CHANGED:
        yield Grid(task, "letters", ("frozen",), (5, 20), LATEST, descended)


def _photo_blocks(_: str, __: Recipe) -> Iterator[Grid]:
    """As `_blocks`, in a network for photographs: the first stage and the last, those of the claims."""
    plans = ("frozen", *(f"block:{stage}" for stage in PHOTO_ENDS))
    for task in CHANGED_PHOTOS:
        yield Grid(task, PHOTO_NETWORK, plans, (5,), LATEST, recipes.default("photos"))


def _photo_head(_: str, __: Recipe) -> Iterator[Grid]:
    """As `_head_alone`, on the photographs."""
    descended = replace(recipes.default("photos"), solve=False, fixed=())
    for task in CHANGED_PHOTOS:
        yield Grid(task, PHOTO_NETWORK, ("frozen",), (5,), LATEST, descended)


def _places(task: str, recipe: Recipe) -> Iterator[Grid]:
    """A probe on the last stage's features, on those of each stage, on all, and on a selection of all."""
    yield Grid(task, "letters", ("pixels",), (5, 20), SEEDS, recipe)
    for source in SOURCES:
        for spec in (source, *(f"{source},until={stage}" for stage in STAGES)):
            yield Grid(task, spec, ("frozen",), (5, 20), SEEDS, recipe)
        yield Grid(task, f"{source},features=all", ("frozen", "select"), (5, 20), SEEDS, recipe)


def _adapt(store: Store, show: Callable[[int, int], None]) -> None:
    """Methods of adapting on every shift; AdaBN once and by batches; networks trained with the target."""
    backbone = backbones.load("letters")
    jobs = [(shift, seed, adaptations.CANDIDATES, True) for seed in FRESH for shift in shifts.SHIFTS]
    jobs += [(shift, seed, (adaptations.ONCE,), False) for seed in FRESH for shift in shifts.SHIFTS]
    jobs += [(shift, seed, BATCHES, False) for seed in FRESH for shift in ("same", "background")]
    jobs += [(shift, seed, TUNED, False) for seed in FRESH[:5] for shift in ("noise", "background")]
    tents = "tent@batch=2", "tent@batch=8"
    jobs += [(shift, seed, tents, False) for seed in FRESH[:5] for shift in ("same", "background")]
    for done, (shift, seed, methods, choose) in enumerate(jobs, 1):
        adaptations.record_adaptations(store, shift, seed, backbone, methods, choose)
        show(done, len(jobs))


def _clusters(store: Store, show: Callable[[int, int], None]) -> None:
    """Clusters of digits, in the features of each network; those of the pixels once."""
    nets = [backbones.load(name) for name in ("letters-ssl", *UNTAUGHT)]
    jobs = [(net, nb21_kinds.CLUSTERINGS[: 1 + (net is nets[0])], seed) for net in nets for seed in FRESH]
    for done, (net, plans, seed) in enumerate(jobs, 1):
        for plan in plans:
            nb21_kinds.record_clusters(store, tasks.load("digits"), net, plan, seed)
        show(done, len(jobs))


def _xrays(store: Store, show: Callable[[int, int], None]) -> None:
    """Every plan on every set of radiographs, seed by seed (those of children are on request)."""
    backbone = backbones.load(nb42_xrays.NETWORK)
    jobs = [(scene, plan, seed) for seed in nb42_xrays.SEEDS for scene, plan in nb42_xrays.JOBS]
    for done, job in enumerate(jobs, 1):
        nb42_xrays.record(store, *job, backbone)
        show(done, len(jobs))


def _rare(store: Store, show: Callable[[int, int], None]) -> None:
    """A rare class, by three losses."""
    backbone = backbones.load(nb42_xrays.NETWORK)
    jobs = [(loss, seed) for seed in nb42_xrays.SEEDS for loss in nb42_xrays.LOSSES]
    for done, job in enumerate(jobs, 1):
        nb42_xrays.record_rare(store, *job, backbone)
        show(done, len(jobs))


def _forecasts(tasks_: dict, store: Store, show: Callable[[int, int], None]) -> None:
    """Forecasts from a few labels, and what more labels gave; a draw of too few groups has none."""
    jobs = [(name, *of[1:], seed) for seed in backtests.SEEDS for name, of in tasks_.items()]
    for done, job in enumerate(jobs, 1):
        with suppress(UserError):
            backtests.record_forecasts(store, *job)
        show(done, len(jobs))


def _judged(
    measure: Callable[[Store, str, int], None], store: Store, show: Callable[[int, int], None]
) -> None:
    jobs = [(name, seed) for name, (*_, seeds, _) in judging.JUDGED.items() for seed in seeds]
    for done, job in enumerate(jobs, 1):
        measure(store, *job)
        show(done, len(jobs))


def _close(name: str, store: Store, show: Callable[[int, int], None]) -> None:
    """Plans and averages on three tests: in domain, shifted, source."""
    for done, seed in enumerate(NEW, 1):
        nb33_close.record_close(store, name, seed)
        show(done, len(NEW))


def _soups(store: Store, show: Callable[[int, int], None]) -> None:
    """Soups of letters on a texture."""
    for done, seed in enumerate(NEW, 1):
        nb33_close.record_soups(store, "texture", seed)
        show(done, len(NEW))


def _timed(store: Store, show: Callable[[int, int], None]) -> None:
    """The steps of every plan, network by network."""
    for done, name in enumerate(costs.NETWORKS, 1):
        costs.record_steps(store, tasks.load("digits"), backbones.load(name))
        show(done, len(costs.NETWORKS))


def _tries(store: Store, show: Callable[[int, int], None]) -> None:
    """A search of every plan at two budgets, and the choices among them."""
    task, net = tasks.load("digits"), backbones.load("letters")
    jobs = [(labels, seed) for labels in (5, 20) for seed in SEARCHED]
    for done, (labels, seed) in enumerate(jobs, 1):
        for plan in nb34_search.PLANS:
            nb34_search.record_search(store, task, net, plan, labels, seed)
        nb34_search.record_choices(store, task, net, labels, seed)
        show(done, len(jobs))


def _raced(name: str, recipe: Recipe) -> Iterator[Grid]:
    """Fits whose settings are raced, on draws of notebook 16."""
    of = name.removeprefix("race_")
    if of == "digits":
        yield Grid("digits", "letters", ("last-1", "full"), (5, 20), SEEDS, replace(recipe, race=True))
        return
    raced, shared = recipes.default("photos-raced"), (PHOTOS[of], PHOTO_NETWORK)
    yield Grid(*shared, ("last-1",), (5, 10, 20), SEEDS, raced)
    yield Grid(*shared, ("full",), (5,) if of == "wildlife" else (5, 20), SEEDS[:5], raced)


def _choosing(store: Store, show: Callable[[int, int], None]) -> None:
    """The chosen settings of committed grids, scored finer on their selection splits."""
    for done, total in choosing.record(store, (*choosing.LOOKED_AT, *choosing.HELD_OUT)):
        show(done, total)
    choosing.judge(store)


def _phone(store: Store, show: Callable[[int, int], None]) -> None:
    """Splits with and without a leak (reef fish is on request), and what is compared with them."""
    backbone = backbones.load(nb41_phone.NETWORK)
    jobs = [(*job, seed) for job in nb41_phone.PHOTOS for seed in nb41_phone.SEEDS]
    for done, job in enumerate(jobs, 1):
        nb41_phone.record(store, *job, backbone)
        show(done, len(jobs))


def _files(store: Store, show: Callable[[int, int], None]) -> None:
    """A network and its 8-bit files (the animals are on request)."""
    backbone = backbones.load(nb41_phone.NETWORK)
    jobs = [(task, seed) for task in nb41_phone.FILES for seed in nb41_phone.SEEDS]
    for done, job in enumerate(jobs, 1):
        nb41_phone.record_files(store, *job, backbone)
        show(done, len(jobs))


ASKED: dict[str, Callable[[str, Recipe], Iterator[Grid]]] = {  # by a file's name, or its notebook's number
    "11_steps": _steps, "13": _places, "15_rates": _rates, "16": _photos, "22_random": _controls,
    "22": _dialled, "23": _sources,
    "24_quality": _quality, "24_budgets": _budgets, "24_long": _budgets, "26": _unlabelled,
    "31_auto": _steered, "31_head": _head_alone, "31": _blocks, "34": _raced,
    "34_plans": lambda *_: judging.grids(),
    "31_photos": _photo_blocks, "31_photos_head": _photo_head,
}  # fmt: skip
ALONE = {  # not a grid of plans
    "34_calibration": partial(_forecasts, backtests.CALIBRATED),
    "34_forecasts": partial(_forecasts, backtests.FORETOLD),
    "34_adviser": partial(_judged, judging.record_advice),
    "34_tuned": partial(_judged, judging.record_tuned),
    "34_regret": lambda store, _: judging.record_regrets(store),
    "41_photos": _phone, "41_files": _files,
    "21_clusters": _clusters, "25_shifts": _adapt, "32_steps": _timed, "33_soup": _soups,
    "34_choosing": _choosing, "34_race_designs": race_designs.record, "34_tries": _tries,
    "42_xrays": _xrays, "42_rare": _rare,
    **{f"33_{name}": partial(_close, name) for name in nb33_close.TRAINED},
}  # fmt: skip


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help="Records to make; all of them by default.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes, one thread each.")] = 2,
) -> None:
    """Make data/records/NAME.jsonl; 21_, 25_ and 42_ always in one process."""
    """Make data/records/NAME.jsonl; those of ALONE always in one process."""
    for name in names or ledger.shelf().names:
        store = Store(data_dir() / "records" / f"{name}.jsonl")
        if name in ALONE:
            with Progress() as bar:
                shown = bar.add_task(name, total=None)
                ALONE[name](store, lambda done, total, t=shown: bar.update(t, completed=done, total=total))
            continue
        parts = grids(name)
        with Progress() as bar:
            for grid in parts:
                shown = bar.add_task(f"{name} {grid.recipe.version}", total=None)
                study.run(
                    grid, store, jobs, lambda done, total, t=shown: bar.update(t, completed=done, total=total)
                )


if __name__ == "__main__":
    typer.run(main)
