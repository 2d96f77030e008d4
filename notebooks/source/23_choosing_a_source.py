# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 23 · Choosing a source
#
# **Question.** Thirteen trained networks lie on the shelf, you have five labels a class, and you may take one of them, or none. Which?
#
# **You will** choose by eye, then by numbers that promise to know beforehand, catch one of them out, and find out how far they can
# be believed, the published ones included.
#
# **At stake**, on handwritten digits: frozen, the best source names {{accuracy 23_digits letters-s1 frozen 5}} of the test, the worst
# {{accuracy 23_digits textures frozen 5}}; fine-tuned, {{accuracy 23_digits letters-s2 full 5}} and
# {{accuracy 23_digits textures full 5}}. Without any source it is {{accuracy 23_digits letters scratch 5}}. So a choice is worth much
# to whoever freezes, and far less to whoever lets every stage move.
#
# **Needs** [12](12_feature_extraction.ipynb), [16](16_the_comparison.ipynb) and, for harm, [22](22_similarity.ipynb). Words that are not
# explained here have a line in the [glossary](00_start_here.ipynb#Glossary).
#
# **Time** {{time}} to run, forty minutes to read.

# %% tags=["parameters"]
targets = ["digits", "textures", "symbols"]  # of those with records; the first is looked at closely
plan = "full"  # how the source is used: "full" or "frozen"
seed = 10  # which pictures are labelled: 10 to 19, as in the records
draws = 10  # in so many draws of labels the judges are asked, the slow ones in three at most
judges = ["source accuracy", "kNN", "linear probe", "LEEP", "TransRate"]  # those in the figures, of eleven
choice = "letters"  # the source that you would take for the first target
guess = 0.5  # your guess in section 1; the slider starts here

# %%
import numpy as np
import torch
from IPython.display import Markdown

from tlkit import backbones, env, features, stats, tasks
from tlkit.fit import fit
from tlkit.records import values
from tlkit_lessons import drawing, ledger, material, nb23_scores, ranking, scores, widgets

env.setup(seed)

# %% [markdown]
# ## 1 · What lies on the shelf
#
# All thirteen are the same small network. Here are ten pictures of each kind that they were brought up on. The last
# row is your target. Which kind would you take for it?

# %%
stores = {name: ledger.shelf().store(f"23_{name}") for name in targets}
records = {name: store.read() for name, store in stores.items() if store}
goals = {name: tasks.load(rows[0].task) for name, rows in records.items()}
first, task = targets[0], goals[targets[0]]
nets = {name: backbones.load(name) for name in dict.fromkeys(r.backbone for r in records[first])}

# %%
drawn = [material.glyphs(alphabet, 1, 0) for alphabet in ("letters", "greek", "cyrillic", "symbols")]
drawn += [family(1, 0) for family in (material.textures, material.strokes, material.fractals)]
rows = [pictures[0][:10] for pictures in drawn] + [task.train.inputs[task.draw(1, seed).all]]
rows_are = ("Latin", "Greek", "Cyrillic", "symbols", "textures", "strokes", "fractals", "target")
figure = drawing.gallery(np.concatenate(rows), ncols=10, rows=rows_are)

