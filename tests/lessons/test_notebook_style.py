"""The style test: a notebook that passes, broken in one way at a time."""

from pathlib import Path

import jupytext
import pytest

from tools.notebooks.prose import parentheses, typed_numbers, words
from tools.notebooks.style import problems

GOOD = (Path(__file__).parent / "fixtures" / "notebooks" / "91_coins.py").read_text("utf-8")
TOSS = "    return sum(random.random() < chance for _ in range(n))\n"
HEADS = "bent = heads(bias, tosses)\n"


def found(source: str) -> list[str]:
    return problems(jupytext.reads(source, fmt="py:percent"))


def test_the_good_notebook_has_no_problem():
    assert found(GOOD) == []


def test_the_template_has_no_problem(root):
    assert found((root / "notebooks" / "source" / "_template.py").read_text("utf-8")) == []


BREAKS = {
    "title": ("# # 91 · How", "# # How", "cell 1: must be Markdown that begins with '# NN · Title'"),
    "question": ("**Question.**", "Question.", "cell 1: has no Question"),
    "you will": ("**You will**", "You will", "cell 1: has no You will"),
    "needs": ("**Needs** ", "Needs ", "cell 1: has no Needs"),
    "time": ("**Time** ", "Time ", "cell 1: has no Time"),
    "measured time": ("{{time}}", "a minute", "cell 1: has no {{time}}"),
    "no parameters": ('tags=["parameters"]', "", "must be the one cell tagged parameters (tagged: none)"),
    "two parameters": ("# %%\nimport", '# %% tags=["parameters"]\nimport', "(tagged: [2, 3])"),
    "few": ("bias = 0.8  # chance of heads of the bent coin\n", "", "cell 2: 2 parameters, not 3 to 8"),
    "many": ("seed = 0", "a = b = 0\n" + "c = 0  # c\n" * 6 + "seed = 0", "10 parameters, not 3 to 8"),
    "derived": ("tosses = 20", "tosses = 4 * 5", "cell 2: `tosses = 4 * 5` is not `name = literal`"),
    "imported": ("tosses = 20", "import re", "cell 2: `import re` is not `name = literal`"),
    "two names": ("tosses = 20", "tosses = n = 20", "cell 2: `tosses = n = 20` is not `name = literal`"),
    "no comment": ("tosses = 20  # throws of each coin", "tosses = 20", "`tosses = 20` has no comment"),
    "broken parameters": ("tosses = 20", "tosses = ", "cell 2: invalid syntax"),
    "imports late": ("import random  # noqa: E402\n\nrandom.seed", "set", "must be the imports"),
    "no seed": ("random.seed(seed)", "random.random()", "cell 3: the imports must be followed by"),
    "cells": ("# **Think.**", "# more\n\n# %% [markdown]\n" * 40 + "# **Think.**", "cells, more than 50"),
    "long cell": (HEADS, "tosses\n" * 25 + HEADS, "cell 7: 27 lines of code, more than 25"),
    "long cells": ("\n# %% ", "\n" + "tosses\n" * 10 + "\n# %% ", "lines a code cell, more than 6"),
    "much code": ("\n# %% ", "\n" + "tosses\n" * 20 + "\n# %% ", "lines of code, more than 150"),
    "no prose": (HEADS, "1\n\n# %%\n1\n\n# %%\n1\n\n# %%\n" + HEADS, "cells 7-10: more than 3 code"),
    "unknown tag": ('tags=["record"]', 'tags=["recrod"]', "unknown tag 'recrod'; did you mean 'record'?"),
    "tag on code": ('# %% [markdown] tags=["answer"]\n# ', '# %% tags=["answer"]\n', "is for markdown cells"),
    "no python": (HEADS, "heads of\n", "cell 7: invalid syntax"),
    "star": ("import random  # noqa: E402", "from random import *", "cell 3: star import from random"),
    "path": ("import random  # noqa: E402", "import sys\nsys.path.append('x')", "cell 3: touches sys.path"),
    "magic install": (HEADS, "%pip install timm\n" + HEADS, "cell 7: installs something"),
    "shell install": (HEADS, "!python -m pip install timm\n" + HEADS, "cell 7: installs something"),
    "uv install": (HEADS, "!uv pip install timm\n" + HEADS, "cell 7: installs something"),
    "call install": (HEADS, 'run(["pip", "install", "timm"])\n' + HEADS, "cell 7: installs something"),
    "global": (TOSS, TOSS.replace("range(n)", "range(tosses)"), "cell 5: heads() reads tosses"),
    "deep global": (
        TOSS,
        "    def inner(k):\n        return k * bias\n\n    return [inner(tosses) for _ in range(n)]\n",
        "cell 5: heads() reads bias of the notebook",
    ),
    "method": (
        HEADS,
        "class Coin:\n    def toss(self):\n        return bias\n\n\n" + HEADS,
        "cell 7: toss() reads bias of the notebook",
    ),
    "decimal": ("# Most tosses", "# All but 0.93 of the tosses", "cell 8: the number '0.93' is typed"),
    "percent": ("# Most tosses", "# About 73 % of the tosses", "cell 8: the number '73 %' is typed"),
    "outside": ("### Exercise 91.1 ·", "### The first ·", "cell 9: a solution outside of"),
    "misnumbered": ("### Exercise 91.2", "### Exercise 90.2", "cell 12: exercise 90.2 is not numbered 91.k"),
    "no solution": ('# %% tags=["solution"]\ndiff', "# %%\ndiff", "91.2: has no cell tagged solution"),
    "no check": (
        '# %% tags=["check"]\nassert diff', "# %%\nassert diff", "exercise 91.2: has no cell tagged check"
    ),
    "no hint": ('tags=["hint"]\n# Sub', "\n# Sub", "exercise 91.2: has no cell tagged hint"),
    "check first": (
        "# Which coin", '# Which\n\n# %% tags=["check"]\n1\n\n# %% [markdown]\n# Which coin',
        "exercise 91.2: its check comes before its solution",
    ),
    "no recap": ("# ## Recap", "# ## End", "has no heading 'Recap'"),
    "no result": ("# ## What we saw", "# ## Result", "has no heading 'What we saw'"),
    "no limits": ("# ## When this fails", "# ## Limits", "has no heading 'When this fails'"),
    "no prediction": ('tags=["predict"]', "", "has no cell tagged predict"),
    "no lesson": ("<b>In one sentence</b>", "", "cell 1: has no folded lesson"),
    "wordy": ("# Most tosses", "# " + "word " * 1600 + "\n# Most tosses", "words of prose, more than 1500"),
    "bracketed": ("# Most tosses", "# " + "so (too) " * 11 + "\n# Most", "parentheses, more than 10"),
    "claims": (
        "# Most tosses", "# " + "".join(f"{{{{claim {n}}}}} " for n in range(6)) + "\n# Most",
        "6 claims (0, 1, 2, 3, 4, 5), more than 5",
    ),
    "small print": (
        "# Most tosses", "# " + "<summary>Fine print</summary> " * 2 + "\n# Most", "2 folded Fine print"
    ),
    "raw": ('print(f"{bent} of {tosses} heads")', '{"heads": bent}', "cell 7: ends in a raw dictionary"),
    "no answer": ('tags=["answer"]', "", "has no cell tagged answer"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), BREAKS.values(), ids=BREAKS)
