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
# **Question.** Thirteen trained networks lie on the shelf, you have five labels a class, and you may fine-tune one. Which?
#
# **You will** choose by eye, then by numbers that promise to know beforehand, catch one of them out, and find out how far such
# numbers can be believed, the published ones included.
#
# **Needs** [12](12_feature_extraction.ipynb) and [16](16_the_comparison.ipynb). New words are explained where they first appear.
#
# **Time** {{time}} to run, half an hour to read.

# %% tags=["parameters"]
targets = ["digits", "textures"]  # the first is looked at closely
plan = "full"  # how the source is used: "full" or "frozen"
seed = 10  # which pictures are labelled: 10 to 19, as in the records
choice = "letters"  # the source that you would take for the first target
guess = 0.5  # your guess in section 1; the slider starts here

# %%
import numpy as np
import torch
from IPython.display import Markdown, display
from scipy.stats import weightedtau

from tlkit import backbones, claims, env, features, plots, scores, simulate, widgets
from tlkit.fit import fit
from tlkit.records import values
from tlkit.tasks import catalogue

env.setup(seed)

# %% [markdown]
# ## 1 · What lies on the shelf
#
# All thirteen are the same small network. They differ in what they were brought up on; here are ten pictures of each kind. The last
# row is your target. Which kind would you take for it?

# %%
shelf = claims.shelf()
records = {name: shelf.store(f"23_{name}").read() for name in targets}
tasks = {name: catalogue.load(rows[0].task) for name, rows in records.items()}
first, task = targets[0], tasks[targets[0]]
nets = {name: backbones.load(name) for name in dict.fromkeys(r.backbone for r in records[first])}
drawn = [simulate.glyphs(alphabet, 1, 0) for alphabet in ("letters", "greek", "cyrillic", "symbols")]
drawn += [family(1, 0) for family in (simulate.textures, simulate.strokes, simulate.fractals)]
rows = [pictures[0][:10] for pictures in drawn] + [task.train.inputs[task.draw(1, seed).all]]
rows_are = ("Latin", "Greek", "Cyrillic", "symbols", "textures", "strokes", "fractals", "target")
figure = plots.gallery(np.concatenate(rows), ncols=10, rows=rows_are)

# %% [markdown]
# Latin letters had several pupils. Four learnt them well, one of these without the letters that look like digits. `letters-early` was
# taken from its lessons too soon. `letters-ssl` was never told a letter's name: it learnt to find two distorted views of the
# same picture, and that is all. And `memorised` was told wrong names, dealt out by lot, until it knew them by heart.
#
# | sources | kind |
# |---|---|
# | `letters`, `letters-s1`, `letters-s2`, `letters-nolookalikes` | Latin letters, well taught |
# | `letters-early`, `memorised` | Latin letters, badly taught |
# | `letters-ssl` | Latin letters, without labels |
# | `greek`, `cyrillic`, `symbols` | other characters |
# | `textures`, `strokes`, `fractals` | no characters |

# %% [markdown] tags=["predict"]
# **Predict.** First put your `choice` into the parameters. Then the obvious number: on every card stands how well a network does
# *what it was brought up for*, its source accuracy. `letters` names {{card letters source_accuracy}} of its letters, `cyrillic`
# {{card cyrillic source_accuracy}}, `textures` {{card textures source_accuracy}}. Sort the shelf by that. How well will this order agree with that of
# the accuracies on digits, after fine-tuning?
#
# Agreement is counted by *tau*: one if both orders are the same, minus one if one is the other backwards, zero if knowing
# the one says nothing about the other.

# %%
slider = widgets.guess("Tau of source accuracy, on the first target", guess, low=-1.0, high=1.0, step=0.05)
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
# ## 3 · Another: ask the old head
#
# A source comes with a head that names *its* classes. Show letters a seven: it may say **T**, every time. Wrong, and most useful: if all
# **T** are sevens, the head need only be translated. *LEEP* asks how well it translates. By hand, with four
# pictures, two old classes and two new ones:

