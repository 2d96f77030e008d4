"""Staying close to the source: networks between a probe and LP-FT, on three tests, and soups."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from tlkit import backbones, study, tasks
from tlkit import recipe as recipes
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain
from tlkit.features import Cut
from tlkit.fit import Fit, fit
from tlkit.fit.job import Job
from tlkit.plans import Plan
from tlkit.plots.style import GREY, INK, canvas
from tlkit.records import FitKey, Store, values
from tlkit.tasks import Evaluation, Task, array_items, classification
from tlkit_lessons import ledger, look, material
from tlkit_lessons.averaging import evaluate, greedy_soup, soup, wise

LABELS = 20  # a class, a fifth of them to choose by
PLACES = ("in domain", "shifted", "source")
TRAINED = {  # what is trained on, and the test of another distribution
    "texture": ("dial:background:0.25", "dial:background:1"),  # letters on a texture; on plain black
    "digits": ("digits", "digits-shifted"),
}
PLANS = {"texture": ("frozen", "full", "lp-ft", "l2sp"), "digits": ("frozen", "lp-ft")}
BETWEEN = ("wise-0.25", "wise-0.5", "wise-0.75")
CHOSEN = "wise-chosen"
TRIED = tuple(k / 10 for k in range(11))  # values of alpha that are tried on the selection images
DEFAULT = 0.5  # what the authors of WiSE-FT advise where nothing chooses; nearest to it of equals
ORDERS = range(4)  # orders of the batches in a soup, for each learning rate
SOUPS = ("best single", "soup", "uniform soup")


@cache
def letters_task() -> Task:
    """New drawings of the 52 letters, as a test of what a network still knows of its source."""
    sides = [material.glyphs("letters", count, seed) for count, seed in ((1, 2), (12, 1))]
    pairs = [(array_items(torch.as_tensor(g.images), "letter"), np.asarray(g.labels)) for g in sides]
    return Task("letters", classification(52), *pairs[0], *pairs[1], tuple(sides[0].classes))


def tests(name: str) -> dict[str, Task]:
    """Place -> the task whose test set it is, for one of TRAINED."""
    return dict(zip(PLACES, [*map(tasks.load, TRAINED[name]), letters_task()], strict=True))


def tested(model: Chain, name: str, place: str, backbone: Backbone, who: str = "by hand") -> Evaluation:
    """One test of a model in one of PLACES; "source": its stages under the source's own head."""
    if place == "source":
        model = Chain(dict(model.stages.items()), backbone.source_head())
    return evaluate(model, tests(name)[place], backbone, who)


def accuracies(model: Chain, name: str, backbone: Backbone) -> dict[str, float]:
    """Place -> accuracy."""
    return {place: tested(model, name, place, backbone).metrics["accuracy"] for place in PLACES}


@torch.no_grad()
def distance(model: Chain, backbone: Backbone) -> float:
    """From the source, over the length of the source's weights, all stages together."""
    now, start = (
        nn.utils.parameters_to_vector(m.stages.parameters()) for m in (model, backbone.pretrained())
    )
    return float((now - start).norm() / start.norm())


def on_rows(model: Chain, task: Task, backbone: Backbone, rows: Sequence[int]) -> float:
    """Accuracy on some of the training items."""
    with torch.inference_mode():
        output = model.eval()(Cut(backbone, 0).run(task.train.inputs[int(i)] for i in rows))
    return task.objective.first(task.objective.decode(output), np.asarray(task.targets)[rows])


def chosen_alpha(task: Task, backbone: Backbone, ends: Sequence[Fit], labels: int, seed: int) -> float:
    """Of TRIED the best on the selection images, which both ends are trained without; of equals see DEFAULT.

    ends: the fits of `frozen` and `lp-ft`, whose settings are taken.
    """
    draw, recipe = task.draw(labels, seed), recipes.suited(backbone)
    jobs = [Job(task, backbone, Plan.parse(name), recipe, seed, draw) for name in ("frozen", "lp-ft")]
    models = [job.train(end.setting, draw.fit)[0] for job, end in zip(jobs, ends, strict=True)]
    scores = {a: on_rows(wise(*models, a), task, backbone, draw.select) for a in TRIED}
    return max(TRIED, key=lambda a: (scores[a], -abs(a - DEFAULT)))


