# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 21 · The kinds of transfer
#
# **Question.** *Transfer* is said of very different situations. Which one is yours, what may you look at in it, and does
# its name tell you whether transfer will pay?
#
# **You will** put four situations on a map, find out who has looked at labels that were to stay hidden, sort handwriting
# into heaps without being told one name, and meet seven sources, of which most do harm when frozen.
#
# **Needs** [11](11_first_transfer.ipynb) and [16](16_the_comparison.ipynb) (*records*, *draws*, and the verdicts *better*, *holds*,
# *cannot tell*). Every term has a line in the [glossary](00_start_here.ipynb#Glossary).
#
# **Time** {{time}} to run, twenty minutes to read.

# %% tags=["parameters"]
seed = 10  # decides which pictures are labelled or shown: 10 to 19, as in the records
shift = "background"  # where the same task moves to another domain: "background", "noise" or "faded"
guess_heaps = 0.5  # your guess for section 4: the share of digits in the right heap
guess_harm = 2  # and for section 7: how many of seven sources do harm, frozen

# %%
import numpy as np
from IPython.display import display

from tlkit import backbones, env, errors, features, records, stats, tasks
from tlkit.fit import fit
from tlkit_lessons import adapt, drawing, ledger, nb21_kinds, paired, shifts, widgets
from tlkit_lessons.nb21_kinds import Kind, Strip, pretraining_samples

env.setup(seed)
labels = 5  # a class, where any are seen

# %% [markdown]
# ## 1 · A map
#
# A *domain* is where the pictures come from: printed letters on plain paper, say. A *task* is what is asked of them: a
# list of answers, and which of them is right for which picture. To transfer is to take something along when the task
# changes, or the domain, or both. That makes four places (Pan and Yang 2010). Here they are, with small pictures of signs in each.

# %%
letters, manner, digits = map(tasks.load, ("dial:manner:1", "dial:manner:0", "digits"))
plain, paper = shifts.shifted(shift, seed)
eight = [np.flatnonzero(manner.targets == c)[0] for c in (0, 2, 4, 5, 7, 9, 1, 6)]
named = [letters.classes[letters.targets[i]] for i in eight]
drawn = [manner.classes[manner.targets[i]].replace(", lean ", "\n").replace(" of ", "/") for i in eight]
shown, hidden = letters.train.inputs[eight], "?" * 8
some = [*digits.train.inputs[digits.draw(1, seed).all[:5]], *digits.test.inputs[:3]]

# %%
source, unnamed = (Strip("source:\nletters", shown, told) for told in (named, hidden))
fresh = Strip("new letters", letters.test.inputs[:8], hidden)
moved = Strip("letters on\nother paper", paper.train.inputs[:8], hidden)
kinds = {
    "ordinary": Kind("ordinary learning", True, True, source, fresh),
    "transductive": Kind("transductive", True, False, source, moved),
    "manner": Kind("inductive", False, True, source, Strip("how drawn,\nhow slanted?", shown, drawn)),
    "inductive": Kind("inductive", False, False, source, Strip("digits,\na few named", some, "01234???")),
    "unsupervised": Kind("unsupervised", False, False, unnamed, Strip("digits", some, hidden)),
}
figure = nb21_kinds.map_of_kinds([*kinds.values()])

# %% [markdown]
# A name below a picture is a label that the learner sees; at **?** it sees the picture alone. Go along the rows and look
# at what changes: to the right the *pictures* do, downwards the *answers*. (Lower left: drawn thin or thick, and how far it leans,
# in fifths.) The upper left corner is no transfer at all, it is what every textbook begins with. In the lower right corner everything
# has changed, and what the situation is called depends on **who sees which labels**:
#
# | kind | task | domain | labels of the source | labels of the target |
# |---|---|---|---|---|
# | transductive | the same | another | seen | none seen |
# | inductive | another | the same or another | seen or not | a few seen |
# | unsupervised | another | another | none seen | none seen |
#
# The last two columns are promises. A number that came from a label that should not have been seen is worth nothing, and
# the leak is hard to see from outside. But there is a test: **put garbage in the place of the labels**, and leave all other chance as it
# was. If one answer changes, somebody has looked; if none does, nobody did, this time.


