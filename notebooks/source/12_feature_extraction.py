# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 12 · Feature extraction: what a frozen network gives
#
# **Question.** What does it take to freeze a network, and what do you gain by it?
#
# <details><summary><b>In one sentence</b> (guess first)</summary>`requires_grad=False` alone does not
# freeze a network safely: it must also be in eval mode, and not be passed to the optimiser. Then its features never change,
# so they can be computed once.</details>
#
# **You will** watch a network change although nothing is trained, find which tensors changed, freeze it safely, and make
# every further experiment almost free.
#
# **Needs** [11](11_first_transfer.ipynb). Terms are in the [glossary](../book/glossary.md).
#
# **Time** {{time}} to run, 20 min to read.

# %% tags=["parameters"]
seed = 0  # decides which digits are labelled
labels = 5  # labelled digits of each class
guess = 0  # your guess in section 2: how many of 768 predictions will change
n_seeds = 10  # sets of ten digits in section 5 (10 at most)

# %%
import numpy as np
import torch
from torch import nn
from torch.testing import assert_close

from tlkit import backbones, env, plans, recipe, records, tasks
from tlkit.fit import fit
from tlkit_lessons import ledger, material, nb12_frozen, plan_strip, widgets

env.setup(seed)

# %% [markdown]
# ## 1 · A chain of stages
#
# This is the letters network of notebook 11. A *stage* is a group of layers. The *transform* enlarges the digit. Every stage
# returns *feature maps*: how strongly each pattern is present at each position. They get smaller and more numerous. In the
# end, *global average pooling* averages each map over its 4 × 4 positions. Each average is one *feature*.

# %%
task, backbone = tasks.load("digits"), backbones.load("letters")
network = backbone.fresh().eval().requires_grad_(False)
x = task.train.inputs[:1]
for name, part in {"transform": backbone.transform, **network.stages, "features": backbone.pool}.items():
    x = part(x)
    print(f"{name:9} {tuple(x.shape[1:])}")

# %% [markdown]
# ## 2 · Nothing is trained, yet the network changes
#
# First we need a classifier for digits. A *plan* is a fine-tuning strategy. The plan `frozen` trains only a new head, in one
# line as in notebook 11. Then we set `requires_grad=False` for all parameters. There will be no loss, no optimiser and no
# backward pass.

# %% tags=["nbval-check-output"]
frozen, settings = plans.Plan.parse("frozen"), recipe.default()
done = fit(task, backbone, frozen, labels, seed, settings)
model = done.model.requires_grad_(False)
before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
print(sum(p.requires_grad for p in model.parameters()), "parameters have requires_grad=True")

# %% [markdown] tags=["predict"]
# **Predict.** Now a thousand digits pass through the model in *training mode*. Every training loop sets this mode first, with
# `model.train()`. Before predicting, `model.eval()` switches to *eval mode*. We ignore the outputs. How many predictions on
# the test digits will be different afterwards?

# %%
slider = widgets.guess("Test digits with another prediction", guess, 0, len(task.test), step=1)
slider

# %% tags=["headline"] alt="Predictions changed against batches passed in training mode: the curve rises with nearly every batch."
images, batches = backbone.transform(task.test.inputs), backbone.transform(task.train.inputs).split(64)
first, counts = model.eval()(images).softmax(1), []
for batch in batches:
    model.train()(batch)  # the outputs are ignored
    now = model.eval()(images).softmax(1)
    counts.append(int((now.argmax(1) != first.argmax(1)).sum()))
ax = nb12_frozen.predictions_changed(counts, len(task.test), slider.value)

# %% [markdown]
# Nothing was trained, yet more and more predictions change. The accuracy you measured belongs to a network that no longer
# exists. Of the digits classified correctly before and wrongly now, this one changed most.

