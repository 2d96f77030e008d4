"""Photos to a phone: splits with and without a leak, calibration, and the exported file, measured again."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from torch import nn

from tlkit import backbones, export, recipe, saved_model, study, tasks
from tlkit.backbones import Backbone
from tlkit.fit import fit
from tlkit.records import FitKey, Record, Store
from tlkit.tasks import Evaluation, Task

NETWORK = "efficientnet_lite0,size=96"
SEEDS = tuple(range(70, 80))
RANDOM = "frozen, random weights"
LABELS = (5, 20)  # per class
PHOTOS = [
    *(("surfaces", plan, n) for plan in ("frozen", RANDOM, "pixels") for n in LABELS),
    *((task, "frozen", n) for task in ("surfaces-random", "reef_fish", "reef_fish-random") for n in LABELS),
]
FILES = ("caltech_wildlife", "surfaces")
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
