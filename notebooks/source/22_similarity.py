# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 22 · Similarity and negative transfer, with a dial
#
# **Question.** How far may a task lie from its source before transfer stops paying, or does harm?
#
# **You will** turn a task away from its source, measure how far it has gone, find out what that measure cannot see, meet sources
# that do harm, and build a gate that keeps them out.
#
# **Needs** [11](11_first_transfer.ipynb) and [16](16_the_comparison.ipynb) (the words *better* and *equal*). Every term has a line in
# the [glossary](00_start_here.ipynb#Glossary).
#
# **Time** {{time}} to run, twenty-five minutes to read.

# %% tags=["parameters"]
seed = 10  # decides which pictures are labelled: 10 to 19, as in the records
similarity = 0.5  # where a fit is run here: 0, 0.25, 0.5, 0.75 or 1
guess_paper = 0.5  # your guess for the first dial: where is the gain gone?
guess_manner = 0.5  # the same for the second one
gate_seeds = 3  # draws in which the gate of section 6 is asked (10 at most)

# %%
import numpy as np
import torch

from tlkit import backbones, claims, env, features, plots, scores, widgets
from tlkit.fit import fit
from tlkit.simulate.distance import proxy_a_distance
from tlkit.tasks import catalogue

env.setup(seed)
labels = 5  # a class, as in all records of this notebook
paper = "background"  # the dial of sections 1 to 3

# %% [markdown]
# ## 1 · A dial
#
# Nobody can turn the similarity of dogs to X-rays up or down. With drawn pictures we can. The source is the letters network of
# notebook 11. The target: ten of the very letters that it was brought up on, in fonts of which some are kept for the test. At
# similarity 1 that is all. Then we turn: the paper gets a grain, until letters and paper are as bright as each other.

# %%
turns = (1.0, 0.75, 0.5, 0.25, 0.0)
tasks = [catalogue.load(f"dial:{paper}:{s}") for s in turns]


def one_each(task):
    """The first training picture of every class."""
    return [task.train.inputs[np.flatnonzero(task.targets == c)[0]] for c in range(10)]


examples = {s: one_each(t) for s, t in zip(turns, tasks, strict=True)}
names = [f"similarity {s:g}" for s in turns]
figure = plots.gallery([picture for row in examples.values() for picture in row], ncols=10, rows=names)

# %% [markdown] tags=["predict"]
# **Predict.** With five labelled pictures a class, how far may we turn before the letters network is no help any more, that is, until
# `frozen` and `full` gain nothing over `scratch`? The second question is for section 4: there the *pictures* stay as
# they are, and what is asked about them changes, bit by bit, from *which letter is it?* to *how is it drawn: upright or slanting, thin or thick?*

# %% tags=["predict"]
from IPython.display import display

first = widgets.guess("New paper: the gain is gone at similarity", guess_paper, low=0, high=1, step=0.05)
second = widgets.guess("New question: the gain is gone at similarity", guess_manner, low=0, high=1, step=0.05)
display(first, second)

# %% [markdown]
# ## 2 · How far is that?
#
# "Half way" is the name of a mark on our dial. For tasks that come without one, similarity must be *measured*. A beautiful idea:
# let a classifier try to tell source pictures from target pictures. If it cannot, they are alike. If it makes
# $e$ errors in a picture, the *proxy A-distance* is $2(1-2e)$: 0 for a coin, 2 for one that is never wrong. By hand:

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

near = tasks[0].train.inputs.flatten(1).numpy()
far = tasks[-1].test.inputs.flatten(1).numpy()
rows, side = np.concatenate([near, far]), np.repeat([0, 1], [len(near), len(far)])
judge = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
told = cross_val_predict(judge, rows, side, cv=5)
error = np.mean([np.mean(told[side == s] != s) for s in (0, 1)])
by_hand = 2 * (1 - 2 * error)

# %%
assert abs(by_hand - proxy_a_distance(near, far)) < 0.15, "other folds, the same distance"
home = tasks[0].train.inputs.flatten(1).numpy()
distances = [proxy_a_distance(home, t.test.inputs.flatten(1).numpy()) for t in tasks]
{f"similarity {s:g}": round(d, 2) for s, d in zip(turns, distances, strict=True)}

