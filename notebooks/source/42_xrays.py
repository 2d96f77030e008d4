# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 42 · X-rays: what did the network learn?
#
# **Question.** A network ranks radiographs well. Did it learn the disease, or something else in the images?
#
# <details><summary><b>In one sentence</b> (guess first)</summary>A high score may come from a trace of the hospital and not from the disease: look for such shortcuts before training, and black out the lungs to see what remains.</details>
#
# **You will** split by patient; compute the AUROC by hand; find a shortcut before training; and black out the lungs.
#
# **Needs** [12](12_feature_extraction.ipynb). Every term is in the [glossary](../book/glossary.md).
#
# **Time** {{time}} to run, 25 minutes to read.
#
# **Nothing on this page may be used for a medical decision.** The images below are drawn by a program. The records also hold real
# radiographs of children; their licence does not let us show them.

# %% tags=["parameters"]
seed = 60  # patients, split and labels: 60 to 69, as in the records
labels = 50  # labelled images per class
shortcut = 0.8  # how far the tag goes with the disease: 0 not at all, 1 always
guess = 0.5  # your guess: AUROC with a shortcut and without lungs

# %%
import numpy as np
from IPython.display import display

from tlkit import backbones, env
from tlkit.fit import fit
from tlkit_lessons import drawing, ledger, nb42_xrays, shortcuts, widgets
from tlkit_lessons.material.patients import films
from tlkit_lessons.material.radiographs import CLASSES, radiographs, without_lungs
from tlkit_lessons.screening import sensitivity_at

env.setup(seed)

# %% [markdown]
# ## 1 · Several images of one patient
#
# Each drawn patient has lungs, ribs and a heart of an individual shape, and four images. Half of the patients have *opacities*, bright
# patches in the lungs, as pneumonia shows them. Position and exposure differ from image to image.

# %% alt="Two rows of four drawn chest radiographs: dark lungs with ribs, a bright spine and heart. The upper patient is clear, the lower one has soft bright patches in the lungs. Within a row, the shape of the lungs is the same."
drawn = radiographs(20, seed)
chosen = [np.flatnonzero(drawn.labels == k)[:4] for k in (0, 1)]
figure = drawing.gallery(list(drawn.images[np.concatenate(chosen)]), ncols=4, rows=list(CLASSES))

# %% [markdown]
# ## 2 · Two splits
#
# A network with ImageNet weights stays frozen, and a head is fitted to its features. First, every image is put into training or
# test by itself. Then whole patients are.

# %%
network = backbones.load(nb42_xrays.NETWORK)
tested = {how: films(0, how, seed) for how in ("image", "patient")}
done = {how: fit(task, network, "frozen", labels, seed) for how, task in tested.items()}
for how, one in done.items():
    print(f"split by {how}: AUROC {one.test.metrics['AUROC']:.3f}")

# %% [markdown]
# What is the **AUROC**? Take one ill and one healthy image. It is the probability that the network gives the ill one the higher
# score. Guessing gets one half. By hand, count the pairs; half a point for a tie:


# %%
def auroc(scores, ill):
    """The share of pairs, one ill and one healthy, in which the ill one has the higher score."""
    wins = scores[ill][:, None] - scores[~ill][None, :]
    return np.mean((wins > 0) + 0.5 * (wins == 0))


result = done["patient"].test
by_hand = auroc(np.asarray(result.predicted), np.asarray(result.targets) == 1)
assert abs(by_hand - result.metrics["AUROC"]) < 1e-6, "by hand it is another number"
print(f"by hand {by_hand:.3f}")

# %% [markdown]
# The records hold ten seeds. Each seed draws the patients of the test set anew.

# %% alt="Two panels of paired dots, drawn films and children: AUROC with a split by patient on the left of each, by image on the right, one line per seed."
store = ledger.shelf().store("42_xrays")
scenes = {"drawn": nb42_xrays.DRAWN, "children": nb42_xrays.REAL}
honest = {"drawn": "no shortcut, by patient", "children": "by patient"}
leaky = {"drawn": "no shortcut, by image", "children": "by image"}
both = {
    name: [nb42_xrays.aurocs(store, scenes[name][which[name]]) for which in (leaky, honest)]
    for name in scenes
}
figure = nb42_xrays.two_splits(both)

# %% [markdown]
# - {{claim 26-leak sentence}}
# - {{claim 26-leak-children sentence}}
#
# A patient's images look alike and share a label. With a split by image, a network that recognises patients scores too high. Here the
# difference is small. A likely reason: the features of this network hardly tell patients apart, and only some images are labelled. On other
# sets it is large; [41](41_phone.ipynb) has one. Nobody knows beforehand, so the split is by patient.
#
# ## 3 · A shortcut, found before training
#
# Many hospitals put a marker on the film. Suppose one ward takes most of the ill patients, and its marker is an **L** in the corner.
# Then the marker goes with the disease. Nothing about it is medical.

