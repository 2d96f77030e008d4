"""Part 5, growth: seconds and memory against pictures, fits and workers."""

from pathlib import Path

from benchmarks.apart import ONE, Contestant
from benchmarks.part import Design, Part, Target
from benchmarks.results import Results
from benchmarks.spread import number, phase, shown, table, values
from benchmarks.standings import median

IMAGES, FITS, JOBS = (1_000, 10_000, 100_000), (10, 100, 400), (1, 2)
TABLE = "frozen"
PLANS = {"last-1": "kept, then read batch by batch", TABLE: "solved, from one table"}
BACKENDS = ("loky", "ray", "dask")
HARD = {"plan": "last-1", "labels": 2}  # what workers fit
ROUNDS, MINUTES = 2, 6

SAID = """
**Pictures.** 8 × 8, drawn when they are asked for; `letters`, one pass over all of them, a thousand to test.
Memory is what the process holds for itself beyond what it held before the fit, at most; the files that keep
activations are mapped, and what is read of them can be given back. A probe that is solved holds a table of
all features, 128 a picture, and grows with it.
"""
FITS_SAID = """
**Fits.** Of `frozen` on digits with one label, one after the other in one process.
"""
WORKERS_SAID = """
**Workers.** {count} fits of `{plan}` on digits with {labels} labels, one thread each; the rate is taken once
every worker has ended its first fit, so that starting up stands apart.
"""


def of_images(plan: str, count: int) -> str:
    return f"{plan}, {count} pictures"


def of_fits(count: int) -> str:
    return f"{count} fits"


def of_workers(backend: str, jobs: int) -> str:
    return f"{backend}, {jobs} worker{'s' * (jobs != 1)}"


def design(work: Path, quick: bool) -> Design:
    """From a thousand to a hundred thousand pictures, from ten to four hundred fits, one worker and two."""
    images, fits, count = ((100, 200), (2, 4), 4) if quick else (IMAGES, FITS, 16)
    setting = {"images": images, "fits": fits, "count": count, **HARD}
    racing = [
        Contestant(of_images(plan, n), "benchmarks.growth:images", {"count": n, "plan": plan})
        for n in images
        for plan in PLANS
        if plan != TABLE or n < max(images)  # what grows with it is seen by then
    ]
    racing += [Contestant(of_fits(n), "benchmarks.growth:fits", {"count": n}) for n in fits]
    racing += [
        Contestant(of_workers(backend, jobs), "benchmarks.growth:workers",
                   {"backend": backend, "jobs": jobs, "count": count, **HARD})
        for backend in BACKENDS
        for jobs in JOBS
    ]  # fmt: skip
    return Design(setting, racing, 1 if quick else ROUNDS, MINUTES)


def grown(run: dict) -> float:
    return run["most_mb"] - run["before_mb"]


def rate(run: dict) -> float:
    return run["fits a second"]


def targets(results: Results) -> list[Target]:
    few, many = results.setting["images"][-2:]
    name = {n: f"{of_images('last-1', n)}, {ONE}" for n in (few, many)}
    found = []
    if all(results.of(one) for one in name.values()):
        time = [median(results, one, phase("fit")) / n for n, one in name.items()]
        text = f"seconds a picture, {many} pictures over {few}"
        found.append(Target(text, time[1] / time[0], 1.25, False, name[many]))
        held = [median(results, one, grown) for one in name.values()]
        text = f"memory held, MB: {many} pictures less {few}"
        found.append(Target(text, held[1] - held[0], 64, False, name[many]))
    for backend in BACKENDS:
        one, two = (f"{of_workers(backend, jobs)}, {ONE}" for jobs in JOBS)
        times = None
        if results.of(one) and results.of(two):
            times = median(results, two, rate) / median(results, one, rate)
        found.append(Target(f"two workers over one, {backend}", times, 1.7, True))
    return found


def body(results: Results) -> str:
    said = results.setting
    pieces = [SAID, table(["", "runs", "seconds of the fit", "ms a picture", "MB held"], by_images(results))]
    rows = []
    for n in said["fits"]:
        name = f"{of_fits(n)}, {ONE}"
        if results.of(name):
            runs = str(len(results.of(name)))
            rows.append([of_fits(n), runs, *(shown(values(results, name, key)) for key in (rate, grown))])
    pieces += [FITS_SAID, table(["", "runs", "fits a second", "MB held"], rows)]
    rows = []
    for backend in BACKENDS:
        names = [f"{of_workers(backend, jobs)}, {ONE}" for jobs in JOBS]
        if all(results.of(name) for name in names):
            times = median(results, names[1], rate) / median(results, names[0], rate)
            rows.append([backend, *(shown(values(results, name, rate)) for name in names), number(times)])
    pieces += [WORKERS_SAID.format(**said)]
    pieces += [table(["", "fits a second, 1 worker", "2 workers", "times"], rows)]
    return "\n".join(pieces)


def by_images(results: Results) -> list[list[str]]:
    rows = []
    for plan in PLANS:
        for n in results.setting["images"]:
            name = f"{of_images(plan, n)}, {ONE}"
            if results.of(name):
                time = values(results, name, phase("fit"))
                held = shown(values(results, name, grown))
                each = number(1000 * time.median / n)
                rows.append([of_images(plan, n), str(len(results.of(name))), shown(time), each, held])
    return rows


PART = Part("p5_growth", "5 · Growth", design, body, targets)
