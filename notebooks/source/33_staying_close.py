# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 33 · Staying close
#
# **Question.** How far should fine-tuning move a network from its source, if it must also work on images that look different from
# the labelled ones?
#
# <details><summary><b>In one sentence</b> (guess first)</summary>Where the source is good on the shifted images, the average of the
# weights before and after fine-tuning can beat both; where it is not, fine-tune all the way.</details>
#
# **You will** see why a random head distorts features, average the weights of two networks, turn the average from the source to the
# fine-tuned network, and choose it without looking at the shifted images.
#
# **Needs** [15](15_full_fine_tuning.ipynb), where fine-tuning forgets the source, and [22](22_similarity.ipynb). Every term is in the
# [glossary](../book/glossary.md).
#
# **Time** {{time}} to run, 25 minutes to read.

# %% tags=["parameters"]
seed = 40  # which images are labelled: 40 to 49, as in the records
random_head = 0.3  # section 1: the weight of a head that nobody fitted
alpha = 0.5  # section 3: the average that is made by hand, from 0 to 1
guess = 0.9  # your guess in section 2; the slider starts here

# %%
from copy import deepcopy
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch

from tlkit import backbones, env, plans, tasks
from tlkit.fit import fit
from tlkit.records import values
from tlkit_lessons import drawing, ledger, nb33_close, widgets
from tlkit_lessons.averaging import evaluate, greedy_soup, soup, wise
from tlkit_lessons.look import guess_line

env.setup(seed)

# %% [markdown]
# ## 1 · Why a random head distorts
#
# [15](15_full_fine_tuning.ipynb) showed that a gradient only changes what a layer does along its training inputs. Here is the argument of
# Kumar et al. 2022 in the plane. The inputs have two coordinates. The network has one *feature*, an arrow: it responds to the part of an
# input along the arrow. Its head is one number. The pretrained arrow is right, and the right head is 2.
#
# The labelled inputs all lie on the first axis. We train arrow and head, from a random head and from a fitted one.


# %%
pretrained = torch.tensor([1.0, 0.8])
inputs = torch.linspace(-1, 1, 21)[:, None] * torch.tensor([1.0, 0.0])  # labelled: the first axis alone
wanted = 2 * inputs @ pretrained


def tune(inputs, wanted, feature, head, steps=300):
    weights = [feature.clone().requires_grad_(), torch.tensor(head, requires_grad=True)]
    for _ in range(steps):
        loss = (weights[1] * (inputs @ weights[0]) - wanted).square().mean()
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.data -= 0.1 * gradient
    return [weight.detach() for weight in weights]


# %% alt="Two panels, each with a row of dots on the first axis and two arrows from the origin. With a random head the arrow after training points lower than before. With a fitted head both arrows are the same."
fitted_head = float(torch.linalg.lstsq((inputs @ pretrained)[:, None], wanted[:, None]).solution)
heads = {"random head": random_head, "fitted head": fitted_head}
ends = {name: tune(inputs, wanted, pretrained, head) for name, head in heads.items()}
figure = nb33_close.turned(pretrained, {name: feature for name, (feature, _) in ends.items()}, inputs)

# %%
unseen = torch.tensor([0.0, 1.0])  # an input on the second axis
for name, (feature, head) in ends.items():
    assert torch.allclose(head * (inputs @ feature), wanted, atol=1e-3), "it does not fit the labelled inputs"
    assert feature[1] == pretrained[1], "the part across the labelled inputs has changed"
    print(f"{name}: {head * feature @ unseen:.2f} on an unseen input, {2 * pretrained @ unseen:.2f} is right")

# %% [markdown]
# Both networks fit the labelled inputs perfectly. With the random head, part of the work was done by stretching the arrow along the
# first axis. Its other part could not follow. So the arrow turned, and unseen inputs come out wrong. The fitted head leaves no gradient.
#
# Fit the head first, then train everything: that is *LP-FT*. Another way is a penalty. *L2-SP* adds
# $\frac{\lambda}{2}\lVert w-w_0\rVert^2$ to the loss, where $w_0$ are the pretrained weights.
#
# ## 2 · Three tests
#
# Accuracy in domain cannot show a distorted feature. So we test each network three times. It is tuned on ten letters with a **texture**
# behind them. Then it is tested on more of these, on the same letters on **plain** black, and through its old head on all letters, its
# **source** task. The plain letters are the shifted test: they look like the source, and no plain image is labelled.

