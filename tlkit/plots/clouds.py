"""Two clouds of features, before one is moved onto the other and after."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tlkit.plots.style import BLUE, ORANGE

_SOURCE = {"color": BLUE, "marker": "o", "markerfacecolor": "none", "label": "source, labelled"}
_TARGET = {"color": ORANGE, "marker": "x", "label": "target, sealed"}


def clouds(
    source: np.ndarray,
    moved: np.ndarray,
    target: np.ndarray,
    letters: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
) -> Figure:
    """Features, N x D each, in the two directions in which source and target together vary most.

    Before, and with the source moved. letters: one character -> rows of the moved source and of the target
    that are called so. They are shown alone, in the two directions in which they vary most themselves.
    """
    plane = _plane(source, target)
    size, wide = ((9.4, 2.9), 3) if letters else ((8, 3.2), 2)
    figure, axes = plt.subplots(1, wide, figsize=size, layout="constrained")
    axes[1].sharex(axes[0])
    axes[1].sharey(axes[0])
    for ax, cloud, title in zip(axes, (source, moved), ("as they are", "source moved"), strict=False):
        for rows, style in ((target, _TARGET), (cloud, _SOURCE)):
            ax.plot(*(rows @ plane).T, linestyle="none", markersize=4, **style)
        ax.set_title(title, loc="left")
    if letters:
        _nearer(axes[2], letters)
    for ax in axes:
        ax.set_xlabel("direction of most variance")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("that of second most")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def _plane(*rows: np.ndarray) -> np.ndarray:
    together = np.concatenate(rows)
    return np.linalg.svd(together - together.mean(0), full_matrices=False)[2][:2].T


def _nearer(ax: Axes, letters: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    plane = _plane(*(rows for pair in letters.values() for rows in pair))
    for name, pair in letters.items():
        for rows, style, size in zip(pair, (_SOURCE, _TARGET), (7, 5), strict=True):
            ax.plot(
                *(rows @ plane).T, linestyle="none", marker=f"${name}$", color=style["color"], markersize=size
            )
    ax.set_title(f"{' and '.join(letters)} alone, on other axes", loc="left")
