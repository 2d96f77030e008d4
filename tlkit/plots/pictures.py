"""Small pictures: items of a task, filters of a first layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit.errors import UserError
from tlkit.plots.style import grid_of


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
    _name_rows(axes, ncols, rows)
    for i, (ax, image) in enumerate(zip(axes, images, strict=True)):
        ax.imshow(picture(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        if len(titles):
            ax.set_title(str(titles[i]), fontsize=9)
    return figure


def _name_rows(axes: Sequence[Axes], ncols: int, names: Sequence[str]) -> None:
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


def filters(weight: Any, ncols: int = 12, responses: Any = None, rows: Sequence[str] = ()) -> Figure:
    """The filters of a first convolution, weight (out, 1 or 3, height, width); mid-grey is zero.

    responses: (pictures, out, H, W), what comes out of them, never negative: then all filters stand in one
    row, and below each is its response to every picture, bright where it is strong. rows: one name to the
    left of each row. Raises UserError for a layer that does not read pictures, responses of another number of
    filters, or names for another number of rows.
    """
    array = np.asarray(weight.detach() if hasattr(weight, "detach") else weight, float)
    if array.ndim != 4 or array.shape[1] not in (1, 3):
        raise UserError(
            f"filters of shape {array.shape} cannot be shown: give those of the first convolution."
        )
    grey = (array / max(float(np.abs(array).max()), 1e-12) + 1) / 2
    shown = [picture(one) for one in np.moveaxis(grey, 1, -1)]
    if responses is not None:
        below = np.asarray(responses, float)
        if below.ndim != 4 or below.shape[1] != len(array):
            raise UserError(f"responses of shape {below.shape} do not belong to {len(array)} filters.")
        ncols = len(array)
        shown += [one / max(float(one.max()), 1e-12) for rows in below for one in rows]
    figure, axes = grid_of(len(shown), ncols, 0.55 if responses is None else 0.7, False)
    _name_rows(axes, ncols, rows)
    for ax, one in zip(axes, shown, strict=True):
        ax.imshow(one, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    return figure
