"""How fast two plans learn: their accuracy against training steps, and where both reach the same accuracy."""

from collections.abc import Mapping

from matplotlib.axes import Axes

from tlkit.plots.style import INK, canvas, legend, look
from tlkit_lessons.ledger.effort import Course, Reached

_POINTS = {"textcoords": "offset points", "fontsize": 9}


def learning_curves(
    courses: Mapping[str, Course],
    reached: Reached,
    live: Mapping[str, float],
    live_steps: int,
    probe: float,
    setting: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Test accuracy of two plans, the one that is ahead first, against training steps: seeds pale, mean bold.

    reached: the two at one accuracy: a line across, a line down from each, and the title, which begins with
    `setting`. live: the accuracy of each plan after `live_steps` steps, as stars. probe: that of `frozen`.
    """
    ax = canvas(ax, 7.5, 4.0)
    ax.set_xscale("log")
    for plan, course in courses.items():
        colour = look(plan)["color"]
        ax.plot(course.steps, course.accuracy, color=colour, alpha=0.25, linewidth=1)
        ax.plot(
            course.steps,
            course.accuracy.mean(1),
            **look(plan) | {"label": f"{plan}: mean (pale: seeds)"},
        )
        star = {"color": colour, "markeredgecolor": INK, "markersize": 15, "zorder": 5, "linestyle": "none"}
        ax.plot(live_steps, live[plan], "*", **star, label=f"{plan}: trained here")
    ax.axhline(probe, color=look("frozen")["color"], linestyle=":", label="frozen: head fitted")
    bottom, left = ax.get_ylim()[0], ax.get_xlim()[0]
    _lines(ax, reached, bottom, left)
    ax.set(xlabel="training steps (log scale)", xlim=(left, None), ylim=(bottom, None))
    ax.set_ylabel("test accuracy (axis does not start at 0)")
    steps = next(iter(courses.values())).steps
    ax.set_xticks(steps, [f"{n:g}" for n in steps])
    ax.minorticks_off()
    plan, base = courses
    there = f"reaches {reached.threshold:.2f} in {reached.plan_steps:.0f} steps"
    said = f"{plan} {there}, {base} in {reached.base_steps:.0f}"
    ax.set_title(": ".join(filter(None, (setting, said))), loc="left")
    legend(ax, loc="lower right")
    return ax


def _lines(ax: Axes, reached: Reached, bottom: float, left: float) -> None:
    """A line across at the accuracy that both reach, and one down from where each does."""
    white = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.85}
    ax.plot([left, reached.base_steps], [reached.threshold] * 2, color=INK, linewidth=1)
    ax.annotate(f"accuracy {reached.threshold:.2f}", (left, reached.threshold), (4, 3), **_POINTS, bbox=white)
    for steps in (reached.plan_steps, reached.base_steps):
        ax.plot([steps, steps], [bottom, reached.threshold], color=INK, linewidth=1)
        ax.annotate(f"{steps:.0f} steps", (steps, bottom), (-4, 6), ha="right", **_POINTS)
