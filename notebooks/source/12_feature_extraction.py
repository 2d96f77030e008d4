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
# **Question.** What does it mean to freeze a network, and what does a frozen network give you?
#
# **You will** look inside the chain, catch a network changing while nothing learns, freeze it properly, solve its new head
# by hand, and make every further experiment almost free.
#
# **Needs** [11](11_first_transfer.ipynb). New words are explained where they first appear, and again in the
# [glossary](00_start_here.ipynb#Glossary).
#
# **Time** {{time}} to run, half an hour to read.

# %% tags=["parameters"]
seed = 0  # decides which digits are labelled
labels = 5  # labelled digits of each class
guess = 0  # your guess in section 2: how many test digits will be named differently
n_seeds = 10  # draws of ten digits in section 6 (10 at most)

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from tlkit import backbones, env, plans, plots, recipe, records, tasks
from tlkit.fit import fit
from tlkit_lessons import drawing, ledger, material, paired, plan_strip, widgets

env.setup(seed)

# %% [markdown]
# ## 1 · A chain
#
# The letters network of notebook 11, stage by stage: once the *transform* has enlarged the digit, the picture shrinks and the
# number of patterns grows. At the end the mean of each pattern over its 4 × 4 places makes one *feature*. The *plan* `frozen`
# lets nothing move but a new head.

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
# First, a network that reads digits: a few labelled ones of each class, the plan `frozen`, one line as in notebook 11.
# Then switch off whatever could still learn: no tensor asks for a gradient, and there will be no loss, no optimiser and
# no backward pass.

# %% tags=["nbval-check-output"]
frozen, settings = plans.Plan.parse("frozen"), recipe.default()
model = fit(task, backbone, frozen, labels, seed, settings).model
model.requires_grad_(False)
before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
print(sum(p.requires_grad for p in model.parameters()), "tensors can learn")

# %% [markdown] tags=["predict"]
# **Predict.** Now a thousand digits pass through the model in *train mode*, the switch that every training loop sets
# first (`model.train()`; before an answer counts, `model.eval()` sets it back). We do not even look at what comes out. How
# many of the test digits will the model name differently when they have passed?

# %%
slider = widgets.guess(f"Renamed, of {len(task.test)} test digits", guess, low=0, high=100, step=1)
slider

# %% tags=["headline"]
pictures = backbone.transform(task.test.inputs)
batches = backbone.transform(task.train.inputs).split(64)
first, renamed = model.eval()(pictures).softmax(1), []
for batch in batches:
    model.train()(batch)  # nobody looks at what comes out
    now = model.eval()(pictures).softmax(1)
    renamed.append((now.argmax(1) != first.argmax(1)).sum())
_, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(range(1, len(renamed) + 1), renamed, "o-", color=plots.style.VERMILION)
ax.axhline(slider.value, color=plots.style.PURPLE, linestyle="--")
_ = ax.set(xlabel="batches that have passed", ylabel="digits named differently", title="dashed: your guess")

# %% [markdown]
# Nothing has learnt, and batch after batch the answers drift away. Of the renamed digits, here is the one that was hit
# hardest. For better or for worse, nobody has decided it, and the score you measured belongs to a network that is gone.

# %%
score = [task.evaluate(lambda _, p=p: p.argmax(1).numpy(), "drift").metrics["accuracy"] for p in (first, now)]
print(f"accuracy of all {score[0]:.3f}, and now {score[1]:.3f}")
digit = int(((now - first).abs().amax(1) * (now.argmax(1) != first.argmax(1))).argmax())
_, (left, right) = plt.subplots(1, 2, figsize=(7, 2.6), width_ratios=(1, 3), layout="constrained")
left.imshow(task.test.inputs[digit, 0], cmap="gray").axes.set_axis_off()
right.bar(np.arange(10) - 0.2, first[digit], 0.4, color=plots.style.GREY)
right.bar(np.arange(10) + 0.2, now[digit], 0.4, color=plots.style.VERMILION, hatch="//")
_ = right.set(xticks=range(10), ylim=(0, 1), xlabel="answer", title="probability before, and after (hatched)")

# %% [markdown]
# Who did it? The *audit* compares all tensors before and after, one tile each. A cross marks what had no business to move.

# %%
ax = plan_strip.moved(plans.audit(before, model, frozen, strict=False))

# %% [markdown]
# Not one weight. The culprits are the *buffers* of *batch norm*: tensors that a layer keeps without learning them. In train
# mode batch norm measures mean and variance of every pattern over the batch, and keeps running averages of them for eval
# mode. It writes them in the *forward* pass, nine tenths old and one tenth new, so `requires_grad` has no say. By hand,
# for the first norm of the chain (no output is good news: `assert_close` speaks up only if the two differ):