# %% alt="A test digit, and bars of the predicted probability of each class before and after the batches passed."
score = [task.evaluate(lambda _, p=p: p.argmax(1).numpy(), "drift").metrics["accuracy"] for p in (first, now)]
print(f"accuracy on all test digits: {score[0]:.3f} before, {score[1]:.3f} after")
truth = torch.as_tensor(done.test.targets)
lost = (first.argmax(1) == truth) > (now.argmax(1) == truth)
digit = int(((now - first).abs().amax(1) * lost).argmax())
figure = nb12_frozen.before_and_after(images[digit], truth[digit], first[digit], now[digit])

# %% [markdown]
# Some predictions become right, but more become wrong. Which tensors changed? The *audit* compares all of them with their
# copies from before.

# %% alt="A tile for each tensor, in rows of stages. A cross marks a frozen tensor that changed: the running statistics of every stage are crossed, no weight is."
ax = plan_strip.moved(plans.audit(before, model, frozen, strict=False))

# %% [markdown]
# No weight changed. What changed are *buffers* of *batch norm*: tensors that a layer stores but does not train. In training
# mode, batch norm uses the mean and variance of each batch. It also updates running averages for later use in eval mode:
# nine tenths of the old value plus one tenth of the new one. PyTorch calls this tenth the *momentum* of batch norm; it is
# not the momentum of SGD. All this happens in the *forward* pass, so `requires_grad=False` cannot prevent it. By hand, for
# the first batch-norm layer:

# %%
batch_mean = network.stages["stem"][0](batches[0]).mean((0, 2, 3))
by_hand = 0.9 * before["stages.stem.1.running_mean"] + 0.1 * batch_mean
model.load_state_dict(before)
model.train()(batches[0])
assert_close(model.stages["stem"][1].running_mean, by_hand)  # silent if both agree

# %% [markdown]
# A likely reason for the lower accuracy: the head was fitted to digits with the statistics of the letters. In
# [25](25_adapting_without_labels.ipynb) a similar update, AdaBN, *helps*: there the images are the same letters in another
# domain, and new statistics bring their features closer to what the head expects.
#
# ## 3 · The optimiser can change it, too
#
# With `requires_grad=False` from the start, the gradient of a tensor is `None`, and the optimiser skips it. The danger is a
# tensor that was trained before it was frozen. It keeps its last gradient, or a zero after `zero_grad(set_to_none=False)`,
# and a gradient of zero does not protect it. *Weight decay* shrinks every weight a little in each step. It is a form of
# *regularisation*: it keeps a model from fitting its training set too closely. *Momentum* repeats a part of the previous
# steps. By hand, we train one weight for one step, then freeze it:

# %% tags=["nbval-check-output"]
for options in {"weight_decay": 0.1}, {"momentum": 0.9}:
    weight = nn.Parameter(torch.ones(1))
    optimiser = torch.optim.SGD([weight], lr=0.1, **options)
    weight.sum().backward()  # the gradient is 1
    optimiser.step()
    values = [weight.requires_grad_(False).item()]  # frozen, but still in the optimiser
    for to_none in False, True:  # the gradient becomes 0, then None, which is the default
        optimiser.zero_grad(set_to_none=to_none)
        optimiser.step()
        values.append(weight.item())
    pull = 0.1 * values[0] if "weight_decay" in options else 0.9  # decay x weight, momentum x old gradient
    assert_close(values[1], values[0] - 0.1 * pull)
    print(*options, "{:.4f}, after a step with gradient 0 {:.4f}, after one with None {:.4f}".format(*values))

# %% [markdown]
# The safe way: frozen tensors are **not passed to the optimiser**, and every frozen stage is in **eval mode**.
# `requires_grad=False`, set by `plans.freeze`, saves computing their gradients. `plans.set_modes` sets the modes, and `fit`
# raises an error if the optimiser holds a frozen tensor. The same batches again:

# %% tags=["nbval-check-output"]
model.load_state_dict(before)
plans.freeze(model, frozen)
for batch in batches:
    plans.set_modes(model, frozen)  # instead of model.train()
    model(batch)
print(len(plans.audit(before, model, frozen).moved), "tensors changed")
assert torch.equal(model.eval()(images).softmax(1), first), "frozen, but its predictions changed"

