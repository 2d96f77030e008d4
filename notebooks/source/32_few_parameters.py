# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 32 · Few parameters are not few operations
#
# **Question.** A plan trains one parameter in a thousand. What does that save: operations, seconds, memory or storage?
#
# <details><summary><b>In one sentence</b> (guess first)</summary>Training few parameters saves storage in proportion, but of the
# operations of a step at most about a third: the gradient must still travel back to the first layer in which anything is
# trained.</details>
#
# **You will** count the passes of a training step by hand; compare plans by parameters, operations, seconds and memory; and store
# a new task in a small file.
#
# **Needs** [14](14_partial_fine_tuning.ipynb), which counts what depth costs. Terms are in the [glossary](../book/glossary.md).
#
# **Time** {{time}} to run, 20 minutes to read.

# %% tags=["parameters"]
seed = 40  # which digits are labelled: 40 to 49, as in the records
labels = 5  # labelled digits per class: 5 or 20
watts = 15.0  # assumed power of one busy processor core; it is not measured
guess = 1.05  # your guess in section 2: the slider starts here

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tlkit import backbones, env, features, plans, tasks
from tlkit.backbones.chain import Chain
from tlkit.fit import cost, fit
from tlkit.plans import Plan
from tlkit_lessons import costs, nb32_costs, widgets

env.setup(seed)

# %% [markdown]
# ## 1 · The passes of one step, by hand
#
# A training step multiplies with the weights of a layer up to three times:
#
# - **forward**: every layer, always;
# - backward, for the **gradient of its input**: every layer *behind* the first trained parameter, or that parameter would get none;
# - backward, for the **gradient of its weights**: only the layers whose weights are trained.
#
# Each takes about as many operations as the other two. So count. `operations` are those of each layer in a forward pass, `trained`
# says whose weights are trained, and `first` is the first layer in which anything is trained.


# %%
def step_by_hand(operations, trained, first):
    """Operations of a step, in forward passes."""
    forward = sum(operations)
    inputs = sum(operations[first + 1 :])
    weights = sum(n for n, own in zip(operations, trained, strict=True) if own)
    return (forward + inputs + weights) / forward


# %% [markdown]
# A network of three equal layers, each a convolution and a batch norm. In one line, `costs.law` does the same for any network of
# convolutions and linear layers. torch's counter watches a real step. All three must agree.


# %%
def layer():
    return nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())


net, image = Chain({name: layer() for name in ("first", "second", "third")}), torch.rand(1, 8, 16, 16)
one, layers = 2 * 9 * 8 * 8 * 16 * 16, list(net.stages.values())
cases = {
    "weights of the third layer": (layers[2], [False, False, True], 2),
    "norm scale of the first layer": (layers[0][1], [False, False, False], 0),
    "everything": (net, [True, True, True], 0),
}
for name, (part, trained, first) in cases.items():
    net.requires_grad_(False)
    part.requires_grad_(True)
    by_hand, law = step_by_hand([one] * 3, trained, first), costs.law(net, image)
    counted = cost.count(net, image, train=True) / law.forward
    assert np.isclose(by_hand, law.total / law.forward) and np.isclose(by_hand, counted), name
    print(f"{name}: {by_hand:.2f} forward passes")

# %% [markdown]
# The norm scale is eight numbers. It needs no gradient of any weight matrix, but the gradient must reach it through layers three and
# two. So it costs more than the weights of a whole layer at the end. The step of everything is not three full passes: nobody asks for
# the gradient of the image.
#
# ## 2 · Plans on ResNet-18
#
# Three plans train few parameters all over the network, beside a new head:
#
# - `norm`: scale and shift of the norm layers;
# - `bias`: every bias;
# - `lora-4`: beside each weight matrix a product of two narrow ones, of rank four. This is *LoRA*, low-rank adaptation.

# %% [markdown] tags=["predict"]
# **Predict.** On ResNet-18, `norm` trains about one parameter in a thousand; a step of `full` takes about three forward passes. How
# many does a step of `norm` take?

# %% tags=["predict"]
slider = widgets.guess("Forward passes in a step of norm", guess, low=1, high=3, step=0.05)
slider

# %%
task, network = tasks.load("digits"), backbones.load(costs.RESNET)
names = ["frozen", "last-1", "block:stem", "bias", "norm", "lora-4", "full"]
found = {name: costs.of_plan(task, network, name) for name in names}
print(*found.values(), sep="\n")
expected = {"frozen": 1.00, "last-1": 1.42, "norm": 1.93, "full": 2.93}  # of ResNet-18 at 96 pixels
for name, passes in expected.items():
    assert abs(found[name].step / passes - 1) < 0.05, f"{name}: other operations than expected"
assert all(abs(c.predicted / c.step - 1) < 0.05 for c in found.values()), "the law fails"

# %% tags=["headline"] alt="Trained parameters on a logarithmic axis against operations per step. Frozen: few parameters, one forward pass. Bias, norm, block:stem and lora-4: about one percent or less, two passes. last-1: most parameters, 1.4 passes. full and its relatives: all parameters, nearly three passes."
ax = nb32_costs.parameters_and_operations([*found.values()], "lp-ft, l2sp, auto-rgn", slider.value)

