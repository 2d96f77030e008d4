"""The everyday calls: importing tlkit, a first frozen fit, another one on what is kept, one from scratch."""

import subprocess
import sys

from benchmarks.phases import Watch
from tlkit import backbones, recipe, tasks
from tlkit.fit import fit

STARTS, AGAIN = 5, 10


def costs(watch: Watch) -> dict:
    """How often each was done; a phase holds the seconds of all of them together."""
    for _ in range(STARTS):
        for phase, code in (("python", "pass"), ("import tlkit", "import tlkit")):
            with watch(phase):
                subprocess.run([sys.executable, "-c", code], check=True)
    task, backbone, settings = tasks.load("digits"), backbones.load("letters"), recipe.default()
    with watch("first"):
        fit(task, backbone, "frozen", 5, 0, settings)
    with watch("again"):
        for seed in range(1, 1 + AGAIN):
            fit(task, backbone, "frozen", 5, seed, settings)
    with watch("scratch"):
        fit(task, backbone, "scratch", 5, 0, settings)
    return {"starts": STARTS, "fits": AGAIN}
