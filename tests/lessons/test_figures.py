"""Figures: what they say is what they were given, in colour and in grey, without a missing glyph."""

import inspect
import io
import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import made_up_records as made
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tiny
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from tlkit import compare, plots, stats
from tlkit.errors import UserError
from tlkit.plans import Audit
from tlkit.records import scale
from tlkit_lessons import (
    drawing,
    figures,
    nb13_stages,
    nb14_depth,
    nb15_full,
    nb16_comparison,
    nb21_kinds,
    nb21_sources,
    nb22_similarity,
    nb23_scores,
    nb24_quality,
    nb25_adapting,
    nb26_unlabelled,
    nb31_blocks,
    nb32_costs,
    nb34_choosing,
    paired,
    plan_strip,
    savings,
)
from tlkit_lessons.costs import Cost, Passes
from tlkit_lessons.look import INDIGO, TRAINED_TILE, WINE, WRONG
from tlkit_lessons.nb14_depth import Price
from tlkit_lessons.nb21_kinds import PLACES, Setting, Strip

STAGES = ["stem", "block1", "block2", "block3"]
DEPTHS = ("frozen", "last-1", "full")
TRANSFER = ("frozen", "last-1", "full", "lp-ft")
AUDIT = Audit(
    {"stages.block1.1.running_mean": 0.1, "head.1.weight": 0.2},
    ("stages.stem.0.weight", "stages.block1.0.weight", "stages.block1.1.weight", "head.1.bias"),
    ("stages.block1.1.running_mean",),
    "frozen",
)


COSTS = [
    Cost("norm", 1, 100, 1000, Passes(1000, 900, 0), 1910, 1910, 10),
    Cost("full", 100, 100, 1000, Passes(1000, 900, 1000), 2950, 2950, 1000),
]
STEPS = {p: nb32_costs.Timed(p, np.ones(3), np.full(3, k), 5.0) for p, k in (("norm", 0.8), ("full", 1.0))}
KNOWN = np.array([[0.6, 0.8, 0.9, 0.85], [0.62, 0.78, 0.94, 0.83]])  # two networks, four stages


def strip(count: int, same: Sequence[bool] = (True, False, True)) -> tuple:
    images = np.random.default_rng(0).random((count + 1, 1, 8, 8))
    return images[0], images[1:], same


def block(same: Sequence[bool] = (True, False, True), count: int = 3) -> nb13_stages.Block:
    image, found, _ = strip(count)
    each = {"stem": nb13_stages.Strip(found, same, "80%"), "block1": nb13_stages.Strip(found, [True] * count)}
    return image, each


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return made.digits(tmp_path_factory.mktemp("records") / "16_digits.jsonl", items=50)


def seeds(store, plan: str, labels: int) -> np.ndarray:
    return np.array(list(plots.by_labels(store.read(), plan)[labels].values()))


def curves(store, plan: str) -> np.ndarray:
    return np.array([seeds(store, plan, n) for n in made.BUDGETS])


def difference(store) -> np.ndarray:
    return seeds(store, "frozen", 5) - seeds(store, "scratch", 5)


def trained(store) -> list:
    """The records, and beside each test row one of the labelled items, where all answers were right."""
    rows = store.read()
    return rows + [replace(r, split="train", value=1.0, detail={}) for r in rows]


def rates(plan: str = "full", lost: bool = False) -> list:
    """One fit a rate and seed, the best in the middle; where `lost`, seed 1 diverges at the largest rate."""
    rows = []
    for k, rate in enumerate((0.001, 0.01, 0.1)):
        for seed, worse in enumerate((0.0, 0.1)):
            gone = lost and (k, seed) == (2, 1)
            detail = {} if gone else {"setting": f"{rate:g}"}
            value, status = (None, "diverged") if gone else ((0.5, 0.9, 0.4)[k] - worse, "ok")
            rows.append(made.row(plan, 5, seed, value, status=status, recipe=f"r1-{k}", detail=detail))
    return rows


def prices(*plans: str) -> list[Price]:
    return [Price(p, k * 100, 0, k * 2_000_000, k * 3_000_000, 1.0) for k, p in enumerate(plans, start=1)]


SHELF = [f"source {k}" for k in range(8)]
TRUTH = dict(zip(SHELF, (0.9, 0.88, 0.7, 0.86, 0.5, 0.92, 0.8, 0.6), strict=True))
SCORES = {  # one that knows, one that is wrong, one that does not speak of the last source, one that ties
    "kNN": {s: value**2 for s, value in TRUTH.items()},
    "TransRate": {s: -value for s, value in TRUTH.items()},
    "LEEP": {s: float(k % 3) for k, s in enumerate(SHELF[:-1])} | {SHELF[-1]: float("nan")},
    "H-score": dict.fromkeys(SHELF, 9.0),
}
RATES = {"full": dict.fromkeys(STAGES, 0.004), "full@decay=0.5": dict(zip(STAGES, (1, 2, 3, 4), strict=True))}
METHODS = ("source only", "coral", "ot", "adabn", "adabn@batch=1", "adabn@batch=8", "adabn@batch=none")
CHOICES = ("importance-weighted", "entropy", "neighbourhood density", "nuclear norm", "oracle")
SHIFTED = made.adapted(
    {
        (plan, shift): 0.3 + 0.05 * k
        for k, plan in enumerate((*METHODS, *(f"chosen@{name}" for name in CHOICES)))
        for shift in ("same", "noise")
    }
)


def told(mean: float) -> stats.Verdict:
    """A verdict whose mean is known."""
    return stats.verdict([0.5 + mean + 0.02 * d for d in (-1, 0.3, 1, -0.4, 0.1)], [0.5] * 5)


