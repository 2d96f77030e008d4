"""Pictures on disk as a task: a folder per class; told apart by content, and read when asked for."""

import hashlib
import os
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tlkit import downloads
from tlkit.errors import UserError
from tlkit.files import Hashes, composed, place
from tlkit.tasks import Items, Task, classification
from tlkit.tasks.items import Made, digest_of
from tlkit.tasks.reading import Unreadable, read_picture
from tlkit.tasks.splits import Split, held_out, owners, parted
from tlkit.tasks.together import Pairs, alike, glance, read_groups, told

TRAIN = ("train", "training")  # how the sides of a published split are called
TEST = ("test", "testing", "valid", "validation", "val")  # of several the first is the test
BACKBONE = "efficientnet_lite0"  # what suits photographs
_SCAN = 3  # raise it when a digest comes to mean something else


@dataclass(frozen=True)
class Found:
    """A picture that opens: where, of which class, a hash of its decoded content, and a small copy."""

    path: Path
    label: str
    digest: str
    glance: bytes

    @cached_property
    def place(self) -> Path:
        """Where it is, as a table of files would name it too."""
        return place(self.path)


def class_files(root: Path) -> list[tuple[Path, str]]:
    """(file, class) of every file below `root/CLASS/`, hidden ones left out, in the same order everywhere.

    Raises UserError for a class folder that holds no file.
    """
    found = {folder: list(_below(folder)) for folder in _folders(root)}
    for folder, files in found.items():
        if not files:
            raise UserError(f"class folder {folder} is empty: put its pictures into it, or remove it.")
    return [(file, composed(folder.name)) for folder, files in found.items() for file in files]


def _below(folder: Path, hidden: bool = False) -> Iterator[Path]:
    for path in _by_name(folder, hidden):
        if not path.is_dir():
            yield path
        elif not (path.is_symlink() and folder.resolve().is_relative_to(path.resolve())):  # a link to above
            yield from _below(path, hidden)


def _folders(root: Path) -> list[Path]:
    return [path for path in _by_name(root) if path.is_dir()]


def _by_name(folder: Path, hidden: bool = False) -> list[Path]:
    shown = [path for path in folder.iterdir() if hidden or not path.name.startswith(".")]
    return sorted(shown, key=lambda path: composed(path.name))


def _sides(root: Path) -> tuple[Path, ...]:
    """The folders of training and test of a published split, by names in any case; or `root` alone.

    Raises UserError for a test without classes.
    """
    named = {path.name.casefold(): path for path in _folders(root)}
    train, *_ = [*(named[word] for word in TRAIN if word in named), None]
    tests = [named[word] for word in TEST if word in named]
    if train is None or not tests:
        return (root,)
    labelled = [test for test in tests if _folders(test)]
    if not labelled:
        raise UserError(
            f"{tests[0]} has no class folders, so that nothing can be asked of it: sort its pictures into "
            f"{tests[0].name}/CLASS/, or move it out of {root}."
        )
    return train, labelled[0]


def scan(files: Sequence[tuple[Path, str]]) -> tuple[list[Found], dict[str, str]]:
    """Decode every file, one after another: those that open, and of the others name -> reason.

    What was seen is noted in `downloads.computed()`; a file of the same size and time is not decoded again.
    """
    folders = sorted({os.path.abspath(path.parent) for path, _ in files})
    key = hashlib.sha256(os.fsencode("\n".join([str(_SCAN), *folders]))).hexdigest()[:16]
    hashes = Hashes(downloads.computed() / "pictures" / f"{key}.json")

    def look(file: tuple[Path, str]) -> Found | tuple[str, str]:
        try:
            digest, _, small = hashes.of(file[0], os.path.abspath(file[0]), _digest).partition(" ")
            return Found(*file, digest, b64decode(small))
        except Unreadable as error:  # its words alone: its traceback holds what was decoded of the file
            return str(file[0]), error.reason
        except OSError as error:
            lost = file[0].is_symlink() and not file[0].exists()
            return str(file[0]), "a link to nothing" if lost else error.strerror or str(error)

    with ThreadPoolExecutor(2) as pool:
        looked = list(pool.map(look, files))
    hashes.keep()
    return [f for f in looked if isinstance(f, Found)], dict(f for f in looked if not isinstance(f, Found))


def _digest(path: Path) -> str:
    picture = read_picture(path)
    content = hashlib.sha256(f"{picture.size}".encode())
    content.update(picture.tobytes())
    return f"{content.hexdigest()[:16]} {b64encode(glance(picture)).decode()}"