# %%
says = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]])  # picture x old class: what the head says
truly = np.array([0, 0, 1, 1])  # what the pictures are
together = np.eye(2)[truly].T @ says / 4  # new class x old class: how often both
dictionary = together / together.sum(0)  # read down a column: an old class, in new ones
translated = says @ dictionary.T  # picture x new class
leep_by_hand = np.log(translated[range(4), truly]).mean()
print(dictionary.round(2), f"\nLEEP {leep_by_hand:.3f}")

# %% [markdown]
# Zero would be a perfect translation. And the worst? A head that always says the same leaves the labels as uncertain as they
# were before: minus their *entropy*, here minus the logarithm of two.

# %%
np.testing.assert_allclose(scores.leep(says, truly), leep_by_hand)
np.testing.assert_allclose(scores.leep(np.full((4, 2), 0.5), truly), -np.log(2))

# %% [markdown]
# ## 4 · Eleven judges
#
# There are many such *transferability scores*. Some ask how well a linear head would read the features (LogME, H-score, a
# probe with folds), some how far apart the classes lie (GBC, TransRate, kNN), some translate (LEEP, NCE, and NLEEP, which makes old
# classes of its own). One line asks them all. Whom does each of them pick?


# %%
def judged(task, nets, seed, names):
    """Score -> source -> value; who learnt without classes has none where classes are asked for."""
    found = {source: scores.score_source(task, net, 5, seed) for source, net in nets.items()}
    return {name: {s: row[name] for s, row in found.items() if not np.isnan(row[name])} for name in names}


def picks(column):
    return [source for source, value in column.items() if value == max(column.values())]


names = dict.fromkeys(["source accuracy", "kNN", "linear probe", *scores.NAMES])  # the simple ones first
scored = {name: judged(task, nets, seed, names) for name, task in tasks.items()}
for name, column in scored[first].items():
    print(f"{name:18}", *picks(column)[:3], "and all the others" * (len(picks(column)) > 3))

# %% [markdown]
# (`letters-ssl` has no classes, so three of the judges do not know it.) They do not agree. Whom to follow? "TransRate comes from information
# theory, and its winner is far ahead." For digits, then, `memorised` it is.
#
# **That was a wrong turn**, and nobody needs an accuracy to see it: this network has learnt random names by heart. There is a
# test for such judges. **Shuffle the labels** of your fifty pictures. Now nothing can be known about them; whatever is left of a
# score is not about the labels.


# %%
def asked(names, task, nets, labelled, y):
    rows = {source: seen(net, task, labelled) for source, net in nets.items()}
    return {name: {s: scores.score(name, x, y) for s, x in rows.items()} for name in names}


mixed = np.random.default_rng(seed).permutation(y)
three = ("kNN", "H-score", "TransRate")
figure = plots.scores_with_shuffled_labels(*(asked(three, task, nets, labelled, z) for z in (y, mixed)))

# %% [markdown]
# kNN falls to guessing. **TransRate** hardly moves, least of all for its winner: it counts how many directions the features
# fill, less those within the classes. To keep apart pictures that have nothing in common, `memorised` had to spread them in
# all directions; and of five in a class there is little to subtract. The **H-score** says the same for every source and for
# every labelling, its largest value. It asks how well the features fit the classes, each direction taken as seriously as any other; and
# with fifty pictures in 128 dimensions *any* labelling fits perfectly. On thousands of labels both may be fine judges; they were made for that.
#
# ## 5 · What came out
#
# Now the truth. Each source was used by `plan`, with ten draws of labels each; the records know how well. One fit is run here again,
# of your choice, to see that the records do not lie.


# %%
def mean_accuracy(rows, **which):
    return np.mean(list(values(rows, labels=5, **which).values()))


