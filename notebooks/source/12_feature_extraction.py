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
# <details><summary><b>In one sentence</b> (guess first)</summary>Freezing takes three things: no gradient, no place in the
# optimiser, and eval mode. Only then is the network a fixed function, which has to run only once per image.</details>
#
# **You will** catch a network changing although nothing learns, find the guilty tensors, freeze it properly, and make
# every further experiment almost free.
#
# **Needs** [11](11_first_transfer.ipynb). Terms are in the [glossary](../book/glossary.md).
#
# **Time** {{time}} to run, 20 min to read.

# %% tags=["parameters"]
seed = 0  # decides which digits are labelled
labels = 5  # labelled digits of each class
guess = 0  # your guess in section 2: how many predictions on test digits will change
n_seeds = 10  # sets of ten digits in section 5 (10 at most)

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from torch.testing import assert_close

from tlkit import backbones, env, plans, recipe, records, tasks
from tlkit.fit import fit
from tlkit_lessons import ledger, material, nb12_frozen, paired, plan_strip, widgets

env.setup(seed)

# %% [markdown]
# ## 1 · A chain of stages
#
# This is the letters network of notebook 11, stage by stage. The *transform* enlarges the digit. Every stage returns
# *feature maps*: how strongly each pattern is present at each position. They get smaller and more numerous. In the end
# each map is averaged over its 4 × 4 positions: that is one *feature*.

# %%
task, backbone = tasks.load("digits"), backbones.load("letters")
network = backbone.fresh().eval().requires_grad_(False)
x = task.train.inputs[:1]
for name, part in {"transform": backbone.transform, **network.stages, "features": backbone.pool}.items():
    x = part(x)
    print(f"{name:9} {tuple(x.shape[1:])}")

# %% [markdown]
# ## 2 · Nothing learns, yet it changes
#
# First we need a classifier for digits. The *plan* `frozen` trains only a new head, in one line as in notebook 11. Then we
# switch off everything that could still learn. No tensor asks for a gradient, and there will be no loss, no optimiser
# and no backward pass.

# %% tags=["nbval-check-output"]
frozen, settings = plans.Plan.parse("frozen"), recipe.default()
done = fit(task, backbone, frozen, labels, seed, settings)
model = done.model.requires_grad_(False)
before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
print(sum(p.requires_grad for p in model.parameters()), "tensors can learn")

# %% [markdown] tags=["predict"]
# **Predict.** Now a thousand digits pass through the model in *train mode*. Every training loop sets this mode first, with
# `model.train()`. To predict, `model.eval()` ends it. We ignore the outputs. How many predictions on the test digits will
# be different afterwards?

# %%
slider = widgets.guess(f"Predictions changed, of {len(task.test)} test digits", guess, 0, 100, step=1)
slider

# %% tags=["headline"] alt="Predictions changed against batches passed: the curve rises from batch to batch."
images = backbone.transform(task.test.inputs)
batches = backbone.transform(task.train.inputs).split(64)
first, changed = model.eval()(images).softmax(1), []
for batch in batches:
    model.train()(batch)  # the outputs are ignored
    now = model.eval()(images).softmax(1)
    changed.append(int((now.argmax(1) != first.argmax(1)).sum()))
ax = nb12_frozen.predictions_changed(changed, len(task.test), slider.value)

# %% [markdown]
# Nothing was trained, and batch after batch the predictions drift away. The accuracy you measured belongs to a network that
# no longer exists. Here is the digit whose prediction changed most.

# %% alt="A test digit, and bars of the predicted probability of each class before and after the batches passed."
score = [task.evaluate(lambda _, p=p: p.argmax(1).numpy(), "drift").metrics["accuracy"] for p in (first, now)]
print(f"accuracy on all test digits: {score[0]:.3f} before, {score[1]:.3f} after")
digit = int(((now - first).abs().amax(1) * (now.argmax(1) != first.argmax(1))).argmax())
figure = nb12_frozen.before_and_after(images[digit], done.test.targets[digit], first[digit], now[digit])

# %% [markdown]
# Which tensors changed? The *audit* compares all of them, one tile each. A cross marks a frozen tensor that changed anyway.