TURNED = {"frozen": [told(0.2), told(0.0), told(-0.2)], "full": [told(0.2), told(0.1), told(0.05)]}
NEAR_AND_FAR = {
    name: {"frozen": {"a": told(lift), "b": told(-0.2)}, "full": {"a": told(lift + 0.1)}}
    for name, lift in (("near", 0.3), ("far", 0.0))
}
BY_SHIFT = {m: [told(0.1), told(-0.1)] for m in ("coral", "ot")}
SEARCHED = nb34_choosing.Course(*np.sort(np.random.default_rng(0).random((3, 4, 8))))
ROW = Strip("a row", strip(3)[1], ["a", "b", "c\nd"])
PAGES = (
    drawing,
    figures,
    nb13_stages,
    nb14_depth,
    nb15_full,
    nb16_comparison,
    nb21_kinds,
    nb21_sources,
    nb22_similarity,
    nb23_scores,
    nb24_quality,
    nb25_adapting,
    nb26_unlabelled,
    nb31_blocks,
    nb32_costs,
    nb34_choosing,
    paired,
    plan_strip,
)
FIGURES = {
    "chain": lambda s: plan_strip.chain(STAGES, "last-2"),
    "paired_dots": lambda s: paired.paired_dots(*(seeds(s, p, 5) for p in made.PLANS[1:3]), made.PLANS[1:3]),
    "bars_with_guess": lambda s: paired.bars_with_guess([0.6, 0.38, 0.73], 0.5),
    "accuracy_by_labels": lambda s: plots.accuracy_by_labels(s.read(), made.PLANS, compare.pairs(s)),
    "gain_by_labels": lambda s: plots.gain_by_labels(compare.pairs(s), TRANSFER, scale(s.read())),
    "interval_from_dots": lambda s: paired.interval_from_dots(difference(s), stats.interval(difference(s))),
    "label_saving": lambda s: nb16_comparison.label_saving(
        made.BUDGETS, curves(s, "scratch"), curves(s, "frozen"), 2
    ),
    "accuracy_by_cost": lambda s: nb16_comparison.accuracy_by_cost(s.read(), ("frozen", "full")),
    "bars_and_pairs": lambda s: nb16_comparison.bars_and_pairs(
        seeds(s, "full", 5), seeds(s, "frozen", 5), ("full", "frozen")
    ),
    "accuracy_against_cost": lambda s: plots.accuracy_against_cost(s.read()),
    "break_even": lambda s: figures.break_even(1e13, 1e10, 4e11),
    "gain_along": lambda s: figures.gain_along((1.0, 0.5, 0.0), TURNED, guess=0.4),
    "gain_by_distance": lambda s: nb22_similarity.gain_by_distance(
        {"paper": ((0.1, 1.5, 2.0), TURNED["frozen"])}
    ),
    "accuracy_along": lambda s: nb22_similarity.accuracy_along((1.0, 0.0), {"full": (0.9, 0.3)}, chance=0.1),
    "harm": lambda s: nb22_similarity.harm(figures.gain_along((1.0, 0.5, 0.0), TURNED)),
    "gain_by_count": lambda s: nb24_quality.gain_by_count(
        {"full": {5: told(0.1), 50: told(0.0)}}, "It fades with labels", guess=30, control=told(-0.2)
    ),
    "gain_by_source": lambda s: figures.gain_by_source({"frozen": {"a": told(-0.2), "b": told(0.3)}}),
    "gain_near_and_far": lambda s: figures.gain_near_and_far(NEAR_AND_FAR, guess=("near", 0.2)),
    "near_and_far": lambda s: nb26_unlabelled.near_and_far(
        NEAR_AND_FAR, {"near": told(0.1), "far": told(0.0)}, 0.2, {"near": -0.1, "far": -0.2}, at=("a", "b")
    ),
    "gain_by_block": lambda s: nb31_blocks.gain_by_block(
        {5: {"block:stem": [told(0.2)], "block:block3": [told(0.1)], "full": [told(0.0)]}},
        {"images change": ("stem",)},
        {"images change": 1},
    ),
    "by_tries_and_seconds": lambda s: nb34_choosing.by_tries_and_seconds(
        dict.fromkeys(("frozen", "full"), SEARCHED), {"frozen": 0.5, "full": 0.6}, guess=2
    ),
    "optimism": lambda s: nb34_choosing.optimism({"full": SEARCHED}),
    "plan_map": lambda s: nb34_choosing.plan_map(
        {"frozen": nb34_choosing.Place(0.9, 0.1), "full": nb34_choosing.Place(0.95, 9.0, 10**6)}, limit=5
    ),
    "parameters_and_operations": lambda s: nb32_costs.parameters_and_operations(COSTS, "lp-ft", 1.5),
    "predicted_and_measured": lambda s: nb32_costs.predicted_and_measured(COSTS, STEPS),
    "storage": lambda s: nb32_costs.storage(1000, COSTS),
    "in_networks": lambda s: nb31_blocks.in_networks(
        {nb31_blocks.PHOTOS: {"block:stem": [told(0.2), told(0.1)], "block:block2": [told(0.0), told(0.1)]}}
    ),
    "gallery": lambda s: drawing.gallery(np.random.default_rng(0).random((40, 16, 16)), "01234567" * 5, 10),
    "moved": lambda s: plan_strip.moved(AUDIT),
    "accuracy_by_rate": lambda s: nb15_full.accuracy_by_rate(rates(lost=True), "full"),
    "over_steps": lambda s: nb15_full.over_steps(
        {"a": {0: 0.9, 5: 0.4}, "b": {5: 0.8}}, guess=0.5, chance=0.1
    ),
    "paths": lambda s: nb15_full.paths(
        {
            name: {"random head": {0: 0, 1: 2 * high}, "fitted head": {0: 0, 1: high}}
            for name, high in (("SGD", 0.1), ("Adam", 0.4))
        }
    ),
    "price_by_depth": lambda s: nb14_depth.price_by_depth(prices("frozen", "last-1", "full")),
    "accuracy_by_depth": lambda s: nb14_depth.accuracy_by_depth(s.read(), DEPTHS, (1, 5, 20), {1: 0, 20: 2}),
    "gain_by_seed": lambda s: nb14_depth.gain_by_seed(
        {n: seeds(s, "full", n) - seeds(s, "frozen", n) for n in (1, 20)}, "full", "frozen"
    ),
    "bars_by_stage": lambda s: figures.bars_by_stage(RATES),
    "train_and_test": lambda s: nb15_full.train_and_test(trained(s), "full"),
    "filters": lambda s: nb13_stages.filters(np.random.default_rng(0).normal(size=(24, 3, 3, 3))),
    "neighbours": lambda s: nb13_stages.neighbours({"digits": block(), "textures": block()}),
    "scores_with_shuffled_labels": lambda s: nb23_scores.scores_with_shuffled_labels(
        {n: SCORES[n] for n in ("kNN", "TransRate")}, dict.fromkeys(("kNN", "TransRate"), SCORES["H-score"])
    ),
    "scores_against_truth": lambda s: nb23_scores.scores_against_truth(
        {n: SCORES[n] for n in ("kNN", "TransRate", "LEEP")}, TRUTH, ["source 4"], {"scratch": 0.7}, 0.6
    ),
    "gains_and_shortlist": lambda s: nb23_scores.gains_and_shortlist(
        {"a": told(0.1), "b": told(-0.3)}, {"a": 0.4, "b": 0.0}, "frozen", ["b"], told(-0.15)
    ),
    "accuracy_by_stage": lambda s: nb13_stages.accuracy_by_stage(STAGES, {"a": KNOWN}, {"chance": 0.5}, 2),
    "side_by_side": lambda s: nb13_stages.side_by_side(
        STAGES, {"a is best": ({"a": KNOWN}, {}, 2), "so it is here": ({"a": KNOWN}, {}, None)}, 0.4, True
    ),
    "answers": lambda s: figures.answers(strip(3)[1], "abc", {"before": "aab", "after": "abc"}),
    "clouds": lambda s: nb25_adapting.clouds(*np.random.default_rng(0).normal(size=(3, 30, 5))),
    "sure_and_right": lambda s: nb25_adapting.sure_and_right([0.5, 0.7, 0.9], [0.4, 0.3, 0.2], 0.1),
    "methods_by_shift": lambda s: nb25_adapting.methods_by_shift(
        SHIFTED, BY_SHIFT, {"same": "unchanged", "noise": "noise"}, {}
    ),
    "lost_to_oracle": lambda s: nb25_adapting.lost_to_oracle(BY_SHIFT, ["same", "noise"]),
    "map_of_settings": lambda s: nb21_kinds.map_of_settings(
        [Setting("k", *place, ROW, Strip("to", ROW.images, "?b?")) for place in PLACES]
    ),
    "show_clusters": lambda s: nb21_kinds.show_clusters(
        np.random.default_rng(0).random((40, 16, 16)), [False] * 36 + [True] * 4, "0123456789"
    ),
    "sources_and_gains": lambda s: nb21_sources.sources_and_gains(
        dict.fromkeys("ab", ROW), {p: {"a": told(-0.2), "b": told(0.3)} for p in ("frozen", "full")},
        told(-0.1), {"a": told(-0.1), "b": told(0.4)}, guess=1
    ),
}  # fmt: skip


