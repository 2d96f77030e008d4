"""`tlkit advise`: what to try first on data of one's own, what to expect, and what would buy more."""

import re
import time
from pathlib import Path
from typing import Any

from tlkit.cli import compare
from tlkit.cli.compare import Folder, Groups, TaskName
from tlkit.cli.live import UNSEEN, about, around, span
from tlkit.cli.saying import quoted, say
from tlkit.errors import UserError

SEEDS = 5  # of the comparison that is advised
ENDING = 5  # seconds, at most a fifth of the time, for the forecast of that comparison and the report

Names = compare.option(str | None, "Networks to choose from, with commas between; default: the task's own.")
Minutes = compare.option(float, "How long it may take; Ctrl-C ends it earlier, with what is known so far.")


def advise(
    task: TaskName = None,
    folder: Folder = None,
    groups: Groups = None,
    backbones: Names = None,
    minutes: Minutes = 3.0,
) -> None:
    """Advise which network and plan to try, what accuracy to expect, and whether more labels would help.

    It cross-validates on training data alone; the test data are for `tlkit compare`, which comes next."""
    from tlkit import env, tasks
    from tlkit.advise import Race, advice, told
    from tlkit.records import Store

    end = time.monotonic() + max(60 * minutes - ENDING, 48 * minutes)
    if not 0 < minutes < float("inf"):
        raise UserError(f"--minutes {minutes:g}: give a time above 0, such as 3.")
    env.setup()
    found = tasks.load(asked := compare.named(task, folder, groups, opened=True))
    names = re.split(",(?![^,=]*=)", backbones or compare.suggested(asked))  # a,size=96 is one
    store = Store(env.results_dir() / f"{compare.file_name(found.name)}.advice.jsonl")
    race = Race(found, [n.strip() for n in names if n.strip()], store, lambda: end - time.monotonic())
    again = f"tlkit compare {f'--folder {quoted(folder)}' if folder else f'--task {quoted(Path(task))}'}"
    again += f" --groups {quoted(groups)}" if groups else ""
    try:
        for done in race.run():
            known = advice(race)
            so_far = f"{known.plan} of {known.backbone}, {told(known.expected)}"
            say(f"{done}, {span(max(race.left(), 0))} left: {so_far}")
    except KeyboardInterrupt:
        _tell(race, again)
        raise
    _tell(race, again)


def _tell(race: Any, again: str) -> None:
    """All that is known, on the terminal and in the report, and the command that tests it."""
    from tlkit import files
    from tlkit.advise import advice
    from tlkit.forecast import forecast
    from tlkit.recipe import suited
    from tlkit.report import advice_html
    from tlkit.study import Grid

    for name, why in race.dropped.items():
        say(f"{name}: {why}", "left out:", "yellow")
    if (known := advice(race)) is None:
        return say("cannot tell: the time was over before anything was known; give more --minutes.")
    say(f"plan {known.plan}, backbone {known.backbone}", "advice:", "bold")
    for line in known.sentences:
        say(f"  {line}")
    plans = tuple(dict.fromkeys(filter(None, (race.task.objective.raw_plan, "frozen", known.plan))))
    again += f" --backbone {quoted(Path(known.backbone))} --plans {','.join(plans)}"
    again += f" --labels {known.labels} --seeds {SEEDS}"
    say(f"report: {advice_html(known, race.task, files.beside(race.store.path, '.html'), again)}")
    say(again, "next:", "bold")
    network = race.backbones[known.backbone]
    grid = Grid(race.task, network, plans, (known.labels,), tuple(range(SEEDS)), suited(network))
    say(f"That takes {about(around(forecast(grid, list(grid.cells())).seconds, UNSEEN))}.")