# %% alt="A tile for each tensor, in rows of stages: the running averages of every stage are crossed, no weight is."
ax = plan_strip.moved(plans.audit(before, model, frozen, strict=False))

# %% [markdown]
# Not one weight. What changed are *buffers* of *batch norm*: tensors that a layer stores without learning them. In train mode,
# batch norm uses the mean and variance of each batch, and updates running averages for later use in eval mode: nine
# tenths old, one tenth new. This happens in the *forward* pass, so `requires_grad` cannot prevent it. By hand, for the
# first norm of the chain; `assert_close` is silent if both agree:

# %%
batch_mean = network.stages["stem"][0](batches[0]).mean((0, 2, 3))
by_hand = 0.9 * before["stages.stem.1.running_mean"] + 0.1 * batch_mean
model.load_state_dict(before)
model.train()(batches[0])
assert_close(model.stages["stem"][1].running_mean, by_hand)

# %% [markdown]
# ## 3 · The optimiser can change it, too
#
# A frozen tensor must not be in the optimiser either, because a gradient of zero does not protect it. *Weight decay*
# shrinks every weight a little in each step. It is a form of *regularisation*: it keeps a model from fitting its training
# set too closely. *Momentum* repeats a part of the previous steps. By hand, one weight is trained for one step and then
# gets a gradient of zero:

# %% tags=["nbval-check-output"]
rate = 0.1
for options in {"weight_decay": 0.1}, {"momentum": 0.9}:
    weight = nn.Parameter(torch.ones(1))
    optimiser = torch.optim.SGD([weight], lr=rate, **options)
    weight.grad = torch.ones(1)
    optimiser.step()
    old = weight.item()
    weight.grad = torch.zeros(1)  # from here on the loss does not depend on the weight
    optimiser.step()
    pull = 0.1 * old if "weight_decay" in options else 0.9 * 1  # decay x weight, or momentum x last gradient
    assert_close(weight.item(), old - rate * pull)
    print(f"{options}: {old:.4f}, after a step with gradient zero {weight.item():.4f}")

# %% [markdown]
# So *frozen* means three things: no gradient, no place in the optimiser, and **eval mode** for every frozen stage.
# `plans.freeze` and `plans.set_modes` take care of the first and the last; `fit` refuses an optimiser that holds a frozen
# tensor. The same batches again:

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
# fastai is a library on top of PyTorch; skip this section if you do not use it. Its `learn.freeze()` means something else: the
# batch norms of the frozen part keep learning, in train mode. That may even help, but you should know it. Two switches make
# it strict. Here a new head is trained three times, and audited each time:

# %%
from fastai.basics import DataLoader, DataLoaders, Learner, params
from fastai.callback.training import BnFreeze

labelled = task.draw(labels, seed).all
targets = torch.as_tensor(task.targets)
rows = list(zip(backbone.transform(task.train.inputs[labelled]), targets[labelled], strict=True))
load = DataLoader(rows, bs=25, shuffle=True)

# %% tags=["nbval-check-output"]
for switches in {}, {"train_bn": False}, {"train_bn": False, "cbs": BnFreeze()}:
    chain = backbone.fresh()
    chain.head = nn.Sequential(backbone.pool, nn.Linear(128, 10))
    start = {name: tensor.clone() for name, tensor in chain.state_dict().items()}
    net = nn.Sequential(nn.Sequential(*chain.stages.values()), chain.head)  # the two parts fastai expects
    choice = {"splitter": lambda net: [params(part) for part in net], **switches}
    learn = Learner(DataLoaders(load, load, device="cpu"), net, nn.CrossEntropyLoss(), **choice)
    learn.freeze()
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)
    audit = plans.audit(start, chain, frozen, strict=False)
    print(f"{len(audit.guilty):2} frozen tensors changed with {switches or 'its defaults'}")

# %% [markdown]
# By default, every norm changes: scales, shifts and averages. With one switch, only the averages do. With both, only the
# head does. Our `fit` is as strict, and raises an error if its audit fails.
#
# ## 5 · What a frozen network gives
#
# Properly frozen, the network gives the same 128 features for the same image, today and tomorrow. What do they respond
# to? Each row below shows the four *letters* and the four *digits* for which one feature is largest.