# %%
batch_mean = network.stages["stem"][0](batches[0]).mean((0, 2, 3))
by_hand = 0.9 * before["stages.stem.1.running_mean"] + 0.1 * batch_mean
model.load_state_dict(before)
model.train()(batches[0])
torch.testing.assert_close(model.stages["stem"][1].running_mean, by_hand)

# %% [markdown]
# So *frozen* means three things, not one: no gradient, no place in the optimiser, and **eval mode** for every frozen
# stage. `plans.freeze` and `plans.set_modes` see to it. The same batches again:

# %% tags=["nbval-check-output"]
model.load_state_dict(before)
plans.freeze(model, frozen)
for batch in batches:
    plans.set_modes(model, frozen)  # instead of model.train()
    model(batch)
print(plans.audit(before, model, frozen))
assert torch.equal(model.eval()(pictures).softmax(1), first), "frozen, but it answers otherwise"

# %% [markdown]
# ## 3 · What fastai freezes
#
# fastai is a library on top of PyTorch; skip this section if you do not use it. Its `learn.freeze()` means something else: the
# batch norms of the frozen part go on learning, and stay in train
# mode. That may well be the better choice; one should only know. Two switches give the strict kind. So here is a new head,
# trained three times and audited three times:

# %%
from fastai.basics import DataLoader, DataLoaders, Learner, params
from fastai.callback.training import BnFreeze
from torch import nn

draw = task.draw(labels, seed).all
answers = torch.as_tensor(task.targets)[draw]
rows = list(zip(backbone.transform(task.train.inputs[draw]), answers, strict=True))
load = DataLoader(rows, bs=25, shuffle=True)

# %% tags=["nbval-check-output"]
for switches in {}, {"train_bn": False}, {"train_bn": False, "cbs": BnFreeze()}:
    chain = backbone.fresh()
    chain.head = nn.Sequential(backbone.pool, nn.Linear(128, 10))
    start = {name: tensor.clone() for name, tensor in chain.state_dict().items()}
    net = nn.Sequential(nn.Sequential(*chain.stages.values()), chain.head)  # two parts, as fastai likes it
    choice = {"splitter": lambda net: [params(part) for part in net], **switches}
    learn = Learner(DataLoaders(load, load, device="cpu"), net, nn.CrossEntropyLoss(), **choice)
    learn.freeze()
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)
    audit = plans.audit(start, chain, frozen, strict=False)
    print(f"{len(audit.guilty):2} frozen tensors moved with {switches or 'its defaults'}")

# %% [markdown]
# First, every norm moves: scales, shifts and averages. Then the averages only. Then nothing but the head. `fit` with the
# plan `frozen` is of this last kind, and it raises an error rather than return a model whose audit fails.
#
# ## 4 · What a frozen network gives
#
# The same picture now gives the same 128 numbers, today and tomorrow. What do they say? Take one of them and look for
# the pictures in which it is largest. Every row below is one feature: on the left four *letters*, on the right the
# four *digits* that excite it most.


# %%
def features(pictures, network, backbone):
    return backbone.pool(network.run(backbone.transform(pictures)))


letters, targets = material.glyphs("letters", 20, seed), np.asarray(task.targets)
seen, shown, titles = (torch.tensor(letters.images), task.train.inputs), [], []
values = [features(pictures, network, backbone) for pictures in seen]
for k in (picked := values[1].std(0).argsort(descending=True)[:12:2]):  # of those that differ most
    a, b = (v[:, k].topk(4).indices for v in values)
    shown += [seen[0][a], torch.ones(1, 1, 8, 8), seen[1][b]]
    titles += [*(letters.classes[letters.labels[i]] for i in a), "", *targets[b]]
figure = drawing.gallery(torch.cat(shown), titles, ncols=9, rows=[f"feature {k}" for k in picked])

# %% [markdown]
# From the top: a hook, a bend, a foot, two loops, a bar across a downstroke, a slant on a foot. A feature does not know what a
# **g** or an 8 is, and fires at both. A new head has only to learn which of these shapes belong to which digit.
#
# ## 5 · The head: step by step, or at once
#
# To find a linear head on fixed features is a *convex* problem: a bowl with one lowest point. By hand, walk downhill. Large
# weights cost a penalty, so that the few labels are not taken too literally; `strength` says how literally.

# %%
known = features(task.train.inputs[draw], network, backbone)
strength = float(settings.tries(frozen, labels=1)[0])  # what the recipe takes for one label
centre, scale = known.mean(0), (known - known.mean(0)).pow(2).mean().sqrt()
x, head = (known - centre) / scale, nn.Linear(128, 10)
descent = torch.optim.SGD(head.parameters(), lr=0.2, momentum=0.9)
for _ in range(300):
    penalty = head.weight.pow(2).sum() / (2 * strength * len(x))
    loss = nn.functional.cross_entropy(head(x), answers) + penalty
    descent.zero_grad()
    loss.backward()
    descent.step()