# %% alt="Two rows of ten letters: on a grey texture, and the same letters on plain black."
letters = backbones.load("letters")
textured, plain = map(tasks.load, nb33_close.TRAINED["texture"])
first = [int(np.flatnonzero(textured.targets == c)[0]) for c in range(10)]
shown = [letters.transform(t.train.inputs[i]) for t in (textured, plain) for i in first]
figure = drawing.gallery(shown, ncols=10, rows=["in domain", "shifted"])

# %%
store = ledger.shelf().store("33_texture")
print(nb33_close.summary(store, "texture", ("frozen", "lp-ft", "l2sp", "full")))

# %% [markdown]
# Means of ten seeds. `distance` is that of the stages from the source, relative to their length.
#
# `frozen` keeps the source and is poor in domain. `full` is good in domain, and has forgotten most. L2-SP keeps more of the source,
# and a loss in domain cannot be seen. LP-FT has a lower mean in domain. On plain letters all four means are close: no
# network has both what the source knew and what the labels taught. Is there something in between?

# %% [markdown] tags=["predict"]
# **Predict.** Take every weight of the `frozen` network and the same weight of the `lp-ft` network, and average them: $(1-\alpha)$ times the
# first plus $\alpha$ times the second. At which $\alpha$ is the accuracy on the *plain* letters highest? At 0 it is `frozen`, at 1 `lp-ft`.

# %% tags=["predict"]
slider = widgets.guess("Best alpha for plain letters", guess, low=0, high=1, step=0.1)
slider

# %% [markdown]
# ## 3 · Average the weights
#
# This is *WiSE-FT* (Wortsman et al. 2022). It needs no training. Both networks need the same head, so start and end are the probe and LP-FT,
# which began with a probe.

# %%
labels = nb33_close.LABELS
probe, tuned = (fit(textured, letters, plan, labels, seed) for plan in ("frozen", "lp-ft"))
recorded = values(store.read(), plan="lp-ft", labels=labels, task="texture: in domain")[seed]
assert abs(tuned.test.metrics["accuracy"] - recorded) < 0.03, "this fit does not come out as recorded"

# %%
start, end = probe.model.state_dict(), tuned.model.state_dict()
by_hand = deepcopy(tuned.model)
mixed = {name: (1 - alpha) * start[name] + alpha * end[name] for name in start}
by_hand.load_state_dict(mixed)

# %%
averaged = wise(probe.model, tuned.model, alpha)
one, other = plans.state(by_hand), plans.state(averaged)
assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in mixed if "batches" not in name)
print(nb33_close.accuracies(averaged, "texture", letters))

# %% [markdown]
# Batch-norm statistics are averaged, too: they belong to the weights. Now turn $\alpha$ from one end to the other.

# %% alt="A slider over alpha, and three curves of one seed over alpha: accuracy in domain and on plain letters rises with alpha, on the source it falls."
alphas = [k / 5 for k in range(6)]
tests = [nb33_close.accuracies(wise(probe.model, tuned.model, a), "texture", letters) for a in alphas]
path = {place: {a: [t[place]] for a, t in zip(alphas, tests, strict=True)} for place in nb33_close.PLACES}
widgets.drag(lambda a: nb33_close.along(path, at=a), alphas, "alpha")

# %% [markdown]
# That was one labelled subset. Others differ: here is the same for ten seeds, and beside it for digits.

# %% tags=["headline"] alt="Two panels of accuracy over alpha. Letters on a texture: in domain rises, the source falls, the shifted test is highest at one half. Digits: in domain and shifted rise to alpha 1, the source falls a little."
names = {"texture": "Letters on a texture", "digits": "Digits"}
_, axes = plt.subplots(1, 2, figsize=(8.2, 3.6), layout="constrained", sharey=True)
for (name, said), ax in zip(names.items(), axes, strict=True):
    kept = ledger.shelf().store(f"33_{name}")
    curves = nb33_close.from_records(kept, name)
    title = f"{said}: shifted accuracy\nis best at alpha {nb33_close.peak(curves['shifted'])}"
    nb33_close.along(curves, title, nb33_close.chosen(kept), ax=ax).label_outer()
guess_line(axes[0], slider.value, "x")

# %% [markdown]
# On the left, halfway beats both ends on plain letters. The source still knows what plain letters look like, the tuned network knows
# which ten are asked for, and the average has something of both. On the right there is nothing in between: moved and noisy digits are
# as strange to the source as digits are, so the shifted accuracy rises to the end. Staying close only keeps what the source has. It gives
# no robustness of its own.
#
# **A wrong turn: average any two networks.** `letters` and `letters-s1` were pretrained on the same letters, from other random weights. Each
# is good. Halfway between?

