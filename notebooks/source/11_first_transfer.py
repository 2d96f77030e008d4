# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 11 · A first transfer: ten labelled digits
#
# **Question.** A small network was pretrained on printed letters and has never seen a digit. How well does it classify
# handwritten digits after ten labelled examples?
#
# <details><summary><b>In one sentence</b> (guess first)</summary>Features learnt from letters also describe digits: with
# one labelled digit per class, the frozen network beats raw pixels and training from scratch.</details>
#
# **You will** guess, transfer the network by hand, and find out whether the gain is luck, the architecture, or letters
# that look like digits.
#
# **Needs** Python and some PyTorch. New words are explained where they first appear, and in the
# [glossary](../book/glossary.md).
#
# **Time** {{time}} to run, 25 min to read.

# %% tags=["parameters"]
seed = 0  # decides which ten digits are labelled
guess = 0.5  # your guess of the accuracy; the slider below starts here
n_seeds = 10  # how often the experiment is repeated, each time with ten other digits (10 at most)
n_live = 2  # how many of the slow repetitions are run here; the others are stored results
live_steps = 20  # training steps of the two fits that section 7 runs here: 4, 10, 20, 40, 80 or 160

# %%
import numpy as np
import torch

from tlkit import backbones, env, tasks
from tlkit_lessons import drawing, material, nb11_transfer, paired, plan_strip, widgets

env.setup(seed)

# %% [markdown]
# ## 1 · Ten labelled digits
#
# Our *training set* is tiny: ten handwritten digits, one of each class. The *test set* is used only to measure. Its digits
# are by other writers. That is an assumption: the file names no writers, so we take each consecutive run of digits as
# one. A *task* holds both sets. `task.draw` picks the labelled digits at random; the *seed* decides which. The *transform*
# of the network enlarges a digit from 8 × 8 pixels to 16 × 16.

# %% alt="The ten labelled digits, 0 to 9: in the upper row as stored, in the lower row enlarged for the network."
task, backbone = tasks.load("digits"), backbones.load("letters")
ten = task.draw(labels=1, seed=seed).all
digits, labels = task.train.inputs[ten], np.asarray(task.targets)[ten]
print(f"test set: {len(task.test)} digits by {len(set(task.test.groups))} other writers (assumed)")
both = [*digits, *backbone.transform(digits)]
figure = drawing.gallery(both, [*labels, *[""] * 10], ncols=10, rows=["8 × 8", "16 × 16"])

# %% [markdown]
# The network comes as a *checkpoint*: its weights, saved after *pretraining*. It learnt to classify letters, capital and
# small, in matplotlib's fonts, distorted until they look a little handwritten. No digit was among them.

# %% alt="Thirty of the distorted letters that the network was pretrained on, each with its label; none is a digit."
letters = material.glyphs("letters", 1, seed)
images = backbone.transform(torch.tensor(letters.images[:30]))
figure = drawing.gallery(images, [letters.classes[i] for i in letters.labels[:30]], ncols=10)
assert not set("0123456789") & set(backbone.card["classes"])

# %% [markdown] tags=["predict"]
# **Predict.** Ten labelled digits, a network that knows letters, new writers: what share of the test digits will be
# classified correctly? Guessing at random gets one in ten, the *chance level*. Set the slider to your guess.

# %%
slider = widgets.guess("Accuracy on the test digits", guess, step=0.05)
slider

# %% [markdown]
# ## 2 · By hand: nothing is trained
#
# A network is a chain of *stages*, which are groups of layers. A *head* turns the output of the last stage into a
# prediction. This head predicts letters, so we leave it out. What remains is the *backbone*. We keep it *frozen*: no weight
# changes. For each image it returns 128 *features*: how strongly each pattern is present, averaged over the image.
# Together they are the *embedding* of the image.


# %%
def features(images, network, backbone):
    """Images N x 1 x 8 x 8 to N x 128."""
    with torch.no_grad():
        return backbone.pool(network.run(backbone.transform(images)))


network = backbone.fresh().eval()  # the four stages; the head is empty
known = features(digits, network, backbone)
print(f"stages: {', '.join(network.names)}; embeddings of the ten digits: {tuple(known.shape)}")

# %% [markdown]
# The simplest classifier is the *nearest neighbour* (1-NN): a new digit gets the label of the closest of the ten embeddings. Does
# it work on the ten digits themselves? As a control, we also try ten rows of random noise.


