"""Which rule chooses the best plan: committed grids, their chosen settings trained again, scored finer.

Nothing but the selection split may choose a plan. At five labels a class it holds one image a class: its
accuracy ties, its log-loss does not. Each rule chooses on five of the ten seeds of a grid and is judged, by
the test accuracy of the plan it chose, on the other five, over all 252 ways to halve them.

Written before the first run: of the rules that need no further training, the one with the lowest mean regret
on `LOOKED_AT` at 5 labels is taken if it is no worse than accuracy there at 10 and 20, else the next; the
claims about it are decided by `HELD_OUT`. Cross-validation is shown beside, as what more training would buy.
"""

from tlkit_lessons.choosing.rescored import HELD_OUT, JUDGED, LOOKED_AT, Asked, judge, record, scored
from tlkit_lessons.choosing.rules import (
    FOLDED,
    FREE,
    HINDSIGHT,
    RULES,
    TODAY,
    Regret,
    Scores,
    by_target,
    chosen,
    regrets,
    worth,
)

__all__ = [
    "FOLDED", "FREE", "HELD_OUT", "HINDSIGHT", "JUDGED", "LOOKED_AT", "RULES", "TODAY", "Asked", "Regret",
    "Scores", "by_target", "chosen", "judge", "record", "regrets", "scored", "worth",
]  # fmt: skip
