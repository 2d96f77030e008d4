"""Small pictures: items of a task in rows, and what a picture is in whatever form it comes."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tlkit.errors import UserError
from tlkit_lessons import look


def gallery(
    images: Sequence[Any], titles: Sequence[str] = (), ncols: int = 8, rows: Sequence[str] = ()
) -> Figure:
    """Small pictures, grey or RGB: H x W, 1 or 3 x H x W, H x W x 3, in [0, 1] or bytes, or PIL images.

    titles: one above each picture; rows: one to the left of each row. Raises UserError for no pictures, other
    shapes, titles that are not as many, or names for another number of rows.
    """
    if len(images) == 0 or (len(titles) and len(titles) != len(images)):
        raise UserError(
            f"{len(images)} pictures with {len(titles)} titles: give pictures, and as many titles or none."
        )
    figure, axes = grid_of(len(images), ncols, 0.85, bool(len(titles)))
    name_rows(axes, ncols, rows)
    for i, (ax, image) in enumerate(zip(axes, images, strict=True)):
        ax.imshow(picture(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        if len(titles):
            ax.set_title(str(titles[i]), fontsize=9)
    return figure


def name_rows(axes: Sequence[Axes], ncols: int, names: Sequence[str]) -> None:
    first = axes[:: min(ncols, len(axes))]
    if len(names) not in (0, len(first)):
        raise UserError(f"{len(names)} names for {len(first)} rows of pictures: name every row, or none.")
    for ax, name in zip(first, names, strict=False):
        place = {"transform": ax.transAxes, "ha": "right", "va": "center"}
        ax.text(-0.12, 0.5, name, **place, fontsize=9)


def picture(image: Any) -> np.ndarray:
    """What `gallery` takes, as H x W or H x W x 3 in [0, 1]. Raises UserError for other shapes."""
    array = np.asarray(image)
    array = array.astype(float) / (255 if array.dtype == np.uint8 else 1)
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3):
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise UserError(f"a picture of shape {array.shape} cannot be shown: give H x W, or three colours.")
    return np.clip(array, 0, 1)


def grid_of(n: int, ncols: int, cell: float, titled: bool) -> tuple[Figure, list[Axes]]:
    """A figure of `n` small frameless pictures, `cell` inches a side."""
    ncols = max(1, min(n, ncols))
    nrows = -(-n // ncols)
    size = (ncols * cell, nrows * (cell + (0.28 if titled else 0)))
    figure, axes = plt.subplots(nrows, ncols, figsize=size, layout="constrained", squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    return figure, list(axes.flat)[:n]


def mark_wrong(figure: Figure, wrong: Sequence[bool]) -> None:
    """A frame and a stroke on those images of a gallery that are wrong; one answer for each image."""
    for ax, bad in zip(figure.axes, wrong, strict=True):
        if bad:
            place = {"transform": ax.transAxes, "color": look.WRONG, "clip_on": False}
            ax.add_patch(Rectangle((0, 0), 1, 1, fill=False, linewidth=2.5, **place))
            ax.plot([0, 1], [0, 1], linewidth=1.5, scalex=False, scaley=False, **place)