# %%
def garbled(task, seed):
    """The same pictures, with labels that were drawn by lot."""
    chance, sides = np.random.default_rng(seed), (task.train, task.test)
    train, test = ((items, chance.integers(len(task.classes), size=len(items))) for items in sides)
    return tasks.Task(task.name, task.objective, *train, *test, task.classes, sealed=task.sealed)


# %% [markdown] tags=["predict"]
# **Predict.** Two guesses. In section 4 nobody tells anybody anything: a network has seen letters without their names,
# and now sees digits without theirs. It sorts them into ten heaps. Which share will lie in the right heap? And in section
# 7, seven sources are frozen and lent to the digits. How many of them do *harm*, that is, come out worse than no source
# at all?

# %% tags=["predict"]
heaps_guess = widgets.guess("Digits in the right heap", guess_heaps, step=0.05)
harm_guess = widgets.guess("Sources that harm, of seven", guess_harm, low=0, high=7, step=1)
display(heaps_guess, harm_guess)

# %% [markdown]
# ## 2 · Inductive: another question, and a few answers
#
# This you know from notebook 11: a network that can name letters, and five labelled digits of each kind. Its features
# stay, the head is new. (`full`, from the records, lets every stage move.) Beside it the two ways of doing without: `pixels`, and
# from the records `scratch`.


# %%
def ten(file, plan, backbone="letters", **which):
    """Accuracies of the ten draws in the records."""
    rows = ledger.shelf().store(file).read()
    return [v for _, v in sorted(records.values(rows, plan=plan, backbone=backbone, **which).items())]


def filed(file, plan, backbone, seed, here=None, labels=5, **which):
    """The same draw's accuracy in the records; `here`, where it is given, must be the same."""
    kept = ten(file, plan, backbone, labels=labels, **which)[seed - 10]
    assert here is None or abs(here - kept) < 0.02, f"{plan} from {backbone} does not come out as recorded"
    return kept


net = backbones.load("letters")
done = {plan: fit(digits, net, plan, labels, seed).test for plan in ("frozen", "pixels")}
accuracy = {plan: filed("23_digits", plan, "letters", seed) for plan in (*done, "full", "scratch")}
assert all(abs(d.metrics["accuracy"] - accuracy[p]) < 0.02 for p, d in done.items()), "not as recorded"
print(", ".join(f"{plan} {value:.2f}" for plan, value in accuracy.items()))

# %% [markdown]
# Who has looked at which labels? Garble the digits' labels: the answers must change. And the source's? Somebody has done
# that, too: `memorised` is the same network, brought up on letters whose names were dealt out by lot. (It saw fewer of them, so this
# is no strict test; from its training we know anyway that names were used.) First the labels of the source, then those of the
# target: has any answer changed?

# %%
renamed = fit(digits, backbones.load("memorised"), "frozen", labels, seed).test
by_lot = fit(garbled(digits, seed), net, "frozen", labels, seed).test
sees = {"inductive": [any(done["frozen"].predicted != other.predicted) for other in (renamed, by_lot)]}
sees

# %% [markdown]
# ## 3 · Transductive: the same question, elsewhere
#
# The answers are the same ten letters; the paper is another, and nobody has labelled anything on it. So the head can only
# come from the source, and it will do if the new pictures can be made to look familiar. *AdaBN* takes the means and spreads inside the
# network anew, on the new paper; no weight is learnt ([25](25_adapting_without_labels.ipynb) has this and six other ways). Its
# baseline is to do nothing. The target is *sealed*: whoever asks for its labels gets an error.

# %%
try:
    paper.targets
except errors.UserError as error:
    print(error)
