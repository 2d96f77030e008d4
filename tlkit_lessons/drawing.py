"""Small images: items of a task in rows, and what an image is in whatever form it comes."""

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
    """Small images, grey or RGB: H x W, 1 or 3 x H x W, H x W x 3, in [0, 1] or bytes, or PIL images.

    titles: one above each image, "" for none; rows: one to the left of each row. Raises UserError for no
    images, other shapes, titles that are not as many, or names for another number of rows.
    """
    if len(images) == 0 or (len(titles) and len(titles) != len(images)):
        raise UserError(
            f"{len(images)} images with {len(titles)} titles: give images, and as many titles or none."
        )
    titled = sum(any(map(str, titles[i : i + ncols])) for i in range(0, len(titles), ncols))
    figure, axes = grid_of(len(images), ncols, 0.85, titled)
    name_rows(axes, ncols, rows)
    for i, (ax, image) in enumerate(zip(axes, images, strict=True)):
        ax.imshow(picture(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        if len(titles):
            ax.set_title(str(titles[i]), fontsize=9)
    if len(rows):
        _close_up(figure, axes[0], len(rows), 0.28 * titled)
    return figure


def _close_up(figure: Figure, first: Axes, nrows: int, titles: float) -> None:
    """As high as square images need: the names of the rows have taken some of their width."""
    figure.draw_without_rendering()
    side = first.get_position(original=True).width * figure.get_figwidth()
    figure.set_figheight(nrows * (side + 0.08) + titles)


def name_rows(axes: Sequence[Axes], ncols: int, names: Sequence[str]) -> None:
    first = axes[:: min(ncols, len(axes))]
    if len(names) not in (0, len(first)):
        raise UserError(f"{len(names)} names for {len(first)} rows of images: name every row, or none.")
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
        raise UserError(f"an image of shape {array.shape} cannot be shown: give H x W, or three colours.")
    return np.clip(array, 0, 1)


def grid_of(n: int, ncols: int, cell: float, titled: int = 0) -> tuple[Figure, list[Axes]]:
    """A figure of `n` small frameless images, `cell` inches a side; titled: in how many rows titles stand."""
    ncols = max(1, min(n, ncols))
    nrows = -(-n // ncols)
    size = (ncols * cell, nrows * cell + 0.28 * titled)
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
