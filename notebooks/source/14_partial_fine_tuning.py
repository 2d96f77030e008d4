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
# **Question.** Between a frozen network and one that moves as a whole lie the plans that tune the last few stages. What does
# each stage cost, what does it bring, and does the answer depend on how many labels there are?
#
# **You will** price every depth before anything is learnt, tune one stage by hand, freeze and thaw stages on a board, compare
# ten draws at three budgets, and catch a library moving what it was told to freeze.
#
# **Needs** [12](12_feature_extraction.ipynb). New words are explained where they first appear, and again in the
# [glossary](00_start_here.ipynb#Glossary).
#
# **Time** {{time}} to run, half an hour to read.

# %% tags=["parameters"]
seed = 10  # decides which digits are labelled; the records of this notebook begin at this one
labels = 5  # labelled digits of each class in sections 2, 3 and 7
choice = "last-1"  # what the freeze board shows when it opens
few = 2  # your guess in section 4: how many stages should move with 1 label a class
many = 2  # and with 20
n_live = 2  # draws of section 4 that are run again here (10 at most)

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from tlkit import backbones, env, plans, recipe, records, tasks
from tlkit.fit import fit
from tlkit.plans import Plan
from tlkit_lessons import figures, ledger, nb14_depth, paired, plan_strip, widgets
from tlkit_lessons.nb14_depth import price

env.setup(seed)

# %% [markdown]
# ## 1 · What depth costs
#
# The plan `last-1` lets the last stage move, and the new head; `last-2` the last two, and so on down to the stem. What lies in
# front of them is frozen, and runs once for each picture: notebook 12. What lies behind is paid for in **every step**, once
# forwards and about twice backwards (what must change in this stage, and what to tell the stage before).
#
# All of this can be counted before anything is learnt; only the seconds are a guess from a short timed step, a new one each time,
# good to a factor of two. *Memory* is what training keeps besides the network itself: for each
# parameter that moves a gradient and two averages of the optimiser Adam, and for each picture of the batch what the stages
# behind the cut gave, until the way back has used it.

# %%
task, backbone, settings = tasks.load("digits"), backbones.load("letters"), recipe.default()
stages = backbone.stages
depths = ["frozen", *(f"last-{k}" for k in range(1, len(stages))), "full"]
prices = [price(task, backbone, Plan.parse(plan), labels, settings) for plan in depths]
print(*prices, sep="\n")
ax = nb14_depth.price_by_depth(prices)

# %% [markdown]
# Nearly all *parameters* come with the last stage or two, where a stage has many patterns. *Operations* and *memory* go together, and
# keep growing: near the stem there are few weights, but pictures are large there, and each weight is used at every place.
# Whoever counts parameters to know what tuning costs, counts the wrong thing.
#
# ## 2 · One stage, by hand
#
# To tune `block3` alone is to freeze as notebook 12 did, no gradient and eval mode, and then to take back both for what
# shall move. The frozen stages run once; the loop is the same five lines as ever.


# %%
def start_again(backbone, classes=10):
    """The pretrained chain with a new head, and a copy of its state."""
    chain = backbone.fresh()
    chain.head = nn.Sequential(backbone.pool, nn.Linear(128, classes))
    return chain, {name: tensor.clone() for name, tensor in chain.state_dict().items()}


draw = task.draw(labels, seed).all
pictures, answers = backbone.transform(task.train.inputs[draw]), torch.as_tensor(task.targets)[draw]

# %%
chain, before = start_again(backbone)
chain.requires_grad_(False).eval()
top = nn.Sequential(chain.stages["block3"], chain.head).requires_grad_(True).train()
optimiser = torch.optim.Adam(top.parameters(), lr=0.01)
known = chain.run(pictures, stop=3)  # behind stem, block1 and block2: once
for _ in range(settings.steps):
    rows = torch.randperm(len(known))[:25]
    loss = nn.functional.cross_entropy(top(known[rows]), answers[rows])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

# %% [markdown]
# And in one line. It draws, chooses a learning rate on a fifth of the labels, trains on all of them, audits, and asks the
# test once. Did the same tensors move, and do both read equally well?

# %%
last = Plan.parse("last-1")
done = fit(task, backbone, last, labels, seed, settings)
audit = plans.audit(before, chain, last)
assert audit.moved.keys() == done.audit.moved.keys(), "by hand, other tensors moved"

read = task.evaluate(lambda test: chain.eval()(backbone.transform(test.inputs)).argmax(1).numpy(), "hand")
by_hand, in_one_line = (one.metrics["accuracy"] for one in (read, done.test))
assert abs(by_hand - in_one_line) < 0.05, "by hand it reads otherwise"
print(f"{by_hand:.3f} by hand, {in_one_line:.3f} in one line\n{audit}")

