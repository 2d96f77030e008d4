"""Racing the settings: who is raced, by what schedule, at what cost, and that nothing else changes."""

import math
from dataclasses import replace

import pytest
import tiny
import torch

from tlkit import recipe
from tlkit.fit import Diverged, fit, job
from tlkit.forecast import fit_seconds
from tlkit.plans import Plan
from tlkit.recipe import Recipe
from tlkit.report.compared import _recipe
from tlkit.study.worker import rows

FULL = replace(tiny.QUICK, epochs=6)
RACED = replace(FULL, race=True)


@pytest.fixture
def descents(monkeypatch):
    """(plan, items, rate, epochs) of every descent of a fit, in order."""
    seen, plain = [], job.descend

    def noted(chain, plan, inputs, targets, loss, rate, how, *rest):
        seen.append((str(plan), len(targets), rate, how.schedule(len(targets))[0]))
        return plain(chain, plan, inputs, targets, loss, rate, how, *rest)

    monkeypatch.setattr(job, "descend", noted)
    return seen


def test_every_setting_learns_for_a_third_and_the_best_anew_from_all_labels(descents):
    done = fit(*tiny.classifier(), "full", 5, 0, RACED)
    assert descents == [("full", 12, rate, 2) for rate in RACED.rates] + [
        ("full", 15, float(done.setting), 6)
    ]
    alone = fit(*tiny.classifier(), "full", 5, 0, replace(FULL, **single(done.setting)))
    assert done.losses == alone.losses, "as if it had been the only one"
    assert all(torch.equal(t, alone.model.state_dict()[k]) for k, t in done.model.state_dict().items())


def single(rate: str) -> dict:
    """A recipe's lists with one setting each."""
    return {"rates": (float(rate),), "strengths": (0.1,), "baselines": ("1-nn",)}


@pytest.mark.parametrize("text", [*tiny.PLANS, *tiny.ROWS])
def test_every_plan_is_raced_alike_unless_a_solver_fits_it(text, descents):
    done = fit(*tiny.classifier(), text, 5, 0, RACED)
    assert len(done.tried) == 3 and done.audit is not None
    steps = [epochs * items for _, items, _, epochs in descents]
    phases = len(Plan.parse(text).phases(tiny.STAGES))
    if text == "frozen":
        assert steps == [] and "raced" not in done.detail
    else:
        assert len(steps) == 4 * phases
        assert done.detail["raced"] == done.detail["epochs"] / 3 == 2 if phases == 1 else phases


def test_a_head_that_descends_is_raced_too(descents):
    fit(*tiny.classifier(), "frozen", 5, 0, replace(RACED, solve=False))
    assert [epochs for *_, epochs in descents] == [2, 2, 2, 6]


@pytest.mark.parametrize("text", ["frozen", "pixels"])
def test_what_a_solver_fits_comes_out_as_without_a_race(text):
    one, other = (fit(*tiny.classifier(), text, 5, 0, how) for how in (RACED, FULL))
    assert one.tried == other.tried and one.test.metrics == other.test.metrics and one.detail == other.detail


@pytest.mark.parametrize(
    ("labels", "how"),
    [(4, RACED), (5, replace(RACED, **single("0.003")))],
    ids=["four labels", "one setting"],
)
def test_without_a_choice_there_is_no_race(labels, how, descents):
    done = fit(*tiny.classifier(), "last-1", labels, 0, how)
    assert [epochs for *_, epochs in descents] == [6] and done.tried == {} and "raced" not in done.detail
    assert done.losses == fit(*tiny.classifier(), "last-1", labels, 0, replace(how, race=False)).losses


def test_one_that_diverges_loses_and_where_all_do_it_is_said():
    some = fit(*tiny.classifier(), "full", 5, 0, replace(RACED, rates=(1e30, 1e-3, 1e29)))
    assert some.setting == "0.001" and [math.isnan(x) for x in some.tried.values()] == [True, False, True]
    with pytest.raises(Diverged, match="try smaller --rates"):
        fit(*tiny.classifier(), "full", 5, 0, replace(RACED, rates=(1e30,) * 3))


def test_the_ledger_counts_the_passes_of_a_race():
    raced, whole = (fit(*tiny.classifier(), "full", 5, 0, how).detail for how in (RACED, FULL))
    assert raced["tries"] == whole["tries"] == 3 and raced["epochs"] == whole["epochs"] == 6
    assert raced["flops_suffix"] * (3 * 6 * 12 + 6 * 15) == whole["flops_suffix"] * (3 * 2 * 12 + 6 * 15)
    assert raced.pop("raced") == 2 and raced.keys() == whole.keys(), "older records keep their form"


def test_a_record_tells_what_was_raced():
    done = fit(*tiny.classifier(), "full", 5, 0, RACED)
    told = rows(done, "accuracy")[-1]["detail"]
    assert told["tried"] == done.tried and len(told["tried"]) == told["tries"] == 3 and told["raced"] == 2


def test_the_forecast_is_of_what_is_run(descents):
    task, _ = tiny.classifier()
    for how in (RACED, FULL):
        descents.clear()
        done = fit(*tiny.classifier(), "full", 5, 0, how, test=False)
        passes = sum(epochs for *_, epochs in descents)
        told = fit_seconds(task, how, Plan.parse("full"), 5, (0.0, 1.0))
        assert told == passes * 15 and passes == (12 if how.race else 24)
        assert done.detail["epochs"] == 6


def test_a_third_is_rounded_to_whole_passes_and_never_none():
    for epochs, third in ((1, 1), (4, 1), (5, 2), (6, 2), (10, 3), (30, 10)):
        assert Recipe(steps=1, epochs=epochs, race=True).trial(20).schedule(20)[0] == third
    photos = recipe.default("photos-raced")
    assert photos.schedule(48) == (10, 16) and photos.trial(48).schedule(48) == (3, 16), "thirty steps, nine"
    for items in (20, 33, 50):  # the batches are those of the last training
        assert RACED.trial(items).schedule(items)[1] == RACED.schedule(items)[1]


def test_a_race_is_another_recipe_and_the_same_as_before_without():
    assert Recipe(race=True).version != Recipe().version == Recipe(race=False).version
    assert "raced for a third" in _recipe(recipe.default("photos-raced").version)
    older = recipe.default("photos").version
    assert _recipe(older).startswith(f"{older}: at least 30 steps") and "raced" not in _recipe(older)