# %% [markdown]
# The distance grows as we turn, and no label was read for it. (At similarity 1 it would be nothing but for the fonts: those of
# the test are others.)
#
# ## 3 · And what does it cost?
#
# The same plans as in notebook 16, on the task at five positions, ten draws each: that is in the records. Do not take their word
# for it; one fit again, here:

# %%
store = claims.shelf().store(f"22_{paper}")
here = catalogue.load(f"dial:{paper}:{similarity}")
done = fit(here, backbones.load("letters"), "frozen", labels, seed)
filed = claims.samples.side(store, "frozen", labels, (), here.name).rows[seed]
print(f"{done.test.metrics['accuracy']:.3f} here, {filed.value:.3f} in the file")
assert abs(done.test.metrics["accuracy"] - filed.value) < 0.02, "it does not come out as recorded"

# %% [markdown]
# Drag from left to right, away from the source.

# %% tags=["headline"]
plans = ("frozen", "full")
gains = claims.along(store, [t.name for t in tasks], plans, "scratch", labels)
widgets.dial(examples, gains, guess=first.value)

# %% [markdown]
# Accuracy itself falls for everybody, since letters are harder to read on such paper; what counts is the distance between a plan and
# `scratch`, which has the same labels and the same hard pictures. At half way nothing is left of what was frozen, while `full` still
# lives on it. That `frozen` gains more where the paper is as the source's:
# **{{claim 16-background}}** ({{claim 16-background effect}}); that `full` does: **{{claim 16-background-full}}**
# ({{claim 16-background-full effect}}).
#
# So here is a rule that one reads everywhere: *measure the distance between the pictures; if it is small, transfer.*
#
# ## 4 · A distance that sees nothing
#
# Now the second dial. The pictures are the letters, at every position the same ones. Only the answer that is wanted changes. At 1
# it is the name of the letter; at 0 it is how the letter is drawn, in ten classes of slant and thickness *for that letter*.

# %%
asked = [catalogue.load(f"dial:manner:{s}") for s in turns]
apart = [proxy_a_distance(home, t.test.inputs.flatten(1).numpy()) for t in asked]
print("distance of the pictures:", ", ".join(f"{d:.2f}" for d in apart))
ten = [np.flatnonzero(asked[0].targets == c)[0] for c in range(10)]  # the same pictures at every position
shapes = {s: [t.train.inputs[i] for i in ten] for s, t in zip(turns, asked, strict=True)}
short = {name: name.replace(", ", "\n").replace(" of ", "/") for t in asked for name in t.classes}
wanted = {s: [short[t.classes[t.targets[i]]] for i in ten] for s, t in zip(turns, asked, strict=True)}
print("classes at 0:", "; ".join(asked[-1].classes[:6]), "...")

# %% [markdown]
# By the rule nothing has changed: the distance stays as small as it was, transfer as ever. Let us see.

# %%
questions = claims.shelf().store("22_manner")
lost = claims.along(questions, [t.name for t in asked], plans, "scratch", labels)
widgets.dial(shapes, lost, guess=second.value, answers=wanted)

# %% [markdown]
# **The rule was a wrong turn.** The pictures are as near as can be, and the letters network has become a hindrance: that frozen it is
# worse than no transfer at all, **{{claim 9-manner}}** ({{claim 9-manner effect}}). This is *negative transfer*, and from a *good*
# network. Notebook 13 has told why: it has learnt to forget how a letter is drawn, because one letter bears one name. What it
# has thrown away no head can bring back.
#
# And `full`, which may learn it again? That it is worse than scratch as well: **{{claim 9-manner-full}}**
# ({{claim 9-manner-full effect}}). The further away the question, the more it pays to let everything move: **{{claim 6}}**
# ({{claim 6 effect}}).
#
# Similarity of *pictures* is one thing, similarity of *questions* another; no distance that reads pictures alone can see the second.
#
# ## 5 · Sources that do harm
#
# Turn the question round: one target, the handwritten digits, and thirteen sources. Some know letters (Latin, Greek, Cyrillic,
# symbols), some know strokes, textures or fractals, one was trained without a label, and `memorised` has learnt a few hundred
# letters by heart, *with wrong names*.

# %%
zoo = claims.shelf().store("23_digits")
sources = sorted({r.backbone for r in zoo.read() if r.plan == "frozen"})
worth = claims.by_source(zoo, sources, plans, "scratch", labels)
ax = plots.gain_by_source(worth)