# %% tags=["nbval-check-output"]
def closest(new, known):
    """For every row of `new`, the position of the nearest row of `known`."""
    return torch.cdist(new, known).argmin(1).numpy()


noise = torch.randn(10, 128)
print(f"digits: {np.mean(labels[closest(known, known)] == labels):.0%} correct")
print(f" noise: {np.mean(labels[closest(noise, noise)] == labels):.0%} correct")

# %% [markdown]
# All correct, and **worthless**. We tested on the training set, where each row is closest to itself. Only *held-out* data
# show how well a model classifies new digits. So the test labels stay hidden until a model has predicted:
# `task.evaluate` compares its predictions with them, and logs the call.
#
# ## 3 · Is it the letters?
#
# If the task is easy, raw *pixels* do as well. If the architecture is enough, the same network with *random* weights does
# as well. If the letters network beats both, the pretraining helps. Pixels and random weights are our *baselines*: same
# ten digits, same classifier, other features.

# %% alt="Bars of test accuracy of 1-NN for pixels, a random network and the letters network; guess and chance are lines."
from functools import partial

untrained = backbone.fresh("random").eval()
views = {
    "pixels": lambda images: images.flatten(1),
    "random network": partial(features, network=untrained, backbone=backbone),
    "letters network": partial(features, network=network, backbone=backbone),
}


def score(predicted, task, who):
    """The test accuracy of these predictions."""
    return task.evaluate(lambda _: predicted, who).metrics["accuracy"]


nearest = {name: closest(view(task.test.inputs), view(digits)) for name, view in views.items()}
accuracy = {name: score(labels[pick], task, name) for name, pick in nearest.items()}
ax = paired.bars_with_guess(accuracy, slider.value, chance=0.1)
title = ax.set_title(f"1-NN, one labelled subset: highest for {max(accuracy, key=accuracy.get)}", loc="left")
more = [partial(features, network=backbone.fresh("random").eval(), backbone=backbone) for _ in range(9)]
tried = [score(labels[closest(v(task.test.inputs), v(digits))], task, "random") for v in more]
print(f"nine more random networks: accuracy {min(tried):.2f} to {max(tried):.2f}")

# %% [markdown]
# With random weights, the averaged features are worse than raw pixels: here the architecture alone is not enough.
# Pretrained on letters, the same architecture beats the pixels. What did it learn?
#
# Shift every test digit by one pixel to the right. To us it is the same digit. (The column that leaves on the right comes
# back on the left; it is mostly dark.)

# %% alt="Five test digits, each beside a copy that is shifted by one pixel to the right."
shifted = torch.roll(task.test.inputs, shifts=1, dims=3)
pairs = torch.stack([task.test.inputs[:5], shifted[:5]], dim=1).flatten(0, 1)
figure = drawing.gallery(backbone.transform(pairs), ["original", "shifted"] * 5, ncols=10)

# %%
print(f"{'':15} accuracy  shifted  change  distance")
for name, view in views.items():
    hit = score(labels[closest(view(shifted), view(digits))], task, "shifted")
    was, now = view(task.test.inputs), view(shifted)
    sizes = [x.median() for x in ((now - was).norm(dim=1), torch.pdist(was), was.norm(dim=1))]
    change, distance = sizes[0] / sizes[2], sizes[1] / sizes[2]
    print(f"{name:15} {accuracy[name]:8.2f} {hit:8.2f} {change:7.0%} {distance:9.0%}")

# %% [markdown]
# *Change* is how far the shift moves an embedding, *distance* how far two digits are apart. Both are medians, relative to
# the length of an embedding.
#
# Pixels compare *where* the strokes are. The shift changes them as much as replacing the digit by another. The letters
# network compares *shapes*: to classify distorted letters, it had to learn what does **not** matter. The random network
# changes least. But all its embeddings are nearly the same, so even a small change confuses them.
#
# ## 4 · A linear probe, in one call
#
# The usual classifier on frozen features is a *linear probe*: a new head, one linear layer, fitted by logistic regression.
# Its regularisation strength is a *hyperparameter*, a number that is chosen before fitting. scikit-learn's `C` is its
# inverse. With more labels we would choose it on a *validation set*, labelled data set aside for such choices. Here it is
# fixed in advance, in the *recipe*: all settings of the training. The features are centred and scaled first, so that one
# `C` suits any size.

# %%
from sklearn.linear_model import LogisticRegression

from tlkit import recipe
from tlkit.plans import Plan