# %% [markdown]
# And in one line: `probe` asks a solver for the lowest point.

# %%
from tlkit.features import probe

solved = probe(known.numpy(), answers.numpy(), strength, outputs=10)
new = features(task.test.inputs, network, backbone)
walked, at_once = head((new - centre) / scale).softmax(1), torch.tensor(solved(new.numpy())).softmax(1)
torch.testing.assert_close(walked, at_once, atol=0.01, rtol=0)
print(f"largest difference between two probabilities: {(walked - at_once).abs().max():.4f}")

# %% [markdown]
# The same head, whichever way. A solved probe has no learning rate, no number of steps and no start to get wrong: three
# excuses less in every comparison.
#
# ## 6 · Run it once
#
# And since a frozen network gives the same numbers for the same picture, it has to run only once. Keep the rows, and every
# further experiment is arithmetic on a small table. The same `fit` as ever does so on its own.

# %%
from time import perf_counter

began = perf_counter()
train, test = (features(items.inputs, network, backbone).numpy() for items in (task.train, task.test))
ran = perf_counter()
tens = [task.draw(1, s).all for s in range(n_seeds)]
predicted = [probe(train[ten], targets[ten], strength, 10)(test).argmax(1) for ten in tens]
once, each = ran - began, (perf_counter() - ran) / n_seeds
print(f"network {once:.2f} s, once; then {each:.4f} s an experiment: {once / each:.0f} times less")

fits = [fit(task, backbone, frozen, 1, s, settings) for s in range(n_seeds)]
for by_hand, done in zip(predicted, fits, strict=True):
    assert np.mean(by_hand == done.test.predicted) > 0.99, "by hand and in one line must name the same digits"

# %% [markdown]
# (`fit` keeps what frozen stages give on disk, for all fits, notebooks and processes to share.)
#
# ## 7 · So, freeze?
#
# That it is cheap does not make it good. The records hold ten draws of `frozen` and of `full`, which lets every stage move
# from the same start, with the same labels. Left with one label a class, right with five.

# %%
rows = ledger.shelf().store("16_digits").read()
_, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
for ax, n in zip(axes, (1, 5), strict=True):
    sides = [records.values(rows, plan=plan, labels=n) for plan in ("frozen", "full")]
    ax = paired.paired_dots(*([side[s] for s in range(10)] for side in sides), ("frozen", "full"), ax)
kept = records.values(rows, plan="frozen", labels=1)
live = {s: done.test.metrics["accuracy"] for s, done in enumerate(fits)}
assert all(abs(live[s] - kept[s]) < 0.02 for s in live), "frozen scores otherwise here than in the records"

# %% [markdown]
# ## What we saw
#
# Frozen is ahead in {{wins 16_digits frozen full 1}} draws with one label a class, and in
# {{wins 16_digits frozen full 5}} with five: so much is there to "freeze when labels are few" between these two tasks. The mean
# accuracy over the draws in the records, with a head on the bare pixels beside it:
#
# | labels a class | pixels | frozen | last-1 | full |
# |--:|--:|--:|--:|--:|
# | 1 | {{accuracy 16_digits letters pixels 1}} | {{accuracy 16_digits letters frozen 1}} | {{accuracy 16_digits letters last-1 1}} | {{accuracy 16_digits letters full 1}} |
# | 2 | {{accuracy 16_digits letters pixels 2}} | {{accuracy 16_digits letters frozen 2}} | {{accuracy 16_digits letters last-1 2}} | {{accuracy 16_digits letters full 2}} |
# | 5 | {{accuracy 16_digits letters pixels 5}} | {{accuracy 16_digits letters frozen 5}} | {{accuracy 16_digits letters last-1 5}} | {{accuracy 16_digits letters full 5}} |
#
# "Freeze the core, tune the top" is what many tutorials advise for few labels. (`last-1` tunes the head and the last stage.)
# What would count for and against it was written down before anything was measured. In brackets stands how large the
# difference may be in truth, as far as these draws can tell; [16](16_the_comparison.ipynb) makes such an interval by hand.
#
# | claim | verdict | measured |
# |---|---|---|
# | {{claim 5 text}} | {{claim 5}} | {{claim 5 effect}} |
# | {{claim 5-top text}} | {{claim 5-top}} | {{claim 5-top effect}} |
# | {{claim 5-no-loss text}} | {{claim 5-no-loss}} | {{claim 5-no-loss effect}} |
#
# ## When this fails
#
# - **When the features lack what the task needs.** No head finds what the backbone threw away. The further the source is
#   from the target, the more so: [13](13_what_a_network_knows.ipynb) tries a far one.
# - **When there are many labels.** Then moving more can pay: [16](16_the_comparison.ipynb).
# - **With random distortions of the pictures.** Each distorted copy is a new picture, and would have to be run anew: kept
#   features and data augmentation do not go together.
# - **Without batch norm.** Networks with layer norm have no running averages, and this trap is not theirs; dropout in train
#   mode is.

