"""Few parameters are not few operations: what plans cost in a step, on disk and in seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from tlkit.errors import UserError
from tlkit.plots.style import INK, canvas, legend, look
from tlkit.records import Store
from tlkit_lessons.costs import Cost
from tlkit_lessons.look import guess_line, series

_BESIDE = {"bias": ("right", 0), "norm": ("left", -6), "block:stem": ("left", 7)}  # these lie close together


@dataclass(frozen=True)
class Timed:
    """A step as measured: seconds by round, and over that of `full`; MiB at its peak, or NaN."""

    plan: str
    seconds: np.ndarray
    shares: np.ndarray
    peak_mb: float

    @property
    def share(self) -> float:
        """Its median over rounds, in percent."""
        return 100 * float(np.median(self.shares))


def timed(store: Store, backbone: str) -> dict[str, Timed]:
    """Plan -> its measured step on a network. Raises UserError where that network was not measured."""
    rows = [r for r in store.read() if r.backbone == backbone]
    if not rows:
        raise UserError(f"{store.path.name} has no steps on {backbone}: run tools/make_records.py 32_steps.")
    full = {r.seed: r.measured["seconds"] for r in rows if r.plan == "full"}
    found = {}
    for plan in dict.fromkeys(r.plan for r in rows):
        mine = {r.seed: r.measured for r in rows if r.plan == plan}
        seconds = np.array([mine[k]["seconds"] for k in full])
        peak = next((m["peak_mb"] for m in mine.values() if "peak_mb" in m), np.nan)
        found[plan] = Timed(plan, seconds, seconds / np.array([*full.values()]), peak)
    return found


def once(seconds: Mapping[str, float]) -> dict[str, Timed]:
    """Plan -> its step as measured here in one round; `full` must be among them."""
    return {
        plan: Timed(plan, np.array([one]), np.array([one / seconds["full"]]), np.nan)
        for plan, one in seconds.items()
    }


def parameters_and_operations(
    costs: Sequence[Cost], alike: str = "", guess: float | None = None, ax: Axes | None = None
) -> Axes:
    """Trained parameters against the operations of a step, a mark for each plan.

    alike: names of plans that lie where `full` does, written beside it. guess: forward passes that the reader
    expects of the plan named in the title, the cheapest in parameters of those that cost a backward pass.
    """
    ax = canvas(ax, 6.8, 3.9)
    for one in costs:
        ax.plot(one.share, one.step, **look(one.plan) | {"linestyle": "none"}, markersize=10)
        side, up = _BESIDE.get(one.plan, ("right" if one.share > 30 else "left", 0))
        said = f"{one.plan}, {alike}" if alike and one.plan == "full" else one.plan
        ax.annotate(said, (one.share, one.step), (-9 if side == "right" else 9, up), fontsize=9, ha=side,
                    textcoords="offset points", va="center")  # fmt: skip
    if guess is not None:
        guess_line(ax, guess, "y")
    ax.set(xscale="log", xlim=(0.03, 200), ylim=(0.8, 3.2))
    ax.set_xlabel("trained parameters, % of the network")
    ax.set_ylabel("operations per step,\nin forward passes")
    small = next(one for one in costs if one.plan == "norm")
    said = f"{small.plan}: {small.share:.2f} % of the parameters, {small.step:.2f} forward passes per step"
    ax.set_title(said, loc="left", fontsize=11)
    return ax


def kept_shares(costs: Sequence[Cost]) -> dict[str, tuple[float, float]]:
    """Plan -> its step behind the kept prefix, by the law and by count, in percent of the last plan's."""
    law = [one.passes.total - (one.counted - one.kept) for one in costs]
    return {
        one.plan: (100 * predicted / law[-1], 100 * one.kept / costs[-1].kept)
        for one, predicted in zip(costs, law, strict=True)
    }


def predicted_and_measured(costs: Sequence[Cost], steps: Mapping[str, Timed], ax: Axes | None = None) -> Axes:
    """Operations by the law, operations counted and seconds of a step, in percent of the last plan's.

    Raises UserError for a plan without measured steps.
    """
    if absent := [one.plan for one in costs if one.plan not in steps]:
        raise UserError(f"no measured steps of {', '.join(absent)}: give costs of measured plans.")
    shares = kept_shares(costs)
    rows = {
        "operations, by the law": [law for law, _ in shares.values()],
        "operations, counted": [counted for _, counted in shares.values()],
        "seconds, measured": [steps[one.plan].share for one in costs],
    }
    ax, x = canvas(ax, 7.2, 3.8), np.arange(len(costs))
    for k, (name, values) in enumerate(rows.items()):
        hatch = ("", "//", "..")[k]
        bars = ax.bar(x + 0.27 * (k - 1), values, 0.25, label=name, color=series(k)["color"], hatch=hatch,
                      edgecolor="white", linewidth=0.5)  # fmt: skip
        ax.bar_label(bars, [f"{v:.0f}" for v in values], fontsize=8, color=INK)
    ax.set_xticks(x, [one.plan for one in costs])
    ax.set(ylabel=f"of a step of {costs[-1].plan}, %", ylim=(0, 1.12 * max(map(max, rows.values()))))
    off = max(abs(law - counted) / counted for law, counted in shares.values())
    ax.set_title(f"The law predicts operations to {max(1, np.ceil(100 * off)):.0f} %, seconds less well",
                 loc="left", fontsize=11)  # fmt: skip
    legend(ax)
    return ax


def storage(shared: int, costs: Sequence[Cost], tasks: int = 100, ax: Axes | None = None) -> Axes:
    """Megabytes on disk for 1 to `tasks` tasks: the shared network once, and what each task adds.

    shared: bytes of the network. Where a plan stores a full copy, nothing is shared.
    """
    ax, n = canvas(ax, 6.4, 3.8), np.arange(1, tasks + 1)
    last = {}
    for one in costs:
        whole = one.bytes >= shared
        total = (one.bytes * n + (0 if whole else shared)) / 1e6
        style = look(one.plan)
        ax.plot(n, total, **style | {"marker": ""}, linewidth=2)
        marks = [k for k in (1, 10, tasks) if k <= tasks]
        ax.plot(marks, total[np.array(marks) - 1], **style | {"linestyle": "none", "label": None})
        last[one.plan] = total[-1]
    ax.set(xscale="log", yscale="log", xlabel="tasks", ylabel="on disk, MB")
    ax.set_xticks([1, 10, tasks], ["1", "10", str(tasks)])
    ax.minorticks_off()
    ax.set_ylim(shared / 2e6)
    ticks = [10.0**k for k in range(5) if shared / 2e6 < 10.0**k <= 2 * max(last.values())]
    ax.set_yticks(ticks, [f"{t:,.0f}" for t in ticks])
    least, most = (pick(last, key=last.__getitem__) for pick in (min, max))
    said = f"{tasks} tasks take {last[most]:,.0f} MB with {most}, {last[least]:,.0f} MB with {least}"
    ax.set_title(said, loc="left", fontsize=11)
    legend(ax)
    return ax