# %% [markdown]
# Look at the green marks first. Where every stage may move, whatever was taught well to tell characters apart helps, Greek and
# Cyrillic, too, and even `fractals` do. Now the blue ones: frozen, at five labels a class, only the three letters networks keep up with `scratch`; all others are
# *negative transfer*, mild or grave. That the memoriser harms when it is frozen: **{{claim 9}}** ({{claim 9 effect}}). That it harms even
# when every stage may move: **{{claim 9-full}}** ({{claim 9-full effect}}). To let a bad source move is to let it be mended, mostly:
# the last row is a network that was good at its own task, and is a burden to the end.
#
# ## 6 · A gate
#
# Can one know beforehand? Not by distance. But five labels a class know something: ask whether the labelled pictures find
# *each other*. A picture is at home if its nearest neighbour among the others bears the same label. A source whose features bring
# fewer pictures home than the bare pixels do is refused, and `scratch` does the job.


# %%
def at_home(rows, answers):
    """The share of rows whose nearest other row has the same answer."""
    far = torch.cdist(rows, rows).fill_diagonal_(torch.inf)
    return float(np.mean(answers[far.argmin(1).numpy()] == answers))


task = catalogue.load("digits")
drawn = task.draw(labels, seed).all
rows = {"pixels": task.train.inputs[drawn].flatten(1)}
for name in ("letters", "memorised"):
    network = backbones.load(name)
    end = features.Cut(network, len(network.stages), pooled=True)
    rows[name] = features.activations(end, task.train, drawn)
found = {name: at_home(part, task.targets[drawn]) for name, part in rows.items()}
by_score = scores.nearest_neighbour(rows["letters"].numpy(), task.targets[drawn])
assert abs(found["letters"] - by_score) < 1e-6, "by hand and the score must agree"
found

# %% [markdown]
# A gate is judged by what it would have cost. Thirteen sources for the digits, and the letters for both dials at every
# turn (at similarity 1 they are one task, counted once), several draws each: take every source that comes along (`always`), none (`never`), those that the gate lets in, or those that
# turn out to be good in that very draw (`oracle`, which has read the test). What accuracy does each policy get on average, and how
# often does it come out worse than scratch?


# %%
def vote(task, name, draw):
    """The share that a source brings home, less the share of the bare pixels."""
    network, answers = backbones.load(name), task.targets[draw]
    end = features.Cut(network, len(network.stages), pooled=True)
    kept = at_home(features.activations(end, task.train, draw), answers)
    return kept - at_home(task.train.inputs[draw].flatten(1), answers)


offers = [(zoo, task, name) for name in sources]
offers += [(kept, t, "letters") for kept, turned in ((store, tasks), (questions, asked[1:])) for t in turned]
outcomes = []
for kept, target, name in offers:
    frozen, without = (
        claims.samples.side(kept, plan, labels, (source,), target.name).samples[0].rows
        for plan, source in (("frozen", name), ("scratch", "letters"))
    )
    for s in range(10, 10 + gate_seeds):
        told = vote(target, name, target.draw(labels, s).all)
        outcomes.append((told, frozen[s].value, without[s].value))

# %%
votes, frozen, without = map(np.array, zip(*outcomes, strict=True))
let_in = votes >= 0
policies = {"always": frozen, "never": without, "gate": np.where(let_in, frozen, without)}
policies["oracle"] = np.maximum(frozen, without)
for name, got in policies.items():
    print(f"{name:7} accuracy {got.mean():.3f}, worse than scratch in {np.mean(got < without):.0%}")
print(f"the gate let {let_in.mean():.0%} in")

# %% [markdown]
# Read the second column first: a gate is there to prevent harm. Then the first: what it costs in sources that were wrongly refused.
# It asks the labels that are there anyway, so it sees the question as well as the pictures, which no distance does.
#
# ## 7 · Not only in our toy world
#
# Fawaz and others (2018) fine-tuned a network for time series from each of 85 data sets to each other, 7,140 pairs, and
# published every accuracy. With the table in your cache (`published`), this cell counts them again.

