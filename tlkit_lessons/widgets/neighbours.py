"""Click a stage, and see what it finds alike."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from tlkit.errors import UserError
from tlkit.tasks import Task
from tlkit_lessons import nb13_stages
from tlkit_lessons.nb13_stages import Block, Strip
from tlkit_lessons.widgets.frames import Frames, click

Found = tuple[np.ndarray, np.ndarray]  # positions, and which are of the class, both N x k


def neighbours_by_stage(
    tasks: Sequence[Task], found: Mapping[str, Mapping[str, Found]], at: str, images: Sequence | None = None
) -> Frames:
    """A button for each stage; for each task one training image and the labelled ones that the stage finds.

    found: task name -> stage -> for every training item the positions of the nearest labelled ones (N x k)
    and whether each is of its class. images: the training images of each task as they are to be shown, by
    default as they are. Of each task that image is shown which finds most at stage `at` beyond what it finds
    at the first; the number at the right is the share of unlabelled images whose nearest neighbour is of
    their class. A page without widgets shows all stages at once. Raises UserError where the tasks were not
    taken after the same stages, `at` among them.
    """
    stages = list(next(iter(found.values())))
    if any(list(each) != stages for each in found.values()) or at not in stages:
        raise UserError(
            f"the tasks must be given after the same stages, {at} among them, to be shown side by side."
        )
    images = [task.train.inputs for task in tasks] if images is None else images
    blocks = {task.name: _block(own, found[task.name], at) for task, own in zip(tasks, images, strict=True)}
    return click(lambda stage: _page(blocks, stage), stages, "stage", nb13_stages.neighbours(blocks))


def _block(images: Sequence, each: Mapping[str, Found], at: str) -> Block:
    """The image of one task that shows most, and its neighbours after every stage."""
    where, _ = each[at]
    itself = (where == np.arange(len(where))[:, None]).any(1)  # a labelled item finds itself
    gain = each[at][1].sum(1) - next(iter(each.values()))[1].sum(1)
    shown = int(np.where(itself, -np.inf, gain).argmax())
    rows = {}
    for stage, (nearest, same) in each.items():
        closest = [images[int(i)] for i in nearest[shown]]
        rows[stage] = Strip(closest, same[shown], f"1-NN {same[~itself, 0].mean():.0%}")
    return images[shown], rows


def _page(blocks: Mapping[str, Block], stage: str) -> Figure:
    only = {name: (image, {stage: rows[stage]}) for name, (image, rows) in blocks.items()}
    return nb13_stages.neighbours(only)
