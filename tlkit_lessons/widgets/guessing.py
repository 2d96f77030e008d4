"""A slider that stores a guess, and questions that answer back."""

import html
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources

from ipywidgets import HTML, FloatSlider, IntSlider

from tlkit.errors import UserError, unknown
from tlkit_lessons.widgets.shown import WithStill


class Guess(WithStill):
    """A slider that keeps a guess; `value` is the number, whether or not anybody has moved it."""

    def __init__(self, slider: IntSlider | FloatSlider, question: str):
        self.slider, self.question = slider, question
        super().__init__([HTML(f"<b>{html.escape(question)}</b>"), slider])

    @property
    def value(self) -> float:
        """The guess as it stands."""
        return self.slider.value

    def __repr__(self) -> str:
        return f"Guess({self.value:g})"

    @property
    def still(self) -> str:
        """The question and the guess as a line of HTML, for where no slider is drawn."""
        return f"<b>{html.escape(self.question)}</b> {self.value:g} (a slider, once this cell has run)"


def guess(question: str, value: float, low: float = 0, high: float = 1, step: float = 0.01) -> Guess:
    """A slider from `low` to `high` for a guess, standing at `value`; whole numbers where all four are whole.

    Draw `.value` on the figure that answers the question. Raises UserError for a value outside of the slider.
    """
    if not low <= value <= high:
        raise UserError(
            f"a guess of {value:g} lies outside of the slider: give one from {low:g} to {high:g}."
        )
    whole = all(isinstance(number, int) for number in (value, low, high, step))
    slider = (IntSlider if whole else FloatSlider)(
        value=value, min=low, max=high, step=step, layout={"width": "32em", "max_width": "100%"}
    )
    return Guess(slider, question)


class Quiz:
    """A question whose choices open when clicked and say why they are right or wrong; no kernel is needed."""

    def __init__(self, question: str, choices: Mapping[str, str], right: str):
        self.question, self.choices, self.right = question, dict(choices), right

    def __repr__(self) -> str:
        return "\n".join([self.question, *(f"  ( ) {choice}" for choice in self.choices)])

    def _repr_html_(self) -> str:
        return f"<p><b>{html.escape(self.question)}</b></p>" + "".join(map(self._choice, self.choices))

    def _choice(self, choice: str) -> str:
        mark = "Right." if choice == self.right else "Not so."
        summary = f"<summary style='cursor: pointer'>{html.escape(choice)}</summary>"
        answer = f"<p style='margin-left: 1.5em'><b>{mark}</b> {html.escape(self.choices[choice])}</p>"
        return f"<details style='margin: 0.3em 1em'>{summary}{answer}</details>"


def quiz(question: str, choices: Mapping[str, str], right: str) -> Quiz:
    """A question, its choices with what to say to each, and the right one.

    Raises UserError for fewer than two choices, one without a reason, or a right one that is not among them.
    """
    if len(choices) < 2 or not all(choices.values()):
        raise UserError(f"quiz {question!r}: give at least two choices, and a reason for each.")
    if right not in choices:
        raise unknown("right answer", right, choices)
    return Quiz(question, choices, right)


class Quizzes:
    """The quizzes of one notebook, one below the other."""

    def __init__(self, found: Sequence[Quiz]):
        self.found = tuple(found)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.found))

    def _repr_html_(self) -> str:
        return "".join(quiz._repr_html_() for quiz in self.found)


def quizzes(number: str) -> Quizzes:
    """Those of the notebook `number`, such as "11": kept apart, so no page gives one away.

    Raises UserError where that notebook has none.
    """
    folder = resources.files("tlkit_lessons") / "quizzes"
    known = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir())
    if number not in known:
        raise unknown("notebook with a quiz", number, known)
    rows = tomllib.loads((folder / f"{number}.toml").read_text("utf-8"))["quiz"]
    return Quizzes([quiz(**row) for row in rows])
