"""Photos to a phone: splits with and without a leak, calibration, and the exported file, measured again."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from torch import nn

from tlkit import backbones, recipe, saved_model, study, tasks
from tlkit.backbones import Backbone
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.plots.style import GREY, INK, canvas
from tlkit.records import FitKey, Record, Store, values
from tlkit.tasks import Evaluation, Task
from tlkit_lessons import export, ledger, paired
from tlkit_lessons.look import guess_line, series

NETWORK = "efficientnet_lite0,size=96"
SEEDS = tuple(range(70, 80))
RANDOM = "frozen, random weights"
LABELS = (5, 20)  # per class
PHOTOS = [
    *(("surfaces", plan, n) for plan in ("frozen", RANDOM, "pixels") for n in LABELS),
    *((task, "frozen", n) for task in ("surfaces-random", "reef_fish", "reef_fish-random") for n in LABELS),
]
FILES = ("caltech_wildlife", "surfaces")
SPLITS = (("metal parts", "surfaces", "part"), ("reef fish", "reef_fish", "fish"))
SHOWN = {"caltech_wildlife": "animals", "surfaces": "metal parts"}
INT8, NOISE = "frozen, int8", "frozen, int8 by noise"


def record(store: Store, name: str, plan: str, labels: int, seed: int, backbone: Backbone) -> Record:
    """The test accuracy of a plan; `frozen, random weights` has the network without its training."""
    used = backbones.from_blueprint(backbone.blueprint) if plan == RANDOM else backbone
    task, how = tasks.load(name), recipe.suited(backbone)

    def run() -> Evaluation:
        found = fit(task, used, plan.partition(",")[0], labels, seed, how)
        return replace(found.test, detail={"setting": found.setting})

    key = FitKey(task.name, task.digest, backbone.name, backbone.digest, plan, labels, seed, how.version)
    return study.measure(store, key, run, task.objective.first)


def record_files(store: Store, name: str, seed: int, backbone: Backbone, labels: int = 20) -> None:
    """The test accuracy of a frozen fit, and of two 8-bit files made from it."""
    task, how = tasks.load(name), recipe.suited(backbone)
    found = cache(lambda: fit(task, backbone, "frozen", labels, seed, how))

    def of_file(photos: Sequence[Image.Image], plan: str) -> Evaluation:
        with TemporaryDirectory() as there:
            whole, small = Path(there, export.FLOAT), Path(there, export.INT8)
            headed(_body(backbone.name, len(task.classes)), found().model.head, whole)
            export.to_int8(whole, small, [backbone.transform(photo).numpy() for photo in photos])
            tested = task.evaluate(lambda test: answers(small, backbone, test.inputs), plan)
            detail = {"bytes": {file.name: file.stat().st_size for file in (whole, small)}}
        return replace(tested, detail=detail)

    runs = {
        "frozen": lambda: found().test,
        INT8: lambda: of_file(calibration(task), INT8),
        NOISE: lambda: of_file(noise(export.PHOTOS, seed), NOISE),
    }
    for plan, run in runs.items():
        key = FitKey(task.name, task.digest, backbone.name, backbone.digest, plan, labels, seed, how.version)
        study.measure(store, key, run, task.objective.first)


@cache
def _body(name: str, classes: int) -> bytes:
    """The pretrained network as ONNX, with a head of zeros: exported once, it takes a while."""
    backbone = backbones.load(name)
    chain = backbone.fresh()
    chain.head = nn.Sequential(backbone.pool, nn.Linear(1280, classes)).eval()
    with TemporaryDirectory() as there:
        exported(chain.eval(), backbone, [str(k) for k in range(classes)], Path(there, "x"), ())
        return Path(there, "x", export.FLOAT).read_bytes()


def headed(body: bytes, head: nn.Module, file: Path) -> None:
    """The file of a frozen network: that of the body, with this head."""
    import onnx

    program, new = onnx.load_from_string(body), {f"head.{k}": t for k, t in head.state_dict().items()}
    for tensor in program.graph.initializer:
        if tensor.name in new:
            tensor.CopyFrom(onnx.numpy_helper.from_array(new.pop(tensor.name).numpy(), tensor.name))
    if new:
        raise ValueError(f"the file has no {', '.join(new)}")
    onnx.save(program, file)


def calibration(task: Task) -> list[Image.Image]:
    """The training photos on which the range of each activation is measured."""
    return export.photos_of(None, task.name)


def noise(many: int, seed: int, side: int = 96) -> list[Image.Image]:
    """Images of uniform random pixels: no photos."""
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)) for _ in range(many)]


def exported(
    model: nn.Module,
    backbone: Backbone,
    classes: Sequence[str],
    out: Path,
    photos: Sequence[Image.Image],
) -> list[export.Exported]:
    """The files of a model that was just fitted, as `tlkit export` makes them of a saved one."""
    with TemporaryDirectory() as there:
        folder = saved_model.save(
            Path(there, "model"), model, backbone.blueprint, classes, {"plan": "frozen"}
        )
        return export.export(folder, out, photos)


def scores(file: Path, backbone: Backbone, photos: Sequence[Image.Image]) -> np.ndarray:
    """What a file says of photos, N x classes, one photo at a time as on the phone."""
    run = export.session(file).run
    return np.concatenate([run(None, {"image": backbone.transform(p)[None].numpy()})[0] for p in photos])


def answers(file: Path, backbone: Backbone, photos: Sequence[Image.Image]) -> np.ndarray:
    """The class number that a file gives each photo."""
    return scores(file, backbone, photos).argmax(1)


def odds(scores: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Scores, N x classes, as probabilities; a temperature above 1 makes them less certain."""
    return np.exp(log_softmax(scores / temperature, 1))


