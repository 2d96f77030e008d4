"""Kernels of notebooks: they take no port, leave nothing behind, and a dead one is told in a sentence."""

import json
import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tlkit.errors import UserError
from tlkit_lessons import notebooks
from tlkit_lessons.notebooks import kernels
from tools.notebooks import execute

MET = """
from ipykernel.connect import get_connection_info
met = get_connection_info(unpack=True)
print(met["transport"], met["ip"])
"""
SPEC = {"display_name": "Python 3", "language": "python"}
pytestmark = pytest.mark.notebook
needs_sockets = pytest.mark.skipif(os.name != "posix", reason="kernels are met through ports on this system")


@pytest.fixture(params=["run", "build"])
def ran(request, tmp_path):
    """A function that runs a notebook of one cell, as `tlkit run` does or the builder; what it printed."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    title = new_markdown_cell("# 00 · Title\n\n**Question.** Does it run?")
    nb = new_notebook(cells=[title, new_code_cell(MET)], metadata={"kernelspec": SPEC | {"name": "python3"}})
    nbformat.write(nb, folder / "00_met.ipynb")

    def run() -> str:
        if request.param == "build":
            execute.execute(nb, "00_met", folder)
            return nb.cells[-1].outputs[0].text
        [result] = notebooks.run("00", out=tmp_path / "build", folder=folder)
        assert result.ok, result.error
        return nbformat.read(result.path, 4).cells[-1].outputs[0].text

    return run


@needs_sockets
def test_a_kernel_is_met_where_nobody_else_is(ran):
    """Of two that start at once, one may take the port that the other has chosen: it hung for minutes."""
    first, second = ran().split(), ran().split()
    assert first[0] == second[0] == "ipc" and first[1] != second[1]
    assert not Path(first[1]).parent.exists() and not Path(second[1]).parent.exists()


def test_a_folder_too_deep_for_sockets_leaves_ports(monkeypatch):
    monkeypatch.setattr(kernels, "LONGEST", 5)
    with kernels.sockets() as where:
        assert where == {}


@pytest.fixture
def dead(tmp_path, monkeypatch):
    """A function that has Jupyter find a python3 that is started so, before that of this environment."""
    place = tmp_path / "share" / "kernels" / "python3"
    place.mkdir(parents=True)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))

    def make(*start: str) -> Path:
        spec = SPEC | {"argv": [*start, "-m", "ipykernel_launcher", "-f", "{connection_file}"]}
        (place / "kernel.json").write_text(json.dumps(spec))
        return place

    return make


def test_a_kernel_whose_python_is_gone_is_told_with_the_remedy(ran, dead, tmp_path):
    gone = tmp_path / "gone" / "python"
    place = dead(str(gone))
    with pytest.raises(UserError) as told:
        ran()
    assert str(told.value) == (
        f"kernel python3 at {gone} does not start (No such file or directory): remove {place}, which names "
        "it, and the one of this environment is taken."
    )
    shutil.rmtree(place)
    assert ran()


@needs_sockets
def test_a_kernel_whose_python_has_no_ipykernel_is_told_so(ran, dead, tmp_path, capfd):
    bare = tmp_path / "python"
    bare.symlink_to(sys.executable)
    place = dead(str(bare), "-S")
    says = rf"kernel python3 at {bare} does not start \(ModuleNotFoundError: .*ipykernel'\): remove {place}, "
    with pytest.raises(UserError, match=says):
        ran()
    assert len(capfd.readouterr().err.splitlines()) == 1, "what that Python says itself"


def test_the_kernel_of_this_environment_is_not_to_be_removed(ran, dead):
    dead("python", "-S")
    says = (
        rf"python3 at {sys.executable} does not start .*install it anew: pip install --force-reinstall ipyk"
    )
    with pytest.raises(UserError, match=says):
        ran()


def test_without_any_kernel_the_remedy_is_the_extra(ran, monkeypatch):
    def none(_, name):
        raise NoSuchKernel(name)

    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", none)
    with pytest.raises(UserError, match=r"there is no kernel python3 here: pip install 'tlkit\[lab\]'"):
        ran()