truth = {t: {s: mean_accuracy(records[t], plan=plan, backbone=s) for s in nets} for t in targets}
here = fit(task, nets[choice], plan, 5, seed).test.metrics["accuracy"]
there = values(records[first], plan=plan, labels=5, backbone=choice)[seed]
print(f"{choice}, {plan}: {here:.3f} here, {there:.3f} in the file")
assert abs(here - there) < 0.03, f"{choice} does not come out as recorded"

# %%
kinds = dict.fromkeys(nets, "letters") | {"letters-ssl": "no labels"}
kinds |= dict.fromkeys(["letters-early", "memorised"], "badly taught")
kinds |= dict.fromkeys(["greek", "cyrillic", "symbols"], "other characters")
kinds |= dict.fromkeys(["textures", "strokes", "fractals"], "no characters")
scratch = mean_accuracy(records[first], plan="scratch")
figure = plots.scores_against_truth(scored[first], truth[first], kinds, scratch, f"accuracy, {plan}")

# %% [markdown]
# A marker is a source: its score to the right, its accuracy upwards. (The dotted line is `scratch`: no source at all, same labels.) A good
# judge gives a rising band, and the more so the further up, for there you will pick.
#
# Look at *source accuracy* first, then at the marker far right in *TransRate*. And then at the top of any panel: the sources that
# you would really hesitate between lie so close that hardly any judge could order them.
#
# ## 6 · How sure is a judge?
#
# To put a number on it, take all pairs of sources: those that the judge puts in the right order, less those in the wrong one, as a
# share of all. That is Kendall's tau. *Weighted* tau counts a pair the more, the higher up it is.
#
# And the doubt? In 16 the seeds were the luck; here it is *the sources*. Somebody else's shelf would hold others. So draw as many
# from ours, with replacement, some twice and some not at all, again and again, and look how tau wanders:

# %%
knn, real = (np.array(list(column.values())) for column in (scored[first]["kNN"], truth[first]))
resampled = np.random.default_rng(0).integers(len(real), size=(1000, len(real)))
taus = [weightedtau(knn[drawn], real[drawn]).statistic for drawn in resampled]
one = scores.agreement(knn, real, resamples=1000)
np.testing.assert_allclose((one.low, one.high), np.quantile(taus, [0.025, 0.975]))
print(f"kNN: weighted tau {one.tau:.2f}, and between {one.low:.2f} and {one.high:.2f} on most such shelves")

# %% [markdown]
# So for every judge and every target. An interval that holds zero is drawn in grey: **cannot tell**. On the right stands what
# counts in the end: the accuracy *lost* by taking the judge's pick instead of the best source. (Of several picks, their mean.)


# %%
def side_by_side(*columns):
    """The same sources from each column, those that all of them have."""
    return [[column[s] for s in columns[-1] if all(s in c for c in columns)] for column in columns]


found, lost = {}, {}
for name, columns in scored.items():
    found[name] = {n: scores.agreement(*side_by_side(c, truth[name])) for n, c in columns.items()}
    regret = {s: max(truth[name].values()) - value for s, value in truth[name].items()}
    lost[name] = {n: np.mean([regret[s] for s in picks(c)]) for n, c in columns.items()}
    mine = f", yours {regret[choice]:.3f}" * (name == first)
    print(f"{name}: a source taken blindly loses {np.mean(list(regret.values())):.3f}{mine}")
figure = plots.agreements(found, lost, ("source accuracy", slider.value))

# %% [markdown]
# Most of these intervals are long. Thirteen sources are few, and much of any tau comes from telling a few hopeless ones from the
# rest. The second target has a source that was brought up on its very classes (`textures`): most judges
# find it, and what remains may be too close to be put into an order. Then a judge may lose nothing
# and still get no tau, or the other way round: *lost* is about one source, tau about all of them.
#
# The first three rows are the *baselines* that a clever score must beat. Does any? Both see the same shelves, so what they share
# drops out, as with the pairs of notebook 16.

