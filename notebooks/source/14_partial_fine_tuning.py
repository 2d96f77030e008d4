# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 14 · Partial fine-tuning: how deep?
#
# **Question.** How many of the last stages should be fine-tuned: what does each one cost, and what does it gain?
#
# <details><summary><b>In one sentence</b> (guess first)</summary>Fine-tune the last stage first: it brings most of the gain at about a third of the cost per step, and with very few labels, training deeper makes the network worse.</details>
#
# **You will** price every depth before training, fine-tune one stage by hand, freeze and train stages on a board, compare ten
# seeds at three label budgets, and catch a library training what it was told to freeze.
#
# **Needs** [12](12_feature_extraction.ipynb). Every term is in the [glossary](../book/glossary.md).
#
# **Time** {{time}} to run, 25 minutes to read.

# %% tags=["parameters"]
seed = 10  # decides which digits are labelled; the stored results of this notebook begin with this one
labels = 5  # labelled digits per class in sections 2, 3 and 6
choice = "last-1"  # the plan that the freeze board shows when it opens
few = 2  # your guess in section 4: how many stages to train with 1 label per class
many = 2  # and with 20
n_live = 2  # seeds of section 4 that are run again here (10 at most)

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from tlkit import backbones, env, plans, recipe, records, tasks
from tlkit.fit import fit
from tlkit.plans import Plan
from tlkit_lessons import figures, ledger, nb14_depth, plan_strip, widgets
from tlkit_lessons.nb14_depth import price

env.setup(seed)

# %% [markdown]
# ## 1 · What depth costs
#
# The plan `last-1` trains the last stage and the new head, `last-2` the last two stages, and so on down to the stem. Frozen
# stages run once per image. Trained stages cost a forward pass in **every step**, and a backward pass, which is about twice as
# much.
#
# All this can be counted before training. *Memory* is what training adds: for each trained parameter its gradient and two
# averages of the optimiser, and for each image of the batch the activations after the cut. Seconds are a rough
# forecast. They depend on the *recipe*, all hyperparameters of a fit such as steps and batch size; we use the default.

# %% alt="Parameters, operations and memory of each plan, from frozen to full, in percent of full. Parameters rise to nearly all at last-1 and last-2; operations and memory keep rising to full."
task, backbone, settings = tasks.load("digits"), backbones.load("letters"), recipe.default()
stages = backbone.stages
depths = ["frozen", *(f"last-{k}" for k in range(1, len(stages))), "full"]
prices = [price(task, backbone, Plan.parse(plan), labels, settings) for plan in depths]
print(*prices, sep="\n")
ax = nb14_depth.price_by_depth(prices)

# %% [markdown]
# Most *parameters* are in the last stage. *Operations* and *memory* keep growing towards the stem: its weights are few, but
# each is used at every position of a large map. So the number of parameters says little about the cost.
#
# ## 2 · One stage, by hand
#
# Freeze everything as in notebook 12: no gradient, no place in the optimiser, eval mode. Then undo all three for the last
# stage and the head.


# %%
def start_again(backbone, classes=10):
    """The pretrained network with a new head, and a copy of its state."""
    chain = backbone.fresh()
    chain.head = nn.Sequential(backbone.pool, nn.Linear(128, classes))
    return chain, {name: tensor.clone() for name, tensor in chain.state_dict().items()}


labelled = task.draw(labels, seed).all
images, targets = backbone.transform(task.train.inputs[labelled]), torch.as_tensor(task.targets)[labelled]

# %%
chain, before = start_again(backbone)
chain.requires_grad_(False).eval()
top = nn.Sequential(chain.stages["block3"], chain.head).requires_grad_(True).train()
optimiser = torch.optim.Adam(top.parameters(), lr=0.01)
known = chain.run(images, stop=3)  # through stem, block1 and block2: once
for _ in range(settings.steps):
    rows = torch.randperm(len(known))[:25]
    loss = nn.functional.cross_entropy(top(known[rows]), targets[rows])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

# %% [markdown]
# In one line, `fit` chooses a learning rate on a validation set, a fifth of the labels; trains on all of them; audits which
# tensors changed; and tests once.