# %% [markdown]
# Each has a card. On it stands how it was taught, and how well it does *what it was brought up for*: its *source accuracy*.
#
# | source | kind | steps | classes | source accuracy | by chance |
# |---|---|--:|--:|--:|--:|
# | `letters` | Latin, well taught | {{card letters steps}} | {{card letters classes}} | {{card letters source_accuracy}} | {{card letters source_chance}} |
# | `letters-s1` | Latin, well taught | {{card letters-s1 steps}} | {{card letters-s1 classes}} | {{card letters-s1 source_accuracy}} | {{card letters-s1 source_chance}} |
# | `letters-s2` | Latin, well taught | {{card letters-s2 steps}} | {{card letters-s2 classes}} | {{card letters-s2 source_accuracy}} | {{card letters-s2 source_chance}} |
# | `letters-nolookalikes` | Latin, well taught | {{card letters-nolookalikes steps}} | {{card letters-nolookalikes classes}} | {{card letters-nolookalikes source_accuracy}} | {{card letters-nolookalikes source_chance}} |
# | `letters-early` | Latin, badly taught | {{card letters-early steps}} | {{card letters-early classes}} | {{card letters-early source_accuracy}} | {{card letters-early source_chance}} |
# | `memorised` | Latin, badly taught | {{card memorised steps}} | {{card memorised classes}} | {{card memorised source_accuracy}} | {{card memorised source_chance}} |
# | `letters-ssl` | Latin, no names | {{card letters-ssl steps}} | none | none | |
# | `greek` | other characters | {{card greek steps}} | {{card greek classes}} | {{card greek source_accuracy}} | {{card greek source_chance}} |
# | `cyrillic` | other characters | {{card cyrillic steps}} | {{card cyrillic classes}} | {{card cyrillic source_accuracy}} | {{card cyrillic source_chance}} |
# | `symbols` | other characters | {{card symbols steps}} | {{card symbols classes}} | {{card symbols source_accuracy}} | {{card symbols source_chance}} |
# | `textures` | no characters | {{card textures steps}} | {{card textures classes}} | {{card textures source_accuracy}} | {{card textures source_chance}} |
# | `strokes` | no characters | {{card strokes steps}} | {{card strokes classes}} | {{card strokes source_accuracy}} | {{card strokes source_chance}} |
# | `fractals` | no characters | {{card fractals steps}} | {{card fractals classes}} | {{card fractals source_accuracy}} | {{card fractals source_chance}} |
#
# So they differ in more than in what they saw: Latin had twice the lessons of Greek. `letters-early` was taken away too soon.
# `letters-ssl` was never told a letter's name: it learnt to find two distorted views of the same picture. `memorised` was told
# *wrong* names of a few hundred letters, dealt out by lot, until it knew them by heart (of fresh letters it knows nothing). And
# `strokes` is a pupil who has only half learnt the lesson, and a strange lesson: its strokes run in any direction, so it was
# taught that direction does not matter (notebook 22 shows what that does).

# %% [markdown] tags=["predict"]
# **Predict.** First put your `choice` into the parameters. Then the obvious number: sort the shelf by source accuracy. How well will
# this order agree with that of the accuracies on digits, after fine-tuning?
#
# Agreement is counted by *weighted tau* (section 5): one if both orders are the same, minus one if one is the other backwards, about
# zero if knowing the one says nothing about the other.

# %%
slider = widgets.guess("Weighted tau of source accuracy, first target", guess, low=-1.0, high=1.0, step=0.05)
slider

# %% [markdown]
# ## 2 · The simplest look: do relatives stand together?
#
# Take the labelled pictures, fifty of them, and the 128 features that a source makes of each. Does the picture next to a three show
# a three as well? Count how often. That is *kNN*, with one neighbour: no training, no steps, a matter of milliseconds.


# %%
def seen(net, task, labelled):
    """What the source makes of the labelled pictures: N x 128."""
    cut = features.Cut(net, len(net.stages), pooled=True)
    return features.activations(cut, task.train, labelled).double()


labelled = task.draw(5, seed).all
y = np.asarray(task.targets)[labelled]
x = seen(nets[choice], task, labelled)
apart = torch.cdist(x, x).fill_diagonal_(torch.inf)  # nobody is a neighbour of itself
by_hand = np.mean(y[apart.argmin(1)] == y)
np.testing.assert_allclose(scores.score("kNN", x, y), by_hand)
print(f"{choice}: {by_hand:.2f} of the pictures have a relative for a neighbour")

# %% [markdown]
# ## 3 · Judges
#
# There are many such *transferability scores*. Five will do: *source accuracy* and *kNN* you know. The *linear probe* trains a head on
# four fifths of the labels and marks it on the last, five times. *LEEP* asks the old head. Show letters a seven: it may say **T**,
# every time. Wrong, and most useful: if all **T** are sevens, it need only be translated, and LEEP is how well that
# goes (exercise 23.1). *TransRate* comes from information theory: the bits that it takes to write the features down, minus the bits
# still needed once the class is known.
#
# <details><summary>Six more are asked beside them</summary>
#
# **LogME**: how likely are the labels, if a linear head made them from the features? **H-score**: see the next figure. **Shrinkage
# H-score**: that one, with a spread that can be known from few pictures.
# **GBC**: how much do the classes overlap, each taken for a round cloud? **NCE**: LEEP, of the old head's likeliest class alone. **NLEEP**: LEEP with old
# classes made up from clusters of the features.
#
# </details>
#
# The probe and NLEEP, which are slow, are asked in three draws of labels only. Whom do they pick? The two that each likes best (of
# equals, the first on the shelf), with their scores:


