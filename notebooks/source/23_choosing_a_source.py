# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 23 · Choosing a source
#
# **Question.** Thirteen pretrained networks, five labels per class: which network do you take, or none?
#
# <details><summary><b>In one sentence</b> (guess first)</summary>Use a transferability score that looks at your labels to reject bad
# sources; shortlist three, and compare those three on a validation split.</details>
#
# **You will** score thirteen sources before training on any of them, catch a score that ignores your labels, separate a harmful
# source from the cost of freezing, and check what a shortlist of three is worth.
#
# **Needs** notebooks [12](12_feature_extraction.ipynb), [16](16_the_comparison.ipynb) and [22](22_similarity.ipynb). Terms are in the
# [glossary](../book/glossary.md).
#
# **Time** {{time}} to run, 25 min to read.

# %% tags=["parameters"]
targets = ["digits", "textures", "symbols"]  # of those with records; the first is looked at closely
plan = "frozen"  # how the source is used: "frozen" or "full"
seed = 10  # which images are labelled: 10 to 19, as in the records
choice = "letters"  # the source that you would take for the first target
guess = 0.8  # your guess in section 1; the slider starts here

# %%
import numpy as np
import torch
from IPython.display import Markdown

from tlkit import backbones, compare, env, features, stats, tasks
from tlkit.fit import fit
from tlkit.records import values
from tlkit_lessons import drawing, ledger, material, nb23_scores, ranking, scores, widgets

env.setup(seed)

# %% [markdown]
# ## 1 · Thirteen candidates
#
# All thirteen are the same small network, pretrained on different data. One row shows images of one kind; the last row is your target.

# %%
stores = {name: ledger.shelf().store(f"23_{name}") for name in targets}
records = {name: store.read() for name, store in stores.items() if store}
goals = {name: tasks.load(rows[0].task) for name, rows in records.items()}
first, task = targets[0], goals[targets[0]]
nets = {name: backbones.load(name) for name in dict.fromkeys(r.backbone for r in records[first])}

# %% alt="Eight rows of small images: Latin, Greek, Cyrillic letters, symbols, textures, pen strokes, fractals, and last the target."
drawn = [material.glyphs(alphabet, 1, 0) for alphabet in ("letters", "greek", "cyrillic", "symbols")]
drawn += [family(1, 0) for family in (material.textures, material.strokes, material.fractals)]
rows = [images[0][:8] for images in drawn] + [task.train.inputs[task.draw(1, seed).all][:8]]
rows_are = ("Latin", "Greek", "Cyrillic", "symbols", "textures", "strokes", "fractals", "target")
seen = nets[choice].transform(torch.as_tensor(np.concatenate(rows)))  # 16 x 16, as the networks see them
figure = drawing.gallery(seen, ncols=8, rows=rows_are)

# %% [markdown]
# The first candidate score needs no target at all. *Source accuracy* is how well a network does what it was pretrained for.

# %%
print("\n".join(nb23_scores.card_line(name, net.card) for name, net in nets.items()))

# %% [markdown]
# The first seven saw Latin letters. Three of them are unusual. `letters-early` was stopped early. `letters-ssl`
# had no labels. `memorised` was trained on *random* labels until it knew them all; on fresh letters it is at chance level.

# %% [markdown] tags=["predict"]
# **Predict.** Take the source with the highest source accuracy. Train a classifier on its frozen features, with five labels per class
# of the first target. What is the test accuracy? For comparison: on digits, training from scratch reaches
# {{accuracy 23_digits letters scratch 5}}.

# %%
slider = widgets.guess("Test accuracy with the highest source accuracy", guess, high=1.0)
slider

# %% [markdown]
# ## 2 · Scores that use your labels
#
# A *transferability score* rates a source on your few labelled images, before any training. The simplest is leave-one-out 1-NN
# accuracy, *kNN* below: in the features of the source, does the nearest other image have the same label?


