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
# **Question.** What is transfer learning, and how does this workbook find out when it helps?
#
# <details><summary><b>In one sentence</b> (guess first)</summary>Transfer learning reuses a pretrained network and trains part of it; whether that helps is a paired comparison with not transferring.</details>
#
# **You will** see the idea in three figures, run a first comparison, read its verdict, and find your way around.
#
# **Needs** a little Python.
#
# **Time** {{time}} to run, 15 minutes to read.

# %% tags=["parameters"]
seed = 0  # picks the examples that are shown
task_name = "glyphs:greek-a"  # the target of the first comparison: ten Greek letters
labels = 2  # labelled examples of each class
seeds = 5  # repetitions; fewer than five give no verdict

# %%
from tlkit import backbones, compare, env, recipe, study, tasks
from tlkit.records import values
from tlkit_lessons import doctor, drawing, notebooks, paired, plan_strip

env.setup(seed)

# %% [markdown]
# ## The idea in three figures
#
# A neural network is a chain of stages. Early stages respond to simple things such as edges, later ones to shapes. The **head**
# turns the last features into a prediction. Usually all of it starts from random weights, and training needs many labelled
# examples. We call this plan **scratch**:

# %% alt="A chain of five boxes: stem, block1, block2, block3, head. All carry a flame and a dashed outline: everything is trained from random weights."
stages = ["stem", "block1", "block2", "block3"]
ax = plan_strip.chain(stages, "scratch")

# %% [markdown]
# A flame marks what is trained; a dashed outline marks random initial weights. Now suppose that somebody has trained such a network
# on *another* task with many examples: it is **pretrained**. Keep its stages as they are and train only a new head. This is feature
# extraction, the plan **frozen**:

# %% alt="The same chain. The four stages carry a snowflake, only the head carries a flame."
ax = plan_strip.chain(stages, "frozen")

# %% [markdown]
# Or start from the pretrained weights and train everything. This is **full** fine-tuning:

# %% alt="The same chain. All boxes carry a flame, only the head has a dashed outline."
ax = plan_strip.chain(stages, "full")

# %% [markdown]
# There are three choices: *which source*, *which stages to train*, and *how far*. And there is one question: **does it help, compared
# with not transferring, with the same labels and at the same cost?** Every notebook makes one of these choices or measures the answer.
#
# ## A first comparison
#
# The source is a small network pretrained on printed Latin letters. The target is ten Greek letters. These are all the labelled
# images there are:

# %% alt="Twenty small images of Greek letters, two of each of ten, with their names above."
task = tasks.load(task_name)
rows = task.draw(labels, seed).all
images = backbones.load("letters").transform(task.train.inputs[rows])  # as the network sees them
figure = drawing.gallery(images, [task.classes[i] for i in task.targets[rows]], ncols=10)

# %% [markdown]
# Two plans learn from these labels: `frozen`, and the **baseline** `pixels`, a linear classifier on raw pixels without any network.
# Both are repeated with other labelled images, one subset for each *seed*. You need not follow the code;
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
# This is a **verdict**. It gives the mean difference in test accuracy, its 95 % confidence interval in brackets, and the number of seeds
# in which the first plan was ahead. The same as a figure:

# %% tags=["headline"] alt="Two columns of dots, one dot for each seed, joined by lines. Every line rises from pixels to frozen."
found = store.read()
frozen, pixels = (list(values(found, plan=name, labels=labels).values()) for name in ("frozen", "pixels"))
ax = paired.paired_dots(frozen, pixels, ("frozen", "pixels"))

# %% [markdown]
# Greek is an easy target: it is rendered with the fonts of the source. Handwriting follows in [11](11_first_transfer.ipynb).
#
# ## Why you can trust the numbers
#
# - **Equal conditions.** All plans get the same labelled images, the same number of hyperparameter settings to try, and the same test set.
# - **Every label counts**, also those used for validation.
# - **The test labels are hidden.** Only `task.evaluate` reads them, once per fit, and it logs the call. Test items come from other
#   writers than training items.
# - **Ten seeds** and a confidence interval stand behind every headline.
# - **Criteria come first.** Each claim has a criterion that was written before the run. A claim that fails is reported as failing.
#
# | verdict | meaning |
# |---|---|
# | better, worse | the confidence interval excludes zero |
# | equal | the whole interval lies within two points of accuracy: no difference that matters |
# | cannot tell | the interval is too wide, or there are fewer than five seeds |
#
# A claim is **confirmed** if every verdict it speaks of supports it, **refuted** if none does, and **undecided** if the data cannot
# tell. Some are confirmed only for some numbers of labels; then these are named.
#
# Large comparisons are run once and kept as *records*. The numbers in the text are computed from them.
#
# ## How to use a notebook
#
# `make lab` opens the notebooks in JupyterLab. In each of them:
#
# 1. **Predict.** Guess before you see the answer. Your guess is drawn on the result.
# 2. **Run** cell by cell, with shift and enter.
# 3. **Change** a value in the *parameters* cell near the top, and run again.
# 4. **Work** on the exercises. The folder `exercises` holds copies without solutions; a cell checks your answer, and a hint unfolds.
#
# In a terminal, `tlkit run 16 -p seeds=5` runs notebook 16 with another parameter.
#
# Every term has a line in the [glossary](../book/glossary.md).
#
# ## The map

# {{map}}
#
# Times are for two processor cores, without a GPU or network. The first digit is the part. Go in order.
#
# ## Your own images
#
# Put them into one folder per class, at least a dozen images in each:
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
# says what would run and how long it would take. Without `--dry-run` it prints a verdict for every plan, writes a report, and saves the
# best model for `tlkit predict`. [Your own data](../book/your_own_data.md) tells the rest.
#
# ## Is everything installed?

# %% tags=["nbval-ignore-output"]
for check in doctor.checks():
    print(f"{'ok' if check.ok else '--'}  {check.name:20} {'' if check.ok else check.remedy}")

# %% [markdown]
# A line that begins with `--` names what is missing and how to get it. Part 1 needs nothing beyond the installation.
#
# ## Exercises
#
# ### Exercise 00.1 · Say it as a plan
#
# `last-1` trains the head and the last stage. Write the plan that freezes `stem` and `block1` and trains everything after them.

# %% tags=["solution"]
plan = "last-2"
# stub:
# plan = "last-1"

# %% tags=["check"] alt="The chain of a plan: snowflakes on stem and block1, flames on block2, block3 and head."
from tlkit.plans import Plan

ax = plan_strip.chain(stages, plan)
assert Plan.parse(plan).tuned(stages) == ["block2", "block3"], "flames on block2, block3, head"

# %% [markdown] tags=["hint"]
# Count the flames from the right, without the head.

# %% [markdown]
# ## Recap
#
# - Transfer learning reuses a pretrained network and trains part of it. Which part is the *plan*.
# - Whether it helps is a paired comparison with not transferring, with the same labels. Its answer is a verdict.
# - *Cannot tell* is an answer.
#
# **Next:** [11](11_first_transfer.ipynb): ten labelled digits, and your guess.