bare, adabn = (adapt.adapt(plain, paper, net, method, seed) for method in ("source only", "adabn"))
print(f"\nas it was {bare.accuracy:.2f}, with AdaBN {adabn.accuracy:.2f}")
kept = filed("25_shifts", "adabn", "letters", seed, adabn.accuracy, 0, task=shift)

# %%
tampered = (garbled(plain, seed), paper), (plain, garbled(paper, seed))
again = [adapt.adapt(*pair, net, "adabn", seed).evaluation.predicted for pair in tampered]
sees["transductive"] = [any(adabn.evaluation.predicted != answers) for answers in again]
print("changed by garbage at the source, at the target:", sees["transductive"])

# %% [markdown]
# The head needs the names of the *source's* letters. Those of the target could be anything: not one answer changes.
#
# ## 4 · Unsupervised: nobody has told anybody anything
#
# `letters-ssl` has seen letters, and never a name. It was shown two distorted views of each picture, and learnt to find
# the partner of one among hundreds of others (SimCLR, Chen and others 2020). So its old head names no letter. And the
# digits are sealed.

# %%
ssl, closed = backbones.load("letters-ssl"), adapt.sealed(digits)
print("names that it was told:", "".join(pretraining_samples(ssl)[1]) or "none")

# %% [markdown]
# What can be done without one label? Pictures that look alike *to the network* can be put together: ten heaps, by
# *k-means*. It scatters ten centres, gives every picture to the nearest, moves each centre into the middle of its
# pictures, and so on until nothing changes. It learns from half of the training digits; then the test digits are put on
# the heaps.

# %%
from sklearn.cluster import KMeans

