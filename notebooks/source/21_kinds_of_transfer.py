# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 21 · The kinds of transfer
#
# **Question.** *Transfer learning* covers several settings. Which one is yours, which labels may you use, and does the
# setting tell you whether transfer helps?
#
# <details><summary><b>In one sentence</b> (guess first)</summary>The setting depends on what differs between source and
# target and on which labels you may use; it does not tell you whether transfer helps.</details>
#
# **You will** sort examples into settings, check whether a learner used labels that should be hidden, cluster digits
# without any label, and compare seven sources in the same setting.
#
# **Needs** [11](11_first_transfer.ipynb) and [16](16_the_comparison.ipynb). Every term is in the
# [glossary](../book/glossary.md).
#
# **Time** {{time}} to run, twenty minutes to read.

# %% tags=["parameters"]
seed = 10  # picks the labelled images: 10 to 19, as in the records
shift = "background"  # the same task in another domain: "background", "noise" or "faded"
guess_clusters = 0.5  # your guess for section 4: the share of digits in the right cluster
guess_worse = 2  # your guess for section 6: how many of seven frozen sources are worse than scratch

# %%
from itertools import product

import numpy as np
from IPython.display import display

from tlkit import backbones, env, errors, features, records, tasks
from tlkit.compare.pairs import compare
from tlkit.fit import fit
from tlkit_lessons import adapt, ledger, nb21_kinds, nb21_sources, paired, shifts, widgets

env.setup(seed)
labels = 5  # per class, where the target has any

# %% [markdown]
# ## 1 · A map
#
# A *domain* is where the images come from, for example printed letters on plain paper. A *task* is a set of classes and
# the rule that says which one an image belongs to. In transfer learning the target has another task, another domain, or
# both. Pan and Yang (2010) define the settings by this and by the labels that are available.

# %%
net, digits, manner = backbones.load("letters"), tasks.load("digits"), tasks.load("dial:manner:0")
plain, shifted = shifts.shifted(shift, seed)

# %% alt="Four boxes: rows for the same or another task, columns for the same or another domain. Each shows images of the source and of the target with the labels that the learner sees; the box where both differ holds two settings."
examples = nb21_kinds.examples(manner, shifted, digits, net, seed)
figure = nb21_kinds.map_of_settings(
    [*examples.values()], "Task, domain and visible labels define the setting"
)

# %% [markdown]
# In the right column the images come from another domain; in the lower row the task is another. The task in the lower left
# box is to recognise stroke width and slant, in five steps. In the lower right box both differ, and the setting depends on
# **which labels the learner sees**:
#
# | setting | task | domain | source labels | target labels |
# |---|---|---|---|---|
# | transductive | same | another | seen | none |
# | inductive | another | same or another | seen or not | a few |
# | unsupervised | another | another | none | none |
#
# The last two columns are assumptions about the data. A result that used hidden labels is invalid, and such a leak is hard
# to see. But there is a check: **replace the labels by random ones** and keep everything else. If any prediction changes,
# the labels were used.


# %%
def with_random_labels(task, seed):
    """The same images, each with a label drawn at random."""
    rng, sides = np.random.default_rng(seed), (task.train, task.test)
    train, test = ((items, rng.integers(len(task.classes), size=len(items))) for items in sides)
    return tasks.Task(task.name, task.objective, *train, *test, task.classes, sealed=task.sealed)


# %% [markdown] tags=["predict"]
# **Predict.** In section 4, a network pretrained on unlabelled letters groups unlabelled digits into ten clusters. What
# share lands in the right cluster? In section 6, seven sources are frozen and used for digits. How many of them are worse
# than training from scratch?

# %% tags=["predict"]
clusters_guess = widgets.guess("Digits in the right cluster", guess_clusters, step=0.05)
worse_guess = widgets.guess("Frozen sources worse than scratch", guess_worse, low=0, high=7, step=1)
display(clusters_guess, worse_guess)

# %% [markdown]
# ## 2 · Inductive: another task, a few labels
#
# As in notebook 11: a letters network, five labelled digits per class, frozen features, a new head. A *plan* is a
# fine-tuning strategy. The *records* are the stored results of the full runs. The baselines use no source: the plan `pixels`,
# and from the records the plan `scratch`.


# %%
def ten(file, plan, backbone="letters", **which):
    """The accuracies of ten seeds in the records."""
    rows = ledger.shelf().store(file).read()
    return [v for _, v in sorted(records.values(rows, plan=plan, backbone=backbone, **which).items())]