# %% [markdown]
# ## 3 · The freeze board
#
# Now every stage is a switch. Click one: the strip, the name of the plan and its price follow. The fit of section 2 is
# on the board already; *Fit* adds another, with its audit and a dot.
#
# Try the stem alone. It has a thousandth of the parameters: which share of the operations, and of the memory, and why?

# %%
board = widgets.freeze_board(task, backbone, labels, seed, settings, choice)
board.add(done)
board

# %%
print(board.price_of("block:stem"), board.price_of("full"), sep="\n")

# %% [markdown]
# Two thirds of both. The stem is the far end: for it to learn, the error must travel back to it through all other stages, so all of
# them are run in every step, and what they gave is kept. All that is saved is to ask how *they* should change. What counts is
# **how deep the cut lies**, not how much moves behind it.
#
# Each dot on the board is a look at the test, with one draw of the labels. It is for seeing what happens, not for choosing a
# plan; the next section has draws enough for that.

# %% [markdown] tags=["predict"]
# ## 4 · Ten draws, three budgets
#
# **Predict.** Ten labelled digits, one of each: how many stages should move? And two hundred, twenty of each? The head always
# moves; nought is `frozen`, four is `full`.

# %%
from IPython.display import display

shallow = widgets.guess("Stages that should move with 1 label a class", few, low=0, high=4, step=1)
deep = widgets.guess("Stages that should move with 20 labels a class", many, low=0, high=4, step=1)
display(shallow, deep)

# %% tags=["headline"]
rows = ledger.shelf().store("14_depth").read()
figure = nb14_depth.accuracy_by_depth(rows, depths, (1, 5, 20), {1: shallow.value, 20: deep.value})

# %% [markdown]
# The records hold ten draws for each plan and budget. A thin line is one draw: what each depth gains over `frozen` *with the
# same labels*. The thick line is their mean, and the ring its highest point. Watch two things from left to right: how far the
# thin lines fan out, and where the ring stands.
#
# A slice of this is run again here, by the same code. (It prints nothing as long as it agrees.)

# %%
slower, live = "full@decay=0.5", {}  # section 6 explains the name
for plan in ("frozen", "last-1", "full", slower):
    kept = records.values(rows, plan=plan, labels=1)
    live[plan] = {s: fit(task, backbone, Plan.parse(plan), 1, s, settings) for s in sorted(kept)[:n_live]}
    apart = [again.test.metrics["accuracy"] - kept[s] for s, again in live[plan].items()]
    assert abs(np.mean(apart)) < 0.05, f"{plan} learns otherwise here than in the records"

# %% [markdown]
# ## 5 · Does it depend on the labels?
#
# Each draw can answer for itself. Take what `full` gains over `frozen` with one label a class, and what it gains with twenty;
# join the two. Had depth and labels nothing to do with each other, as many lines would fall as rise. That question was written
# down before these draws were made. A second one arose from the figure above: the same, against `last-1`.


# %%
def gains(rows, plan, against, labels):
    """What `plan` gains over `against`, draw by draw."""
    one, other = (records.values(rows, plan=side, labels=labels) for side in (plan, against))
    return np.round([one[s] - other[s] for s in sorted(one)], 9)  # a tie stays a tie


_, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained", sharey=True)
for ax, against in zip(axes, ("frozen", "last-1"), strict=True):
    many_few = [gains(rows, "full", against, n) for n in (20, 1)]
    paired.paired_dots(*many_few, ("20 labels", "1 label"), ax, f"what full gains over {against}")
    line = ax.axhline(0, color="black", linewidth=0.8)

# %% [markdown]
# Do not call a few more rising lines a finding: ten coins show six heads or more oftener than one time in three, and nine or
# more one time in ninety. On the left, one label a class is a lottery: it is the draw that decides what there is to gain.
#
# On the right both sides share that luck, for both move the last stage. There `last-1` was ahead of `full` in
# {{wins 14_depth last-1 full 1}} draws with one label, in {{wins 14_depth last-1 full 5}} with five, and in
# {{wins 14_depth last-1 full 20}} with twenty. A likely reason: a few labels can say how the last
# shapes should be put together, but not how a stroke should be seen. Once there are more, depth beyond the last stage hardly
# matters to the *accuracy*, and what decides is the price.
#
# ## 6 · Slower towards the stem
#
# Must a stage be frozen or free? It can also be *slow*. The modifier `@decay=0.5` gives every stage half the learning rate of
# the one behind it: the nearer to the stem, the more general the features, the less they should change (Howard and Ruder 2018, who let it fall more steeply). On
# the left the rates; on the right how far the weights of each stage went, measured by their own length.


