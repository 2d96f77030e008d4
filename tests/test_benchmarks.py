"""The benchmarks: their arithmetic, their order, and that all contestants learn the same from the same."""

import importlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import (
    apart,
    child,
    networks,
    p3_grid,
    p4_rule,
    page,
    pictures,
    results,
    rounds,
    rule_race,
    spread,
)
from benchmarks.apart import Contestant
from benchmarks.grid_ours import counts, passes, trainings
from benchmarks.part import Design, Part, Target, parts
from benchmarks.phases import Watch
from benchmarks.results import Results
from tlkit import backbones, tasks
from tlkit.recipe import Recipe, default
from tlkit_lessons import downloads

A, B = Contestant("a", "m:f"), Contestant("b", "m:f", threads=None)
SMALL = {"epochs": 1, "batch": 4, "rate": 1e-2}


def empty(**more) -> Results:
    return Results("p", {"n": 1}, results.machine(), "code", **more)


def ran(who: str, number: int, seconds: float, **more) -> dict:
    return {"who": who, "round": number, "wall": seconds, "load": 0.5, "seconds": {"total": seconds, **more}}


# the order of runs


class Runner:
    """Stands for `apart.run`: notes who ran; every run takes as many seconds as said."""

    def __init__(self, seconds: dict[str, float]):
        self.seconds, self.order = seconds, []

    def __call__(self, contestant: Contestant, profile: bool = False) -> dict:
        self.order.append(contestant.name)
        took = self.seconds[contestant.who]
        return {
            "wall": took,
            "load": 0.5,
            "seconds": {"total": took},
            "peak_mb": 1.0,
            "profile": ["row"],
            "said": 7,
        }


def design(rounds: int, minutes: float = 1e9, facts=()) -> Design:
    return Design({}, [A, B], rounds, minutes, list(facts))


def test_contestants_take_turns():
    runner, found, kept = Runner({"a": 1, "b": 1}), empty(), []
    rounds.measure(design(2), found, lambda: kept.append(len(found.runs)), runner)
    assert runner.order == ["a, one thread", "b, default threads"] * 2
    assert kept == [1, 2, 3, 4], "each is kept the moment it ends"


def test_a_stopped_part_goes_on_where_it_was():
    found = empty(runs=[ran(A.name, 0, 1), ran(B.name, 0, 1), ran(A.name, 1, 1)])
    rounds.measure(design(2), found, lambda: None, runner := Runner({"a": 1, "b": 1}))
    assert runner.order == [B.name]


def test_who_does_not_fit_into_the_minutes_runs_once():
    rounds.measure(design(3, minutes=1), found := empty(), lambda: None, runner := Runner({"a": 5, "b": 45}))
    assert runner.order == [A.name, B.name, A.name, A.name]
    assert spread.values(found, A.name).n == 3


def test_facts_are_asked_once_and_hold_no_clock():
    found, runner = empty(), Runner({"a": 1, "b": 1, "law": 1})
    for _ in range(2):
        rounds.measure(design(1, facts=[Contestant("law", "m:f")]), found, lambda: None, runner)
    assert runner.order.count("law, one thread") == 1
    assert found.facts == {"law": {"profile": ["row"], "said": 7}}


def test_what_falls_short_is_profiled_once():
    missed, met = Target("x", 1.0, 2.0, True, A.name), Target("y", 1.0, 2.0, False, B.name)
    part = Part("p", "", lambda work, quick: design(1), lambda r: "", lambda r: [missed, met])
    found, runner = empty(), Runner({"a": 1, "b": 1})
    for _ in range(2):
        rounds.profile(part, design(1), found, lambda: None, runner)
    assert runner.order == [A.name] and found.profiles == {A.name: ["row"]}


# arithmetic