def recorded(file, plan, backbone, seed, here=None, labels=5, **which):
    """The accuracy of this seed in the records; `here`, where it is given, must agree."""
    kept = ten(file, plan, backbone, labels=labels, **which)[seed - 10]
    assert here is None or abs(here - kept) < 0.02, f"{plan} from {backbone} differs from the records"
    return kept


done = {plan: fit(digits, net, plan, labels, seed).test for plan in ("frozen", "pixels")}
accuracy = {p: recorded("23_digits", p, "letters", seed, d.metrics["accuracy"]) for p, d in done.items()}
accuracy |= {p: recorded("23_digits", p, "letters", seed) for p in ("full", "scratch")}
print(", ".join(f"{plan} {value:.2f}" for plan, value in accuracy.items()))

# %% [markdown]
# `full` trains the whole network. With five labels per class, `frozen` and `scratch` are close; section 6 compares ten seeds.
#
# Were labels used? For the target we randomise the labels of the digits. For the source we would have to pretrain again;
# instead we read the network's *card*, which says what it was pretrained on.

# %%
again = fit(with_random_labels(digits, seed), net, "frozen", labels, seed).test.predicted
told = any(nb21_sources.pretraining_samples(net)[1])  # labels of the source, according to its card
used = {"inductive": [told, bool(any(done["frozen"].predicted != again))]}
print("used labels of the source, of the target:", used["inductive"])

# %% [markdown]
# ## 3 · Transductive: the same task, another domain
#
# The task is still to recognise ten letters. But they now have a textured background, and no such image is labelled. So the
# head is trained on the source. *AdaBN* re-estimates the batch-norm statistics on the target images and trains no weight
# ([25](25_adapting_without_labels.ipynb)). The baseline is no adaptation, in code `"source only"`. The target labels are
# hidden:

# %%
try:
    shifted.targets
except errors.UserError as error:
    print(error)
bare, adabn = (adapt.adapt(plain, shifted, net, method, seed) for method in ("source only", "adabn"))
print(f"\nno adaptation {bare.accuracy:.2f}, AdaBN {adabn.accuracy:.2f}")
kept = recorded("25_shifts", "adabn", "letters", seed, adabn.accuracy, 0, task=shift)

# %%
pairs = (with_random_labels(plain, seed), shifted), (plain, with_random_labels(shifted, seed))
again = [adapt.adapt(*pair, net, "adabn", seed).evaluation.predicted for pair in pairs]
used["transductive"] = [bool(any(adabn.evaluation.predicted != other)) for other in again]
print("used labels of the source, of the target:", used["transductive"])

# %% [markdown]
# The head needs the source labels. No prediction depends on the target labels.
#
# ## 4 · Unsupervised: no labels at all
#
# `letters-ssl` was pretrained on letters without labels ([26](26_sources_without_labels.ipynb)). The digits' labels are
# hidden as well. *k-means* groups images whose features are close. It places ten centres, assigns every image to the
# nearest one, moves each centre to the mean of its images, and repeats. Each seed fits it to another random half of the
# training images, so that ten seeds show how much the result varies.

# %%
from sklearn.cluster import KMeans