def png(drawn: Axes | Figure) -> bytes:
    buffer = io.BytesIO()
    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def text_of(ax: Axes) -> str:
    drawn = [t.get_text() for t in ax.texts + ax.get_xticklabels() + ax.get_yticklabels()]
    found = ax.get_legend()
    drawn += [t.get_text() for t in (*found.get_texts(), found.get_title())] if found else []
    return "\n".join([*drawn, ax.get_title(), ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel()])


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_small_drawn_and_has_its_glyphs(name, store):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a glyph that is missing, a layout that collapses
        data = png(FIGURES[name](store))
    assert len(data) < 100_000
    shades = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
    assert shades.min() < 140 and shades.std() > 5


def test_every_public_figure_is_tried_here():
    drawn = {
        name
        for module in PAGES
        for name, made in vars(module).items()
        if inspect.isfunction(made) and made.__module__ == module.__name__ and not name.startswith("_")
        if made.__annotations__.get("return") in (Axes, Figure)
    }
    assert FIGURES.keys() == drawn | set(plots.__all__) - {"by_labels", "look", "stops_paying"}


UNLABELLED = {"answers", "chain", "moved", "gallery", "filters", "neighbours", "interval_from_dots"}
UNLABELLED |= {"map_of_settings", "show_clusters", "sources_and_gains"}  # pictures with words beside them


@pytest.mark.parametrize("name", sorted(FIGURES.keys() - UNLABELLED))
def test_axes_are_labelled(name, store):
    drawn = FIGURES[name](store)
    ax = drawn.axes[0] if isinstance(drawn, Figure) else drawn
    assert ax.get_ylabel() and (ax.get_xlabel() or ax.get_xticklabels())


def test_a_plan_looks_the_same_everywhere_and_plans_differ_in_grey():
    looks = {plan: plots.look(plan) for plan in (*made.PLANS, "last-2", "block:stem", "auto-rgn")}
    assert len({(v["marker"], str(v["linestyle"])) for v in looks.values()}) == len(looks)
    assert len({v["marker"] for v in looks.values()}) == len(looks)
    assert len({v["color"] for name, v in looks.items() if name in made.PLANS}) == len(made.PLANS)
    assert plots.look("full@decay=0.5")["color"] == looks["full"]["color"]
    assert plots.look("full@decay=0.5")["markerfacecolor"] == "white"


def test_the_first_figure_leaves_a_notebook_interactive(monkeypatch):
    """A notebook's backend starts with the first figure and turns interactive mode on: later ones need it."""
    begin = plt.figure

    def first(*args, **kwargs):
        plt.ion()
        return begin(*args, **kwargs)

    monkeypatch.setattr(plt, "figure", first)
    plt.ioff()
    try:
        plan_strip.chain(["stem"], "frozen")
        assert plt.isinteractive()
    finally:
        plt.ioff()
        plt.close("all")


def test_drawing_into_given_axes_makes_no_new_figure(store):
    _, (upper, lower) = plt.subplots(2)
    assert plots.accuracy_by_labels(store.read(), ["frozen"], ax=upper) is upper
    assert plan_strip.chain(STAGES, "full", lower) is lower
    assert len(plt.get_fignums()) == 1


# --- strips


def fires(ax: Axes) -> list[str]:
    """The names of the boxes with a flame: an outer and an inner one each."""
    flames = [p for p in ax.patches if type(p).__name__ == "PathPatch"]
    where = sorted({round(p.get_path().get_extents().x0 + 0.2) for p in flames})
    assert len(flames) == 2 * len(where)
    return [ax.texts_by_x[x] for x in where]


@pytest.mark.parametrize(
    ("plan", "burning"),
    [
        ("frozen", ["head"]), ("last-2", ["block2", "block3", "head"]), ("block:block1", ["block1", "head"]),
        ("full", [*STAGES, "head"]), ("pixels", ["head"]), ("lp-ft", [*STAGES, "head"]),
    ],
)  # fmt: skip
def test_flames_are_on_what_moves(plan, burning):
    ax = plan_strip.chain(STAGES, plan)
    names = (*STAGES, "head", "pixels")
    ax.texts_by_x = {round(t.get_position()[0]): t.get_text() for t in ax.texts if t.get_text() in names}
    assert fires(ax) == burning
    arms = 0 if plan == "pixels" else 18 * (5 - len(burning))  # a snowflake has six arms with two barbs each
    assert len(ax.lines) == arms


