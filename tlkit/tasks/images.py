"""Images on disk as a task: a folder per class; told apart by content, and read when asked for."""

import hashlib
import os
from base64 import b64decode, b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from tlkit import env
from tlkit.errors import UserError
from tlkit.files import Hashes, place
from tlkit.tasks import Items, Task, classification, folders
from tlkit.tasks.items import Made, digest_of
from tlkit.tasks.reading import Unreadable, read_picture
from tlkit.tasks.splits import Split, held_out, owners, parted
from tlkit.tasks.together import Pairs, alike, glance, read_groups, told

BACKBONE = "efficientnet_lite0"  # what suits photographs
_SCAN = 3  # raise it when a digest comes to mean something else


@dataclass(frozen=True)
class Found:
    """An image that opens: where, of which class, a hash of its decoded content, and a small copy."""

    path: Path
    label: str
    digest: str
    glance: bytes

    @cached_property
    def place(self) -> Path:
        """Where it is, as a table of files would name it too."""
        return place(self.path)


def scan(files: Sequence[tuple[Path, str]], opened: bool = True) -> tuple[list[Found], dict[str, str]]:
    """Decode every file, one after another: those that open, and of the others name -> reason.

    What was seen is noted in `env.computed_dir()`; a file of the same size and time is not decoded again.
    opened: false asks for a quick answer, where not all of them were seen before: by their names alone.
    """
    places = sorted({os.path.abspath(path.parent) for path, _ in files})
    key = hashlib.sha256(os.fsencode("\n".join([str(_SCAN), *places]))).hexdigest()[:16]
    hashes = Hashes(env.computed_dir() / "images" / f"{key}.json")
    likely = [file for file in files if file[0].suffix.lower() in Image.registered_extensions()]
    if not opened and not all(hashes.knows(path, os.path.abspath(path)) for path, _ in likely):
        left = map(str, {path for path, _ in files} - {path for path, _ in likely})
        found = [Found(*file, digest_of(str(file[0])), b"") for file in likely]
        return found, dict.fromkeys(left, "of no image format")

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


def from_folder(
    folder: Path | str, groups: Path | str | None = None, name: str | None = None, opened: bool = True
) -> Task:
    """A task from the images below `folder/CLASS/`, or of `folder/train/CLASS/` and `folder/test/CLASS/`.

    The two sides may be called training, and testing, valid, validation or val, in any case. groups: a CSV of
    `file,group` (default `folder/groups.csv` if there): images of one group (a patient, a board, a day)
    stay on one side of the split, and so do copies of an image; without groups also those that look alike
    (`task.card["near"]`), but for a set with a name of its own, whose split is known. `read_picture` says how
    a file is read; those that do not open are not used, and `task.set_aside` says which and why;
    `task.card["files"]` counts what was seen. opened: as in `scan`, for a forecast. Raises UserError for an
    empty folder, a class of which no file opens, a single class, one image under two classes, two classes
    that differ in case or blanks alone, too few images to split, a test without classes or with one that is
    not in training, or a leak in a given split.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise UserError(
            f"there is no folder {root}: give one that holds a sub-folder of images for each class."
        )
    sources = folders.sides(root)
    listed = [folders.class_files(source) for source in sources]
    found, aside = zip(*(scan(files, opened) for files in listed), strict=True)
    everything = [f for part in found for f in part]
    unread = {file: reason for part in aside for file, reason in part.items()}
    _refuse_unusable(root, listed, everything, unread)
    folders.refuse_misnamed(root, sources, listed)
    csv_path = Path(groups).expanduser() if groups else root / "groups.csv"
    named, card = read_groups(csv_path, everything, root) if groups or csv_path.exists() else ({}, {})
    given = len(sources) > 1
    card |= {"sides": f"trained on {sources[0].name}, tested on {sources[1].name}"} if given else {}
    card["split"] = "given" if given else "by group" if named else "by image"
    card["where"] = digest_of(str(place(root)))
    card["files"] = folders.counted(root, [file for part in listed for file, _ in part], everything, unread)
    seen = all(f.glance for f in everything)
    card["files"] += ", none of them opened yet" * (not seen)
    pairs, at, border = alike(everything) if seen else [], np.arange(len(everything)), len(found[0])
    sides = (at[:border], at[border:]) if given else split(everything, named, root, pairs if not name else [])
    card |= told(everything, pairs, sides[1].tolist(), root)
    return picture_task(name or f"folder:{root.resolve().name}", everything, sides, named, unread, card)


def _refuse_unusable(
    root: Path, listed: list[list[tuple[Path, str]]], found: list[Found], unread: dict[str, str]
) -> None:
    if not found:
        many = ""
        if unread:
            file, reason = next(iter(unread.items()))
            many = f"; {len(unread)} files there do not open, the first is {file} ({reason})"
        raise UserError(
            f"{root} holds no images in class folders: put them into {root.name}/CLASS/ first{many}."
        )
    known = {f.label for f in found}
    for file, label in (one for part in listed for one in part):
        if label not in known:
            raise UserError(
                f"no file in class folder {label!r} of {root} opens as an image (the first: "
                f"{unread[str(file)]}): mend the files or remove it."
            )
    seen: dict[str, Found] = {}
    for item in found:
        first = seen.setdefault(item.digest, item)
        if first.label != item.label:
            raise UserError(
                f"{first.path} and {item.path} are the same image in two classes: keep the right one."
            )


def split(found: list[Found], named: dict[Path, str], root: Path, pairs: Pairs = ()) -> Split:
    """Two fifths of the groups, balanced by class, are the test split; the same on every machine."""
    groups, pairs = [named[f.place] for f in found] if named else (), () if named else pairs
    try:
        return held_out([f.label for f in found], owners([f.digest for f in found], groups, pairs), root)
    except UserError as error:
        hint = f" {len(pairs)} pairs look alike and count as one group: a groups.csv can name the groups."
        raise UserError(f"{error}{hint * (len(pairs) > 0)}") from error


def picture_task(
    name: str, found: list[Found], sides: Split, named: dict[Path, str], aside: dict[str, str], card: dict
) -> Task:
    """A task of the images found; named: what each is of, by its place, or nothing."""
    classes, numbers = np.unique([f.label for f in found], return_inverse=True)
    groups = tuple(named[f.place] for f in found) if named else ()
    pictures = Made(read_picture, [f.path for f in found])
    items = Items(pictures, [str(f.path) for f in found], tuple(f.digest for f in found), groups)
    parts = parted(items, numbers.astype(np.int64), sides)
    objective, card = classification(len(classes)), {"backbone": BACKBONE} | card
    return Task(name, objective, *parts, tuple(map(str, classes)), card, aside, reader="picture")
