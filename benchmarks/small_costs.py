"""What the everyday calls cost: importing tlkit, a first frozen fit, and another on the kept activations.

Ratios within one run; seconds are those of this machine at this moment.
"""

import statistics
import subprocess
import sys
import time

from tlkit import backbones, env, recipe
from tlkit.fit import fit
from tlkit.plans import Plan
from tlkit.tasks import catalogue


def seconds(call, repeats: int) -> float:
    """Median wall seconds of `repeats` calls."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main() -> None:
    """Print the table."""
    env.set_threads(1)
    bare = seconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), 7)
    light = seconds(lambda: subprocess.run([sys.executable, "-c", "import tlkit"], check=True), 7)
    task, backbone, settings = catalogue.load("digits"), backbones.load("letters"), recipe.default()

    def frozen(seed: int) -> None:
        fit(task, backbone, Plan.parse("frozen"), labels=5, seed=seed, recipe=settings)

    first = seconds(lambda: frozen(0), 1)
    seeds = iter(range(1, 100))
    again = seconds(lambda: frozen(next(seeds)), 15)
    scratch = seconds(lambda: fit(task, backbone, Plan.parse("scratch"), 5, 0, settings), 1)
    print(f"import tlkit, beyond Python        {light - bare:8.3f} s")
    print(f"first frozen fit (runs the prefix) {first:8.3f} s")
    print(f"another frozen fit                 {again:8.3f} s, {first / again:.0f} times less")
    print(
        f"one fit from scratch               {scratch:8.3f} s, {scratch / again:.0f} times another frozen fit"
    )


if __name__ == "__main__":
    main()