def test_a_stage_that_moves_in_part_has_a_small_snowflake_beside_its_flame():
    ax = plan_strip.chain(STAGES, "norm")
    assert len(ax.lines) == 18 * 4, "every stage, not the head"
    assert "every norm layer" in ax.get_title(loc="left")
    assert "one stage after the other" in plan_strip.chain(STAGES, "gradual").get_title(loc="left")


def test_a_random_start_is_dashed():
    def dashed(plan):
        boxes = [p for p in plan_strip.chain(STAGES, plan).patches if type(p).__name__ == "FancyBboxPatch"]
        return [b.get_linestyle() in ("--", "dashed") for b in boxes]

    assert dashed("scratch") == [True] * 5 and dashed("full") == [False] * 4 + [True]
    assert dashed("lp-ft") == [False] * 5 and dashed("pixels") == [True], "a solved head; no stages at all"


def test_lp_ft_and_pixels_do_not_look_like_other_plans():
    assert (
        "fitted" in text_of(plan_strip.chain(STAGES, "lp-ft"))
        and len(plan_strip.chain(STAGES, "pixels").images) == 1
    )
    assert "stem" not in text_of(plan_strip.chain(STAGES, "pixels")), "there is no network"


def test_an_unknown_plan_or_stage_is_refused():
    for plan in ("fulll", "block:neck", "last-9"):
        with pytest.raises(UserError):
            plan_strip.chain(STAGES, plan)


def test_guilty_tensors_are_lit_crossed_and_named():
    ax = plan_strip.moved(AUDIT)
    tiles = [to_rgb(p.get_facecolor()) for p in ax.patches]
    assert tiles.count(to_rgb(WRONG)) == 1 and tiles.count(to_rgb(TRAINED_TILE)) == 1 and len(tiles) == 6
    assert [line.get_marker() for line in ax.lines].count("x") == 1
    assert "running_mean" in text_of(ax) and "1 of them frozen" in text_of(ax)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["stem", "block1", "head"]
    assert ax.get_xlabel().endswith("pale: unchanged, dot: trained, cross: frozen, but changed")


def test_a_title_says_where_only_statistics_changed():
    names = [f"stages.stem.1.{kind}" for kind in plan_strip.STATISTICS]
    ax = plan_strip.moved(Audit(dict.fromkeys(names, 0.1), ("head.1.weight",), tuple(names), "frozen"))
    assert ax.get_title(loc="left") == "frozen: only batch-norm statistics changed"
    assert "dot" not in ax.get_xlabel()


def test_the_names_of_all_the_guilty_fit_beside_their_tiles():
    kinds = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    names = [f"stages.block{k}.{layer}.{kind}" for k in (1, 2) for layer in (1, 4) for kind in kinds]
    ax = plan_strip.moved(Audit(dict.fromkeys(names, 0.1), ("head.1.weight",), tuple(names), "last-1"))
    png(ax)
    words = [text for text in ax.texts if "num_batches" in text.get_text()]
    edge = ax.figure.bbox.x1
    assert len(words) == 2 and all(text.get_window_extent().x1 < edge for text in words)


# --- seeds


def test_paired_dots_count_the_seeds():
    ax = paired.paired_dots([0.9, 0.8, 0.7], [0.5, 0.8, 0.9], ("full", "scratch"))
    assert "full is higher in 1 of 3 seeds" in text_of(ax) and len(ax.lines) == 3 + 2
    assert "dotted: no gain" in text_of(ax) and "does not start at 0" in ax.get_ylabel()
    with pytest.raises(UserError, match="same seeds"):
        paired.paired_dots([1, 2], [1])


def test_columns_that_are_no_plans_differ_as_well():
    ax = paired.paired_dots([0.9, 0.8], [0.0, 0.1], ("mixed", "by writer"))
    assert len({line.get_marker() for line in ax.lines[-2:]}) == 2
    assert "cut" not in ax.get_ylabel() and "dotted" not in ax.get_xlabel()
    ax = paired.paired_dots([0.9], [0.1], ("all letters", "no plan"), plans=("frozen", ""))
    assert ax.lines[-1].get_color() == plots.look("frozen")["color"] != ax.lines[-2].get_color()


def test_the_guess_is_drawn_on_the_bars():
    ax = paired.bars_with_guess({"pixels": 0.6, "random network": 0.4}, 0.55)
    assert [p.get_height() for p in ax.patches] == [0.6, 0.4] and "your guess: 0.55" in text_of(ax)
    assert len({p.get_hatch() for p in ax.patches}) == 2
    assert paired.bars_with_guess([0.1, 0.2, 0.3]).get_legend() is None
    assert "chance" not in text_of(ax)
    assert "chance: 0.10" in text_of(paired.bars_with_guess([0.1, 0.2, 0.3], chance=0.1))


def test_interval_and_dots_stand_where_they_should():
    diffs = np.array([0.1, 0.1, 0.1001, 0.3, 0.2])
    found = stats.interval(diffs)
    ax = paired.interval_from_dots(diffs, found)
    dots = ax.lines[1].get_xydata()
    assert sorted(dots[:, 0]) == sorted(diffs) and len({tuple(d) for d in dots.round(6)}) == 5
    assert list(ax.lines[2].get_xdata()) == [found.low, found.high]


# --- curves


def test_the_mark_stands_where_transfer_stops_paying(store):
    pairs = compare.pairs(store)
    rows = {
        n: [p.verdict.word for p in pairs if (p.labels, p.against) == (n, "scratch")] for n in made.BUDGETS
    }
    last = max(n for n, words in rows.items() if "better" in words)
    stop = plots.stops_paying(pairs, TRANSFER)
    assert stop == made.BUDGETS[made.BUDGETS.index(last) + 1]
    ax = plots.accuracy_by_labels(store.read(), made.PLANS, pairs)
    said = text_of(ax)
    assert any(list(line.get_xdata()) == [stop, stop] for line in ax.lines), "where it was measured"
    found = {p.plan: p.verdict for p in pairs if (p.labels, p.against) == (stop, "scratch")}
    best = max(found, key=lambda plan: found[plan].mean)
    assert "no plan\nis better than scratch" in said and f"({best}: {found[best].word}" in said
    assert "95 % interval\nover seeds" in said, "what the bands are"
    early = [r for r in store.read() if r.labels <= 2]
    pairs = compare.pairs(store, early)
    assert plots.stops_paying(pairs, TRANSFER) is None
    assert "from here on" not in text_of(plots.accuracy_by_labels(early, made.PLANS, pairs))


