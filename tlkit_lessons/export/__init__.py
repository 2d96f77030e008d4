"""A saved image classifier as ONNX files for programs without torch: in float32, and calibrated to int8."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module, resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from tlkit import files, saved_model, tasks
from tlkit.backbones import View
from tlkit.backbones.chain import Chain
from tlkit.errors import UserError
from tlkit.saved_model import Saved
from tlkit.tasks.reading import Unreadable, read_picture

FLOAT, INT8 = "model.onnx", "model.int8.onnx"
BESIDE = {"ask.py": "ask.py.txt", "index.html": "phone.html"}  # what asks the files, and the template it is
PHOTOS = 100  # to calibrate on
RUNS = 30  # of which the median is the latency


@dataclass(frozen=True)
class Exported:
    """One file: bytes, and the median seconds of one photo on one thread."""

    file: str
    bytes: int
    seconds: float


def export(folder: Path, out: Path, photos: Sequence[Image.Image] = ()) -> list[Exported]:
    """Write the model in `folder` to a new folder `out`, whole or not at all; what was written, measured.

    `model.onnx` takes N x 3 x size x size float32 and gives N x classes scores (logits). With photos,
    labelled or not, such as those it will meet, `model.int8.onnx` is beside it: weights and activations
    in 8 bits, the range of each activation as seen on the photos (static quantisation, Jacob et al. 2018).
    `model.json` has the classes and the input transform, `ask.py` and `index.html` ask the files.
    Raises UserError where `out` is there, the packages are not, the model is no image classifier whose
    input can be described, a layer has no counterpart in ONNX, or the file answers otherwise than the model.
    """
    out, saved = Path(out), saved_model.load(folder)
    if out.exists():
        raise UserError(f"{out} is there already: remove it or choose another --out.")
    view = _described(Path(folder), saved)
    _needs()
    try:
        with files.draft(out) as part:
            part.mkdir()
            _to_onnx(saved.model, view.size, part / FLOAT)
            if photos:
                to_int8(part / FLOAT, part / INT8, [view(photo).numpy() for photo in photos])
            told = [_measured(file, view.size) for file in (part / FLOAT, part / INT8) if file.exists()]
            known = {
                "classes": saved.classes,
                "input": asdict(view),
                "trained": saved_model.told(saved.about),
            }
            known["files"] = {one.file: {"bytes": one.bytes} for one in told}
            files.write_whole(part / "model.json", json.dumps(known, indent=2))
            for name, template in BESIDE.items():
                text = resources.files("tlkit_lessons.export").joinpath(template).read_text("utf-8")
                files.write_whole(part / name, text)
    except OSError as error:
        raise files.unwritable(out, error) from error
    return told


def photos_of(folder: Path | None, task: str = "") -> list[Image.Image]:
    """Up to PHOTOS images, evenly from those below a folder, or the training images of a task by name.

    Nothing where neither is known here. Raises UserError for a folder in which fewer than 10 files open.
    """
    if folder is None:
        if task not in tasks.names():
            return []
        found = tasks.load(task).train.inputs
        return [found[i] for i in _evenly(len(found))]
    known, seen = Image.registered_extensions(), []
    paths = sorted(p for p in folder.expanduser().rglob("*") if p.suffix.lower() in known)
    for i in _evenly(len(paths)):
        with suppress(Unreadable):
            seen.append(read_picture(paths[i]))
    if len(seen) < 10:
        raise UserError(f"{len(seen)} of the files below {folder} open as photos: give at least 10.")
    return seen


def _evenly(many: int) -> list[int]:
    return np.linspace(0, many - 1, min(PHOTOS, many)).round().astype(int).tolist()


def _described(folder: Path, saved: Saved) -> View:
    """How it sees an image. UserError for what is no classifier of images, or has a transform of its own."""
    folder = files.beside(folder, ".model") if folder.suffix == ".jsonl" else folder
    how = json.loads((folder / "model.json").read_text("utf-8"))
    if (how["reader"], how["decoder"]) != ("picture", "class") or not saved.classes:
        raise UserError(f"the model in {folder} is no classifier of images: only these can be exported.")
    if not isinstance(saved.transform, View):
        raise UserError(
            f"the model in {folder} prepares its images by a function of its own, which no program without "
            "tlkit has: export one on a network of timm or torchvision, or efficientnet_lite0."
        )
    return saved.transform


def _needs() -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        try:
            import_module(name)
        except ImportError as error:
            raise UserError(
                f"export needs {name}: pip install 'tlkit[export]', or `make install`."
            ) from error


def _to_onnx(model: Chain, size: int, file: Path) -> None:
    """The model as a file, whose answers are then compared with its own."""
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(False), torch.no_grad():
        if program := _translated(model, images):
            program.save(str(file))
        else:
            lost = next((name for name, stage, x in _steps(model, images) if not _translated(stage, x)), "?")
            raise UserError(f"stage {lost!r} has a layer that ONNX does not: train another network.")
        want = model(images).numpy()
    (got,) = session(file).run(None, {"image": images.numpy()})
    if np.abs(got - want).max() > 1e-3 * max(1, np.abs(want).max()):
        raise UserError("the exported file answers otherwise than the model: it was not kept.")


def _steps(model: Chain, x: Any) -> Iterator[tuple[str, nn.Module, Any]]:
    for name, stage in [*model.stages.items(), ("head", model.head)]:
        yield name, stage, x
        x = stage(x)


def _translated(module: nn.Module, x: torch.Tensor) -> Any:
    """The module as an ONNX program for any number of images, or None where a layer is not supported."""
    names = {"input_names": ["image"], "output_names": ["scores"]}
    try:
        batch = ({0: torch.export.Dim("batch")},)
        return torch.onnx.export(module, (x,), dynamo=True, dynamic_shapes=batch, verbose=False, **names)
    except torch.onnx.OnnxExporterError:
        return None


def to_int8(source: Path, file: Path, images: list[np.ndarray]) -> None:
    """A float32 file in 8 bits, its ranges as seen on `images`, 3 x size x size float32 each.

    Weights by channel, activations by tensor; both as pairs of quantise and dequantise (QDQ).
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    rows = iter([{"image": image[None]} for image in images])
    reader = type("Photos", (quantization.CalibrationDataReader,), {"get_next": lambda _: next(rows, None)})
    kinds = {"activation_type": quantization.QuantType.QUInt8, "weight_type": quantization.QuantType.QInt8}
    with TemporaryDirectory() as there:
        merged = Path(there, "merged.onnx")  # batch norms in their convolutions
        quant_pre_process(str(source), str(merged), skip_symbolic_shape=True)
        quantization.quantize_static(str(merged), str(file), reader(), per_channel=True, **kinds)


def session(file: Path) -> Any:
    """onnxruntime's session of a file, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _measured(file: Path, size: int) -> Exported:
    run, image = session(file).run, np.zeros((1, 3, size, size), np.float32)
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run(None, {"image": image})
        seconds.append(time.perf_counter() - start)
    return Exported(file.name, file.stat().st_size, float(np.median(seconds)))
