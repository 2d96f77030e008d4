"""The notebook pipeline, end to end, on a small repository made here."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import types
from importlib import metadata
from pathlib import Path

import nbformat
import pytest

from tlkit.errors import UserError
from tools import build_notebooks
from tools.notebooks import cells, execute, sync
from tools.notebooks.hosting import Repository, setup_cell
from tools.notebooks.layout import Layout, read_built, read_source, write_built

COINS = Path(__file__).parent / "fixtures" / "notebooks" / "91_coins.py"
NAME = "91_coins"
HEADER = COINS.read_text("utf-8").partition("\n# %%")[0]
pytestmark = pytest.mark.notebook


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "notebooks" / "source").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("")
    shutil.copy(COINS, tmp_path / "notebooks" / "source")
    return Layout(tmp_path)


@pytest.fixture(scope="module")
def _built_once(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("built")
    (root / "notebooks" / "source").mkdir(parents=True)
    (root / "pyproject.toml").write_text("")
    shutil.copy(COINS, root / "notebooks" / "source")
    assert build_notebooks.main([], Layout(root)) == 0
    return root


@pytest.fixture
def built(_built_once: Path, tmp_path: Path) -> Layout:
    """A repository whose one notebook is built and executed."""
    shutil.copytree(_built_once, tmp_path / "copy")
    return Layout(tmp_path / "copy")


def source(layout: Layout, *code: str, name: str = NAME, tags: str = "") -> None:
    """Write a source with only these code cells below a title."""
    parts = [f"# %%{tags}\n{text}\n" for text in code]
    layout.source(name).write_text(
        f"{HEADER}\n# %% [markdown]\n# # {name[:2]} · Title\n\n" + "\n".join(parts)
    )


def edit(layout: Layout, old: str, new: str) -> None:
    text = layout.source(NAME).read_text("utf-8")
    assert old in text
    layout.source(NAME).write_text(text.replace(old, new), "utf-8")


def edit_in_lab(layout: Layout, old: str, new: str) -> None:
    nb = read_built(layout.built(NAME))
    [cell] = [c for c in nb.cells if old in c.source]
    cell.source = cell.source.replace(old, new)
    nb.metadata["language_info"] = {"name": "python", "version": "3.99"}
    nbformat.write(nb, layout.built(NAME))


# --- build ------------------------------------------------------------------------------------------------


def test_build_executes_and_keeps_little_metadata(built):
    nb = read_built(built.built(NAME))
    code = [c for c in nb.cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    assert "of 20 heads" in json.dumps(code)
    assert nb.metadata.keys() == {"kernelspec", "language_info", "tlkit"}
    assert nb.metadata["kernelspec"] == {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert nb.metadata["language_info"] == {"name": "python"}
    assert {key for c in nb.cells if c.id != "colab" for key in c.metadata} == {"tags"}
    assert (nb.nbformat, nb.nbformat_minor) == (4, 5)


def test_rebuild_changes_no_byte_and_check_agrees(built, capsys):
    before = {p: p.read_bytes() for p in built.folder.rglob("*.*")}
    assert build_notebooks.main(["91"], built) == 0
    assert {p: p.read_bytes() for p in built.folder.rglob("*.*")} == before
    assert build_notebooks.main(["--check"], built) == 0
    assert "no difference" in capsys.readouterr().out


def test_ids_come_from_content_and_repeats_are_numbered(layout):
    source(layout, "x = 1", "x = 1", "x = 2")
    first = [c.id for c in cells.assemble(read_source(layout.source(NAME)), cells.Page(NAME)).cells]
    source(layout, "y = 0", "x = 1", "x = 1", "x = 2")
    second = [c.id for c in cells.assemble(read_source(layout.source(NAME)), cells.Page(NAME)).cells]
    first.remove("colab"), second.remove("colab")
    assert first[1] + "-2" == first[2] and len(set(first)) == 4
    assert [i for i in second if i != second[1]] == first


def test_the_time_is_filled_and_kept_unless_it_moves(layout):
    for measured, kept in ((41.2, 45), (37, 45), (56, 45), (57, 60), (1, 5), (4.9, 5)):
        layout.measured(NAME, measured)
        assert layout.seconds(NAME) == kept
    assert [cells.spoken(s) for s in (5, 60, 65, 125)] == ["5 s", "1 min", "1 min 5 s", "2 min 5 s"]
    page = cells.Page(NAME, seconds=65)
    assert "**Time** 1 min 5 s on" in cells.assemble(read_source(layout.source(NAME)), page).cells[0].source


def test_without_a_measured_time_the_remedy_is_named(layout, capsys):
    assert build_notebooks.main(["--no-execute"], layout) == 1
    assert "91_coins has no measured time for {{time}} yet: build it, executed" in capsys.readouterr().err
    assert not layout.built(NAME).exists()


def test_widget_state_is_stored(layout):
    source(layout, "import ipywidgets as w\ns = w.IntSlider(7, description='labels')\ns")
    assert build_notebooks.main([], layout) == 0
    nb = read_built(layout.built(NAME))
    state = nb.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert any(m["state"].get("description") == "labels" and m["state"]["value"] == 7 for m in state.values())
    assert sync.differences(cells.assemble(read_source(layout.source(NAME)), cells.Page(NAME)), nb) == []


def test_the_kernel_runs_in_the_notebooks_folder_with_one_thread(layout):
    code = "import os\nprint(os.path.basename(os.getcwd()), os.environ['OMP_NUM_THREADS'])"
    source(layout, code)
    nb = cells.assemble(read_source(layout.source(NAME)), cells.Page(NAME))
    assert execute.execute(nb, NAME, layout.folder) > 0
    assert nb.cells[2].outputs[0].text == "notebooks 1\n"


PNG = "from IPython.display import Image\nImage(data=bytes({size}), format='png')"
REFUSED = {
    "error": ("x = 1\n1 / 0", "cell 4 (x = 1): ZeroDivisionError: division by zero"),
    "warning": ("import warnings\nwarnings.warn('old')", "cell 4 (import warnings) writes to stderr"),
    "stderr": ("import sys\nprint('oh', file=sys.stderr)", "cell 4 (import sys) writes to stderr (oh)"),
    "figure": (
        PNG.format(size=100_001),
        "cell 4 (from IPython.display import Image) draws a figure of 100 kB",
    ),
    "path": ("import os\nprint(os.path.expanduser('~') + '/x')", "cell 4 (import os) shows a path of this"),
    "size": ("print('x' * 1_000_001)", "it has 1.0 MB, more than 1 MB"),
    "exit": ("import os\nos._exit(1)", "cell 4 (import os): Kernel died"),
    "widget": (
        "import sys, ipywidgets as w\nout = w.Output()\nwith out:\n    print('oh', file=sys.stderr)\nout",
        "a widget writes to stderr (oh)",
    ),
}


@pytest.mark.parametrize(("code", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_outputs_name_their_cell_and_nothing_is_written(layout, capsys, code, message):
    source(layout, "print('fine')", code)
    assert build_notebooks.main([], layout) == 1
    assert message in capsys.readouterr().err
    assert [p.name for p in layout.folder.iterdir()] == ["source"]


def test_a_figure_just_small_enough_passes(layout):
    source(layout, PNG.format(size=99_900))
    assert build_notebooks.main([], layout) == 0


DRAWN = "import matplotlib.pyplot as plt\n_ = plt.figure(figsize=(1, 1)).add_subplot().imshow([[0, 1]])"


def test_images_get_the_alternative_text_of_their_cell_one_each(layout, monkeypatch):
    monkeypatch.delenv("MPLBACKEND")  # the kernel's own shows figures
    two = f"{DRAWN}\nplt.show()\n{DRAWN}"
    source(layout, two, tags=' alt=["a dark and a light tile", "the same again"]')
    assert build_notebooks.main([], layout) == 0
    outputs = [out for cell in read_built(layout.built(NAME)).cells for out in cell.get("outputs", ())]
    told = [out.metadata["image/png"]["alt"] for out in outputs if "image/png" in out.get("data", {})]
    assert told == ["a dark and a light tile", "the same again"]
    edit(layout, "the same again", "and once more")
    assert build_notebooks.main(["--check"], layout) == 1, "another text is another notebook"
    assert build_notebooks.main(["--no-execute"], layout) == 0
    assert "and once more" in layout.built(NAME).read_text("utf-8")


def test_a_figure_that_cannot_be_read_is_refused_with_its_cell(layout, capsys):
    pale = "plt.text(0, 1, 'far end', color='#E69F00')\nplt.title('a line that rises')"
    source(layout, "1 + 1", f"import matplotlib.pyplot as plt\nplt.plot([0, 1])\n{pale}")
    assert build_notebooks.main([], layout) == 1 and not layout.built(NAME).exists()
    said = capsys.readouterr().err
    assert "cell 4 (import matplotlib.pyplot as plt)" in said
    assert "'far end' has a contrast of 2.3 to 1, less than 4.5" in said


def test_what_a_page_records_for_programs_is_not_shown(layout):
    source(layout, '{"heads": 3}', tags=' tags=["record"]')
    assert build_notebooks.main([], layout) == 0
    assert "'heads': 3" not in layout.built(NAME).read_text("utf-8")


def test_a_stuck_cell_is_stopped(layout):
    source(layout, "import time", "time.sleep(60)")
    nb = cells.assemble(read_source(layout.source(NAME)), cells.Page(NAME))
    with pytest.raises(UserError, match=r"91_coins, cell 4 \(time.sleep\(60\)\): A cell timed out"):
        execute.execute(nb, NAME, layout.folder, cell_seconds=1)


def test_an_expected_error_is_kept_without_the_folder_of_this_machine(layout):
    (layout.root / "wrong.py").write_text("raise ValueError('no')\n")
    code = "import runpy\nrunpy.run_path('../wrong.py')"
    source(layout, code, tags=' tags=["raises-exception"]')
    assert build_notebooks.main([], layout) == 0
    assert (
        "wrong.py" in layout.built(NAME).read_text()
        and str(layout.root) not in layout.built(NAME).read_text()
    )


def test_one_failure_does_not_stop_the_others(layout, capsys):
    source(layout, "1 / 0", name="90_broken")
    source(layout, "print(1)")
    assert build_notebooks.main([], layout) == 1
    assert layout.built(NAME).exists() and "90_broken" in capsys.readouterr().err


def test_unknown_numbers_are_refused_with_the_list(layout, capsys):
    assert build_notebooks.main(["92"], layout) == 2
    assert "no notebook '92': there are 91" in capsys.readouterr().err


def test_style_problems_are_said_while_building(layout, capsys):
    source(layout, "print(1)")
    build_notebooks.main([], layout)
    assert "style: cell 1: has no Question" in capsys.readouterr().out


def test_a_source_that_is_no_text_is_named(layout, capsys):
    layout.source(NAME).write_bytes(b"\xff\xfe")
    assert build_notebooks.main(["--check"], layout) == 1
    assert "91_coins.py is not a py:percent notebook source" in capsys.readouterr().err


# --- placeholders -----------------------------------------------------------------------------------------


def filled(text: str, fill) -> str:
    raw = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    return cells.assemble(raw, cells.Page(NAME, fill=fill)).cells[0].source


def test_placeholders_are_filled_one_by_one():
    assert (
        filled("from {{a.b}} to {{ c }}, $x_{i}$", {"{{a.b}}": "1", "{{ c }}": "2"}.get)
        == "from 1 to 2, $x_{i}$"
    )


def test_an_unknown_placeholder_names_itself_and_its_notebook():
    def fill(text):
        raise UserError("unknown claim 'gain'")

    with pytest.raises(UserError, match=r"91_coins, placeholder \{\{gain\}\}: unknown claim 'gain'"):
        filled("it is {{gain}}", fill)
    with pytest.raises(UserError, match=r"91_coins, placeholder \{\{gain\}\}: nothing fills it"):
        filled("it is {{gain}}", str)


def test_claims_are_imported_only_for_a_placeholder(monkeypatch):
    monkeypatch.setitem(sys.modules, "tlkit_lessons.ledger", None)
    assert filled("no placeholder, {{time}} aside".replace("{{time}}", "time"), None)
    with pytest.raises(ImportError):
        filled("{{gain}}", None)
    monkeypatch.setitem(
        sys.modules, "tlkit_lessons.ledger", types.SimpleNamespace(fill=lambda text: text.strip("{}").upper())
    )
    assert filled("{{gain}}", None) == "GAIN"


# --- check ------------------------------------------------------------------------------------------------


CHANGES = {
    "code": (
        "heads(chance, n)",
        "heads(chance, k)",
        "91_coins.ipynb: cell 6 (def heads(chance, k):) differs in id, source\n",
    ),
    "tags": ('tags=["record"]', "", 'cell 19 ({"heads": bent}  # noqa: B018) differs in metadata\n'),
    "prose": (
        "# Subtract.",
        "# Take.",
        "exercises/91_coins.ipynb: cell 16 (<details>) differs in id, source\n",
    ),
    "new": ("# **Think", "# More.\n\n# %% [markdown]\n# **Think", "cell 17 (More.) is missing\nexercises"),
    "gone": (
        "nothing.\n\n# %% tags",
        "nothing.\n# tags",
        'cell 19 ({"heads": bent}  # noqa: B018) is not in the',
    ),
}


@pytest.mark.parametrize(("old", "new", "message"), CHANGES.values(), ids=CHANGES)
def test_check_names_what_a_rebuild_would_change(built, capsys, old, new, message):
    before = built.built(NAME).read_bytes()
    edit(built, old, new)
    assert build_notebooks.main(["--check"], built) == 1
    assert message in capsys.readouterr().err
    assert built.built(NAME).read_bytes() == before


def test_check_misses_no_deleted_file_and_sees_metadata(built, capsys):
    nb = read_built(built.built(NAME))
    nb.metadata["kernelspec"]["name"] = "mine"
    write_built(built.built(NAME), nb)
    built.student(NAME).unlink()
    assert build_notebooks.main(["--check"], built) == 1
    err = capsys.readouterr().err
    assert (
        "91_coins.ipynb: metadata kernelspec differs" in err
        and "exercises/91_coins.ipynb is not built" in err
    )


def test_outputs_are_no_difference(built):
    nb = read_built(built.built(NAME))
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    write_built(built.built(NAME), nb)
    assert build_notebooks.main(["--check"], built) == 0


# --- without execution ------------------------------------------------------------------------------------


def test_prose_can_change_without_execution(built):
    edit(built, "Most tosses show heads", "Heads prevail")
    assert build_notebooks.main(["--no-execute"], built) == 0
    text = built.built(NAME).read_text()
    assert "Heads prevail" in text and "of 20 heads\\n" in text


def test_changed_code_loses_every_output(built, capsys):
    edit(built, "tosses = 20", "tosses = 30")
    assert build_notebooks.main(["--no-execute"], built) == 0
    assert "it has no outputs now" in capsys.readouterr().out
    assert all(not c.get("outputs") for c in read_built(built.built(NAME)).cells)


# --- edited in Lab ----------------------------------------------------------------------------------------


def test_an_edit_in_lab_goes_back_into_the_source(built, capsys):
    before = built.source(NAME).read_text()
    edit_in_lab(built, "A coin is a number: the chance of heads.", "A coin is its chance of heads.")
    edit_in_lab(built, "fair = heads(1 / 2, tosses)", "fair = heads(0.5, tosses)")
    edit_in_lab(built, "**Needs** nothing.", "**Needs** a coin.")
    edit_in_lab(built, "Call `heads` once more.", "Call `heads` again.")
    assert build_notebooks.main(["--no-execute"], built) == 0
    assert "took the edits back into source/91_coins.py" in capsys.readouterr().out
    expected = before
    for old, new in (
        ("A coin is a number: the chance of heads.", "A coin is its chance of heads."),
        ("fair = heads(1 / 2, tosses)", "fair = heads(0.5, tosses)"),
        ("**Needs** nothing.", "**Needs** a coin."),
        ("Call `heads` once more.", "Call `heads` again."),
    ):
        expected = expected.replace(old, new)
    assert built.source(NAME).read_text() == expected
    assert build_notebooks.main(["--check"], built) == 0


def test_a_cell_added_tagged_and_removed_in_lab(built):
    nb = read_built(built.built(NAME))
    added = nbformat.v4.new_code_cell(
        "bent > 10", metadata={"tags": ["nbval-check-output"], "editable": True}
    )
    nb.cells.insert(7, added)
    del nb.cells[-1]
    nbformat.write(nb, built.built(NAME))
    assert build_notebooks.main(["--no-execute"], built) == 0
    text = built.source(NAME).read_text()
    assert '# %% tags=["nbval-check-output"]\nbent > 10\n' in text and "record" not in text
    assert "editable" not in text and "{{time}}" in text
    assert "# stub:\n# fair = heads(..., tosses)\n" in text


def test_outputs_and_counts_alone_are_no_edit(built, capsys):
    nb = read_built(built.built(NAME))
    nb.cells[4 - 1].outputs = []
    nb.metadata["language_info"]["version"] = "3.99"
    nb.cells[3].metadata["execution"] = {"iopub.status.busy": "now"}
    nbformat.write(nb, built.built(NAME))
    assert build_notebooks.main(["--no-execute"], built) == 0
    assert "took" not in capsys.readouterr().out


def test_edits_on_both_sides_are_refused(built, capsys):
    edit_in_lab(built, "A coin is a number", "A coin is one number")
    edit(built, "Toss a fair coin as often.", "Toss a fair coin.")
    kept = built.source(NAME).read_bytes(), built.built(NAME).read_bytes()
    assert build_notebooks.main([], built) == 1
    err = capsys.readouterr().err
    assert (
        "was edited and source/91_coins.py changed too" in err
        and "git checkout notebooks/91_coins.ipynb" in err
    )
    assert (built.source(NAME).read_bytes(), built.built(NAME).read_bytes()) == kept


def test_the_same_edit_on_both_sides_is_fine(built):
    edit_in_lab(built, "Most tosses show heads", "Heads prevail")
    edit(built, "Most tosses show heads", "Heads prevail")
    assert build_notebooks.main(["--no-execute"], built) == 0


def test_an_edited_placeholder_line_is_refused(built, capsys):
    edit_in_lab(built, "**Time** 5 s on two cores", "**Time** 7 s on two cores")
    assert build_notebooks.main([], built) == 1
    err = capsys.readouterr().err
    assert "edited in a line that the build fills in ('**Time** {{time}} on two cores.')" in err
    assert "make this edit in source/91_coins.py" in err


def test_a_notebook_of_somebody_else_is_not_overwritten(layout, capsys):
    write_built(layout.built(NAME), nbformat.v4.new_notebook())
    assert build_notebooks.main([], layout) == 1
    assert "91_coins.ipynb was not written by this build" in capsys.readouterr().err


def test_a_torn_notebook_is_named(built, capsys):
    built.built(NAME).write_text(built.built(NAME).read_text()[:500])
    assert build_notebooks.main([], built) == 1
    assert "91_coins.ipynb is not a notebook: restore it from git" in capsys.readouterr().err


# --- Colab ------------------------------------------------------------------------------------------------


def test_the_repository_address_makes_badge_and_install_cell(layout):
    (layout.root / "pyproject.toml").write_text('[tool.tlkit]\nrepository = "https://github.com/a/b"\n')
    assert build_notebooks.main([], layout) == 0
    nb, copy = read_built(layout.built(NAME)), read_built(layout.student(NAME))
    place = "https://colab.research.google.com/github/a/b/blob/main/notebooks"
    assert f"({place}/91_coins.ipynb)" in nb.cells[0].source
    assert f"({place}/exercises/91_coins.ipynb)" in copy.cells[0].source
    assert nb.cells[0].source.startswith("# 91 · How fair is a coin?\n\n[![")
    assert cells.tags(nb.cells[1]) == ["colab"] and "git+https://github.com/a/b" in nb.cells[1].source
    assert nb.cells[1].outputs == [] and cells.tags(nb.cells[2]) == ["parameters"]
    edit_in_lab(layout, "A coin is a number", "A coin is one number")
    assert build_notebooks.main(["--no-execute"], layout) == 0
    assert (
        "colab" not in layout.source(NAME).read_text() and "is one number" in layout.source(NAME).read_text()
    )


def test_without_an_address_the_cell_asks_for_a_wheel_and_there_is_no_badge(built):
    nb = read_built(built.built(NAME))
    assert "colab.research" not in nb.cells[0].source
    assert "upload the file tlkit-*.whl" in nb.cells[1].source and "github" not in nb.cells[1].source


@pytest.mark.parametrize("line", ["a/b", "https://gitlab.com/a/b", "https://github.com/a"])
def test_a_strange_address_is_refused(layout, capsys, line):
    (layout.root / "pyproject.toml").write_text(f'[tool.tlkit]\nrepository = "{line}"\n')
    assert build_notebooks.main(["--check"], layout) == 1
    assert "write https://github.com/OWNER/NAME" in capsys.readouterr().err
    before = (layout.root / "pyproject.toml").read_bytes()
    assert build_notebooks.main(["--repository", line], layout) == 2
    assert "write https://github.com/OWNER/NAME" in capsys.readouterr().err
    assert (layout.root / "pyproject.toml").read_bytes() == before


def test_a_fork_names_itself_once_and_outputs_stay(built):
    edit(built, "**Needs** nothing.", "**Needs** [this](../data/README.md#made) and [00](00_start.ipynb).")
    (built.root / "pyproject.toml").write_text('[tool.tlkit]\nrepository = "" # where it is hosted\n')
    before = read_built(built.built(NAME))
    assert build_notebooks.main(["--repository", "https://github.com/a/b.git"], built) == 0
    assert "# where it is hosted" in (built.root / "pyproject.toml").read_text()
    nb, copy = read_built(built.built(NAME)), read_built(built.student(NAME))
    assert [c.get("outputs") for c in nb.cells] == [c.get("outputs") for c in before.cells]
    assert [c.get("execution_count") for c in nb.cells] == [c.get("execution_count") for c in before.cells]
    for page, folder in ((nb, ""), (copy, "exercises/")):
        opening = page.cells[0].source
        assert f"colab.research.google.com/github/a/b/blob/main/notebooks/{folder}{NAME}.ipynb" in opening
        assert (
            "[this](https://github.com/a/b/blob/main/data/README.md#made) and [00](00_start.ipynb)" in opening
        )
        assert "git+https://github.com/a/b@main" in page.cells[1].source
    assert build_notebooks.main(["--check"], built) == 0


def test_a_branch_is_part_of_the_address():
    fork = Repository.parse("https://github.com/a/b.c/tree/spring/2027/")
    assert (fork.name, fork.branch) == ("a/b.c", "spring/2027")
    assert (
        fork.sources("1.2")[0] == "https://github.com/a/b.c/releases/download/v1.2/tlkit-1.2-py3-none-any.whl"
    )
    assert fork.sources("1.2")[1] == "git+https://github.com/a/b.c@spring/2027"
    assert Repository.parse("") is None


def run_setup_cell(monkeypatch, tmp_path, fork=None, absent=("tlkit",), pip=None, **python):
    """Execute the cell where the packages `absent` cannot be found; `pip` stands in for the command."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in absent else find(name))
    monkeypatch.setattr(subprocess, "run", pip or (lambda *a, **k: pytest.fail("nothing is to be installed")))
    for name, value in python.items():
        monkeypatch.setattr(sys, name, value)
    monkeypatch.chdir(tmp_path)
    exec(setup_cell(fork, "0.1.0", ["skada>=0.4"]).source, {})