def from_folder(folder: Path | str, groups: Path | str | None = None, name: str | None = None) -> Task:
    """A task from the pictures below `folder/CLASS/`, or of `folder/train/CLASS/` and `folder/test/CLASS/`.

    The two sides may be called training, and testing, valid, validation or val, in any case. groups: a CSV of
    `file,group` (default `folder/groups.csv` if there): pictures of one group (a patient, a board, a day)
    stay on one side of the split, and so do copies of a picture; without groups also those that look alike
    (`task.card["near"]`), but for a set with a name of its own, whose split is known. `read_picture` says how
    a file is read; those that do not open are not used, and `task.set_aside` says which and why;
    `task.card["files"]` counts what was seen. Raises UserError for an empty folder, a class of which no file
    opens, a single class, one picture under two classes, two classes that differ in case alone, too few
    pictures to split, a test without classes or with one that is not learnt, or a leak in a given split.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise UserError(
            f"there is no folder {root}: give one that holds a sub-folder of pictures for each class."
        )
    sources = _sides(root)
    listed = [class_files(source) for source in sources]
    found, aside = zip(*map(scan, listed), strict=True)
    everything = [f for part in found for f in part]
    unread = {file: reason for part in aside for file, reason in part.items()}
    _refuse_unusable(root, listed, everything, unread)
    _refuse_misnamed(root, sources, listed)
    csv_path = Path(groups).expanduser() if groups else root / "groups.csv"
    named, card = read_groups(csv_path, everything, root) if groups or csv_path.exists() else ({}, {})
    given = len(sources) > 1
    card["split"] = "given" if given else "by group" if named else "by picture"
    card["where"] = digest_of(str(place(root)))
    card["files"] = _counted(root, [file for part in listed for file, _ in part], everything, unread)
    pairs, at = alike(everything), np.arange(len(everything))
    split_there = np.split(at, [len(found[0])])
    sides = split_there if given else split(everything, named, root, [] if name else pairs)
    card |= told(everything, pairs, sides[1].tolist(), root)
    return picture_task(name or f"folder:{root.resolve().name}", everything, sides, named, unread, card)


def _counted(root: Path, listed: list[Path], used: list[Found], unread: dict[str, str]) -> str:
    """What became of every file below a folder: used, set aside, or left out by a rule."""
    every = list(_below(root, hidden=True))
    known = set(listed)
    left = Counter(_rule(path.relative_to(root)) for path in every if path not in known)
    assert len(every) == len(used) + len(unread) + left.total(), "a file is not accounted for"
    reasons = Counter(f"{reason} ({Path(file).suffix or 'no suffix'})" for file, reason in unread.items())
    told = [f"{count} {what}" for what, count in [*reasons.most_common(), *left.most_common()]]
    return f"{len(every)} files, {len(used)} used" + "".join(f"; {each}" for each in told)


def _rule(path: Path) -> str:
    """Why a file below a folder of classes is no picture of a class."""
    if any(part.startswith(".") for part in path.parts):
        return "hidden"
    return f"in {path.parts[0]}, which is on no side of the split" if path.parts[1:] else "in no class folder"


def _refuse_unusable(
    root: Path, listed: list[list[tuple[Path, str]]], found: list[Found], unread: dict[str, str]
) -> None:
    if not found:
        many = ""
        if unread:
            file, reason = next(iter(unread.items()))
            many = f"; {len(unread)} files there do not open, the first is {file} ({reason})"
        raise UserError(
            f"{root} holds no pictures in class folders: put them into {root.name}/CLASS/ first{many}."
        )
    known = {f.label for f in found}
    for file, label in (one for part in listed for one in part):
        if label not in known:
            raise UserError(
                f"no file in class folder {label!r} of {root} opens as a picture (of the first: "
                f"{unread[str(file)]}): mend the files or remove it."
            )
    seen: dict[str, Found] = {}
    for item in found:
        first = seen.setdefault(item.digest, item)
        if first.label != item.label:
            raise UserError(
                f"{first.path} and {item.path} are one picture under two classes: keep the one that is right."
            )


def _refuse_misnamed(root: Path, sources: Sequence[Path], listed: list[list[tuple[Path, str]]]) -> None:
    """Raise UserError for classes that differ in case alone, that are one, and that the training lacks."""
    sides, spelt = [{label for _, label in part} for part in listed], {}
    for label in sorted(set().union(*sides)):
        if (first := spelt.setdefault(label.casefold(), label)) != label:
            raise UserError(f"{root} has classes {first!r} and {label!r}, alike but for case: make them one.")
    if len(spelt) == 1 and any(_folders(folder) for folder in _folders(root)):
        raise UserError(
            f"{root} has one class folder, {label!r}, and folders in it: if those are the classes, give "
            f"{_folders(root)[0]} instead; a split needs two folders, such as train and test."
        )
    if odd := sorted(sides[-1] - sides[0]):
        raise UserError(
            f"{sources[1]} has class {odd[0]!r}, which {sources[0]} has not: call its folder alike in both."
        )


def split(found: list[Found], named: dict[Path, str], root: Path, pairs: Pairs = ()) -> Split:
    """Two fifths of the groups, balanced by class, are the test split; the same on every machine."""
    groups, pairs = [named[f.place] for f in found] if named else (), () if named else pairs
    try:
        return held_out([f.label for f in found], owners([f.digest for f in found], groups, pairs), root)
    except UserError as error:
        hint = f" {len(pairs)} pairs look alike and count as one: groups.csv may say what belongs together."
        raise UserError(f"{error}{hint * (len(pairs) > 0)}") from error


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