def test_a_plan_without_records_is_named(store):
    with pytest.raises(UserError, match="gradual"):
        plots.accuracy_by_labels(store.read(), ["gradual"])


def test_markers_are_filled_only_where_better(store):
    pairs = compare.pairs(store)
    ax = plots.gain_by_labels(pairs, ["full"], scale(store.read()))
    points = [x for x in ax.lines if len(x.get_xdata()) == 1]
    filled = [to_rgb(x.get_markerfacecolor()) != (1, 1, 1) for x in points]
    words = [p.verdict.word == "better" for p in pairs if (p.plan, p.against) == ("full", "scratch")]
    assert filled == words and True in words and False in words


def test_the_arrow_of_label_saving_is_the_factor(store):
    ax = FIGURES["label_saving"](store)
    found = savings.label_saving(made.BUDGETS, curves(store, "scratch"), curves(store, "frozen"), 2)
    assert str(found) in text_of(ax)
    assert ax.lines[2].get_xdata()[0] == pytest.approx(2 * found.factor)


def test_where_scratch_never_gets_there_the_arrow_leaves_the_axes(store):
    low = curves(store, "scratch") * 0.5
    ax = nb16_comparison.label_saving(made.BUDGETS, low, curves(store, "frozen"), 2, ("frozen", "pixels"))
    [arrow] = [note for note in ax.texts if note.arrow_patch is not None]
    assert arrow.xy[0] == ax.get_xlim()[1] > made.BUDGETS[-1] and arrow.arrow_patch.get_linestyle() == "--"
    assert "more than" in text_of(ax) and "scratch" not in text_of(ax)
    assert ax.get_title(loc="left") == "pixels with 50 labels is still below frozen with 2"


def test_bars_overlap_where_they_do_and_pairs_are_joined():
    left, right = nb16_comparison.bars_and_pairs([0.5, 0.7, 0.9], [0.4, 0.6, 0.8], ("full", "frozen")).axes
    assert left.get_title(loc="left") == "The bars overlap"
    assert right.get_title(loc="left") == "full is higher in 3 of 3 seeds"
    apart, _ = nb16_comparison.bars_and_pairs([0.8, 0.82], [0.4, 0.42], ("full", "frozen")).axes
    assert apart.get_title(loc="left") == "The bars do not overlap"


def test_cost_writes_the_labels_where_there_is_room_and_says_who_is_cheapest(store):
    ax = FIGURES["accuracy_by_cost"](store)
    words = [note.get_text() for note in ax.texts]
    assert words.count("50") == 2 and {"frozen", "full"} <= set(words)
    assert "times the operations of frozen" in ax.get_title(loc="left") and ax.get_legend() is None
    assert nb16_comparison._apart({1: 10, 2: 20, 5: 70, 10: 80, 20: 90, 50: 110}) == [1, 2, 5, 50]
    with pytest.raises(UserError, match="'pixels' runs no network"):
        nb16_comparison.accuracy_by_cost(store.read(), ["pixels"])


# --- fits


def test_curves_over_steps_stand_at_their_steps_beside_guess_and_chance():
    ax = FIGURES["over_steps"](None)
    a, b, guess, chance = ax.lines
    assert a.get_xydata().tolist() == [[0, 0.9], [5, 0.4]] and b.get_xydata().tolist() == [[5, 0.8]]
    assert guess.get_ydata()[0] == 0.5 and chance.get_ydata()[0] == 0.1
    assert "your guess: 0.50" in text_of(ax) and "chance" in text_of(ax)
    assert a.get_linestyle() == "-" and b.get_linestyle() == "None", "one value is no line"
    with pytest.raises(UserError, match="5 curves"):
        nb15_full.over_steps({name: {0: 0.5} for name in "abcde"})


def test_curves_are_named_at_their_ends_and_no_name_covers_another():
    ax = nb15_full.over_steps({"a": {0: 0.9, 5: 0.4}, "b": {0: 0.1, 5: 0.41}, "c": {5: 0.9}})
    heights = {note.get_text(): note.xy[1] for note in ax.texts}
    assert heights["a"] == 0.4 and heights["b"] - heights["a"] > 0.05 and heights["c"] == 0.9
    assert ax.get_legend() is None


def test_paths_say_how_much_further_and_on_which_scale():
    sgd, adam = FIGURES["paths"](None).axes
    assert sgd.get_title(loc="left") == "SGD: 2.0 times as far with a random head"
    assert adam.get_title(loc="left").endswith("\n(axis 4 times as high)")


def test_the_gap_is_training_less_test(store):
    ax = nb15_full.train_and_test(trained(store), "full")
    few, many = (1 - seeds(store, "full", n).mean() for n in (1, 50))
    assert ax.get_title(loc="left") == f"full: the gap goes from {few:.2f} to {many:.2f}"
    assert {"training digits", "gap"} <= {note.get_text() for note in ax.texts}
    assert len(ax.lines) == 10 + 2 and list(ax.lines[-2].get_ydata()) == [1.0] * len(made.BUDGETS)
    with pytest.raises(UserError, match="'full' at 1 labels was not scored"):
        nb15_full.train_and_test(store.read(), "full")


def test_rates_are_curves_of_seeds_and_what_diverged_is_crossed_at_chance():
    ax = nb15_full.accuracy_by_rate(rates(), "full")
    lines = [list(line.get_ydata()) for line in ax.lines]
    assert lines[1:] == pytest.approx(
        [pytest.approx(y) for y in ([0.5, 0.9, 0.4], [0.4, 0.8, 0.3], [0.45, 0.85, 0.35])]
    )
    assert f"over rates: {np.std([0.5, 0.9, 0.4]):.2f}" in text_of(ax) and ax.get_xscale() == "log"
    assert "over the upper 2: 0.25" in text_of(ax)
    assert ax.get_title(loc="left") == "full: loses accuracy at low and high rates"
    lost = nb15_full.accuracy_by_rate(rates(lost=True), "full", chance=0.1)
    assert lost.lines[-1].get_xydata().tolist() == [[0.1, 0.1]] and lost.lines[-1].get_marker() == "x"
    assert lost.lines[2].get_ydata()[2] == 0.1


def test_rates_that_cannot_be_told_are_refused():
    two = [replace(r, labels=1) for r in rates()]
    for rows, said in (
        (rates() + two, "2 budgets"),
        (rates("last-1"), "0 budgets"),
        (rates()[:2], "1 learning rates"),
        ([replace(rates(lost=True)[-1], recipe="r1-x")], "r1-x tells"),
    ):
        with pytest.raises(UserError, match=said):
            nb15_full.accuracy_by_rate(rows, "full")


