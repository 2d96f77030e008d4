# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 99 · The shape of a notebook
#
# **Question.** What does every notebook of this workbook have in common?
#
# <details><summary><b>In one sentence</b> (guess first)</summary>They ask one question, predict, measure, and answer it.</details>
#
# **You will** copy this file to `NN_name.py`, replace each cell by yours, and build it.
#
# **Needs** [00](00_start_here.ipynb).
#
# **Time** {{time}} to run, ten minutes to read.

# %% tags=["parameters"]
seed = 0  # draws the points and the noise
n_points = 20  # measured points
noise = 0.5  # standard deviation of the noise, in units of y

# %%
import numpy as np
import torch

from tlkit import env

env.setup(seed)

# %% [markdown]
# ## 1 · The problem
#
# Two to four sentences that say why, then a picture of the data. The parameters above are literals; whatever
# follows from them is computed here, because a run with other parameters replaces that cell and nothing else.

# %%
rng = np.random.default_rng(seed)
x = np.linspace(-1, 1, n_points)
y = 2 * x + noise * rng.normal(size=n_points)
x.shape, y.shape

# %% [markdown] tags=["predict"]
# **Predict.** Which slope will the fit find? Store your guess: it is drawn beside the result later.

# %%
guess = 1.0

# %% [markdown]
# ## 2 · By hand, then in one line
#
# The method first stands here in at most ten lines. Functions take what they need as arguments; the least-squares
# slope through the origin is $\sum xy / \sum x^2$.


# %%
def slope(x, y):
    return (x @ y) / (x @ x)


by_hand = slope(x, y)

# %% [markdown]
# Then the one line that everybody uses, and an assertion that both agree.

# %%
in_one_line = torch.linalg.lstsq(torch.tensor(x)[:, None], torch.tensor(y)[:, None]).solution.item()
np.testing.assert_allclose(by_hand, in_one_line)

# %% [markdown]
# Every measured number is printed by a cell, or filled in from the records by a placeholder; none is typed into
# prose. A cell that draws says what it draws for those who cannot see it, in its first line: `# %% alt="..."`, and a
# list where it draws several. A cell with the tag `nbval-check-output` must print the same on every machine.

# %% tags=["nbval-check-output"]
print("the guess was", "too small" if guess < by_hand else "too large")

# %% [markdown]
# ## What we saw
#
# One sentence that reads the output and answers the question so far.
#
# ## When this fails
#
# What was not tested, and where the method is known to break.
#
# <details><summary>Fine print</summary>
#
# Caveats that a reader may skip: how many seeds, which test items, which settings.
#
# </details>

# %% [markdown]
# ## Exercises
#
# ### Exercise 99.1 · Through any point
#
# Write `line(x, y)`, which returns slope and intercept. Students see the lines below `# stub:` without their
# comment signs, and no solution.


# %% tags=["solution"]
def line(x, y):
    return np.polyfit(x, y, 1)


# stub:
# def line(x, y):
#     return ...

# %% tags=["check"]
assert np.allclose(line(x, 3 * x + 1), [3, 1]), "slope first, then intercept"

# %% [markdown] tags=["hint"]
# `np.polyfit` fits a polynomial of any degree.

# %% [markdown]
# **Think.** Why may noise not change the sign of the slope here?

# %% [markdown] tags=["answer"]
# Because the points lie far enough from the origin for their number.

# %% [markdown]
# ## Recap
#
# - They ask one question at the top and answer it here.
# - What they claim, they compute.
#
# **Next:** [CONTRIBUTING](../CONTRIBUTING.md) says how a notebook is built and tested.

# %% tags=["record"]
{"slope_error": abs(by_hand - 2)}