# %%
last = Plan.parse("last-1")
done = fit(task, backbone, last, labels, seed, settings)
audit = plans.audit(before, chain, last)
assert audit.moved.keys() == done.audit.moved.keys(), "by hand, other tensors changed"

predicted = task.evaluate(
    lambda test: chain.eval()(backbone.transform(test.inputs)).argmax(1).numpy(), "hand"
)
by_hand, in_one_line = (one.metrics["accuracy"] for one in (predicted, done.test))
assert abs(by_hand - in_one_line) < 0.05, "by hand it classifies otherwise"
print(f"accuracy {by_hand:.3f} by hand, {in_one_line:.3f} in one line; {len(audit.moved)} tensors changed")

# %% [markdown]
# ## 3 · The freeze board
#
# Each stage is a switch: click it to freeze or train that stage. The fit of section 2 is on the board already; *Fit* adds
# another. Try the stem alone. It has very few parameters: what share of the operations and of the memory does it need, and
# why?

# %% alt="Three plans as strips of stages with their prices: frozen trains only the head, last-1 also the last stage, full every stage."
board = widgets.freeze_board(task, backbone, labels, seed, settings, choice)
board.add(done)
board

# %%
print(board.price_of("block:stem"), board.price_of("full"), sep="\n")

# %% [markdown]
# Two thirds of both. The gradient must travel back to the stem through all other stages, so every step runs all of them and
# keeps their activations. Freezing the later stages saves only their weight gradients. What counts is **how deep the cut
# is**, not how much is trained after it.

# %% [markdown] tags=["predict"]
# ## 4 · Ten seeds, three budgets
#
# **Predict.** With one labelled digit per class, how many stages should be trained? And with twenty? The head is always
# trained; zero is `frozen`, four is `full`.

# %%
from IPython.display import display

shallow = widgets.guess("Stages to train with 1 label per class", few, low=0, high=4, step=1)
deep = widgets.guess("Stages to train with 20 labels per class", many, low=0, high=4, step=1)
display(shallow, deep)

# %% tags=["headline"] alt="What each depth gains over frozen, for 1, 5 and 20 labels per class: a thin line per seed and their mean. With one label the seeds fan out and last-1 is best; with more labels the lines are close, and all depths are nearly equal."
rows = ledger.shelf().store("14_depth").read()
figure = nb14_depth.accuracy_by_depth(rows, depths, (1, 5, 20), {1: shallow.value, 20: deep.value})

# %% [markdown]
# A thin line is one seed, that is, one labelled subset: what each depth gains over `frozen` *with the same labels*. The thick
# line is their mean. `last-1` brings most of the gain at every budget. With one label per class, training deeper loses part
# of it again.
#
# All this comes from the *records*, the stored results of the full runs. We run a few of these fits again, to check them.

# %%
slower, live = "full@decay=0.5", {}  # section 6 explains the name
for plan in ("frozen", "last-1", "full", slower):
    kept = records.values(rows, plan=plan, labels=1)
    live[plan] = {s: fit(task, backbone, Plan.parse(plan), 1, s, settings) for s in sorted(kept)[:n_live]}
    apart = [again.test.metrics["accuracy"] - kept[s] for s, again in live[plan].items()]
    assert abs(np.mean(apart)) < 0.05, f"{plan} trains otherwise here than in the records"

# %% [markdown]
# ## 5 · Does depth depend on the labels?
#
# Follow each seed: what does `full` gain over `frozen`, and over `last-1`, at every budget? If the number of labels did not
# matter, as many lines would rise as fall.


# %% alt="Gain of full fine-tuning over frozen on the left and over last-1 on the right, at 1, 5 and 20 labels per class, a line per seed. Over frozen the seeds with one label are scattered; over last-1 nearly all lines rise from below zero to about zero."
def gains(rows, plan, against, labels):
    """What `plan` gains over `against`, seed by seed."""
    one, other = (records.values(rows, plan=side, labels=labels) for side in (plan, against))
    return np.round([one[s] - other[s] for s in sorted(one)], 9)  # a tie stays a tie


_, axes = plt.subplots(1, 2, figsize=(8.4, 3.9), layout="constrained", sharey=True)
for ax, against in zip(axes, ("frozen", "last-1"), strict=True):
    found = {n: gains(rows, "full", against, n) for n in (1, 5, 20)}
    nb14_depth.gain_by_seed(found, "full", against, ax)