# %% [markdown]
# ## Exercises
#
# ### Exercise 12.1 · Bad company
#
# In train mode the answer for a picture depends on who else is in the batch. Show it: put `pictures[[digit]]`, the one
# from section 2, in front of three different batches, and keep the answers for it: ten probabilities each time. Leave the
# model as you found it.

# %% tags=["solution"]
model.train()
company = [model(torch.cat([pictures[[digit]], batch]))[0].softmax(0) for batch in batches[:3]]
_ = model.load_state_dict(before)
# stub:
# model.train()
# company = [model(torch.cat([..., ...]))[0].softmax(0) for batch in batches[:3]]
# ...

# %% tags=["check"]
assert not plans.audit(before, model, frozen, strict=False).moved, "load the old state back"
assert len({tuple(c.tolist()) for c in company}) == 3, "not three answers: eval mode, or one batch twice?"
alone = [model.train()(torch.cat([pictures[[digit]], b]))[0].softmax(0) for b in batches]
_ = model.load_state_dict(before)
assert all(any(torch.allclose(c, a, atol=1e-4) for a in alone) for c in company), "row 0 is another picture"
print("in eval mode, then in company:", *(f"{c.argmax()} ({c.max():.3f})" for c in (first[digit], *company)))

# %% [markdown] tags=["hint"]
# `torch.cat([pictures[[digit]], batch])` puts the picture first; its answer is row 0. `before` is the state to load back.

# %% [markdown]
# ### Exercise 12.2 · Your own audit
#
# Write `changed(before, after)`: the names of all tensors that differ between two states, weights and buffers alike. Then
# you can audit any training loop, in any library.


# %% tags=["solution"]
def changed(before, after):
    return [name for name in before if not torch.equal(before[name], after[name])]


# stub:
# def changed(before, after):
#     return [name for name in before if ...]

# %% tags=["check"]
after = {name: tensor.clone() for name, tensor in before.items()}
assert not list(changed(before, after)), "two equal states, and your audit names a difference"
after["stages.stem.1.running_mean"] += 1
after["stages.block1.0.weight"][0, 0, 0, 0] *= 1 + 1e-6  # one weight of many, by next to nothing
wrong = {"stages.stem.1.running_mean", "stages.block1.0.weight"} ^ {*changed(before, after)}
assert not wrong, f"{wrong}: buffers count like weights, and one value like all: torch.equal"

# %% [markdown] tags=["hint"]
# A state is a dictionary of tensors; `torch.equal(a, b)` is true if all their values are the same.

# %% [markdown]
# ### Exercise 12.3 · Half frozen
#
# The plan `last-1` lets the head and the last stage move. Freeze `model` accordingly, set its modes, let one batch pass (no
# optimiser!), and audit. Which stages do you expect in `movers`, and weights or averages?

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
moved = {name.split(".")[1] for name in movers}
assert moved == {"block3"}, f"block3 must move, not {moved or 'nothing'}: plans.set_modes, then one batch"
print("moved:", *movers)

# %% [markdown] tags=["hint"]
# Three calls: `plans.freeze(model, last)`, `plans.set_modes(model, last)`, `model(batches[0])`.

# %% [markdown]
# **Think.** In section 3, `BnFreeze` on its own, without `train_bn=False`, changes nothing at all. Why?

# %% [markdown] tags=["answer"]
# It holds the averages of those batch norms whose weights do not learn. By default fastai lets all of them learn, so there
# is none for it to hold. Two defaults that are sensible each on its own, and a pair that only an audit explains.

# %% tags=["quiz"]
widgets.quizzes("12")

# %% [markdown]
# ## Recap
#
# - To freeze is to stop gradients, optimiser *and* train mode. Without the third, a network changes though nothing learns.
# - A frozen network gives features: how much of each of many shapes is there, the same for the same picture, every time.
# - Its head is a convex problem. A solver finds the one best answer, and there is nothing to tune but `strength`.
# - It runs once, and every further experiment costs next to nothing.
# - Cheap is not the same as better.
# - Libraries mean different things by *freeze*. An audit of a few lines says what yours means.
#
# **Next:** [13](13_what_a_network_knows.ipynb) opens the features and asks where to cut the chain.
#
# **To read.** Ioffe and Szegedy 2015, *Batch Normalization*, arXiv:1502.03167. Donahue et al. 2014, *DeCAF*, arXiv:1310.1531:
# frozen features as a general tool. Wu and Johnson 2021, *Rethinking "Batch" in BatchNorm*, arXiv:2105.07576.

# %% tags=["record"]
{"renamed after all batches": int(renamed[-1]), "frozen": float(np.mean([*live.values()]))}
