"""How fast two plans learn: their accuracy against training steps, and where both reach the same accuracy."""

from collections.abc import Mapping

from matplotlib.axes import Axes

from tlkit.plots.style import INK, canvas, legend, look
from tlkit_lessons.ledger.effort import Course, Reached


def learning_curves(
    courses: Mapping[str, Course],
    reached: Reached,
    live: Mapping[str, float],
    live_steps: int,
    solved: float,
    ax: Axes | None = None,
) -> Axes:
    """Test accuracy of two plans, the one that is ahead first, against training steps: seeds pale, mean bold.

    reached: the two at one accuracy, for the title and a line down from each. live: the accuracy of each
    plan after `live_steps` steps, as stars. solved: the accuracy of `frozen`, which takes no steps.
    """
    ax = canvas(ax, 7.5, 4.0)
    for plan, course in courses.items():
        colour = look(plan)["color"]
        ax.plot(course.steps, course.accuracy, color=colour, alpha=0.25, linewidth=1)
        ax.plot(course.steps, course.accuracy.mean(1), **look(plan) | {"label": f"{plan}: mean, seeds pale"})
        star = {"color": colour, "markeredgecolor": INK, "markersize": 15, "zorder": 5, "linestyle": "none"}
        ax.plot(live_steps, live[plan], "*", **star, label=f"{plan}: trained here")
    ax.axhline(solved, color=look("frozen")["color"], linestyle=":", label="frozen: takes no steps")
    bottom = ax.get_ylim()[0]
    for steps in (reached.plan_steps, reached.base_steps):
        ax.plot([steps, steps], [bottom, reached.threshold], color=INK, linewidth=1)
        ax.annotate(f"{steps:.0f} steps", (steps, bottom), (-4, 6), textcoords="offset points", ha="right")
    ax.set(xscale="log", xlabel="training steps (log scale)", ylim=(bottom, None))
    ax.set_ylabel("test accuracy (axis does not start at 0)")
    steps = next(iter(courses.values())).steps
    ax.set_xticks(steps, [f"{n:g}" for n in steps])
    ax.minorticks_off()
    plan, base = courses
    there = f"reaches {reached.threshold:.2f} in {reached.plan_steps:.0f} steps"
    ax.set_title(f"{plan} {there}, {base} in {reached.base_steps:.0f}", loc="left")
    legend(ax, loc="lower right")
    return ax