# %% alt="Rows of letters and digits that excite the same feature: in each row they share a shape."
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
# A feature does not know what a **g** or an 8 is. It responds to a shape that they share, such as two loops or a bar across
# a stroke. A new head only has to learn which shapes belong to which digit.
#
# And because the same image always gives the same features, the network has to run only once. Store its features, and
# every further experiment is a small *convex* problem. A solver finds the best head. There is no learning rate, number of
# steps or initialisation to choose, so comparisons are fairer.

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
print(f"network {once:.2f} s, once; then {each:.4f} s per experiment: {once / each:.0f} times less")

fits = [fit(task, backbone, frozen, 1, s, settings) for s in range(n_seeds)]
for by_hand, one in zip(predicted, fits, strict=True):
    assert np.mean(by_hand == one.test.predicted) > 0.99, "by hand and in one line must predict the same"

# %% [markdown]
# `fit` stores the outputs of frozen stages on disk by itself, and all notebooks share them.
#
# ## 6 · So, freeze?
#
# Cheap is not the same as better. The records hold ten seeds of `frozen` and of `full`, which trains every stage from the same
# checkpoint with the same labels.

# %% alt="Paired dots of full and frozen, at one label per class and at five: at one they are mixed, at five full wins."
rows = ledger.shelf().store("16_digits").read()
_, axes = plt.subplots(1, 2, figsize=(8, 3.8), layout="constrained", sharey=True)
for ax, n in zip(axes, (1, 5), strict=True):
    sides = [records.values(rows, plan=plan, labels=n) for plan in ("frozen", "full")]
    paired.paired_dots(*([side[s] for s in range(10)] for side in sides), ("frozen", "full"), ax)
    title = ax.set_title(f"{n} label{'s' * (n > 1)} per class:\n{ax.get_title(loc='left')}", loc="left")
axes[1].set_ylabel("")
kept = records.values(rows, plan="frozen", labels=1)
live = {s: one.test.metrics["accuracy"] for s, one in enumerate(fits)}
assert all(abs(live[s] - kept[s]) < 0.02 for s in live), "frozen scores otherwise here than in the records"

# %% [markdown]
# ## What we saw
#
# - In train mode, batch norm changed predictions, although no tensor could learn.
# - Without gradient and optimiser, and in eval mode, nothing changed: the network ran once for all experiments.
# - `frozen` is ahead of `full` in {{wins 16_digits frozen full 1}} seeds with one label per class, and in
#   {{wins 16_digits frozen full 5}} with five.
# - {{claim 5 sentence}}
# - {{claim 5-top sentence}}
#
# Each criterion was written down before the measurement. Brackets are 95 % intervals; [16](16_the_comparison.ipynb) makes
# one by hand.
#
# ## When this fails
#
# - **When the features lack what the task needs.** No head recovers what the backbone discards.
#   [13](13_what_a_network_knows.ipynb) tries a distant target.
# - **With many labels.** Then training more stages can help: [16](16_the_comparison.ipynb).
# - **With data augmentation.** Every randomly distorted copy is a new image, so stored features do not fit.
# - **Without batch norm.** Layer norm has no running averages. But dropout in train mode changes predictions as well.
#
# <details><summary>Fine print</summary>
#
# PyTorch skips a tensor whose gradient is `None`, which `zero_grad` sets by default. So a frozen tensor in the optimiser
# changes only where its gradient is zero instead, or where one is left over from earlier training.
#
# </details>

# %% [markdown]
# ## Exercises
#
# ### Exercise 12.1 · Bad company
#
# In train mode, the prediction for an image depends on the rest of its batch. Show it: put `images[[digit]]`, the digit from
# section 2, in front of three different batches, and keep its ten probabilities each time. Leave the model as you
# found it.

# %% tags=["solution"]
model.train()
company = [model(torch.cat([images[[digit]], batch]))[0].softmax(0) for batch in batches[:3]]
_ = model.load_state_dict(before)
# stub:
# model.train()
# company = [model(torch.cat([..., ...]))[0].softmax(0) for batch in batches[:3]]
# ...