# %% alt="Two mean images, the ill less the healthy. Without a shortcut: lungs slightly brighter. With one: a strong bright L in the upper left corner besides."
tagged = films(shortcut, "patient", seed)
figure = nb42_xrays.brighter_where_ill({"no shortcut": tested["patient"], "shortcut": tagged})

# %% [markdown]
# The mean images help if one looks in the right place. A table looks everywhere: it takes single numbers of an image, such as its
# brightness or the size of its file, and asks how well each one *alone* ranks the training images. No training is needed.

# %%
for name, task in {"no shortcut": tested["patient"], "shortcut": tagged}.items():
    print(name, *shortcuts.table(shortcuts.suspects(task), 3), sep="\n  ")

# %% [markdown]
# The marker is found. On the real radiographs of children the same table flags the number of bytes of the file. Their source had
# squashed images of different shapes to a square, and the two classes had different shapes. The trace remains in the pixels. A test
# of this workbook repeats that search where the set is present.
#
# %% [markdown] tags=["predict"]
# **Predict.** The lungs are blacked out, in training and in test. What AUROC remains where the marker is on the film?

# %% tags=["predict"]
first = widgets.guess("AUROC without lungs", guess, low=0.4, high=1.0)
display(first)

# %% [markdown]
# ## 4 · Black out the lungs

# %% alt="Two rows of four drawn radiographs: whole above, and below the same with black lungs."
shown = radiographs(6, seed, shortcut)
pair = [shown.images[::6][:4], without_lungs(shown)[::6][:4]]
figure = drawing.gallery(list(np.concatenate(pair)), ncols=4, rows=["whole", "no lungs"])

# %%
blacked = films(shortcut, "patient", seed, lungs=False)
blind = fit(blacked, network, "frozen", labels, seed).test.metrics["AUROC"]
recorded = dict(
    zip(nb42_xrays.SEEDS, nb42_xrays.aurocs(store, nb42_xrays.DRAWN["shortcut, no lungs"]), strict=True)
)
print(f"no lungs, with the marker: AUROC {blind:.3f}; in the records {recorded.get(seed, np.nan):.3f}")
assert seed not in recorded or labels != nb42_xrays.LABELS or abs(blind - recorded[seed]) < 0.05

# %% tags=["headline"] alt="Three panels of paired dots: whole images and images without lungs. Without a shortcut the AUROC falls to chance. With a shortcut it stays high. For the children it stays high, too."
columns = {
    "no shortcut": (nb42_xrays.DRAWN["no shortcut, by patient"], nb42_xrays.DRAWN["no shortcut, no lungs"]),
    "shortcut": (nb42_xrays.DRAWN["shortcut, by patient"], nb42_xrays.DRAWN["shortcut, no lungs"]),
    "children": (nb42_xrays.REAL["by patient"], nb42_xrays.REAL["no lungs"]),
}
found = {name: tuple(nb42_xrays.aurocs(store, one) for one in two) for name, two in columns.items()}
figure = nb42_xrays.whole_and_blacked_out(found, first.value)

# %% [markdown]
# - {{claim 26-lungs sentence}}
# - {{claim 26-lungs-children sentence}}
#
# Nothing of a lung was on the drawn films, and little on the children's. What the network ranks them by is not the disease. This does not
# prove that it ignores the lungs of whole images. But a high AUROC on this set is no evidence that it has learned the disease. Even a
# frozen network with *random* weights gets a high one there:

# %%
for name, scene in {
    "drawn, no shortcut": columns["no shortcut"][0],
    "children": columns["children"][0],
}.items():
    said = (f"{plan} {nb42_xrays.aurocs(store, scene, plan).mean():.2f}" for plan in nb42_xrays.COMPARED)
    print(f"{name}: {'; '.join(said)}")
#
# %% [markdown]
# ## 5 · What an honest report says
#
# Split by patient, and without the shortcut:

# %%
told = done["patient"].test
false_alarms = 1 - 0.9
print(f"AUROC {told.metrics['AUROC']:.2f}, ECE {told.metrics['ECE']:.2f}")
found_ill = sensitivity_at(0.9)(np.asarray(told.predicted), np.asarray(told.targets))
print(
    f"of 100 ill patients' images {100 * found_ill:.0f} are found, at {100 * false_alarms:.0f} false alarms in 100 healthy ones"
)