# %% [markdown]
# ## 4 · What fastai freezes
#
# fastai is a library on top of PyTorch; skip this section if you do not use it. Its `learn.freeze()` means something else: it
# keeps training the batch-norm layers of the frozen part. Two options turn this off. Here a new head is trained three
# times, and audited each time:

# %%
from fastai.basics import DataLoader, DataLoaders, Learner, params
from fastai.callback.training import BnFreeze

labelled = task.draw(labels, seed).all
targets = torch.as_tensor(task.targets)
rows = list(zip(backbone.transform(task.train.inputs[labelled]), targets[labelled], strict=True))
load = DataLoader(rows, bs=25, shuffle=True)

# %% tags=["nbval-check-output"]
strict = {"train_bn": False}
for options in {}, strict, strict | {"cbs": BnFreeze()}:
    chain = backbone.fresh()
    chain.head = nn.Sequential(backbone.pool, nn.Linear(128, 10))
    start = {name: tensor.clone() for name, tensor in chain.state_dict().items()}
    net = nn.Sequential(nn.Sequential(*chain.stages.values()), chain.head)  # the two parts fastai expects
    choice = {"splitter": lambda net: [params(part) for part in net], **options}
    learn = Learner(DataLoaders(load, load, device="cpu"), net, nn.CrossEntropyLoss(), **choice)
    learn.freeze()
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)
    audit = plans.audit(start, chain, frozen, strict=False)
    print(f"{len(audit.guilty):2} frozen tensors changed; options set: {', '.join(options) or 'none'}")

# %% [markdown]
# By default, the batch-norm layers change completely: scales, shifts and running statistics. With `train_bn=False`, only the
# running statistics change. With the callback `BnFreeze` too, only the head does. Our `fit` audits every run and raises an
# error if a frozen tensor has changed.
#
# ## 5 · What a frozen network gives
#
# A safely frozen network always gives the same 128 features for the same image. What do they respond to? Each row below
# shows the four *letters* and the four *digits* with the highest value of one feature.


# %% alt="Five rows, one per feature: the four letters and the four digits with its highest value. In some rows letters and digits look alike, in others they do not."
def features(images, network, backbone):
    return backbone.pool(network.run(backbone.transform(images)))


letters = material.glyphs("letters", 20, seed)
inputs, shown, titles = (torch.tensor(letters.images), task.train.inputs), ([], []), ([], [])
names = [letters.classes[i] for i in letters.labels], [*map(str, task.targets)]
values = [features(images, network, backbone) for images in inputs]
picked = values[1].std(0).argsort(descending=True)[:10:2]  # of those that differ most
for k in picked:
    for side in 0, 1:
        top = values[side][:, k].topk(4).indices
        shown[side].extend(backbone.transform(inputs[side][top]))
        titles[side].extend(names[side][i] for i in top)
figure = nb12_frozen.most_active(shown, titles, [f"feature {k}" for k in picked])

# %% [markdown]
# In some rows the letters and the digits look alike; in others we see no common shape. Four images cannot tell what a
# feature responds to. But features learned on letters do vary among digits, and a new head can use that.
#
# The same image always gives the same features, so we compute them once and store them. Every further experiment is then a
# small *convex* problem: a solver finds the best head. There is no learning rate, number of steps or initialisation to
# choose, so comparisons are fairer.

# %%
from time import perf_counter

from tlkit.features import probe

began = perf_counter()
train, test = (features(items.inputs, network, backbone).numpy() for items in (task.train, task.test))
ran = perf_counter()
strength = float(settings.tries(frozen, labels=1)[0])  # the hyperparameter of notebook 11
tens, y = [task.draw(1, s).all for s in range(n_seeds)], np.asarray(task.targets)
predicted = [probe(train[ten], y[ten], strength, 10)(test).argmax(1) for ten in tens]
once, each = ran - began, (perf_counter() - ran) / n_seeds
print(f"computing the features: {once:.2f} s, once; fitting a head to them: {each:.4f} s per experiment")

