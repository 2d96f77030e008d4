# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 26 · Sources without labels
#
# **Question.** Every source so far was brought up on pictures that somebody had named. What is left of its skill if nobody
# names anything, or if the pictures show nothing at all?
#
# **You will** make two views of one picture and the loss that brings them together, draw fractals with a die, ask four networks
# for the relatives of a digit, and find out what a name at the source is worth: near home, and far from it.
#
# **Needs** [11](11_first_transfer.ipynb), [16](16_the_comparison.ipynb) (gain, interval, *better* and *equal*) and
# [22](22_similarity.ipynb) (near and far).
#
# **Time** {{time}} to run, twenty-five minutes to read.

# %% tags=["parameters"]
seed = 20  # decides which pictures are labelled: 20 to 29, as in the records
labels = 5  # a class, in section 5: 5 or 20
query = 64  # whose relatives are looked for in section 4: 0 to 99
guess = 0.1  # your guess in section 1; the slider starts here

# %%
import functools

import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import Markdown, display

from tlkit import backbones, claims, env, plots, scores, simulate, widgets
from tlkit.fit import fit
from tlkit.simulate.twins import likeness, view
from tlkit.tasks import catalogue

env.setup(seed)
names = ("letters", "letters-ssl", "fractals", "random")
nets = {name: backbones.load(name) for name in names}
tasks = {name: catalogue.load(name) for name in ("digits", "textures")}

# %% [markdown]
# ## 1 · Four upbringings
#
# One and the same small network, brought up in four ways:
#
# | source | what it saw | what it was told |
# |---|---|---|
# | `letters` | Latin letters | the name of each |
# | `letters-ssl` | the same letters | nothing |
# | `fractals` | pictures of nothing, drawn by chance | by which rule each was drawn: the program that draws knows |
# | `random` | nothing | nothing: these are the weights that every training starts from |
#
# `ssl` stands for *self-supervised learning*: the pictures set the task themselves. The first two cost about the same,
# {{card letters-ssl flops}} operations; `fractals` cost half of that.
#
# Two targets, old friends: handwritten digits, which are *near* (also strokes of a pen), and textures, which are *far*: grain
# of some direction and fineness, no stroke, no place.

# %% [markdown] tags=["predict"]
# **Predict.** Without any source (`scratch`), five labels a class make something of the digits. `full` fine-tuning from
# `letters` makes more: notebook 16. Now take all the names away from the source. How much will `full` from `letters-ssl` gain
# over `scratch`? And, without a slider: which of the four would you take for the textures?

# %% tags=["predict"]
slider = widgets.guess("Gain of full from letters-ssl over scratch, digits", guess, -0.2, 0.4, 0.01)
slider

# %% [markdown]
# ## 2 · Find your twin
#
# What can be learnt from a picture that nobody has named? This: *moved, bent or thickened, it is still the same
# thing.* So make two views of each picture, by chance. The exercise is to find, for every view in a large heap, the other view
# of the same picture. Nobody has to write a label for that.

# %%
home = nets["letters-ssl"]
inputs = home.transform(simulate.glyphs("letters", 1, seed).images[:10])
chance = torch.Generator().manual_seed(seed)
one, other = view(inputs, chance), view(inputs, chance)
figure = plots.gallery(torch.cat([inputs, one, other]), ncols=10, rows=("picture", "a view", "another"))

# %% [markdown]
# And the loss? The network turns each view into a row of numbers of length one, so the product of two rows says how much they
# point the same way (their *cosine*). A softmax makes shares of that, and the twin's share ought to be large: minus its
# logarithm is the loss. This is *SimCLR* (Chen and others 2020). By hand, for the heap of twenty views:

# %%
views, twin = torch.cat([one, other]), [*range(10, 20), *range(10)]
temperature = home.card["recipe"]["contrast"]  # small: only what is very much alike counts
with torch.no_grad():
    z = F.normalize(home.pretrained()(views))
by_hand = 0.0
for i in range(20):
    alike = torch.exp(z @ z[i] / temperature)
    share = alike[twin[i]] / (alike.sum() - alike[i])  # among all but itself
    by_hand -= torch.log(share) / 20

# %%
with torch.no_grad():
    cosines, wanted = likeness(home.pretrained(), views)  # what `letters-ssl` was trained with