frozen, settings = Plan.parse("frozen"), recipe.default()
inverse_strength = float(settings.tries(frozen, labels=1)[0])
centre, scale = known.mean(0), (known - known.mean(0)).pow(2).mean().sqrt()
head = LogisticRegression(C=inverse_strength, max_iter=2000).fit((known - centre) / scale, labels)
by_hand = head.predict((features(task.test.inputs, network, backbone) - centre) / scale)

# %% [markdown]
# `fit` does all this in one call. It follows a *plan*, a fine-tuning strategy: `frozen` trains only the new head. Then it
# lists in `done.audit` which tensors have changed. In the figure a snowflake is frozen, a flame is trained, and a dashed
# frame starts from random weights.

# %% alt="The network as a chain of four frozen stages, each with a snowflake, and a new head with a flame."
from tlkit.fit import fit

done = fit(task, backbone, frozen, labels=1, seed=seed, recipe=settings)
assert np.mean(by_hand == done.test.predicted) > 0.99, "by hand and with fit, the labels must agree"
print(f"accuracy: 1-NN {accuracy['letters network']:.2f}, probe {done.test.metrics['accuracy']:.2f}")
print("changed:", ", ".join(done.audit.moved))
ax = plan_strip.chain(network.names, "frozen")

# %% [markdown]
# ## 5 · Was it luck?
#
# Until now we used *one* labelled subset. We repeat the experiment with another subset for each seed. Both plans get the
# same one: a pair of dots, joined by a line. From here on, `pixels` is a linear probe of the raw pixels.
#
# The right panel has a stronger baseline. **Scratch** is the same network, started from random weights, with every stage
# *trained* on the ten digits. That is slow. Most seeds come from the *records*, the stored results of full runs.


# %%
def scores(plan, backbone, task, settings, n):
    """Test accuracy of `plan` at one label per class, for seeds 0 to n-1."""
    fits = (fit(task, backbone, Plan.parse(plan), 1, s, settings) for s in range(n))
    return np.array([done.test.metrics["accuracy"] for done in fits])


transferred, pixels = (scores(plan, backbone, task, settings, n_seeds) for plan in ("frozen", "pixels"))
scratch_live = scores("scratch", backbone, task, settings, n_live)

# %% tags=["headline"] alt="Two panels of paired dots, a line per seed: frozen is above pixels, and above scratch."
import matplotlib.pyplot as plt

from tlkit import records
from tlkit_lessons import ledger

stored = ledger.shelf().store
kept = records.values(stored("16_digits").read(), plan="scratch", labels=1)
scratch = np.array([kept[s] for s in range(n_seeds)])
assert abs(np.mean(scratch_live - scratch[:n_live])) < 0.05, "scratch: other accuracies than in the records"
_, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained", sharey=True)
ax = paired.paired_dots(transferred, pixels, ("frozen", "pixels"), axes[0])
ax = paired.paired_dots(transferred, scratch, ("frozen", "scratch"), axes[1], ylabel="")
print(f"means: frozen {transferred.mean():.2f}, pixels {pixels.mean():.2f}, scratch {scratch.mean():.2f}")

# %% [markdown]
# The dots in one column are far apart: it matters *which* ten digits are labelled. The README reports the means; a single
# subset, as in section 3, can lie well above or below. Within a pair the subset is the same. So from here on we compare
# plans in pairs, over several seeds.
#
# ## 6 · Does it only recognise look-alikes?
#
# The network still has its old head. Which letters does it predict for our ten digits?

# %% alt="The ten labelled digits, each with its true class and the letter that the old head of the network predicts."
old = backbone.pretrained()(backbone.transform(digits)).argmax(1)
answers = [f"{digit} → {backbone.card['classes'][i]}" for digit, i in zip(labels, old, strict=True)]
figure = drawing.gallery(backbone.transform(digits), answers, ncols=10, rows=["digit → letter"])
print("letters that look like a digit:", *material.LOOKALIKES)

# %% [markdown]
# Perhaps it only calls an **O** a zero and an **S** a five. So we take a second checkpoint, pretrained on as many images,
# but of a restricted alphabet, without these look-alikes.