# %%
def judged(task, nets, seeds, names):
    """Score -> draw x source; NaN where a source learnt no classes and the score asks for them."""
    rows = [[scores.score_source(task, net, 5, one, names) for net in nets.values()] for one in seeds]
    return {name: np.array([[source[name] for source in row] for row in rows]) for name in names}


# %%
slow = ("linear probe", "NLEEP")
quick = [name for name in scores.NAMES if name not in slow]
seeds = [10 + (seed + k) % 10 for k in range(draws)]  # yours first
scored = {t: judged(one, nets, seeds, quick) | judged(one, nets, seeds[:3], slow) for t, one in goals.items()}
for name in judges:
    yours = scored[first][name][0]
    print(f"{name:16}", *(f"{[*nets][k]} {yours[k]:.2f}  " for k in np.argsort(-yours)[:2]))

# %% [markdown]
# They do not agree. Whom to follow? "TransRate has a theory behind it, and its winner is far ahead." For digits, then,
# `memorised` it is.
#
# **That was a wrong turn**, and nobody needs an accuracy to see it: this network has learnt random names by heart. There is a
# test for such judges. **Shuffle the labels** of your fifty pictures. Now nothing can be known about them; whatever is left of a
# score is not about the labels.


# %%
looks = {source: seen(net, task, labelled) for source, net in nets.items()}
mixed = np.random.default_rng(seed).permutation(y)
three = ("kNN", "H-score", "TransRate")
asked = [{n: {s: scores.score(n, x, z) for s, x in looks.items()} for n in three} for z in (y, mixed)]

# %%
figure = nb23_scores.scores_with_shuffled_labels(*asked)
for name in ("letters", "memorised"):
    spread = np.linalg.eigvalsh(np.cov(looks[name].T))
    print(f"{name} fills about {spread.sum() ** 2 / (spread**2).sum():.0f} directions")

# %% [markdown]
# kNN falls to guessing. **TransRate** hardly moves, least of all for its winner: its bits grow with the number of directions that the
# features fill. To keep apart pictures that have nothing in common, `memorised` had to spread them in many; and of five in a class
# there is little to subtract. (What it loses by the shuffle did speak of the labels: more for `letters` than for `memorised`.) The
# **H-score** asks how far apart the means of the classes are, each direction measured by its own spread. It says the same for every
# source and every labelling, its largest value, the number of classes less one: with fifty pictures in 128 dimensions *any* labelling
# fits perfectly. On thousands of labels both may be fine judges; they were made for that.
#
# ## 4 · What came out
#
# Now the truth. Each source was used by `plan`, with ten draws of labels each; the records know how well. One fit is run here again,
# of your choice, to see that the records do not lie.


# %%
def accuracies(rows, plan, source="letters"):
    return [value for _, value in sorted(values(rows, plan=plan, labels=5, backbone=source).items())]


came = {t: np.array([accuracies(rows, plan, s) for s in nets]).T for t, rows in records.items()}
here = fit(task, nets[choice], plan, 5, seed).test.metrics["accuracy"]
there = came[first][seed - 10][[*nets].index(choice)]
print(f"{choice}, {plan}: {here:.3f} here, {there:.3f} in the file")
assert abs(here - there) < 0.03, f"{choice} does not come out as recorded"

# %%
kinds = dict.fromkeys(nets, "Latin, well taught") | {"letters-ssl": "Latin, no names"}
kinds |= dict.fromkeys(["letters-early", "memorised"], "Latin, badly taught")
kinds |= dict.fromkeys(["greek", "cyrillic", "symbols"], "other characters")
kinds |= dict.fromkeys(["textures", "strokes", "fractals"], "no characters")

# %%
truth = {t: dict(zip(nets, map(stats.interval, rows.T), strict=True)) for t, rows in came.items()}
scratch = {t: np.mean(accuracies(rows, "scratch")) for t, rows in records.items()}
means = {t: {n: dict(zip(nets, scored[t][n].mean(0), strict=True)) for n in judges} for t in goals}
figure = nb23_scores.scores_against_truth(means, truth, kinds, scratch, f"accuracy, {plan}")