# %%
def features_of(net, task, labelled):
    """The pooled features of the labelled images: N x 128."""
    cut = features.Cut(net, len(net.stages), pooled=True)
    return features.activations(cut, task.train, labelled).double()


labelled = task.draw(5, seed).all
y = np.asarray(task.targets)[labelled]
x = features_of(nets[choice], task, labelled)
distance = torch.cdist(x, x).fill_diagonal_(torch.inf)  # no image is its own neighbour
by_hand = np.mean(y[distance.argmin(1)] == y)
np.testing.assert_allclose(scores.score("kNN", x, y), by_hand)
print(f"{choice}: {by_hand:.2f} of the images have a nearest neighbour of their own class")

# %% [markdown]
# There are many others:
#
# - *LogME* is the evidence of a Bayesian linear regression on the features: how likely your labels are, averaged over all linear heads,
#   weighted by a prior.
# - *LEEP* translates the outputs of the old head into your classes, see exercise 23.1. *NCE* uses only the old class that is most likely.
# - *GBC* treats each class as a Gaussian, and measures how little they overlap.
# - The *H-score* compares the variance between the class means with the variance of all features. *Shrinkage* makes it usable when images
#   are few.
# - *TransRate* compares the bits needed to encode all features with the bits needed within each class.


# %%
names = ("source accuracy", "kNN", "LogME", "LEEP", "NCE", "GBC", "shrinkage H-score", "H-score", "TransRate")
scored = {t: nb23_scores.score_all(goal, nets, names, range(10, 20)) for t, goal in goals.items()}
for name in ("source accuracy", "kNN", "LogME", "LEEP", "TransRate"):
    yours = scored[first][name][seed - 10]
    print(f"{name:16}", *(f"{[*nets][k]} {yours[k]:.2f}  " for k in np.argsort(-yours)[:2]))

# %% [markdown]
# The scores disagree. "TransRate comes from information theory, and its winner is far ahead." So `memorised` it is, for digits.
#
# **That was a wrong turn.** This network learned random labels. A check exposes the score before any accuracy is known: **shuffle the
# labels** of your images. Nothing can be predicted from them now, so a score that uses labels must fall.

# %% alt="For kNN, LogME and TransRate, each source's score with true and with shuffled labels. Those of kNN and LogME fall; those of TransRate hardly change."
looks = {source: features_of(net, task, labelled) for source, net in nets.items()}
mixed = np.random.default_rng(seed).permutation(y)
three = ("kNN", "LogME", "TransRate")
asked = [{n: {s: scores.score(n, x, z) for s, x in looks.items()} for n in three} for z in (y, mixed)]
figure = nb23_scores.scores_with_shuffled_labels(*asked)

# %% [markdown]
# kNN falls to chance level. **TransRate** hardly changes. Only the bits within the classes depend on the labels. Five images of a class
# fill at most five directions, all fifty images fill many more. So the part that uses the labels is small, and the score mostly counts
# directions.
#
# ## 3 · Is the source bad, or is it freezing?
#
# Now the truth: test accuracies from the records, the stored results of the full runs. Two fits are repeated here. The second is the
# control, the same plan from *random* weights.

# %%
random_nets = ("random", "random,seed=1", "random,seed=2")
store = ledger.shelf().store("22_random")
for source, rows in ((choice, records[first]), ("random", [r for r in store.read() if r.task == task.name])):
    how = plan if source == choice else "frozen"
    here = fit(task, backbones.load(source), how, 5, seed).test.metrics["accuracy"]
    there = values(rows, plan=how, labels=5, backbone=source)[seed]
    print(f"{source}, {how}: {here:.3f} here, {there:.3f} in the records")
    assert abs(here - there) < 0.03, f"{source} does not come out as recorded"

# %% [markdown]
# *Negative transfer* is a result worse than without transfer, here than the baseline, training from scratch. A frozen network may be worse
# for two reasons: because its weights cannot adapt, or because of what the source learned. The control separates the two.