def test_the_cell_does_nothing_where_the_package_is(monkeypatch, tmp_path):
    run_setup_cell(monkeypatch, tmp_path, absent=())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"version_info": (3, 10)}, "Python 3.11 or newer"),
        ({"absent": ("tlkit", "torch")}, "install torch and torchvision first"),
        ({}, "upload the file tlkit-*.whl"),
        ({"fork": Repository("a/b"), "pip": "no route"}, "check the network, or upload"),
        (
            {"fork": Repository("a/b"), "pip": "dependency conflicts: numpy"},
            "a package that is here would have to",
        ),
    ],
)
def test_the_cell_says_in_one_sentence_what_is_in_the_way(monkeypatch, tmp_path, how, said):
    if text := how.get("pip"):
        how = how | {"pip": lambda *a, **k: subprocess.CompletedProcess(a, 1, "", text)}
    with pytest.raises((AssertionError, RuntimeError), match=re.escape(said)):
        run_setup_cell(monkeypatch, tmp_path, **how)


def test_the_cell_does_not_wait_for_ever(monkeypatch, tmp_path):
    def pip(words, timeout, **kept):
        raise subprocess.TimeoutExpired(words, timeout)

    with pytest.raises(RuntimeError, match="a package that is here would have to change"):
        run_setup_cell(monkeypatch, tmp_path, Repository("a/b"), pip=pip)