# %%
for name in [n for n in names if n != "kNN"]:
    sides = [side_by_side(scored[t][name], scored[t]["kNN"], truth[t]) for t in targets]
    compared = [scores.compare(*columns) for columns in sides]
    print(f"{name:18}", *(f"{one.verdict:12} {one.difference:+.2f}  " for one in compared))

# %% [markdown]
# A column for each target, in the same order as above: is the score *better* than kNN or *worse*, and how far apart are their taus? Every
# comparison was judged alone, without Holm's rule: among so many, one or two owe their word to chance.
#
# ## 7 · Check the published table
#
# Is that only our small shelf? Others print such tables: for eight sets ten networks, their scores, their accuracies, and the tau of the
# two. Well: **whoever prints all of it can be checked**. Here are those of TLLib, a library in wide use.

# %%
table = env.cache_dir() / "published" / "tllib_model_selection.csv"
if table.is_file():
    lines = scores.recompute(table)
    off = {line.dataset for line in lines if not line.reproduces}
    print(f"{len({line.dataset for line in lines} - off)} sets recompute; not {', '.join(sorted(off))}")
    ax = plots.printed_and_recomputed(lines)
else:
    print(f"{table.name} is not in the cache: TLLib prints it in examples/model_selection/README.md")

# %% [markdown]
# What there is to see: across, the tau that was printed; up, the one that the printed scores give. Five sets lie on the line. *Aircraft*
# and *Pets* do not, with any score: numbers and summary do not belong together. And of *DTD* one column stands there twice, under two
# names (the rings), so one of them is not what it says. Nobody need have cheated; tables are copied, and rows slip. The lesson is
# a habit: before you build on a table, recompute what can be recomputed. And then the grey bars: with ten networks most of these taus might be
# anything from small to perfect, and yet which of the *judges* is best is read off them.
#
# ## What we saw

# %% tags=["headline"]
head = "| target | best source | its accuracy | agree | cannot tell | disagree | lost by kNN |\n|---|---|--:|--:|--:|--:|--:|"
for name, one in found.items():
    best, said = max(truth[name], key=truth[name].get), [a.verdict for a in one.values()]
    counts = " | ".join(str(said.count(word)) for word in ("agrees", "cannot tell", "disagrees"))
    head += f"\n| {name} | `{best}` | {truth[name][best]:.2f} | {counts} | {lost[name]['kNN']:.3f} |"
Markdown(head)

# %% [markdown]
# Two pairs, for digits with five labels a class (from scratch: {{accuracy 23_digits letters scratch 5}}):
#
# | source | frozen | full |
# |---|--:|--:|
# | `letters`, names that are right | {{accuracy 23_digits letters frozen 5}} | {{accuracy 23_digits letters full 5}} |
# | `memorised`, names dealt out by lot | {{accuracy 23_digits memorised frozen 5}} | {{accuracy 23_digits memorised full 5}} |
# | `strokes`, of which digits are made | {{accuracy 23_digits strokes frozen 5}} | {{accuracy 23_digits strokes full 5}} |
# | `fractals`, which look like nothing on earth | {{accuracy 23_digits fractals frozen 5}} | {{accuracy 23_digits fractals full 5}} |
#
# What a network was *taught* matters, and not only what it saw; the eye alone is a poor judge of either. And compare the columns: who
# moves every stage is forgiven much of a bad choice, who freezes them is not. `letters-s1`, another
# start of the same lessons, was ahead of `letters` in {{ahead 23_digits letters-s1 letters full 5}} draws: no judge can promise to get
# *that* right.
#
# So the honest answer to the question: **throw out by kNN what is hopeless, and then, if the rest matters, try two or three.** And a
# judge that asks for labels should first be shown shuffled ones.
#
# ## When this fails
#
# - **Few labels.** Scores are measured on fifty pictures here. Another draw, another order: set `seed` and see.
# - **Sources that are kin.** Four of thirteen are letters well taught. The resampling takes them for four independent witnesses, so the
#   intervals are rather too short than too long.
# - **The truth is measured, too.** Ten draws leave doubt about each accuracy; where sources lie closer than that, their order is
#   luck, and no judge can agree with luck.
# - **One size.** All thirteen are the same network. Where sources differ in width or depth, several scores are not comparable at all,
#   and how *able to learn* a network is counts as well.
# - **Two targets.** Both small and grey. Studies of hundreds of thousands of choices found that small changes of the set-up change the
#   winner among the judges (Agostinelli et al. 2022).
#
# ## Exercises
#
# ### Exercise 23.1 · NCE in six lines
#
# NCE is the older sister of LEEP: the head may only say its *likeliest* class. How uncertain does that leave the label? For each
# old class that is said, take the shares of the new classes among its pictures; average the logarithm of each picture's share.