# %%
table = env.cache_dir() / "published" / "ucr_transfer_gain.csv"
if table.exists():
    matrix = np.genfromtxt(table, delimiter=",", skip_header=1)[:, 1:]
    pairs = matrix[~np.eye(len(matrix), dtype=bool)]
    gain, loss = np.mean(pairs > 0), np.mean(pairs < 0)
    print(f"{pairs.size:,} pairs: {gain:.1%} gain, {loss:.1%} lose, mean {pairs.mean():+.2f} %")
else:
    print("not there: the table belongs to github.com/hfawaz/bigdata18 (GPL-3), and is linked, not shipped")

# %% [markdown]
# Every second pair loses, and on the whole it comes to nothing: transfer from *anything* to *anything* does not pay. Their sets are
# a heartbeat here and a spectrum of coffee there; choosing the source is everything, and that is notebook 23.
#
# ## What we saw
#
# | claim | verdict | measured |
# |---|---|---|
# | {{claim 16-background text}} | **{{claim 16-background}}** | {{claim 16-background effect}} |
# | {{claim 16-background-full text}} | **{{claim 16-background-full}}** | {{claim 16-background-full effect}} |
# | {{claim 16-manner text}} | **{{claim 16-manner}}** | {{claim 16-manner effect}} |
# | {{claim 16-manner-full text}} | **{{claim 16-manner-full}}** | {{claim 16-manner-full effect}} |
# | {{claim 9 text}} | **{{claim 9}}** | {{claim 9 effect}} |
# | {{claim 9-full text}} | **{{claim 9-full}}** | {{claim 9-full effect}} |
# | {{claim 9-manner text}} | **{{claim 9-manner}}** | {{claim 9-manner effect}} |
# | {{claim 9-manner-full text}} | **{{claim 9-manner-full}}** | {{claim 9-manner-full effect}} |
# | {{claim 6 text}} | **{{claim 6}}** | {{claim 6 effect}} |
# | {{claim 6-domain text}} | **{{claim 6-domain}}** | {{claim 6-domain effect}} |
#
# ## When this fails
#
# - **A dial of ours.** Each family goes one way from the source; the world moves in all ways at once.
# - **A home match.** At similarity 1 the target *is* what the source was brought up on, in other fonts. No real target is as near.
# - **Five labels.** With more of them scratch catches up, and harm is cured sooner (notebook 16).
# - **Small networks** forget thoroughly. A large one keeps more of what its task did not ask for.
# - **The gate reads few labels.** Fifty pictures find each other by luck, too; and it has been judged on our thirteen sources.
#
# ## Exercises
#
# ### Exercise 22.1 · Where does it cross?
#
# Write `crossing(similarities, means)`: the similarity at which the gain crosses zero, by a straight line between the two marks
# around it, seen from the near end; `None` if it never does.

# %% tags=["solution"]
from itertools import pairwise


def crossing(similarities, means):
    pairs = sorted(zip(similarities, means, strict=True), reverse=True)
    for (s0, g0), (s1, g1) in pairwise(pairs):
        if g0 > 0 >= g1:
            return s0 + (s1 - s0) * g0 / (g0 - g1)
    return None


# stub:
# def crossing(similarities, means):
#     return ...

# %% tags=["check"]
assert crossing([1, 0], [0.1, -0.1]) == 0.5, "half way down, half way between"
assert crossing([0, 1], [-0.3, 0.1]) == 0.75, "from the near end, whatever the order they come in"
assert crossing([1, 0.5, 0], [0.3, 0.2, 0.1]) is None, "a gain that stays has no crossing"
for name, verdicts in lost.items():
    print(name, crossing(turns, [v.mean for v in verdicts]), "your guess:", second.value)

# %% [markdown] tags=["hint"]
# Sort from near to far; the first pair of neighbours with a gain above zero and one at or below it; between them the gain falls
# from `g0` to `g1`, so zero is the share `g0 / (g0 - g1)` of the way.

# %% [markdown]
# ### Exercise 22.2 · A distance for questions
#
# The rule of section 3 reads pictures. Write `question_distance(rows, answers)` that reads labelled pictures, seen by
# the source: 1 less the share that is at home. Is it small where transfer pays, on both ends of the second dial?


# %% tags=["solution"]
def question_distance(rows, answers):
    return 1 - at_home(rows, answers)


