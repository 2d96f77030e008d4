"""A grid of fits: in parallel, here or on many machines, resumable, each fit run once.

`Grid` says what to fit, `todo` what of it is missing in a store, and `run` fits that: in processes of this
machine, or where one of `BACKENDS` runs it. A worker that is killed costs its own fit a second try.
`measure` writes down what is no fit.
"""

from tlkit.study.executors import BACKENDS, check
from tlkit.study.grid import Cell, Grid, todo
from tlkit.study.running import Outcome, measure, run
from tlkit.study.worker import Finished, rows

__all__ = ["BACKENDS", "Cell", "Finished", "Grid", "Outcome", "check", "measure", "rows", "run", "todo"]
