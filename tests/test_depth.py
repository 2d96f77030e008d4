"""How far into a network features are read: until a stage, from all stages, and a choice among them."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from tlkit import backbones, features, recipe, tasks
from tlkit.backbones.depth import GridPool
from tlkit.errors import UserError
from tlkit.features import probe
from tlkit.fit import fit
from tlkit.plans import Plan
from tlkit.plans.freezing import refuse_unfit


@pytest.fixture(scope="module")
def digits():
    return tasks.load("digits")


def test_until_a_stage_is_the_same_chain_cut_short(digits):
    whole, part = backbones.load("letters"), backbones.load("letters,until=block1")
    assert part.stages == ["stem", "block1"] and part.name == "letters,until=block1"
    assert part.digest == whole.digest
    x = whole.transform(digits.train.inputs[:4])
    torch.testing.assert_close(part.pretrained().run(x), whole.pretrained().run(x, 0, 2))
    assert part.pool(part.pretrained().run(x)).shape == (4, 32 * 4 * 4)


def test_all_features_are_those_of_every_stage_side_by_side(digits):
    whole, every = backbones.load("letters"), backbones.load("letters,features=all")
    x = whole.transform(digits.train.inputs[:4])
    found, at = every.pool(every.pretrained().run(x)), 0
    for stop, name in enumerate(whole.stages, 1):
        pool = whole.pool if stop == len(whole.stages) else GridPool()
        part = pool(whole.pretrained().run(x, 0, stop))
        torch.testing.assert_close(found[:, at : at + part.shape[1]], part, msg=f"features of {name}")
        at += part.shape[1]
    assert at == found.shape[1]


@pytest.mark.parametrize(
    ("shape", "width"),
    [((2, 24, 16, 16), 24 * 16), ((2, 128, 4, 4), 512), ((2, 1024, 7, 7), 1024), ((2, 8, 2, 2), 32),
     ((2, 9, 64), 64), ((2, 64), 64)],
)  # fmt: skip
def test_a_grid_of_at_most_512_features(shape, width):
    assert GridPool()(torch.rand(shape)).shape == (shape[0], width)


def test_what_is_not_there_is_refused(digits):
    with pytest.raises(UserError, match=r"unknown stage of letters 'blok1': did you mean 'block1'"):
        backbones.load("letters,until=blok1").pretrained()
    with pytest.raises(UserError, match="features=some of letters"):
        backbones.load("letters,features=some")
    with pytest.raises(UserError, match="unknown key of backbone letters 'size'"):
        backbones.load("letters,size=3")
    with pytest.raises(UserError, match=r"name the backbone letters,features=all"):
        fit(digits, backbones.load("letters"), Plan.parse("select"), 1, 0, recipe.default())


def test_the_backbone_that_plan_select_names_can_be_loaded(digits, tmp_path):
    torch.manual_seed(0)
    torch.save(backbones.load("sequence").pretrained().state_dict(), tmp_path / "mine.pt")
    for spec, weights in (("letters", None), ("sequence", str(tmp_path / "mine.pt"))):
        with pytest.raises(UserError, match="plan select chooses among") as error:
            refuse_unfit(Plan.parse("select"), digits.objective, backbones.load(spec, weights))
        name, told = re.search(r"name the backbone ([^ ]+all)(.*)\.", str(error.value)).groups()
        assert backbones.load(name, weights).blueprint["reach"]["features"] == "all"
        assert ("with its --weights" in told) == bool(weights)


def test_selected_features_are_those_that_matter():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 40)), np.arange(60) % 3
    x[np.arange(60), 7 + y] += 6  # columns 7, 8 and 9 tell the classes
    solved = probe(x, y, 1.0, 3, keep=3)
    assert np.flatnonzero(np.abs(solved.weight).sum(0)).tolist() == [7, 8, 9]
    by_hand = probe(x[:, 7:10], y, 1.0, 3)
    np.testing.assert_allclose(solved(x), by_hand(x[:, 7:10]), rtol=1e-5)


def test_select_keeps_as_many_features_as_the_last_stage_has(digits):
    done = fit(digits, backbones.load("letters,features=all"), Plan.parse("select"), 2, 0, recipe.default())
    weight = features.last_linear(done.model.head).weight
    assert int((weight.abs().sum(0) > 0).sum()) == 128 < weight.shape[1]
    assert done.audit.ok and {n.split(".")[0] for n in done.audit.moved} == {"head"}


def test_a_model_that_reads_all_stages_can_be_saved_and_used(digits, tmp_path):
    backbone = backbones.load("letters,features=all")
    done = fit(digits, backbone, Plan.parse("select"), 2, 0, recipe.default())
    x = backbone.transform(digits.train.inputs[:4])
    rebuilt = backbones.from_blueprint(backbone.blueprint)
    assert rebuilt.stages == backbone.stages
    chain = rebuilt.build(False)[0]
    chain.load_state_dict({n: t for n, t in done.model.state_dict().items() if n.startswith("stages")})
    torch.testing.assert_close(rebuilt.pool(chain.eval().run(x)), backbone.pool(done.model.run(x)))


def test_probes_that_descend_are_another_recipe(digits):
    base = recipe.default()
    walked = replace(base, solve=False)
    assert walked.version != base.version and replace(walked, solve=True).version == base.version
    assert walked.tries(Plan.parse("frozen"), 5) == [f"{r:g}" for r in base.rates]
    done = fit(digits, backbones.load("letters"), Plan.parse("frozen"), 1, 0, walked)
    assert done.losses and done.audit.ok and done.detail["epochs"] > 0