# %% tags=["solution"]
def nce_by_hand(says, truly):
    said, total = says.argmax(1), 0.0
    for old in np.unique(said):
        counts = np.bincount(truly[said == old])
        counts = counts[counts > 0]
        total += (counts * np.log(counts / counts.sum())).sum()
    return total / len(truly)


# stub:
# def nce_by_hand(says, truly):
#     said, total = says.argmax(1), 0.0
#     for old in np.unique(said):
#         counts = ...  # of each new class among the pictures of which `old` is said
#         counts = counts[counts > 0]
#         total += ...
#     return total / len(truly)

# %% tags=["check"]
for s in range(3):
    rng = np.random.default_rng(s)
    p, z = rng.dirichlet(np.ones(6), 40), np.arange(40) % 3
    mine, right = nce_by_hand(p, z), scores.nce(p, z)
    assert not np.isclose(mine, right / np.log(2)), "that is in bits: take the natural logarithm"
    assert np.isclose(mine, right), f"{mine:.3f}, not {right:.3f}: add counts * log(share), per picture"
print(f"NCE of the four pictures {nce_by_hand(says, truly):.3f}, LEEP {leep_by_hand:.3f}")

# %% [markdown] tags=["hint"]
# `np.bincount(truly[said == old])` counts the new classes; a share is `counts / counts.sum()`, and `counts` pictures have it.

# %% [markdown]
# ### Exercise 23.2 · Mend the H-score
#
# The H-score fails because there are more dimensions than pictures. Give it fewer: write `h_of_parts(x, y, k)`, the H-score of the
# `k` strongest *principal components* of the features (centred rows, singular value decomposition). Then shuffle the labels again.


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

rows = {source: np.asarray(seen(net, task, labelled)) for source, net in nets.items()}
few = {s: h_of_parts(x, y, 10) for s, x in rows.items()}
assert max(few.values()) < 8.99, "still its largest value: keep only the first k columns"
right = scores.h_score(PCA(10, svd_solver="full").fit_transform(rows[choice]), y)
assert np.isclose(few[choice], right), "not the H-score of the ten strongest parts: centre, svd, u times s"
left = np.mean([h_of_parts(x, mixed, 10) for x in rows.values()])
print(f"mean {np.mean(list(few.values())):.2f}, with shuffled labels {left:.2f}; picks", *picks(few))

# %% [markdown] tags=["hint"]
# `u[:, :k] * s[:k]` are the first `k` components. What shuffled labels leave now is the price of few pictures: about `k` times the
# number of classes less one, over the number of pictures.

# %% [markdown]
# ### Exercise 23.3 · How many sources?
#
# How large a shelf makes the interval of tau shorter than one half? Make up shelves: `n` true accuracies from a bell curve, and a judge
# that follows them with correlation `r`. Write `width(n, r, seed)`, the length of the interval of one such shelf.


# %% tags=["solution"]
def width(n, r, seed):
    rng = np.random.default_rng(seed)
    real, noise = rng.normal(size=(2, n))
    found = scores.agreement(r * real + np.sqrt(1 - r**2) * noise, real, resamples=200)
    return found.high - found.low