# %% alt="Paired dots: the restricted alphabet is above pixels, and the complete alphabet mostly above the restricted one."
restricted = backbones.load("letters-nolookalikes")
assert not set(material.LOOKALIKES) & set(restricted.card["classes"])
without = scores("frozen", restricted, task, settings, n_seeds)
_, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained", sharey=True)
sides, plans = ("complete alphabet", "restricted alphabet"), ("frozen", "frozen@restricted")  # @: hollow dots
ax = paired.paired_dots(without, pixels, (sides[1], "pixels"), axes[0], plans=(plans[1], "pixels"))
ax = paired.paired_dots(transferred, without, sides, axes[1], "", plans)

# %% [markdown]
# Without look-alikes, the network still beats the pixels. It loses some accuracy against the complete alphabet, but it also saw
# fewer kinds of letters. So more than whole letters is transferred: probably strokes, corners and loops.
#
# ## 7 · Does it also learn faster?
#
# So far the backbone was frozen. **Full** fine-tuning starts from the same checkpoint and trains every stage; scratch does
# the same from random weights. How many training steps does each need, with five labels per class? The curves come from
# the records. Two networks are trained here; they are the stars.

# %%
from dataclasses import replace

from tlkit_lessons.ledger.effort import course, to_threshold

curves = {plan: course(stored("11_steps"), plan, labels=5) for plan in ("full", "scratch")}
reached = to_threshold(curves["scratch"], curves["full"], delta=0.02)
short = replace(settings, steps=live_steps, epochs=1)
live = {p: fit(task, backbone, Plan.parse(p), 5, seed, short).test.metrics["accuracy"] for p in curves}

# %% alt="Test accuracy against training steps, five labels per class: full starts higher and is ahead throughout."
for plan, curve in curves.items():
    column = curve.accuracy[list(curve.steps).index(live_steps)]
    assert column.min() - 0.05 < live[plan] < column.max() + 0.05, f"{plan}: not as in the records"
probe = course(stored("11_steps"), "frozen", labels=5).accuracy.mean()
ax = nb11_transfer.learning_curves(curves, reached, live, live_steps, probe, "Five labels per class")

# %% [markdown]
# The advantage is largest when training is short. Steps between measured points are interpolated.
#
# ## What we saw
#
# - With one label per class, the frozen letters network beats raw pixels in {{wins 16_digits frozen pixels 1}} seeds, and
#   training from scratch in {{wins 16_digits frozen scratch 1}}.
# - {{claim 3-lookalikes sentence}}
# - {{claim 3-lookalikes-full sentence}}
# - {{claim 1 sentence}}
# - {{claim 1-operations sentence}}
#
# Criteria were written down before the measurement. Brackets are 95 % intervals, explained in
# [16](16_the_comparison.ipynb). There, frozen features do take fewer operations, for another goal: the accuracy of
# `frozen`, not the one that scratch ends with.
#
# ## When this fails
#
# - **With many labels.** The advantage shrinks. [16](16_the_comparison.ipynb) shows where it ends.
# - **With other kinds of images.** Letters and digits are bright on dark and fill the frame.
# - **With a distant source.** See [22](22_similarity.ipynb).
#
# <details><summary>Fine print</summary>
#
# The boundaries between writers come from scikit-learn's course; two runs may be by one person. The stroke width of the
# letters was set beside an overview of scikit-learn's digits, which may include test digits; no digit was used for
# training. Where scratch never reaches the accuracy, its last step is counted. A random network does better without
# averaging: [13](13_what_a_network_knows.ipynb).
#
# </details>

# %% [markdown]
# ## Exercises
#
# ### Exercise 11.1 · Five of each
#
# With five labels per class, compare a new digit with the *centroid* of each class: the mean of its five embeddings.
# Write `centroids(rows, labels)`: one row per class, in the order of the classes.


# %% tags=["solution"]
def centroids(rows, labels):
    return torch.stack([rows[labels == c].mean(0) for c in np.unique(labels)])


# stub:
# def centroids(rows, labels):
#     return torch.stack([... for c in np.unique(labels)])

# %% tags=["check"]
fifty = task.draw(labels=5, seed=seed).all
rows, classes = features(task.train.inputs[fifty], network, backbone), np.asarray(task.targets)[fifty]
means = centroids(rows, classes)
means = torch.as_tensor(means).float()
assert means.shape == (10, 128), f"{tuple(means.shape)}: stack ten rows, each a mean of rows[labels == c]"
for c in range(10):
    right = torch.allclose(means[c], rows[classes == c].mean(0), atol=1e-5)
    assert right, f"row {c} must be the mean of the rows of class {c}, and of no others"