def test_each_rule_refuses(old, new, message):
    assert old in GOOD
    assert any(message in problem for problem in found(GOOD.replace(old, new)))


def test_a_recap_before_an_exercise_is_refused():
    start, recap = GOOD.index("# %% [markdown]\n# ## Recap"), GOOD.index('# %% tags=["record"]')
    middle = GOOD.index("# %% [markdown]\n# ### Exercise 91.2")
    moved = GOOD[:middle] + GOOD[start:recap] + GOOD[middle:start] + GOOD[recap:]
    assert found(moved) == ["the recap comes before an exercise: exercises come last, they stop a run"]


def test_no_exercise_at_all_is_refused():
    assert "no exercise: none is headed '### Exercise 91.k'" in found(
        GOOD.replace("### Exercise", "### Task")
    )


def test_an_empty_notebook_is_refused():
    assert any(p.startswith("cell 1:") for p in found(""))


def test_the_welcome_needs_no_lesson():
    welcome = GOOD.replace("91", "00").replace("## What we saw", "## Saw").replace('tags=["answer"]', "")
    assert found(welcome) == []


def test_what_is_allowed():
    allowed = GOOD.replace(HEADS, f"%time 1\n{HEADS}").replace(
        TOSS, TOSS + "\n\ndef twice(f=bias):\n    return heads(f, 2)\n"
    )
    allowed = allowed.replace(
        '# %% tags=["record"]', '# %% tags=["colab"]\n%pip install tlkit\n\n# %% tags=["record"]'
    )
    assert found(allowed) == []


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("accuracy rose to 0.93", ["0.93"]),
        ("it gained .05 and 1,234.5", [".05", "1,234.5"]),
        ("73 % of them, 73%, 73 per cent, 7.5 %", ["73 %", "73%", "73 per cent", "7.5 %"]),
        ("9 of 10 seeds, 1797 images, in 1998, stage 3.", []),
        ("`0.93` and ``0.93`` and\n```\n0.93\n```\n", []),
        ("<img src='a.png' width='60%'> [a](b_0.5.html) <https://a.b/0.5>", []),
        ("arXiv:1411.1792, doi:10.1109/5.771073, https://a.b/1.5", []),
        ("the 95 % interval, a 95 % confidence interval; exercise 11.1, Exercise 11.2", []),
        ("the 94 % interval", ["94 %"]),
    ],
)
def test_numbers_in_prose(text, typed):
    assert typed_numbers(text) == typed


def test_words_and_parentheses_of_prose():
    text = "Two words `not (these)` $a(b)$ [a link](x_y.html) <b>bold</b> {{claim 3 effect}} it's (one)."
    assert words(text) == 7 and parentheses(text) == 1