_ = axes[1].set_ylabel("")

# %% [markdown]
# On the left, about as many seeds rise as fall: with one label per class, the gain depends on which images are labelled. On the
# right, it depends less on them. Both plans train the last stage, so a good or bad choice of images affects both in
# nearly the same way. `last-1` is ahead of `full` in {{wins 14_depth last-1 full 1}} seeds with one label per class, and
# in {{wins 14_depth last-1 full 20}} with twenty. A likely reason: a few labels can teach how to combine shapes, but not how to
# see a stroke. With more labels depth hardly matters, and the price decides.
#
# ## 6 · Frozen, slow or free
#
# Between frozen and free there is *slow*. *Discriminative learning rates* give early stages smaller rates, because general
# features should change less. The modifier `@decay=0.5` halves the rate from each stage to the one before it.


# %% alt="Two bar charts, full fine-tuning with one rate and with rates that halve from stage to stage. Left: the largest learning rate of each stage. Right: how far its weights changed, least in the stem under both."
def changed(now, then):
    """How far a stage has changed: the norm of the change over the norm of the weights."""
    now, then = (nn.utils.parameters_to_vector(s.parameters()).detach() for s in (now, then))
    return float((now - then).norm() / then.norm())


first, start = min(live["full"]), backbone.pretrained().stages
fits = {plan: live[plan][first] for plan in ("full", slower)}
rates, change = {}, {}
for plan, one in fits.items():
    found = plans.groups(one.model, Plan.parse(plan), float(one.setting))[1]
    rates[plan] = dict(zip([*stages, "head"], found, strict=True))
    change[plan] = {name: changed(one.model.stages[name], start[name]) for name in stages}
_, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.6), layout="constrained")
ax = figures.bars_by_stage(rates, "largest learning rate", left)
ax.figure.suptitle("Early stages change least, even with one rate for all", fontsize=11)
ax = figures.bars_by_stage(change, "change, relative to the weights", right)

# %% [markdown]
# In fastai, fine-tuning the last stage is `learn.freeze_to(-2)`: freeze all but the last two groups of layers, here `block3`
# and the head. A `slice` of two rates gives the small one to the stem and the large one to the head. `fit_one_cycle` follows a
# *one-cycle* schedule: within one training, the learning rate rises, then falls. The rates in the slice are the largest ones.
# Train five epochs, then audit against `last-1`.

# %% alt="A square for each tensor, a row for each stage. The batch-norm tensors of the frozen stages stem, block1 and block2 are marked with a cross: they changed."
from fastai.basics import DataLoader, DataLoaders, Learner, params


def learner(chain, images, targets):
    """A fastai learner with a group of layers for each stage, stem first, and one for the head."""
    load = DataLoader(list(zip(images, targets, strict=True)), bs=25, shuffle=True)
    net, split = nn.Sequential(*chain.stages.values(), chain.head), lambda net: [params(part) for part in net]
    return Learner(DataLoaders(load, load, device="cpu"), net, nn.CrossEntropyLoss(), splitter=split)


chain, before = start_again(backbone)
learn = learner(chain, images, targets)
learn.freeze_to(-2)
with learn.no_bar(), learn.no_logging():
    learn.fit_one_cycle(5, slice(1e-4, 1e-2))
ax = plan_strip.moved(plans.audit(before, chain, last, strict=False))

# %% [markdown]
# **A wrong turn**, and a quiet one. Every cross is a tensor of a "frozen" stage that changed: fastai keeps training the batch
# norms. That may well help, but it is not the plan we asked for, and it costs more. When the batch norm of the stem changes,
# the outputs of all stages change, so every stage must run in every step. The slice itself is a decay by another name:

# %%
rate = 0.003
learn.opt.set_hyper("lr", slice(rate * 0.5**4, rate))
ours = plans.groups(fits[slower].model, Plan.parse(slower), rate)[1]
np.testing.assert_allclose([group["lr"] for group in learn.opt.hypers], ours)

