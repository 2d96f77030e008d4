"""A set of pictures larger than memory: scanned, fitted and predicted from disk, one picture at a time."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIDE = 2048  # pixels: as large as a picture is kept
DECODED = SIDE * SIDE * 4 / 2**20  # MiB of one picture in memory
PICTURES = 16
BUDGET = 120  # MiB that the whole may need beyond what a set of tiny pictures needs
SCRIPT = """
import json, sys
from pathlib import Path
from tlkit import backbones, env, saved_model
from tlkit.fit import fit
from tlkit.plans import Plan
from tlkit.recipe import Recipe
from tlkit.tasks.images import from_folder
from tlkit.tasks.reading import read_picture

def peak():
    # not getrusage: what it calls the peak of a child includes that of its parent
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024

def use(folder):
    task = from_folder(folder)
    yield "scan"
    backbone = backbones.load("letters")
    done = fit(task, backbone, Plan.parse("frozen"), 2, 0, Recipe())
    yield "fit and test"
    about = {"plan": "frozen", "task": task.name}
    kept = saved_model.save(folder.with_suffix(".model"), done.model, backbone.blueprint, task.classes, about)
    files = sorted(folder.glob("*/*"))
    assert all(guess.error is None for guess in saved_model.load(kept).predict(files))
    yield "predict"
    for file in sorted(folder.parent.glob("photo.*")):
        picture = read_picture(file)
        assert picture.getpixel((9, 9))[0] > 200 > 100 > picture.getpixel((picture.width - 9, 9))[0]
        yield file.name

env.set_threads(1)
small, large = map(Path, sys.argv[1:])
list(use(small))
before = peak()
growth = {step: peak() - before for step in use(large)}
together = [read_picture(file) for file in sorted(large.glob("*/*"))]
print(json.dumps({"growth": growth, "together": peak() - before}))
"""


def folder(root: Path, pictures: int, side: int) -> Path:
    """Two classes, bright and dark, of flat pictures no two of which are alike."""
    for name, level in (("bright", 200), ("dark", 20)):
        (root / name).mkdir(parents=True)
        for i in range(pictures // 2):
            Image.new("RGB", (side, side), (level, level + 2 * i, level)).save(root / name / f"{i}.jpg")
    return root


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_a_set_larger_than_its_memory_is_streamed(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_COMPUTED", str(tmp_path / "computed"))
    small, large = (
        folder(tmp_path / "a" / "small", PICTURES, 16),
        folder(tmp_path / "b" / "large", PICTURES, SIDE),
    )
    for name, width, height in (("photo.jpg", 9000, 6700), ("photo.png", 5000, 4000)):  # 60 and 20 megapixels
        photo = np.zeros((height, width, 3), dtype=np.uint8)
        photo[:, : width // 2, 0] = 255
        Image.fromarray(photo).save(tmp_path / "b" / name, compress_level=1)
    assert PICTURES * DECODED > 2 * BUDGET, "the set does not fit"
    command = [sys.executable, "-c", SCRIPT, str(small), str(large)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["together"] > 2 * BUDGET, "what is measured would show a set that is held whole"
    assert found["growth"].keys() == {"scan", "fit and test", "predict", "photo.jpg", "photo.png"}
    assert max(found["growth"].values()) < BUDGET, found["growth"]
