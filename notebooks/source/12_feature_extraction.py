# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 12 · Frozen
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
n_batches = 32  # batches that pass through the network there
n_seeds = 10  # draws of labelled digits in section 5 (10 at most)

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from tlkit import backbones, env, plans, plots, recipe, widgets
from tlkit.fit import fit
from tlkit.tasks import catalogue

env.setup(seed)

# %% [markdown]
# ## 1 · A chain
#
# The letters network of notebook 11, stage by stage: the picture shrinks and the number of patterns grows. From the last
# stage, the mean of each pattern over its 4 × 4 places makes one *feature*.

# %%
task, backbone = catalogue.load("digits"), backbones.load("letters")
network = backbone.fresh().eval()
x = backbone.transform(task.train.inputs[:1])
print(f"{'picture':8} {tuple(x.shape[1:])}")
for name, stage in network.stages.items():
    x = stage(x)
    print(f"{name:8} {tuple(x.shape[1:])}")
print(f"{'features':8} {tuple(backbone.pool(x).shape[1:])}")

# %% [markdown]
# A *plan* says which links of the chain may move. Here are the two ends of the range: only a new head, or everything.

# %%
_, axes = plt.subplots(2, 1, figsize=(6, 3.4), layout="constrained")
ax = plots.chain(network.names, "frozen", axes[0])
ax = plots.chain(network.names, "full", axes[1])

# %% [markdown]
# ## 2 · Nothing learns, yet it changes
#
# First a network that can read digits: five labelled ones of each class, the plan `frozen`, one line as in notebook 11.
# Then we switch off whatever could learn. No tensor asks for a gradient; there is no loss, no optimiser, no backward pass.

# %%
frozen, settings = plans.Plan.parse("frozen"), recipe.default()
model = fit(task, backbone, frozen, labels, seed, settings).model
model.requires_grad_(False)
before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
print(sum(p.requires_grad for p in model.parameters()), "tensors can learn")

# %% [markdown] tags=["predict"]
# **Predict.** Now some digits pass through the model once, in train mode, as at the start of every training loop. We do not
# even look at what comes out. How many of the test digits will the model name differently afterwards?

# %%
slider = widgets.guess("Test digits named differently afterwards", guess, low=0, high=100, step=1)
slider


# %%
@torch.no_grad()
def answer(model, pictures):
    """The probability of each class for each picture, in eval mode."""
    return model.eval()(pictures).softmax(1)


@torch.no_grad()
def pass_through(model, batch):
    """A batch goes in, in train mode; what comes out is thrown away."""
    model.train()(batch)


pictures = backbone.transform(task.test.inputs)
batches = backbone.transform(task.train.inputs).split(32)[:n_batches]
first = answer(model, pictures)
pass_through(model, batches[0])
second = answer(model, pictures)

# %% [markdown]
# One batch has passed. Here is the test digit whose answer moved most, before and after.

# %%
digit = (second - first).abs().amax(1).argmax()
_, axes = plt.subplots(1, 2, figsize=(7, 2.6), width_ratios=(1, 3), layout="constrained")
axes[0].imshow(task.test.inputs[digit, 0], cmap="gray")
axes[0].set_axis_off()
for shift, probability, name, colour in ((-0.2, first, "before", "#767676"), (0.2, second, "after", "#D55E00")):
    axes[1].bar(np.arange(10) + shift, probability[digit], 0.4, label=name, color=colour)
axes[1].set(xticks=range(10), xlabel="answer", ylabel="probability", ylim=(0, 1))
legend = axes[1].legend(frameon=False)

# %% [markdown]
# It changed. And it goes on changing with every batch:

# %%
renamed = [int((second.argmax(1) != first.argmax(1)).sum())]
for batch in batches[1:]:
    pass_through(model, batch)
    renamed.append(int((answer(model, pictures).argmax(1) != first.argmax(1)).sum()))
_, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(range(1, len(renamed) + 1), renamed, "o-", color="#D55E00", markersize=4, label="measured")
ax.axhline(slider.value, color="#CC79A7", linestyle="--", label=f"your guess: {slider.value}")
ax.set(xlabel="batches passed through", ylabel="test digits named differently", ylim=(-2, None))
legend = ax.legend(frameon=False)