def test_the_cell_takes_an_uploaded_wheel_first_and_pins_what_is_there(monkeypatch, tmp_path, capsys):
    calls, pinned = [], []

    def pip(words, **kept):
        calls.append(words)
        pinned.extend(Path("installed.txt").read_text().splitlines())
        return subprocess.CompletedProcess(words, 0, "", "")

    (tmp_path / "tlkit-0.1.0-py3-none-any.whl").touch()
    run_setup_cell(monkeypatch, tmp_path, Repository("a/b"), pip=pip)
    [words] = calls
    assert words[-2:] == ["tlkit-0.1.0-py3-none-any.whl", "skada>=0.4"] and "-c" in words
    assert f"numpy=={metadata.version('numpy')}" in pinned and len(pinned) == len(
        {p.split("==")[0] for p in pinned}
    )
    assert "is added, nothing else has changed. Results go to" in capsys.readouterr().out
    assert not Path("installed.txt").exists()


# --- student copies ---------------------------------------------------------------------------------------

OPEN_1 = """\
# Your code here: complete the lines below, then delete the next one.
raise NotImplementedError("exercise 91.1 is open: complete the lines below, delete this one, and run on")

fair = heads(..., tosses)"""
OPEN_2 = """\
# Your code here, in place of the next line.
raise NotImplementedError("exercise 91.2 is open: put your answer here instead, and run on")"""


