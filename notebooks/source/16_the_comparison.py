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
# **Question.** Did transfer pay, against not transferring, with the same labels and at the same cost?
#
# **You will** drag the number of labels until transfer is no longer shown to pay, build one interval from ten dots, count the
# labels and the operations that were saved, and find out when a pretraining is repaid.
#
# **Needs** [11](11_first_transfer.ipynb) and [12](12_feature_extraction.ipynb); 14 and 15 tell more of the plans. Every term has a line in the
# [glossary](00_start_here.ipynb#Glossary).
#
# **Time** {{time}} to run, twenty-five minutes to read.

# %% tags=["parameters"]
match = "digits"  # or "wildlife" or "steel": the whole notebook on photographs (section 7)
seed = 0  # first seed of the fits that are run here: the records hold 0 to 9
seeds = 3  # how many seeds are run here, from that one on
labels = 1  # labels a class of the fits that are run here: 1, 2, 5, 10 or 20
plan = "frozen"  # the plan on trial
against = "scratch"  # what it has to beat
rivals = ["last-1", "full"]  # two plans that the eye cannot tell apart, for the interval by hand
guess = 10  # your guess in section 3; the slider starts here

# %%
import matplotlib.pyplot as plt
import numpy as np

from tlkit import backbones, compare, env, plots, recipe, stats, study, tasks
from tlkit.records import values
from tlkit_lessons import (
    drawing,
    figures,
    ledger,
    nb16_comparison,
    notebooks,
    paired,
    plan_strip,
    savings,
    widgets,
)

env.setup(seed)

# %% [markdown]
# ## 1 · The rules of a fair match
#
# Six contestants read the same handwritten digits. Two transfer nothing: `pixels` has no network at all, and `scratch` is
# the same network from random weights. Four start from the letters: `frozen` keeps them, `last-1` lets the last stage
# move, `full` every stage, and `lp-ft` does the same from a head that has been solved beforehand.
#
# A match is fair when nothing differs but the contestant. So everybody gets **the same labels**: a *seed* draws the digits that
# are labelled, and all plans work with that draw. Below the plans you see three draws, at one label a class. Look for the
# row that you would like to learn from, and for the one that you would not.

# %%
records = (store := ledger.shelf().store(f"16_{match}")).read()
task, source = tasks.load(records[0].task), backbones.load(records[0].backbone)
contestants = ["pixels", "scratch", "frozen", "last-1", "full", "lp-ft"]
seeds_of = {name: {r.seed for r in records if r.plan == name} for name in contestants}
shared = sorted(set.intersection(*filter(None, seeds_of.values())))
_, axes = plt.subplots(3, 2, figsize=(7.5, 3.6), layout="constrained")
for name, ax in zip(contestants, axes.T.flat, strict=True):
    plan_strip.chain(source.stages, name, ax).set_title(name, loc="left")

drawn = [task.train.inputs[i] for s in range(3) for i in task.draw(1, s).all]
figure = drawing.gallery(drawn, ncols=len(task.classes))

# %% [markdown]
# Some draws are kind, some are not. That is why everything is done ten times. The other rules: labels that are used to choose
# a setting are **counted** as well, every plan may try **equally many** settings, and the **test**, from sheets taken to be of
# people not seen in training, is **read once** per fit.
#
# Six plans, six budgets of labels, ten seeds: all of that has been run, and every fit left a line in a file of *records*.

# %%
finished = [r for r in records if r.split == "test"]
print(f"{len(finished)} fits; the last of them says:")
{name: value for name, value in vars(finished[-1]).items() if name not in ("measured", "detail")}

# %% [markdown]
# ## 2 · Do not take the file's word for it
#
# A file can say anything. So a slice of it is run again, here, by the same code, into a file of its own: the plan on trial and
# its opponent, for a few seeds.