# %% [markdown]
# A marker is a source: its mean score to the right, its accuracy upwards, with the doubt of ten draws. (`letters-ssl`, which has no
# classes, has no mark of its own and none from LEEP.) A good judge gives a rising band. The dotted line is **no source at all**, and it
# belongs to the choice; but it, too, is a mean of ten draws, and the last table says what is *shown* to lie below it. No judge has a
# place for that line; they put sources into an order, and never say *none of these*.
#
# Then look at *source accuracy*. Who names nearly all ten textures has passed an easy examination; among 52 letters are
# **O** and **o**, **l** and **I**, which nobody can tell apart. (That is a part of it: without such twins the mark is
# {{card letters-nolookalikes source_accuracy}}.) A mark is worth as much as the question behind it.
#
# ## 5 · How sure is a judge?
#
# To put a number on it, take all pairs of sources: those that the judge puts in the right order, less those in the wrong one, as a
# share of all. That is Kendall's tau. *Weighted* tau counts a pair the more, the higher up it is, by the judge and by the truth.
#
# And the doubt? In 16 the seeds were the luck; here it is *the sources* as well. Somebody else's shelf would hold others. So draw as
# many from ours, with replacement, some twice and some not at all, and draws of labels likewise, for the score and for the truth.
# (A source and its copy are no pair.) Again and again, and look how the mean tau wanders: that is its interval. One that holds zero is
# drawn in grey: **cannot tell**.
#
# On grey paper stands what counts in the end: the accuracy *lost* by taking the judge's pick instead of the best source. (The mean over
# draws, without its doubt; of equals, one by lot.)


# %%
def agrees(score, truth):
    """Over the sources of which the score says something."""
    told = ~np.isnan(score).any(0)
    return ranking.agreement(score[:, told], truth[:, told], resamples=1000)


def falls_short(score, truth):
    """What a judge's pick loses against the best source, in the mean over its draws."""
    return truth.mean(0).max() - (ranking.chance_kept(score, 1) @ truth.mean(0)).mean()


# %%
found = {t: {n: agrees(scored[t][n], came[t]) for n in judges} for t in goals}
lost = {t: {n: falls_short(scored[t][n], came[t]) for n in judges} for t in goals}
figure = nb23_scores.agreements(found, lost, ("source accuracy", slider.value))

# %% [markdown]
# The diamond was your guess. Most of these intervals are long: thirteen sources are few. And each of the fifteen stands for itself: that
# one of them just misses zero, as TransRate's on textures, is little to go by. *Textures* and *symbols* have a source at home on this
# shelf, brought up on their very classes: kNN, the probe and LEEP find that one without fail, and what remains may be too close to be
# put into an order. *Digits* has none.
#
# ## 6 · Keep three
#
# Tau is about all sources, *lost* about one. What one would really do lies between: let the judge keep three, and try these. Then two
# things matter. Is the best source among the three? And of those that do harm (shown to be *worse* than scratch, as in notebook 22),
# how many are thrown out?


# %%
def kept_and_thrown(chance, gains):
    """How often the best source is kept, and how many of those that harm are not. chance: draw x source."""
    best = np.argmax([one.mean for one in gains.values()])
    harm = np.array([one.word == "worse" for one in gains.values()])
    out = f"{(1 - chance)[:, harm].sum(1).mean():.1f} of {harm.sum()}" if harm.any() else "–"
    return f"{chance[:, best].mean():.0%}; {out}"


# %%
both = {t: ledger.by_source(stores[t], list(nets), ("frozen", "full"), "scratch", 5) for t in goals}
worth = {(t, p): gains for t, plans in both.items() for p, gains in plans.items()}
table = "| judge | " + " | ".join(map(", ".join, worth)) + " |\n|---|" + "---|" * len(worth)
for n in dict.fromkeys([*judges, *scores.NAMES, "by lot"]):
    kept = {t: ranking.chance_kept(scored[t].get(n, np.zeros((1, len(nets)))), 3) for t in goals}
    cells = " | ".join(kept_and_thrown(kept[t], gains) for (t, _), gains in worth.items())
    table += f"\n| {n} | {cells} |"
Markdown(table)