def record_close(store: Store, name: str, seed: int) -> None:
    """Every plan and average of one seed on the three tests, unless the store has them."""
    backbone, (task, *_) = backbones.load("letters"), tests(name).values()
    asked = [(plan, place) for plan in (*PLANS[name], *BETWEEN, CHOSEN) for place in PLACES]
    if all(_key(*one, name, seed, backbone) in store.finished() for one in asked):
        return
    fits = {plan: fit(task, backbone, plan, LABELS, seed, test=False) for plan in PLANS[name]}
    ends = fits["frozen"], fits["lp-ft"]
    alphas = {plan: float(plan.partition("-")[2]) for plan in BETWEEN}
    alphas[CHOSEN] = chosen_alpha(task, backbone, ends, LABELS, seed)
    models = {plan: done.model for plan, done in fits.items()}
    models |= {plan: wise(*(end.model for end in ends), a) for plan, a in alphas.items()}
    for plan, place in asked:
        told = {"alpha": alphas[plan]} if plan in alphas else {"setting": fits[plan].setting}
        told["distance"] = distance(models[plan], backbone)
        _measure(store, plan, place, name, seed, backbone, models[plan], told)


def record_soups(store: Store, name: str, seed: int) -> None:
    """Soups of LP-FT over all rates of the recipe and ORDERS, and the best single one, on two tests."""
    backbone, (task, *_) = backbones.load("letters"), tests(name).values()
    asked = [(plan, place) for plan in SOUPS for place in PLACES]
    if all(_key(*one, name, seed, backbone) in store.finished() for one in asked):
        return
    models, scores = grid(task, backbone, LABELS, seed)
    score = partial(on_rows, task=task, backbone=backbone, rows=task.draw(LABELS, seed).select)
    greedy, kept = greedy_soup(models, score)
    made = {"best single": models[int(np.argmax(scores))], "soup": greedy, "uniform soup": soup(models)}
    for plan, place in asked:
        told = {"kept": kept, "alone": scores}
        _measure(store, plan, place, name, seed, backbone, made[plan], told)


def grid(
    task: Task, backbone: Backbone, labels: int, seed: int, rates: Sequence[str] = ()
) -> tuple[list[Chain], list[float]]:
    """(models, accuracy on the selection images): LP-FT at each rate and order, all from one fitted head.

    rates: by default those of the recipe.
    """
    draw, recipe = task.draw(labels, seed), recipes.suited(backbone)
    plan = Plan.parse("lp-ft")

    def trained() -> Iterator[Chain]:
        for rate in rates or recipe.grid(plan):
            for order in ORDERS:
                yield Job(task, backbone, plan, recipe, order, draw).train(rate, draw.fit)[0]

    models = list(trained())
    return models, [on_rows(model, task, backbone, draw.select) for model in models]


def _measure(
    store: Store, plan: str, place: str, name: str, seed: int, backbone: Backbone, model: Chain, told: Mapping
) -> None:
    who = f"{backbone.name} {plan}, {LABELS} labels, seed {seed}"
    run = lambda: replace(tested(model, name, place, backbone, who), detail=dict(told))  # noqa: E731
    study.measure(store, _key(plan, place, name, seed, backbone), run)


def _key(plan: str, place: str, name: str, seed: int, backbone: Backbone) -> FitKey:
    there = tests(name)
    data, version = f"{there[PLACES[0]].digest}-{there[place].digest}", recipes.suited(backbone).version
    return FitKey(f"{name}: {place}", data, backbone.name, backbone.digest, plan, LABELS, seed, version)


def from_records(store: Store, name: str) -> dict[str, dict[float, list[float]]]:
    """Place -> alpha -> accuracies seed by seed, from `frozen` (0) to `lp-ft` (1)."""
    plans = {0.0: "frozen", **{float(p.partition("-")[2]): p for p in BETWEEN}, 1.0: "lp-ft"}
    places = {place: f"{name}: {place}" for place in PLACES}
    return {
        place: {
            a: [*values(store.read(), plan=p, labels=LABELS, task=task).values()] for a, p in plans.items()
        }
        for place, task in places.items()
    }


def chosen(store: Store) -> list[float]:
    """The alphas that were chosen, seed by seed."""
    rows = [r for r in store.read() if r.plan == CHOSEN and r.task.endswith(PLACES[0])]
    return [row.detail["alpha"] for row in sorted(rows, key=lambda row: row.seed)]


