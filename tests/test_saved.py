"""Which fit is kept, and what is said of it: the selection splits choose, the test split has no say."""

import math
from dataclasses import replace

import made_up_records as made
import pytest

from tlkit import saved_model
from tlkit.records import Record

CHEAP = {"flops_prefix": 1, "flops_suffix": 0}
DEAR = {"flops_prefix": 5, "flops_suffix": 5}


def fits(plan: str, select: tuple, test: tuple, labels: int = 5, cost: dict | None = None) -> list[Record]:
    """A select and a test row a seed; no select row where there is None."""
    rows = []
    for seed, (chosen, tested) in enumerate(zip(select, test, strict=True)):
        if chosen is not None:
            rows.append(made.row(plan, labels, seed, chosen, split="select"))
        rows.append(made.row(plan, labels, seed, tested, detail=cost or CHEAP))
    return rows


def test_the_plan_with_the_highest_mean_on_the_selection_splits():
    """Not the one with the single best seed, nor the one that the test prefers."""
    rows = fits("last-1", (1.0, 0.5), (0.99, 0.99)) + fits("frozen", (0.9, 0.8), (0.7, 0.6))
    choice = saved_model.choose(rows)
    assert (choice.record.plan, choice.record.seed, choice.seeds) == ("frozen", 0, 2)
    assert choice.record.split == "test" and choice.record.value == 0.7
    assert choice.mean == pytest.approx(0.65)
    assert "mean accuracy (4 of 4 fits tell no finite loss) on the validation splits, 0.850" in choice.rule
    assert choice.rule.startswith("the highest") and "not used" in choice.rule


def test_of_equals_the_cheaper_plan_and_the_first_seed():
    rows = fits("full", (1.0, 1.0), (0.9, 0.9), cost=DEAR) + fits("frozen", (1.0, 1.0), (0.7, 0.8))
    choice = saved_model.choose(rows)
    assert (choice.record.plan, choice.record.seed) == ("frozen", 0)
    assert "a tie with full, of more operations" in choice.rule


def losing(plan: str, losses: tuple, **changes) -> list[Record]:
    """Fits of accuracy 1 on the selection splits, with the loss of the chosen setting and of a better one."""
    told = [CHEAP | {"setting": "0.1", "losses": {"0.1": loss, "1": 0.0}} | changes for loss in losses]
    for seed, detail in enumerate(told):
        if losses[seed] == "none":
            del detail["losses"]
    rows = fits(plan, (1.0,) * len(losses), (0.5,) * len(losses))
    return [replace(r, detail=told[r.seed]) if r.split == "test" else r for r in rows]


def test_where_accuracy_ties_the_loss_of_the_chosen_settings_decides():
    rows = losing("frozen", (0.5, 0.3)) + losing("full", (0.1, 0.4), **DEAR) + losing("last-1", (0.05, 0.9))
    choice = saved_model.choose(rows)
    assert (choice.record.plan, choice.record.seed) == ("full", 0)
    said = "the lowest mean loss on the validation splits, 0.250; the test set was not used; the seed"
    assert choice.rule.startswith(said)
    first, last = losing("full", (0.4, 0.1), **DEAR), losing("frozen", (0.5, 0.5))
    assert saved_model.choose(first + last).record.seed == 1, "of its seeds the one with the lowest loss"


@pytest.mark.parametrize("loss", ["none", math.nan, math.inf, None, "0.1", [0.1]])
def test_by_accuracy_where_one_fit_tells_no_finite_loss(loss):
    """Of a comparison begun before losses were kept, or with a network whose outputs overflow."""
    choice = saved_model.choose(losing("full", (0.1, loss), **DEAR) + losing("frozen", (0.5, 0.3)))
    assert choice.record.plan == "frozen"
    assert "mean accuracy (1 of 4 fits tell no finite loss) on the validation" in choice.rule
    assert "1.000" in choice.rule and "a tie with full" in choice.rule


def test_a_fit_that_diverged_does_not_keep_the_others_from_their_losses():
    rows = [*losing("full", (0.1, 0.2), **DEAR), made.row("full", 5, 2, None, status="diverged")]
    choice = saved_model.choose(rows + losing("frozen", (0.5, 0.3, 0.3)))
    assert (choice.record.plan, choice.seeds) == ("full", 2) and "lowest mean loss" in choice.rule


def test_another_metric_than_accuracy_chooses_by_itself():
    better = {"scale": {"better": "lower", "delta": 0.1, "unit": ""}}
    rows = [replace(r, metric="mae", detail=r.detail | better) for r in
            fits("full", (0.4, 0.5), (0.5, 0.5)) + losing("frozen", (0.0, 0.0))]  # fmt: skip
    choice = saved_model.choose(rows)
    assert choice.record.plan == "full" and "the lowest mean mae on the validation" in choice.rule


def test_the_largest_budget_counts_and_a_diverged_fit_does_not():
    rows = fits("full", (0.9,), (0.9,)) + fits("frozen", (0.5, 0.6), (0.7, 0.8), labels=10)
    rows += [made.row("full", 10, 0, None, status="diverged")]
    assert saved_model.choose(rows).record.key == rows[-2].key


def test_below_five_labels_frozen_or_the_first_network_by_rule():
    few = {"labels": 1, "select": (None, None)}
    rows = fits("full", test=(0.9, 0.9), **few) + fits("frozen", test=(0.1, 0.2), **few)
    choice = saved_model.choose(rows)
    assert (choice.record.plan, choice.record.seed) == ("frozen", 0)
    assert "below 5 labels per class there is no validation split" in choice.rule
    choice = saved_model.choose(
        fits("full", test=(0.1, 0.9), **few) + fits("scratch", test=(0.9, 0.9), **few)
    )
    assert (choice.record.plan, choice.record.seed) == ("full", 0) and "frozen was not run" in choice.rule


def test_pixels_and_nothing_give_no_model():
    assert saved_model.choose(fits("pixels", (1.0,), (1.0,))) is None and saved_model.choose([]) is None


def about(**more) -> dict:
    known = {"plan": "frozen", "labels": 5, "seed": 3, "value": 0.9, "mean": 0.85, "seeds": 10}
    known |= {"scale": {"metric": "accuracy"}, "luck": 0.0}
    return known | {"chance": 0.5, "test_items": 20, "against": {}} | more


def test_what_is_said_of_a_model():
    assert saved_model.told(about()) == (
        "frozen, 5 labels per class, seed 3, test accuracy 0.900 (mean of this plan over 10 seeds 0.850)"
    )
    assert saved_model.doubts(about()) is None
    assert saved_model.told({"plan": "frozen"}) == "frozen" and saved_model.doubts({"plan": "frozen"}) is None


def test_what_the_record_does_not_show_is_a_doubt():
    assert "commonest class (0.50 on 20 test items)" in saved_model.doubts(about(value=0.7))
    beside = {
        "pixels": {"mean": 0.91, "verdict": "cannot tell"},
        "scratch": {"mean": 0.5, "verdict": "better"},
    }
    said = saved_model.doubts(about(against=beside))
    assert said == "not shown to be better than pixels (mean 0.910: cannot tell)"