# %% [markdown]
# The usual call, `learn.fine_tune(epochs, b)`, builds on both:
#
# 1. One *frozen* epoch at `slice(b)`. With a single rate, a slice gives `b` to the last group, the head, and a tenth of it to
#    all others. In those, only the batch norms are trained.
# 2. Then all groups are *unfrozen*. The head gets half of `b`, the stem a hundredth of that, and the rates between grow by equal
#    factors: discriminative learning rates.
#
# Exercise 14.3 writes it by hand. The default `b=2e-3` need not suit your task: `b` stays a hyperparameter.
#
# ## What we saw
#
# Mean test accuracy over ten seeds:
#
# | plan | 1 label per class | 5 | 20 |
# |---|--:|--:|--:|
# | `frozen` | {{accuracy 14_depth letters frozen 1}} | {{accuracy 14_depth letters frozen 5}} | {{accuracy 14_depth letters frozen 20}} |
# | `last-1` | {{accuracy 14_depth letters last-1 1}} | {{accuracy 14_depth letters last-1 5}} | {{accuracy 14_depth letters last-1 20}} |
# | `last-2` | {{accuracy 14_depth letters last-2 1}} | {{accuracy 14_depth letters last-2 5}} | {{accuracy 14_depth letters last-2 20}} |
# | `last-3` | {{accuracy 14_depth letters last-3 1}} | {{accuracy 14_depth letters last-3 5}} | {{accuracy 14_depth letters last-3 20}} |
# | `full` | {{accuracy 14_depth letters full 1}} | {{accuracy 14_depth letters full 5}} | {{accuracy 14_depth letters full 20}} |
# | `full@decay=0.5` | {{accuracy 14_depth letters full@decay=0.5 1}} | {{accuracy 14_depth letters full@decay=0.5 5}} | {{accuracy 14_depth letters full@decay=0.5 20}} |
#
# - {{claim 5-top sentence}}
# - {{claim 18-depth sentence}}
# - {{claim 18-decay sentence}}
#
# ## When this fails
#
# - **Another kind of shift.** *Surgical fine-tuning* (Lee et al. 2023) trains only the block nearest to the shift: the *first* if
#   the inputs change, as with noise or blur; a *middle* one if the features change, as with new subclasses; the *last* if the
#   outputs change, as with new labels. [31](31_surgical.ipynb) tests all three with plans such as `block:stem`.
# - **Another learning rate.** One label per class leaves no validation set, so each plan takes the rate that suited similar
#   tasks. Notebook 15 varies it.
# - **Augmentation.** With random distortions, frozen stages must run in every step.
#
# <details><summary>Fine print</summary>
#
# An interval within two points of zero counts as equal, and equal does not beat. The first claim comes from ten other seeds,
# those of notebook 16. The comparison with `last-1` in section 5 arose from the figure; the claims were written down before
# the runs. A slice spreads its rates over all five groups, frozen ones too. So under `freeze_to(-2)`, `block3` and the head get
# the two largest of five rates.
#
# </details>

# %% tags=["quiz"]
widgets.quizzes("14")

# %% [markdown]
# ## Exercises
#
# ### Exercise 14.1 · Equal operations
#
# A step of `last-1` is cheaper than one of `full`. How many `steps` of it cost as much as the sixty of `full`? Give `last-1` that
# many, with one label per class.

# %% tags=["solution"]
cheap, whole = (price(task, backbone, Plan.parse(plan), 1, settings).step for plan in ("last-1", "full"))
longer = fit(task, backbone, last, 1, first, replace(settings, steps=round(settings.steps * whole / cheap)))
# stub:
# cheap, whole = (price(task, backbone, Plan.parse(plan), 1, settings).step for plan in ("last-1", "full"))
# longer = fit(task, backbone, last, 1, first, replace(settings, steps=...))

# %% tags=["check"]
share = longer.detail["flops_suffix"] / fits["full"].detail["flops_suffix"]
assert longer.audit.plan == "last-1", f"this is a fit of {longer.audit.plan}"
assert abs(share - 1) < 0.05, f"your steps take {share:.2f} times the operations of full"
for name, one in {"60 steps": live["last-1"][first], "longer": longer, "full": fits["full"]}.items():
    print(f"{name:8} {one.test.metrics['accuracy']:.3f}")

