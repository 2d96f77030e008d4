# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 16 · The comparison
#
# **Question.** How do you show that transfer helped, at equal labels and at equal cost?
#
# <details><summary><b>In one sentence</b> (guess first)</summary>Transfer helped if the <i>paired differences</i> to training
# from scratch, on the same labelled items and at a stated cost, have a confidence interval that lies above zero and reaches
# beyond the smallest gain that matters.</details>
#
# **You will** raise the number of labels until transfer no longer helps, build a confidence interval from ten seeds, and
# express a gain in labels and in computing.
#
# **Needs** [11](11_first_transfer.ipynb) and [12](12_feature_extraction.ipynb); 14 and 15 explain the plans. Terms are in the
# [glossary](../book/glossary.md).
#
# **Time** {{time}} to run, 20 min to read.

# %% tags=["parameters"]
seed = 0  # first seed of the fits that are run here: the records hold 0 to 9
seeds = 3  # how many seeds are run here, from that one on
labels = 1  # labels per class of the fits that are run here: 1, 2, 5, 10 or 20
plan = "frozen"  # the plan that is compared with the baseline
baseline = "scratch"  # what it is compared with
close_pair = ["last-1", "full"]  # two plans of similar accuracy, for the interval by hand
guess = 10  # your guess in section 3; the slider starts here

# %%
import matplotlib.pyplot as plt
import numpy as np

from tlkit import backbones, compare, env, recipe, stats, study, tasks
from tlkit.records import values
from tlkit_lessons import (
    drawing,
    ledger,
    nb16_comparison,
    notebooks,
    paired,
    plan_strip,
    savings,
    widgets,
)
from tlkit_lessons.look import guess_line

env.setup(seed)

# %% [markdown]
# ## 1 · The rules of a fair comparison
#
# A *plan* is a fine-tuning strategy. Six plans classify the same handwritten digits. Two are baselines without transfer:
# `pixels` uses no network, and `scratch` trains the same network from random weights. Four start from the letters network:
# `frozen`, `last-1`, `full`, and `lp-ft`, which is `full` with a head fitted first.
#
# In a fair comparison only the plan differs. So all plans get **the same labelled digits**, picked by a *seed*. Below are
# three such subsets, at one label per class.

# %% alt=["Six strips of stages, one for each plan: a flame on what is trained, a snowflake on what is frozen.", "Three rows of ten handwritten digits, the labelled subsets of seeds 0, 1 and 2, as the network sees them. Some digits are clear, some are not."]
records = (store := ledger.shelf().store("16_digits")).read()
task, source = tasks.load("digits"), backbones.load("letters")
everyone = ["pixels", "scratch", "frozen", "last-1", "full", "lp-ft"]
_, axes = plt.subplots(3, 2, figsize=(8.5, 4), layout="constrained")
for name, ax in zip(everyone, axes.T.flat, strict=True):
    plan_strip.chain(source.stages, name, ax).set_title(name, loc="left")
legend = ax.figure.supxlabel("flame: trained     snowflake: frozen     dashed: random start", fontsize=10)

chosen = [i for s in range(3) for i in task.draw(1, s).all]
subsets = source.transform(task.train.inputs[chosen])
figure = drawing.gallery(subsets, ncols=len(task.classes), rows=[f"seed {s}" for s in range(3)])

# %% [markdown]
# Some subsets are clearer than others, so every fit is repeated with ten seeds. Three more rules. The labels of the
# *validation set*, on which hyperparameters are chosen, **count**. Every plan tries **equally many** settings. The *test
# set*, digits by new writers, is used **once** per fit.
#
# The result of each fit is stored as a *record*.

# %%
finished = [r for r in records if r.split == "test"]
last = finished[-1]
print(f"{len(finished)} fits; the last: plan {last.plan}, {last.labels} labels per class, seed {last.seed},")
print(f"test {last.metric} {last.value:.3f} on {last.detail['items']['test']} digits")

# %% [markdown]
# ## 2 · Repeat a part of it
#
# Stored results should be reproducible. We run some fits again: one plan and its baseline, for a few seeds.

