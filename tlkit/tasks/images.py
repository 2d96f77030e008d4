"""Pictures on disk as a task: a folder per class, and the image sets of the registry."""

import csv
from functools import partial
from pathlib import Path

import numpy as np

from tlkit import cache
from tlkit.errors import UserError
from tlkit.files import place
from tlkit.tasks import Items, Task, classification
from tlkit.tasks.files import Found, Pictures, class_files, scan
from tlkit.tasks.reading import read_picture

__all__ = ["NAMED", "from_folder", "load", "read_picture"]

TEST_FOLDERS = ("test", "valid", "val")
DOMAINS = ("photo", "art_painting", "sketch")  # of PACS
FOLDS, TEST_FOLDS = 5, 2  # 40 % of the pictures are the test split where the folder brings none


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
    train, test = found if split_given else _split(everything, named, root)
    card = {"split": "given" if split_given else "by group" if named else "by picture"}
    return _task(name or f"folder:{root.resolve().name}", train, test, named, unread, card)


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


def _split(found: list[Found], named: dict[Path, str], root: Path) -> tuple[list[Found], list[Found]]:
    """Two fifths of the groups, balanced by class, are the test split; the same on every machine."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels, owners = [f.label for f in found], _owners(found, named)
    sizes = {c: len({o for o, x in zip(owners, labels, strict=True) if x == c}) for c in sorted(set(labels))}
    smallest = min(sizes, key=sizes.__getitem__)
    if sizes[smallest] < FOLDS:
        raise UserError(
            f"{root}: class {smallest!r} has {sizes[smallest]} separate pictures or groups, a split needs "
            f"{FOLDS}: add some, or bring your own split as train/ and test/."
        )
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(labels, labels, owners)
    held = {int(row) for _, rows in list(folds)[:TEST_FOLDS] for row in rows}
    return [f for i, f in enumerate(found) if i not in held], [found[i] for i in sorted(held)]


def _owners(found: list[Found], named: dict[Path, str]) -> list[str]:
    """What must not be parted, a name a picture: its content, or its group and all groups with a copy."""
    if not named:
        return [f.digest for f in found]
    above: dict[str, str] = {}

    def top(group: str) -> str:
        while group in above:
            group = above[group]
        return group

    first: dict[str, str] = {}
    for item in found:
        mine = named[item.place]
        one, other = top(mine), top(first.setdefault(item.digest, mine))
        if one != other:
            above[max(one, other)] = min(one, other)
    return [top(named[f.place]) for f in found]


def _task(
    name: str, train: list[Found], test: list[Found], named: dict, aside: dict[str, str], card: dict
) -> Task:
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

    objective = classification(len(classes))
    return Task(
        name, objective, items(train), targets(train), items(test), targets(test), tuple(classes), card, aside
    )


def _by_prefix(root: Path, name: str) -> Task:
    """Class in the file name: `images/CLASS_17.jpg`."""
    files = [(f, f.stem.rsplit("_", 1)[0]) for f in sorted((root / "images").iterdir()) if f.is_file()]
    found, aside = scan(files)
    train, test = _split(found, {}, root)
    return _task(name, train, test, {}, aside, {"split": "by picture"})


def _domain(domain: str, root: Path) -> Task:
    """One domain of PACS; sketches of one photograph stay together, by the name in front of the hyphen."""
    found, aside = scan(class_files(root / domain))
    named = {f.place: f"{f.label} {f.path.stem.rpartition('-')[0] or f.path.stem}" for f in found}
    train, test = _split(found, named, root / domain)
    return _task(f"pacs:{domain}", train, test, named, aside, {"split": "by photograph"})


NAMED = {
    "hymenoptera": lambda root: from_folder(root, "hymenoptera"),
    "caltech_wildlife": lambda root: from_folder(root, "caltech_wildlife"),
    "neu_steel": lambda root: _by_prefix(root, "neu_steel"),
    **{f"pacs:{domain}": partial(_domain, domain) for domain in DOMAINS},
}


def load(name: str) -> Task | None:
    """The image task of that name, fetched and verified on first use, or None if the registry has none."""
    if name not in NAMED:
        return None
    return NAMED[name](cache.get(name.partition(":")[0]))