# %% [markdown]
# In each cell: how often the best was kept; how many of the harmful ones were thrown out (ten at most, for three are kept). Mind the
# last row: the lot, too, throws out most of what harms. Most judges that look at your labels do better by one or two, on textures by
# less. The H-score *is* the lot; source accuracy and TransRate are now above it, now below. (Without classes, `letters-ssl` can only be thrown out by
# source accuracy, LEEP and NCE.) To keep the *best* is another matter: of fine-tuned digits some judges never miss it, and kNN mostly
# does. But the good ones are so close that ten draws hardly tell which *is* best, and to miss it costs next to nothing: see *lost*.
#
# ## 7 · Check the published table
#
# Is that only our small shelf? Others print such tables: for each of eight data sets, ten networks with scores and accuracies, and a tau
# for each score. **Whoever prints all of it can be checked.** Here are those of TLLib, a library in wide use, as they stand at its
# commit `56ccfd7` (`examples/model_selection/README.md`; they came in March 2022, with pull request 118).

# %%
path = env.cache_dir() / "published" / "tllib_model_selection.csv"
if path.is_file():
    lines = ranking.recompute(path)
    print("off:", *sorted({line.dataset for line in lines if not line.reproduces}))
    pairs = [(a, b) for a in lines for b in lines if a.dataset == b.dataset and a.score < b.score != a.copies]
    gaps = [ranking.ahead(a.scores, b.scores, a.truth, resamples=1000) for a, b in pairs]
    print(f"told apart: {sum(not low <= 0 <= high for _, low, high in gaps)} of {len(gaps)} pairs of judges")
    ax = nb23_scores.printed_and_recomputed(lines)
else:
    print(f"{path.name} is not in the cache: TLLib prints it in examples/model_selection/README.md")

# %% [markdown]
# Across, the tau that was printed; up, the one that the printed scores give. Five sets lie on the line, but for rounding. *Aircraft* and *Pets* do
# not, with any score. We have tried tau without weights and with others, the accuracies of every other set, two of them exchanged,
# one of them changed: none of it gives the four printed numbers. And of *DTD* one column stands there twice, under two names (the rings).
# Nobody need have cheated; tables are copied, and rows slip. Before you build on a table, recompute what can be recomputed.
#
# And which *judge* is best? Two that judge the same ten networks share their luck, so what counts is the interval of the *difference* of
# their taus, with the same networks drawn again for both. Within one data set not one pair is told apart, as printed above.
# (All eight together we have not asked; two of them are doubtful.)
#
# ## What we saw

# %% tags=["headline"]
out = "| target | plan | scratch | blindly | yours | by kNN | best | which | better | worse |\n" + 10 * "|---"
for (t, p), gains in worth.items():
    mean, said = np.array([one.mean for one in gains.values()]), [one.word for one in gains.values()]
    taken = (ranking.chance_kept(scored[t]["kNN"], 1) @ mean).mean()
    away = mean[[source != t for source in gains]].mean()
    five = " | ".join(f"{scratch[t] + gain:.3f}" for gain in (0, away, gains[choice].mean, taken, mean.max()))
    out += f"\n| {t} | {p} | {five} | `{[*gains][mean.argmax()]}` | {said.count('better')} | {said.count('worse')} |"
Markdown(out)