torch.testing.assert_close(F.cross_entropy(cosines / temperature, wanted), by_hand)
print(f"loss {by_hand:.2f}; of a network to which all views are alike {np.log(19):.2f}")

# %% [markdown]
# Can the four networks play this game? Let all of them find twins, among fresh letters and among digits, 256 views in a heap,
# by the 128 features that a head would read.


# %%
@torch.no_grad()
def seen(net, inputs):
    """What a source makes of pictures (N x 1 x 16 x 16): N x 128 features, no head."""
    return net.pool(net.pretrained().run(inputs))


heaps = {"letters": simulate.glyphs("letters", 3, seed).images, "digits": tasks["digits"].train.inputs}
for heap, some in heaps.items():
    inputs = home.transform(some[:128])
    views = torch.cat([view(inputs, chance), view(inputs, chance)])
    for name, net in nets.items():
        cosines, wanted = likeness(functools.partial(seen, net), views)
        print(f"{heap}, {name:12} {(cosines.argmax(1) == wanted).float().mean():.2f} of the twins found")

# %% [markdown]
# By chance it would be one in 255. Look at the digits: `letters-ssl` has never seen one, and finds their twins many times as
# often as `letters` does. It seems to know digits best by far. So, for digits, take `letters-ssl`? Hold on to that choice until
# section 4.
#
# ## 3 · Pictures of nothing
#
# Now a source for which nobody has to collect pictures, either. Take a triangle, and start anywhere. Roll a die for one of the
# corners, go half the way there, make a dot; again and again. That is the *chaos game*. (The figure is below the next cell.)

# %%
corners, die = np.array([[0, 0], [0, 1], [1, 0]]), np.random.default_rng(seed)
at, bitmap, growing = np.zeros(2), np.zeros((32, 32)), []
for step in range(1, 3001):
    at = (at + corners[die.integers(3)]) / 2
    bitmap[tuple((at * 32).astype(int))] = 1
    if step in (10, 30, 100, 300, 1000, 3000):
        growing.append(bitmap.copy())
small = bitmap.reshape(8, 4, 8, 4).mean((1, 3))  # as coarse as all our pictures

# %% [markdown]
# "Half the way to a corner" is a *map* that shrinks the plane. Take any three such maps, turning and slanting ones too, and
# another figure comes out, which nobody has ever seen: a *fractal*. A class of `fractals` is one such set of maps; its pictures
# differ because the numbers in the maps are shaken a little. `chaos_game` plays it with any maps; and here are two classes of
# the hundred:

# %%
halves = np.concatenate([np.tile(np.eye(2) / 2, (3, 1, 1)), corners[..., None] / 2], -1)  # matrix, shift
drawn = simulate.chaos_game(halves[None], np.random.default_rng(0))[0]
assert np.abs(drawn - small).mean() < 0.05, "the same triangle, up to some dots"
images, systems = simulate.fractals(8, seed)
rows = [*growing, small, drawn, *images[systems == 0], *images[systems == 7]]
figure = plots.gallery(rows, ncols=8, rows=("dot by dot", "one class", "another"))

# %% [markdown]
# The first row grows dot by dot; its last two are our triangle and the library's, made as coarse as everything here. Telling a
# hundred such classes apart was all that `fractals` was taught. Nobody took a picture, nobody named one (Kataoka and others
# 2020).
#
# ## 4 · Who is like whom?
#
# Before any comparison: look. Here is a heap of a hundred digits, out of it one, and the nine that each network finds most like
# it, by its 128 features. No label is read in this cell but to draw ten of each digit.

# %%
everything = {name: net.transform(task.train.inputs) for name, task in tasks.items()}
knows = {(net, task): seen(nets[net], x) for net in names for task, x in everything.items()}
knows |= {("pixels", task): x.flatten(1) for task, x in everything.items()}

# %%
heap = tasks["digits"].draw(10, seed).all
apart = [torch.cdist(knows[n, "digits"][heap], knows[n, "digits"][heap])[query] for n in (*names, "pixels")]
rows = torch.cat([everything["digits"][heap[one.argsort()[:10]]] for one in apart])
figure = plots.gallery(rows, ncols=10, rows=(*names, "pixels"))

# %% [markdown]
# Each row begins with the digit itself. (It was picked for being average: its neighbours are right about as often as those of
# the others.) Change `query` in the parameters and look again, before you trust your eyes.
#
# To *count* we open our labels, for the count alone: how often is the nearest in such a heap *kin*, of the same class? (Ten
# heaps, their mean.) The last row reads the network's outputs instead of its features: the *projections*, in which twins were
# compared.