# %%
here = notebooks.live_store(f"16_{match}")
grid = study.Grid(
    task=task.name,
    backbone=source.name,
    plans=(plan, against),
    labels=(labels,),
    seeds=tuple(range(seed, seed + seeds)),
    recipe=recipe.suited(source),
)
filed = {name: compare.sample(store, name, labels).rows for name in (plan, against)}
assert all(set(grid.seeds) <= rows.keys() for rows in filed.values()), "labels or seeds not in the records"
before = len(task.reads)
outcome = study.run(grid, here)
outcome

# %% [markdown]
# Did both follow the same rules? The *key* of a record names task, data, backbone, weights, plan, labels, seed and recipe,
# with a checksum of whatever has content. Equal keys, equal rules. And the task remembers each reading of its test.
#
# Did both find the same numbers? Another processor rounds otherwise, and training amplifies that, so the last digits may
# differ. But the means over the same seeds must agree within the doubt that the records themselves admit.

# %%
fresh = {name: compare.sample(here, name, labels).rows for name in (plan, against)}
for name in fresh:
    for s, row in fresh[name].items():
        assert row.fit_key == filed[name][s].fit_key, "another task, data, weights, draw or recipe"
        counts = row.detail["items"]
        assert counts["fit"] + counts["select"] == labels * len(task.classes), "a label was not counted"
        assert row.detail.get("moved") == filed[name][s].detail.get("moved"), "other tensors moved"
    now = np.mean([row.value for row in fresh[name].values()])
    then = np.mean([filed[name][s].value for s in fresh[name]])
    whole = stats.interval([row.value for row in filed[name].values()])
    print(f"{name}: {now:.3f} here, {then:.3f} in the file")
    assert abs(now - then) <= (whole.high - whole.low) / 2, f"{name} does not come out as recorded"
assert len(task.reads) - before == outcome.ran, "the test was not read once per fit"

# %% [markdown] tags=["predict"]
# ## 3 · Drag the labels
#
# **Predict.** With one label a class, the frozen network has seen ten handwritten digits in its life. How many labels a class
# does the same network need *from scratch* to read as well? Put the first slider there; section 5 has the answer.
#
# Then drag the second one. On the left every dot is a seed, the bar their mean; on the right is what transfer was worth so
# far. Begin at one label, go slowly, and watch `scratch`. (A page that cannot slide shows the last frame: all labels.)

# %% tags=["predict"]
question = "Labels a class from scratch, to read as well as frozen with one"
slider = widgets.guess(question, guess, low=1, high=50, step=1)
slider

# %%
widgets.label_slider(store, ["pixels", "scratch", "frozen", "full"], against)

# %% [markdown]
# With one label a class, transfer is worth {{gain 16_digits frozen scratch 1}} of accuracy: scratch is no better there than no
# network at all. Then labels begin to do what the letters did, and the gap closes. And then a surprise: with many labels the
# frozen network falls *behind* scratch, by {{gain 16_digits scratch frozen 50}} at the end. Features made for letters read
# digits well, but not perfectly, and frozen they cannot improve. `full` begins with the same letters, may improve on them,
# and is never overtaken by scratch.
#
# Each frame is headed by *verdicts*. *Equal*: the difference is surely smaller than two points of accuracy, which hardly anybody
# would notice, even if it is surely there. *Better* or *worse*: it may be larger than that, and larger than the doubt that ten seeds
# leave. Else *cannot tell*. But how much doubt do ten seeds leave? It is in the dots. (The large marker is the number of labels at hand.)
#
# ## 4 · Ten dots, one interval
#
# With one label a class, should only the last stage move, or all of them? `last-1` against `full`, then. The quick way is to
# draw the mean of each, with the spread of its seeds. (Left below.)


# %%
def scores(store, plan, labels, seeds=shared):
    """Test accuracies by seed, of the seeds that all plans have."""
    rows = compare.sample(store, plan, labels).rows
    return np.array([rows[s].value for s in seeds if s in rows])