# %%
strangers = [backbones.load(name).pretrained() for name in ("letters", "letters-s1")]
models = {"letters": strangers[0], "letters-s1": strangers[1], "their average": wise(*strangers, 0.5)}
for name, model in models.items():
    tested = evaluate(model, nb33_close.letters_task(), letters, name)
    print(f"{name}: accuracy on letters {tested.metrics['accuracy']:.2f}")

# %% [markdown]
# Their average is hardly better than chance. Channel 5 of one network has nothing to do with channel 5 of the other. Averages work between
# networks that were tuned *from one start*: all of them stay in one valley of the loss.
#
# ## 4 · Choose alpha honestly
#
# The best $\alpha$ for plain letters is known only to those who have labels for plain letters. We have none. So $\alpha$ is chosen *in
# domain*, on the images of the validation set, with networks that were trained without them.

# %%
here = nb33_close.chosen_alpha(textured, letters, (probe, tuned), labels, seed)
everywhere = nb33_close.chosen(store)
print(f"chosen here: {here}; in the records: {everywhere}")
print(nb33_close.summary(store, "texture", ("frozen", "wise-0.5", "wise-chosen", "lp-ft")))

# %% [markdown]
# In domain, more tuning is better, so the choice falls near LP-FT, or on it. There it costs almost nothing in domain. Where it falls on LP-FT, it
# gains nothing either. Halfway gains more on plain letters, and costs more in domain. The validation images do not know about
# plain letters, so they cannot weigh the two. Whoever expects a shift *towards* the source may fix $\alpha$ at one half beforehand, as the
# authors advise. That is a decision about the world, not about the data.
#
# ## 5 · Soups
#
# WiSE-FT averages start and end. A *model soup* averages several ends: networks that were tuned from one start, with other learning rates or
# other orders of the batches. The *uniform* soup takes all. The *greedy* soup begins with the best on the validation set, and keeps each next
# one only if the average does not get worse.

# %%
cooked, scores = nb33_close.grid(textured, letters, labels, seed, rates=[tuned.setting])
held_out = textured.draw(labels, seed).select
score = partial(nb33_close.on_rows, task=textured, backbone=letters, rows=held_out)
order = sorted(range(len(cooked)), key=lambda k: -scores[k])
taken, best = order[:1], scores[order[0]]
for k in order[1:]:
    found = score(soup([cooked[i] for i in [*taken, k]]))
    if found >= best:
        taken, best = [*taken, k], found

# %%
greedy, positions = greedy_soup(cooked, score)
assert positions == taken, "by hand another soup"
print(
    f"on the validation set: alone {', '.join(f'{s:.3f}' for s in scores)}; soup of {positions}: {best:.3f}"
)
print(nb33_close.summary(ledger.shelf().store("33_soup"), "texture", nb33_close.SOUPS))

# %% [markdown]
# The table holds the records: means of ten seeds, twelve networks in each grid. Both soups have higher means than the best single network, on
# all three tests. Even in domain: the best of twelve on so few validation images is partly luck, and the average is not. And an average
# of several ends lies nearer to their common start. The uniform soup keeps most of the source.
#
# ## What we saw
#
# - {{claim 33-wise sentence}}
# - {{claim 33-wise-id sentence}}
# - {{claim 33-wise-digits sentence}}
# - {{claim 33-lpft-shift sentence}}
# - {{claim 33-soup sentence}}
#
# ## When this fails
#
# - **The source is poor on the shifted images.** Then there is nothing to keep, as with the digits.
# - **Alpha is chosen in domain.** The choice is safe in domain and timid: it sees no reason to stay close.
# - **The networks have no common start.** Their average is near chance.
# - **The head at the start is random.** Then the straight line from start to end begins at chance. Fit the head first.
#
# <details><summary>Fine print</summary>
#
# One pretrained network, ten labelled subsets of twenty images per class. Every plan chose its setting on a fifth of these.
# The probe at $\alpha=0$ is the plan `frozen`, whose regularisation is chosen; that of LP-FT's own start is fixed. Plain
# letters look like the source by design: a shift *towards* the source is the best case for staying close. The claims were written before their
# runs, but after a trial on two other seeds. Batch-norm statistics could be re-estimated instead; in that trial it made plain letters and the
# source worse. Margins are two points of accuracy. `tlkit claims --all`
# lists three more claims, on L2-SP and on the uniform soup.
#
# </details>
#
# ## Exercises
#
# ### Exercise 33.1 · The penalty of L2-SP
#
# Write `penalty(stages, start, strength)`: half of `strength`, times the squared distance between the parameters of `stages` and those of
# `start`, two modules of one architecture.