# %%
def travelled(now, then):
    """How far a stage has gone: the length of the change over the length of what it was."""
    now, then = (nn.utils.parameters_to_vector(s.parameters()).detach() for s in (now, then))
    return float((now - then).norm() / then.norm())


first, start = min(live["full"]), backbone.pretrained().stages
fits = {plan: live[plan][first] for plan in ("full", slower)}
rates, went = {}, {}
for plan, one in fits.items():
    found = plans.groups(one.model, Plan.parse(plan), float(one.setting))[1]
    rates[plan] = dict(zip([*stages, "head"], found, strict=True))
    went[plan] = {name: travelled(one.model.stages[name], start[name]) for name in stages}

# %%
_, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
ax = figures.bars_by_stage(rates, "largest learning rate", left)
ax = figures.bars_by_stage(went, "change, relative to the weights", right)

# %% [markdown]
# One rate for all is not one *distance* for all: even then the stem goes least, for its few weights are large. Falling rates
# only make that steeper. Do they read better for it? They were ahead of one rate in {{wins 14_depth full@decay=0.5 full 1}}
# draws with one label, in {{wins 14_depth full@decay=0.5 full 5}} with five, and in {{wins 14_depth full@decay=0.5 full 20}} with
# twenty. Slower is also *less*: whoever slows the stages down without need spends the same operations on a smaller change.
#
# ## 7 · The same in fastai
#
# In fastai the tuning of the last stage reads `learn.freeze_to(-2)`: freeze all but the last two groups of layers, which are
# here `block3` and the head. A `slice` of two rates spreads all between them over the groups. Five epochs, then, and an audit
# against the plan `last-1`.

# %%
from fastai.basics import DataLoader, DataLoaders, Learner, params

chain, before = start_again(backbone)
net = nn.Sequential(*chain.stages.values(), chain.head)  # a part for each stage, stem first, and the head
load = DataLoader(list(zip(pictures, answers, strict=True)), bs=25, shuffle=True)
groups = {"splitter": lambda net: [params(part) for part in net]}
learn = Learner(DataLoaders(load, load, device="cpu"), net, nn.CrossEntropyLoss(), **groups)
learn.freeze_to(-2)
with learn.no_bar(), learn.no_logging():
    learn.fit_one_cycle(5, slice(1e-4, 1e-2))
ax = plan_strip.moved(plans.audit(before, chain, last, strict=False))

# %% [markdown]
# **A wrong turn**, and a quiet one. Every cross is a tensor of a stage that was to stand still: the batch norms, as in notebook 12,
# which has the two switches for the strict kind. Here their scales and shifts learn, too, at the small end of the slice. That may
# well help; but it is neither the plan that was named nor its price. With a norm that moves in the stem, nothing can be run once
# and kept: the cut lies at the very front.
#
# And the slice? Between its ends the rates fall by the same factor from group to group. It is a decay by another name:

# %%
rate = 0.003
learn.opt.set_hyper("lr", slice(rate * 0.5**4, rate))
ours = plans.groups(fits[slower].model, Plan.parse(slower), rate)[1]
np.testing.assert_allclose([group["lr"] for group in learn.opt.hypers], ours)