a, b = (scores(store, name, labels) for name in rivals)
_, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained", sharey=True)
left.errorbar(rivals[::-1], [b.mean(), a.mean()], [b.std(ddof=1), a.std(ddof=1)], fmt="ks", capsize=8)
left.set(title="mean and spread", ylabel="test accuracy (axis cut)", xlim=(-0.5, 1.5))
left.spines[["top", "right"]].set_visible(False)
ax = paired.paired_dots(a, b, rivals, right, ylabel="")

# %% [markdown]
# "The bars overlap, so there is no difference." **That was a wrong turn.** The bars show the luck of the draw; but in each seed
# both plans had *the same* luck, for they worked with the same digits. On the right the same twenty numbers, joined seed by
# seed: the luck that both ends of a line share drops out. So forget the two columns, and take the differences:

# %%
from scipy.stats import t as student

d = a - b  # one difference a seed
n = len(d)
error = d.std(ddof=1) / np.sqrt(n)  # the standard error: how far off the mean of n dots is, typically
reach = student.ppf(0.975, df=n - 1)  # a bit more than two: the spread, too, is only estimated from the dots
low, high = d.mean() - reach * error, d.mean() + reach * error
apart = student.ppf(0.975, df=2 * n - 2) * np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / n)  # unshared seeds
print(f"{d.mean():+.3f} [{low:+.3f}, {high:+.3f}]")
print(f"give or take {reach * error:.3f}; without the pairs {apart:.3f}")

# %% [markdown]
# That is a 95 % interval: of many intervals that are made in this way, nineteen in twenty hold the true difference. With one
# label a class it lies above zero; had we thrown the pairing away, it would not. In one line:

# %%
by_student = stats.interval(d, method="student")
np.testing.assert_allclose([by_student.low, by_student.high], [low, high])
guarded = stats.interval(d)
ax = paired.interval_from_dots(d, guarded)

# %% [markdown]
# The picture shows the default of `stats.interval`. It moves an end further out where the dots trail off to one side, because a few
# bad draws make a long tail, and then Student's interval misses the truth more often than it says: a cautious guard, whose end may
# lie beyond every dot. (How often each does, on
# made-up data whose truth is known, is printed by `tlkit selftest`.)
#
# Two more grains of salt, and we have the verdicts of the slider. They allow for *other test digits* as well as for other draws.
# And whoever asks many questions gets some wrong answers by chance alone, so in a family of comparisons each must be surer
# (Holm's rule): an interval may lie just beside zero, and the verdict is still *cannot tell*. Look for such a one below: the plan
# on trial against its opponent, each number of labels judged alone, and then as one of all:

# %%
budgets = sorted({r.labels for r in finished})
family = [tuple(compare.sample(store, name, n) for name in (plan, against)) for n in budgets]
for n, judged in zip(budgets, compare.compare(family), strict=True):
    alone = stats.verdict(scores(store, plan, n), scores(store, against, n)).word
    print(f"{n:2} labels, alone {alone}; with the others: {judged.sentence(plan, against)}")

# %% [markdown]
# ## 5 · What a label is worth
#
# Accuracy is one currency, labels are another: somebody has to sit down and write them. So turn the question on its side. Not
# *how much better with as many labels*, but *as good with how many labels?* Start at the transferred network, walk to the right
# until you meet the curve of scratch, and read off the labels there. By hand:

# %% tags=["headline"]
curves = {name: np.array([scores(store, name, n) for n in budgets]) for name in contestants}
goal = curves[plan][budgets.index(labels)].mean()
needed = np.exp(np.interp(goal, curves[against].mean(1), np.log(budgets)))
print(f"accuracy {goal:.2f}: {labels} label a class with transfer, {needed:.1f} without")

saving = savings.label_saving(budgets, curves[against], curves[plan], labels)
np.testing.assert_allclose(needed / labels, saving.factor)

_, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
ax = nb16_comparison.label_saving(budgets, curves[against], curves[plan], labels, (plan, against), left)
left.axvline(slider.value, color="black", linestyle="--", label=f"your guess: {slider.value}")
left.legend(frameon=False, loc="lower right")
ax = nb16_comparison.label_saving(budgets, curves["pixels"], curves["full"], 5, ("full", "pixels"), right)