# --- depth


def test_prices_are_shares_of_the_last():
    ax = nb14_depth.price_by_depth(prices("last-1", "full"))
    assert [list(line.get_ydata()) for line in ax.lines] == [[50, 100]] * 3
    assert "% of full" in text_of(ax) and len({line.get_marker() for line in ax.lines}) == 3
    assert "last-1: 50 % of the parameters, 50 % of the operations" in text_of(ax)
    with pytest.raises(UserError, match="1 prices make no curve"):
        nb14_depth.price_by_depth(prices("full"))


def test_depth_is_shown_as_gain_on_the_first_plan_seed_by_seed(store):
    few, many = nb14_depth.accuracy_by_depth(store.read(), DEPTHS, (1, 20), {20: 1}).axes
    lines = [line.get_ydata() for line in many.lines]
    gain = 100 * np.array([seeds(store, plan, 20) - seeds(store, "frozen", 20) for plan in DEPTHS])
    np.testing.assert_allclose(lines[1:11], np.transpose(gain))
    np.testing.assert_allclose(lines[11], np.mean(gain, axis=1))
    assert lines[12] == lines[11].max() and list(many.lines[13].get_xdata()) == [1, 1]
    assert "your guess" in text_of(many) and "your guess" not in text_of(few)
    assert "1 label per class" in text_of(few) and few.get_ylim() == many.get_ylim()
    best = DEPTHS[int(np.mean(gain, axis=1).argmax())]
    assert f"best is {best}" in text_of(many) and "best mean" in text_of(many)


def test_gains_follow_each_seed_and_the_title_counts_those_that_rise():
    ax = nb14_depth.gain_by_seed({1: [0.0, 0.1, 0.2], 20: [0.1, 0.2, 0.1]}, "full", "last-1")
    lines = [list(line.get_ydata()) for line in ax.lines]
    assert lines[1:4] == [[0, 10], [10, 20], [20, 10]] and lines[-1] == pytest.approx([10, 40 / 3])
    assert "over last-1: higher with\n20 labels in 2 of 3 seeds" in text_of(ax)
    assert ax.lines[-1].get_color() == plots.look("full")["color"]
    assert {line.get_marker() for line in ax.lines} == {"None"}, (
        "a filled marker says that an interval excludes zero"
    )
    with pytest.raises(UserError, match="the same seeds"):
        nb14_depth.gain_by_seed({1: [0.1], 20: [0.1, 0.2]}, "full", "last-1")


def test_depths_with_no_seed_in_common_are_refused(store):
    rows = [r for r in store.read() if (r.plan == "full") == (r.seed > 4)]
    with pytest.raises(UserError, match="at 5 labels no seed was run with all of frozen, last-1, full"):
        nb14_depth.accuracy_by_depth(rows, DEPTHS, (5,))


def test_bars_stand_side_by_side_at_their_heights():
    ax = figures.bars_by_stage(RATES)
    bars = [(bar.get_x(), bar.get_height(), bar.get_hatch()) for group in ax.containers for bar in group]
    assert [height for _, height, _ in bars] == [0.004] * 4 + [1, 2, 3, 4]
    assert len({round(x, 3) for x, *_ in bars}) == 8 and len({hatch for *_, hatch in bars}) == 2
    plans = {"full": {"stem": 1}, "digits": {"stem": 2}}
    edges = [to_rgb(group[0].get_edgecolor()) for group in figures.bars_by_stage(plans).containers]
    assert edges == [to_rgb("#009E73"), to_rgb(WINE)], "full is green, and what is no plan is not"
    with pytest.raises(UserError, match="the same stages"):
        figures.bars_by_stage({"a": {"stem": 1}, "b": {"head": 1}})


# --- costs and pictures


def test_cost_is_prefix_and_suffix_of_all_tries(store):
    ax = plots.accuracy_against_cost(r for r in store.read() if r.labels == 5)
    at = {line.get_label(): line.get_xdata()[0] for line in ax.lines}
    assert at["frozen"] == 17e6 * 50 and at["full"] == 53e6 * 60 * 32 * 4
    assert "pixels (no network)" in text_of(ax) and ax.get_xscale() == "log"
    with pytest.raises(UserError, match="counts no operations"):
        plots.accuracy_against_cost([made.row("full", 1, 0, 0.5, detail={})])


def test_break_even_is_marked_or_said_never_to_come():
    assert "repaid with 26 tasks" in text_of(figures.break_even(1e13, 1e10, 4e11))
    assert "never repaid" in text_of(figures.break_even(1e13, 4e11, 4e11))


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8), (3, 8, 8), (8, 8, 3)])
def test_a_gallery_takes_every_usual_shape(shape):
    image = np.random.default_rng(0).random(shape)
    figure = drawing.gallery([image, Image.fromarray(np.zeros((8, 8), np.uint8))], ncols=1)
    assert len(figure.axes) == 2 and figure.axes[0].images[0].get_array().shape[:2] == (8, 8)


def test_every_row_of_a_gallery_is_named_or_none():
    images = np.zeros((5, 8, 8))
    axes = drawing.gallery(images, ncols=2, rows=("a", "b", "c")).axes
    assert [ax.texts[0].get_text() for ax in axes[:5:2]] == ["a", "b", "c"] and not axes[1].texts
    with pytest.raises(UserError, match="2 names for 3 rows"):
        drawing.gallery(images, ncols=2, rows=("a", "b"))


def test_a_gallery_keeps_room_for_titles_only_where_they_stand():
    images = np.zeros((10, 8, 8))
    bare, first, every = (drawing.gallery(images, t, 5) for t in ((), [*"abcde", *[""] * 5], "abcdeabcde"))
    heights = [figure.get_figheight() for figure in (bare, first, every)]
    assert np.allclose(np.diff(heights), heights[1] - heights[0]) and heights[0] < heights[1]
    named = drawing.gallery(images, [*"abcde", *[""] * 5], 5, ["a long name of a row"] * 2)
    assert named.get_figheight() < first.get_figheight(), "images are narrower beside names, and rows lower"


def test_a_gallery_refuses_what_is_no_image():
    for images, titles in (([], []), ([np.zeros((8, 8))], ["a", "b"]), ([np.zeros((5, 8, 8))], [])):
        with pytest.raises(UserError):
            drawing.gallery(images, titles)


