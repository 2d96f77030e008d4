# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 15 · Full fine-tuning: everything moves
#
# **Question.** What do you gain by letting the whole network learn, and what do you pay for it?
#
# **You will** fine-tune a network by hand, hold four well-known warnings against what happens (it overfits, it forgets, it is
# touchy, mind its batch norm), and give it a gentler start.
#
# **Needs** [11](11_first_transfer.ipynb) and [12](12_feature_extraction.ipynb). Every term has a line in the
# [glossary](00_start_here.ipynb#Glossary).
#
# **Time** {{time}} to run, half an hour to read.

# %% tags=["parameters"]
seed = 0  # decides which digits are labelled
labels = 20  # labelled digits of each class in sections 1 to 3
rate = 0.003  # learning rate, how far a step goes: one of 0.0001, 0.0003, 0.001, ... 0.1
guess = 0.8  # your guess in section 3; the slider starts here

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from tlkit import backbones, env, features, plans, plots, recipe, records, tasks
from tlkit.fit import fit
from tlkit_lessons import drawing, ledger, material, nb15_full, paired, plan_strip, widgets

env.setup(seed)

# %% [markdown]
# ## 1 · Nothing is held back
#
# Notebook 12 froze everything but the head. Now the opposite: start from the letters network, put a new head on it, and let
# **every** stage learn from the labelled digits. The plan is called `full`.


# %%
def started(backbone, seed):
    """The letters network under a new head for ten digits, drawn by chance."""
    torch.manual_seed(seed)
    network = backbone.fresh()
    network.head = nn.Sequential(backbone.pool, nn.Linear(128, 10))
    return network


def ready(task, backbone, chosen):
    """Some of the training digits as the network takes them, and their answers."""
    return backbone.transform(task.train.inputs[chosen]), torch.as_tensor(task.targets)[chosen]


task, backbone = tasks.load("digits"), backbones.load("letters")
ax = plan_strip.chain(backbone.stages, "full")

# %% [markdown]
# Training by hand is the plainest loop there is: a few pictures, the error of the answers, one step downhill for all weights at
# once. It hands us the network after every step, so that we can watch.