def test_a_ratio_is_of_medians_and_its_spread_of_rounds_that_both_ran():
    theirs = [ran("b", number, seconds) for number, seconds in enumerate((20, 30, 40))]
    mine = [ran("a", 0, 10), ran("a", 2, 8)]
    found = spread.ratio(empty(runs=[*theirs, *mine]), "b", "a")
    assert (found.median, found.low, found.high, found.n) == (30 / 9, 2.0, 5.0, 2)
    assert spread.ratio(empty(runs=mine), "b", "a") is None


def test_validation_is_found_wherever_it_stands():
    run = ran("a", 0, 10, **{"fit/validate": 2.0, "fit/validate/prefix": 1.5, "open": 1.0})
    assert spread.training(run) == 8.0 and spread.phase("prefix")(run) == 1.5


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12345.6, "12346"), (123.4, "123"), (1.234, "1.23"), (0.01234, "0.0123"), (2e-5, "0.000020")],
)
def test_numbers_are_written_without_exponents(value, text):
    assert spread.number(value) == text


def test_a_single_run_has_no_spread():
    assert spread.shown(spread.Spread.of([1.0])) == "1.00"
    assert spread.shown(spread.Spread.of([1.0, 3.0])) == "2.00 (1.00 to 3.00)"
    assert spread.shown(spread.Spread.of([])) == "–"


def test_phases_inside_phases():
    class Box:
        def work(self) -> int:
            return 3

    watch, box = Watch(), Box()
    with watch("fit"), watch.on(Box, "work", "prefix"):
        assert box.work() == 3
    with watch.on(box, "work", "again"):
        box.work()
    assert list(watch.seconds) == ["fit/prefix", "fit", "again"]
    assert watch.of("prefix") == watch.seconds["fit/prefix"] <= watch.seconds["fit"]
    assert "work" not in vars(box) and not hasattr(Box.work, "__wrapped__")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("~", "f"),
        ("/a/site-packages/torch/nn.py", "torch/nn.py:3 f"),
        ("/a/main/tlkit/fit/job.py", "tlkit/fit/job.py:3 f"),
        ("/a/lib/python3.11/copy.py", "python3.11/copy.py:3 f"),
    ],
)
def test_a_profile_names_no_place_of_one_machine(file, text):
    assert child.place(file, 3, "<built-in method f>" if file == "~" else "f") == text


# what is kept, and the page


def test_results_come_back_and_are_not_mixed(tmp_path, monkeypatch):
    first = Results.resumed("p", {"sizes": (1, 2)}, tmp_path)
    first.runs.append(ran("a", 0, 1 / 3))
    first.write(tmp_path)
    again = Results.resumed("p", {"sizes": (1, 2)}, tmp_path)
    assert again.runs == [ran("a", 0, 0.333333)] and again.machine == first.machine
    assert Results.resumed("p", {"sizes": (1, 3)}, tmp_path).runs == []
    monkeypatch.setattr(results, "code", lambda: "other")
    assert Results.resumed("p", {"sizes": (1, 2)}, tmp_path).runs == []
    assert len(Results.resumed("p", {"sizes": (1, 2)}, tmp_path, strict=False).runs) == 1


def test_the_page_says_what_was_reached(tmp_path):
    both = [Target("speed", 3.0, 2.0), Target("size", 3.0, 2.0, at_least=False), Target("later", None, 1.0)]
    part = Part("p", "A part", None, lambda r: f"It took {len(r.runs)} run.", lambda r: both)
    profiles = {A.name: [{"where": "torch.conv2d", "calls": 2, "seconds": 0.5}]}
    empty(runs=[ran("a", 0, 1)], profiles=profiles, finished="2026-01-01").write(tmp_path)
    text = page.page({"p": part, "q": replace(part, name="q", title="Another")}, tmp_path)
    assert "| speed | at least 2.00 | 3.00 | reached |" in text
    assert "| size | at most 2.00 | 3.00 | **not reached** |" in text
    assert "| later | at least 1.00 | – | not measured |" in text
    assert "It took 1 run." in text and "`torch.conv2d`" in text
    assert "Not measured yet: `python -m benchmarks q`." in text