# %% [markdown]
# *Blindly* is the mean of all sources that are not at home, *yours* your `choice`, *by kNN* the mean of its picks; *better* and *worse*
# count the sources that are shown to be so.
#
# - **Who moves every stage is forgiven.** Hardly a source is shown to harm, and blindly one does about as well as without any, or
#   better. To search gains little beyond that on digits, and much where one source is at home. (On symbols most of the others help as
#   well, and not alike; on textures none does.)
# - **Who freezes is not.** On digits and on textures most sources harm, on symbols about half. On digits kNN's picks come out a little
#   below scratch (which was not tested), and even the best is not shown to be better than none.
#
# How a network was *taught* matters, not only what it saw. Frozen, `letters` names {{accuracy 23_digits letters frozen 5}} of the digits;
# taken away too soon (`letters-early`) {{accuracy 23_digits letters-early frozen 5}}; and `fractals`, which look like nothing on earth,
# {{accuracy 23_digits fractals frozen 5}}. (`memorised` names {{accuracy 23_digits memorised frozen 5}}, but it saw few pictures *and*
# wrong names. Notebook 22 draws them all, with their doubt.) And `letters-s1`, another start of the same lessons, was ahead of
# `letters` in {{ahead 23_digits letters-s1 letters full 5}} draws: no judge can promise to get *that* right.
#
# So the honest answer to the question: **move every stage, let a judge that looks at your labels keep three, and try these beside
# scratch.** To try them takes labels on which nobody trained. The few that five a class leave tell large differences only; where they
# tell none, take the judge's first, and do not call the three equal. (We have measured the parts of this advice, not the whole.)
#
# ## When this fails
#
# - **Sources that are kin.** Four of thirteen are letters well taught. The resampling takes them for four independent witnesses, so the
#   intervals are rather too short than too long.
# - **The best is known afterwards.** It was found on the same ten draws that tell its accuracy; where sources lie close together, their
#   order is luck, and no judge can agree with luck.
# - **One size.** All thirteen are the same network. Where sources differ in width or depth, several scores are not comparable at all,
#   and how *able to learn* a network is counts as well.
# - **Few targets.** Three, all small and grey. Studies of hundreds of thousands of choices found that small changes of the set-up change the
#   winner among the judges (Agostinelli et al. 2022).
#
# ## Exercises
#
# ### Exercise 23.1 · LEEP in four lines
#
# A head says of every picture how likely each of *its* classes is (`says`, picture x old class); `truly` is the class that you want. For
# each new class add up, over its pictures, all that the head says (not its first choice only). Read that as a dictionary: each old
# class, in shares of the new ones. Translate what the head says, and average the logarithm of what the true class gets.


# %% tags=["solution"]
def leep_by_hand(says, truly):
    together = np.eye(truly.max() + 1)[truly].T @ says  # new class x old class: added up
    dictionary = together / together.sum(0)  # an old class, in shares of the new ones
    translated = says @ dictionary.T  # picture x new class
    return np.log(translated[np.arange(len(truly)), truly]).mean()


# stub:
# def leep_by_hand(says, truly):
#     together = np.eye(truly.max() + 1)[truly].T @ says  # new class x old class: added up
#     dictionary = ...  # an old class, in shares of the new ones
#     translated = ...  # picture x new class
#     return ...

# %% tags=["check"]
for s in range(3):
    rng = np.random.default_rng(s)
    p, z = rng.dirichlet(np.ones(6), 40), np.arange(40) % 3
    mine, right = leep_by_hand(p, z), scores.leep(p, z)
    assert not np.isclose(mine, right / np.log(2)), "that is in bits: take the natural logarithm"
    assert np.isclose(mine, right), "all the head's shares count; each *old* class sums to 1; mean of logs"
print(f"always the same: {leep_by_hand(np.full((40, 6), 1 / 6), z):.3f}; log(1/3): {np.log(1 / 3):.3f}")

# %% [markdown] tags=["hint"]
# `together.sum(0)` is how much each old class is said at all. A picture gets, for a new class, the old classes' shares of it, weighted
# by what the head says: `says @ dictionary.T`.

# %% [markdown]
# ### Exercise 23.2 · Mend the H-score
#
# The H-score fails because there are more dimensions than pictures. Give it fewer: write `h_of_parts(x, y, k)`, the H-score of the
# `k` strongest *principal components*: the features along the `k` directions in which they are spread most. (Take the mean off each
# column; the singular value decomposition orders the directions.) Then the labels are shuffled again.


# %% tags=["solution"]
def h_of_parts(x, y, k):
    x = np.asarray(x)
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    return scores.h_score(u[:, :k] * s[:k], y)


# stub:
# def h_of_parts(x, y, k):
#     x = np.asarray(x)
#     u, s, _ = np.linalg.svd(..., full_matrices=False)
#     return scores.h_score(..., y)

# %% tags=["check"]
from sklearn.decomposition import PCA

for k in (5, 10):
    right = scores.h_score(PCA(k, svd_solver="full").fit_transform(looks[choice].numpy()), y)
    assert np.isclose(h_of_parts(looks[choice], y, k), right), "centre first, then keep the first k columns"
few = {s: h_of_parts(x, y, 10) for s, x in looks.items()}
left = np.mean([h_of_parts(x, mixed, 10) for x in looks.values()])
print(f"mean {np.mean([*few.values()]):.2f}, with shuffled labels {left:.2f}; picks {max(few, key=few.get)}")