# %% [markdown]
# Who did it? The *audit* compares the tensors before and after, one tile each. Crosses mark those that had no business
# moving.

# %%
audit = plans.audit(before, model.state_dict(), frozen, strict=False)
ax = plots.moved(audit)

# %% [markdown]
# Not one weight. The culprits are *buffers* of *batch norm*. In train mode, batch norm measures mean and variance of every
# pattern over the batch, and keeps a running average of them for later, when it is in eval mode. That average is written
# in the *forward* pass. `requires_grad` has no say in it, because no gradient is involved: a tenth of the new, nine
# tenths of the old.

# %%
convolution, norm = network.stages["stem"][:2]  # an untouched copy, in eval mode
with torch.no_grad():
    batch_mean = convolution(batches[0]).mean((0, 2, 3))
by_hand = 0.9 * before["stages.stem.1.running_mean"] + 0.1 * batch_mean
model.load_state_dict(before)
pass_through(model, batches[0])
torch.testing.assert_close(model.stages["stem"][1].running_mean, by_hand)

# %% [markdown]
# So frozen means three things, not one: no gradient, no place in the optimiser, and **eval mode** for every frozen stage.
# `plans.freeze` and `plans.set_modes` see to them. Same batches, same train loop:

# %%
model.load_state_dict(before)
plans.freeze(model, frozen)
for batch in batches:
    plans.set_modes(model, frozen)  # instead of model.train()
    with torch.no_grad():
        model(batch)
audit = plans.audit(before, model.state_dict(), frozen)
assert not audit.moved and torch.equal(answer(model, pictures), first)
print(audit)

# %% [markdown]
# ## 3 · What fastai freezes
#
# fastai freezes with `learn.freeze()` and means something else by it: the batch norms of the frozen part go on learning, and
# stay in train mode. On photographs that is often the better choice; one should only know. Two switches give the strict
# kind. Three short trainings of a new head, three audits:

# %%
from fastai.callback.training import BnFreeze
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import Learner
from fastai.torch_core import params
from torch import nn

draw = task.draw(labels, seed).all
answers = torch.as_tensor(task.targets)[draw]
rows = list(zip(backbone.transform(task.train.inputs[draw]), answers, strict=True))
choices = {"freeze()": {}, "train_bn=False": {"train_bn": False}}
choices["train_bn=False, BnFreeze"] = {"train_bn": False, "cbs": BnFreeze()}

# %%
for name, choice in choices.items():
    chain = backbone.fresh()
    chain.head = nn.Sequential(backbone.pool, nn.Linear(128, 10))
    start = {key: tensor.clone() for key, tensor in chain.state_dict().items()}
    loaders = DataLoaders(*[DataLoader(rows, bs=25, shuffle=True)] * 2, device="cpu")
    splitter = lambda chain: [params(chain.stages), params(chain.head)]  # noqa: E731
    learn = Learner(loaders, chain, loss_func=nn.CrossEntropyLoss(), splitter=splitter, **choice)
    learn.freeze()
    with learn.no_bar(), learn.no_logging():
        learn.fit(2)
    audit = plans.audit(start, chain.state_dict(), frozen, strict=False)
    print(f"{name:25} {len(audit.guilty):2} frozen tensors moved")

# %% [markdown]
# The first line moves scales, shifts and averages of every norm; the second the averages only; the third nothing but the
# head. `fit(task, backbone, frozen, ...)` is of the third kind, and refuses to return a model whose audit fails.
#
# ## 4 · What a frozen network gives you
#
# The same picture now gives the same 128 numbers, today and tomorrow. What are they worth? Squeeze them flat, into the two
# directions in which they differ most (principal components), beside the same squeeze of the pixels. Each picture is drawn
# as the digit that it is; the labels were used for nothing else.


# %%
def features(pictures, network, backbone):
    """Pictures N x 1 x 8 x 8 to N x 128."""
    with torch.no_grad():
        return backbone.pool(network.run(backbone.transform(pictures)))


from sklearn.decomposition import PCA

