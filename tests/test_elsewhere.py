"""The runner of `make test-elsewhere`, and its short form: 11 alone, in Colab's versions of what shows it."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from tlkit.errors import UserError
from tools.elsewhere import __main__ as elsewhere
from tools.elsewhere import alone, overlay, places, results, short

NOTEBOOKS = places.ROOT / "notebooks"


def result(**changes) -> results.Result:
    return results.Result(**{"place": "colab", "notebook": "11_a", "key": "k", "seconds": 31.4} | changes)


def test_a_table_says_how_each_ended_or_why_a_place_is_absent():
    found = [
        result(),
        result(notebook="12_b", error="cell 3 (a | b): Error: no"),
        result(place="lowest"),
    ]
    text = results.table(
        ["11_a", "12_b"], {"colab": None, "lowest": None, "newest": "no Python 3.13 here"}, found
    )
    assert text.splitlines() == [
        "| notebook | colab | lowest | newest |",
        "| --- | --- | --- | --- |",
        "| 11_a | ok, 31 s | ok, 31 s | no Python 3.13 here |",
        "| 12_b | cell 3 (a / b): Error: no | – | no Python 3.13 here |",
    ]


def test_a_replaced_package_is_no_success():
    replaced = result(changed=["pandas 2.2.3 → 3.1.1"])
    assert not replaced.ok
    assert replaced.says == "replaced pandas 2.2.3 → 3.1.1"
    assert result().ok and not result(error="x").ok


def test_results_are_kept_and_the_last_one_counts(tmp_path):
    file = tmp_path / "results.jsonl"
    assert results.read(file) == {}
    for each in (result(error="é"), result(), result(key="other", added=["tlkit 1"])):
        results.keep(file, each)
    assert results.read(file) == {"k": result(), "other": result(key="other", added=["tlkit 1"])}


def test_only_additions_are_no_exceptions():
    before = {"numpy": "2.1.3", "pandas": "2.2.3", "toolz": "0.12"}
    after = {"numpy": "2.1.3", "pandas": "3.1.1", "tlkit": "0.1", "skada": "0.6"}
    assert overlay.additions(before, after) == ["skada 0.6", "tlkit 0.1"]
    assert overlay.exceptions(before, after) == ["pandas 2.2.3 → 3.1.1", "toolz 0.12 → gone"]
    assert overlay.exceptions(before, before | {"tlkit": "0.1"}) == []


def test_a_stranger_has_a_home_of_their_own_and_nothing_of_ours(tmp_path, monkeypatch):
    for name in ("PYTHONPATH", "TLKIT_CACHE", "VIRTUAL_ENV", "JUPYTER_PATH", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "ours")
    environment = tmp_path / "ours"
    (environment / "bin").mkdir(parents=True)
    (environment / "pyvenv.cfg").touch()
    monkeypatch.setenv("PATH", str(environment / "bin"), prepend=":" if sys.platform != "win32" else ";")
    env = overlay.stranger(tmp_path / "home", tmp_path / "theirs" / "python")
    assert "ours" not in env.values()
    assert env["HOME"] == env["USERPROFILE"] == str(tmp_path / "home")
    assert env["PATH"].startswith(str(tmp_path / "theirs"))
    assert str(environment / "bin") not in env["PATH"]
    assert env["OMP_NUM_THREADS"] == "1"


def test_an_overlay_sees_what_lies_beneath_and_hides_it_by_its_own(tmp_path):
    beneath = tmp_path / "be neath"
    beneath.mkdir()
    (beneath / "both.py").write_text("whose = 'beneath'")
    (beneath / "below.py").write_text("whose = 'beneath'")
    python = overlay.lay(tmp_path / "env", Path(sys.executable), [beneath])
    (overlay.packages(python) / "both.py").write_text("whose = 'own'")
    code = "import both, below; print(both.whose, below.whose)"
    assert overlay.call(python, "-c", code).split() == ["own", "beneath"]
    with pytest.raises(UserError, match="No module named 'numpy'"):
        overlay.call(python, "-c", "import numpy")


def test_links_leave_out_what_is_replaced_and_this_package(tmp_path):
    packages = tmp_path / "packages"
    for name in ("kept", "replaced", "tlkit"):
        (packages / name).mkdir(parents=True)
        (packages / name / "__init__.py").touch()  # newer readers of RECORD leave out what is not there
        info = packages / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text(f"{name}/__init__.py,,\n{info.name}/METADATA,,\n")
    (packages / "_editable.pth").write_text("elsewhere")
    try:
        found = short.links(tmp_path / "links", ["replaced"], packages)
    except OSError as error:
        pytest.skip(f"links cannot be made here: {error}")
    assert {entry.name for entry in found.iterdir()} == {"kept", "kept-1.0.dist-info"}


def test_colabs_list_is_exact_and_has_what_the_short_form_takes():
    text = (places.HERE / "colab.txt").read_text("utf-8")
    pinned = places.pins(text)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(pinned) == len(lines) > 150, "a line that is no pin, or a name twice"
    assert set(short.NAMES[:10]) <= pinned.keys()
    assert (pinned["ipywidgets"], pinned["ipython"]) == ("7.7.1", "7.34.0")


def test_bounds_that_no_version_met(tmp_path):
    pyproject = tmp_path / "pyproject.toml"
    project = {
        "dependencies": ["timm>=1.0", "torch>=2.9", "plain"],
        "optional-dependencies": {"lab": ["ipython>=8"], "adapt": [], "search": []},
    }
    lines = [f"dependencies = {json.dumps(project['dependencies'])}", "[project.optional-dependencies]"]
    lines += [f"{name} = {json.dumps(needs)}" for name, needs in project["optional-dependencies"].items()]
    pyproject.write_text("[project]\n" + "\n".join(lines))
    lock = "timm==1.0.3\ntorch==2.9.0+cpu\nplain==7\nipython==8.0.0\n"
    assert places.missed_bounds(lock, pyproject) == {"timm>=1.0": "1.0.3"}


def test_the_lowest_python_is_the_one_that_pyproject_names(root):
    lowest = next(place for place in places.PLACES if place.name == "lowest")
    assert f'requires-python = ">={lowest.python}"' in (root / "pyproject.toml").read_text()


def test_a_key_changes_with_the_list_the_python_and_colabs_kernel(monkeypatch):
    plain, colab = places.PLACES[1], places.PLACES[0]
    keys = [places.Built(place, Path("p"), lock).key for place in (plain, colab) for lock in ("a==1", "a==2")]
    assert len(set(keys)) == 4
    assert places.Built(plain, Path("q"), "a==1").key == keys[0]


def test_a_place_that_cannot_be_is_said(monkeypatch):
    colab = places.PLACES[0]
    monkeypatch.setattr(places.sys, "platform", "win32")
    assert places.absent(colab) == "only on linux"
    monkeypatch.undo()
    monkeypatch.setattr(places, "interpreter", lambda version: None)
    assert places.absent(places.PLACES[1]) == "no Python 3.11 here"


def test_an_unknown_environment_is_refused_with_those_there_are():
    with pytest.raises(UserError, match="no environment 'kaggle': there are colab, lowest, newest"):
        elsewhere.chosen(["kaggle"])
    assert [place.name for place in elsewhere.chosen(None)] == [place.name for place in places.PLACES]


def test_every_notebook_and_one_that_imports_all_modules_are_taken(tmp_path):
    paths = elsewhere.notebooks([], tmp_path)
    assert [path.name for path in paths[1:]] == sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
    cells = json.loads(paths[0].read_text("utf-8"))["cells"]
    assert cells[1]["metadata"]["tags"] == ["colab"], "the module walk needs the set-up cell first"


def test_what_ran_already_is_not_run_again(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(alone, "run", lambda trial: ran.append(trial.notebook.stem) or alone.Ended(2.0))
    trial = alone.Trial(Path("11_a.ipynb"), Path("w"), Path("p"), [], False, tmp_path / "log")
    file = tmp_path / "results.jsonl"
    results.keep(file, result(key="failed", error="no"))
    for again, expected in ((False, 2), (False, 2), (True, 4)):
        elsewhere.try_all([("new", "colab", trial), ("failed", "colab", trial)], file, 1, again)
        assert len(ran) == expected


def test_the_workflow_tries_every_environment(root):
    flow = yaml.safe_load((root / ".github" / "workflows" / "elsewhere.yml").read_text("utf-8"))
    matrix = flow["jobs"]["notebooks"]["strategy"]["matrix"]
    assert matrix["environment"] == [place.name for place in places.PLACES]
    assert {system.split("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert "schedule" in flow[True]  # YAML 1.1 reads `on` as true


def test_help_names_every_environment():
    said = elsewhere.options().format_help()
    assert all(place.name in said for place in places.PLACES)


@pytest.fixture(scope="module")
def colab_like(tmp_path_factory) -> list[Path]:
    """Colab's versions of a few packages over this environment's."""
    folder = tmp_path_factory.mktemp("colab-like")
    try:
        return [short.colabs(folder / "colab"), short.links(folder / "links", short.NAMES)]
    except UserError as error:
        if short.OFFLINE.search(str(error)):
            pytest.skip(f"no package index in reach: {str(error)[:100]}")
        raise
    except OSError as error:
        pytest.skip(f"links cannot be made here: {error}")


@pytest.mark.notebook
def test_11_runs_alone_in_colabs_versions_of_what_shows_it(colab_like, tmp_path):
    """See tools/elsewhere/short.py for what this shows and what only `make test-elsewhere` does."""
    (notebook,) = NOTEBOOKS.glob("11_*.ipynb")
    wheel = elsewhere.wheel(tmp_path / "wheel")
    trial = alone.Trial(
        notebook, wheel, Path(sys.executable), colab_like, True, tmp_path / "log", cell_seconds=120
    )
    ended = alone.run(trial)
    assert ended.error is None, (tmp_path / "log.log").read_text("utf-8")
    assert ended.changed == []
    assert [line.split()[0] for line in ended.added] == ["tlkit"]
