"""Pictures on disk as a task: a folder per class."""

import csv
from pathlib import Path

import numpy as np

from tlkit.errors import UserError
from tlkit.files import place
from tlkit.tasks import Items, Task, classification
from tlkit.tasks.files import Found, Pictures, class_files, scan
from tlkit.tasks.reading import read_picture
from tlkit.tasks.splits import held_out, owners

__all__ = ["from_folder", "picture_task", "read_picture", "split"]

TEST_FOLDERS = ("test", "valid", "val")
BACKBONE = "efficientnet_lite0"  # what suits photographs


def from_folder(folder: Path | str, name: str | None = None, groups: Path | str | None = None) -> Task:
    """A task from `folder/CLASS/*`, or `folder/train/CLASS/*` and `folder/test/CLASS/*` (or valid, or val).

    groups: a CSV of `file,group` (default `folder/groups.csv` if there): pictures of one group (a patient, a
    board, a day) stay on one side of the split, and so do copies of a picture. `read_picture` says how a file
    is read; those that do not open are not used, and `task.set_aside` says which and why. Raises UserError
    for an empty folder, a class of which no file opens, a single class, one picture under two classes, too
    few pictures to split, or a leak in a given split.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(
            f"there is no folder {root}: give one that holds a sub-folder of pictures for each class."
        )
    test_root = next((root / t for t in TEST_FOLDERS if (root / t).is_dir()), None)
    split_given = test_root is not None and (root / "train").is_dir()
    sources = [root / "train", test_root] if split_given else [root]
    found, aside = zip(*(scan(class_files(source)) for source in sources), strict=True)
    everything = [f for part in found for f in part]
    unread = {file: reason for part in aside for file, reason in part.items()}
    _refuse_unusable(root, everything, unread)
    csv_path = Path(groups) if groups else root / "groups.csv"
    named = _read_groups(csv_path, everything, root) if groups or csv_path.exists() else {}
    train, test = found if split_given else split(everything, named, root)
    card = {"split": "given" if split_given else "by group" if named else "by picture"}
    return picture_task(name or f"folder:{root.resolve().name}", train, test, named, unread, card)


def _refuse_unusable(root: Path, found: list[Found], unread: dict[str, str]) -> None:
    if not found:
        many = ""
        if unread:
            file, reason = next(iter(unread.items()))
            many = f"; {len(unread)} files there do not open, the first is {file} ({reason})"
        raise UserError(
            f"{root} holds no pictures in class folders: put them into {root.name}/CLASS/ first{many}."
        )
    known = {f.label for f in found}
    for file, reason in unread.items():
        label = Path(file).parent.name
        if label not in known:
            raise UserError(
                f"no file in class folder {label!r} of {root} opens as a picture (of the first: {reason}): "
                "mend the files or remove it."
            )
    _refuse_two_labels(found)


def _refuse_two_labels(found: list[Found]) -> None:
    seen: dict[str, Found] = {}
    for item in found:
        first = seen.setdefault(item.digest, item)
        if first.label != item.label:
            raise UserError(
                f"{first.path} and {item.path} are one picture under two classes: keep the one that is right."
            )


def _read_groups(path: Path, found: list[Found], root: Path) -> dict[Path, str]:
    """Picture -> group. Spreadsheets put a byte-order mark in front and Windows writes backslashes."""
    if not path.is_file():
        raise UserError(f"there is no group file {path}: give a CSV with the columns file,group.")
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no CSV in UTF-8 ({error}): save it again as one.") from error
    if not rows or not {"file", "group"} <= rows[0].keys():
        raise UserError(f"{path} needs the columns file,group and a row for each picture.")
    filled = [row for row in rows if row["file"] and row["group"]]
    named = {place(root / row["file"].replace("\\", "/")): row["group"].strip() for row in filled}
    missing = [f.path for f in found if f.place not in named]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise UserError(f"{path} has no group for {missing[0].relative_to(root)}{more}: add a row for it.")
    return named


def split(found: list[Found], named: dict[Path, str], root: Path) -> tuple[list[Found], list[Found]]:
    """Two fifths of the groups, balanced by class, are the test split; the same on every machine."""
    groups = [named[f.place] for f in found] if named else ()
    held = set(held_out([f.label for f in found], owners([f.digest for f in found], groups), root))
    return tuple([f for i, f in enumerate(found) if (i in held) == test] for test in (False, True))


def picture_task(
    name: str, train: list[Found], test: list[Found], named: dict, aside: dict[str, str], card: dict
) -> Task:
    """A task of the pictures found; named: what each is of, by its place, or nothing."""
    classes = sorted({f.label for f in train} | {f.label for f in test})
    number = {c: i for i, c in enumerate(classes)}

    def items(part: list[Found]) -> Items:
        owners = tuple(named[f.place] for f in part) if named else ()
        return Items(
            Pictures([f.path for f in part]),
            [str(f.path) for f in part],
            tuple(f.digest for f in part),
            owners,
        )

    def targets(part: list[Found]) -> np.ndarray:
        return np.array([number[f.label] for f in part], dtype=np.int64)

    objective, card = classification(len(classes)), {"backbone": BACKBONE} | card
    sides = items(train), targets(train), items(test), targets(test)
    return Task(name, objective, *sides, tuple(classes), card, aside, reader="picture")