# %%
here = notebooks.live_store("16_digits")
grid = study.Grid(
    task=task.name,
    backbone=source.name,
    plans=(plan, baseline),
    labels=(labels,),
    seeds=tuple(range(seed, seed + seeds)),
    recipe=recipe.suited(source),
)
filed = {name: compare.sample(store, name, labels).rows for name in (plan, baseline)}
assert all(set(grid.seeds) <= rows.keys() for rows in filed.values()), "labels or seeds not in the records"
before = len(task.reads)
outcome = study.run(grid, here)
print(f"{outcome.ran} fits run here")

# %% [markdown]
# Two checks. The settings must be identical: data, weights, plan, labels, seed and training. The mean accuracy must be close,
# within half the width of the confidence interval, because processors round differently.

# %%
fresh = {name: compare.sample(here, name, labels).rows for name in (plan, baseline)}
for name in fresh:
    for s, row in fresh[name].items():
        assert row.fit_key == filed[name][s].fit_key, "another task, data, weights, labels or recipe"
        counts = row.detail["items"]
        assert counts["fit"] + counts["select"] == labels * len(task.classes), "a label was not counted"
        assert row.detail.get("moved") == filed[name][s].detail.get("moved"), "other tensors were trained"
    now, then = (np.mean([side[name][s].value for s in fresh[name]]) for side in (fresh, filed))
    whole = stats.interval([row.value for row in filed[name].values()])
    print(f"{name}: {now:.3f} here, {then:.3f} in the records")
    assert abs(now - then) <= (whole.high - whole.low) / 2, f"{name}: not the accuracy of the records"
assert len(task.reads) - before == outcome.ran, "the test set was not used once per fit"

# %% [markdown] tags=["predict"]
# ## 3 · Drag the labels
#
# **Predict.** With one label per class, the frozen network has seen ten labelled digits. How many labels per class does the same network
# need *from scratch* for the same accuracy? Set the first slider; section 6 has the answer.
#
# Then drag the second slider from one label upwards, and watch `scratch`. Without a running notebook you see its last
# position, fifty labels.

# %% tags=["predict"]
question = "Labels per class from scratch, for the accuracy of frozen with one"
slider = widgets.guess(question, guess, low=1, high=50, step=1)
slider

# %% alt="Left, the test accuracy of every seed for four plans at fifty labels per class. Right, the gain over scratch against labels per class: it falls for both transferred plans, and for frozen below zero."
widgets.label_slider(store, ["pixels", "scratch", "frozen", "full"], baseline)

# %% [markdown]
# With one label per class, `frozen` gains {{gain 16_digits frozen scratch 1}} in accuracy. With more labels the gain shrinks.
# Then `frozen` falls *behind*: features made for letters are good for digits but not perfect, and frozen they cannot
# improve. `full` starts from the same weights and improves them: better than scratch with few labels, equal with many.
#
# The title gives a *verdict* for each plan. *Equal* comes first: the whole interval lies between minus two and plus two points
# of accuracy, even if it excludes zero. *Better* and *worse* mean that the interval excludes zero, and that this survives a
# correction for the number of comparisons, in section 5. All else is *undecided*; the code says `cannot tell`. The
# intervals drawn are not corrected.
#
# ## 4 · Ten seeds, one confidence interval
#
# Take a close pair at one label per class: `last-1` trains only the last stage, `full` every stage. The quick way compares
# the means, with the standard deviation over seeds.


# %% alt="Left, mean and standard deviation of last-1 and full: the bars overlap. Right, the same scores joined seed by seed: last-1 is higher."
def scores(store, plan, labels, seeds=range(10)):
    """Test accuracies, (n_seeds,), in the order of the seeds."""
    rows = compare.sample(store, plan, labels).rows
    return np.array([rows[s].value for s in seeds])


a, b = (scores(store, name, labels) for name in close_pair)
figure = nb16_comparison.bars_and_pairs(a, b, close_pair)

# %% [markdown]
# "The bars overlap, so there is no difference." **This conclusion is wrong.** The bars show how much the labelled subset
# matters, and both plans had *the same* subset in each seed. Joined seed by seed, this shared effect drops out. So take the
# differences:

# %%
from scipy.stats import t as student