# %% [markdown]
# (It counts frozen groups too: under `freeze_to(-2)` the two that move share the upper end of the slice.)
#
# ## What we saw
#
# Mean test accuracy over the ten draws, for every plan of the records. `gradual` lets the head move first, then one more stage
# at a time; `norm` and `bias` move the head and the norm layers alone, or their shifts alone, in all stages.
#
# | plan | 1 label a class | 5 | 20 |
# |---|--:|--:|--:|
# | `frozen` | {{accuracy 14_depth letters frozen 1}} | {{accuracy 14_depth letters frozen 5}} | {{accuracy 14_depth letters frozen 20}} |
# | `last-1` | {{accuracy 14_depth letters last-1 1}} | {{accuracy 14_depth letters last-1 5}} | {{accuracy 14_depth letters last-1 20}} |
# | `last-2` | {{accuracy 14_depth letters last-2 1}} | {{accuracy 14_depth letters last-2 5}} | {{accuracy 14_depth letters last-2 20}} |
# | `last-3` | {{accuracy 14_depth letters last-3 1}} | {{accuracy 14_depth letters last-3 5}} | {{accuracy 14_depth letters last-3 20}} |
# | `full` | {{accuracy 14_depth letters full 1}} | {{accuracy 14_depth letters full 5}} | {{accuracy 14_depth letters full 20}} |
# | `full@decay=0.5` | {{accuracy 14_depth letters full@decay=0.5 1}} | {{accuracy 14_depth letters full@decay=0.5 5}} | {{accuracy 14_depth letters full@decay=0.5 20}} |
# | `gradual` | {{accuracy 14_depth letters gradual 1}} | {{accuracy 14_depth letters gradual 5}} | {{accuracy 14_depth letters gradual 20}} |
# | `norm` | {{accuracy 14_depth letters norm 1}} | {{accuracy 14_depth letters norm 5}} | {{accuracy 14_depth letters norm 20}} |
# | `bias` | {{accuracy 14_depth letters bias 1}} | {{accuracy 14_depth letters bias 5}} | {{accuracy 14_depth letters bias 20}} |
#
# `norm` and `bias` take two thirds of the operations of `full` and buy next to nothing: {{gain 14_depth norm frozen 5}} and
# {{gain 14_depth bias frozen 5}} over `frozen` with five labels. `gradual` was ahead of `full` in {{wins 14_depth gradual full 1}}
# draws with one label, and in {{wins 14_depth gradual full 20}} with twenty.
#
# What would count for and against the following was written down beforehand; [16](16_the_comparison.ipynb) explains the
# brackets. The last line is from ten other draws.
#
# | claim | verdict | measured |
# |---|---|---|
# | {{claim 18-depth text}} | {{claim 18-depth}} | {{claim 18-depth effect}} |
# | {{claim 18-decay text}} | {{claim 18-decay}} | {{claim 18-decay effect}} |
# | {{claim 5-top text}} | {{claim 5-top}} | {{claim 5-top effect}} |
#
# ## When this fails
#
# - **Where the pictures differ, not the shapes.** Letters and digits are made of the same strokes, and the early stages had
#   little to learn. Noise or blur may ask for the *first* stage rather than the last (Lee et al. 2023): a later part.
# - **With another rate.** At one label a class nobody can choose a rate, so each plan brings the one that suited sibling tasks (`@decay` that of `full`).
#   A plan may look shallow or deep for its rate alone: notebook 15.
# - **With another network.** Here the last stage has most of the parameters. In others the prices fall differently; ask for them.
# - **With random distortions of the pictures.** Then the frozen stages cannot be run once, and freezing saves only the way back.
#
# Two questions, to see whether it has settled. Click an answer.

# %% tags=["quiz"]
widgets.quizzes("14")

# %% [markdown]
# ## Exercises
#
# ### Exercise 14.1 · Equal operations
#
# A step of `last-1` is cheaper than one of `full`. For how many `steps` of the one do you get the sixty of the other? Give `last-1`
# that many, with one label a class. (`replace(settings, steps=...)` changes the recipe.)

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
# ### Exercise 14.2 · One stage in the middle
#
# `block:block1` thaws `block1` and nothing else. Which is `dearer`, that or `last-1`? Decide first. Then set the switches
# of a board of your own (`value` is true for a stage that moves), and fit.

# %% tags=["solution"]
dearer = "block:block1"
mine = widgets.freeze_board(task, backbone, 1, first, settings, "frozen")
for name, switch in zip(stages, mine.toggles, strict=True):
    switch.value = name == "block1"
mine.button.click()
# stub:
# dearer = ...
# mine = widgets.freeze_board(task, backbone, 1, first, settings, "frozen")
# for name, switch in zip(stages, mine.toggles, strict=True):
#     switch.value = ...
# mine.button.click()

# %% tags=["check"]
assert "block:block1" in mine.fits, f"no such fit: thaw block1 alone, then fit (not {mine.plan})"
cost = {plan: mine.price_of(plan).step for plan in ("block:block1", "last-1")}
assert dearer == max(cost, key=cost.get), f"how many stages must be run in every step? {cost}"
print(*map(mine.price_of, cost), sep="\n")

# %% [markdown] tags=["hint"]
# Every stage from `block1` to the head is run forwards and backwards, whether it may learn or not.

# %% [markdown]
# ### Exercise 14.3 · So slow that it stands
#
# How steep may the rates fall before the stem stands still? Write `learnt(done)`: the names in `done.audit.moved` of *weights and
# biases* of the stem. Then take the first of the `decays` with which it learns nothing. Is it frozen then?


# %% tags=["solution"]
def learnt(done):
    ours = (name for name in done.audit.moved if name.startswith("stages.stem."))
    return [name for name in ours if name.endswith(("weight", "bias"))]