# %% [markdown]
# From left to right parameters grow a thousandfold; operations do not follow. `last-1` trains three quarters of the parameters for
# fewer operations than `norm`. What counts is where the first trained parameter lies. At most a third of a step of `full` can be
# saved while it lies in the stem: the gradients of the weights.
#
# `lp-ft`, `l2sp` and `auto-rgn` train everything, so their steps cost what a step of `full` does. `tlkit` saves more for `frozen` and
# `last-1` than the figure shows: it runs the frozen prefix once per image, not once per step.
#
# ## 3 · Seconds, memory, energy
#
# Operations are the same everywhere, seconds are not. A small measurement here, on ResNet-18 with a batch of eight images. Operations
# are those behind the kept prefix.

# %% tags=["nbval-ignore-output"] alt="Three bars for each of last-1, norm, lora-4 and full: operations by the law, operations counted, and seconds, in percent of full. The first two are equal. The seconds differ from them."
compared = [found[name] for name in ("last-1", "norm", "lora-4", "full")]
took = {one.plan: costs.step_seconds(task, network, one.plan) for one in compared}
steps = nb32_costs.once(took)
ax = nb32_costs.predicted_and_measured(compared, steps)

# %% tags=["nbval-ignore-output"]
for one in compared:
    kept = 12 * one.trained / 1e6  # a gradient and Adam's two moments, four bytes each
    spent = f"{1000 * took[one.plan]:4.0f} ms, about {watts * took[one.plan]:4.1f} J per step"
    print(f"{one.plan:7} {spent}, {kept:5.1f} MB of gradients and moments")

# %% [markdown]
# Time also goes into what nobody counts as an operation: norm layers, reading and writing activations, the optimiser. The narrow
# matrices of LoRA read and write whole activations for few operations. The optimiser weighs on `last-1`: it updates millions of
# parameters for a batch of eight images.
#
# *Memory* has two parts. Adam keeps two numbers and a gradient for each trained parameter; few parameters save those, as printed. They
# do not save the activations that the backward pass needs.
#
# *Energy* is an estimate: seconds times an assumed power. The package codecarbon does the same where the processor's
# energy counter cannot be read.
#
# ## 4 · Storage: one more task
#
# Here few parameters pay. All tasks share one pretrained network, and each adds only the tensors that its training changed. By hand:

# %%
letters, plan = backbones.load("letters"), Plan.parse("norm")
done = fit(task, letters, plan, labels, seed)
changed = {n: t.contiguous() for n, t in plans.state(done.model).items() if n in done.audit.moved}
again = features.with_head(letters, task)  # the pretrained network with a new head
with TemporaryDirectory() as folder:
    file = Path(folder) / "digits.safetensors"
    save_file(changed, file)
    size = file.stat().st_size
    again.load_state_dict(load_file(file), strict=False)
sample = letters.transform(task.train.inputs[:50])
with torch.no_grad():
    assert torch.equal(again.eval()(sample), done.model.eval()(sample)), "restored, it answers otherwise"

# %% [markdown]
# In one line, `costs.stored` counts the bytes without a file. It counts a little more than the file holds if a tensor that may change
# did not, and a little less than the file's table of contents adds.

# %%
counted = costs.stored(done.model, plan)
assert sum(t.nbytes for t in changed.values()) == counted, "other tensors than the plan says"
whole = sum(t.nbytes for t in plans.state(done.model).values())
print(f"{size:,} bytes in the file, {counted:,} of them tensors; the whole network {whole:,}")

# %% [markdown]
# **A wrong turn.** Now the same for `lora-4`. `fit` gives back a plain network, with the adapters merged into the weights:

# %%
merged, start = (
    plans.state(fit(task, letters, "lora-4", labels, seed).model),
    letters.pretrained().state_dict(),
)
other = [n for n, t in merged.items() if not torch.equal(t, start.get(n, torch.empty(0)))]
naive = sum(merged[n].nbytes for n in other)
adapters = costs.of_plan(task, letters, "lora-4").bytes
print(
    f"changed tensors after merging: {naive / whole:.0%} of the network; adapters and head {adapters / whole:.0%}"
)

# %% [markdown]
# Merged, the small change is spread over every weight, and the file is nearly a full copy. So keep the adapters, not the sum; the second
# exercise gets them back. For many tasks on ResNet-18:

# %% alt="Megabytes on disk against the number of tasks, both logarithmic. Full grows in proportion to the tasks, to some thousands of megabytes. Frozen, norm and lora-4 stay near the size of one network; lora-4 leaves it last."
shown = [found[name] for name in ("frozen", "norm", "lora-4", "full")]
ax = nb32_costs.storage(found["full"].bytes, shown)

