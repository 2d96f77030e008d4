"""Pictures on disk as a task: a folder per class, and the image sets of the registry."""

import csv
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tlkit import cache
from tlkit.errors import UserError
from tlkit.tasks import Items, Task, classification

TEST_FOLDERS = ("test", "valid", "val")
TEST_FIFTHS = 2  # of five folds: 40 % of the pictures are the test split where the folder brings none
_READ_ERRORS = (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError)


class Pictures(Sequence):
    """Files read when asked for, upright, as PIL images."""

    def __init__(self, paths: Sequence[Path]):
        self.paths = list(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> Image.Image:
        return read_picture(self.paths[i])


def read_picture(path: Path) -> Image.Image:
    """One picture, turned upright by its EXIF tag. Raises UserError naming the file when it does not decode."""
    try:
        with Image.open(path) as picture:
            return ImageOps.exif_transpose(picture).convert("RGB")
    except _READ_ERRORS as error:
        raise UserError(
            f"{path} does not open as a picture ({type(error).__name__}): remove it or save it again."
        ) from error


@dataclass(frozen=True)
class _Found:
    path: Path
    label: str
    digest: str


def from_folder(folder: Path | str, name: str | None = None, groups: Path | str | None = None) -> Task:
    """A task from `folder/CLASS/*`, or from `folder/train/CLASS/*` and `folder/test/CLASS/*` (also valid, val).

    groups: a CSV of `file,group` (default `folder/groups.csv` if there): pictures of one group (a patient, a
    board, a day) stay on one side of the split; copies of a picture count as one group by themselves. Files
    that do not open are set aside, named in `task.set_aside`, and not used. Raises UserError for an empty
    folder, a single class, one picture under two classes, or a leak in a split the folder brings.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(
            f"there is no folder {root}: give one that holds a sub-folder of pictures for each class."
        )
    test_root = next((root / t for t in TEST_FOLDERS if (root / t).is_dir()), None)
    split_given = test_root is not None and (root / "train").is_dir()
    sources = [root / "train", test_root] if split_given else [root]
    found, aside = [], []
    for source in sources:
        good, bad = _scan(_class_files(source))
        found.append(good)
        aside += bad
    everything = [f for part in found for f in part]
    if not everything:
        raise UserError(
            f"{root} holds no pictures in class folders: put them into {root.name}/CLASS/ and run again."
        )
    _refuse_two_labels(everything)
    csv_path = Path(groups) if groups else root / "groups.csv"
    named = _read_groups(csv_path, everything, root) if groups or csv_path.exists() else {}
    if split_given:
        train, test = found
    else:
        train, test = _split(everything, named, root)
    return _task(
        name or f"folder:{root.resolve().name}",
        train,
        test,
        named,
        tuple(aside),
        {"split": "given" if split_given else "by group"},
    )


def _class_files(root: Path) -> list[tuple[Path, str]]:
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    return [
        (f, d.name)
        for d in folders
        for f in sorted(d.iterdir())
        if f.is_file() and not f.name.startswith(".")
    ]


def _scan(files: list[tuple[Path, str]]) -> tuple[list[_Found], list[str]]:
    """Decode every file once: its content hash, or its name among those set aside."""

    def look(file: tuple[Path, str]) -> _Found | str:
        try:
            picture = read_picture(file[0])
        except UserError:
            return str(file[0])
        content = hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()[:16]
        return _Found(*file, content)

    with ThreadPoolExecutor(2) as pool:
        looked = list(pool.map(look, files))
    return [f for f in looked if isinstance(f, _Found)], [f for f in looked if isinstance(f, str)]


def _refuse_two_labels(found: list[_Found]) -> None:
    seen: dict[str, _Found] = {}
    for item in found:
        first = seen.setdefault(item.digest, item)
        if first.label != item.label:
            raise UserError(
                f"{first.path} and {item.path} are one picture under two classes: keep the one that is right."
            )


def _read_groups(path: Path, found: list[_Found], root: Path) -> dict[Path, str]:
    if not path.is_file():
        raise UserError(f"there is no group file {path}: give a CSV with the columns file,group.")
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"file", "group"} <= rows[0].keys():
        raise UserError(f"{path} needs the columns file,group and a row for each picture.")
    named = {(root / row["file"]).resolve(): row["group"] for row in rows}
    missing = [f.path for f in found if f.path.resolve() not in named]
    if missing:
        raise UserError(
            f"{path} has no row for {missing[0].relative_to(root)} (and {len(missing) - 1} more): add it."
        )
    return named


def _split(found: list[_Found], named: dict[Path, str], root: Path) -> tuple[list[_Found], list[_Found]]:
    """Two fifths of the groups, balanced by class, are the test split; the same on every machine."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels = [f.label for f in found]
    owners = [_group(f, named) for f in found]
    smallest, size = min(
        ((c, len({o for o, x in zip(owners, labels, strict=True) if x == c})) for c in set(labels)),
        key=lambda pair: pair[1],
    )
    if size < 5:
        raise UserError(
            f"{root}: class {smallest!r} has {size} separate pictures or groups, a split needs 5: "
            "add some, or bring your own split as train/ and test/."
        )
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(labels, labels, owners)
    test = np.concatenate([rows for _, rows in list(folds)[:TEST_FIFTHS]])
    held = set(test.tolist())
    return [f for i, f in enumerate(found) if i not in held], [found[i] for i in sorted(held)]


def _group(item: _Found, named: dict[Path, str]) -> str:
    return named.get(item.path.resolve(), item.digest)


def _task(
    name: str, train: list[_Found], test: list[_Found], named: dict, aside: tuple[str, ...], card: dict
) -> Task:
    classes = sorted({f.label for f in train} | {f.label for f in test})
    number = {c: i for i, c in enumerate(classes)}

    def items(part: list[_Found]) -> Items:
        owners = tuple(_group(f, named) for f in part) if named else ()
        return Items(
            Pictures([f.path for f in part]),
            [str(f.path) for f in part],
            tuple(f.digest for f in part),
            owners,
        )

    def targets(part: list[_Found]) -> np.ndarray:
        return np.array([number[f.label] for f in part], dtype=np.int64)

    objective = classification(len(classes))
    return Task(
        name, objective, items(train), targets(train), items(test), targets(test), tuple(classes), card, aside
    )


def _by_prefix(root: Path, name: str) -> Task:
    """Class in the file name: `images/CLASS_17.jpg`."""
    files = [(f, f.stem.rsplit("_", 1)[0]) for f in sorted((root / "images").iterdir()) if f.is_file()]
    found, aside = _scan(files)
    train, test = _split(found, {}, root)
    return _task(name, train, test, {}, tuple(aside), {"split": "by picture"})


NAMED = {
    "hymenoptera": lambda root: from_folder(root, "hymenoptera"),
    "caltech_wildlife": lambda root: from_folder(root, "caltech_wildlife"),
    "neu_steel": lambda root: _by_prefix(root, "neu_steel"),
}


def load(name: str) -> Task | None:
    """The image task of that name, fetched and verified on first use, or None if the registry has none."""
    if name not in NAMED:
        return None
    return NAMED[name](cache.get(name.partition(":")[0]))