def summary(
    store: Store, name: str, plans: Sequence[str] = ("frozen", CHOSEN, "lp-ft", "l2sp", "full")
) -> str:
    """A table of means: a line a plan, a column a place, and how far the stages are from the source."""
    found = ledger.levels(store, [f"{name}: {place}" for place in PLACES], plans, LABELS)
    far = {p: [r.detail.get("distance") for r in store.read() if r.plan == p] for p in plans}
    lines = [f"{'':14}" + "".join(f"{place:>11}" for place in PLACES) + "   distance" * any(far[plans[-1]])]
    for plan, means in found.items():
        end = f"{np.mean(far[plan]):11.2f}" if any(far[plans[-1]]) else ""
        lines.append(f"{plan:14}" + "".join(f"{mean:11.3f}" for mean in means) + end)
    return "\n".join(lines)


def turned(pretrained: torch.Tensor, tuned: Mapping[str, torch.Tensor], inputs: torch.Tensor) -> Figure:
    """A feature as an arrow in the plane of inputs, before and after: a panel for each way to begin.

    pretrained: (2,); tuned: name of the start -> (2,); inputs: (n, 2), the labelled ones, as dots.
    """
    figure, axes = plt.subplots(1, len(tuned), figsize=(8, 3.2), layout="constrained", sharey=True)
    angle = lambda v: float(torch.rad2deg(torch.atan2(v[1], v[0])))  # noqa: E731
    for ax, (name, after) in zip(np.atleast_1d(axes), tuned.items(), strict=True):
        canvas(ax).plot(*inputs.T, "o", color=GREY, markersize=4)
        for vector, colour, width, said in (
            (pretrained, look.SLATE, 5, "before"),
            (after, look.WINE, 2, "after"),
        ):
            arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": width, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", vector.tolist(), (0, 0), arrowprops=arrow)
            side = (4, 6) if said == "before" else (4, -12)
            ax.annotate(said, vector.tolist(), side, textcoords="offset points", color=colour, fontsize=10)
        turn = abs(angle(after) - angle(pretrained))
        ax.set_title(f"{name}: the feature turns by {turn:.0f}°", loc="left")
        ax.set(
            xlim=(-1.15, 2.2),
            ylim=(-0.35, 1.15),
            aspect="equal",
            xlabel="first input (dots: labelled inputs)",
        )
    np.atleast_1d(axes)[0].set_ylabel("second input")
    return figure


def along(
    curves: Mapping[str, Mapping[float, Sequence[float]]],
    title: str = "",
    picks: Sequence[float] = (),
    at: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Accuracy over alpha, a curve a place: the mean thick, a thin line a seed.

    curves: place -> alpha -> accuracies, one or more seeds. picks: alphas chosen, one a seed: at the foot
    how often. at: an alpha with a line through it, whose means are the title where none is given.
    """
    ax = canvas(ax, 6.2, 3.8)
    for k, curve in enumerate(curves.values()):
        alphas, seeds = list(curve), np.array(list(curve.values()))
        style = look.series(k)
        if seeds.shape[1] > 1:
            ax.plot(alphas, seeds, color=style["color"], linewidth=0.6, alpha=0.3)
        ax.plot(alphas, seeds.mean(1), **style, linewidth=2, markersize=6)
    if at is not None:
        ax.axvline(at, color=INK, linewidth=1)
        said = ", ".join(f"{place} {np.mean(curve[at]):.2f}" for place, curve in curves.items())
        title = title or f"alpha {at:g}: {said}"
    words = {"xycoords": ("data", "axes fraction"), "fontsize": 9, "color": INK}
    if picks:
        ax.annotate("seeds that chose this alpha:", (0, 0.08), **words)
    for pick in sorted(set(picks)):
        ax.annotate(f"{list(picks).count(pick)}", (pick, 0.02), ha="center", **words)
    ax.set(xlim=(-0.04, 1.04), ylim=(0, 1.02), xlabel="alpha: 0 is the probe, 1 is LP-FT", ylabel="accuracy")
    _named(ax, curves)
    ax.set_title(title, loc="left", fontsize=11)
    return ax


def _named(ax: Axes, curves: Mapping[str, Mapping[float, Sequence[float]]]) -> None:
    """The name of each curve at its right end, pushed up where two would overlap."""
    below = -np.inf
    for place, y in sorted(((p, np.mean(c[max(c)])) for p, c in curves.items()), key=lambda pair: pair[1]):
        below = max(y, below + 0.07)
        ax.annotate(place, (1.0, below), (8, 0), textcoords="offset points", va="center",
                    fontsize=9, color=INK, annotation_clip=False)  # fmt: skip


def peak(curve: Mapping[float, Sequence[float]]) -> float:
    """The alpha with the best mean."""
    return max(curve, key=lambda a: np.mean(curve[a]))