# %% [markdown] tags=["hint"]
# Steps times the price of a step is the same for both: `settings.steps * whole / cheap`, rounded to a whole number.

# %% [markdown]
# ### Exercise 14.2 · One block in the middle
#
# The plan `block:block1` is surgical: it trains `block1`, the head, and nothing else. Which is `costlier`, that or `last-1`?
# Decide first. Then set the switches of your own board, `value` being true for a trained stage, and fit.

# %% tags=["solution"]
costlier = "block:block1"
mine = widgets.freeze_board(task, backbone, 1, first, settings, "frozen")
for name, switch in zip(stages, mine.toggles, strict=True):
    switch.value = name == "block1"
mine.button.click()
# stub:
# costlier = ...
# mine = widgets.freeze_board(task, backbone, 1, first, settings, "frozen")
# for name, switch in zip(stages, mine.toggles, strict=True):
#     switch.value = ...
# mine.button.click()

# %% tags=["check"]
assert "block:block1" in mine.fits, f"no such fit: train block1 alone, then fit (not {mine.plan})"
cost = {plan: mine.price_of(plan).step for plan in ("block:block1", "last-1")}
assert costlier == max(cost, key=cost.get), f"how many stages must run in every step? {cost}"
print(*map(mine.price_of, cost), sep="\n")

# %% [markdown] tags=["hint"]
# Every stage from `block1` to the head runs forwards and backwards, whether it is trained or not.

# %% [markdown]
# ### Exercise 14.3 · fine_tune, by hand
#
# Write it: freeze, one epoch at `slice(b)`; unfreeze, then `epochs` with discriminative learning rates. The check compares every
# weight with `learn.fine_tune`. Keep `pct_start` and `div`, which shape the one-cycle schedule: the share of the steps in which
# the rate rises, and how many times smaller than the largest rate the first one is.


# %% tags=["solution"]
def fine_tune_by_hand(learn, epochs, b):
    learn.freeze()
    learn.fit_one_cycle(1, slice(b), pct_start=0.99)
    learn.unfreeze()
    learn.fit_one_cycle(epochs, slice(b / 2 / 100, b / 2), pct_start=0.3, div=5.0)


# stub:
# def fine_tune_by_hand(learn, epochs, b):
#     learn.freeze()
#     learn.fit_one_cycle(1, ..., pct_start=0.99)
#     ...
#     learn.fit_one_cycle(epochs, slice(...), pct_start=0.3, div=5.0)

# %% tags=["check"]
states = []
for train in (fine_tune_by_hand, Learner.fine_tune):
    chain = start_again(backbone)[0]
    chain.head.load_state_dict(top[1].state_dict())
    env.setup(seed)
    learn = learner(chain, images, targets)
    with learn.no_bar(), learn.no_logging():
        train(learn, 2, 0.01)
    states.append(nn.utils.parameters_to_vector(chain.parameters()).detach())
assert torch.allclose(*states, atol=1e-6), (
    "freeze, slice(b), unfreeze, then from b / 200 at the stem to b / 2"
)

# %% [markdown] tags=["hint"]
# After `learn.unfreeze()` the rates go from `b / 2 / 100` at the stem to `b / 2` at the head.

# %% [markdown]
# **Think.** A colleague fits every plan of the board with one seed, keeps the best point, and reports its accuracy. Name two
# things that are wrong with that number.

# %% [markdown] tags=["answer"]
# The test set chose it, so it is too high on average, even if all plans are equally good. And it is one seed: with few labels,
# seeds differ more than plans. Choose on a validation set, and average over seeds.

# %% [markdown]
# ## Recap
#
# - **Gain.** Fine-tune the last stage first: it brings most of the gain. With very few labels, training deeper makes the
#   network worse; with more, it changes little.
# - **Cost.** Depth decides the cost, not the number of trained parameters.
#
# **Next:** [15](15_full_fine_tuning.ipynb) trains every stage, and asks what the network forgets.
#
# **To read.** Howard and Ruder 2018, *Universal language model fine-tuning*, on discriminative rates, arXiv:1801.06146. Lee et
# al. 2023, *Surgical fine-tuning*, arXiv:2210.11466.

# %% tags=["record"]
{"by hand": by_hand, "in one line": in_one_line}
