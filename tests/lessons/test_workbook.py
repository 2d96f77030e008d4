"""Listing, choosing and running notebooks, on small ones made here."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tlkit.errors import UserError
from tlkit_lessons import notebooks
from tlkit_lessons.notebooks import runner

PARAMETERS = """\
n = 3  # how many
rate = 0.5  # how fast
name = "a"  # whose
labels = [1, 2]  # how many labels
quick = True  # or slow"""
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


def write(folder: Path, name: str, *code: str, question: str = "Does it\nrun?") -> None:
    opening = f"# {name[:2]} · {name[3:].title()}\n\n**Question.** {question}\n\n**You will** look."
    cells = [new_markdown_cell(opening), new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})]
    nb = new_notebook(cells=[*cells, *map(new_code_cell, code)], metadata={"kernelspec": KERNELSPEC})
    nbformat.write(nb, folder / f"{name}.ipynb")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "notebooks"
    (folder / "exercises").mkdir(parents=True)
    write(folder, "00_start", "print(n, rate, name, labels)")
    write(folder, "11_first", "import os\nprint(os.getcwd(), os.environ['OMP_NUM_THREADS'])")
    write(folder, "12_broken", "x = 1", "1 / (n - n)\nprint('never')")
    write(folder, "21_late", "print(n)")
    (folder / "notes.ipynb").write_text("{}")
    (folder / "timings.json").write_text('{"11_first": 25}')
    return folder


def printed(result: notebooks.RunResult) -> str:
    nb = nbformat.read(result.path, as_version=4)
    return "".join(out.get("text", "") for c in nb.cells if c.cell_type == "code" for out in c.outputs)


def test_list_says_what_the_title_cells_say(folder):
    infos = notebooks.notebooks(folder)
    assert [i.number for i in infos] == ["00", "11", "12", "21"]
    first = infos[1]
    assert (first.name, first.title, first.question) == ("11_first", "First", "Does it run?")
    assert (first.seconds, first.part, infos[0].seconds) == (25, 1, None)


def test_listing_imports_nothing_heavy():
    heavy = "{'papermill', 'nbformat', 'nbclient', 'torch', 'numpy'}"
    named = "import sys; from tlkit_lessons import notebooks; notebooks.notebooks();"
    code = f"{named} print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("spec", "numbers"),
    [
        ("all", ["00", "11", "12", "21"]),
        ("core", ["00", "11", "12"]),
        ("11-12,21", ["11", "12", "21"]),
        ("21,0,21", ["00", "21"]),
        (["12", "11"], ["11", "12"]),
        ("10-19", ["11", "12"]),
    ],
)
def test_select(folder, spec, numbers):
    assert [info.number for info in notebooks.select(spec, folder)] == numbers


@pytest.mark.parametrize("spec", ["13", "11,13-20", "eleven", "", "12-11"])
def test_select_refuses_with_the_list(folder, spec):
    with pytest.raises(UserError, match="there are 00, 11, 12, 21; or say core, or all"):
        notebooks.select(spec, folder)


def test_a_file_that_is_no_notebook_is_named(folder):
    (folder / "13_torn.ipynb").write_text('{"cells": [')
    with pytest.raises(UserError, match=r"13_torn\.ipynb is not a notebook"):
        notebooks.notebooks(folder)


def test_parameters_in_order(folder):
    expected = {"n": 3, "rate": 0.5, "name": "a", "labels": [1, 2], "quick": True}
    info = notebooks.notebooks(folder)[0]
    assert list(notebooks.parameters(info).items()) == list(expected.items())
    assert (
        notebooks.parameters(info.path) == notebooks.parameters(json.loads(info.path.read_text())) == expected
    )


def test_parse_reads_literals_and_plain_words():
    given = notebooks.parse(["n=5", "rate = -1e-3", "labels=[1,2]", "name=digits", "sign==", "quick=False"])
    assert given == {"n": 5, "rate": -1e-3, "labels": [1, 2], "name": "digits", "sign": "=", "quick": False}
    with pytest.raises(UserError, match="name=value"):
        notebooks.parse(["seeds"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rates": 1.0}, r"unknown parameter of notebook 00 'rates': did you mean 'rate'\?"),
        ({"n": 2.5}, "'n' of notebook 00: 2.5 is not of the type of its default 3; give a int"),
        ({"n": True}, "give a int"),
        ({"rate": "fast"}, "give a float"),
        ({"rate": False}, "give a float"),
        ({"quick": 1}, "give a bool"),
        ({"labels": 5}, "give a list"),
        ({"labels": [1, "x"]}, "give a list"),
    ],
)
def test_bad_parameters_are_refused_before_anything_runs(folder, tmp_path, given, message):
    with pytest.raises(UserError, match=message):
        notebooks.run("00,11", given, out=tmp_path / "build", folder=folder)
    assert not (tmp_path / "build").exists()