# %% [markdown]
# ## What we saw
#
# Are the small files good enough? Ten seeds, digits from letters, criteria written before the runs:
#
# - {{claim 21 sentence}}
# - {{claim 21-norm sentence}}
# - {{claim 21-head sentence}}
# - {{claim 20-lora sentence}}
#
# So the small files had a price here: each of the three plans is less accurate than `full`. For equal accuracy this network needs the
# large file. Large language models may be different: Hu et al. report LoRA as accurate as full fine-tuning there.
#
# ## When this fails
#
# - **On large language models.** There Adam's two numbers per parameter fill the memory of the GPU, and few parameters decide whether
#   training fits at all.
# - **With a kept prefix.** It exists only where leading stages are frozen. `norm`, `bias` and LoRA train in the stem and have none.
# - **At inference.** Merged adapters cost nothing there. Switching between tasks does: weights must be exchanged.
#
# <details><summary>Fine print</summary>
#
# An operation is one multiplication or one addition in a convolution or a linear layer; norms, activations and the optimiser are not counted.
# All plans tried the same learning rates; LoRA may do better with others or with a higher rank. The law takes a shortcut beside the first trained layer to stand behind it, an error of less than one percent here. Costs do not depend on
# weights, so ResNet-18 has random ones. Seconds and memory are those of one thread of one machine, with a batch of eight images at
# 96 pixels. Peak memory is that of the process less what it held before training. Stored are weights in 32 bits, with the statistics
# of trained norm layers.
#
# </details>
#
# ## Exercises
#
# ### Exercise 32.1 · How many tasks fit?
#
# A device has `disk` bytes for one shared network of `shared` bytes and the files of its tasks, `each` bytes. Write `tasks_that_fit`.


# %% tags=["solution"]
def tasks_that_fit(disk, shared, each):
    return max(0, (disk - shared) // each)


# stub:
# def tasks_that_fit(disk, shared, each):
#     return ...

# %% tags=["check"]
assert tasks_that_fit(100, 40, 20) == 3, "the shared network is stored once"
assert tasks_that_fit(30, 40, 20) == 0, "without the network no task runs"
for name in ("frozen", "norm", "lora-4"):
    n = tasks_that_fit(128 * 10**6, found["full"].bytes, found[name].bytes)
    print(f"128 MB hold ResNet-18 and {n:,} tasks of {name}; of full {128 * 10**6 // found['full'].bytes}")

# %% [markdown] tags=["hint"]
# Subtract the shared network first, then divide without a rest: `//`.

# %% [markdown]
# ### Exercise 32.2 · Get the adapters back
#
# The merged weight minus the pretrained one is a matrix of rank four. Write `factors(change, rank)`: two narrow matrices whose product
# is `change`, a matrix of outputs x inputs. The singular value decomposition finds them.


# %% tags=["solution"]
def factors(change, rank):
    u, s, v = torch.linalg.svd(change, full_matrices=False)
    return u[:, :rank] * s[:rank], v[:rank]


# stub:
# def factors(change, rank):
#     return ..., ...

# %% tags=["check"]
matrices = [n for n in other if n.startswith("stages.") and merged[n].ndim > 1]
kept = 0
for n in matrices:
    change = (merged[n] - start[n]).flatten(1)
    up, down = factors(change, 4)
    assert (up @ down - change).norm() < 0.01 * change.norm(), f"{n}: not its change"
    kept += up.nbytes + down.nbytes
print(f"{kept:,} bytes in place of {sum(merged[n].nbytes for n in matrices):,}")

# %% [markdown] tags=["hint"]
# `u, s, v = torch.linalg.svd(change, full_matrices=False)` gives `u @ diag(s) @ v`; keep the first `rank` columns of `u`, entries of
# `s` and rows of `v`.

# %% [markdown]
# **Think.** A colleague writes: "BitFit trains a thousand times fewer parameters, so our training bill falls a thousandfold." What falls,
# what does not, and which plan would you propose if the bill matters most?

# %% [markdown] tags=["answer"]
# The files fall by that factor, and so does the memory of the optimiser. A step falls by a third at most, since the biases of the first
# layer need the gradient from the last. If computing matters most, freeze a prefix and keep its activations: `frozen`, or `last-1`.
# Then ask whether the accuracy is still good enough.

# %% tags=["quiz"]
widgets.quizzes("32")

# %% [markdown]
# ## Recap
#
# - **A step** is a forward pass, a backward pass to the first trained parameter, and gradients for the trained weights.
# - **Few parameters** in every layer save only the last of the three: at most a third.
# - **Freezing a prefix** saves operations, because gradients stop there and the prefix runs once.
# - **Storage** falls with the parameters: a file of the changed tensors per task, and one shared network. Here it cost accuracy.
# - **Report** parameters, operations, seconds and memory separately. None of them predicts the others.
#
# **Next:** [33](33_staying_close.ipynb): how far fine-tuning should move a network from its source.
#
# **To read.** Hu et al. 2021, *LoRA: low-rank adaptation of large language models*, arXiv:2106.09685. Ben Zaken et al. 2022, *BitFit*,
# arXiv:2106.10199. Frankle et al. 2021, *Training BatchNorm and only BatchNorm*, arXiv:2003.00152. Cai et al. 2020, *TinyTL: reduce memory,
# not parameters for efficient on-device learning*, arXiv:2007.11622.

# %% tags=["record"]
{"passes": {name: one.step for name, one in found.items()}, "bytes": {n: c.bytes for n, c in found.items()}}