some, names = task.train.inputs[:400], np.asarray(task.targets)[:400]
views = {"64 pixels": some.flatten(1), "128 features": features(some, network, backbone)}
_, axes = plt.subplots(1, 2, figsize=(8.4, 4), layout="constrained")
for ax, (title, rows) in zip(axes, views.items(), strict=True):
    flat = PCA(2).fit_transform(rows)
    for d in range(10):
        ax.scatter(*flat[names == d].T, marker=f"${d}$", s=30, color=plt.cm.tab10(d), linewidths=0.3)
    ax.set(title=title, xticks=[], yticks=[])

# %% [markdown]
# Nobody told the letters network that there are ten kinds of these. A straight cut does the rest: the new head.
#
# ## 5 · The head: step by step, or at once
#
# Finding a linear head on fixed features is a *convex* problem: a bowl with one lowest point. Here it is by hand, walking
# downhill from three random starts. `strength` says how little large weights are punished; with so few labels that matters.


# %%
def walk(x, answers, strength, seed, steps=300):
    """Gradient descent on cross-entropy plus a penalty on the weights: the head, and the loss of every step."""
    torch.manual_seed(seed)
    head, losses = nn.Linear(x.shape[1], 10), []
    descent = torch.optim.SGD(head.parameters(), lr=0.2, momentum=0.9)
    for _ in range(steps):
        penalty = head.weight.pow(2).sum() / (2 * strength * len(x))
        loss = nn.functional.cross_entropy(head(x), answers) + penalty
        descent.zero_grad()
        loss.backward()
        descent.step()
        losses.append(loss.item())
    return head, losses


known = features(task.train.inputs[draw], network, backbone)
centre, scale = known.mean(0), (known - known.mean(0)).pow(2).mean().sqrt()
strength = 0.1
walks = [walk((known - centre) / scale, answers, strength, start) for start in range(3)]

# %% [markdown]
# And in one line: `probe` asks a solver for the lowest point. All four heads must name the test digits alike.

# %%
from tlkit.features import probe

solved = probe(known.numpy(), answers.numpy(), strength, outputs=10)
new = features(task.test.inputs, network, backbone)
wanted = torch.tensor(solved(new.numpy())).softmax(1)
for head, _ in walks:
    torch.testing.assert_close(head((new - centre) / scale).softmax(1), wanted, atol=0.01, rtol=0)

_, ax = plt.subplots(figsize=(6, 3), layout="constrained")
for (_, losses), line in zip(walks, ("-", "--", ":"), strict=True):
    ax.plot(losses, line, color="#0072B2")
ax.axhline(min(walks[0][1]), color="#222222", linewidth=1)
ax.set(xlabel="step", ylabel="loss and penalty", yscale="log")

# %% [markdown]
# Three starts, one end, and the solver is there at once. A probe has no learning rate, no number of steps and no seed
# to get wrong: one worry less in every comparison.
#
# ## 6 · Run it once
#
# A frozen network gives the same numbers for the same picture, so why run it again? Once over all pictures, keep the rows,
# and every further experiment is a small table.

# %%
from time import perf_counter

clock = [perf_counter()]
kept = {side: features(items.inputs, network, backbone) for side, items in (("train", task.train), ("test", task.test))}
clock.append(perf_counter())
strength = float(settings.tries(frozen, labels=1)[0])
predicted = {}
for s in range(n_seeds):
    ten = task.draw(1, s).all
    head = probe(kept["train"][ten].numpy(), np.asarray(task.targets)[ten], strength, outputs=10)
    predicted[s] = head(kept["test"].numpy()).argmax(1)
clock.append(perf_counter())
run, each = clock[1] - clock[0], (clock[2] - clock[1]) / n_seeds
print(f"the network, once: {run:.2f} s; each experiment after that: {each:.3f} s, {run / each:.0f} times less")

# %% [markdown]
# `fit` does the same on its own: what frozen stages give is kept on disk and shared by all fits, notebooks and processes.

# %%
done = [fit(task, backbone, frozen, 1, s, settings) for s in range(n_seeds)]
for s in range(n_seeds):
    assert np.mean(done[s].test.predicted == predicted[s]) > 0.99, f"seed {s}: by hand and in one line differ"
print(f"{np.mean([d.measured['seconds'] for d in done]):.3f} s a fit")

# %% [markdown]
# ## What we saw