d = a - b  # one difference per seed
n = len(d)
error = d.std(ddof=1) / np.sqrt(n)  # standard error of the mean
reach = student.ppf(0.975, df=n - 1)  # the t quantile, 2.26 for ten seeds
low, high = d.mean() - reach * error, d.mean() + reach * error
by_student = stats.interval(d, method="student")
np.testing.assert_allclose([by_student.low, by_student.high], [low, high])
print(f"effect size {d.mean():+.3f}, 95 % confidence interval [{low:+.3f}, {high:+.3f}]")

# %% [markdown]
# Of many intervals made like this, nineteen in twenty contain the true difference. How much did pairing help? The variance of a
# difference is $\mathrm{Var}(a-b)=\mathrm{Var}\,a+\mathrm{Var}\,b-2\,\mathrm{Cov}(a,b)$. The more the two plans rise and fall together,
# the smaller it is.

# %%
together = np.cov(a, b)  # variances on the diagonal, the covariance beside it
unpaired = together[0, 0] + together[1, 1]
assert np.isclose(unpaired - 2 * together[0, 1], d.var(ddof=1))
print(f"correlation over seeds {np.corrcoef(a, b)[0, 1]:.2f}")
print(f"variance of the difference {d.var(ddof=1):.5f}; without pairing {unpaired:.5f}")
print(f"for the same precision, unpaired runs need {unpaired / d.var(ddof=1):.1f} times as many seeds")

# %% [markdown]
# Pairing costs nothing and replaces many runs. `stats.interval(d)` does all this in one call. It also applies Hall's
# correction for skewed differences, which can only widen the interval.

# %% alt="Ten differences as dots, below them their mean and its 95 % confidence interval, beside a line at zero."
ax = paired.interval_from_dots(d, stats.interval(d))
title = ax.figure.suptitle(
    f"{close_pair[0]} minus {close_pair[1]}: above zero in {(d > 0).sum()} of {n} seeds"
)

# %% [markdown]
# ## 5 · From interval to verdict
#
# A difference is *statistically significant* if its confidence interval excludes zero. That does not say how large it is, so
# report the *effect size* too. An undecided result may only mean low *statistical power*: the chance to detect a true effect
# of a given size. More seeds, or pairing, raise it.
#
# Two more sources of chance. The test set is finite: an accuracy $p$ on $n$ independent items has the standard error
# $\sqrt{p(1-p)/n}$. Our verdicts include it, but digits by one writer are alike, so the true error can be larger. And many
# comparisons give *false positives*. *Holm's rule* limits them: the smallest of $m$ p-values must lie below $\alpha/m$, the
# next below $\alpha/(m-1)$, and so on, until one fails.

# %%
p, items = scores(store, plan, labels).mean(), len(task.test.inputs)
print(f"accuracy {p:.2f} on {items} test digits: standard error {np.sqrt(p * (1 - p) / items):.3f}")
budgets = sorted({r.labels for r in finished})
family = [tuple(compare.sample(store, name, k) for name in (plan, baseline)) for k in budgets]
for k, judged in zip(budgets, compare.compare(family), strict=True):
    alone = stats.verdict(scores(store, plan, k), scores(store, baseline, k)).word
    words = [word.replace("cannot tell", "undecided") for word in (alone, judged.word)]
    print(f"{k:2} per class: {judged.mean:+.3f}, alone {words[0]}, in the family {words[1]}")

# %% [markdown]
# ## 6 · What is it worth, and what does it cost?
#
# A gain in accuracy can be restated in labels: how many labels does scratch need to be *as good*? Start at the transferred
# network, go right to the curve of scratch, and read off its labels:

# %% tags=["headline"] alt="Two panels, accuracy against labels per class. Left, an arrow from frozen at one label right to the curve of scratch. Right, an arrow from full at five labels that passes the end of the curve of pixels."
curves = {name: np.array([scores(store, name, k) for k in budgets]) for name in everyone}
goal = curves[plan][budgets.index(labels)].mean()
needed = np.exp(np.interp(goal, curves[baseline].mean(1), np.log(budgets)))
saving = savings.label_saving(budgets, curves[baseline], curves[plan], labels)
np.testing.assert_allclose(needed / labels, saving.factor)
_, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.8), layout="constrained", sharey=True)
nb16_comparison.label_saving(budgets, curves[baseline], curves[plan], labels, (plan, baseline), left)
guess_line(left, slider.value, "x", f"your guess: {slider.value}")
nb16_comparison.label_saving(
    budgets, curves["pixels"], curves["full"], 5, ("full", "pixels"), right
).label_outer()

