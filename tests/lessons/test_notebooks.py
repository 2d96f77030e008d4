"""The committed notebooks: built from their sources, in style, executed, small; other parameters work too.

`make test` also runs every cell of them by nbval, with tests/sanitize.cfg.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tlkit.errors import UserError
from tlkit_lessons import notebooks
from tools import build_notebooks
from tools.notebooks import cells, execute, style
from tools.notebooks.layout import Layout, read_built, read_source

LAYOUT = Layout()
NAMES = LAYOUT.names()
SECONDS_EACH, SECONDS_ALL = 60, 600
OTHER = {  # other parameters than the defaults, that must work too
    "00": {"task_name": "glyphs:cyrillic-b", "labels": 1, "seeds": 6},
    "14": {"seed": 3, "labels": 2, "choice": "block:stem", "few": 0, "many": 4, "n_live": 1},
    "16": {
        "seed": 4,
        "seeds": 1,
        "labels": 2,
        "plan": "full",
        "baseline": "pixels",
        "close_pair": ["lp-ft", "frozen"],
        "guess": 5,
    },
    "21": {"seed": 13, "shift": "faded", "guess_clusters": 0.9, "guess_worse": 7},
    "22": {"seed": 12, "similarity": 0.25, "guess_labels": 0.1},
    "23": {"targets": ["textures", "digits"], "plan": "full", "seed": 12, "choice": "greek"},
    "24": {"seed": 12, "step": 2000, "labels": 20, "few_steps": 40, "guess_labels": 5},
    "25": {"seed": 12, "shift": "faded", "guess": 0.8, "rounds": 3},
    "31": {"seed": 33, "labels": 20, "block": "block2", "guess_images": 3, "guess_labels": 0},
    "32": {"seed": 41, "labels": 20, "watts": 40.0, "guess": 2.5},
    "33": {"seed": 44, "random_head": -0.5, "alpha": 0.2, "guess": 0.4},
    "34": {"seed": 53, "labels": 20, "plan": "frozen", "tries": 3, "guess_tries": 8},
}
COINS = Path(__file__).parent / "fixtures" / "notebooks" / "91_coins.py"

each = pytest.mark.parametrize("name", NAMES)


def links(path: Path) -> list[str]:
    text = "\n".join(c.source for c in read_built(path).cells if c.cell_type == "markdown")
    return [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if ":" not in link]


@each
def test_style(name):
    raw = read_source(LAYOUT.source(name))
    assert style.problems(raw) == []
    assert style.number(raw) == name[:2]


@each
def test_every_image_has_its_alternative_text(name):
    """A sentence, not a file name; those in a widget are told by their title."""
    bare = []
    for i, cell in enumerate(read_built(LAYOUT.built(name)).cells):
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                alt = output.metadata.get("image/png", {}).get("alt", "")
                bare += [execute.label(read_built(LAYOUT.built(name)), i)] * (len(alt.split()) < 4)
    assert bare == [], 'write `# %% alt="..."`, one text for each image, then build'


@each
def test_built_from_its_source(name):
    assert build_notebooks.check(LAYOUT, name) == []


@each
def test_executed_once_from_top_to_bottom(name):
    setup, *counts = [
        c.execution_count for c in read_built(LAYOUT.built(name)).cells if c.cell_type == "code"
    ]
    first = 1 if setup is None else 2  # the set-up cell may have come later: it does nothing here
    assert counts == list(range(first, len(counts) + first))


@each
def test_outputs_are_small_and_quiet(name):
    execute.refuse(read_built(LAYOUT.built(name)), name, LAYOUT.root)


@each
def test_time(name):
    assert LAYOUT.seconds(name) <= SECONDS_EACH


def test_time_of_all():
    assert sum(LAYOUT.seconds(name) for name in NAMES) <= SECONDS_ALL


@each
@pytest.mark.parametrize("place", ["built", "student"])
def test_links_lead_somewhere(name, place):
    path = getattr(LAYOUT, place)(name)
    assert [link for link in links(path) if not (path.parent / link).exists()] == []


def test_every_notebook_has_a_source_and_a_copy():
    for folder in (LAYOUT.folder, LAYOUT.folder / "exercises"):
        assert sorted(p.stem for p in folder.glob("*.ipynb")) == NAMES


def test_full_parameters_exist(tmp_path):
    table = tomllib.loads((LAYOUT.folder / "full.toml").read_text("utf-8"))
    for number, values in table.items():
        [info] = notebooks.select(number)
        assert values.keys() <= notebooks.parameters(info).keys(), f"full.toml, [{number}]"


@each
def test_the_student_copy_is_the_notebook_up_to_the_first_open_exercise(name):
    copy, full = read_built(LAYOUT.student(name)).cells, read_built(LAYOUT.built(name)).cells
    opened = [i for i, c in enumerate(copy) if "solution" in cells.tags(c)]
    before = slice(1, opened[0])  # the title cell says whose copy it is
    deeper = [(c.cell_type, c.source.replace("](../", "](../../")) for c in full[before]]
    assert [(c.cell_type, c.source) for c in copy[before]] == deeper, "but for links, a folder deeper"
    for i in opened:
        with pytest.raises(
            NotImplementedError, match=rf"exercise {int(name[:2])}\.\d+|exercise {name[:2]}\.\d+"
        ):
            exec(copy[i].source, {})


@pytest.mark.notebook
@pytest.mark.parametrize("name", sorted(NAMES, key=lambda name: LAYOUT.seconds(name) or 0)[:1])
def test_the_quickest_student_copy_stops_at_its_first_open_exercise(name):
    nb = read_built(LAYOUT.student(name))
    first = next(i for i, c in enumerate(nb.cells) if "solution" in cells.tags(c))
    with pytest.raises(UserError, match=rf"cell {first + 1} .*: NotImplementedError: exercise"):
        execute.execute(nb, name, LAYOUT.student(name).parent)


@pytest.mark.slow
@pytest.mark.notebook
@each
def test_every_student_copy_runs_with_the_solutions_filled_in(name):
    copy, full = read_built(LAYOUT.student(name)), read_built(LAYOUT.built(name))
    solutions = [c.source for c in full.cells if "solution" in cells.tags(c)]
    for cell, solution in zip((c for c in copy.cells if "solution" in cells.tags(c)), solutions, strict=True):
        cell.source = solution
    execute.execute(copy, name, LAYOUT.student(name).parent)


@pytest.mark.notebook
@pytest.mark.parametrize("number", [name[:2] for name in NAMES if name[:2] in OTHER])
def test_other_parameters(number, tmp_path):
    [result] = notebooks.run(number, OTHER[number], out=tmp_path)
    assert result.ok, result.error


STORED = {  # name of a copy -> what is changed in its stored outputs
    "92_float": ("of 1.5, 20", "of 2.5, 20"),
    "93_unchecked": ("not compared", "never compared"),
    "94_checked": ("of 1.5, 20", "of 1.5, 30"),
}


@pytest.mark.notebook
def test_nbval_compares_what_is_tagged_and_only_that(tmp_path, root):
    """The settings of `make test`, on notebooks whose stored outputs were changed."""
    layout = Layout(tmp_path)
    layout.source("91_coins").parent.mkdir(parents=True)
    coins = COINS.read_text("utf-8").replace("{bent} of", "{bent} of 1.5,")
    coins = coins.replace("assert 0 <= fair <= tosses", 'print("not", "compared")')
    layout.source("91_coins").write_text(coins, "utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    assert build_notebooks.main([], layout) == 0
    text = layout.built("91_coins").read_text("utf-8")
    for name, (old, new) in STORED.items():
        assert text.count(old) == 1
        layout.built(name).write_text(text.replace(old, new), "utf-8")
    options = [
        "--nbval-lax",
        "--nbval-current-env",
        f"--nbval-sanitize-with={root / 'tests' / 'sanitize.cfg'}",
    ]
    command = [sys.executable, "-m", "pytest", "-q", *options]
    copies = sorted(layout.folder.glob("*.ipynb"))
    done = subprocess.run([*command, *copies], cwd=tmp_path, capture_output=True, text=True)
    failed = re.findall(r"^FAILED notebooks/(\w+)", done.stdout, re.M)
    assert failed == ["94_checked"], done.stdout
    assert "1 failed" in done.stdout