def test_the_committed_page_is_what_the_committed_numbers_say(root):
    assert (root / "benchmarks" / "RESULTS.md").read_text("utf-8") == page.page(parts(), results.COMMITTED)


def test_all_parts_are_found():
    assert {"p1_frozen", "p2_partial", "p3_grid"} <= set(parts())
    assert all(name == part.name for name, part in parts().items())


# a process of its own


def test_a_run_has_its_own_threads_memory_and_caches(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    found = apart.run(Contestant("a watch as it is", "builtins:vars"))
    assert rounds.facts(found) == {"_open": []}
    assert found["threads"] == 1 and found["peak_mb"] > 50 and found["wall"] > found["seconds"]["import"] > 0
    assert "OMP_NUM_THREADS" not in apart.environment(None, Path("x"))
    assert apart.environment(1, Path("x"))["TLKIT_COMPUTED"] == "x"


def test_a_run_that_fails_says_why():
    with pytest.raises(apart.Failed, match=r"nowhere, one thread ended with 1:(.|\n)*no_such"):
        apart.run(Contestant("nowhere", "benchmarks.no_such:f"))


# the same data, the same network, the same parts that move

STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A folder of twelve pictures and a small ResNet-18 that nobody trained."""
    work = tmp_path_factory.mktemp("bench")
    for side, count, seed in (("train", 4, 0), ("valid", 2, 1)):
        pictures.made(work / "pictures" / side, count, seed)
    return {"folder": str(work / "pictures"), **networks.random_weights(work, "resnet18", 32)}


class Moved:
    """Keeps a model's tensors when it is first shown, and says the second time what is not the same.

    (kind, stage): "weight", "norm" for the weights of batch norms, "average" for what these keep of the data.
    """

    def __init__(self):
        self.before, self.found = None, set()

    def __call__(self, model: torch.nn.Module) -> None:
        now = dict(self.tensors(model))
        if self.before is None:
            self.before = {place: tensor.clone() for place, (_, tensor) in now.items()}
            return
        assert not model.training, "validated as it will be used"
        for place, (kind, tensor) in now.items():
            if place not in self.before or not torch.equal(tensor, self.before[place]):
                self.found.add((kind, place.partition(".")[0]))

    def tensors(self, model: torch.nn.Module):
        for name, module in model.named_modules():
            norm = isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
            for inner, tensor in module.named_parameters(recurse=False):
                yield self.place(f"{name}.{inner}"), ("norm" if norm else "weight", tensor)
            for inner, tensor in module.named_buffers(recurse=False):
                yield self.place(f"{name}.{inner}"), ("average", tensor)

    @staticmethod
    def place(name: str) -> str:
        """`0.3.weight`, `0.model.layer3.weight`, `stages.layer3.weight` -> `layer3.weight`."""
        first, _, rest = name.partition(".")
        if first in ("1", "head"):
            return f"head.{rest}"
        number, _, inner = rest.removeprefix("model.").partition(".")
        if number.isdigit():
            return f"{STAGES[int(number)]}.{inner}"
        return f"{number}.{inner}" if number in STAGES else f"stem.{number}.{inner}"


HEAD = {("weight", "head")}
FOLLOW = {("average", stage) for stage in STAGES}
NORMS = FOLLOW | {("norm", stage) for stage in STAGES}
LAST = {("weight", "layer4"), ("norm", "layer4"), ("average", "layer4")}
OWN_HEAD = {("norm", "head"), ("average", "head")}  # vision_learner's has batch norms


@pytest.mark.parametrize(
    ("call", "arguments", "moves"),
    [
        ("ours:fitted", {"plan": "frozen", **SMALL}, HEAD),
        ("ours:fitted", {"plan": "frozen", "solve": False, **SMALL}, HEAD),
        ("ours:fitted", {"plan": "last-1", **SMALL}, HEAD | LAST),
        ("fastai_loops:tight", {"plan": "frozen", **SMALL}, HEAD),
        ("fastai_loops:tight", {"plan": "last-1", **SMALL}, HEAD | LAST),
        ("fastai_loops:as_written", {"plan": "frozen", "workers": 0, **SMALL}, HEAD | OWN_HEAD | NORMS),
        (
            "fastai_loops:as_written",
            {"plan": "last-1", "workers": 0, **SMALL},
            HEAD | OWN_HEAD | NORMS | LAST,
        ),
        ("hugging_face:trainer", SMALL, HEAD | FOLLOW),
        ("plain_loops:tutorial", {"epochs": 1, "batch": 4}, HEAD | FOLLOW),
    ],
)
def test_what_moves(call, arguments, moves, shared):
    module, _, name = call.partition(":")
    if module == "hugging_face":
        pytest.importorskip("transformers", reason="needs the extra `bench`, which `make bench` installs")
    seen = Moved()
    function = getattr(importlib.import_module(f"benchmarks.{module}"), name)
    facts = function(Watch(), **shared, **arguments, look=seen)
    assert seen.found == moves
    assert facts["items"] == {"train": 8, "valid": 4} and 0 <= facts["accuracy"] <= 1
    assert facts["steps"] == (
        0 if arguments.get("solve", True) and call.startswith("ours") and moves == HEAD else 2
    )


def test_all_see_the_same_pictures(shared):
    from fastai.vision.augment import Resize
    from fastai.vision.data import ImageDataLoaders

    from benchmarks.fastai_loops import decoded
    from benchmarks.plain_loops import sides
    from tlkit.tasks.images import from_folder

    backbone = networks.described(**{k: shared[k] for k in ("network", "weights")})
    view, folder = backbone.transform, Path(shared["folder"])
    task, loaded = from_folder(folder), sides(**shared)
    ours = {"train": (task.train, task.targets), "valid": (task.test, None)}
    for side, pictures_of_torch in zip(("train", "valid"), loaded, strict=True):
        inputs, labels = decoded(folder / side, view)
        mine = torch.stack([view(raw) for raw in ours[side][0].inputs])
        assert torch.equal(inputs, mine) and torch.equal(
            inputs, torch.stack([x for x, _ in pictures_of_torch])
        )
        assert labels.tolist() == [y for _, y in pictures_of_torch]
        if side == "train":
            assert labels.tolist() == ours[side][1].tolist()
    dls = ImageDataLoaders.from_folder(folder, item_tfms=Resize(view.size), bs=4, num_workers=0)
    shown, named = dls.valid.one_batch()
    inputs, labels = decoded(folder / "valid", view)
    raw = inputs * torch.tensor(view.std).view(3, 1, 1) + torch.tensor(view.mean).view(3, 1, 1)
    assert named.tolist() == labels.tolist()
    assert (shown - raw).abs().mean() < 0.05, "cropped in the middle, then shrunk by another filter"


def test_all_have_the_same_network(shared):
    named = {k: shared[k] for k in ("network", "weights")}
    stages, pool, width = networks.plain(**named)
    chain, x = networks.described(**named).pretrained(), torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        mine = pool(torch.nn.Sequential(*stages).eval()(x))
        assert torch.allclose(mine, chain.head[0](chain.run(x)), atol=1e-5) and mine.shape == (2, width)


def test_one_pass_learns_nothing_and_sees_all(shared):
    from benchmarks.plain_loops import one_pass

    watch = Watch()
    assert one_pass(watch, **shared, batch=4)["items"] == {"train": 8, "valid": 4}
    assert set(watch.seconds) == {"open", "build", "train", "validate"}


def test_the_law_is_the_count_of_both_ways(shared):
    from benchmarks.ours import operations

    found = operations(Watch(), **shared, plans=["last-1"], epochs=10)["last-1"]
    prefix, suffix = found["prefix"], found["suffix"]
    assert found["whole"] == (80 * (prefix + suffix) + 4 * prefix) / (12 * prefix + 80 * suffix)
    assert 1 < found["whole"] < found["apart"] == (prefix + suffix) / suffix


# the grid


def test_the_grid_is_counted():
    recipe = default()
    assert trainings("full", 1, recipe) == 1 and trainings("full", 5, recipe) == 4
    assert passes("full", 1, recipe) == 600  # sixty steps of ten
    assert passes("full", 5, recipe) == 3 * 30 * 40 + 30 * 50  # tries on forty, the last training on fifty
    found = counts(Watch(), p3_grid.GRID, p3_grid.LABELS, p3_grid.PLANS)
    assert found["grid"]["fits"] == 360 and found["run"]["fits"] == 10
    assert found["solved"]["frozen 1"] == found["solved"]["pixels 1"] == 20  # two budgets, ten seeds
    assert found["descended"]["frozen 1"] == 10 * (600 + 1200) / 600
    raced = replace(recipe, race=True)
    assert passes("full", 1, raced) == 600, "one setting has nothing to race against"
    assert passes("full", 5, raced) == 3 * 10 * 40 + 30 * 50 and trainings("full", 5, raced) == 4
    many = sum(passes("last-1", n, raced) for n in (5, 10, 20, 50))
    assert found["raced"]["last-1 5"] == 10 * many / passes("last-1", 5, raced) != found["solved"]["last-1 5"]
    assert found["raced"]["frozen 5"] == found["solved"]["frozen 5"]
    assert found["solved"]["full 1"] == 2 * found["solved"]["last-1 1"], "it stands for scratch as well"
    stood = sum(
        w * passes(*name.split()[:1], int(name.split()[1]), recipe)
        for name, w in found["solved"].items()
        if name.startswith(("last", "full", "lp"))
    )
    assert (
        stood + 10 * sum(passes("frozen", n, recipe) for n in p3_grid.GRID["labels"])
        == found["grid"]["passes"]
    )
    assert (
        found["operations"]["loops"] > found["operations"]["ours"] > found["operations"]["everything moves"]
    )


def test_the_grid_is_extrapolated_without_its_start():
    weights = {"full 1": 3.0, "pixels 1": 10.0}
    found = empty(facts={p3_grid.COUNTS: {"solved": weights, "descended": {**weights, "full 1": 6.0}}})
    cells = [{"plan": "full", "labels": 1, "seconds": 4.0}, {"plan": "pixels", "labels": 1, "seconds": 1.0}]
    run = {"cells": cells, "seconds": {"total": 3.5, "cells": 2.5}}  # two processes side by side
    found.facts[p3_grid.COUNTS]["raced"] = {**weights, "full 1": 2.0}
    assert p3_grid.whole(found, "tlkit, one thread")(run) == 1.0 + (12 + 10) / 2
    assert p3_grid.whole(found, f"{p3_grid.RACED}, one thread")(run) == 1.0 + (8 + 10) / 2
    assert p3_grid.whole(found, "fastai tuned, one thread")(run) == 1.0 + (24 + 10) / 2


@pytest.mark.parametrize("load", ["pictures", "tensors"])
def test_the_loops_do_what_the_study_does(load, monkeypatch):
    from benchmarks import grid_loops
    from tlkit import tasks

    recipe, seen = Recipe(steps=2, epochs=1, batch=25), []
    fit = grid_loops.Learner.fit_one_cycle
    monkeypatch.setattr(
        grid_loops.Learner,
        "fit_one_cycle",
        lambda self, n, rate, **kw: seen.append(n * self.dls.train.n) or fit(self, n, rate, **kw),
    )
    task = tasks.load("digits")
    targets = task.evaluate(lambda items: items.inputs.sum((1, 2, 3)), "a test").targets
    loops = grid_loops.Loops(
        task,
        (task.test.inputs[:20], targets[:20]),
        recipe,
        getattr(grid_loops, load),
        tuned=load == "tensors",
    )
    cell = loops.cell("last-1", 5, 0)
    assert sum(seen) == passes("last-1", 5, recipe) and len(seen) == trainings("last-1", 5, recipe)
    assert 0 <= cell["accuracy"] <= 1
    dls = loops.load(loops, task.draw(1, 0).all, None, 5)
    x, y = dls.valid.one_batch()
    mine = grid_loops.glyph_input(task.test.inputs[:5])
    assert y.tolist() == targets[:5].tolist() and (x - mine).abs().max() < 0.01


# one rule against fine_tune


def race(ours: list[float], theirs: list[float], labels: int = 5) -> list[dict]:
    side = lambda score, **more: {"seconds": 2.0, "accuracy": score, **more}  # noqa: E731
    return [
        {"labels": labels, "seed": s, "ours": side(a, plan="frozen"), "fastai": side(b, epochs=3 + s)}
        for s, (a, b) in enumerate(zip(ours, theirs, strict=True))
    ]


def test_the_rule_is_told_better_or_worse_as_it_falls():
    steady, below = [0.7, 0.72, 0.71, 0.69, 0.73], [0.5, 0.51, 0.52, 0.49, 0.5]
    found = p4_rule.row("set, one thread", race(steady, below))
    assert found[:5] == ["set", "5", "`frozen`", "2.00", "5.00"] and found[-1] == "better"
    assert p4_rule.row("set, one thread", race(below, steady))[-1] == "worse"
    assert p4_rule.row("set, one thread", race(steady, [*steady[:4], 0.731]))[-1] == "equal"


def test_every_setting_of_the_race_is_in_the_table():
    middle, low, high = [0.5] * 5, [0.3, 0.31, 0.29, 0.305, 0.3], [0.7, 0.71, 0.69, 0.705, 0.7]
    cells = race(middle, low) + race(middle, high, labels=20)
    found = empty(runs=[{**ran("set, one thread", 0, 1.0), "cells": cells}])
    found.setting["seeds"] = 5
    text = p4_rule.body(found)
    assert "Of 2 settings the rule is better in 1, equal in 0, worse in 1" in text
    assert p4_rule.body(empty()) == p4_rule.BARE, "nothing there is said, not hidden"


@pytest.mark.parametrize(("seconds", "epochs"), [(0.1, 1), (3.0, 1), (3.1, 2), (10.0, 5)])
def test_fastai_has_no_less_time_than_the_rule(monkeypatch, seconds, epochs):
    """Three seconds for one epoch, two for each further one; what was measured of one more is never less."""
    monkeypatch.setattr(rule_race, "warm", lambda *a: None)
    monkeypatch.setattr(rule_race, "fine_tuned", lambda *a: {"seconds": 1.0 + 2.0 * a[-1]})
    rule_race.paced.cache_clear()
    pace = rule_race.paced("any", 5, "", "")
    assert pace == (3.0, 2.0) and rule_race.epochs_within(seconds, *pace) == epochs


def test_the_rule_is_the_one_that_was_written_down():
    assert [rule_race.rule(n) for n in (5, 9, 10, 20)] == ["frozen", "frozen", "lp-ft", "lp-ft"]


@pytest.mark.real("weights_vision", "hymenoptera")
def test_both_learn_from_the_same_pictures(computed):
    weights = str(downloads.cache_dir() / p4_rule.WEIGHTS)
    task = tasks.load("hymenoptera")
    learn = rule_race.learner(task, 5, 0, p4_rule.NETWORK, weights)
    drawn = task.draw(5, 0).all
    assert sorted(str(i[0]) for i in learn.dls.train_ds.items) == sorted(task.train.names[i] for i in drawn)
    wanted = backbones.load(p4_rule.NETWORK, weights).pretrained()
    theirs = learn.model[0].state_dict()
    assert all(
        torch.equal(a, b) for a, b in zip(theirs.values(), wanted.stages.state_dict().values(), strict=True)
    )