def test_the_student_copy_holds_no_answer_and_no_output(built):
    copy, full = read_built(built.student(NAME)), read_built(built.built(NAME))
    sources = [c.source for c in copy.cells]
    assert OPEN_1 in sources and OPEN_2 in sources
    text = "\n".join(sources)
    assert "1 / 2" not in text and "difference = bent" not in text and "seldom the order" not in text
    assert "<details>\n<summary>Hint</summary>\n\nSubtract.\n\n</details>" in sources
    assert "[worked notebook](../91_coins.ipynb)" in sources[0]
    assert all(not c.get("outputs") and not c.get("execution_count") for c in copy.cells)
    assert [cells.untitled(c.source) for c in copy.cells if "check" in cells.tags(c)] == [
        c.source for c in full.cells if "check" in cells.tags(c)
    ]
    whole = "\n".join(c.source for c in full.cells)
    assert "stub" not in whole and "<summary>An answer</summary>\n\nThe counts" in whole


def test_the_code_that_says_the_right_answer_is_folded(layout):
    source(layout, "print('quiz')", tags=' tags=["quiz"]')
    layout.source(NAME).write_text(layout.source(NAME).read_text() + '\n# %% tags=["check"]\nassert True\n')
    raw = read_source(layout.source(NAME))

    def folded(nb) -> list[str]:
        found = [c for c in nb.cells if c.metadata.get("jupyter") == {"source_hidden": True}]
        # Colab folds a cell that says so in a key of its own, below a title
        assert found == [c for c in nb.cells if c.metadata.get("cellView") == "form"]
        setup, *others = [c.source for c in found]
        assert setup.startswith("# @title Set-up")
        return others

    assert folded(cells.assemble(raw, cells.Page(NAME))) == ["# @title Quiz\nprint('quiz')"]
    assert folded(cells.student(raw, cells.Page(NAME))) == [
        "# @title Quiz\nprint('quiz')",
        "# @title Check\nassert True",
    ]


