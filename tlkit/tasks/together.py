"""Which images belong together, so that no split may part them: by a table, or by their looks."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tlkit.errors import UserError
from tlkit.files import place
from tlkit.tasks.text import table_rows

if TYPE_CHECKING:
    from tlkit.tasks.images import Found

# Two images may differ by so many of 64 bits of a difference hash, and by so much of the spread of their
# colours, of which there must be some: chosen on photographs, fish on video, steel and X-rays, where saved
# again at a quarter of the sides, or cut by 2 %, nearly all are found, and few others.
BITS, APART, FLAT = 10, 0.2, 8
MOST = 100  # of a film every frame is like every other: the next ones are enough
NAMED = 3  # pairs
Pairs = list[tuple[int, int]]


def read_groups(path: Path, found: "list[Found]", root: Path) -> tuple[dict[Path, str], dict[str, str]]:
    """Image -> group, and what to say of the table. A suffix may be missing; Windows writes backslashes.

    Raises UserError for an image without a group, or with two.
    """
    table, _ = table_rows(path, ["file", "group"], west=True)
    known = {f.place.with_suffix(""): f.place for f in found} | {f.place: f.place for f in found}
    rows: dict[Path, tuple[int, str]] = {}
    lost = []
    for row, file, group in zip(table.index + 2, table["file"], table["group"], strict=True):
        where = place(root / file.replace("\\", "/"))
        if where not in known:
            lost += [] if where.exists() else [f"row {row} ({file})"]
            continue
        first, before = rows.setdefault(known[where], (row, group))
        if before != group:
            twice = f"row {first} ({before}) and row {row} ({group})"
            raise UserError(f"{path} has {file} in two groups, {twice}: keep one of them.")
    odd = f"; {len(lost)} row{'s' * (len(lost) != 1)} of no image, first {lost[0]}" if lost else ""
    missing = [f.path for f in found if f.place not in rows]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise UserError(
            f"{path} has no group for {missing[0].relative_to(root)}{more}: add a row for it{odd}."
        )
    said = f"{path.name} names {len(set(table['group']))} groups{odd}"
    return {where: group for where, (_, group) in rows.items()}, {"groups": said}


def glance(picture: Image.Image) -> bytes:
    """18 x 16 pixels of it: what stays when it is saved again."""
    return picture.resize((18, 16), Image.Resampling.BOX).tobytes()


def alike(found: "list[Found]") -> Pairs:
    """Those of one class that are no copies and look like one image saved again."""
    pairs, labels = [], np.array([f.label for f in found])
    for label in dict.fromkeys(labels):
        rows = np.flatnonzero(labels == label)
        small = np.frombuffer(b"".join(found[i].glance for i in rows), np.uint8).reshape(-1, 8, 2, 9, 2, 3)
        spread, grey = small.std((1, 2, 3, 4)).mean(1), small.mean((2, 4, 5))
        bits = np.packbits((grey[..., 1:] > grey[..., :-1]).reshape(-1, 64), 1).view(np.uint64)[:, 0]
        for i in range(len(rows)):
            close = i + 1 + np.flatnonzero(np.bitwise_count(bits[i + 1 :] ^ bits[i]) <= BITS)[:MOST]
            apart = np.abs(small[close].astype(np.int16) - small[i]).mean((1, 2, 3, 4, 5))
            least = np.minimum(spread[close], spread[i])
            same = close[(apart <= APART * least) & (least > FLAT)]
            pairs += [(rows[i], rows[j]) for j in same if found[rows[i]].digest != found[rows[j]].digest]
    return pairs


def told(found: "list[Found]", pairs: Pairs, test: Collection[int], root: Path) -> dict[str, str]:
    """What to say of pairs: which are on both sides of the split, or that none is."""
    asked = set(test)
    across = [pair for pair in pairs if len(asked.intersection(pair)) == 1]
    names = [" and ".join(str(found[i].path.relative_to(root)) for i in pair) for pair in across or pairs]
    how = "on both sides of the split, which flatters the score" if across else "kept on one side"
    more = f"; and {len(names) - NAMED} more" * (len(names) > NAMED)
    two = "1 pair of images looks" if len(names) == 1 else f"{len(names)} pairs of images look"
    said = f"{two} alike, {how}: {'; '.join(names[:NAMED])}{more}"
    return {"near": said} if pairs else {}
