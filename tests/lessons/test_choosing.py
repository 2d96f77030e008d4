"""Rules that choose a plan: what each chooses, what its choices are worth, and what committed fits scored."""

import numpy as np
import pytest

from tlkit import tasks
from tlkit.errors import UserError
from tlkit.records import Store
from tlkit_lessons import choosing, ledger
from tlkit_lessons.choosing import rescored
from tlkit_lessons.choosing.rules import TEMPERATURES

USUAL = TEMPERATURES.index(1.0)
SEEDS = 4


def scores(task="a", source="s", folded=None, **plans) -> choosing.Scores:
    """plan = (test, accuracy, loss, cost): each the same on every seed, the same loss at all temperatures."""
    test, accuracy, loss, cost = np.array([*plans.values()], dtype=float).T
    flat = [np.repeat(column[:, None], SEEDS, 1) for column in (test, accuracy, loss)]
    losses = np.repeat(flat[2][..., None], len(TEMPERATURES), 2)
    return choosing.Scores("f", task, source, 5, tuple(plans), *flat[:2], losses, folded, cost)


TIED = scores(frozen=(0.7, 1.0, 0.4, 1), full=(0.9, 1.0, 0.2, 9), scratch=(0.5, 0.8, 0.1, 9))


@pytest.mark.parametrize(
    ("rule", "plan"),
    [("hindsight", "full"), ("frozen", "frozen"), ("accuracy", "frozen"), ("accuracy, then loss", "full"),
     ("loss", "scratch"), ("loss, tempered", "scratch"), ("loss, ranked", "scratch")],
)  # fmt: skip
def test_what_each_rule_chooses(rule, plan):
    assert TIED.plans[choosing.chosen(rule, TIED)] == plan


def test_a_temperature_is_one_for_all_seeds_and_undoes_what_a_scale_did():
    found = scores(sure=(0.5, 1, 0.2, 1), unsure=(0.9, 1, 0.9, 1))
    found.losses[1, :, USUAL - 2] = 0.1
    assert found.plans[choosing.chosen("loss", found)] == "sure"
    assert found.plans[choosing.chosen("loss, tempered", found)] == "unsure"
    found.losses[1, :, USUAL - 2] = [0.0, 0.9, 0.9, 0.9]
    assert found.plans[choosing.chosen("loss, tempered", found)] == "sure"


def test_one_seed_of_a_huge_loss_counts_once_where_ranks_are_taken():
    found = scores(a=(0.5, 1, 0.2, 1), b=(0.9, 1, 0.1, 1))
    found.losses[1, 0, :] = 9.0
    assert found.plans[choosing.chosen("loss", found)] == "a"
    assert found.plans[choosing.chosen("loss, ranked", found)] == "b"


def test_choices_are_judged_on_the_other_half_of_the_seeds():
    found = scores(a=(0.0, 1, 0.5, 1), b=(0.0, 1, 0.5, 2))
    found.test[:] = np.eye(2, SEEDS)  # a is right on the first seed alone, b on the second
    # of six halves: the seed that shows a plan to be right does not judge it; a tie goes to a
    assert choosing.worth("hindsight", found) == pytest.approx(0.5 / 6)
    assert choosing.worth("accuracy", found) == pytest.approx(3 * 0.5 / 6)


def test_regret_is_by_target_over_its_sources():
    good = scores("b", "s", frozen=(0.7, 1.0, 0.1, 1), full=(0.9, 1.0, 0.2, 9))
    other = scores("b", "t", frozen=(0.8, 1.0, 0.3, 1), full=(0.9, 1.0, 0.2, 9))
    found = {r.rule: r for r in choosing.regrets([TIED, good, other])}
    assert "hindsight" not in found and choosing.FOLDED not in found
    assert found["accuracy"].over == pytest.approx([0.2, 0.15])
    assert found["loss"].over == pytest.approx([0.4, 0.1])
    assert found["loss"].mean.mean == pytest.approx(0.25) and found["loss"].labels == 5


def test_what_cannot_be_asked_is_said():
    with pytest.raises(UserError, match="no grid has been scored at this budget"):
        choosing.regrets([])
    with pytest.raises(UserError, match=r"'los'.*loss"):
        choosing.chosen("los", TIED)
    with pytest.raises(UserError, match="a at 5 was not cross-validated: choose another rule"):
        choosing.chosen(choosing.FOLDED, TIED)
    assert choosing.chosen(choosing.FOLDED, scores(folded=np.ones((1, SEEDS)), a=(0, 0, 0, 0))) == 0


def test_folds_take_each_item_once_and_the_selection_split_first():
    task = tasks.load("digits")
    draw, targets = task.draw(10, 3), np.asarray(task.targets)
    folds = rescored._folds(targets, draw.all, 5)
    assert set(folds[0]) == set(draw.select)
    assert sorted(np.concatenate(folds)) == sorted(draw.all)
    assert all(np.bincount(targets[fold]).tolist() == [2] * 10 for fold in folds)


def test_a_committed_grid_is_scored_again_and_judged(tmp_path):
    store = Store(tmp_path / "34_choosing.jsonl")
    asked = [choosing.Asked("16_digits", "digits", "letters", ("frozen",), (2, 5), (2,))]
    assert list(choosing.record(store, asked)) == [(1, 2), (2, 2)]
    two, five = (choosing.scored(asked, n, store)[0] for n in (2, 5))
    assert two.folded.shape == (1, 10) and five.folded is None
    committed = [r for r in ledger.shelf().store("16_digits").read() if (r.plan, r.labels) == ("frozen", 5)]
    for split, found in (("select", five.accuracy), ("test", five.test)):
        known = [r.value for r in sorted(committed, key=lambda r: r.seed) if r.split == split]
        assert found[0] == pytest.approx(known, abs=1e-4), f"the {split} split is scored as before"
    choosing.judge(store, asked)
    rows = [r for r in store.read() if r.task == choosing.JUDGED]
    wanted = {(rule, n, 0) for rule in choosing.FREE for n in (2, 5)}
    assert {(r.plan, r.labels, r.seed) for r in rows} == wanted
    size = len(store.read())
    assert list(choosing.record(store, asked)) and choosing.judge(store, asked) is None
    assert len(store.read()) == size, "nothing is scored twice"


def test_a_grid_whose_plans_have_other_seeds_is_refused(tmp_path):
    asked = [choosing.Asked("16_steel", "neu_steel", "efficientnet_lite0,size=96", ("frozen", "full"), (5,))]
    with pytest.raises(UserError, match=r"16_steel: the plans of neu_steel .* have other seeds"):
        list(choosing.record(Store(tmp_path / "r.jsonl"), asked))
