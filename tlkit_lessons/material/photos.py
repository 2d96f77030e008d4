"""Data sets of photographs, each with a split without leakage; downloaded and verified on first use."""

from functools import partial
from pathlib import Path

from tlkit import tasks
from tlkit.files import place
from tlkit.tasks import Task
from tlkit.tasks.folders import class_files
from tlkit.tasks.images import from_folder, picture_task, scan, split
from tlkit.tasks.text import table_rows
from tlkit_lessons import downloads
from tlkit_lessons.material import changed_photos

DOMAINS = ("photo", "art_painting", "sketch")  # of PACS


def register() -> None:
    """Register these tasks by name; an entry point of this package."""
    for name in SETS:
        tasks.register(name, partial(load, name))
    changes = ("clean", *changed_photos.CORRUPTIONS, "regrouped")
    tasks.register("photos:", changed_photos.changed, [f"photos:{change}" for change in changes])


def _by_prefix(root: Path, name: str) -> Task:
    """Class in the file name: `images/CLASS_17.jpg`."""
    files = [(f, f.stem.rsplit("_", 1)[0]) for f in sorted((root / "images").iterdir()) if f.is_file()]
    found, aside = scan(files)
    return picture_task(name, found, split(found, {}, root), {}, aside, {"split": "by image"})


def _domain(domain: str, root: Path) -> Task:
    """One domain of PACS; sketches of one photograph stay together, by the name in front of the hyphen."""
    found, aside = scan(class_files(root / domain))
    named = {f.place: f"{f.label} {f.path.stem.rpartition('-')[0] or f.path.stem}" for f in found}
    sides = split(found, named, root / domain)
    return picture_task(f"pacs:{domain}", found, sides, named, aside, {"split": "by photograph"})


def _fish(how: str, root: Path) -> Task:
    """Crops of video: frames of one fish on one side, or split image by image."""
    table, _ = table_rows(root / "trajectories.csv", ["file", "trajectory"], west=True)
    of = {
        place(root / file): f"trajectory {one}"
        for file, one in zip(table["file"], table["trajectory"], strict=True)
    }
    found, aside = scan(class_files(root))
    named = {f.place: of[f.place] for f in found} if how == "trajectory" else {}
    name = "reef_fish" if named else "reef_fish-random"
    return picture_task(name, found, split(found, named, root), named, aside, {"split": f"by {how}"})


SETS = {
    "hymenoptera": lambda root: from_folder(root, name="hymenoptera"),
    "caltech_wildlife": lambda root: from_folder(root, name="caltech_wildlife"),
    "neu_steel": lambda root: _by_prefix(root, "neu_steel"),
    "reef_fish": partial(_fish, "trajectory"),
    "reef_fish-random": partial(_fish, "image"),
    **{f"pacs:{domain}": partial(_domain, domain) for domain in DOMAINS},
}


def load(name: str) -> Task:
    """The task of that name in `SETS`."""
    return SETS[name](downloads.get(name.partition(":")[0].removesuffix("-random")))