# %%
def descend(network, pictures, answers, rate, steps=60, train=True, walk=torch.optim.Adam):
    optimiser = walk(network.parameters(), lr=rate)  # all of them
    for _ in range(steps):
        batch = torch.randperm(len(answers))[:32]
        network.train(train)
        loss = nn.functional.cross_entropy(network(pictures[batch]), answers[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield network.eval()


# %% [markdown]
# On the way we ask it two things: how many *test* digits does it name correctly, and how many **letters**, through its old
# head? Both marks are put aside until section 3. At the end, the obvious question: does it know the digits that it has learnt?


# %%
@torch.no_grad()
def right(network, pictures, answers):
    return float((network(pictures).argmax(1) == answers).float().mean())


@torch.no_grad()
def test(network, task, backbone):
    """Test accuracy, marked by the task: nobody else knows those answers."""
    pictures = backbone.transform(task.test.inputs)
    return task.evaluate(lambda _: network(pictures).argmax(1).numpy(), "by hand").metrics["accuracy"]


def reader(network, backbone):
    """The stages of `network` under the head that once named letters."""
    return nn.Sequential(*network.stages.values(), backbone.source_head())


# %%
known, answers = ready(task, backbone, task.draw(labels, seed).all)
drawn = material.glyphs("letters", 6, seed=1)  # new ones, not those that it was brought up on
letters, names = backbone.transform(torch.tensor(drawn.images)), torch.tensor(drawn.labels)
network, digits, kept = started(backbone, seed), {}, {0: right(backbone.pretrained(), letters, names)}
for step, now in enumerate(descend(network, known, answers, rate), start=1):
    if step in (2, 5, 10, 25, 60):
        digits[step] = test(now, task, backbone)
        kept[step] = right(reader(now, backbone), letters, names)
print(f"labelled digits named correctly: {right(network, known, answers):.0%}")

# %% [markdown]
# Full marks after a few seconds. Done? Notebook 11 warned us of marks for what was learnt from. See how far that goes: take the
# **same digits and shuffle the answers**. A three is to be a seven now, the next three a zero. There is nothing to
# understand; a parrot would do. (It takes a few steps more.)

# %%
nonsense = answers[torch.randperm(len(answers))]
*_, parrot = descend(started(backbone, seed), known, nonsense, rate, 80)
print(f"labelled digits named as we said: {right(parrot, known, nonsense):.0%}")
print(f"test digits named correctly:      {test(parrot, task, backbone):.0%}; before: {digits[60]:.0%}")

# %% [markdown]
# **That was the wrong turn:** to look at the labelled digits and call it success. A network that may move everywhere learns
# hundreds of answers by heart, right or wrong. Only digits that it has not learnt from tell the two networks apart.
#
# Now the same in one line. (`fit` lets the rate rise and fall instead of keeping it, and opens the test once. The settings
# below leave it nothing to choose.) The audit must find that everything has moved.

# %%
single = {"rates": (rate,), "strengths": (0.1,), "baselines": ("1-nn",)}  # one each, for equal tries
settings = replace(recipe.default(), **single, fixed=(), solve=False)  # no head is solved: all descend
full = fit(task, backbone, plans.Plan.parse("full"), labels, seed, settings)
print(full.audit)
assert not full.audit.still, "a tensor stood still"
assert abs(full.test.metrics["accuracy"] - digits[60]) < 0.05, "by hand it learns otherwise"

# %% [markdown]
# ## 2 · "It overfits"
#
# Learning by heart is called *overfitting* if it does harm. Its usual sign is a **gap** between the marks on what was learnt from
# and those on the test. Here it is from the records, by the number of labels, beside the gap of the frozen network. Thin lines
# are draws.

# %%
compared = ledger.shelf().store("16_digits").read()
_, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained", sharey=True)
for name, ax in zip(("frozen", "full"), axes, strict=True):
    nb15_full.train_and_test(compared, name, ax)

# %% [markdown]
# The dotted line runs along the top in both. The frozen network, too, knows its digits by heart, and so do bare pixels. Where
# everybody has full marks, the gap is only what is missing on the test, said in other words. It shows *that* something was
# memorised, not that it did harm.
#
# Did it? That is for the test to say, plan against plan. With one label a class `full` was ahead of `frozen` in
# {{wins 16_digits full frozen 1}} draws, with five in {{wins 16_digits full frozen 5}}, with fifty in
# {{wins 16_digits full frozen 50}}. So that is when it wins: as soon as there is something to learn from. Full marks
# deceive *us* more than they hurt the network.
#
# ## 3 · "It forgets"
#
# The network came to us as a reader of letters. Nobody told it to stop. Its old head is still in the drawer: put it back on
# the stages, and ask it for letters that it has never seen. There are 52, so blind guessing gets one in 52.

# %% [markdown] tags=["predict"]
# **Predict.** First it read letters. Then it learnt twenty digits of each kind, in sixty steps, and nothing else happened. Which
# share of new letters does it name correctly now?

# %%
slider = widgets.guess(f"Share of letters named correctly; before: {kept[0]:.2f}", guess, step=0.02)
slider

# %%
alphabet = np.array(backbone.card["classes"])
old, new = (alphabet[net(letters).argmax(1)] for net in (backbone.pretrained(), reader(network, backbone)))
shown = np.flatnonzero(old == alphabet[names])[1:49:4]  # some that it knew
titles = [*old[shown], *np.where(new == old, old, np.char.add("→ ", new))[shown]]
figure = drawing.gallery(np.concatenate([drawn.images[shown]] * 2), titles, len(shown), ("before", "after"))

# %% [markdown]
# An arrow marks each letter that now goes by another name. How soon did that happen? Here is what we had put aside, and one
# mark more: the same network at the end, with its batch norm in *train mode*, which scales by the letters at hand.

# %%
at_hand = {60: right(reader(network.train(), backbone), letters, names)}
marks = {"digits (test)": digits, "letters": kept, "letters, train mode": at_hand}
ax = nb15_full.over_steps(marks, "accuracy", slider.value, 1 / 52)

# %% [markdown]
# Most of the loss comes in the first ten steps, while digits are still being learnt. No step was meant to harm the letters;
# there is simply nothing in the loop that speaks for them. It is called *forgetting*. The lone mark is higher: a part was
# notebook 12's trap, averages that had become those of digits; the rest is the weights. If you still need the old skill, keep
# the old weights; exercise 15.1 asks what shorter steps are worth, and exercise 15.3 whether the letters are lost.
#
# ## 4 · "It is touchy"
#
# We took a learning rate that suits. With five labels a class there is not much to find one with. How much does it matter? In
# the records four plans ran at each of seven rates, with ten draws each. (Here the head of `frozen` descends like all others. Solved
# for, as usual, it has no rate at all.) One of those fits is run again here, and must come out as recorded.

# %%
rates = ledger.shelf().store("15_rates").read()
_, axes = plt.subplots(1, 4, figsize=(10, 3), layout="constrained", sharey=True)
for name, ax in zip(("frozen", "last-1", "full", "lp-ft"), axes, strict=True):
    nb15_full.accuracy_by_rate(rates, name, ax=ax).label_outer()
filed = records.values([r for r in rates if r.recipe == settings.version], plan="full", labels=5)
live = fit(task, backbone, plans.Plan.parse("full"), 5, 10, settings).test.metrics["accuracy"]
assert abs(live - filed[10]) < 0.03, "full does not come out as recorded"

# %% [markdown]
# *Spread* is how far the accuracies of a draw lie from their mean over the rates, and it says the opposite of the warning: over
# this grid the frozen network varies *more*. See where. On the left, in sixty short steps, nobody gets far who starts from a random
# head, and least of all a head that has to do everything alone. On the right only those fall of which everything moves: steps
# that a head shrugs off pull a network apart. So `frozen` can be left unfinished, `full` can be spoilt. (And a head that is solved
# for can be neither.)
#
# `lp-ft`, on the far right, begins with a solved head, where the others would like to arrive. Short steps cost it little; long
# ones spoil it as they spoil `full`.
#
# ## 5 · "Mind the batch norm"
#
# In *train mode* batch norm centres and scales by the batch at hand, in *eval mode* by the averages that it brought along from
# the letters (notebook 12). "With few pictures learn in eval mode, ten digits make poor averages" is common advice. So: ten
# digits, one a class, either mode, at a tenth of our rate and at our rate. The dashed line is the frozen network.

# %%
frozen = records.values(compared, plan="frozen", labels=1)
_, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained", sharey=True)
for ax, size in zip(axes, (rate / 10, rate), strict=True):
    scores = {"train mode": [], "eval mode": []}
    for mode, marks in scores.items():
        for draw in range(5):
            ten = ready(task, backbone, task.draw(1, draw).all)
            *_, last = descend(started(backbone, draw), *ten, size, 20, train=mode == "train mode")
            marks.append(test(last, task, backbone))
        print(f"rate {size:g}, {mode}: mean feature {last.run(ten[0]).mean():.2f}")
    paired.paired_dots(*scores.values(), tuple(scores), ax)
    ax.axhline(np.mean([frozen[draw] for draw in range(5)]), color=plots.style.BLUE, linestyle="--")
    ax.set_xlabel(f"learning rate {size:g}, one line per draw")
print(f"before the first step: mean feature {backbone.pretrained().run(ten[0]).mean():.2f}")

# %% [markdown]
# The advice holds for a few short steps, and turns into its opposite for long ones. The mean feature, as printed, says why. Train
# mode centres and scales every pattern anew in each step, so that features stay about as large as they were, however long the
# step. In eval mode nothing calls them back: they grow. A little of that is a fast way to learn; a lot of it, and the network is
# gone. Had we tried one rate only, we would have found a law, one or the other.
#
# `fit` keeps in train mode whatever moves, and at the end takes the averages afresh from the labelled digits, because running
# averages trail behind the weights.
#
# ## 6 · The gentle start
#
# What makes the first steps so rough? The new head is drawn by chance. It is wrong about nearly every digit, and all stages are
# pulled about to please it. `lp-ft` (Kumar et al. 2022) solves the head first, on frozen features, and then lets go. By
# hand: both heads, five steps each, with plain gradient steps (SGD) and with Adam. How far do the stages get?

# %%
five, vector = ready(task, backbone, task.draw(5, seed).all), nn.utils.parameters_to_vector
seen = backbone.pool(backbone.pretrained().run(five[0])).detach().numpy()
solved = features.probe(seen, five[1].numpy(), strength=0.1, outputs=10)
_, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for ax, walk, size in zip(axes, (torch.optim.SGD, torch.optim.Adam), (0.1, rate), strict=True):
    pulled = {"random head": {0: 0.0}, "solved head": {0: 0.0}}
    for head, path in pulled.items():
        network = started(backbone, seed)
        if head == "solved head":
            solved.into(network.head)
        start = vector(network.stages.parameters()).detach()
        for step, now in enumerate(descend(network, *five, size, 5, walk=walk), start=1):
            path[step] = float((vector(now.stages.parameters()).detach() - start).norm() / start.norm())
    nb15_full.over_steps(pulled, "change of the stages, relative", ax=ax).set_title(walk.__name__)

# %% [markdown]
# With plain steps the story is true: a random head pulls the stages much further. (Mind the axes: Adam goes further than
# either.) With Adam, which nearly everybody uses, the first step is *exactly as long* for both: Adam divides every gradient by its own size, and so cannot know
# how wrong the head was. What remains of the gentleness comes later, when there is less left to correct. Is it still worth
# it? At the rate and the labels of section 1:

# %%
gentle = fit(task, backbone, plans.Plan.parse("lp-ft"), labels, seed, replace(settings, solve=True))
left = {}
for done in (full, gentle):
    left[done.audit.plan] = share = right(reader(done.model, backbone), letters, names)
    print(f"{done.audit.plan}: digits {done.test.metrics['accuracy']:.3f}, letters {share:.2f}")

# %% [markdown]
# With `fit`, whose rate comes down in the end, `full` forgets less than by hand; with the solved head most letters survive. The digits are read a little less well, for what is gentle does not go as far. And does what survives
# serve *elsewhere*? That is what `lp-ft` was made for. Below, all learnt from clean digits, and were tested on digits that are
# moved by a pixel and noisy (mean of ten draws; the last two columns are the clean test).
#
# | labels a class | scratch | frozen | lp-ft | full | lp-ft, clean | full, clean |
# |--:|--:|--:|--:|--:|--:|--:|
# | 1 | {{accuracy 15_shifted letters scratch 1}} | {{accuracy 15_shifted letters frozen 1}} | {{accuracy 15_shifted letters lp-ft 1}} | {{accuracy 15_shifted letters full 1}} | {{accuracy 16_digits letters lp-ft 1}} | {{accuracy 16_digits letters full 1}} |
# | 5 | {{accuracy 15_shifted letters scratch 5}} | {{accuracy 15_shifted letters frozen 5}} | {{accuracy 15_shifted letters lp-ft 5}} | {{accuracy 15_shifted letters full 5}} | {{accuracy 16_digits letters lp-ft 5}} | {{accuracy 16_digits letters full 5}} |
# | 20 | {{accuracy 15_shifted letters scratch 20}} | {{accuracy 15_shifted letters frozen 20}} | {{accuracy 15_shifted letters lp-ft 20}} | {{accuracy 15_shifted letters full 20}} | {{accuracy 16_digits letters lp-ft 20}} | {{accuracy 16_digits letters full 20}} |
#
# Not here. At one label a class they are alike; with more, the means stand in the opposite order: what may move furthest reads
# best, and `scratch`, which kept nothing, is ahead of all. To be moved by a pixel is no trouble (notebook 11), so it is the
# noise: letters were clean, their features take noise for ink, and what is protected is protected with its faults. (The paper
# says so, too: its gain needs features that are good for the other pictures.) A gentle start is worth what it saves.
#
# ## What we saw
#
# What would count for and against these sentences was written down before the fits were run; [16](16_the_comparison.ipynb)
# explains the brackets.
#
# | claim | verdict | measured |
# |---|---|---|
# | {{claim 3-full text}} | {{claim 3-full}} | {{claim 3-full effect}} |
# | {{claim 14 text}} | {{claim 14}} | {{claim 14 effect}} |
# | {{claim 15 text}} | {{claim 15}} | {{claim 15 effect}} |
# | {{claim 15-lp-ft text}} | {{claim 15-lp-ft}} | {{claim 15-lp-ft effect}} |
# | {{claim 15-shifted text}} | {{claim 15-shifted}} | {{claim 15-shifted effect}} |
#
# ## When this fails
#
# - **When the source is far.** Then there is less worth keeping, and less to lose by moving everything.
# - **When the network is another one.** Ours is small. How much a large one forgets is not tested here, and one with layer norm
#   keeps no averages: section 5 is not about it.
# - **When the draw is unlucky.** At one label a class everything here is a lottery; look at the thin lines again.
# - **When the old task was never yours.** You may not have its head, or a single of its pictures. Then nobody sees what is forgotten.

# %% tags=["quiz"]
widgets.quizzes("15")

# %% [markdown]
# ## Exercises
#
# ### Exercise 15.1 · A price list
#
# Shorter steps forget less, and learn less. Run `full` as in section 1, at a tenth and at a third of the rate. Put a pair into
# `paid` for each: the share of test digits, and the share of `letters` under the old head. Which would you buy?

# %% tags=["solution"]
paid = {}
for size in (rate / 10, rate / 3):
    done = fit(task, backbone, plans.Plan.parse("full"), labels, seed, replace(settings, rates=(size,)))
    paid[size] = done.test.metrics["accuracy"], right(reader(done.model, backbone), letters, names)
# stub:
# paid = {}
# for size in (rate / 10, rate / 3):
#     done = fit(task, backbone, plans.Plan.parse("full"), labels, seed, ...)
#     paid[size] = ..., ...

# %% tags=["check"]
paid[rate] = full.test.metrics["accuracy"], left["full"]
few, some, many = (paid[size][1] for size in sorted(paid))
assert few > some > many, "longer steps forget more: give each fit its `rates`; digits first, then letters"
print(*(f"rate {r:g}: digits {d:.2f}, letters {k:.2f}" for r, (d, k) in sorted(paid.items())), sep="\n")

# %% [markdown] tags=["hint"]
# `replace(settings, rates=(size,))` is the recipe with another rate; `reader(done.model, backbone)` puts the old head back.

# %% [markdown]
# ### Exercise 15.2 · When to stop
#
# *Early stopping* is a cure for learning by heart. But when is early? `draw.select` holds a fifth of the labelled digits for such
# questions. Learn from `draw.fit` for thirty steps, keep a copy of the network that is best on `draw.select` (of equals the
# first), and open the test only then, once. Does the cure help? The check then lets the same digits be learnt to the end.

# %% tags=["solution"]
from copy import deepcopy

opened, draw, best = len(task.reads), task.draw(labels, seed), -1.0
study, exam = (ready(task, backbone, part) for part in (draw.fit, draw.select))
for step, now in enumerate(descend(started(backbone, seed), *study, rate, 30), start=1):
    if right(now, *exam) > best:
        best, stop, stopped = right(now, *exam), step, deepcopy(now)
final = test(stopped, task, backbone)
# stub:
# from copy import deepcopy
#
# opened, draw, best = len(task.reads), task.draw(labels, seed), -1.0
# study, exam = (ready(task, backbone, part) for part in (draw.fit, draw.select))
# for step, now in enumerate(descend(started(backbone, seed), ..., ..., rate, 30), start=1):
#     if ... > best:
#         best, stop, stopped = ..., step, ...
# final = test(stopped, task, backbone)

# %% tags=["check"]
assert len(task.reads) == opened + 1, "choose on draw.select, then open the test once: you opened it oftener"
runs = [deepcopy(now) for now in descend(started(backbone, seed), *study, rate, 30)]
same = torch.allclose(runs[stop - 1](exam[0]), stopped(exam[0]), atol=0.01)
assert same, "not the network after so many steps on draw.fit alone: did it learn on after you kept it?"
marks = [right(run, *exam) for run in runs]
assert stop == 1 + np.argmax(marks), "another is better on draw.select, or as good and earlier"
ties, late, opened = marks.count(max(marks)), test(runs[-1], task, backbone), opened + 1
print(f"step {stop}, first of {ties} equals on draw.select: {final:.2f} on the test; step 30: {late:.2f}")

# %% [markdown] tags=["hint"]
# `right(now, *exam)` is the score to compare. `descend` hands over the same network every time, and then changes it.

# %% [markdown]
# ### Exercise 15.3 · Forgotten, or mislaid?
#
# The old head no longer fits the stages. Does that mean that the letters are gone? Solve a *new* head for letters on the features,
# from twenty letters of each kind (`mine`), once for the stages before the digits and once after. Mark both on `letters`.

# %% tags=["solution"]
mine, again = material.glyphs("letters", 20, seed=2), {}
for when, net in {"before": backbone.pretrained(), "after": full.model}.items():
    pairs = (backbone.transform(torch.tensor(mine.images)), letters)
    rows = [backbone.pool(net.run(pictures)).detach().numpy() for pictures in pairs]
    head = features.probe(rows[0], mine.labels, strength=1.0, outputs=52)
    again[when] = np.mean(head(rows[1]).argmax(1) == names.numpy())
# stub:
# mine, again = material.glyphs("letters", 20, seed=2), {}
# for when, net in {"before": backbone.pretrained(), "after": full.model}.items():
#     pairs = (backbone.transform(torch.tensor(mine.images)), letters)
#     rows = [backbone.pool(net.run(pictures)).detach().numpy() for pictures in pairs]
#     head = features.probe(..., ..., strength=1.0, outputs=52)
#     again[when] = ...

# %% tags=["check"]
assert 0.95 > again["before"] > again["after"] > left["full"], "learn from rows[0], mark rows[1], of `net`"
print(f"old head {left['full']:.2f}, new head {again['after']:.2f}; before the digits {again['before']:.2f}")

# %% [markdown] tags=["hint"]
# `rows[0]` are the features of `mine`, to learn from; `rows[1]` those of `letters`, to be marked against `names`.

# %% [markdown]
# **Think.** A colleague runs every plan of section 4 at all seven rates and reports the best *test* accuracy of each. Whom does
# that flatter?

# %% [markdown] tags=["answer"]
# Every plan, and most of all the one whose curve swings most: the best of seven is far above what somebody gets who has to
# choose without looking. A rate is part of what is learnt, and must be paid for with labels like everything else.

# %% [markdown]
# ## Recap
#
# - Letting everything move pays as soon as labels are more than a few: at fifty a class, `full` gains
#   {{gain 16_digits full frozen 50}} on `frozen`.
# - *It overfits:* it learns by heart, sense and nonsense alike. But so do the others, and its gap is not the wider one. Early
#   stopping (exercise 15.2) stops too early where the few digits put aside are soon all read.
# - *It forgets:* yes, and at once. Most of it is only mislaid (exercise 15.3): a new head finds it again.
# - *It is touchy:* not more than a head that descends, over the same rates; but long steps spoil it.
# - *Mind the batch norm:* yes, and mind the rate: together they decide which mode is right.
# - **A solved head** is the gentle start: short steps do not leave it unfinished, and more of the old skill survives, although
#   Adam's first step is no shorter. Whether that is a blessing depends on what the old skill is worth.
#
# **Next:** [16](16_the_comparison.ipynb) puts all plans into one fair match.
#
# **To read.** Kumar et al. 2022, *Fine-tuning can distort pretrained features and underperform out-of-distribution*,
# arXiv:2202.10054: `lp-ft`. McCloskey and Cohen 1989, *Catastrophic interference in connectionist networks*, Psychology of
# Learning and Motivation 24:109. Zhang et al. 2017, *Understanding deep learning requires rethinking generalization*,
# arXiv:1611.03530: shuffled labels. Wu and Johnson 2021, *Rethinking "Batch" in BatchNorm*, arXiv:2105.07576.

# %% tags=["record"]
{"letters before": kept[0], "letters after": kept[60], "digits": digits[60]}
