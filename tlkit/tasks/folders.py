"""Folders of classes as people have them: the files, the sides of a split, and what is left out."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.errors import UserError
from tlkit.files import composed

if TYPE_CHECKING:
    from tlkit.tasks.images import Found

TRAIN = ("train", "training")  # how the sides of a published split are called
TEST = ("test", "testing", "valid", "validation", "val")  # of several the first is the test


def class_files(root: Path) -> list[tuple[Path, str]]:
    """(file, class) of every file below `root/CLASS/`, hidden ones left out, in the same order everywhere.

    Raises UserError for a class folder that holds no file.
    """
    found = {folder: list(_below(folder)) for folder in _folders(root)}
    for folder, files in found.items():
        if not files:
            raise UserError(f"class folder {folder} is empty: put its images into it, or remove it.")
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
    shown = [path for path in folder.iterdir() if hidden or not _hidden(path.name)]
    return sorted(shown, key=lambda path: composed(path.name))


def _hidden(name: str) -> bool:
    """Whether a system put it there for itself."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def sides(root: Path) -> tuple[Path, ...]:
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
            f"{tests[0]} has no class folders, so it cannot be a test set: sort its images into "
            f"{tests[0].name}/CLASS/, or move it out of {root}."
        )
    return train, labelled[0]


def counted(root: Path, listed: list[Path], used: "list[Found]", unread: dict[str, str]) -> str:
    """What became of every file below a folder: used, set aside, or left out by a rule."""
    every = list(_below(root, hidden=True))
    known = set(listed)
    left = Counter(_rule(path.relative_to(root)) for path in every if path not in known)
    assert len(every) == len(used) + len(unread) + left.total(), "a file is not accounted for"
    reasons = Counter(f"{reason} ({Path(file).suffix or 'no suffix'})" for file, reason in unread.items())
    told = [f"{count} {what}" for what, count in [*reasons.most_common(), *left.most_common()]]
    return f"{len(every)} files, {len(used)} used" + "".join(f"; {each}" for each in told)


def _rule(path: Path) -> str:
    """Why a file below a folder of classes is no image of a class."""
    if any(map(_hidden, path.parts)):
        return "hidden"
    return f"in {path.parts[0]}, neither training nor test" if path.parts[1:] else "in no class folder"


def refuse_misnamed(root: Path, sources: Sequence[Path], listed: list[list[tuple[Path, str]]]) -> None:
    """Raise UserError for classes that differ in case or blanks, are one, or that the training lacks."""
    found, spelt = [{label for _, label in part} for part in listed], {}
    for label in sorted(set().union(*found)):
        if (first := spelt.setdefault("".join(label.casefold().split()), label)) != label:
            raise UserError(
                f"{root} has classes {first!r} and {label!r}, equal but for case or blanks: merge them."
            )
    if len(spelt) == 1 and any(_folders(folder) for folder in _folders(root)):
        raise UserError(
            f"{root} has one class folder, {label!r}, and folders in it: if those are the classes, give "
            f"{_folders(root)[0]} instead; a split needs two folders, such as train and test."
        )
    if odd := sorted(found[-1] - found[0]):
        raise UserError(
            f"{sources[1]} has class {odd[0]!r}, which {sources[0]} lacks: use the same names in both."
        )