def ece(said: np.ndarray, labels: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: |confidence - accuracy| in bins of confidence, weighted by photos.

    said: probabilities, N x classes. The largest of each row is its confidence (Guo et al. 2017).
    """
    confidence, right = said.max(1), said.argmax(1) == labels
    of = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[of == k].mean() - right[of == k].mean()) * (of == k).mean() for k in set(of.tolist())
    ]
    return float(sum(gaps))


def temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the smallest log-loss on labelled photos not trained on (Guo et al. 2017)."""
    rows = np.arange(len(labels))
    found = minimize_scalar(
        lambda log: -log_softmax(scores / np.exp(log), 1)[rows, labels].mean(),
        bounds=(-3, 3),
        method="bounded",
    )
    return float(np.exp(found.x))


def recorded(file: str, task: str, plan: str, labels: int = 20) -> np.ndarray:
    """The accuracy of every recorded seed, in their order. UserError where a seed is absent."""
    found = values(ledger.shelf().store(file).read(), plan=plan, labels=labels, task=task)
    if missing := set(SEEDS) - found.keys():
        raise UserError(
            f"{task}: no record of {plan}, seed {min(missing)}: run tools/make_records.py {file}."
        )
    return np.array([found[seed] for seed in SEEDS])


def two_splits(labels: int = 20) -> Figure:
    """Accuracy of each seed where photos of one thing may be on both sides of the split, and where not."""
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.7), layout="constrained")
    for ax, (name, task, thing) in zip(axes, SPLITS, strict=True):
        leaky, honest = (recorded("41_photos", t, "frozen", labels) for t in (f"{task}-random", task))
        paired.paired_dots(leaky, honest, ("by photo", f"by {thing}"), ax, plans=("frozen@leaky", "frozen"))
        more = 100 * (leaky - honest).mean()
        ax.set_title(
            f"{name}: a split by photo\nadds {more:+.0f} points of accuracy", loc="left", fontsize=11
        )
    return figure


def confusions(said: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Axes:
    """How many photos of each class (row) got which answer (column); the title names the largest error."""
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (labels, said), 1)
    ax = canvas(None, 4.6, 4.0)
    ax.imshow(counts, cmap="Greys", vmin=0, vmax=2 * counts.max())
    for (row, column), n in np.ndenumerate(counts):
        ax.text(column, row, n, ha="center", va="center", color=INK, fontsize=11)
    wrong = counts - np.diag(np.diag(counts))
    row, column = np.unravel_index(wrong.argmax(), wrong.shape)
    ax.set_title(f"The commonest error:\n{classes[row]} taken for {classes[column]}", loc="left", fontsize=11)
    ax.set_xticks(range(len(classes)), classes, rotation=35)
    ax.set_yticks(range(len(classes)), classes)
    ax.set(xlabel="answer", ylabel="true class")
    ax.spines[:].set_visible(False)
    return ax


def seen(photo: Image.Image, drop: np.ndarray, title: str) -> Figure:
    """A photo, and by how much the probability of its class falls where a patch is covered."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(5.2, 2.7), layout="constrained")
    left.imshow(photo)
    shown = right.imshow(drop, cmap="Greys", vmin=0)
    for ax in (left, right):
        ax.set_axis_off()
    figure.colorbar(shown, ax=right, shrink=0.8, label="fall in probability")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure


def reliability(before: np.ndarray, after: np.ndarray, labels: np.ndarray, bins: int = 5) -> Figure:
    """Accuracy against confidence before and after temperature scaling; on the diagonal both agree."""
    figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.6), sharey=True, layout="constrained")
    for k, (ax, name, said) in enumerate(zip(axes, ("before", "after"), (before, after), strict=True)):
        canvas(ax).plot([0, 1], [0, 1], color=GREY, linewidth=1)
        confidence, right = said.max(1), said.argmax(1) == labels
        of = np.minimum((confidence * bins).astype(int), bins - 1)
        at = sorted(set(of.tolist()))
        points = [[x[of == b].mean() for b in at] for x in (confidence, right)]
        ax.plot(*points, **series(k), markersize=7)
        ax.set_title(f"{name}: ECE {ece(said, labels):.3f}", loc="left", fontsize=11)
        ax.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence")
    axes[0].set_ylabel("share that is right")
    return figure


def changes(guess: float | None = None) -> Figure:
    """What each seed's 8-bit file gains or loses in points of accuracy, calibrated on photos and on noise."""
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.6), sharey=True, layout="constrained")
    for ax, (task, name) in zip(axes, SHOWN.items(), strict=True):
        whole = recorded("41_files", task, "frozen")
        canvas(ax).axhline(0, color=INK, linewidth=1)
        found = [100 * (recorded("41_files", task, plan) - whole) for plan in (INT8, NOISE)]
        for x, each in enumerate(found):
            spread = x + np.linspace(-0.18, 0.18, len(each))
            ax.plot(spread, each, **series(x) | {"linestyle": "none"}, markersize=7)
        ax.set_xticks([0, 1], ["calibrated on photos", "calibrated on noise"])
        ax.set_xlim(-0.5, 1.5)
        title = f"{name}: {found[0].mean():+.1f} points\nby photos, {found[1].mean():+.1f} by noise"
        ax.set_title(title, loc="left", fontsize=11)
        if guess is not None:
            guess_line(ax, -guess)
    axes[0].set_ylabel("accuracy of the 8-bit file\nless that of the network, points")
    return figure