# %%
def frozen_against(base, of, sources):
    """Source -> verdict of its frozen features against `base`, the baseline or the control."""
    both = [(ledger.side(of, "frozen", 5, (source,)), base) for source in sources]
    return dict(zip(sources, compare.compare(both), strict=True))


scratch = {t: ledger.side(stores[t], "scratch", 5, ("letters",)) for t in goals}
control = {t: ledger.side(store, "frozen", 5, random_nets, goal.name) for t, goal in goals.items()}
harmful = {}
for t in goals:
    below, lower = (frozen_against(base, stores[t], nets) for base in (scratch[t], control[t]))
    harmful[t] = [s for s in nets if below[s].word == lower[s].word == "worse"]
    count = sum(v.word == "worse" for v in below.values())
    print(
        f"{t}: {count} of {len(nets)} worse than scratch; than random weights, too:", *harmful[t] or ["none"]
    )

# %% [markdown]
# We call a source *harmful* if it is worse than both, the baseline and the control. That is stricter than negative transfer: most frozen
# sources are worse than scratch, but few are harmful. On textures *none* is shown to be: freezing alone costs as much.
#
# Do the scores know? Each point is one source.

# %% alt="Four panels of test accuracy over score, one point a source. kNN and LogME put the harmful sources on the left; source accuracy and TransRate do not."
T, V = (nb23_scores.accuracies(records, nets, plan, split) for split in ("test", "select"))
shown = ("source accuracy", "kNN", "LogME", "TransRate")
means = {n: dict(zip(nets, scored[first][n].mean(0), strict=True)) for n in shown}
came, every = dict(zip(nets, T[first].mean(0), strict=True)), range(10, 20)
levels = {"scratch": scratch[first].values(every).mean()}
levels["frozen, random weights"] = control[first].values(every).mean()
figure = nb23_scores.scores_against_truth(means, came, harmful[first], levels, slider.value)

# %% [markdown]
# Your guess belongs to the point furthest right in the first panel. Source accuracy fails because every network had its own task: ten
# textures are easier than 52 letters, among them **O** and **o**. TransRate even prefers a harmful source. kNN and LogME use your labels,
# and put all harmful sources on the left.
#
# ## 4 · Shortlist three
#
# Keep the three best by kNN. How often is each source shortlisted, over ten labelled subsets?

# %% tags=["headline"] alt="Thirteen sources by their gain over scratch on the first target, with the share of labelled subsets in which kNN shortlists each. The harmful sources lie left of frozen random weights, the control, and are never shortlisted."
gains = ledger.by_source(stores[first], list(nets), (plan,), "scratch", 5)[plan]
share = dict(zip(nets, ranking.chance_kept(scored[first]["kNN"], 3).mean(0), strict=True))
# from random weights `full` is scratch itself
freezing = compare.compare([(control[first], scratch[first])])[0] if plan == "frozen" else None
ax = nb23_scores.gains_and_shortlist(gains, share, plan, harmful[first], freezing)

# %% [markdown]
# With full fine-tuning less is at stake: set `plan = "full"` to see it.
#
# Then compare the three on a *validation split*: labelled images that were not trained on. Of five labels per class, `fit` holds one out.
# By hand, for your subset:

# %%
best = np.argsort(-scored[first]["kNN"][seed - 10], kind="stable")[:3]
for k in best:
    print(f"{[*nets][k]:21} validation {V[first][seed - 10, k]:.2f}, test {T[first][seed - 10, k]:.3f}")

# %% [markdown]
# Is the comparison worth it? The table has mean test accuracies over ten subsets. *First* takes the source with the highest score, *best
# of 3* the best of the first three by validation.

# %% tags=["headline"]
rules = {n: [scored[t][n] for t in goals] for n in names} | {"at random": [0 * V[t] for t in goals]}
ends = {"all thirteen, by validation": [ranking.outcome(0 * V[t], V[t], T[t], 13).mean() for t in goals]}
ends |= {"best in hindsight": [T[t].mean(0).max() for t in goals]}
ends |= {"scratch": [scratch[t].values(every).mean() for t in goals]}
Markdown(nb23_scores.rules_table(rules, V, T, ends))