def test_zero_is_mid_grey_in_filters():
    shown = nb13_stages.filters(np.array([[[[0.0, 2.0], [-2.0, 1.0]]]])).axes[0].images[0].get_array()
    assert shown.tolist() == [[0.5, 1.0], [0.0, 0.75]]
    responses = np.array([[[[0.0, 4.0]], [[1.0, 2.0]]]])  # one picture, two filters
    figure = nb13_stages.filters(np.ones((2, 1, 3, 3)), responses=responses)
    assert [ax.images[0].get_array().tolist() for ax in figure.axes[2:]] == [[[0, 1]], [[0.5, 1]]]
    named = nb13_stages.filters(np.ones((2, 1, 3, 3)), responses=responses, rows=("filter", "digit"))
    assert [[t.get_text() for t in ax.texts] for ax in named.axes] == [["filter"], [], ["digit"], []]
    with pytest.raises(UserError, match="1 names for 2 rows"):
        nb13_stages.filters(np.ones((2, 1, 3, 3)), responses=responses, rows=("filter",))
    with pytest.raises(UserError, match="do not belong to 3 filters"):
        nb13_stages.filters(np.ones((3, 1, 3, 3)), responses=responses)
    with pytest.raises(UserError, match="first convolution"):
        nb13_stages.filters(np.zeros((4, 24, 3, 3)))


# --- stages


def test_neighbours_of_another_class_are_crossed_and_framed_otherwise():
    ax = nb13_stages.neighbours({"digits": block()}).axes[0]
    assert len(ax.images) == 1 + 2 * 3 and [line.get_marker() for line in ax.lines] == ["X"]
    frames = [to_rgb(box.get_edgecolor()) for box in ax.patches]
    assert frames.count(to_rgb(WRONG)) == 1 and frames.count(to_rgb(INDIGO)) == 5
    assert ax.lines[0].get_xdata()[0] == ax.images[2].get_extent()[1], "the second neighbour has the cross"
    assert [t.get_text() for t in ax.texts if t.get_text()] == ["digits", "stem", "80%", "block1"]
    wide, high = ax.figure.get_size_inches()
    units = [end - start for start, end in (ax.get_xlim(), ax.get_ylim())]
    assert wide / units[0] == pytest.approx(high / units[1]), "tiles are square"


@pytest.mark.parametrize(
    "blocks",
    [{}, {"a": block([True])}, {"a": block(), "b": block((True, False), 2)}],
    ids=["none", "answers", "lengths"],
)
def test_neighbours_that_do_not_fit_are_refused(blocks):
    with pytest.raises(UserError, match="the same number of neighbours"):
        nb13_stages.neighbours(blocks)


def test_a_thin_line_for_each_network_and_a_thick_one_for_their_mean():
    curves, levels = {"by place": KNOWN, "averages": KNOWN[0]}, {"raw pixels": 0.7}
    ax = nb13_stages.accuracy_by_stage(STAGES, curves, levels, guess=2)
    lines = [list(line.get_ydata()) for line in ax.lines]
    assert lines[:2] == KNOWN.tolist() and lines[2] == pytest.approx(KNOWN.mean(0))
    assert lines[3] == lines[4] == KNOWN[0].tolist()
    assert set(lines[5]) == {0.7} and set(ax.lines[6].get_xdata()) == {1}, "after the second stage"
    assert len({ax.lines[i].get_linestyle() for i in (2, 4, 5)}) == 3
    for word in (*STAGES, "by place", "averages", "raw pixels", "your guess", "test accuracy"):
        assert word in text_of(ax)


def test_names_at_the_ends_of_lines_do_not_touch():
    ax = nb13_stages.accuracy_by_stage(STAGES, {"a": KNOWN, "b\nc": KNOWN}, {"chance": KNOWN[0, -1]})
    ax.figure.canvas.draw()
    boxes = sorted((t.get_window_extent() for t in ax.texts), key=lambda box: box.y0)
    assert len(boxes) == 3
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))


def test_the_best_stage_of_each_panel_has_the_ring():
    curves = {"low": KNOWN - 0.1, "high": KNOWN}
    assert nb13_stages.best(curves, STAGES) == ("high", "block2")
    figure = nb13_stages.side_by_side(STAGES, {"all is well": (curves, {}, None)}, 0.4, ring=True)
    x, y = figure.axes[0].lines[-1].get_xydata()[0]
    assert (x, y) == (2, pytest.approx(0.92)) and "best" in text_of(figure.axes[0])
    assert "starts at 0.4" in figure.axes[0].get_ylabel()


def test_accuracies_that_do_not_fit_the_chain_are_refused():
    with pytest.raises(UserError, match="by place: 3 accuracies for the 4 stages"):
        nb13_stages.accuracy_by_stage(STAGES, {"by place": KNOWN[:, 1:]})
    with pytest.raises(UserError, match="5 curves"):
        nb13_stages.accuracy_by_stage(STAGES, dict.fromkeys("abcde", KNOWN))
    with pytest.raises(UserError, match="after 5 stages"):
        nb13_stages.accuracy_by_stage(STAGES, {"by place": KNOWN}, guess=5)


def test_statistics_are_re_estimated_and_weights_are_not():
    task, backbone = tiny.classifier()
    chain = backbone.fresh()
    before = {name: tensor.clone() for name, tensor in chain.state_dict().items()}
    after = nb13_stages.reestimated(chain, backbone.transform(task.train.inputs)).state_dict()
    changed = {name.rpartition(".")[2] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"running_mean", "running_var", "num_batches_tracked"} and not chain.training


def test_what_the_records_say_stage_by_stage():
    rows = [
        replace(made.row("frozen", 5, seed, value + seed / 10), backbone=f"net,until={stage}")
        for stage, value in (("stem", 0.5), ("block1", 0.7))
        for seed in (0, 1)
    ]
    assert nb13_stages.by_stage(rows, "net", ["stem", "block1"], 5) == pytest.approx([0.55, 0.75])
    with pytest.raises(UserError, match="net,until=block1 at 20 labels"):
        nb13_stages.by_stage([replace(row, labels=20) for row in rows[:2]], "net", ["stem", "block1"], 20)


# --- scores of sources


def test_shuffled_labels_are_open_and_the_highest_is_ringed():
    knn, wrong = FIGURES["scores_with_shuffled_labels"](None).axes
    rest, real, ring = knn.lines
    assert list(real.get_xdata()) == list(SCORES["kNN"].values()) and set(rest.get_xdata()) == {9.0}
    assert rest.get_markerfacecolor() == "white" != real.get_markerfacecolor()
    assert ring.get_xydata().tolist() == [[TRUTH["source 5"] ** 2, 5]]
    assert wrong.lines[2].get_xydata().tolist() == [[-TRUTH["source 4"], 4]]
    assert [t.get_text() for t in knn.get_yticklabels()] == SHELF
    with pytest.raises(UserError, match="same sources"):
        nb23_scores.scores_with_shuffled_labels({"LEEP": SCORES["LEEP"]}, {"LEEP": {"a": 1.0}})