# %% [markdown]
# The **sensitivity** is the share of the ill that is found, the **specificity** the share of the healthy that is left alone. A
# screening programme fixes the second and asks for the first. The **ECE** says how far probabilities are from the observed frequencies.
#
# ## What we saw
#
# - {{claim 26 sentence}}
#
# So ImageNet features are much better than random ones, and not shown to be better than raw pixels.
#
# ## When this fails
#
# - **No patient key.** Many published sets do not say who is who. Then an honest split is impossible, and a score is an upper bound.
# - **One hospital.** A split by patient says nothing about the next hospital. Only images from there do.
# - **Shortcuts without a name.** The table knows a dozen numbers. A tube, a bed or a kind of scanner is none of them.
#
# <details><summary>Fine print</summary>
#
# The drawn films have the structure of real sets, and nothing of medicine; how visible opacities are was set by eye. Blacking
# out uses the known lungs on drawn films, and a rectangle in the middle on the children's, so some lung remains at the borders.
# AUROC intervals cover new splits and labels, not new hospitals. A rare disease is a further problem. With one patient in ten ill, we
# compared losses that give the rare class more weight: [the claims](../data/claims.toml) 26-rare and 26-focal hold the outcome.
#
# </details>
#
# ## Exercises
#
# ### Exercise 42.1 · Split by patient
#
# Write `by_patient(patients, share, seed)`: a boolean array, true for the images of the test set. A `share` of the patients, drawn at
# random, goes there with all of their images.


# %% tags=["solution"]
def by_patient(patients, share, seed):
    names = np.unique(patients)
    drawn = np.random.default_rng(seed).permutation(names)[: round(share * len(names))]
    return np.isin(patients, drawn)


# stub:
# def by_patient(patients, share, seed):
#     return ...

# %% tags=["check"]
who = np.repeat(np.arange(10), 4)
test = by_patient(who, 0.4, 0)
assert test.sum() == 16, "four of ten patients, four images each"
assert not set(who[test]) & set(who[~test]), "a patient is on both sides"

# %% [markdown] tags=["hint"]
# Draw among `np.unique(patients)`, then `np.isin`.

# %% [markdown]
# ### Exercise 42.2 · Remove the marker
#
# Write `without_corner(film)`: the upper left fifth of a film, a square array, is set to the film's mean. Does the table still flag it?


# %% tags=["solution"]
def without_corner(film):
    film, side = film.copy(), len(film) // 5
    film[:side, :side] = film.mean()
    return film


# stub:
# def without_corner(film):
#     return ...

# %% tags=["check"]
tiny = np.zeros((10, 10))
tiny[0, 0] = 1.0
assert without_corner(tiny)[0, 0] < 0.1 and tiny[0, 0] == 1.0, "the film that was given stays as it is"
marked = radiographs(40, seed, shortcut)
for name, change in {"with the corner": lambda film: film, "without": without_corner}.items():
    brightest = np.array([change(film[0])[:12, :12].max() for film in marked.images])
    print(f"{name}: AUROC of its brightest point {auroc(brightest, marked.labels == 1):.2f}")

# %% [markdown] tags=["hint"]
# Copy the film first; its side is `len(film)`.

# %% [markdown]
# **Think.** A colleague reports a nearly perfect AUROC for a new disease. The ill come from one hospital, the healthy from a public set.
# What do you ask for first?

# %% [markdown] tags=["answer"]
# Healthy images from the same hospital. As long as the source separates the classes, no test on this set can tell disease and
# hospital apart. Then: how was it split, and what remains without the lungs?

# %% tags=["quiz"]
widgets.quizzes("42")

# %% [markdown]
# ## Recap
#
# - A high score may come from a trace of the hospital. Look for shortcuts before training: single numbers that separate the classes.
# - Black out what matters. What remains is what the network can do without it.
# - Split by patient. Here a split by image was not shown to score higher; beforehand, nobody knows.
# - A high score on one set is no evidence about the next hospital.
#
# **Next:** [00](00_start_here.ipynb) lists what else there is.
#
# **To read.** Zech et al. 2018, *Variable generalization performance of a deep learning model to detect pneumonia in chest
# radiographs*, doi:10.1371/journal.pmed.1002683. Maguolo and Nanni 2021, *A critic evaluation of methods for COVID-19 automatic detection
# from X-ray images*, arXiv:2004.12823. DeGrave et al. 2021, *AI for radiographic COVID-19 detection selects shortcuts over signal*,
# doi:10.1038/s42256-021-00338-7.

# %% tags=["record"]
{"by image": done["image"].test.metrics["AUROC"], "by patient": by_hand, "no lungs": blind}
