"""Widgets that also work on a page without a kernel.

Sliders and buttons are linked in the browser, so they work in a saved notebook or a static page too. Where no
widget is drawn at all (a notebook not yet trusted, a preview on the web) the same output shows an image or a
line of text.
"""

from tlkit_lessons.widgets.board import Board, freeze_board
from tlkit_lessons.widgets.dials import dial
from tlkit_lessons.widgets.explorer import Explorer, explorer
from tlkit_lessons.widgets.frames import Frames, click, drag
from tlkit_lessons.widgets.guessing import Guess, Quiz, Quizzes, guess, quiz, quizzes
from tlkit_lessons.widgets.labels import label_slider
from tlkit_lessons.widgets.neighbours import neighbours_by_stage

__all__ = [
    "Board", "Explorer", "Frames", "Guess", "Quiz", "Quizzes", "click", "dial", "drag", "explorer",
    "freeze_board", "guess", "label_slider", "neighbours_by_stage", "quiz", "quizzes",
]  # fmt: skip
