"""Pictures on disk as a task: a folder per class; told apart by content, and read when asked for."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlkit import downloads
from tlkit.errors import UserError
from tlkit.files import Hashes, composed, place
from tlkit.tasks import Items, Task, classification
from tlkit.tasks.items import Made
from tlkit.tasks.reading import Unreadable, read_picture
from tlkit.tasks.splits import Split, held_out, owners, parted
from tlkit.tasks.text import table_rows

TEST_FOLDERS = ("test", "valid", "val")
BACKBONE = "efficientnet_lite0"  # what suits photographs
_SCAN = 2  # raise it when a digest comes to mean something else


@dataclass(frozen=True)
class Found:
    """A picture that opens: where, of which class, and a hash of its decoded content."""

    path: Path
    label: str
    digest: str

    @property
    def place(self) -> Path:
        """Where it is, as a table of files would name it too."""
        return place(self.path)


def class_files(root: Path) -> list[tuple[Path, str]]:
    """(file, class) of every file in `root/CLASS/`, hidden ones left out, in the same order everywhere."""
    folders = [p for p in _by_name(root) if p.is_dir()]
    return [(f, composed(d.name)) for d in folders for f in _by_name(d) if f.is_file()]


def _by_name(folder: Path) -> list[Path]:
    return sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda p: composed(p.name))


def scan(files: Sequence[tuple[Path, str]]) -> tuple[list[Found], dict[str, str]]:
    """Decode every file, one after another: those that open, and of the others name -> reason.

    What was seen is noted in `downloads.computed()`; a file of the same size and time is not decoded again.
    """
    folders = sorted({os.path.abspath(path.parent) for path, _ in files})
    key = hashlib.sha256(os.fsencode("\n".join([str(_SCAN), *folders]))).hexdigest()[:16]
    hashes = Hashes(downloads.computed() / "pictures" / f"{key}.json")

    def look(file: tuple[Path, str]) -> Found | tuple[str, str]:
        try:
            return Found(*file, hashes.of(file[0], os.path.abspath(file[0]), _digest))
        except Unreadable as error:  # its words alone: its traceback holds what was decoded of the file
            return str(file[0]), error.reason

    with ThreadPoolExecutor(2) as pool:
        looked = list(pool.map(look, files))
    hashes.keep()
    return [f for f in looked if isinstance(f, Found)], dict(f for f in looked if not isinstance(f, Found))


def _digest(path: Path) -> str:
    picture = read_picture(path)
    content = hashlib.sha256(f"{picture.size}".encode())
    content.update(picture.tobytes())
    return content.hexdigest()[:16]


def from_folder(folder: Path | str, groups: Path | str | None = None, name: str | None = None) -> Task:
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
    card = {"split": "given" if split_given else "by group" if named else "by picture"}
    at = np.arange(len(everything))
    sides = np.split(at, [len(found[0])]) if split_given else split(everything, named, root)
    return picture_task(name or f"folder:{root.resolve().name}", everything, sides, named, unread, card)


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
    seen: dict[str, Found] = {}
    for item in found:
        first = seen.setdefault(item.digest, item)
        if first.label != item.label:
            raise UserError(
                f"{first.path} and {item.path} are one picture under two classes: keep the one that is right."
            )


def _read_groups(path: Path, found: list[Found], root: Path) -> dict[Path, str]:
    """Picture -> group; a table of Windows writes backslashes."""
    table, _ = table_rows(path, ["file", "group"])
    files = [place(root / file.replace("\\", "/")) for file in table["file"]]
    named = dict(zip(files, table["group"], strict=True))
    missing = [f.path for f in found if f.place not in named]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise UserError(f"{path} has no group for {missing[0].relative_to(root)}{more}: add a row for it.")
    return named


def split(found: list[Found], named: dict[Path, str], root: Path) -> Split:
    """Two fifths of the groups, balanced by class, are the test split; the same on every machine."""
    groups = [named[f.place] for f in found] if named else ()
    return held_out([f.label for f in found], owners([f.digest for f in found], groups), root)


def picture_task(
    name: str, found: list[Found], sides: Split, named: dict[Path, str], aside: dict[str, str], card: dict
) -> Task:
    """A task of the pictures found; named: what each is of, by its place, or nothing."""
    classes, numbers = np.unique([f.label for f in found], return_inverse=True)
    groups = tuple(named[f.place] for f in found) if named else ()
    pictures = Made(read_picture, [f.path for f in found])
    items = Items(pictures, [str(f.path) for f in found], tuple(f.digest for f in found), groups)
    parts = parted(items, numbers.astype(np.int64), sides)
    objective, card = classification(len(classes)), {"backbone": BACKBONE} | card
    return Task(name, objective, *parts, tuple(map(str, classes)), card, aside, reader="picture")