# %% [markdown]
# Left, the arrow that we have just walked, and your guess. The ratio of its ends is the *label-saving factor*, here
# {{saving 16_digits frozen 1}}; its interval comes from drawing the ten seeds again and again, with replacement. Is that less
# than you thought? All those points of accuracy could have been bought with very few more labels. It depends on the label: a
# digit takes a second, a biopsy takes a pathologist.
#
# Right, another pair: `full` with five labels, against `pixels`. The arrow walks past the end of the curve. Would the bare pixels
# need a few more labels, or a hundred times as many, or is there no number that will do? Whoever has not measured it can only say
# *more than*: the picture ends, the curve does not. Such a number is called *censored*, and to prolong the curve by eye is a
# popular way of making transfer look good.
#
# ## 6 · What it costs
#
# The third currency is computing, counted in floating-point operations: unlike seconds, they are the same on every
# machine. Each tick to the right is ten times as dear. The markers along a line are the numbers of labels; pixels run no network,
# and stand on the axis.

# %%
ax = plots.accuracy_against_cost(records)

# %% [markdown]
# Frozen stages are run once for each digit and kept; all that moves is run forwards and backwards in every step of every
# try. (A head that is solved for costs next to nothing, and is not counted.) Hence the gulf between `frozen` and the rest. To
# reach the same *accuracy*, scratch needs more labels too, and pays for them again. Frozen against scratch, seed by seed, with
# {{claim 20 effect}}. (There scratch pays up to the next number of labels that was measured; below we go between two of them.)
#
# But somebody has paid for learning the letters. When is that repaid? By hand: what the pretraining took, over what a task saves
# on its way to the accuracy of section 5.


# %%
def cost(store, plan, labels):
    """Mean operations of a fit."""
    rows = compare.sample(store, plan, labels).rows.values()
    return np.mean([ledger.effort.operations(row) for row in rows])


without = np.interp(np.log(needed), np.log(budgets), [cost(store, against, n) for n in budgets])
spent, each = ledger.card("letters")["flops"], cost(store, plan, labels)  # ImageNet's bill is not known
print(f"{spent:.1e} once, {without - each:.1e} saved on each task")
ax = figures.break_even(spent, each, without)

# %% [markdown]
# The number depends on what is compared; the claims below count the steps that `full` saves, and find another one. Either way
# it takes many tasks, not one or two. But is it *your* bill? Weights that somebody else has trained cost you a download. The
# break-even tells whether training them was a good idea for all of us together.
#
# ## 7 · The same match, on photographs
#
# Letters and digits are one pair of tasks, and a tidy one. So the match was played twice more, with EfficientNet-Lite0 (after Tan
# & Le 2019, in a form for phones), which had sorted a million photographs into the thousand classes of ImageNet. Below, two
# photographs as you see them, and as that network does: cut to a square, and small. A fit that moves the whole network takes
# about a minute here, so `scratch` and `full` have five seeds, the others ten.
#
# One target is near: twelve kinds of *animals*, most of which are classes of ImageNet too, so the network has seen their like.
# The other is far: six kinds of faults on hot-rolled *steel*, grey close-ups without any object. (Neither may be passed
# on with this notebook, so it shows you the records alone.) Same rules, same plans. Which of the two would you freeze?

# %% tags=["headline"]
from PIL import Image
from sklearn.datasets import load_sample_images

view = backbones.View(size=96, mean=(0.5,) * 3, std=(0.5,) * 3)
photos = load_sample_images().images
squares = [view(Image.fromarray(photo)).permute(1, 2, 0) / 2 + 0.5 for photo in photos]
_, axes = plt.subplots(1, 4, figsize=(6, 1.4), dpi=64, width_ratios=(3, 2, 3, 2), layout="constrained")
for ax, shown in zip(axes, [photos[0], squares[0], photos[1], squares[1]], strict=True):
    ax.imshow(shown)
    ax.set_axis_off()