# %% [markdown]
# The ratio of the arrow's ends is the *label-saving factor*, {{saving 16_digits frozen 1}} here. A digit
# takes a second to label, a biopsy takes a pathologist.
#
# On the right the arrow passes the end of the curve. All we can say is *more than*: the factor is *right-censored*.
# Do not extend the curve by eye.
#
# A gain can also be restated in computing. We count floating-point operations, which are the same on every machine:

# %% alt="Test accuracy against the operations of a fit for scratch, full and frozen, a point for each number of labels. Frozen lies far to the left of both, at fifty labels too."
ax = nb16_comparison.accuracy_by_cost(records, ("scratch", "full", "frozen"))

# %% [markdown]
# Frozen stages run once per digit. Trained stages run forwards and backwards in every training step, for every setting that
# is tried. From five labels on, several settings are tried, hence the jump. Where computing is scarce, choose `frozen`:
# with fifty labels it costs less than the others with one. At equal labels `full` is more accurate, from five labels on.
#
# The title compares equal labels. At equal *accuracy*, scratch also needs more labels, so the factor in the fourth line below is larger.
# Pretraining is left out. It took {{card letters flops}} operations, once.
#
# ## What we saw
#
# Criteria were written down before the fits were run.
#
# - {{claim 3 sentence}}
# - {{claim 3-full sentence}}
# - {{claim 2 sentence}}
# - {{claim 20 sentence}}
# - {{claim 1-tasks sentence}}
#
# The last one divides the cost of the pretraining by the operations that `full` saves in one task with five labels per class,
# on the way to nearly the final accuracy of scratch. That number is uncertain: above its interval the claim is confirmed,
# below it refuted.
#
# Did transfer help? That depends on the plan, the number of labels and the cost. A single pair of bars hides all three.
#
# ## When this fails
#
# - **One pair of tasks.** Letters and digits are close. [22](22_similarity.ipynb) reduces the similarity until transfer hurts.
# - **A small network.** Large ones may have more to give.
# - **Unequal classes.** Then accuracy rewards the frequent class; *balanced accuracy* does not. See exercise 16.3.
# - **A baseline that was not trained to the end.** `scratch` must fit its training digits first.
#
# <details><summary>Fine print</summary>
#
# With fifty labels per class, two seeds share about half of their digits, so those intervals say little about other
# subsets. All test digits come from a few writers; the intervals say nothing about other people. Below five labels, settings
# were chosen on other tasks. Operations are not minutes. Fitting a head by a solver is not counted, so the costs leave out
# `pixels`. Eight in ten such studies would detect a true gain of `frozen` of {{claim 3 power}}, depending on the number of labels.
#
# </details>
#
# ## Exercises
#
# ### Exercise 16.1 · One more stage
#
# `last-1` trains one stage more than `frozen`. At how many labels is it better? Ask it as one family: fill `pairs` with
# the scores of both plans.

# %% tags=["solution"]
pairs = [(scores(store, "last-1", k), scores(store, "frozen", k)) for k in budgets]
gains = dict(zip(budgets, stats.verdicts(pairs), strict=True))
# stub:
# pairs = [(..., ...) for k in budgets]
# gains = dict(zip(budgets, stats.verdicts(pairs), strict=True))

# %% tags=["check"]
for k in budgets:
    one, other = (values(records, plan=name, labels=k) for name in ("last-1", "frozen"))
    gain = stats.interval([one[s] - other[s] for s in range(10)])
    assert np.isclose(gains[k].mean, gain.mean), f"at {k} labels it is not last-1 minus frozen"
    assert np.isclose(gains[k].low, gain.low), f"at {k} labels it is not seed by seed: same seeds, same order"
    print(f"{k:2} per class: {gains[k].mean:+.3f}, {gains[k].word.replace('cannot tell', 'undecided')}")

# %% [markdown] tags=["hint"]
# A pair is two arrays of scores with the same seeds in the same order; `scores(store, plan, k)` gives one.