# stub:
# def width(n, r, seed):
#     rng = np.random.default_rng(seed)
#     real, noise = rng.normal(size=(2, n))
#     found = scores.agreement(..., real, resamples=200)
#     return ...

# %% tags=["check"]
real, noise = np.random.default_rng(1).normal(size=(2, 50))
right = scores.agreement(0.9 * real + 0.19**0.5 * noise, real, resamples=200)
assert np.isclose(width(50, 0.9, 1), right.high - right.low), "r real + root of 1 - r**2 noise; high - low"
wide = {n: np.mean([width(n, 0.7, s) for s in range(15)]) for n in (8, 13, 25, 50, 100)}
for n, length in wide.items():
    print(f"{n:3} sources: {length:.2f}", "enough" if length < 0.5 else "")

# %% [markdown] tags=["hint"]
# Two numbers with spread one, `r` of the one and `np.sqrt(1 - r**2)` of the other: the sum has spread one again, and correlation `r`
# with the first.

# %% [markdown]
# **Think.** Among networks that all learnt the same thousand kinds of photographs, source accuracy goes hand in hand with
# accuracy on other photographs (Kornblith et al. 2019). Would you expect that on our shelf, whatever section 6 has shown?

# %% [markdown] tags=["answer"]
# No. There all sat the same examination, so the marks can be compared. Here one was asked to tell ten textures and the other
# fifty-two letters, some of which (**O** and **o**, **l** and **I**) nobody can tell: the higher mark was earned in the
# easier examination. And `memorised` has two marks, a perfect one for what it was taught, and chance for fresh letters. A number
# on a card is worth as much as the question behind it. Within one kind, letters early and late, source accuracy may be a
# fine judge: notebook 24 looks at that.

# %% tags=["quiz"]
blind = {
    "Nothing can be learnt from the source.": "The score says so little, not the source.",
    "It measures the features, not what they know of my labels.": "So it cannot tell sources apart by them.",
    "There are too many labels.": "Rather too few, for the number of features.",
}
paper = {
    "The new score is better.": "Better by less than the doubt of ten models.",
    "Cannot tell.": "Ten models leave an interval many times as long.",
}
lost_by = {
    "Tau over all sources.": "It also rewards an order among sources that nobody would take.",
    "What its pick loses against the best.": "That is what you pay; an interval over many targets would be good.",
}
display(
    widgets.quiz("Shuffled labels leave a score as it was. What follows?", blind, [*blind][1]),
    widgets.quiz("A paper: tau up by a tenth, on ten models. What follows?", paper, [*paper][1]),
    widgets.quiz("You will take one source. What matters most?", lost_by, [*lost_by][1]),
)

# %% [markdown]
# ## Recap
#
# - **Which source?** kNN on your own labels tells the hopeless from the promising, in milliseconds. Among the promising, try two or three.
# - How a source was taught counts, and the eye sees only on what.
# - Source accuracy compares only sources that sat the same examination.
# - Shuffle the labels: what is left of a score knows nothing of them. With fewer pictures than features that happens to famous ones.
# - A ranking of thirteen sources is a small sample. Ask for the interval *over sources*, and for the simple baselines.
#
# **Next:** 24 keeps the source and asks how good it must be, and how much data it takes until it no longer matters.
#
# **To read.** Nguyen et al. 2020, *LEEP*, arXiv:2002.12462. You et al. 2021, *LogME*, arXiv:2102.11005. Kornblith et al. 2019, *Do
# better ImageNet models transfer better?*, arXiv:1805.08974. Agostinelli et al. 2022, *How stable are transferability metrics
# evaluations?*, arXiv:2204.01403. Sorkhei et al. 2025, arXiv:2503.18528: many thousands of runs, and kNN ahead of the other judges.

# %% tags=["record"]
{f"{target}, {name}": round(one.tau, 2) for target, rows in found.items() for name, one in rows.items()}