# %%
bad = [s in harmful[first] for s in nets]
for n in names:
    print(
        f"{n:18}{ranking.chance_kept(scored[first][n], 3)[:, bad].sum(1).mean():.1f} harmful sources in the shortlist"
    )
kept, all_of_them = ((scored[first]["kNN"], 3), (0 * V[first], 13))
v = stats.verdict(*(ranking.outcome(s, V[first], T[first], keep) for s, keep in (kept, all_of_them)), 0.02)
print(
    f"{first}: best of three by kNN, less best of all thirteen: {v.mean:+.3f} [{v.low:+.3f}, {v.high:+.3f}]"
)

# %% [markdown]
# After a good score, the comparison changes little: ten validation images cannot separate close sources. After a bad score it repairs much,
# and you may not know which kind you have. Without any score, comparing all thirteen does worse on digits: among many candidates, ten
# images often favour a lucky one. The H-score equals *at random*: with more features than images it is the same for every source.
#
# `textures` and `symbols` are both targets and sources. There the best score may just find the source of the same name. On digits it
# cannot: no source has seen any.
#
# ## What we saw
#
# - kNN, LogME, LEEP, GBC and the shrinkage H-score never shortlisted a harmful source of digits. Scores that mostly ignore the labels did.
# - {{claim 9 sentence}}
# - {{claim 9-random sentence}}
# - {{claim 9-source sentence}}
# - {{claim 9-full sentence}}
#
# So freezing explains a part of the loss, and the source explains the rest.
#
# ## When this fails
#
# - **No good source.** A score ranks sources; it never says *none of these*. Put scratch among the candidates that you compare.
# - **Different architectures.** All thirteen are the same network. Several scores cannot be compared across widths.
# - **Other settings.** Large studies found that small changes of the set-up change which score is best (Agostinelli et al. 2022).
#
# <details><summary>Fine print</summary>
#
# Seven sources are Latin, four of them almost alike. The scores see all fifty labels, the
# held-out ones included; the test images were not used. In each fit the ten validation images also chose the regularisation, so validation
# accuracy is a little too high. `letters-early` has the weights of the checkpoint of 100 steps in notebook 24, but not its source accuracy:
# there the batch-norm statistics were re-estimated. The table of shortlists is exploratory: no criterion was written before.
#
# </details>
#
# ## Exercises
#
# ### Exercise 23.1 · LEEP in four lines
#
# `says` holds the probabilities of the old head, image × old class; `truly` is your label. Add up, for each new class, all that the head says of
# its images. Normalise each *old* class over the new ones: a dictionary. Translate the head's outputs with it, and average the logarithm
# of what the true class gets.


# %% tags=["solution"]
def leep_by_hand(says, truly):
    together = np.eye(truly.max() + 1)[truly].T @ says  # new class x old class: added up
    dictionary = together / together.sum(0)  # an old class, in shares of the new ones
    translated = says @ dictionary.T  # image x new class
    return np.log(translated[np.arange(len(truly)), truly]).mean()


# stub:
# def leep_by_hand(says, truly):
#     together = np.eye(truly.max() + 1)[truly].T @ says  # new class x old class: added up
#     dictionary = ...  # an old class, in shares of the new ones
#     translated = ...  # image x new class
#     return ...

# %% tags=["check"]
for s in range(3):
    rng = np.random.default_rng(s)
    p, z = rng.dirichlet(np.ones(6), 40), np.arange(40) % 3
    mine, right = leep_by_hand(p, z), scores.leep(p, z)
    assert not np.isclose(mine, right / np.log(2)), "that is in bits: take the natural logarithm"
    assert np.isclose(mine, right), (
        "use all the head's probabilities; each *old* class sums to 1; mean of logs"
    )