_, axes = plt.subplots(1, 2, figsize=(10.5, 3.6), layout="constrained", sharey=True)
for name, ax in zip(("wildlife", "steel"), axes, strict=True):
    rows = ledger.shelf().store(f"16_{name}").read()
    plots.accuracy_by_labels(rows, ["pixels", "scratch", "frozen", "last-1", "full"], ax=ax).set_title(name)
axes[0].get_legend().remove()

# %% [markdown]
# On animals scratch hardly leaves the ground, on steel it climbs slowly. Are there too few pictures, or was it **stopped too early**? The rule of equal tries gave
# every plan the same few steps. Ask each plan about the pictures that it has *learnt from*: a network that was trained to the end
# knows them all.

# %%
for name in ("wildlife", "steel"):
    rows = ledger.shelf().store(f"16_{name}").read()
    print(name, *nb16_comparison.own_and_new(rows, ("scratch", "full"), (5, 20)), sep="\n  ")

# %% [markdown]
# With five labels a class `scratch` has memorised its own pictures, or nearly, and knows few others: **there are too few of
# them**. With twenty it does not even know its own: it was **stopped too early** as well, and how far it would come with more steps
# these records do not say. So the rows with a star below are about few steps as much as about transfer. `full` knows its own
# pictures at every number of labels; for it the steps were enough. Before you believe how far a rival is beaten, ask whether anybody
# tried to make it good.
#
# On animals `frozen` is ahead of `full` in {{wins 16_wildlife frozen full 5}} draws of five labels a class, and in {{wins 16_wildlife frozen full 20}} of twenty.
# On steel the draws point the other way, though so few of them do not settle it (the table below says *cannot tell*). Nobody has
# seen steel in ImageNet, and a stage that moves has something to learn: with five labels a class `full` is ahead of `frozen` in {{wins 16_steel full frozen 5}} draws, and `last-1` in {{wins 16_steel last-1 frozen 5}}. Yet the frozen features serve there,
# too: with one label a class they are ahead of bare pixels in {{wins 16_steel frozen pixels 1}} draws. So "freeze or not" is no law either way;
# it is a fact about a source, a target, and a number of labels.
#
# To play this notebook on photographs from the first cell to the last, set `match`: `tlkit run 16 -p match=wildlife`. It needs
# the pictures in the cache; `make install` has fetched the weights. With pictures of your own, `tlkit compare --folder photos`
# plays the match, with the same network.
#
# ## What we saw
#
# The claims that tutorials repeat, each with a criterion that was written down before these fits were run:
#
# | claim | verdict | measured |
# |---|---|---|
# | {{claim 1-tasks text}} | **{{claim 1-tasks}}** | {{claim 1-tasks effect}} |
# | {{claim 2 text}} | **{{claim 2}}** | {{claim 2 effect}} |
# | {{claim 3 text}} | **{{claim 3}}** | {{claim 3 effect}} |
# | {{claim 10 text}} | **{{claim 10}}** | {{claim 10 effect}} |
# | {{claim 20 text}} | **{{claim 20}}** | {{claim 20 effect}} |
# | {{claim 3-wildlife text}} | **{{claim 3-wildlife}}** \* | {{claim 3-wildlife effect}} |
# | {{claim 3-steel text}} | **{{claim 3-steel}}** \* | {{claim 3-steel effect}} |
# | {{claim 5-wildlife text}} | **{{claim 5-wildlife}}** | {{claim 5-wildlife effect}} |
# | {{claim 5-steel text}} | **{{claim 5-steel}}** | {{claim 5-steel effect}} |
# | {{claim 2-wildlife text}} | **{{claim 2-wildlife}}** \* | {{claim 2-wildlife effect}} |
# | {{claim 2-steel text}} | **{{claim 2-steel}}** \* | {{claim 2-steel effect}} |
#
# \* Against `scratch`, which was stopped early from ten labels on (section 7). Holm's rule goes row by row, and several rows use the same records: among
# so many, one may owe its word to chance.
#
# <details><summary>And those of earlier notebooks that were measured here</summary>
#
# | claim | verdict | measured |
# |---|---|---|
# | {{claim 1 text}} | **{{claim 1}}** | {{claim 1 effect}} |
# | {{claim 1-operations text}} | **{{claim 1-operations}}** | {{claim 1-operations effect}} |
# | {{claim 3-full text}} | **{{claim 3-full}}** | {{claim 3-full effect}} |
# | {{claim 5 text}} | **{{claim 5}}** | {{claim 5 effect}} |
# | {{claim 5-no-loss text}} | **{{claim 5-no-loss}}** | {{claim 5-no-loss effect}} |
# | {{claim 5-top text}} | **{{claim 5-top}}** | {{claim 5-top effect}} |
#
# </details>
#
# Did transfer pay? There is no answer in one word. There is one for each plan and each number of labels, and whoever shows you a
# single pair of bars has chosen both for you. Even the famous advice *freeze the core when labels are few*, set against moving
# everything, {{claim 5}}; *tune the top* {{claim 5-top}}.
#
# ## When this fails
#
# - **Few pairs of tasks.** Letters and digits are close relatives. [22](22_similarity.ipynb) turns the similarity down
#   until transfer hurts.
# - **Small networks.** Large ones have more to give, and their frozen features may meet a ceiling later, or never.
# - **Draws that overlap.** There are hardly more than twenty animals of a kind to draw from, so ten draws of twenty are nearly the
#   same pictures: those intervals know little of other draws. Half of fifty digits a class are shared, too.
# - **Photographs leak.** They are split picture by picture, for nobody noted which belong together: two strips of one sheet of steel
#   may lie on both sides. Brightness alone tells some faults apart, a black frame some animals, and most of these animals *are*
#   classes of ImageNet.
# - **Few writers.** All test digits come from a few sheets. The intervals know about other digits of those hands, and
#   nothing about other people.
# - **Few settings.** Every plan had the same short list of learning rates, and below five labels the setting comes from other tasks,
#   on photographs from a single one. With more tries some plan might do better, but tries need labels too.
# - **Operations are not minutes.** A graphics card does many at once, a phone few; and neither of them counts the time of
#   the person who labels.
#
# ## Exercises
#
# ### Exercise 16.1 · One stage more
#
# `last-1` moves one stage more than `frozen`. At which budgets is it better? That is one question for each budget, so ask them as
# one family (Holm's rule): fill `pairs` with the scores of both plans for each.