# %%
def kin(rows, task, seeds):
    heaps = [task.draw(10, s).all for s in seeds]
    return np.mean([scores.nearest_neighbour(rows[heap], task.targets[heap]) for heap in heaps])


with torch.no_grad():
    knows |= {("projections", task): home.pretrained()(x) for task, x in everything.items()}
for name in (*names, "pixels", "projections"):
    shares = [f"{t} {kin(knows[name, t], task, range(20, 30)):.2f}" for t, task in tasks.items()]
    print(f"{name:12}", ", ".join(shares))

# %% [markdown]
# **Section 2 was a wrong turn.** On digits, `letters` has the most kin, and the champion at finding twins has fewer than
# bare pixels have. A *twin* is the same seven once more. *Kin* is a seven by another hand, and no view of the first one
# will ever look like it. That two different pictures can be one and the same thing is just what a *name* says, and no view does. On textures
# the names of letters say nothing, and `letters` is not ahead.
#
# How well a source does its own exercise is a mark in that exercise (23 has said so of all source accuracies; here it is not
# even an accuracy). And the head that does it is no list of classes, so LEEP, which asks it for some, has nothing to read:

# %%
asked = ("source accuracy", "LEEP", "kNN")
for name in ("letters", "letters-ssl"):
    told = scores.score_source(tasks["digits"], nets[name], 5, seed, asked)
    print(f"{name:12}", ", ".join(f"{score} {value:.2f}" for score, value in told.items()))

# %% [markdown]
# Where there are no classes there is `nan`, not a number that looks like one. The projections stay behind, like every source
# head. On digits they are even a little ahead, as counted above; but on textures they know less than the features in front of
# them: direction and fineness of a grain are among the things that change from view to view, and the last layer has learnt to
# overlook them.
#
# (Which *groups* a network sees without any label is in notebook 21.)
#
# ## 5 · What is a name worth?
#
# Now with your labels: a linear head on what is frozen, or everything tuned. Four sources, two targets, ten draws each, are in
# the records. Three of these fits again, here:

# %%
store = claims.shelf().store("26_sources")
for source, plan in (("letters-ssl", "full"), ("fractals", "frozen"), ("random", "frozen")):
    here = fit(tasks["digits"], nets[source], plan, labels, seed).test.metrics["accuracy"]
    filed = claims.samples.side(store, plan, labels, (source,), "digits").samples[0].rows[seed].value
    print(f"{source}, {plan}: {here:.3f} here, {filed:.3f} in the file")
    assert abs(here - filed) < 0.03, f"{source} does not come out as recorded"

# %%
brought_up = {name: (name,) for name in names[:3]}
brought_up["random"] = ("random", "random,seed=1", "random,seed=2")  # the mean of three
both = ("frozen", "full")
gains = {t: claims.by_source(store, brought_up, both, "scratch", labels, task=t) for t in tasks}
figure = plots.gain_near_and_far(gains, guess=("digits", slider.value))

# %% [markdown]
# `random` has no mark for `full`: a network that starts from random weights and is tuned as a whole *is* `scratch`, the line at
# zero. (A filled mark looks at its own interval alone; verdicts mind all comparisons of a claim at once, and are stricter.)
#
# Read it in three steps, the green marks (`full`) first.
#
# 1. *`letters-ssl` against zero*: does a source need names? That it beats scratch and pixels on digits:
#    **{{claim 26-ssl-full}}**; frozen: **{{claim 26-ssl-frozen}}**.
# 2. *`letters` against `letters-ssl`*: what is a name worth? That on digits `full` from `letters-ssl` is no worse than from
#    `letters`: **{{claim 26-names-full}}** ({{claim 26-names-full effect}}). That frozen the names are ahead:
#    **{{claim 26-names-frozen}}** ({{claim 26-names-frozen effect}}).
# 3. *left against right*: are the names worth more near home? Frozen: **{{claim 26-names-near-far}}**
#    ({{claim 26-names-near-far effect}}); tuned: **{{claim 26-names-near-far-full}}**
#    ({{claim 26-names-near-far-full effect}}).
#
# And `fractals`, who have seen nothing of this world? That they are a better start than random weights: on digits
# **{{claim 26-fractals-full}}** ({{claim 26-fractals-full effect}}), on textures **{{claim 26-fractals-full-far}}**
# ({{claim 26-fractals-full-far effect}}).
#
# In the means, the order turns round from left to right. Near home the names lead, and even `fractals` stand before
# `letters-ssl`; on textures `letters-ssl` stands first, and `letters` tuned no higher than `scratch`. Frozen, none of the four is
# worth taking for the textures: all lie far below `scratch`.
#
# **Ten draws are few.** In 21 and 22 `letters`, frozen, gained nothing on digits, and here it does. It reads as well in both; `scratch`
# does not, {{accuracy 23_digits letters scratch 5}} there and {{accuracy 26_sources letters scratch 5 digits}} here: other pictures were drawn.
#
# ## What we saw