# stub:
# def question_distance(rows, answers):
#     return ...

# %% tags=["check"]
letters = backbones.load("letters")
end = features.Cut(letters, len(letters.stages), pooled=True)
at_ends = {}
for s, t in ((1.0, asked[0]), (0.0, asked[-1])):
    d = t.draw(labels, seed).all
    at_ends[s] = question_distance(features.activations(end, t.train, d), t.targets[d])
assert 0 <= min(at_ends.values()) <= max(at_ends.values()) <= 1, "a share lies between 0 and 1"
assert at_ends[0.0] > at_ends[1.0], "the far question must be further: is it 1 less the share?"
at_ends

# %% [markdown] tags=["hint"]
# `at_home` of section 6 does the work.

# %% [markdown]
# ### Exercise 22.3 · A stricter gate
#
# The gate lets a source in when it does as well as the pixels. Ask for more: `margin` more pictures at home, as a share. Fill `kept`: for each margin the
# mean accuracy of the gated policy. `votes` holds, for each outcome, the source's share less that of the pixels.

# %% tags=["solution"]
margins = (-1.0, 0.0, 0.05, 0.1, 0.2, 1.01)
kept = {m: float(np.where(votes >= m, frozen, without).mean()) for m in margins}
# stub:
# margins = (-1.0, 0.0, 0.05, 0.1, 0.2, 1.01)
# kept = {m: ... for m in margins}

# %% tags=["check"]
assert np.isclose(kept[-1.0], frozen.mean()), "a margin that everybody meets is `always`"
assert np.isclose(kept[1.01], without.mean()), "a margin that nobody meets is `never`"
assert np.isclose(kept[0.0], policies["gate"].mean()), "without a margin it is the gate of section 6"
kept

# %% [markdown] tags=["hint"]
# `np.where(votes >= m, frozen, without)` chooses outcome by outcome; then the mean.

# %% [markdown]
# **Think.** A hospital has a network that was trained on a million X-rays to name the *disease*. Another wants to know, from the same kind of X-rays, which *machine*
# took them. The pictures are alike to the last pixel. Would you freeze it?

# %% [markdown] tags=["answer"]
# No. Whoever names diseases well has learnt not to care for the machine: it is the thick and thin of X-rays. Let it move, or cut
# earlier (notebook 13), and compare with scratch. (A network that cares too much for the machine is another story: notebook 42 is planned for it.)

# %% tags=["quiz"]
widgets.quiz(
    "A classifier cannot tell source pictures from target pictures. What follows?",
    {
        "Transfer will pay.": "The second dial: the pictures were the same, and frozen transfer did harm.",
        "The pictures are alike; of the question nothing is known.": "It reads no label of the target.",
        "The source has seen the target.": "It need not: alike is not identical.",
    },
    right="The pictures are alike; of the question nothing is known.",
)

# %% tags=["quiz"]
widgets.quiz(
    "Accuracy falls as we turn the first dial. Is that negative transfer?",
    {
        "Yes, it has become worse.": "Worse than before, but harm is measured against no transfer, on the same task.",
        "Only where it falls below scratch.": "That is the definition: the same labels, the same task, no source.",
        "No, never on the same labels.": "It may be: see `memorised`.",
    },
    right="Only where it falls below scratch.",
)

# %% [markdown]
# ## Recap
#
# - **How far?** Turn and see: the gain falls with similarity, of the pictures or of the question.
# - **Similar in what?** Pictures and questions are two dials. Distances between pictures see the first one alone.
# - **Negative transfer** is to be worse than *not transferring*, with the same labels. That a good, frozen network can do that
#   {{claim 9-manner}}; that letting everything move does not always cure it {{claim 9-manner-full}}.
# - **A gate** that asks your few labels costs nothing and is allowed to say no.
#
# **Next:** [23](23_choosing_a_source.ipynb), thirteen sources and one place.
#
# **To read.** Ben-David et al. 2007, *Analysis of representations for domain adaptation*, NIPS. Wang et al. 2019, *Characterizing and
# avoiding negative transfer*, arXiv:1811.09751. Fawaz et al. 2018, *Transfer learning for time series classification*, arXiv:1811.01533.

# %% tags=["record"]
{"distance": distances[-1], "gate": float(policies["gate"].mean()), "always": float(frozen.mean())}