# %% tags=["solution"]
def penalty(stages, start, strength):
    pairs = zip(stages.parameters(), start.parameters(), strict=True)
    return strength / 2 * sum((w - w0).square().sum() for w, w0 in pairs)


# stub:
# def penalty(stages, start, strength):
#     return ...

# %% tags=["check"]
tiny = [torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)]
for layer, value in zip(tiny, (1.0, 3.0), strict=True):
    [torch.nn.init.constant_(p, value) for p in layer.parameters()]
assert torch.isclose(penalty(*tiny, 0.5), torch.tensor(3.0)), "three parameters, each two away: 0.25 x 3 x 4"
source = letters.pretrained().stages
for a in (0.5, 1.0):
    away = penalty(wise(probe.model, tuned.model, a).stages, source, 0.01)
    print(f"alpha {a}: penalty {away:.2f}")

# %% [markdown] tags=["hint"]
# `zip(stages.parameters(), start.parameters())` gives pairs of tensors; `.square().sum()` of a difference is a squared distance.

# %% [markdown]
# ### Exercise 33.2 · The straight line or the way
#
# WiSE-FT walks on the straight line between start and end. Is halfway on that line as good as a *lower learning rate*, which also stays close?
# Fit `lp-ft` with a tenth of its rate into `slow`, and compare.

# %% tags=["solution"]
from dataclasses import replace

from tlkit import recipe

rate = float(tuned.setting) / 10
slow = fit(textured, letters, "lp-ft", labels, seed, replace(recipe.suited(letters), rates=(rate,) * 3))
# stub:
# from dataclasses import replace
#
# from tlkit import recipe
#
# slow = fit(textured, letters, "lp-ft", labels, seed, replace(recipe.suited(letters), rates=(...,) * 3))

# %% tags=["check"]
assert np.isclose(float(slow.setting), float(tuned.setting) / 10), "a tenth of `tuned.setting`"
for name, model in {"slow": slow.model, "halfway": wise(probe.model, tuned.model, 0.5)}.items():
    found = nb33_close.accuracies(model, "texture", letters)
    said = ", ".join(f"{place} {accuracy:.2f}" for place, accuracy in found.items())
    print(f"{name}: distance {nb33_close.distance(model, letters):.2f}; {said}")

# %% [markdown] tags=["hint"]
# `tuned.setting` is the chosen rate as text: `float(tuned.setting) / 10`.

# %% [markdown]
# **Think.** A hospital tunes a pretrained network on X-rays from its own scanner. Next year a second scanner arrives. A colleague says: "We
# average with the pretrained network; that makes it robust." What would you ask first?

# %% [markdown] tags=["answer"]
# Is the pretrained network, with a fitted head, any good on images of the second scanner? If not, there is nothing to keep. Does the
# network have a head that fits the start, too? And which labelled images of the new scanner will say whether it worked? $\alpha$ can be
# chosen on images of the first scanner, but only the second can show the gain.

# %% tags=["quiz"]
widgets.quizzes("33")

# %% [markdown]
# ## Recap
#
# - **A random head** makes features do a part of its work, and only along the labelled inputs. Fit the head first: LP-FT.
# - **Test three times**: in domain, shifted, and on the source. Accuracy in domain hides what was lost.
# - **Average the weights** of the probe and the tuned network: WiSE-FT. It can beat both ends where the source is good on the shifted images.
# - **Choose alpha** on validation images or beforehand, never on the shifted test.
# - **Soups** average several networks tuned from one start. Networks without a common start do not average.
#
# **Next:** [34](34_choosing_a_plan.ipynb): which plan to use, and with which settings.
#
# **To read.** Kumar et al. 2022, *Fine-tuning can distort pretrained features and underperform out-of-distribution*, arXiv:2202.10054. Li et al.
# 2018, *Explicit inductive bias for transfer learning with convolutional networks*, arXiv:1802.01483. Wortsman et al. 2022, *Robust
# fine-tuning of zero-shot models*, arXiv:2109.01903, and *Model soups*, arXiv:2203.05482.

# %% tags=["record"]
{"chosen": here, "halfway": nb33_close.accuracies(wise(probe.model, tuned.model, 0.5), "texture", letters)}