fits = [fit(task, backbone, frozen, 1, s, settings) for s in range(n_seeds)]
for by_hand, one in zip(predicted, fits, strict=True):
    assert np.mean(by_hand == one.test.predicted) > 0.99, "by hand and in one line must predict the same"

# %% [markdown]
# `fit` stores the outputs of frozen stages on disk by itself, and all notebooks share them.
#
# ## 6 · So, freeze?
#
# Freezing is cheap, but is it more accurate? The *records* are the stored results of the full runs. In them, ten seeds compare
# `frozen` with `full`, which trains every stage from the same checkpoint with the same labels.

# %% alt="Paired dots of full and frozen with their means, at one label per class and at five: at one label some lines rise and some fall, at five all fall."
rows = ledger.shelf().store("16_digits").read()
figure = nb12_frozen.frozen_and_full(rows)
kept = records.values(rows, plan="frozen", labels=1)
live = {s: one.test.metrics["accuracy"] for s, one in enumerate(fits)}
assert all(abs(live[s] - kept[s]) < 0.02 for s in live), "frozen differs from the records"

# %% [markdown]
# ## What we saw
#
# - In training mode, batch norm changed predictions, although no parameter had `requires_grad=True`.
# - A gradient of zero did not stop the optimiser from changing a frozen weight.
# - In eval mode and outside the optimiser, nothing changed, so the features were computed once for all experiments.
# - `frozen` is ahead of `full` in {{wins 16_digits frozen full 1}} seeds with one label per class, and in
#   {{wins 16_digits frozen full 5}} with five.
# - {{claim 5 sentence}}
#
# The criterion was written down before the measurement. Brackets are 95 % intervals; [16](16_the_comparison.ipynb) computes
# one by hand.
#
# ## When this fails
#
# - **When the features lack what the task needs.** No head recovers what the backbone discards.
#   [13](13_what_a_network_knows.ipynb) tries a distant target.
# - **With more labels.** Here five per class were enough for `full` to be ahead. [16](16_the_comparison.ipynb) compares more
#   plans and more labels.
# - **With data augmentation.** Every randomly distorted copy is a new image, so its features must be computed anew.
# - **Without batch norm.** Layer norm has no running averages. But dropout is active in training mode, so predictions differ
#   from pass to pass.

# %% [markdown]
# ## Exercises
#
# ### Exercise 12.1 · Batch dependence
#
# In training mode, the prediction for an image depends on the rest of its batch. Show it: put `images[[digit]]`, the digit
# from section 2, in front of three different batches, and keep its ten probabilities each time. Leave the model as you
# found it: in the state `before`, and in eval mode.

# %% tags=["solution"]
model.train()
in_batch = [model(torch.cat([images[[digit]], batch]))[0].softmax(0) for batch in batches[:3]]
_ = model.eval().load_state_dict(before)
# stub:
# model.train()
# in_batch = [model(torch.cat([..., ...]))[0].softmax(0) for batch in batches[:3]]
# ...

# %% tags=["check"]
assert not plans.audit(before, model, frozen, strict=False).moved, "load the old state back"
assert not any(part.training for part in model.modules()), "leave the model in eval mode"
assert len({tuple(p.tolist()) for p in in_batch}) == 3, "the three should differ: eval mode, or one batch?"
known = [model.train()(torch.cat([images[[digit]], b]))[0].softmax(0) for b in batches]
model.eval().load_state_dict(before)
assert all(any(torch.allclose(p, k, atol=1e-4) for k in known) for p in in_batch), "row 0 is another image"
for said, p in zip(("eval mode", *["training mode"] * 3), (first[digit], *in_batch), strict=True):
    print(f"{said:13}  predicted {p.argmax()}, probability {p.max():.3f}")

# %% [markdown] tags=["hint"]
# `torch.cat([images[[digit]], batch])` puts the image first; its output is row 0. `before` is the state to load back.