def test_the_title_of_what_is_folded_is_no_code_and_never_reaches_the_source(layout):
    source(layout, "print('quiz')", tags=' tags=["quiz"]')
    assert build_notebooks.main([], layout) == 0
    nb = read_built(layout.built(NAME))
    nb.cells[2].source = nb.cells[2].source.removeprefix("# @title Quiz\n")  # as built before there was one
    del nb.cells[2].metadata["cellView"]
    write_built(layout.built(NAME), nb)
    assert build_notebooks.main(["--check"], layout) == 1
    assert build_notebooks.main(["--no-execute"], layout) == 0
    [_, quiz] = [c for c in read_built(layout.built(NAME)).cells if c.cell_type == "code"]
    assert quiz.source.startswith("# @title Quiz\n") and quiz.outputs[0].text == "quiz\n"
    edit_in_lab(layout, "print('quiz')", "print('another quiz')")
    nb = read_built(layout.built(NAME))
    nb.cells.append(nbformat.v4.new_code_cell("# @title Quiz\nprint(2)", metadata={"tags": ["quiz"]}))
    write_built(layout.built(NAME), nb)
    assert build_notebooks.main([], layout) == 0
    text = layout.source(NAME).read_text()
    assert text.endswith("print('another quiz')\n\n# %% tags=[\"quiz\"]\nprint(2)\n")
    assert "@title" not in text