# %% [markdown] tags=["hint"]
# `u[:, :k] * s[:k]` are the first `k` components. (`u[:, :k]` will do: the score measures each direction by its own spread.) What
# shuffled labels leave now is the price of few pictures: about `k` times the number of classes less one, over the number of pictures.

# %% [markdown]
# ### Exercise 23.3 · How many sources?
#
# How large a shelf makes the interval of tau shorter than one half? Make up shelves: `n` true accuracies from a bell curve, and a judge
# that follows them with correlation `r`. Write `width(n, r, seed)`, the length of the interval of one such shelf. To get the same shelf
# as the check, draw with `np.random.default_rng(seed)`, by `normal`, first the `n` accuracies and then `n` numbers of noise; the interval
# is that of `ranking.agreement(judge, real, resamples=200)`.


# %% tags=["solution"]
def width(n, r, seed):
    rng = np.random.default_rng(seed)
    real, noise = rng.normal(size=(2, n))
    found = ranking.agreement(r * real + np.sqrt(1 - r**2) * noise, real, resamples=200)
    return found.high - found.low


# stub:
# def width(n, r, seed):
#     rng = np.random.default_rng(seed)
#     real, noise = rng.normal(size=(2, n))
#     found = ranking.agreement(..., real, resamples=200)
#     return ...

# %% tags=["check"]
for n, r, s in ((50, 0.9, 1), (20, 0.6, 2)):
    real, noise = np.random.default_rng(s).normal(size=(2, n))
    right = ranking.agreement(r * real + (1 - r**2) ** 0.5 * noise, real, resamples=200)
    assert np.isclose(width(n, r, s), right.high - right.low), "real first; r real + root of 1 - r**2 noise"
for n in (8, 13, 25, 50, 100):
    length = np.mean([width(n, 0.7, s) for s in range(15)])
    print(f"{n:3} sources: {length:.2f} on average", "(enough)" if length < 0.5 else "")

# %% [markdown] tags=["hint"]
# Two numbers with spread one, `r` of the one and `np.sqrt(1 - r**2)` of the other: the sum has spread one again, and correlation `r`
# with the first.

# %% [markdown]
# **Think.** No judge of ours can say *take none*. How would you make one say it, and what would you give for the answer?

# %% [markdown] tags=["answer"]
# Give it something to beat: the same score on bare pixels, as the gate of notebook 22 does, or on a network that nobody has trained. Whatever
# stays below has nothing to tell. But that is a bar made of *features*, and the rival is `scratch`, which will learn its own from your labels: between the two
# bars lie sources that look useful and still do harm when frozen. Only one number speaks of scratch: its accuracy, on labels that
# were set aside. It costs one more fit beside the three, and with small networks that is a matter of seconds; the labels are the dear part.

# %% tags=["quiz"]
widgets.quizzes("23")

# %% [markdown]
# ## Recap
#
# - **Which source?** Most judges that look at your labels throw out more of what harms than the lot does. Try three of the rest, on
#   labels set aside.
# - **What is it worth?** Much to whoever freezes; to whoever lets every stage move little on digits, more where a source is at home.
# - **None of them** is a choice, and no judge says so: put scratch among those that you try.
# - How a source was taught counts, and the eye sees only on what. Source accuracy compares only those who sat the same examination.
# - Shuffle the labels: what is left of a score knows nothing of them. With fewer pictures than features that happens to famous ones.
# - A ranking of thirteen sources is a small sample. Ask for the interval *over sources and draws*; of two judges, for that of the
#   difference.
#
# **Next:** [24](24_how_good_how_much.ipynb) keeps the source and asks how good it must be, and how much data it takes until it no longer matters.
#
# **To read.** Nguyen et al. 2020, *LEEP*, arXiv:2002.12462. You et al. 2021, *LogME*, arXiv:2102.11005. Kornblith et al. 2019, *Do
# better ImageNet models transfer better?*, arXiv:1805.08974. Agostinelli et al. 2022, *How stable are transferability metrics
# evaluations?*, arXiv:2204.01403. Sorkhei et al. 2025, arXiv:2503.18528: many thousands of runs, and kNN ahead of the other judges.

# %% tags=["record"]
{f"{target}, {name}": round(one.tau, 2) for target, rows in found.items() for name, one in rows.items()}