# %% [markdown]
# ### Exercise 16.2 · The winner's curse
#
# A colleague runs ten seeds and reports the best. The best of `k` runs is biased upwards: it selects luck. Write
# `best_of(results, k)`: the mean, over many random choices of `k` results, of the best one among them.


# %% tags=["solution"]
def best_of(results, k, repeats=2000):
    rng = np.random.default_rng(0)
    return np.mean([rng.choice(results, k, replace=False).max() for _ in range(repeats)])


# stub:
# def best_of(results, k, repeats=2000):
#     return ...

# %% tags=["check"]
from itertools import combinations

mine, theirs = scores(store, "scratch", 5), scores(store, "full", 5)
assert np.isclose(best_of(mine, len(mine)), mine.max()), "there is one way to choose all"
three = np.mean([max(some) for some in combinations(mine, 3)])  # every choice there is
assert abs(best_of(mine, 3) - three) < mine.std() / 8, (
    "average over many random choices of three different results"
)
print(f"the best of ten adds {best_of(mine, len(mine)) - mine.mean():.3f} to scratch")
print(f"transfer adds        {np.mean(theirs - mine):.3f}")

# %% [markdown] tags=["hint"]
# `rng = np.random.default_rng(0)` once, then `rng.choice(results, k, replace=False)` each time.

# %% [markdown]
# ### Exercise 16.3 · Balanced accuracy
#
# In a test set with ninety healthy and ten ill patients, a model that always predicts *healthy* has a high accuracy. *Balanced
# accuracy* is the mean over classes of the *recall*, the share of a class that is classified correctly. Write it.


# %% tags=["solution"]
def balanced_accuracy(true, predicted):
    return np.mean([np.mean(predicted[true == c] == c) for c in np.unique(true)])


# stub:
# def balanced_accuracy(true, predicted):
#     return ...

# %% tags=["check"]
from sklearn.metrics import balanced_accuracy_score

true, always = np.repeat([0, 1], [90, 10]), np.zeros(100, int)
mixed = np.random.default_rng(0).integers(0, 2, 100)
assert np.isclose(balanced_accuracy(true, always), 0.5), "the recall of each class, then their mean"
assert np.isclose(balanced_accuracy(true, mixed), balanced_accuracy_score(true, mixed)), "compare c with c"
print(
    f"always healthy: accuracy {np.mean(always == true):.2f}, balanced {balanced_accuracy(true, always):.2f}"
)

# %% [markdown] tags=["hint"]
# `predicted[true == c] == c` says which items of class `c` are right.

# %% [markdown]
# **Think.** "At 50 labels the frozen network loses to scratch: the letters do harm." What in this notebook speaks against
# your colleague?

# %% [markdown] tags=["answer"]
# `full` starts from the same letters and does not lose. So the letters do no harm; freezing does: fixed features limit the
# accuracy, and enough labels reach that limit. To see a *source* do harm, compare it under the same plan with random weights.

# %% tags=["quiz"]
widgets.quizzes("16")

# %% [markdown]
# ## Recap
#
# - **Compare in pairs**: same labelled items, equally many settings, one use of the test set; then take the differences seed by seed.
# - **Report** the effect size with its confidence interval, at every number of labels, and the cost. Overlapping bars do not
#   show that two plans are equal.
# - **Correct** for the number of comparisons, and never report the best run.
# - Here transfer helped with few labels. `frozen` needs the fewest operations of the networks, but its accuracy stops
#   improving first.
#
# **Next:** [21](21_kinds_of_transfer.ipynb) begins part 2: when does transfer help? `tlkit compare
# --folder photos` makes this comparison on your images.
#
# **To read.** Student 1908, *The probable error of a mean*, Biometrika 6:1. Holm 1979, *A simple sequentially rejective multiple
# test procedure*, Scandinavian Journal of Statistics 6:65. Kornblith et al. 2019, *Do better ImageNet models
# transfer better?*, arXiv:1805.08974. Bouthillier et al. 2021, *Accounting for variance in machine learning benchmarks*,
# arXiv:2103.03098.

# %% tags=["record"]
{"saving": saving.factor, "last": float(d.mean())}