# %% tags=["solution"]
pairs = [(scores(store, "last-1", n), scores(store, "frozen", n)) for n in budgets]
gains = dict(zip(budgets, stats.verdicts(pairs), strict=True))
# stub:
# pairs = [(..., ...) for n in budgets]
# gains = dict(zip(budgets, stats.verdicts(pairs), strict=True))

# %% tags=["check"]
for n in budgets:
    one, other = (values(records, plan=name, labels=n) for name in ("last-1", "frozen"))
    gain = stats.interval([one[s] - other[s] for s in shared])
    assert np.isclose(gains[n].mean, gain.mean), f"at {n} labels it is not last-1 minus frozen"
    assert np.isclose(gains[n].low, gain.low), f"at {n} labels it is not seed by seed: same seeds, same order"
    print(f"{n:2} labels: {gains[n].sentence('last-1', 'frozen')}")

# %% [markdown] tags=["hint"]
# A pair is two arrays of scores, the same seeds in the same order; `scores(store, plan, n)` gives one.

# %% [markdown]
# ### Exercise 16.2 · The best of ten
#
# A colleague runs ten seeds and reports the best. Write `best_of(results, k)`: the mean, over many random choices of `k` of
# the results, of the best one among them. How much does that trick add for scratch, and how much does transfer?