test_rows = features(task.test.inputs, network, backbone)
print(f"{score(closest(test_rows, means), task, 'centroids of five'):.2f} with five of each")

# %% [markdown] tags=["hint"]
# `rows[labels == c]` are the rows of class `c`; `.mean(0)` averages over them.

# %% [markdown]
# ### Exercise 11.2 · A split that is too easy
#
# The task `digits-random` mixes all writers before it splits them, so its test writers also wrote training digits. Compare
# `frozen` at twenty labels per class on both splits: `split` holds ten fits under the name of each task. The check also
# compares them on the digits in both test sets: that difference is due to the split.

# %% tags=["solution"]
mixed, split = tasks.load("digits-random"), {}
for t in (task, mixed):
    split[t.name] = [fit(t, backbone, frozen, 20, s, settings) for s in range(10)]
# stub:
# mixed, split = tasks.load(...), {}
# for t in (task, mixed):
#     split[t.name] = [... for s in range(10)]

# %% tags=["check"]
assert split.keys() == {"digits", "digits-random"}, "both splits are needed: digits and digits-random"
both = (mixed.test.inputs[:, None] == task.test.inputs).flatten(2).all(2)  # digits that are in both test sets
for t, shared in (task, both.any(0)), (mixed, both.any(1)):
    assert len(split[t.name]) == 10, f"{t.name}: ten seeds, not {len(split[t.name])}"
    for s in 3, 4:
        same = fit(t, backbone, frozen, 20, s, settings).test.predicted == split[t.name][s].test.predicted
        assert np.mean(same) > 0.99, f"{t.name}, entry {s}: not what seed {s} gives, frozen, at twenty labels"
    right = np.array([done.test.predicted == done.test.targets for done in split[t.name]])
    print(f"{t.name:13} {right.mean():.3f}, on digits of both test sets {right[:, shared].mean():.3f}")

# %% [markdown] tags=["hint"]
# One fit is `fit(t, backbone, frozen, 20, s, settings)`.

# %% [markdown]
# ### Exercise 11.3 · Dark on white
#
# A photo of a page has dark strokes on white: `1 - images`. Classify such test digits with the letters network. Then repair
# the result by changing only the photos.

# %% tags=["solution"]
photos = 1 - task.test.inputs
confused = closest(views["letters network"](photos), known)
repaired = closest(views["letters network"](1 - photos), known)
# stub:
# photos = ...
# confused = closest(views["letters network"](...), known)
# repaired = closest(views["letters network"](...), known)

# %% tags=["check"]
assert torch.allclose(photos + task.test.inputs, torch.ones(1)), "swap dark and bright: 1 - images"
as_is = closest(views["letters network"](1 - task.test.inputs), known)
assert np.mean(confused == as_is) > 0.99, "first classify the photos as they are, with the letters network"
assert np.mean(repaired == nearest["letters network"]) > 0.99, "repaired photos are the old digits"
for name, pick in {"dark on white": confused, "repaired": repaired}.items():
    print(f"{name}: {score(labels[pick], task, name):.2f}")

# %% [markdown] tags=["hint"]
# Invert the image again before the network sees it. The transform is part of what is transferred.

# %% [markdown]
# **Think.** Why did the random network do worse than raw pixels?

# %% [markdown] tags=["answer"]
# Its features say *how much* of a pattern there is, not *where*, and its patterns are random. Pixels keep the position. A
# trained network can do without: corners and curves tell digits apart wherever they are.

# %% tags=["quiz"]
widgets.quizzes("11")

# %% [markdown]
# ## Recap
#
# - Features learnt from letters also describe digits. With one label per class, the frozen network beats raw pixels and
#   training from scratch.
# - The reason is the pretraining: with random weights, the same averaged features are worse than pixels. Nor is it only
#   letters that look like digits.
# - Accuracy on the training set says nothing about new digits, and one labelled subset says little. Compare in pairs, over
#   many seeds.
#
# **Next:** in [12](12_feature_extraction.ipynb), a network that should be frozen changes all the same.
#
# **To read.** Yosinski et al. 2014, *How transferable are features in deep neural networks?*, arXiv:1411.1792.
# Alpaydin and Kaynak 1998, *Optical Recognition of Handwritten Digits*, UCI: the digits.

# %% tags=["record"]
repeated = {"frozen": transferred, "restricted alphabet": without, "logistic on pixels": pixels}
accuracy | {name: float(values.mean()) for name, values in repeated.items()}
