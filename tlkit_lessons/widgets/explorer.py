"""The map of plans for a task, its labels and the time there is: a page for each, turned in the browser."""

from collections.abc import Mapping, Sequence

from ipywidgets import Dropdown, SelectionSlider, VBox, jslink

from tlkit.errors import UserError
from tlkit.records import Record
from tlkit_lessons import nb34_choosing
from tlkit_lessons.widgets.frames import drawn, page
from tlkit_lessons.widgets.shown import WithStill, stacked

_WIDE = {"description_width": "initial"}
_SIZE = {"width": "32em", "max_width": "100%"}


class Explorer(WithStill):
    """A list of tasks and two sliders above one map of plans.

    In the browser `task.index` turns the outer stack, `labels.index` the stacks in it, `seconds.index` those
    in these; `maps[task, labels, seconds]` is the plan that a map names as best.
    """

    def __init__(self, controls: Sequence[Dropdown | SelectionSlider], pages: Mapping, still: bytes):
        self.task, self.labels, self.seconds = controls
        self.still, self.maps = still, {key: plan for key, (_, plan) in pages.items()}
        by_task = []
        for _, task in self.task.options:
            by_labels = []
            for _, labels in self.labels.options:
                of = [pages[task, labels, seconds][0] for _, seconds in self.seconds.options]
                by_labels.append(_under(self.seconds, of))
            by_task.append(_under(self.labels, by_labels))
        super().__init__([self.task, self.labels, self.seconds, _under(self.task, by_task)])

    def __repr__(self) -> str:
        return f"Explorer({', '.join(name for name, _ in self.task.options)})"


def _under(control: Dropdown | SelectionSlider, pages: Sequence) -> VBox:
    stack, *style = stacked(pages)
    box = VBox([stack, *style])
    box.link = jslink((control, "index"), (stack, "selected_index"))
    return box


def explorer(
    records: Mapping[str, Sequence[Record]],
    plans: Sequence[str],
    labels: Sequence[int] = (1, 5, 20),
    seconds: Sequence[float] = (0.5, 5, 60),
) -> Explorer:
    """Choose a task, the labels a class and the seconds there are; see the plans, and the best within them.

    records: name of a task -> its records. All maps are drawn now, so that no kernel is needed. A page
    without widgets shows that of the first task, its second budget and the most seconds. Raises UserError
    where a task has no fit of any plan at a budget, or where there is nothing to choose from.
    """
    if len(records) < 2 or len(labels) < 2 or len(seconds) < 2:
        raise UserError("an explorer needs at least two tasks, two budgets of labels and two of seconds.")
    pages, pictures = {}, {}
    for task, rows in records.items():
        for n in labels:
            found = nb34_choosing.places(rows, plans, n)
            if not found:
                raise UserError(f"{task} has no fit of {', '.join(plans)} at {n} labels: run it first.")
            for limit in seconds:
                pictures[task, n, limit], title, plan = _map(task, n, limit, found)
                pages[task, n, limit] = page(pictures[task, n, limit], title), plan
    sliders = (("labels per class", labels), ("seconds for a fit", seconds))
    controls = [Dropdown(options=[(name, name) for name in records], description="task", style=_WIDE)]
    controls += [
        SelectionSlider(options=[(f"{v:g}", v) for v in over], description=name, style=_WIDE, layout=_SIZE)
        for name, over in sliders
    ]
    return Explorer(controls, pages, pictures[next(iter(records)), labels[1], seconds[-1]])


def _map(
    task: str, labels: int, limit: float, found: Mapping[str, nb34_choosing.Place]
) -> tuple[bytes, str, str | None]:
    """(PNG, title, plan) of one map."""
    plan = nb34_choosing.advised(found, limit)
    ax = nb34_choosing.plan_map(found, limit)
    said = f"best within {limit:g} s is {plan}" if plan else f"nothing is done within {limit:g} s"
    title = f"{task}, {labels} label{'s' * (labels != 1)} per class:\n{said}"
    ax.set_title(title, loc="left", fontsize=11)
    return drawn(ax, "plan_map")[0], title.replace("\n", " "), plan