# %% tags=["solution"]
def best_of(results, k, draws=2000):
    rng = np.random.default_rng(0)
    return np.mean([rng.choice(results, k, replace=False).max() for _ in range(draws)])


# stub:
# def best_of(results, k, draws=2000):
#     return ...

# %% tags=["check"]
from itertools import combinations

mine, theirs = scores(store, "scratch", 5), scores(store, "full", 5)
assert np.isclose(best_of(mine, len(mine)), mine.max()), "there is one way to choose all"
three = np.mean([max(chosen) for chosen in combinations(mine, 3)])  # every choice there is
assert abs(best_of(mine, 3) - three) < mine.std() / 8, "of three: draw anew, and none twice"
print(f"the best of all adds {best_of(mine, len(mine)) - mine.mean():.3f}")
print(f"the letters add      {np.mean(theirs - mine):.3f}")

# %% [markdown] tags=["hint"]
# `rng = np.random.default_rng(0)` once, then `rng.choice(results, k, replace=False)` for each draw.

# %% [markdown]
# ### Exercise 16.3 · The whole bill
#
# Labelling a digit takes you five seconds, and the computer does 10 billion operations a second. Write `bill(labels, operations)`:
# the seconds that `labels` a class (of ten classes) and a fit take together. Which plan is the cheapest that gets to
# the accuracy you need?


# %% tags=["solution"]
def bill(labels, operations, a_label=5, a_second=1e10):
    return 10 * labels * a_label + operations / a_second


# stub:
# def bill(labels, operations, a_label=5, a_second=1e10):
#     return ...

# %% tags=["check"]
assert bill(1, 0) == 50 and bill(0, 1e10) == 1, "ten digits are 50 seconds, 10 billion operations are one"
needs = 0.95  # try others
for name in ("scratch", "frozen", "last-1", "full"):
    n = next((n for n in budgets if scores(store, name, n).mean() >= needs), None)
    print(f"{name}:", f"{n} labels, {bill(n, cost(store, name, n)):.0f} s" if n else "does not get there")

# %% [markdown] tags=["hint"]
# Two terms: ten classes times labels times seconds a label; operations over operations a second.

# %% [markdown]
# **Think.** "At 50 labels the frozen network loses to scratch: the letters do harm." What in this notebook speaks against
# your colleague?

# %% [markdown] tags=["answer"]
# `full` starts from the same letters and does not lose. So it is not the letters that harm, but the freezing: features that may
# not change set a ceiling, and enough labels reach it. To see a *source* do harm, compare two sources under one plan.

# %% tags=["quiz"]
widgets.quizzes("16")

# %% [markdown]
# ## Recap
#
# - **Did it pay?** With few labels yes, and the fewer the more. That `full` is better than both baselines {{claim 3-full}};
#   that `frozen` is, {{claim 3}}.
# - **Frozen or not?** Frozen is nearly free and has a ceiling. What may move goes on improving.
# - **A fair match** has the same draws, the same labels, the same number of tries, and one look at the test.
# - **An interval** is built on paired differences: mean, standard error, Student's t. Overlapping bars prove nothing.
# - **What lies outside the picture** is *more than*, never a number.
#
# **Next:** [21](21_kinds_of_transfer.ipynb), with which the second part begins: when does transfer pay? And the same comparison
# on pictures of your own: `tlkit compare --folder photos`, see [00](00_start_here.ipynb#Your-own-pictures).
#
# **To read.** Student 1908, *The probable error of a mean*, Biometrika 6:1. Kornblith et al. 2019, *Do better ImageNet models
# transfer better?*, arXiv:1805.08974. Kumar et al. 2022, *Fine-tuning can distort pretrained features and underperform
# out-of-distribution*, arXiv:2202.10054. Bouthillier et al. 2021, *Accounting for variance in machine learning benchmarks*, arXiv:2103.03098.

# %% tags=["record"]
{"saving": saving.factor, "last": float(d.mean()), "tasks": float(spent / (without - each))}
