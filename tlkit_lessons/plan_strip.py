"""Strips of stages: what a plan freezes and trains, and what a fit really changed."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from tlkit.plans import Audit, Plan
from tlkit.plots.style import INK, PALE, canvas
from tlkit_lessons.look import FROZEN, FROZEN_TILE, TRAINED, TRAINED_TILE, WRONG

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # the buffers of batch norm
_C = Path.CURVE4
FLAME = Path(
    [(0, -1), (-0.75, -1), (-0.85, -0.2), (-0.42, 0.25), (-0.38, 0.0), (-0.3, -0.1), (-0.2, -0.15),
     (-0.3, 0.4), (0.0, 0.75), (0.08, 1),
     (0.2, 0.5), (0.72, 0.2), (0.72, -0.35), (0.72, -0.8), (0.35, -1), (0, -1)],
    [Path.MOVETO, *[_C] * 15],
)  # fmt: skip


def chain(stages: Sequence[str], plan: Plan | str, ax: Axes | None = None) -> Axes:
    """The strip of stages: a snowflake on what is frozen, a flame on what is trained; random weights: dashed.

    The head of lp-ft begins where a probe has ended, and says so; pixels have no stages, only a head.
    Raises UserError for an unknown plan, or one that names stages the strip does not have.
    """
    plan = Plan.parse(plan) if isinstance(plan, str) else plan
    names = [*stages, "head"]
    moving = {*plan.tuned(list(stages)), "head"}
    ax = canvas(ax, max(4.0, 1.15 * len(names)), 1.6)
    if plan.raw:
        _pixels(ax, len(stages))
    for i, name in enumerate([] if plan.raw else names):
        solved = name == "head" and plan.from_probe
        _box(ax, i, name, name in moving, dashed=plan.weights == "random" or (name == "head" and not solved))
        if solved:
            ax.text(i, 0.91, "fitted", ha="center", va="center", fontsize=8, color=INK)
        if name != "head" and plan.parts_of_stages:
            _snowflake(ax, i - 0.2, 0.82, 0.11)  # most of the stage is frozen
        if i:
            ax.annotate("", (i - 0.4, 0.5), (i - 0.6, 0.5), arrowprops={"arrowstyle": "-|>", "color": INK})
    ax.set_title(f"{plan}: {_said(plan)}", loc="left")
    ax.set(xlim=(-0.5, len(names) - 0.5), ylim=(-0.12, 1.08), aspect="equal")
    ax.set_axis_off()
    return ax


def _said(plan: Plan) -> str:
    if plan.raw:
        return "no network, only a linear classifier on the pixels"
    parts = {
        "head": "only the new head is trained",
        "all": "every stage is trained",
        "norm": "the new head and every norm layer are trained",
        "bias": "the new head and every bias are trained",
        "lora": "the new head and adapters beside frozen weights are trained",
        "l2sp": "every stage is trained, near its pretrained weights",
        "auto": "every stage is trained, at the rate that its gradients ask for",
    }
    text = parts.get(plan.where.partition("-")[0], "the new head and the stages with a flame are trained")
    starts = {
        "random": ", from random weights",
        "probe": ", after the head has been fitted alone",
        "selected": ", on selected features",
    }
    return (
        text
        + starts.get(plan.start, "")
        + (", one stage after the other" if plan.in_phases else "")
        + (f", rates fall by {plan.decay:g} a stage" if plan.decay < 1 else "")
    )


def _box(ax: Axes, x: float, name: str, moves: bool, dashed: bool) -> None:
    face, edge = (TRAINED_TILE, TRAINED) if moves else (FROZEN_TILE, FROZEN)
    box = FancyBboxPatch(
        (x - 0.37, 0), 0.74, 1, boxstyle="round,pad=0,rounding_size=0.08", facecolor=face, edgecolor=edge,
        linewidth=1.6, linestyle="--" if dashed else "-",
    )  # fmt: skip
    ax.add_patch(box)
    ax.text(x, 0.16, name, ha="center", va="center", fontsize=10, color=INK)
    (_flame if moves else _snowflake)(ax, x, 0.62, 0.24)


def _pixels(ax: Axes, stages: int) -> None:
    """No stage at all: a raster of pixels, an arrow past where the stages would stand, and a head."""
    shades = np.array([[0.1, 0.6, 0.9, 0.3], [0.5, 1, 0.4, 0.8], [0.9, 0.3, 0.7, 0.1], [0.2, 0.8, 1, 0.5]])
    ax.imshow(shades, cmap="gray", vmin=-0.3, vmax=1, extent=(-0.3, 0.3, 0.32, 0.92), zorder=2)
    ax.text(0, 0.16, "pixels", ha="center", va="center", fontsize=10, color=INK)
    ax.annotate("", (stages - 0.4, 0.5), (0.4, 0.5), arrowprops={"arrowstyle": "-|>", "color": INK})
    _box(ax, stages, "head", True, dashed=True)


def _flame(ax: Axes, x: float, y: float, size: float) -> None:
    for scale, drop, colour in ((1.0, 0.0, TRAINED), (0.55, 0.42, "#F7C948")):
        move = Affine2D().scale(size * scale).translate(x, y - size * drop)
        ax.add_patch(PathPatch(move.transform_path(FLAME), facecolor=colour, edgecolor="none"))


def _snowflake(ax: Axes, x: float, y: float, size: float) -> None:
    for angle in np.arange(6) * np.pi / 3 + np.pi / 2:
        arm = np.array([np.cos(angle), np.sin(angle)]) * size
        ax.plot([x, x + arm[0]], [y, y + arm[1]], color=FROZEN, linewidth=1.8, solid_capstyle="round")
        for side in (-1, 1):
            tip = np.array([np.cos(angle + side * 0.75), np.sin(angle + side * 0.75)]) * size * 0.36
            foot = np.array([x, y]) + 0.55 * arm
            ax.plot(*zip(foot, foot + tip, strict=True), color=FROZEN, linewidth=1.4, solid_capstyle="round")


def moved(audit: Audit, ax: Axes | None = None) -> Axes:
    """A row of tiles a stage, a tile a tensor: unchanged, trained (dot), frozen but changed (cross).

    The title says it where all that changed are running statistics of batch norm.
    """
    rows: dict[str, list[str]] = {}
    for name in sorted((*audit.still, *audit.moved), key=_place):
        rows.setdefault(_stage(name), []).append(name)
    ax = canvas(ax, 7.0, 0.9 + 0.36 * len(rows))
    widest = max(map(len, rows.values()))
    for y, tensors in enumerate(rows.values()):
        for x, name in enumerate(tensors):
            _tile(ax, x, y, name in audit.moved, name in audit.guilty)
        guilty = list(dict.fromkeys(name.rpartition(".")[2] for name in tensors if name in audit.guilty))
        if guilty:
            ax.text(widest + 0.2, y, fill(", ".join(guilty), 46), va="center", fontsize=9, color=INK)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_xticks([])
    ax.set(xlim=(-0.6, widest * 1.7 if audit.guilty else widest), ylim=(len(rows) - 0.4, -0.6))
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(left=False)
    signs = ["pale: unchanged"]
    signs += ["dot: trained"] * (len(audit.moved) > len(audit.guilty))
    signs += ["cross: frozen, but changed"] * bool(audit.guilty)
    ax.set_xlabel(f"one tile per tensor; {', '.join(signs)}", loc="left", fontsize=9)
    ax.set_title(f"{audit.plan}: {_changed(audit)}", loc="left")
    return ax


def _changed(audit: Audit) -> str:
    """What changed, in words: all of it statistics, or how many tensors, and how many of these are frozen."""
    if audit.guilty and all(name.endswith(STATISTICS) for name in audit.moved):
        return "only batch-norm statistics changed"
    count = f"{len(audit.moved)} of {len(audit.moved) + len(audit.still)} tensors changed"
    return f"{count}, {len(audit.guilty) or 'none'} of them frozen"


def _tile(ax: Axes, x: float, y: float, moves: bool, guilty: bool) -> None:
    face = WRONG if guilty else TRAINED_TILE if moves else PALE
    ax.add_patch(Rectangle((x - 0.44, y - 0.38), 0.88, 0.76, facecolor=face, edgecolor="white"))
    if moves:
        style = (
            {"marker": "x", "color": "white", "ms": 7, "mew": 2} if guilty else {"marker": ".", "color": INK}
        )
        ax.plot(x, y, **style)


def _stage(name: str) -> str:
    parts = name.split(".")
    return parts[1] if parts[0] == "stages" else parts[0]


def _place(name: str) -> tuple[bool, int]:
    return (name.startswith("head"), 0)  # stages keep their order, the head comes last