# %% tags=["headline"]
lines = [(name, plan) for name in names for plan in both][:-1]  # random, tuned, is scratch
lines += [("letters", "scratch"), ("letters", "pixels")]  # neither has a source
head = "| source | plan | digits | textures |\n|---|---|--:|--:|"
for name, plan in lines:
    sides = [claims.samples.side(store, plan, labels, brought_up[name], task) for task in tasks]
    means = [f"{side.values(sorted(side.seeds)).mean():.2f}" for side in sides]
    head += f"\n| {name if plan in both else 'none'} | {plan} | {' | '.join(means)} |"
Markdown(head)

# %% [markdown]
# Accuracy on the test part, a mean over the draws. What would count for and against was written down before these draws were
# made; in brackets, how large the difference may be in truth. First: can a source do without names? (Measured against scratch,
# then against pixels.)
#
# | claim | verdict | measured |
# |---|---|---|
# | {{claim 26-ssl-frozen text}} | {{claim 26-ssl-frozen}} | {{claim 26-ssl-frozen effect}} |
# | {{claim 26-ssl-full text}} | {{claim 26-ssl-full}} | {{claim 26-ssl-full effect}} |
# | {{claim 26-ssl-frozen-far text}} | {{claim 26-ssl-frozen-far}} | {{claim 26-ssl-frozen-far effect}} |
# | {{claim 26-ssl-full-far text}} | {{claim 26-ssl-full-far}} | {{claim 26-ssl-full-far effect}} |
#
# What are the names worth?
#
# | claim | verdict | measured |
# |---|---|---|
# | {{claim 26-names-frozen text}} | {{claim 26-names-frozen}} | {{claim 26-names-frozen effect}} |
# | {{claim 26-names-full text}} | {{claim 26-names-full}} | {{claim 26-names-full effect}} |
# | {{claim 26-names-frozen-far text}} | {{claim 26-names-frozen-far}} | {{claim 26-names-frozen-far effect}} |
# | {{claim 26-names-full-far text}} | {{claim 26-names-full-far}} | {{claim 26-names-full-far effect}} |
#
# And can it do without pictures of anything?
#
# | claim | verdict | measured |
# |---|---|---|
# | {{claim 26-fractals-frozen text}} | {{claim 26-fractals-frozen}} | {{claim 26-fractals-frozen effect}} |
# | {{claim 26-fractals-frozen-far text}} | {{claim 26-fractals-frozen-far}} | {{claim 26-fractals-frozen-far effect}} |
# | {{claim 26-fractals-full text}} | {{claim 26-fractals-full}} | {{claim 26-fractals-full effect}} |
# | {{claim 26-fractals-full-far text}} | {{claim 26-fractals-full-far}} | {{claim 26-fractals-full-far effect}} |
# | {{claim 26-pictures-frozen text}} | {{claim 26-pictures-frozen}} | {{claim 26-pictures-frozen effect}} |
# | {{claim 26-pictures-full text}} | {{claim 26-pictures-full}} | {{claim 26-pictures-full effect}} |
# | {{claim 26-random text}} | {{claim 26-random}} | {{claim 26-random effect}} |
# | {{claim 26-random-far text}} | {{claim 26-random-far}} | {{claim 26-random-far effect}} |
#
# *Cannot tell* is not *none*: fractals tuned on textures would have had to win or lose {{claim 26-fractals-full-far power}} to be told in
# eight of ten tries.
#
# ## When this fails
#
# - **The views are a teacher.** Somebody decided that a letter stays the same when it is turned a little, and not when it is
#   mirrored. Where your question *is* the turn, or the thickness, such a source has learnt to overlook it. No label, but a
#   great deal of opinion.
# - **One of each.** Each upbringing has one network here (`random` three). Another start may shift any of these rows a little:
#   see `letters-s1` in notebook 23.
# - **A tiny world.** Eight pixels a side, a few minutes of training. On photographs, with networks a hundred times as large,
#   self-supervised sources were ahead of supervised ones on most targets (Ericsson and others 2021), and fractals close behind
#   (Kataoka and others 2020): expect the order to depend on size, steps and views.
# - **Unequal lessons.** `fractals` took half as many operations. What it lacks may be time.
#
# ## Exercises
#
# ### Exercise 26.1 · Find the twins yourself
#
# Write `found(z)`: `z` holds 2N rows, the views of picture i are i and N + i, and the rows may have any length. Give back the
# share of views whose most alike other view is its twin. Alike is judged by the cosine.