decays, short = (0.1, 0.01, 0.001), replace(settings, steps=10, epochs=1)
falling = {d: fit(task, backbone, Plan.parse(f"full@decay={d}"), 1, first, short) for d in decays}
stands = next((d for d in decays if not learnt(falling[d])), None)
# stub:
# def learnt(done):
#     return [name for name in done.audit.moved if ...]
#
#
# decays, short = (0.1, 0.01, 0.001), replace(settings, steps=10, epochs=1)
# falling = {d: fit(task, backbone, Plan.parse(f"full@decay={d}"), 1, first, short) for d in decays}
# stands = next((d for d in decays if ...), None)

# %% tags=["check"]
assert stands is not None, "count only names of the stem that end in weight or bias: averages do not learn"
assert learnt(falling[decays[0]]), "with the first of the decays the stem does learn: learnt finds nothing"
moved = {d: [n for n in one.audit.moved if n.startswith("stages.stem.")] for d, one in falling.items()}
learns = [d for d in decays if any(n.endswith(("weight", "bias")) for n in moved[d])]
assert stands not in learns, f"with a decay of {stands} the stem does learn: `learnt` must find nothing there"
assert stands == decays[len(learns)], "take the first of the decays with which the stem learns nothing"
print(f"with a decay of {stands} the stem learns nothing, and yet these moved:")
print(*moved[stands])

# %% [markdown] tags=["hint"]
# `name.startswith("stages.stem.")` and `name.endswith(("weight", "bias"))`. A rate that is too small to change the last digit
# of a number changes nothing; an average is no matter of rates.

# %% [markdown]
# ### Exercise 14.4 · Counted by hand
#
# A batch norm has a scale and a shift for each of its channels; a convolution here has no bias of its own. From the `widths` of the
# norms, count the parameters that `norm` and `bias` move.

# %% tags=["solution"]
widths = [layer.num_features for layer in chain.modules() if isinstance(layer, nn.BatchNorm2d)]
head = 128 * 10 + 10
counted = {"norm": 2 * sum(widths) + head, "bias": sum(widths) + head}
# stub:
# widths = [layer.num_features for layer in chain.modules() if isinstance(layer, nn.BatchNorm2d)]
# counted = {"norm": ..., "bias": ...}

# %% tags=["check"]
assert counted.keys() == {"norm", "bias"}, "count both: the keys are norm and bias"
for plan, count in counted.items():
    exact = price(task, backbone, Plan.parse(plan), 1, settings)
    assert count != exact.trained - 1290, f"{plan}: the new head moves as well"
    assert count == exact.trained, f"{plan}: norm moves scales and shifts, bias the shifts alone"
    print(exact)

# %% [markdown] tags=["hint"]
# The head has 128 weights for each of ten digits, and a bias each. Look at the operations that are printed, too.

# %% [markdown]
# **Think.** A colleague fits every plan of the board on one draw, keeps the best dot, and reports its accuracy. Name two things
# that are wrong with that number.

# %% [markdown] tags=["answer"]
# It was chosen by the test, so the test is no longer one: the best of many scores is too good on average even if all plans are
# alike. And it is one draw: section 4 shows how far draws are apart, with few labels much further than plans. Choose on a part of
# the labels, as `fit` chooses its rate, and count them.

# %% [markdown]
# ## Recap
#
# - **What does a stage cost?** What lies behind the cut is run both ways in every step, and its outputs are kept. The deeper the
#   cut, the dearer; how many parameters move says little.
# - **What does it bring?** The stage next to the head brings most: over `frozen`, `last-1` gained
#   {{gain 14_depth last-1 frozen 1}} with one label a class, {{gain 14_depth last-1 frozen 20}} with twenty.
# - **Does it depend on the labels?** That it pays to tune the top alone {{claim 5-top}}. That `full` gains on `frozen` as labels
#   grow: {{claim 18-depth}}, one label being a lottery.
# - **Slow is a third way** between frozen and free: `@decay`, or fastai's `slice`. That it beats one rate {{claim 18-decay}}.
# - **To freeze by name is not to freeze.** `freeze_to` leaves batch norms free; an audit of one line shows it.
#
# **Next:** [15](15_full_fine_tuning.ipynb) lets everything move, and asks what that forgets.
#
# **To read.** Yosinski et al. 2014, *How transferable are features in deep neural networks?*, arXiv:1411.1792. Howard and Ruder
# 2018, *Universal language model fine-tuning*, arXiv:1801.06146. Lee et al. 2023, *Surgical fine-tuning*, arXiv:2210.11466. Frankle et al.
# 2021, *Training BatchNorm and only BatchNorm*, arXiv:2003.00152: in networks with random weights.

# %% tags=["record"]
{"by hand": by_hand, "in one line": in_one_line, "gain": [float(side.mean()) for side in many_few]}