def test_links_of_the_copy_reach_one_folder_further(layout):
    edit(layout, "**Needs** nothing.", "**Needs** [this](../README.md) and [00](00_start.ipynb).")
    page = cells.Page(NAME, seconds=5)
    text = cells.student(read_source(layout.source(NAME)), page).cells[0].source
    assert "[this](../../README.md) and [00](00_start.ipynb)" in text


def test_the_copy_stops_at_the_first_open_exercise_and_only_there(built):
    def run():
        execute.execute(nb, NAME, built.folder)

    nb = read_built(built.student(NAME))
    first, second = (i for i, c in enumerate(nb.cells) if "solution" in cells.tags(c))
    with pytest.raises(UserError, match=rf"cell {first + 1} .*exercise 91.1 is open: complete"):
        run()
    assert all(c.execution_count is None for c in nb.cells[first + 1 :] if c.cell_type == "code")
    _, error, *stub = nb.cells[first].source.splitlines()
    assert "delete this one" in error
    nb.cells[first].source = "\n".join(stub).replace("...", "0.5")
    with pytest.raises(UserError, match=rf"cell {second + 1} .*exercise 91.2 is open: put"):
        run()
    nb.cells[second].source = "difference = bent - fair"
    run()
    nb.cells[second].source = "difference = 1000"
    with pytest.raises(UserError, match=rf"cell {second + 2} .*AssertionError"):
        run()


