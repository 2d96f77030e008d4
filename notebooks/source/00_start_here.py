# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 00 · Start here
#
# **Question.** What is transfer learning, and how will this workbook let you find out when it pays?
#
# **You will** see the idea in three pictures, run a first comparison, read its verdict, and find your way around.
#
# **Needs** nothing but a little Python.
#
# **Time** {{time}} to run, fifteen minutes to read.

# %% tags=["parameters"]
seed = 0  # draws the examples that are shown
task_name = "glyphs:greek-a"  # the target of the first comparison: ten Greek letters
labels = 2  # labelled examples of each class
seeds = 5  # repetitions; fewer than five give no verdict

# %%
from tlkit import compare, env, recipe, study, tasks
from tlkit.records import values
from tlkit_lessons import doctor, drawing, notebooks, paired, plan_strip

env.setup(seed)

# %% [markdown]
# ## The idea in three pictures
#
# A neural network is a chain of stages. The first react to simple things such as edges, later ones to parts and shapes, and
# the *head* turns what they have found into an answer. At the start all of it is random numbers; training moves them, and
# that takes many labelled examples. This usual way is called **scratch**:

# %%
stages = ["stem", "block1", "block2", "block3"]
ax = plan_strip.chain(stages, "scratch")

# %% [markdown]
# A flame marks what moves in training, a broken outline what begins at random. Now suppose that somebody has trained such a
# chain on *another* task, with plenty of examples. Then most of the work may be done already. Keep its stages as they
# are, and train nothing but a new head. That is **frozen**:

# %%
ax = plan_strip.chain(stages, "frozen")

# %% [markdown]
# Or begin with what is there, and let all of it move on from there. That is **full** fine-tuning:

# %%
ax = plan_strip.chain(stages, "full")

# %% [markdown]
# That is transfer learning; the rest is finding out when to do which. There are three choices:
#
# - **which source**: on what task the chain was trained before,
# - **which stages move**: none, the last, or all of them,
# - **how far**: for how many steps, and how fast;
#
# and one question: **did it pay, against not transferring, with the same labels and at the same cost?** Everything in these
# notebooks is one of the choices, or measures the answer.
#
# ## A first comparison
#
# The source: printed Latin letters, which a small network has learnt to tell apart. The target: ten Greek ones. Here is *all*
# that it gets to see of Greek.

# %%
task = tasks.load(task_name)
rows = task.draw(labels, seed).all
figure = drawing.gallery(task.train.inputs[rows], [task.classes[i] for i in task.targets[rows]], ncols=10)

# %% [markdown]
# Two contestants work with these examples: `frozen`, and `pixels`, which has no network, only a head on the bare pixels.
# Then both do it again with other examples: once for each *seed*. You need not follow the code;
# [11](11_first_transfer.ipynb) does the same by hand.

# %%
store = notebooks.live_store("00_first")
grid = study.Grid(
    task=task_name,
    backbone="letters",
    plans=("pixels", "frozen"),
    labels=(labels,),
    seeds=tuple(range(seeds)),
    recipe=recipe.default(),
)
study.run(grid, store)

for pair in compare.pairs(store):
    print(pair.verdict.sentence(pair.plan, pair.against))

# %% [markdown]
# This is a *verdict*. It says how much better, in brackets what the difference may be in truth, and in how many seeds it was
# so. The same as a picture:

# %% tags=["headline"]
found = store.read()
frozen, pixels = (list(values(found, plan=name, labels=labels).values()) for name in ("frozen", "pixels"))
ax = paired.paired_dots(frozen, pixels, ("frozen", "pixels"))

# %% [markdown]
# Greek was a gift: its fonts are those of the source. Strangers' handwriting follows in [11](11_first_transfer.ipynb).
#
# ## How numbers are made believable
#
# | word | means |
# |---|---|
# | **equal** | the difference is surely smaller than what matters: two points of accuracy, if nothing else is said |
# | **better**, **worse** | it may be larger than that, and is larger than the doubt about it |
# | **cannot tell** | the doubt is too large, or there are fewer than five seeds: an honest answer, and a frequent one |
# | **holds** | of a claim: what would count for it came out with every number of labels it speaks of |
# | **does not hold** | of a claim: something else came out, and not for want of seeds |
# | **holds only when ...** | at these numbers of labels it does, at the others it does not |
#
# - **Everybody gets the same**: labelled examples, number of settings to try, test.
# - **Labels are counted**, also those that were used to choose a setting.
# - **The test is sealed.** Its answers are read once per fit, and each reading is noted. It comes from other writers
#   than the training examples; of your own pictures, from other groups, if you name any.
# - **Ten seeds** for a headline, and an interval. Intervals are tried on made-up data whose truth is known: `tlkit selftest`
#   says for which they keep what they promise, and for which they do not.
# - **What would count** for a claim, and against it, is written down before the first run. A claim that fails is reported
#   as failing.
#
# Large comparisons are run once, and each of their numbers is kept as a *record*, with all that it takes to believe it. The
# numbers in the text come from there; none is typed by hand. Claims have numbers, too: those of a longer list of what is often
# said about transfer learning. Not all of it has been tested yet; `tlkit claims` prints what has.
#
# ## How to use a notebook
#
# `make lab` opens the notebooks in JupyterLab. In each of them:
#
# 1. **Predict.** You are asked for a guess before you see the answer. Make one; it is drawn beside the result.
# 2. **Run** cell by cell, with shift and enter.
# 3. **Read** the sentence under a picture after you have looked at the picture.
# 4. **Change** a value in the *parameters* cell near the top, and run again.
# 5. **Work** on the exercises at the end. In the folder `exercises` every notebook lies once more, without the
#    solutions. A cell checks your answer, and a hint can be unfolded.
#
# And without opening anything: `tlkit run 16 -p seeds=5` runs notebook 16 with another parameter. (After `make`, a terminal
# finds `tlkit` as `.venv/bin/tlkit`.)
#
# ## The map

