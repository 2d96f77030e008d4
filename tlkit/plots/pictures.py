"""Small pictures: items of a task, filters of a first layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tlkit.errors import UserError
from tlkit.plots.style import grid_of


def gallery(images: Sequence[Any], titles: Sequence[str] = (), ncols: int = 8) -> Figure:
    """Small pictures, grey or RGB: H x W, 1 or 3 x H x W, H x W x 3, in [0, 1] or bytes, or PIL images.

    Raises UserError for no pictures, other shapes, or titles that are not as many.
    """
    if len(images) == 0 or (len(titles) and len(titles) != len(images)):
        raise UserError(
            f"{len(images)} pictures with {len(titles)} titles: give pictures, and as many titles or none."
        )
    figure, axes = grid_of(len(images), ncols, 0.85, bool(len(titles)))
    for i, (ax, image) in enumerate(zip(axes, images, strict=True)):
        ax.imshow(picture(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        if len(titles):
            ax.set_title(str(titles[i]), fontsize=9)
    return figure


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


def filters(weight: Any, ncols: int = 12) -> Figure:
    """The filters of a first convolution, weight (out, 1 or 3, height, width); mid-grey is zero.

    Raises UserError for a layer that does not read pictures.
    """
    array = np.asarray(weight.detach() if hasattr(weight, "detach") else weight, float)
    if array.ndim != 4 or array.shape[1] not in (1, 3):
        raise UserError(
            f"filters of shape {array.shape} cannot be shown: give those of the first convolution."
        )
    scale = max(float(np.abs(array).max()), 1e-12)
    figure, axes = grid_of(len(array), ncols, 0.55, False)
    for ax, one in zip(axes, array, strict=True):
        ax.imshow(
            np.moveaxis(one / scale + 1, 0, -1).squeeze() / 2,
            cmap="gray",
            vmin=0,
            vmax=1,
            interpolation="nearest",
        )
    return figure