# %% tags=["solution"]
def found(z):
    z = z / z.norm(dim=1, keepdim=True)
    alike = (z @ z.T).fill_diagonal_(-2)
    twin = torch.arange(len(z)).roll(len(z) // 2)
    return (alike.argmax(1) == twin).float().mean().item()


# stub:
# def found(z):
#     z = ...  # every row of length one
#     alike = ...  # 2N x 2N; nobody may find itself
#     twin = ...  # the number of each view's twin
#     return ...

# %% tags=["check"]
for s in range(3):
    base, apart = torch.randn(2, 40, 8, generator=torch.Generator().manual_seed(s))
    z = torch.cat([base, base + apart]) * torch.linspace(0.1, 3, 80)[:, None]  # of any length
    cosines, wanted = likeness(torch.nn.Identity(), z)
    right = (cosines.argmax(1) == wanted).float().mean().item()
    mine = found(z.clone())
    assert mine > 0, "no twin at all: leave the diagonal out, or all find themselves (or the longest row)"
    assert abs(mine - right) < 1e-6, f"{mine:.3f}, not {right:.3f}: rows of length one? twins N apart?"
print("as likeness has it")

# %% [markdown] tags=["hint"]
# `fill_diagonal_` with something below every cosine; `torch.arange(2 * N).roll(N)` says who belongs to whom.

# %% [markdown]
# ### Exercise 26.2 · Why must strangers be unlike?
#
# "Make twins alike" alone is easy: say the same of everything. Write `together(z)`, the mean squared distance between the
# normalised rows of twins, and `constant(n)`, 2n rows that make it zero. What is SimCLR's loss for them?


# %% tags=["solution"]
def together(z):
    one, other = F.normalize(z).chunk(2)
    return ((one - other) ** 2).sum(1).mean().item()


def constant(n):
    return torch.ones(2 * n, 8)


# stub:
# def together(z):
#     one, other = ...
#     return ...
#
#
# def constant(n):
#     return ...

# %% tags=["check"]
for s in range(3):
    z = torch.randn(2 * (s + 3), 8, generator=torch.Generator().manual_seed(s))
    right = 2 - 2 * F.cosine_similarity(*z.chunk(2)).mean().item()
    assert abs(together(z) - right) < 1e-5, "length one; squared distance of i and N + i; mean"
    flat = constant(s + 3)
    assert len(flat) == 2 * (s + 3) and together(flat) < 1e-6, "2n rows, all of them the same"
    cosines, wanted = likeness(torch.nn.Identity(), flat)
    assert abs(F.cross_entropy(cosines, wanted).item() - np.log(2 * (s + 3) - 1)) < 1e-5
print("perfect for the one loss; for SimCLR's as bad as guessing among all the others")

# %% [markdown] tags=["hint"]
# `z.chunk(2)` gives both halves. Two rows of length one are at a squared distance of two, less twice their cosine.

# %% [markdown]
# ### Exercise 26.3 · A random network that has looked
#
# `random` has batch norms whose averages were never measured. Show it the digits, without a label: write
# `settled(net, inputs)`, a copy of the source's chain whose batch norms hold the averages of `inputs` (a pass in train mode),
# and nothing else has changed. Are relatives closer now?


# %% tags=["solution"]
def settled(net, inputs):
    chain = net.fresh()
    for module in chain.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a plain mean
    with torch.no_grad():
        chain.train()(inputs)
    return chain.eval()


# stub:
# def settled(net, inputs):
#     chain = net.fresh()
#     ...
#     return chain.eval()

# %% tags=["check"]
x, source = everything["digits"], nets["random"]
chain = settled(source, x)
assert torch.allclose(seen(source, x), knows["random", "digits"]), "the source itself moved: take net.fresh()"
before, now = source.fresh().state_dict(), chain.state_dict()
moved = [k for k in now if k.endswith(("weight", "bias")) and not torch.equal(now[k], before[k])]
assert not moved, f"{moved[0]} moved: nothing is to be learnt"
assert not chain.training, "it was left in train mode"
off = chain.stages["stem"][0](x).mean((0, 2, 3)) - now["stages.stem.1.running_mean"]
assert off.abs().max() < 1e-3, "not the mean of these pictures: reset, momentum None, one pass in train mode"
looked = source.pool(chain.run(x)).detach()
shares = [kin(rows, tasks["digits"], range(20, 30)) for rows in (knows["random", "digits"], looked)]
print(f"nearest is kin: {shares[0]:.2f} before, {shares[1]:.2f} after looking")

# %% [markdown] tags=["hint"]
# As AdaBN in notebook 25: `reset_running_stats()` and `momentum = None` for each `BatchNorm2d`, then one pass in `train()`
# under `torch.no_grad()`.

# %% [markdown]
# **Think.** In notebook 22 the question moved from *which letter?* to *how is it drawn, upright or slanting, thin or thick?*,
# and `letters` became a burden. Would `letters-ssl` have been the better source there? What would you change in its upbringing?

# %% [markdown] tags=["answer"]
# Hardly: its views are turned, slanted, made thicker and thinner, and it is trained to overlook just that; it may be worse than
# `letters`, to whom nobody ever said that slant does not count, except through the names. The remedy is in the views: leave out
# turns and thickness, keep shifts and bends. Then slant and thickness are among the things by which a twin is found. *Choosing
# the views is choosing what the source will be blind to*: the one label that you cannot avoid writing.

# %% tags=["quiz"]
twins = {
    "To name what is in a picture.": "No name occurs anywhere in it.",
    "That two views of one picture belong together, and others do not.": "And so what may change without changing the thing.",
    "To draw the picture again.": "That would be an autoencoder; here nothing is drawn.",
}
blind = {
    "The projection, since the loss is computed there.": "It has thrown away more of what the views change.",
    "The features in front of it.": "They keep more than the exercise asks; your own head takes its pick.",
    "Both, side by side.": "The projection is made of the features: it adds nothing.",
}
nothing = {
    "There must be a bug: it has learnt nothing.": "Chance weights still mix and pool pixels, and the head is trained on your labels.",
    "Your labels train the head, and features by chance are features.": "So this is what a frozen source has to beat.",
    "It is transfer, of a kind.": "Nothing was there to be transferred.",
}
display(
    widgets.quiz("What does a contrastive source learn?", twins, [*twins][1]),
    widgets.quiz("What do you take home from it?", blind, [*blind][1]),
    widgets.quiz(
        "Frozen, a random network reads digits far better than guessing. Why?", nothing, [*nothing][1]
    ),
)

# %% [markdown]
# ## Recap
#
# - A source needs a task, not names: *find your twin* is one, and the pictures set it themselves.
# - A view says that a thing stays itself; a name says that two different pictures are the same thing. Frozen, a source knows
#   what it was told.
# - What its views change, it learns to overlook, for you as well. The opinion sits in the views.
# - Do not read its marks as accuracy, nor its head as classes; take the features, and leave the projection behind.
# - Compare a frozen source with a frozen *random* one and with pixels, a tuned one with `scratch`: only what is above that was
#   learnt.
#
# **Next:** part 3 (planned) asks which weights to move, and how far.
#
# **To read.** Chen, Kornblith, Norouzi and Hinton 2020, *A Simple Framework for Contrastive Learning of Visual
# Representations*, arXiv:2002.05709. Kataoka and others 2020, *Pre-training without Natural Images*, arXiv:2101.08515.
# Ericsson, Gouk and Hospedales 2021, *How Well Do Self-Supervised Models Transfer?*, arXiv:2011.13377. Saxe and others 2011,
# *On Random Weights and Unsupervised Feature Learning*.

# %% tags=["record"]
{f"{t}, {p}": {s: round(v.mean, 2) for s, v in row.items()} for t in gains for p, row in gains[t].items()}
