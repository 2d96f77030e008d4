"""Ask the exported network about photos; needs onnxruntime, numpy and Pillow, and no torch.

python ask.py PHOTO ...
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

HERE = Path(__file__).resolve().parent


def look(photo, size, mean, std, crop, resample, whole):
    """A photo as the network was trained to see it: 1 x 3 x size x size float32."""
    image = ImageOps.exif_transpose(Image.open(photo))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    side = min(image.size) * crop
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = None if whole else (left, top, left + side, top + side)
    how = Image.Resampling[resample.upper()]
    image = image.convert("RGB").resize((size, size), how, box=box, reducing_gap=3.0)
    pixels = np.asarray(image, np.float32) / 255
    return ((pixels - np.float32(mean)) / np.float32(std)).transpose(2, 0, 1)[None]


def ask(photos, file=None):
    """A class and its probability for each photo, by model.int8.onnx where there is one."""
    told = json.loads((HERE / "model.json").read_text("utf-8"))
    run = onnxruntime.InferenceSession(HERE / (file or list(told["files"])[-1])).run
    for photo in photos:
        scores = run(None, {"image": look(photo, **told["input"])})[0][0]
        odds = np.exp(scores - scores.max())
        yield told["classes"][odds.argmax()], float(odds.max() / odds.sum())


if __name__ == "__main__":
    for photo, (answer, probability) in zip(sys.argv[1:], ask(sys.argv[1:]), strict=True):
        print(photo, answer, f"{probability:.2f}", sep="\t")