ssl, unlabelled = backbones.load("letters-ssl"), adapt.sealed(digits)
end = features.Cut(ssl, len(ssl.stages), pooled=True)
half = np.random.default_rng(seed).permutation(len(unlabelled.train))[: len(unlabelled.train) // 2]
sides = (unlabelled.train, half), (unlabelled.test, np.arange(len(unlabelled.test)))
train, test = (features.activations(end, *side).numpy().astype(float) for side in sides)
clusters = KMeans(10, n_init=10, random_state=seed).fit(train).predict(test)
result = unlabelled.evaluate(lambda items: clusters, "section 4, clusters")
print(f"accuracy {result.metrics['accuracy']:.2f}")

# %% [markdown]
# **A wrong turn.** We took the number of a cluster for its digit. But clusters are numbered arbitrarily. Only the test labels
# can match clusters to digits: each cluster gets one digit, so that as many images as possible are right.

# %%
from scipy.optimize import linear_sum_assignment

counts = np.zeros((10, 10), dtype=int)  # cluster x digit: how many images
np.add.at(counts, (clusters, result.targets), 1)
_, match = linear_sum_assignment(counts, maximize=True)
by_hand = np.mean(match[clusters] == result.targets)
found = nb21_kinds.clustered(digits, ssl, "clusters", seed)
assert abs(by_hand - found.metrics["accuracy"]) < 1e-6, "by hand and in one line must agree"

# %% alt="Ten columns of four images, each column one cluster, headed by the digit matched to it. Images of another digit are framed and struck out; some columns have none, some mostly."
columns = [np.flatnonzero(clusters == k)[:4] for k in match.argsort()]
first = np.array([column[row] for row in range(4) for column in columns])
wrong = result.targets[first] != np.tile(np.arange(10), 4)
figure = nb21_kinds.show_clusters(net.transform(digits.test.inputs[first]), wrong, "0123456789")

# %% [markdown]
# Some clusters hold one digit, others mix several: the clusters follow the similarity of the features, which need not be the
# digit. Does pretraining on letters help? Two baselines: random weights, and raw pixels.

# %% alt="Bars: the share of digits in the right cluster for raw pixels, random weights and the network pretrained on unlabelled letters, with your guess. Raw pixels do best, random weights worst."
asked = {"raw pixels": (ssl, "clusters@pixels"), "random weights": (backbones.load("random"), "clusters")}
asked |= {"letters-ssl": (ssl, "clusters")}
shares = {name: nb21_kinds.clustered(digits, *how, seed).metrics["accuracy"] for name, how in asked.items()}
kept = [
    recorded("21_clusters", plan, network.name, seed, shares[name], 0)
    for name, (network, plan) in asked.items()
]
ax = paired.bars_with_guess(shares, clusters_guess.value)
ax.set_title(f"Clusters from {max(shares, key=shares.get)} match the digits best", loc="left")
ylabel = ax.set_ylabel("share of digits in the right cluster")

# %% [markdown]
# Pretraining helped: random weights are far worse. But raw pixels are better still, and *in practice you would not know*.
# Without labels you can compare clusterings only by internal indices, such as the silhouette, and these may mislead.
#
# ## 5 · The map, filled in
#
# One check is left. Cluster numbers are arbitrary, so we ask whether the same images end up together.

# %%
from sklearn.metrics import adjusted_rand_score

other = nb21_kinds.clustered(with_random_labels(digits, seed), ssl, "clusters", seed)
told = any(nb21_sources.pretraining_samples(ssl)[1])  # none, according to its card
used["unsupervised"] = [told, bool(adjusted_rand_score(found.predicted, other.predicted) < 1)]
assert used == {"inductive": [True, True], "transductive": [True, False], "unsupervised": [False, False]}

# %% tags=["headline"] alt="The map again. Each box with transfer shows an accuracy and whether it is better or worse than a named baseline. Both boxes called inductive have the same plan; in one it is worse than scratch, in the other better."
cases = {  # the file of records, the two sides, the source, labels per class
    "transductive": ("25_shifts", {"AdaBN": "adabn", "no adaptation": "source only"}, net, 0, shift),
    "manner": ("22_manner", {"full": "full", "scratch": "scratch"}, net, labels, manner.name),
    "inductive": ("23_digits", {"full": "full", "scratch": "scratch"}, net, labels, digits.name),
    "unsupervised": (
        "21_clusters",
        {"letters-ssl": "clusters", "raw pixels": "clusters@pixels"},
        ssl,
        0,
        digits.name,
    ),
}
for name, (file, two, source, seen, task) in cases.items():
    sides = {said: ten(file, plan, source.name, labels=seen, task=task) for said, plan in two.items()}
    examples[name] = nb21_kinds.compared(examples[name], sides)
figure = nb21_kinds.map_of_settings([*examples.values()], "The setting does not tell whether transfer helps")

# %% [markdown]
# Each number is a mean over ten seeds. AdaBN is compared with no adaptation: this shows that *adaptation* helps, not
# transfer. In the lower row, both boxes have the setting *inductive* and the plan `full`. On the left, with *the very same
# images*, transfer hurts; on the right it helps. So the setting says **what you have and which labels you may use**, not
# whether transfer helps. Which setting is yours?
#
# | source | target | setting |
# |---|---|---|
# | photos of cats and dogs | photos of wolves and foxes, a few of them labelled | inductive |
# | a simulation | a robot's camera, nothing labelled | transductive |
# | a million unlabelled scans | a rare disease, a few scans labelled | inductive; *self-taught learning*, as the source has no labels |
# | unlabelled photos | unlabelled customer images, to be clustered | unsupervised |
#
# ## 6 · One setting, seven sources
#
# Whether transfer helps is measured against `scratch` with the same labels: *positive* transfer is better, *negative*
# transfer worse. But a frozen network can lose for two reasons. The source may have taught it unsuitable features, or
# freezing alone costs accuracy. The control is **the same plan from random weights**.

# %%
sources = ("letters", "greek", "symbols", "letters-ssl", "strokes", "textures", "memorised")
for name in ("greek", "strokes", "memorised"):
    here = fit(digits, backbones.load(name), "frozen", labels, seed).test.metrics["accuracy"]
    print(f"{name:10} {here:.3f}, in the records {recorded('23_digits', 'frozen', name, seed, here):.3f}")

# %%
store, control = map(ledger.shelf().store, ("23_digits", "22_random"))
scratch = ledger.side(store, "scratch", labels, ("letters",))
random_net = ledger.side(control, "frozen", labels, nb21_sources.RANDOM, "digits")
frozen = {name: ledger.side(store, "frozen", labels, (name,)) for name in sources}
freezing = compare([(random_net, scratch)])[0]  # random weights, frozen, against scratch
taught = dict(zip(sources, compare([(side, random_net) for side in frozen.values()]), strict=True))

# %% tags=["headline"] alt="Seven sources with images they were pretrained on; beside them their gain on digits over scratch, frozen and fully fine-tuned. A line marks frozen random weights: some sources below scratch lie right of it, others left, in the tinted area."
gains = ledger.by_source(store, sources, ("frozen", "full"), "scratch", labels)
strips = nb21_sources.strips(sources, seed=seed)
figure = nb21_sources.sources_and_gains(strips, gains, freezing, taught, worse_guess.value)

# %% [markdown]
# The line *random weights, frozen* is the control: they lose that much. We take it as the cost of freezing, which is an
# assumption: a pretrained network may lose less by being frozen. Right of the line, pretraining gained something; left of it,
# tinted, it hurt. With `full` nothing is frozen, and random weights are the same as `scratch`.
#
# All seven sources are inductive, yet some help and some hurt. No frozen source beats scratch here; in notebook 11 `frozen`
# was far ahead. The difference is the number of labels: one per class there, five here. At five, `frozen` from `letters` and
# `scratch` are close, and the seeds decide which is ahead: {{accuracy 16_digits letters frozen 5}} and
# {{accuracy 16_digits letters scratch 5}} in notebook 16, {{accuracy 23_digits letters frozen 5}} and
# {{accuracy 23_digits letters scratch 5}} here.
#
# The three best sources were pretrained on labelled glyphs; `strokes` is far below. `memorised` saw fewer letters than
# `letters`, and random labels, so we cannot tell which of the two explains its loss.
#
# ## What we saw
#
# - {{claim 12-adabn-background sentence}}
# - {{claim 12-unsupervised sentence}}
# - {{claim 8-full sentence}}
# - {{claim 9-random sentence}}
# - {{claim 9-source sentence}}
#
# Inductive transfer helped from some sources and hurt from others. The setting did not tell which.
#
# ## When this fails
#
# - **Settings are not sharply separated.** Domains and tasks differ by degrees: [22](22_similarity.ipynb) varies each gradually.
# - **The table is incomplete.** The same task in another domain with a *few* target labels is in no row.
# - **Random labels find leaks, not all of them.** A method designed while looking at these labels passes the check.
#
# <details><summary>Fine print</summary>
#
# One target, five labels, one small network: the order of the sources is for these digits only. Intervals are over labelled
# subsets, not over pretraining runs. Matching clusters by the test labels makes their accuracy slightly too high. Older
# names state an aim: *lateral* transfer between tasks of one level, *vertical* from a simpler task to a harder one
# (Gagné 1965). `strokes` was meant as vertical transfer.
#
# </details>
#
# ## Exercises
#
# ### Exercise 21.1 · Which setting?
#
# Write `setting(same_task, same_domain, source_labels, target_labels)`, all true or false. It returns `"no transfer"` if
# neither task nor domain differs, else a setting of the table in section 1, or `"other"` for what is in no row.


# %% tags=["solution"]
def setting(same_task, same_domain, source_labels, target_labels):
    if same_task and same_domain:
        return "no transfer"
    if same_task:
        return "transductive" if source_labels and not target_labels else "other"
    if target_labels:
        return "inductive"
    return "other" if same_domain or source_labels else "unsupervised"


# stub:
# def setting(same_task, same_domain, source_labels, target_labels):
#     if same_task and same_domain:
#         return "no transfer"
#     return ...

# %% tags=["check"]
names = {"n": "no transfer", "t": "transductive", "i": "inductive", "u": "unsupervised", "o": "other"}
for facts, letter in zip(product((False, True), repeat=4), "uioioioiootonnnn", strict=True):  # all sixteen
    given = setting(*facts)
    assert given == names[letter], f"{facts} (task, domain, source labels, target labels): not {given!r}"

# %% [markdown] tags=["hint"]
# Ask in this order: has anything changed? Is the task the same? Are there target labels? If not: source labels, or the same
# domain?

# %% [markdown]
# ### Exercise 21.2 · Who used the labels?
#
# A learner takes a task and returns its test predictions. Write `uses_labels(learner, task, seed)`: do the predictions
# change when the labels of the task are random?


# %% tags=["solution"]
def uses_labels(learner, task, seed):
    return not np.array_equal(learner(task), learner(with_random_labels(task, seed)))


# stub:
# def uses_labels(learner, task, seed):
#     return ...

# %% tags=["check"]
coral = uses_labels(lambda t: adapt.adapt(plain, t, net, "coral", seed).evaluation.predicted, shifted, seed)
assert not np.any(coral), "CORAL uses no target label: predict twice, once with random labels, and compare"
fitted = uses_labels(lambda t: fit(t, net, "frozen", labels, seed).test.predicted, digits, seed)
assert np.any(fitted), "a fit uses labels: with random ones its predictions change"

# %% [markdown] tags=["hint"]
# `np.array_equal` compares two arrays of predictions.

# %% [markdown]
# ### Exercise 21.3 · Two parts
#
# A frozen source loses against scratch. Write `two_parts(source, random, scratch)`, from three arrays of accuracies by seed:
# the mean difference between frozen random weights and scratch, and between the source and frozen random weights. To call the first *the cost of freezing* is an assumption; `frozen` minus `full` is another estimate.


# %% tags=["solution"]
def two_parts(source, random, scratch):
    return (random - scratch).mean(), (source - random).mean()


# stub:
# def two_parts(source, random, scratch):
#     freezing, taught = ...
#     return freezing, taught

# %% tags=["check"]
a, b, c = np.random.default_rng(seed).random((3, 10))
assert np.allclose(two_parts(a, b, c), (np.mean(b - c), np.mean(a - b))), "random - scratch, source - random"
for name in ("letters-ssl", "memorised"):
    parts = two_parts(*(side.values(range(10, 20)) for side in (frozen[name], random_net, scratch)))
    print("{:12} freezing {:+.2f}, source {:+.2f}".format(name, *parts))

# %% [markdown] tags=["hint"]
# The two parts add up to the difference between source and scratch.

# %% [markdown]
# **Think.** A robot learned to grasp in a simulation. In the laboratory, somebody labelled images for one afternoon. Which
# setting is it? Which labels would you hold out, and why?

# %% [markdown] tags=["answer"]
# None of the three: the task is the same, the domain another, and there are *some* target labels. This is called
# supervised domain adaptation. Hold out some of the labelled images as a test set, split by scene and not by image. Use
# others as a validation set to choose between adaptation without labels, fine-tuning and scratch.

# %% tags=["quiz"]
widgets.quizzes("21")

# %% [markdown]
# ## Recap
#
# - **Three questions define the setting.** Is the task the same? Is the domain? Which labels are seen?
# - **Replace hidden labels by random ones:** the predictions must stay the same.
# - **The setting does not tell you whether transfer helps.** Compare with scratch, and a frozen source also with frozen
#   random weights.
#
# **Next:** [22](22_similarity.ipynb) changes task and domain gradually.
#
# **To read.** Pan and Yang 2010, *A survey on transfer learning*, IEEE TKDE 22:10. Raina et al. 2007, *Self-taught
# learning*, ICML. Wang et al. 2019, *Characterizing and avoiding negative transfer*, arXiv:1811.09751. Gagné 1965, *The
# conditions of learning*.

# %% tags=["record"]
accuracy | {"AdaBN": adabn.accuracy, "in the right cluster": by_hand}