# {{map}}
#
# Times are those of two processor cores, without a graphics card and without the internet. The first digit is the part. Go
# in order: each notebook needs those before it.
#
# ## Your own pictures
#
# One folder for each class, pictures in it:
#
# ```
# photos/ash/1.jpg  photos/ash/2.jpg  ...  photos/oak/1.jpg  ...
# ```
#
# Then, in a terminal,
#
# ```
# tlkit compare --folder photos --labels 5 --seeds 5 --dry-run
# ```
#
# says what would run and how long it would take. Without `--dry-run` it takes a network trained on photographs, which
# `make install` has fetched, prints a verdict for every plan, writes a report, and keeps the best model for `tlkit predict`. A class needs a
# dozen pictures for five labels: two fifths are kept for the test. If
# pictures belong together (one tree, one patient, one day), say so in `photos/groups.csv`, with the columns `file,group`:
# then they stay on one side of the split.
#
# ## Is everything here?
#
# `tlkit doctor` says in a terminal what is installed. Here is its short form, with the remedy for what is missing; photographs
# are needed in no notebook of the first part.

# %% tags=["nbval-ignore-output"]
for check in doctor.checks():
    print(f"{'ok' if check.ok else '--'}  {check.name:20} {'' if check.ok else check.remedy}")

# %% [markdown]
# ## Glossary
#
# Each word is explained where it is first needed. Here they are together.
#
# | word | means |
# |---|---|
# | A-distance | how well a classifier tells source pictures from target pictures: 0 not at all, 2 without error |
# | accuracy | the share of test items that are answered correctly |
# | AdaBN | new batch-norm statistics from the target: of its unlabelled training pictures, once, or of each test batch |
# | Adam, SGD | two rules for a step of learning; Adam gives each weight a step size of its own |
# | adapting | moving a network towards a target whose labels nobody has: its pictures are read, its answers are not |
# | audit | the comparison of a network before and after, number by number: what moved, and whether it should have |
# | backbone | a network cut into named stages, without its head |
# | baseline | what a plan must beat to have been worth it: `pixels` and `scratch` |
# | batch norm | a layer that centres and scales features by running averages; they move in train mode, without any learning |
# | budget | the number of labels a class that a comparison allows |
# | buffer | a tensor that a layer keeps without learning it, such as the averages of batch norm |
# | censored | a value known only as "more than": the measuring ended before it was reached |
# | class | one of the possible answers |
# | convex | of a problem: a bowl with one lowest point, so that every way down ends there |
# | CORAL | moves source features until they have the mean and covariance of the target's |
# | core | in some claims: the backbone |
# | covariance | how any two features vary together; with the means, the shape of a cloud of them |
# | DANN | a second head learns to tell two domains apart, and the network to deceive it |
# | dial | a family of drawn tasks that moves away from its source, from similarity 1 to 0 |
# | domain | where the inputs come from: the same letters on other paper are another domain |
# | draw | the labelled items that a seed gives, the same for every plan |
# | early stopping | keeping the weights of the step that did best on the selection split |
# | feature | one of the numbers that a stage makes of an item |
# | filter | the small pattern of weights that a convolution slides over a picture |
# | fine-tuning | training on from pretrained weights; *full* if all stages move |
# | fit | one run of one plan: draw, learning, marking, audit |
# | forgetting | what full fine-tuning may do to the source task; *catastrophic* if little of it is left |
# | fractal | a figure that consists of smaller copies of itself; here drawn by chance, with maps that shrink the plane |
# | frozen | what does not move: weights, running averages and dropout alike |
# | gap | training accuracy minus test accuracy |
# | gate | a rule that refuses a source before it is used |
# | gradual | a plan: the head first, then one more stage at a time |
# | head | the last, small part, which turns features into answers; new for each target |
# | Holm's rule | who asks many questions must be surer of each answer, so that chance alone seldom gives even one |
# | honest split | no test item shares its group with a training item: its writer, say, or with medical pictures its patient |
# | importance weighting | counting source items the more, the more they look like the target |
# | inductive | of transfer: the task changes, the domain may, and a few labels of the target are seen |
# | interval | the range of differences that the data leave possible; a 95 % interval misses the truth once in twenty times |
# | k-means | puts rows into so many heaps: each row to the nearest centre, each centre in the middle of its rows |
# | label-saving factor | labels that scratch needs for the accuracy that transfer reaches, over those of transfer |
# | labels | target labels a class, those used for choosing settings included |
# | ladder | one pretraining, stopped ever later: sources that differ in quality alone |
# | lateral, vertical | of transfer: to a task of the same level; from a simpler task to a harder one |
# | learning rate | the length of a step of learning; too short learns nothing in time, too long diverges |
# | lp-ft | first a probe, then full fine-tuning from there |
# | MMD | how far apart two clouds lie: the distance of their means under a kernel; a small one can be rewarded in training |
# | neighbourhood density | how tightly answers come in groups: a criterion for choosing without labels |
# | norm, bias | plans: the head, and of each stage only its norm layers, or its biases |
# | nuclear norm | of a table of answers: large where they are certain and various; a criterion for choosing without labels |
# | operations | multiplications and additions of floating-point numbers: what a fit costs on any machine |
# | optimal transport | carrying one cloud onto another by the shortest way in all |
# | oracle | a choice made by looking at the test; nobody has it, it is what others are measured by |
# | overfitting | learning the labelled items by heart: the gap grows, the test does not |
# | pixels | the baseline on bare inputs, without a network |
# | plan | which stages move, and from which start; one word, such as `frozen` or `last-1` |
# | pretraining | the training on the source |
# | probe | a head on frozen features, found by a solver |
# | pseudo-labels | a network's own surest answers, used as labels |
# | recipe | all settings of a fit; part of every record |
# | record | one measured number with all it takes to believe it |
# | relative | among the neighbours of a picture in the space of features, one of its own class |
# | score | a number meant to say, before any fitting, how well a source will serve a target |
# | scratch | the baseline: the same network from random weights |
# | seal | what keeps the test's answers from everything but the final marking |
# | seed | decides the draw, the start of the head and the order of training; the test stays the same |
# | select | a plan: a new head on the features of all stages that it needs most |
# | selection split | the fifth of the labels on which settings are chosen, from five labels a class up |
# | self-supervised | of a source: it learnt from pictures that set the task themselves, and nobody named |
# | solver | a method that finds the lowest point of a convex problem, with no steps or rates to choose |
# | source, target | the task a network was trained on; the task that it is wanted for |
# | spread | the standard deviation, over seeds or over learning rates |
# | stage | a link of the chain, such as `stem` or `block2` |
# | standard error | how far a mean of so many draws would wander if all were drawn again |
# | TENT | test-time batch norm that also takes steps towards more certain answers |
# | tile | one of the squares over which features are averaged, so that a little of their place is kept |
# | transductive | of transfer: the task stays, the domain changes, and there are labels in the source alone |
# | transfer | using for one task what was learnt on another; *negative* if that makes it worse |
# | transform | what makes of a picture the input that a backbone is used to: its size, its scale |
# | unsupervised | of transfer: task and domain change, and no label is seen on either side |
# | verdict | *better*, *worse*, *equal* or *cannot tell*, with an interval and the number of seeds |
# | view | one picture as chance has moved, bent or thickened it; two views of one picture are twins |
# | whiten | to turn and stretch a cloud of features until it is round; *re-colouring* is the way back, to another shape |
#
# ## Exercises
#
# ### Exercise 00.1 · Say it as a plan
#
# `last-1` moves the head and the last stage. Write the plan that keeps `stem` and `block1` and moves everything behind them.

# %% tags=["solution"]
plan = "last-2"
# stub:
# plan = "last-1"

# %% tags=["check"]
from tlkit.plans import Plan

ax = plan_strip.chain(stages, plan)
assert Plan.parse(plan).tuned(stages) == ["block2", "block3"], "flames on block2, block3, head"

# %% [markdown] tags=["hint"]
# Count the flames from the right, without the head.

# %% [markdown]
# ## Recap
#
# - Transfer learning keeps a trained chain and moves part of it. What moves is the *plan*.
# - Whether it pays is measured against not transferring, with the same labels, and answered by a verdict.
# - "Cannot tell" is an answer.
#
# **Next:** [11](11_first_transfer.ipynb): ten labelled digits, and a bet.