def test_a_source_stands_at_its_score_and_its_accuracy_and_the_harmful_are_marked():
    figure = FIGURES["scores_against_truth"](None)
    knn, wrong, leep, empty = figure.axes
    others, bad = (line for line in knn.lines if line.get_linestyle() == "None")
    assert bad.get_xydata().tolist() == [[TRUTH["source 4"] ** 2, TRUTH["source 4"]]]
    assert bad.get_marker() != others.get_marker() and len(others.get_xdata()) == len(SHELF) - 1
    drawn = sum(len(line.get_xdata()) for line in leep.lines if line.get_linestyle() == "None")
    assert drawn == len(SHELF) - 1, "a source of which a score says nothing has no marker"
    assert [t.get_text() for t in wrong.texts] == ["scratch"] and not empty.axison
    assert "your guess" in [t.get_text() for t in knn.texts]
    with pytest.raises(UserError, match="no accuracy of source 7"):
        nb23_scores.scores_against_truth(SCORES, dict.fromkeys(SHELF[:-1], 0.5), [], {})


def test_a_gain_off_zero_is_filled_and_the_control_has_a_row_and_a_line():
    ax = FIGURES["gains_and_shortlist"](None)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["b", nb23_scores.CONTROL, "a"]
    faces = {
        line.get_ydata()[0]: line.get_markerfacecolor() for line in ax.lines if len(line.get_xdata()) == 1
    }
    assert faces[0] == faces[2] == plots.look("frozen")["color"], "shortlisted or not"
    said = text_of(ax)
    assert all(word in said for word in ("never", "40%", "scratch", "frozen random weights"))
    assert ax.get_title(loc="left") == "No harmful source is shortlisted"
    near = nb23_scores.gains_and_shortlist({"a": told(0.1)}, {"a": 1.0}, "full", ["a"])
    assert near.get_title(loc="left").startswith("Shortlisted sources") and len(near.get_yticks()) == 1
    level = nb23_scores.gains_and_shortlist({"a": told(0.0)}, {"a": 1.0}, "frozen")
    assert "white" in [line.get_markerfacecolor() for line in level.lines], "zero lies in the interval"
    with pytest.raises(UserError, match="how often"):
        nb23_scores.gains_and_shortlist({"a": told(0.1)}, {}, "full")


def test_the_table_of_rules_has_the_first_and_the_best_of_three():
    valid, test = {"near": np.array([[0.1, 0.9, 0.2, 1]])}, {"near": np.array([[0.5, 0.6, 0.7, 0.8]])}
    head, _, knn, best = nb23_scores.rules_table(
        {"kNN": [np.array([[3.0, 2, 1, 0]])]}, valid, test, {"best": [0.8]}
    ).splitlines()
    assert head == "| score | near: first | best of 3 |"
    assert (knn, best) == ("| kNN | 0.50 | 0.60 |", "| *best* | 0.80 | |")


def test_recorded_accuracies_are_in_the_order_of_seeds_and_sources(store):
    found = nb23_scores.accuracies({"digits": store.read()}, ["letters"], "frozen", "test")["digits"]
    assert found.shape[1] == 1 and found[:, 0].tolist() == seeds(store, "frozen", 5).tolist()


def test_a_card_is_told_in_a_line():
    card = {
        "steps": 7,
        "classes": ["a", "b"],
        "source_accuracy": 0.75,
        "source_chance": 0.5,
        "pretraining": {},
    }
    assert nb23_scores.card_line("x", card).split()[1:] == [
        "7",
        "steps,",
        "2",
        "classes",
        "source",
        "accuracy",
        "0.75",
        "(chance",
        "0.50)",
    ]
    assert nb23_scores.card_line("x", {"steps": 7, "pretraining": {"contrast": 0.5}}).endswith("no labels")


# ---- a dial of similarity, and source by source


def test_gains_along_a_dial_run_from_near_to_far():
    gains, ax = TURNED, FIGURES["gain_along"](None)
    assert ax.get_xlim()[0] > ax.get_xlim()[1], "near on the left"
    frozen = ax.lines[0].get_xydata()
    assert frozen[0][0] > frozen[-1][0] and frozen[0][1] == pytest.approx(gains["frozen"][0].mean)
    marks = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata()) == 1]
    open_ones = [line.get_markerfacecolor() == "white" for line in marks]
    assert open_ones == [False, True, False], "open: zero lies in the interval"
    part = figures.gain_along((1.0, 0.5, 0.0), gains, shown=1)
    assert part.get_ylim() == ax.get_ylim() and len(part.lines[0].get_xdata()) == 1
    with pytest.raises(UserError, match="full has 1 gains at 3"):
        figures.gain_along((1.0, 0.5, 0.0), gains | {"full": [told(0.1)]})


def test_gains_by_source_are_in_the_order_of_the_first_plan():
    gains = {
        "frozen": {"a": told(-0.2), "b": told(0.3), "c": told(0.1)},
        "full": {"a": told(0.1), "b": told(0.1), "c": told(0.1)},
    }
    ax = figures.gain_by_source(gains)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "c", "b"]
    with pytest.raises(UserError, match="no gains"):
        figures.gain_by_source({})


def test_gains_near_and_far_stand_in_one_order_and_may_be_missing():
    figure = figures.gain_near_and_far(NEAR_AND_FAR, guess=("near", 0.2))
    near, far = figure.axes
    assert [t.get_text() for t in near.get_yticklabels()] == ["b", "a"], "the first on top"
    assert (near.get_title(loc="left"), far.get_title(loc="left")) == ("near", "far")
    assert len(near.collections) == 3, "an interval for each verdict there is, none for full from b"
    said = [t.get_text() for t in figure.legends[0].get_texts()]
    assert said == ["frozen", "full"] and "your guess: +0.2" in text_of(near)
    assert near.get_xlim() == far.get_xlim()
    with pytest.raises(UserError, match="no target"):
        figures.gain_near_and_far(NEAR_AND_FAR, guess=("nowhere", 0.2))
    with pytest.raises(UserError, match="no target"):
        figures.gain_near_and_far({})
