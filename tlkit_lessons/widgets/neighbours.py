"""Click a stage, and see the nearest neighbours of an image in its features."""

from collections.abc import Mapping, Sequence

import numpy as np

from tlkit.errors import UserError
from tlkit.tasks import Task
from tlkit_lessons import nb13_stages
from tlkit_lessons.nb13_stages import Strip
from tlkit_lessons.widgets.frames import Frames, click

Found = tuple[np.ndarray, np.ndarray]  # positions, and whether the class is the same, both N x k


def neighbours_by_stage(tasks: Sequence[Task], found: Mapping[str, Mapping[str, Found]], at: str) -> Frames:
    """A button for each stage; for each task one training image and its nearest labelled neighbours.

    found: task name -> stage -> for every training item the positions of the nearest labelled ones (N x k)
    and whether each is of its class. The image shown is the one whose neighbours of the same class increase
    most from the first stage to `at`; the number under the name is the share of unlabelled items whose
    nearest neighbour is of their class. A page without widgets shows all stages at once, with these numbers.
    Raises UserError where the tasks do not have the same stages, `at` among them.
    """
    stages = list(next(iter(found.values())))
    if any(list(each) != stages for each in found.values()) or at not in stages:
        raise UserError(f"the tasks need the same stages, {at} among them, to be shown side by side.")
    strips: dict[str, dict[str, Strip]] = {stage: {} for stage in stages}
    right: dict[str, list[str]] = {stage: [] for stage in stages}
    for task in tasks:
        each = found[task.name]
        where, _ = each[at]
        itself = (where == np.arange(len(where))[:, None]).any(1)  # a labelled item is its own neighbour
        gain = each[at][1].sum(1) - each[stages[0]][1].sum(1)
        shown = int(np.where(itself, -np.inf, gain).argmax())
        for stage, (nearest, same) in each.items():
            right[stage].append(f"{same[~itself, 0].mean():.2f}")
            name = f"{task.name}\n{right[stage][-1]} right"
            images = [task.train.inputs[int(i)] for i in nearest[shown]]
            strips[stage][name] = task.train.inputs[shown], images, same[shown]
    names = (f"{stage}\n{' · '.join(shares)}" for stage, shares in right.items())
    still = nb13_stages.neighbours(
        dict(zip(names, (list(each.values()) for each in strips.values()), strict=True))
    )
    return click(lambda stage: _page(strips[stage]), stages, "stage", still)


def _page(strips: Mapping[str, Strip]):
    return nb13_stages.neighbours({name: [strip] for name, strip in strips.items()}, cell=0.85)