print(
    f"a head that always says the same: {leep_by_hand(np.full((40, 6), 1 / 6), z):.3f}; log(1/3): {np.log(1 / 3):.3f}"
)

# %% [markdown] tags=["hint"]
# `together.sum(0)` is how much probability each old class received. An image gets, for a new class, the sum of the dictionary's shares,
# weighted by what the head says: `says @ dictionary.T`.

# %% [markdown]
# ### Exercise 23.2 · Two causes
#
# Write `cause(frozen, control, scratch)` for three lists of accuracies on the same subsets: of a frozen source, of frozen random weights, of
# scratch. Return `"none"` unless the source is worse than scratch, `"source"` if it is also worse than random weights, else `"freezing"`.


# %% tags=["solution"]
def cause(frozen, control, scratch, delta=0.02):
    if stats.verdict(frozen, scratch, delta).word != "worse":
        return "none"
    return "source" if stats.verdict(frozen, control, delta).word == "worse" else "freezing"


# stub:
# def cause(frozen, control, scratch, delta=0.02):
#     if ...:
#         return "none"
#     return ...

# %% tags=["check"]
luck = np.random.default_rng(0).normal(0, 0.02, (3, 10))
low, mine, top = luck + np.array([[0.7], [0.0], [0.9]])
assert cause(mine + 0.9, low, top) == "none", "level with scratch: there is nothing to explain"
assert cause(mine + 0.5, low, top) == "source", "worse than random weights, too: the source did it"
assert cause(mine + 0.8, low, top) == "freezing", "worse than scratch, but better than random weights"
assert cause(mine + 0.7, low, top) == "freezing", "not shown to be worse than random weights"
both = control[first].values(every), scratch[first].values(every)
for source in ("letters", "greek", "memorised"):
    print(
        source,
        cause(ledger.side(stores[first], "frozen", 5, (source,)).values(every), *both),
    )

# %% [markdown] tags=["hint"]
# `stats.verdict(a, b, delta).word` is one of *better*, *equal*, *worse* and *cannot tell*, the code's word for undecided.

# %% [markdown]
# **Think.** No score says *take none*. How could one be made to say it?

# %% [markdown] tags=["answer"]
# Compare it with the same score on raw pixels, a baseline, or on random weights, the control. A source that scores lower has little to
# offer. But the main baseline is scratch, which learns its own features. No score on fixed features can include it; its validation
# accuracy can, for the price of one more fit.

# %% tags=["quiz"]
widgets.quizzes("23")

# %% [markdown]
# ## Recap
#
# - Reject bad sources with a score that uses your labels. Check it by shuffling them.
# - Shortlist three, and compare them on a validation split, with scratch among them.
# - A result worse than scratch is negative transfer. Blame the source only if it is also worse than the control, the same frozen plan from
#   random weights.
#
# **Next:** [24](24_how_good_how_much.ipynb) asks how good one source must be, and how many labels make it unnecessary.
#
# **To read.** The scores: *LogME*, You et al. 2021, arXiv:2102.11005. *LEEP*, Nguyen et al. 2020, arXiv:2002.12462. *NCE*, Tran et al.
# 2019, arXiv:1908.08142. *GBC*, Pándy et al. 2022, arXiv:2111.12780. *H-score*, Bao et al. 2019, ICIP. Its shrinkage, Ibrahim et al. 2022,
# arXiv:2110.06893. *TransRate*, Huang et al. 2022, arXiv:2106.09362. Source accuracy: Kornblith et al. 2019, *Do
# better ImageNet models transfer better?*, arXiv:1805.08974. Scores compared: Agostinelli et al. 2022, *How stable are transferability metrics
# evaluations?*, arXiv:2204.01403. Sorkhei et al. 2025, arXiv:2503.18528, where kNN is ahead of the other scores. An
# [appendix](../book/published_scores.md) recomputes a published table of such scores.

# %% tags=["record"]
{f"{t}, {n}": round(ranking.outcome(scored[t][n], V[t], T[t], 3).mean(), 3) for t in goals for n in names}
