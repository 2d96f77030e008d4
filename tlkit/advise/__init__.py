"""Which backbone and plan to try first, what accuracy to expect, and whether more labels would buy more.

Everything is cross-validated on the training part of a task; the test split is never read.
"""

from tlkit.advise.advice import Advice, Curve, advice, corrected, told
from tlkit.advise.folds import Folds
from tlkit.advise.race import PLANS, Race

__all__ = ["PLANS", "Advice", "Curve", "Folds", "Race", "advice", "corrected", "told"]