@pytest.mark.notebook
def test_run_with_parameters_goes_on_after_an_error(folder, tmp_path):
    events = []
    results = notebooks.run("core", {"n": 7, "rate": 1}, False, tmp_path / "build", events.append, folder)
    assert [r.ok for r in results] == [True, True, False]
    assert printed(results[0]) == "7 1.0 a [1, 2]\n"
    assert printed(results[1]) == f"{folder} 1\n"
    assert results[2].error == "12_broken, cell 4 (1 / (n - n)): ZeroDivisionError: division by zero"
    assert [type(e).__name__ for e in events] == ["NotebookInfo", "RunResult"] * 3
    left = sorted(p.name for p in (tmp_path / "build" / "notebooks").iterdir())
    assert left == ["00_start.ipynb", "11_first.ipynb", "12_broken.ipynb"]


@pytest.mark.notebook
def test_full_takes_the_larger_sizes_and_the_command_line_wins(folder, tmp_path):
    (folder / "full.toml").write_text("[00]\nn = 50\nrate = 2.0\n")
    [result] = notebooks.run("00", {"rate": 3.0}, full=True, out=tmp_path / "build", folder=folder)
    assert printed(result) == "50 3.0 a [1, 2]\n"


def test_full_toml_is_checked_too(folder, tmp_path):
    (folder / "full.toml").write_text("[00]\nseed = 50\n")
    with pytest.raises(UserError, match="unknown parameter of notebook 00 'seed'"):
        notebooks.run("00", full=True, out=tmp_path / "build", folder=folder)


@pytest.mark.notebook
def test_a_dead_kernel_is_reported(folder, tmp_path):
    write(folder, "13_dead", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    [result] = notebooks.run("13", out=tmp_path / "build", folder=folder)
    assert result.error.startswith("13_dead, cell 3 (import os, signal): ")


@pytest.mark.notebook
def test_a_stuck_cell_is_stopped_and_named(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "CELL_SECONDS", 1)
    write(folder, "13_stuck", "import time", "time.sleep(60)")
    [result] = notebooks.run("13", out=tmp_path / "build", folder=folder)
    assert result.error.startswith("13_stuck, cell 4 (time.sleep(60)): ")
    assert result.seconds < 20


def test_an_unwritable_folder_is_named(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to .*file.*choose another folder"):
        notebooks.run("00", out=tmp_path / "file", folder=folder)


def test_the_notebooks_themselves_are_never_overwritten(folder):
    before = (folder / "00_start.ipynb").read_bytes()
    with pytest.raises(UserError, match="would replace the notebooks"):
        notebooks.run("00", out=folder.parent, folder=folder)
    assert (folder / "00_start.ipynb").read_bytes() == before


@pytest.mark.notebook
def test_a_killed_run_leaves_the_old_copy(folder, tmp_path):
    write(folder, "13_slow", "import pathlib, time\npathlib.Path('started').touch()\ntime.sleep(60)")
    copies = tmp_path / "notebooks.out" / "notebooks"
    copies.mkdir(parents=True)
    (copies / "13_slow.ipynb").write_text("old")
    code = f"from tlkit_lessons import notebooks; notebooks.run('13', out={str(copies.parent)!r}, folder=F)"
    code = f"from pathlib import Path; F = Path({str(folder)!r}); {code}"
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    while not (folder / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert (folder / "started").exists()
    assert [p.read_text() for p in copies.glob("*.ipynb")] == ["old"]
    assert len(list(copies.glob(".running-*"))) == 1
    notebooks.run("00", out=copies.parent, folder=folder)
    assert sorted(p.name for p in copies.iterdir()) == ["00_start.ipynb", "13_slow.ipynb"]