# %% [markdown]
# ### Exercise 12.2 · Your own audit
#
# An audit needs a copy of the state from before, and it has a trap: `state_dict()` returns the live tensors, not copies.
# Write `snapshot(model)`, which copies the state, and `differing(before, after)`, which lists the names of all tensors that
# differ between two states, weights and buffers alike. With them you can audit any training loop.


# %% tags=["solution"]
def snapshot(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def differing(before, after):
    return [name for name in before if not torch.equal(before[name], after[name])]


# stub:
# def snapshot(model):
#     return {name: ... for name, tensor in model.state_dict().items()}
#
#
# def differing(before, after):
#     return [name for name in before if ...]

# %% tags=["check"]
start = snapshot(model)
assert not list(differing(start, model.state_dict())), "nothing has changed, but your audit lists a tensor"
model.train()(batches[0])
model.get_parameter("stages.block1.0.weight")[0, 0, 0, 0] *= 1 + 1e-6  # one weight, by a tiny factor
found = {*differing(start, model.state_dict())}
model.eval().load_state_dict(before)
assert found, "the audit is empty: a snapshot needs .clone(), or it changes with the model"
wrong = found ^ {"stages.block1.0.weight", *(name for name, _ in model.named_buffers())}
assert not wrong, f"{wrong}: buffers count like weights, and one value like all: torch.equal"

# %% [markdown] tags=["hint"]
# `tensor.clone()` copies a tensor; `torch.equal(a, b)` is true if all values are the same.

# %% [markdown]
# ### Exercise 12.3 · Half frozen
#
# The plan `last-1` trains the head and the last stage. Freeze `model` accordingly, set its modes, pass one batch without an
# optimiser, and audit. Which tensors do you expect to have changed?

# %% tags=["solution"]
_ = model.load_state_dict(before)
last = plans.Plan.parse("last-1")
plans.freeze(model, last)
plans.set_modes(model, last)
model(batches[0])
changed = plans.audit(before, model, last, strict=False).moved
# stub:
# _ = model.load_state_dict(before)
# last = plans.Plan.parse(...)
# ...
# changed = plans.audit(before, model, last, strict=False).moved

# %% tags=["check"]
free = {n.split(".")[1] for n, p in model.named_parameters() if p.requires_grad and "stages" in n}
assert free == {"block3"}, f"of the stages, only block3 is trained, not {free or 'none'}: plans.freeze"
found = {name.split(".")[1] for name in changed}
assert found == {"block3"}, f"block3 must change, not {found or 'nothing'}: plans.set_modes, then one batch"
print("changed:", *changed)

# %% [markdown] tags=["hint"]
# Section 3 did the same for the plan `frozen`, with two functions of `plans` and a forward pass.

# %% [markdown]
# **Think.** In section 4, `BnFreeze` on its own, without `train_bn=False`, has no effect at all. Why?

# %% [markdown] tags=["answer"]
# `BnFreeze` fixes the running statistics only of those batch-norm layers whose weights are not trained. By default fastai
# trains all of them, so `BnFreeze` finds none to fix. An audit shows this; the names of the options do not.

# %% tags=["quiz"]
widgets.quizzes("12")

# %% [markdown]
# ## Recap
#
# - `requires_grad=False` alone is not safe. Also set eval mode, and do not pass frozen tensors to the optimiser.
# - An audit of a few lines shows what a library means by *freeze*.
# - The features of a frozen network can be computed once, and every further experiment is almost free. But `frozen` is not
#   always the most accurate plan.
#
# **Next:** [13](13_what_a_network_knows.ipynb) asks what the features of each stage encode.
#
# **To read.** Ioffe and Szegedy 2015, *Batch Normalization*, arXiv:1502.03167. Donahue et al. 2014, *DeCAF*, arXiv:1310.1531:
# frozen features as a general tool. Wu and Johnson 2021, *Rethinking "Batch" in BatchNorm*, arXiv:2105.07576.

# %% tags=["record"]
{"predictions changed": counts[-1], "frozen": float(np.mean([*live.values()]))}