# %% tags=["check"]
assert not plans.audit(before, model, frozen, strict=False).moved, "load the old state back"
assert len({tuple(c.tolist()) for c in company}) == 3, "not three predictions: eval mode, or one batch twice?"
alone = [model.train()(torch.cat([images[[digit]], b]))[0].softmax(0) for b in batches]
_ = model.load_state_dict(before)
assert all(any(torch.allclose(c, a, atol=1e-4) for a in alone) for c in company), "row 0 is another image"
print("in eval mode, then in company:", *(f"{c.argmax()} ({c.max():.3f})" for c in (first[digit], *company)))

# %% [markdown] tags=["hint"]
# `torch.cat([images[[digit]], batch])` puts the image first; its output is row 0. `before` is the state to load back.

# %% [markdown]
# ### Exercise 12.2 · Your own audit
#
# Write `differing(before, after)`: the names of all tensors that differ between two states, weights and buffers alike. With
# it you can audit any training loop, in any library.


# %% tags=["solution"]
def differing(before, after):
    return [name for name in before if not torch.equal(before[name], after[name])]


# stub:
# def differing(before, after):
#     return [name for name in before if ...]

# %% tags=["check"]
after = {name: tensor.clone() for name, tensor in before.items()}
assert not list(differing(before, after)), "two equal states, and your audit names a difference"
after["stages.stem.1.running_mean"] += 1
after["stages.block1.0.weight"][0, 0, 0, 0] *= 1 + 1e-6  # one weight of many, by next to nothing
wrong = {"stages.stem.1.running_mean", "stages.block1.0.weight"} ^ {*differing(before, after)}
assert not wrong, f"{wrong}: buffers count like weights, and one value like all: torch.equal"

# %% [markdown] tags=["hint"]
# A state is a dictionary of tensors; `torch.equal(a, b)` is true if all their values are the same.

# %% [markdown]
# ### Exercise 12.3 · Half frozen
#
# The plan `last-1` trains the head and the last stage. Freeze `model` accordingly, set its modes, pass one batch without an
# optimiser, and audit. Which tensors do you expect in `movers`?

# %% tags=["solution"]
_ = model.load_state_dict(before)
last = plans.Plan.parse("last-1")
plans.freeze(model, last)
plans.set_modes(model, last)
model(batches[0])
movers = plans.audit(before, model, last, strict=False).moved
# stub:
# _ = model.load_state_dict(before)
# last = plans.Plan.parse(...)
# ...
# movers = plans.audit(before, model, last, strict=False).moved

# %% tags=["check"]
learn = {n.split(".")[1] for n, p in model.named_parameters() if p.requires_grad and "stages" in n}
assert learn == {"block3"}, f"block3 alone of the stages may learn, not {learn or 'none'}: plans.freeze"
found = {name.split(".")[1] for name in movers}
assert found == {"block3"}, f"block3 must change, not {found or 'nothing'}: plans.set_modes, then one batch"
print("changed:", *movers)

# %% [markdown] tags=["hint"]
# Three calls: `plans.freeze(model, last)`, `plans.set_modes(model, last)`, `model(batches[0])`.

# %% [markdown]
# **Think.** In section 4, `BnFreeze` on its own, without `train_bn=False`, has no effect at all. Why?

# %% [markdown] tags=["answer"]
# It holds the averages of those batch norms whose weights do not learn. By default fastai lets all of them learn, so there
# is none for it to hold. Each default is sensible on its own. What they do together, only an audit shows.

# %% tags=["quiz"]
widgets.quizzes("12")

# %% [markdown]
# ## Recap
#
# - Freezing takes three things: no gradient, no place in the optimiser, and eval mode. Without one of them, a network
#   can change although it should not.
# - An audit of a few lines shows what a library means by *freeze*.
# - Properly frozen, a network is a fixed function. It runs once per image, and every further experiment is almost free.
#   But it is not always the most accurate plan.
#
# **Next:** [13](13_what_a_network_knows.ipynb) opens the features and asks where to cut the chain.
#
# **To read.** Ioffe and Szegedy 2015, *Batch Normalization*, arXiv:1502.03167. Donahue et al. 2014, *DeCAF*, arXiv:1310.1531:
# frozen features as a general tool. Wu and Johnson 2021, *Rethinking "Batch" in BatchNorm*, arXiv:2105.07576.

# %% tags=["record"]
{"predictions changed": changed[-1], "frozen": float(np.mean([*live.values()]))}
