"""The set-up says the same thing everywhere, and the make targets do what they say."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rattler import MatchSpec
from rattler.exceptions import InvalidMatchSpecError

from tools import environment
from tools.notebooks.style import TAGS

TARGETS = [
    "help", "install", "run", "test", "test-all", "test-elsewhere", "lab", "notebooks", "records", "claims",
    "bench", "wheel", "student", "clean",
]  # fmt: skip
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make: absent on Windows")


@pytest.fixture
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


@pytest.fixture
def pins(root):
    """Name → the pins of constraints.txt that hold for this Python and platform."""
    lines = (root / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(p.name): p for p in pins if p.marker is None or p.marker.evaluate()}


def requirements(project, leave_out: str = "") -> list[Requirement]:
    extras = [lines for name, lines in project["optional-dependencies"].items() if name != leave_out]
    found = [Requirement(line) for lines in (project["dependencies"], *extras) for line in lines]
    return [need for need in found if need.name != "tlkit"]  # an extra may name another one of ours


def test_constraints_pin_every_dependency_within_its_range(project, pins):
    for need in requirements(project):
        (pin,) = pins[canonicalize_name(need.name)].specifier
        assert pin.operator == "=="
        assert pin.version in need.specifier, f"{need} but pinned {pin.version}"


def test_constraints_are_closed(project, pins):
    """What a pinned package needs is pinned too, at a version it accepts; bench is not needed by tests."""
    names = {canonicalize_name(need.name) for need in requirements(project, leave_out="bench")}
    queue = list(names)
    while queue:
        for line in metadata.requires(queue.pop()) or ():
            need = Requirement(line)
            name = canonicalize_name(need.name)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                (pin,) = pins[name].specifier
                assert need.specifier.contains(pin.version, prereleases=True), f"{line} but pinned {pin}"
                queue += [name] if name not in names else []
                names.add(name)
    assert len(names) > 100, "the walk did not reach the dependencies of dependencies"


def test_environment_is_made_from_pyproject(root):
    assert (root / "environment.yml").read_text() == environment.render()


def test_environment_is_valid_and_agrees_with_pyproject(root, project):
    text = yaml.safe_load((root / "environment.yml").read_text())
    assert set(text) == {"name", "channels", "dependencies"}
    *conda, last = text["dependencies"]
    specs = {spec.name.normalized: spec for spec in (MatchSpec(line, strict=True) for line in conda)}
    assert str(specs.pop("python").version) == project["requires-python"]
    assert specs.pop("pip").version is None
    names = environment.CONDA_NAMES
    listed = [*project["dependencies"], *project["optional-dependencies"]["lab"]]
    needs = {names.get(need.name, need.name): need for need in map(Requirement, listed)}
    assert specs.keys() == needs.keys()
    for name, need in needs.items():
        assert set(str(specs[name].version).split(",")) == set(str(need.specifier).split(","))
    assert last == {"pip": ["-e ."]}


def test_conda_parser_refuses_what_is_no_spec():
    for line in ("python=>3.11", "torch>2,<<3"):
        with pytest.raises(InvalidMatchSpecError):
            MatchSpec(line, strict=True)


def test_the_wheel_carries_the_small_data_and_nothing_else(root, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(root / "tlkit", tree / "tlkit", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE", "LICENSE-CONTENT"):
        shutil.copy(root / name, tree)
    wanted = {
        "registry/digits.csv",
        "backbones/letters.safetensors",
        "records/core.jsonl",
        "claims.toml",
        "t.json",
        "glyphs.npz",
        "LICENSE-FONTS",
    }
    for name in (*wanted, "README.md", "scratch/huge.bin"):
        (tree / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / "data" / name).touch()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    (wheel,) = (tree / "dist").glob("*.whl")
    files = zipfile.ZipFile(wheel).namelist()
    assert {f.removeprefix("tlkit/_data/") for f in files if f.startswith("tlkit/_data/")} == wanted
    assert "tlkit/__init__.py" in files
    assert {f.split("/")[0] for f in files} == {"tlkit", f"tlkit-{metadata.version('tlkit')}.dist-info"}


def make(*args: str, cwd, **variables: str) -> subprocess.CompletedProcess:
    ours = {
        "TLKIT_CACHE",
        "HF_HUB_OFFLINE",
        "OMP_NUM_THREADS",
        "TORCH_BACKEND",
        "PYTHON",
        "MAKEFLAGS",
        "MAKELEVEL",
    }
    env = {name: value for name, value in os.environ.items() if name not in ours} | variables
    return subprocess.run(["make", *args], cwd=cwd, env=env, capture_output=True, text=True)


@needs_make
def test_make_alone_lists_every_target(root):
    run = make(cwd=root)
    listed = [line.split()[1] for line in run.stdout.splitlines() if line.startswith("  make ")]
    assert listed == TARGETS


@needs_make
@pytest.mark.parametrize("target", [t for t in TARGETS if t not in {"help", "clean"}])
def test_every_target_sets_up_first(target, bare):
    commands = make("-n", target, cwd=bare).stdout
    assert "-m venv .venv" in commands
    assert "--compile-bytecode" in commands
    assert "-c constraints.txt -e '.[dev]'" in commands


@pytest.fixture
def bare(tmp_path, root):
    """A clone with nothing but what the set-up reads."""
    folder = tmp_path / "work book" / "clone"  # a path with a space, as people have
    folder.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(root / name, folder)
    return folder


@needs_make
def test_set_up_once_and_again_when_the_dependencies_change(bare):
    stamp = bare / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.touch()
    assert "venv" not in make("-n", "claims", cwd=bare).stdout
    os.utime(bare / "constraints.txt", (stamp.stat().st_mtime + 5,) * 2)
    assert "uv pip install" in make("-n", "claims", cwd=bare).stdout


@needs_make
def test_small_torch_on_request(bare):
    assert "--torch-backend cpu" in make("-n", "install", cwd=bare, TORCH_BACKEND="cpu").stdout
    assert "--torch-backend" not in make("-n", "install", cwd=bare).stdout


def stand_in(folder, version: tuple[int, int]):
    """A Python that takes itself for another version."""
    file = folder / "old-python"
    patched = f"import sys; sys.version_info = {(*version, 0)}; exec(sys.argv[1])"
    file.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{patched}' \"$2\"\n")
    file.chmod(0o755)
    return file


@needs_make
@pytest.mark.parametrize("version", [(2, 7), (3, 10)])
def test_an_old_python_is_told_in_one_sentence(bare, version):
    run = make("install", f"PYTHON=./{stand_in(bare, version).name}", cwd=bare)
    assert run.returncode != 0
    said = [line for line in run.stderr.splitlines() if "make" not in line.split(":")[0]]
    (sentence,) = said
    assert "3.11 or newer" in sentence
    assert f"is {version[0]}.{version[1]}" in sentence
    assert "PYTHON=python3.12" in sentence
    assert not (bare / ".venv").exists()


@needs_make
def test_an_absent_python_is_told_in_one_sentence(bare):
    run = make("install", "PYTHON=python0", cwd=bare)
    assert run.returncode != 0
    assert "there is no python0 here" in run.stderr
    assert not (bare / ".venv").exists()


@pytest.fixture
def set_up(bare):
    """The clone once set up, with commands that only tell how they were called."""
    commands = bare / ".venv" / "bin"
    commands.mkdir(parents=True)
    (bare / ".venv" / ".installed").touch()
    for name in ("ruff", "pytest", "tlkit", "python", "jupyter"):
        told = (
            'echo "$(basename "$0") $* cache=$TLKIT_CACHE offline=$HF_HUB_OFFLINE threads=$OMP_NUM_THREADS"'
        )
        (commands / name).write_text(f"#!/bin/sh\n{told}\n")
        (commands / name).chmod(0o755)
    return bare


def called(folder, *args: str, **variables: str) -> dict[str, str]:
    """Command → how make called it."""
    lines = make("-s", *args, cwd=folder, **variables).stdout.splitlines()
    return dict(line.split(" ", 1) for line in lines)


@needs_make
@pytest.mark.parametrize("status", [0, 2])
def test_set_up_fetches_weights_and_does_without_where_it_cannot(set_up, status):
    commands = set_up / ".venv" / "bin"
    for name in ("pip", "uv"):
        shutil.copy(commands / "python", commands / name)
    with open(commands / "tlkit", "a") as file:
        file.write(f"exit {status}\n")
    (set_up / ".venv" / ".installed").unlink()
    run = make("-s", "install", cwd=set_up)
    assert run.returncode == 0 and (set_up / ".venv" / ".installed").exists()
    assert "tlkit data get efficientnet_lite0 minilm cache=" in run.stdout
    assert ("All else is set up" in run.stdout) is (status != 0)


@needs_make
def test_the_cache_beside_the_repository_is_used_if_there_and_not_set(set_up):
    assert "cache= " in called(set_up, "test")["pytest"]
    (set_up.parent / "shared" / "cache").mkdir(parents=True)
    assert f"cache={set_up}/../shared/cache " in called(set_up, "test")["pytest"]
    assert f"cache={set_up}/../shared/cache " in called(set_up, "test-all")["pytest"]
    assert "cache= " in called(set_up, "claims")["tlkit"]
    assert "cache=elsewhere " in called(set_up, "test", TLKIT_CACHE="elsewhere")["pytest"]


@needs_make
def test_run_and_test_stay_offline_on_one_thread(set_up):
    commands = called(set_up, "run") | called(set_up, "test")
    assert set(commands) == {"tlkit", "ruff", "pytest"}
    assert all("offline=1 threads=1" in how for how in commands.values())
    assert "offline= " in called(set_up, "lab")["jupyter"], "a reader may fetch weights"


@needs_make
def test_test_all_adds_the_slow_ones(set_up):
    assert " -m " not in called(set_up, "test")["pytest"]
    assert " -m " in called(set_up, "test-all")["pytest"]


@needs_make
def test_clean_leaves_the_environment(set_up):
    (set_up / "build").mkdir()
    (set_up / "tlkit" / "fit" / "__pycache__").mkdir(parents=True)
    (set_up / ".venv" / "lib" / "__pycache__").mkdir(parents=True)
    assert make("clean", cwd=set_up).returncode == 0
    assert not (set_up / "build").exists()
    assert [p.parent.name for p in set_up.rglob("__pycache__")] == ["lib"]
    assert (set_up / ".venv" / ".installed").exists()


def test_continuous_integration_runs_make_test(root):
    script = root / ".ci" / "run"
    assert os.name == "nt" or os.access(script, os.X_OK)
    *_, last = script.read_text().splitlines()
    assert last == "exec make test"


def table(text: str, header: str) -> list[list[str]]:
    """The rows of the Markdown table under `header`."""
    lines = text.split(f"{header}\n", 1)[1].splitlines()[1:]
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_contributing_lists_the_tags_and_markers_there_are(root):
    page = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = re.findall(r"`([\w-]+)`", " ".join(row[0] for row in table(page, "| tag | for a cell that |")))
    assert set(listed) == set(TAGS)
    options = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    markers = re.findall(r"mark\.(\w+)", " ".join(row[0] for row in table(page, "| marker | means |")))
    assert set(markers) == {re.match(r"\w+", marker)[0] for marker in options["markers"]}


def test_contributing_names_only_files_there_are(root):
    page = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"\]\(([^)#:]+)\)|`((?:tlkit|tools|data|tests|notebooks)/[\w./-]+)`", page)
    paths = {link or code for link, code in named} - {"data/backbones/*"}
    paths = {path for path in paths if "NN_name" not in path}
    assert len(paths) > 10
    assert [path for path in sorted(paths) if not (root / path).exists()] == []


@needs_make
def test_a_run_ends_with_what_tlkit_run_says(set_up):
    """No table of claims after it."""
    lines = make("-s", "run", cwd=set_up).stdout.splitlines()
    assert [line.split(" cache")[0] for line in lines] == ["tlkit run core --report build/report.html"]