end = features.Cut(ssl, len(ssl.stages), pooled=True)
half = np.random.default_rng(seed).permutation(len(closed.train))[: len(closed.train) // 2]
sides = (closed.train, half), (closed.test, np.arange(len(closed.test)))
old, new = (features.activations(end, *side).numpy().astype(float) for side in sides)
heaps = KMeans(10, n_init=10, random_state=seed).fit(old).predict(new)
marked = closed.evaluate(lambda items: heaps, "section 4, heaps")
print(f"accuracy {marked.metrics['accuracy']:.2f}")

# %% [markdown]
# **A wrong turn.** Heap number three need not be the heap of the threes; who should have told it? The
# heaps have numbers, not names. Names can only be given at the very end, by whoever marks the test: each heap a digit of
# its own, dealt so that as many pictures as possible are right. (It is the one thing that test labels are read for, and
# it flatters a little.)

# %%
from scipy.optimize import linear_sum_assignment

both = np.zeros((10, 10), dtype=int)  # heap x digit: how many pictures
np.add.at(both, (heaps, marked.targets), 1)
_, names = linear_sum_assignment(both, maximize=True)
by_hand = np.mean(names[heaps] == marked.targets)
found = nb21_kinds.clustered(digits, ssl, "clusters", seed)
assert abs(by_hand - found.metrics["accuracy"]) < 1e-6, "by hand and in one line must agree"

# %%
heights = [np.flatnonzero(heaps == k)[:5] for k in names.argsort()]
pictures = [digits.test.inputs[column[row]] for row in range(4) for column in heights]
figure = drawing.gallery(pictures, [*"0123456789", *[""] * 30], ncols=10)

# %% [markdown]
# Each column is a heap: the first pictures that fell on it, and above it the name that it was given afterwards. Some
# heaps hold one digit, some hold several: the network sorts by what *it* finds alike, which need not be what you do, and nobody has
# told it that we care about digits.
#
# ## 5 · Was it the source?
#
# The usual question, and the usual baselines. Heaps of bare pixels; heaps on the features of a network that learnt
# nothing.

# %%
asked = {"pixels": (ssl, "clusters@pixels"), "random network": (backbones.load("random"), "clusters")}
asked["letters-ssl"] = ssl, "clusters"
in_heap = {name: nb21_kinds.clustered(digits, *how, seed).metrics["accuracy"] for name, how in asked.items()}
kept = [filed("21_clusters", plan, eye.name, seed, in_heap[name], 0) for name, (eye, plan) in asked.items()]
ax = paired.bars_with_guess(in_heap, heaps_guess.value)
ylabel = ax.set_ylabel("share of digits in the right heap")

# %% [markdown]
# That `letters-ssl` sorts digits better than a network that learnt nothing: **{{claim 12-unsupervised-random}}**
# ({{claim 12-unsupervised-random effect}}). So the source has taught it something. That it sorts them better than bare
# pixels do: **{{claim 12-unsupervised}}** ({{claim 12-unsupervised effect}}). These digits stand upright and in the
# middle, and their pixels are no bad place to look for heaps; what helps to find a twin among letters need not be what
# parts a three from a five.
#
# And now the trouble with this kind: *in earnest you would not know*. With no label anywhere there is nothing to compare
# the pixels with the network by. (*Adjusted Rand index*, the usual mark for heaps, asks how many *pairs* were rightly put
# together or apart. It needs no names, but the labels it does need: see `found.metrics`.)
#
# ## 6 · The map, filled in
#
# Has anybody looked here? Garble the digits' labels once more. (The *names* of the heaps come from the marking and will
# be others; the heaps themselves must be the same. That no name of a letter was told is on the source's card.) And then the whole map
# again, with a number in each place.

# %%
from sklearn.metrics import adjusted_rand_score

by_lot = nb21_kinds.clustered(garbled(digits, seed), ssl, "clusters", seed)
told = any(pretraining_samples(ssl)[1])
sees["unsupervised"] = [told, adjusted_rand_score(found.predicted, by_lot.predicted) < 1]
assert sees == {"inductive": [True, True], "transductive": [True, False], "unsupervised": [False, False]}

# %% tags=["headline"]
where = {  # the file of records, the two sides, the source
    "transductive": ("25_shifts", {"AdaBN": "adabn", "as it was": "source only"}, net, 0, shift),
    "manner": ("22_manner", {"full": "full", "scratch": "scratch"}, net, labels, manner.name),
    "inductive": ("23_digits", {"full": "full", "scratch": "scratch"}, net, labels, digits.name),
    "unsupervised": ("21_clusters", {"heaps": "clusters", "pixels": "clusters@pixels"}, ssl, 0, digits.name),
}
for name, (file, two, eye, seen, task) in where.items():
    a, b = (ten(file, plan, eye.name, labels=seen, task=task) for plan in two.values())
    word = {"better": "helps", "worse": "harms"}.get(stats.verdict(a, b).word, "cannot tell, or level")
    first, second = (f"{said} {np.mean(x):.2f}" for said, x in zip(two, (a, b), strict=True))
    kinds[name] = kinds[name]._replace(note=f"{first}, {second}: {word}")
figure = nb21_kinds.map_of_kinds([*kinds.values()])

# %% [markdown]
# Means over ten draws; the word at the end is what their intervals show. (The upper left corner is no transfer.) The first number used
# the source, the second did without; upper right both use it, and what helps is to adapt. In the lower row there is no rule. Two places
# have one name there, and one plan: to the left, where the pictures are of *the very same kind*, it harms; to the right, with digits, it
# helps. And those who may see no label would have had truer heaps from the bare pixels (section 5, over ten draws). So the name of a kind
# says **what you have, and what you may look at**. It does not say whether transfer pays. For that there is a second vocabulary.
#
# ## 7 · Positive and negative
#
# *Positive* transfer comes out better than no transfer on the same labels, *negative* transfer worse. These are no
# situations but outcomes, and known only afterwards: measured against `scratch` (Wang and others 2019). Seven sources,
# one target, the digits. A few fits again, to see that the records do not lie:

# %%
sources = ("letters", "greek", "symbols", "letters-ssl", "strokes", "textures", "memorised")
for name in ("greek", "strokes", "memorised"):
    here = fit(digits, backbones.load(name), "frozen", labels, seed).test.metrics["accuracy"]
    print(f"{name:10} {here:.3f}, in the file {filed('23_digits', 'frozen', name, seed, here):.3f}")

# %%
strips = {}
for name in sources:
    images, told = pretraining_samples(backbones.load(name), 20, seed)
    short = sorted(range(len(told)), key=lambda i, told=told: len(told[i]))[:6]
    below = [told[i].replace(" + ", "\n").replace(" ", "\n") or "?" for i in short]
    strips[name] = Strip(name, images[short], below)

worth = ledger.by_source(ledger.shelf().store("23_digits"), sources, ("frozen", "full"), "scratch", labels)
figure = nb21_kinds.sources_and_gains(strips, worth, guess=harm_guess.value)

# %% [markdown]
# (A filled marker's interval lies off zero; above each panel these are counted. Mind the axes: the left one is about five times as
# long. Intervals are over draws of labels: another upbringing of the same source would have given other markers.)
#
# Go down the pictures. At the top stand signs that are made as digits are made: a few strokes that meet, one sign a
# picture. Below stand pen strokes, one or two, that lie anywhere, and textures, which have nothing that begins or ends. Where every stage
# may move, the sign's *alphabet* hardly matters.
#
# Two rows break that rule. `letters-ssl` saw the letters without their names, and does worse than `letters` either way.
# `memorised` saw fewer pictures of the same kind, and with *wrong* names; which of the two hurts, these rows cannot part. But told to
# tell apart what is alike, what can a network learn, if not each picture by heart? **Look at the pictures, and then at the names.** (How
# good names can be the wrong ones for you is the story of [22](22_similarity.ipynb); it was the lower left corner of the map.)
#
# Frozen, at five labels a class, most of the seven do harm and none beats `scratch`; let everything move, and the
# upper ones gain, while the last still loses. (All thirteen sources are in [23](23_choosing_a_source.ipynb); fractals, which look like
# no sign at all, help there too, a little: pictures are a hint, no proof.)
#
# ## 8 · Lateral and vertical
#
# A third vocabulary comes from the psychology of learning (Gagné 1965). Transfer is *lateral* where source and target are
# on one level: letters for digits, one language for another. It is *vertical* where the simpler serves the harder:
# counting for adding, strokes for characters. It sounds convincing: whoever can tell strokes apart is half way to digits.
#
# | claim | verdict | measured |
# |---|---|---|
# | {{claim 10 text}} | **{{claim 10}}** | {{claim 10 effect}} |
# | {{claim 11 text}} | **{{claim 11}}** | {{claim 11 effect}} |
# | {{claim 11-full text}} | **{{claim 11-full}}** | {{claim 11-full effect}} |
#
# These words say what somebody *hopes*, and why; they are guesses about what the source will have learnt. Ours had to
# say which strokes there are, wherever they lay, which is not what reading digits is about. Perhaps another simple task
# would do better: it would have to be tried, like any other source.
#
# ## 9 · Outside of our toy world
#
# | from | to | kind | what would differ from here |
# |---|---|---|---|
# | cats and dogs | wolves | inductive, lateral | near in pictures and question; but a network is known that told wolves by the snow |
# | simulation | a robot's camera | transductive | the task is the same by construction, the pictures never are; adapt, or draw the simulation wilder |
# | one market's customers | another's | transductive | no pictures; shares of the classes move, where aligning harms ([25](25_adapting_without_labels.ipynb)) |
# | a million unnamed scans | rare diseases, a few named | inductive, from an unnamed source | *self-taught* learning (Raina and others 2007): labels in the target alone |
#
# ## What we saw
#
# | claim | verdict | measured |
# |---|---|---|
# | {{claim 8 text}} | **{{claim 8}}** | {{claim 8 effect}} |
# | {{claim 8-full text}} | **{{claim 8-full}}** | {{claim 8-full effect}} |
# | {{claim 9 text}} | **{{claim 9}}** | {{claim 9 effect}} |
# | {{claim 9-full text}} | **{{claim 9-full}}** | {{claim 9-full effect}} |
# | {{claim 12-adabn-background text}} | **{{claim 12-adabn-background}}** | {{claim 12-adabn-background effect}} |
# | {{claim 12-transductive text}} (another such method, see 25) | **{{claim 12-transductive}}** | {{claim 12-transductive effect}} |
# | {{claim 12-unsupervised text}} | **{{claim 12-unsupervised}}** | {{claim 12-unsupervised effect}} |
# | {{claim 12-unsupervised-random text}} | **{{claim 12-unsupervised-random}}** | {{claim 12-unsupervised-random effect}} |
#
# *Cannot tell* is not *none*: a true difference of {{claim 9-full power}} would be found in eight of ten such studies, a smaller one less
# often.
#
# **When not to transfer**, as far as this page can say. *Frozen*: when the source was asked something else than you ask, even of the same
# pictures, or when `scratch` with your labels reads well already. *With every stage moving*: harm is rarer (textures; how the letters
# are drawn), but where the source was not taught to tell signs apart there was nothing to gain either. *Without labels*: when you
# have no other reason to trust it, for nothing will tell you.
#
# ## When this fails
#
# - **The map has fuzzy borders.** A domain moves by degrees, and so does a task: [22](22_similarity.ipynb) has a dial for
#   each.
# - **Boxes leak.** The same task in another domain, with a *few* target labels, is none of the three kinds (see Think).
# - **Garbage finds leaks, not all of them.** A method that was *designed* by looking at these labels gives the same
#   answers with garbage.
# - **Heaps are named by the test.** With fewer pictures than we have, dealing names would flatter heaps a good deal.
# - **Pictures are a hint, and no proof.** These seven sources differ so much that the eye can order them. Among near ones
#   it cannot ([23](23_choosing_a_source.ipynb)).
# - **One target, five labels, one small network.** The order of the sources belongs to these digits.
#
# ## Exercises
#
# ### Exercise 21.1 · Name it
#
# Write `kind(same_task, same_domain, source_labels, target_labels)`. Each of the four is true or false. It returns `"ordinary"`, or the kind
# by the table of section 1, or `"another"` for what is in none of its rows.


# %% tags=["solution"]
def kind(same_task, same_domain, source_labels, target_labels):
    if same_task:
        blind = source_labels and not target_labels
        return "ordinary" if same_domain else "transductive" if blind else "another"
    if target_labels:
        return "inductive"
    return "another" if same_domain or source_labels else "unsupervised"


# stub:
# def kind(same_task, same_domain, source_labels, target_labels):
#     if same_task and same_domain:
#         return "ordinary"
#     return ...

# %% tags=["check"]
right = {(1, 0, 1, 0): "transductive", (0, 1, 1, 1): "inductive", (0, 0, 0, 1): "inductive"}
right |= {(0, 0, 0, 0): "unsupervised", (1, 0, 1, 1): "another", (1, 1, 0, 1): "ordinary"}
for facts, name in right.items():
    given = kind(*map(bool, facts))
    assert given == name, f"{facts} (task, domain, source labels, target labels): {name}, not {given}"

# %% [markdown] tags=["hint"]
# Ask in this order: has anything changed? is the task another, with labels for it? is it the same, without? is there no
# label at all?

# %% [markdown]
# ### Exercise 21.2 · Who has looked?
#
# A learner takes a task and returns its answers for the test. Write `peeks(learner, task, seed)`: whether its answers change when the
# labels of the task are garbled. The check asks two learners; one of them (CORAL, see 25) reads no target label.


# %% tags=["solution"]
def peeks(learner, task, seed):
    return not np.array_equal(learner(task), learner(garbled(task, seed)))


# stub:
# def peeks(learner, task, seed):
#     return ...

# %% tags=["check"]
blind = peeks(lambda t: adapt.adapt(plain, t, net, "coral", seed).evaluation.predicted, paper, seed)
assert not np.any(blind), "CORAL reads no target label: ask twice, the second time with garbage, and compare"
sighted = peeks(lambda t: fit(t, net, "frozen", labels, seed).test.predicted, digits, seed)
assert np.any(sighted), "a fit reads labels: with garbage its answers change, so this one must be found out"

# %% [markdown] tags=["hint"]
# `garbled(task, seed)` has the same pictures and other labels; `np.array_equal` compares two lists of answers.

# %% [markdown]
# ### Exercise 21.3 · Pure heaps
#
# Some papers mark heaps by their *purity*: every heap is called after its commonest digit, even if two heaps get one
# name. Write `purity(heaps, targets)`, the share of pictures that are then right. Is that a better mark than ours? See what happens
# to it as heaps become more, and nothing else becomes better.


# %% tags=["solution"]
def purity(heaps, targets):
    return sum(np.bincount(targets[heaps == k]).max() for k in np.unique(heaps)) / len(targets)


# stub:
# def purity(heaps, targets):
#     return ...

# %% tags=["check"]
tiny = purity(np.array([0, 0, 0, 1, 1]), np.array([7, 7, 3, 3, 3]))
assert np.isclose(tiny, 0.8), f"{tiny}, not four of five: two of the first heap and both of the second"
for count in (10, 50, 200):
    parts = KMeans(count, n_init=1, random_state=seed).fit_predict(new)
    print(f"{count:3} heaps: purity {purity(parts, marked.targets):.2f}")
assert purity(np.arange(len(new)), marked.targets) == 1, "a heap for every picture is pure, and worthless"

# %% [markdown] tags=["hint"]
# For one heap: `np.bincount(targets[heaps == k]).max()`, how many pictures its commonest digit has.

# %% [markdown]
# **Think.** A robot has learnt to grasp in a simulation. In the laboratory somebody has labelled pictures for one
# afternoon. Which kind of transfer is it? Which labels would you seal, and for what?

# %% [markdown] tags=["answer"]
# None of the three: the task is the same, the domain another, and there are *some* labels in the target. It is mostly
# called supervised domain adaptation; the boxes were made for the usual cases, not for all. Seal a part of the afternoon,
# by scene and not by picture, for the test. Of the rest, some may choose between adapting without labels, fine-tuning
# with them, and scratch: a choice made with open eyes, which nobody without labels can have.

# %% tags=["quiz"]
widgets.quizzes("21")

# %% [markdown]
# ## Recap
#
# - **Three vocabularies.** Inductive, transductive, unsupervised: what you have. Lateral, vertical: what you hope.
#   Positive, negative: what came out.
# - **Two questions, and a third.** Is the task the same? Is the domain? And who sees which labels?
# - **Put garbage in the place of labels** that nobody should see: the answers must stay.
# - **Heaps have no names.** Whoever gives them names has read the test; say so, and say what pixels would have got.
# - **Not every source helps.** Look at its pictures, look at its names, and measure against scratch.
#
# **Next:** [22](22_similarity.ipynb) turns the two questions into dials, and finds out how far is too far.
#
# **To read.** Pan and Yang 2010, *A survey on transfer learning*, IEEE TKDE 22:10. Gagné 1965, *The conditions of
# learning*. Raina et al. 2007, *Self-taught learning*, ICML. Chen et al. 2020, *A simple framework for contrastive
# learning of visual representations*, arXiv:2002.05709. Wang et al. 2019, *Characterizing and avoiding negative
# transfer*, arXiv:1811.09751.

# %% tags=["record"]
accuracy | {"AdaBN": adabn.accuracy, "in the right heap": by_hand}