def test_student_alone_executes_nothing(built):
    built.built(NAME).unlink()
    built.student(NAME).unlink()
    assert build_notebooks.main(["--student"], built) == 0
    assert built.student(NAME).exists() and not built.built(NAME).exists()


@pytest.mark.parametrize("options", [[], ["--student"], ["--no-execute"]])
def test_somebodys_answers_are_not_overwritten(built, capsys, options):
    nb = read_built(built.student(NAME))
    [cell] = [c for c in nb.cells if c.source == OPEN_2]
    cell.source = "difference = 3"
    nbformat.write(nb, built.student(NAME))
    edit(built, "Toss a fair coin as often.", "Toss a fair coin.")
    before = built.built(NAME).read_bytes()
    assert build_notebooks.main(options, built) == 1
    assert built.built(NAME).read_bytes() == before
    assert "exercises/91_coins.ipynb has somebody's work in it" in capsys.readouterr().err
    assert "difference = 3" in built.student(NAME).read_text()


def test_a_stub_that_is_no_python_is_refused(layout, capsys):
    edit(layout, "# fair = heads(..., tosses)", "# fair = heads(, tosses)")
    layout.measured(NAME, 5)
    assert build_notebooks.main(["--student"], layout) == 1
    assert "the stub of exercise 91.1 is no Python" in capsys.readouterr().err


def test_a_solution_before_any_exercise_is_refused(layout, capsys):
    source(layout, "x = 1", tags=' tags=["solution"]')
    assert build_notebooks.main(["--student"], layout) == 1
    assert "a solution before any '### Exercise NN.k' heading" in capsys.readouterr().err


# --- the script and the template --------------------------------------------------------------------------


def test_the_script_runs(root):
    done = subprocess.run(
        [sys.executable, "tools/build_notebooks.py", "--help"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"--check.*--student.*--no-execute", done.stdout, re.S)


def test_the_template_builds(layout, root):
    template = root / "notebooks" / "source" / "_template.py"
    shutil.copy(template, layout.source("99_template"))
    assert build_notebooks.main(["99"], layout) == 0
    assert "too small" in layout.built("99_template").read_text()
    shutil.copy(template, layout.folder / "source" / "_template.py")
    assert layout.names() == [NAME, "99_template"]
